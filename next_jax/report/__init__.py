"""What a work directory holds, as tables, plots and one page."""
