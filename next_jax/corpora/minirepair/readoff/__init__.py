"""ReadOff: generated programs whose right value the trace shows in one place."""
