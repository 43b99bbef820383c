"""The errors whose message is for the user: one class a room.

Where somebody catches an error by name, its module defines a subclass.
"""


class UserError(ValueError):
  """Something the user gave cannot be used.

  The message names the file, line, key or task, what was found, what was expected and what to do.
  `next-jax` prints it without a stack trace.
  """


class ConfigError(UserError):
  """A config file or a `--gin` binding."""


class TracingError(UserError):
  """A program or call that cannot be traced, or a style that cannot be written."""


class ExecutionError(UserError):
  """Problems, samples or limits, or a machine on which programs cannot be run."""


class PromptError(UserError):
  """A repair task or setting that no prompt can be made from."""


class CorpusError(UserError):
  """A corpus that cannot be built or read."""


class ModelError(UserError):
  """A network or base model with settings that cannot work."""


class EngineError(UserError):
  """A task, checkpoint or setting that an engine cannot work with."""


class EvaluationError(UserError):
  """Samples or verdicts that cannot be measured or compared."""


class RationaleError(UserError):
  """Labelled rationales, or the files of human raters."""


class StageError(UserError):
  """A stage's directory that was made with other settings, or from other inputs."""


class SelfTrainingError(UserError):
  """A setting of the self-training loop that cannot work."""


class SweepError(UserError):
  """A sweep that is not set up right, or one of its runs that failed."""


class ReportError(UserError):
  """A work directory that cannot be reported."""


class CommandError(UserError):
  """An argument of a command."""
