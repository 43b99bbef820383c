"""A stage is a pure function to a directory: resumed when killed, reused when the same."""
