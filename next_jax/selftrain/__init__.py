"""The algorithm: `loop` reads like the method, `verbs` are its steps."""
