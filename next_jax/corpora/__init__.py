"""Corpora of repair tasks. Bugs are generated, mutated or written by models; execution proves each task."""
