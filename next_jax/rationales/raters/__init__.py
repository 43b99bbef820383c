"""Blind pages for human raters, and the summary of their answers."""
