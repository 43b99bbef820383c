"""Requests to the executor: programs to verify, calls to trace, reference solutions to run."""

import dataclasses
from typing import Any, ClassVar

from next_jax import schema


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program(schema.Record):
  """One program and the tests that decide its verdict.

  Attributes:
    code: Whole source of the program; it never runs in a trusted process.
    entry_point: Function that the tests call. Tests see this name of the program and no other. Tests
      that use other names of it ("" declares that they do) run inside the program's process, and the
      verdict says so.
    setup_code: Source that runs before the program, and before the tests where these are judged.
    tests: Python sources that raise when they are not satisfied. They run in order, in one namespace,
      until one does not pass.
    cpu_seconds: CPU seconds for this program, if fewer than Limits.cpu_seconds; None for that limit. They are checked
      while the program makes the judge wait, so one that answers many calls may get somewhat more.
  """

  record_name: ClassVar[str] = "program"
  task_id: str
  sample_index: int = 0
  code: str
  entry_point: str
  setup_code: str = ""
  tests: tuple[str, ...]
  cpu_seconds: float | None = None

  def __post_init__(self):
    _check_texts(self, "task_id", "code", "entry_point", "setup_code")
    if not isinstance(self.tests, (tuple, list)) or not all(isinstance(test, str) for test in self.tests):
      raise schema.RecordError(f"key 'tests': expected strings in a tuple, for task {self.task_id!r}")
    if not self.tests:
      raise schema.RecordError(f"key 'tests': program for task {self.task_id!r} has none; a verdict needs a test")

  def job(self) -> dict[str, Any]:
    """The job that a judge gets."""
    fields = {"code": self.code, "entry_point": self.entry_point, "setup_code": self.setup_code, "tests": self.tests}
    return {"program": {**fields, "cpu_seconds": self.cpu_seconds}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TraceRequest(schema.Record):
  """A call of a program to trace; `call` is an expression such as "separate([1, 2])"."""

  record_name: ClassVar[str] = "trace request"
  task_id: str
  source: str
  call: str
  setup_code: str = ""

  def __post_init__(self):
    _check_texts(self, "task_id", "source", "call", "setup_code")

  def job(self, budget: dict[str, Any] | None) -> dict[str, Any]:
    """The job that a judge gets; `budget` holds the fields of a Budget, None for its defaults."""
    return {"trace": {"source": self.source, "call": self.call, "setup_code": self.setup_code, "budget": budget}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputsRequest:
  """A reference solution to run on inputs; see `outputs.expected_outputs`.

  Attributes:
    inputs: Argument lists as tagged JSON.
    atol: Absolute tolerance for floats; 0 for the default of `outputs`.
    rule: A key of outputs.RULES.
  """

  task_id: str
  code: str
  entry_point: str
  setup_code: str = ""
  inputs: tuple[list, ...]
  atol: float = 0.0
  rule: str = "equal"

  def job(self) -> dict[str, Any]:
    """The job that a judge gets."""
    fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "task_id"}
    return {"outputs": fields}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outputs:
  """What a reference solution returned.

  Attributes:
    expected: Outputs as tagged JSON, in the order of the inputs, until an input has none.
    status: "passed" if all inputs have one; else as in a verdict, or "too long" for an output over Limits.reply_bytes.
    detail: Why there are no more outputs; "" if there are all.
    cpu_seconds: CPU seconds of the program's process.
  """

  expected: list
  status: str
  detail: str
  cpu_seconds: float


def _check_texts(record, *names):
  for name in names:
    value = getattr(record, name)
    if not isinstance(value, str):
      raise schema.RecordError(
          f"key {name!r}: expected str, found {type(value).__name__}, in a {record.record_name} for task"
          f" {record.task_id!r}"
      )
