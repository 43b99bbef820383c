"""Statements of a rationale, and whether the trace supports or contradicts them."""
