"""Where repair tasks come from: generated, mutated or written by models, each proven by execution."""
