"""From a trace to the annotated source, and back."""
