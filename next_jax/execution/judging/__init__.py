"""A program in a process of its own, and the judge outside it."""
