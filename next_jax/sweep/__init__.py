"""Several runs, one for every arm and seed, and the findings that compare them."""
