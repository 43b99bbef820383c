"""A program and a call in, an annotated program out."""
