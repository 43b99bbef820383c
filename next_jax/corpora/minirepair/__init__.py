"""MiniRepair: short Python functions with bugs, generated in any number."""
