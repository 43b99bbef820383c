"""HTML pages, and the one table writer."""
