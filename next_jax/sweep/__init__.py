"""Several runs: arms times seeds, and the findings that they answer."""
