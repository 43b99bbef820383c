"""Generated programs whose right value stands in the trace in one place."""
