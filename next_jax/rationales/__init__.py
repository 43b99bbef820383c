"""Is a rationale any good? Consistency with the trace, localisation, human raters."""
