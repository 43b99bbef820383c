"""The error whose message is for the user."""


class UserError(ValueError):
  """Something the user gave cannot be used.

  The message names the file, line, key or task, what was found, what was expected and what to do.
  `next-jax` prints it without a stack trace.
  """
