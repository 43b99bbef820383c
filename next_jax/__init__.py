"""NExT (Naturalized Execution Tuning) in JAX: a code model that teaches itself to reason about execution."""
