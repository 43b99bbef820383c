"""From source and call to a trace."""
