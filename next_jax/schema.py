"""The nouns of the project, which are also its JSON records.

Every record is a frozen dataclass. `to_json` returns a plain dictionary that starts with the schema version.
`from_json` reads such a dictionary and names the key that is wrong, if one is.
"""

import dataclasses
import types
import typing
from typing import Any, ClassVar, Self

from next_jax import errors

SCHEMA_VERSION = 1

STATUSES = ("passed", "failed", "error", "timeout", "memory", "syntax", "infrastructure")


class RecordError(errors.UserError):
  """A JSON object that is not a valid record; the message names the key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
  """Base of all records: conversion to and from JSON objects."""

  record_name: ClassVar[str] = "record"

  def to_json(self) -> dict[str, Any]:
    """The record as a JSON object, with its schema version."""
    return {"schema_version": SCHEMA_VERSION, **_fields_to_json(self)}

  @classmethod
  def from_json(cls, value: Any) -> Self:
    """Makes a record from a JSON object.

    Raises RecordError if a key is missing, unknown or has a value of the wrong type, or if the schema version differs.
    """
    if not isinstance(value, dict):
      raise RecordError(f"expected a JSON object for a {cls.record_name}, found {type(value).__name__}")
    version = value.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
      raise RecordError(
          f"key 'schema_version': found {version!r}, this version of next_jax reads {SCHEMA_VERSION};"
          " make the file again with this version"
      )
    return _record_from_json(cls, {k: v for k, v in value.items() if k != "schema_version"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step(Record):
  """One step of an execution: the line that ran and the variables that it changed.

  Attributes:
    line: Line of the source, from 1.
    event: "call" (on the `def` line; the changes are the arguments), "line", "return", "yield" or "exception".
    changes: (variable, value as written in the comment), in order of first assignment.
    value: The value that was returned or yielded, or the exception, such as "IndexError: list index out of range".
      Otherwise None.
  """

  record_name: ClassVar[str] = "step"
  line: int
  event: str
  changes: tuple[tuple[str, str], ...] = ()
  value: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trace(Record):
  """The steps of one call of a program, in execution order.

  Attributes:
    call: The expression that was evaluated, such as "separate([1, 2, 3, 4])".
    steps: The steps. A number in the comments, such as "(3)", is an index into this tuple.
    outcome: "returned", "raised" or "truncated" (a budget ended the trace).
    detail: The value of the call, the exception, or the budget that ended the trace.
  """

  record_name: ClassVar[str] = "trace"
  call: str
  steps: tuple[Step, ...]
  outcome: str
  detail: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RepairTask(Record):
  """A program to repair.

  A test is Python source, usually one `assert`, that calls `entry_point` and raises if the program is wrong. The prompt
  and the trace use public tests only; the verdict uses public and hidden tests. The first public test fails on
  `buggy_code`, unless `buggy_code` fails only hidden tests.

  Attributes:
    instruction: What the program should do, in words.
    entry_point: Name of the function that the tests call.
    reference_code: A correct program. It is never in a prompt.
    bug_kind: Name of the mutation, of the model that wrote the bug, or of the benchmark's own kind of bug.
    bug_origin: "mutant", "model" or "benchmark".
    setup_code: Code that runs before the program and before the tests, such as imports and classes.
    trace: Trace of `buggy_code` on the first public test; None until it is traced.
  """

  record_name: ClassVar[str] = "repair task"
  task_id: str
  split: str
  instruction: str
  entry_point: str
  buggy_code: str
  reference_code: str
  public_tests: tuple[str, ...]
  hidden_tests: tuple[str, ...]
  bug_kind: str
  bug_origin: str
  setup_code: str = ""
  trace: Trace | None = None

  def __post_init__(self):
    if not self.public_tests:
      raise RecordError(f"key 'public_tests': task {self.task_id!r} has none; a repair task needs at least one test")

  @property
  def tests(self) -> tuple[str, ...]:
    """The public tests, then the hidden ones."""
    return self.public_tests + self.hidden_tests


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample(Record):
  """One completion that a model wrote for a task.

  Attributes:
    rationale, fix: The two parts of `completion`; None if it could not be parsed.
    refusal: Why `completion` could not be parsed; None if it could.
    log_probability: Natural logarithm of the completion's probability, summed over its tokens, under the model at
      temperature 1 without truncation of the distribution.
    token_count: Number of tokens of the completion, including the end-of-sequence token.
    seed: Seed of the sampling run. With task_id and sample_index it determines the random key.
  """

  record_name: ClassVar[str] = "sample"
  task_id: str
  sample_index: int
  completion: str
  rationale: str | None = None
  fix: str | None = None
  refusal: str | None = None
  log_probability: float
  token_count: int
  seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestResult(Record):
  """The result of one test; `detail` is for people ("got 3, expected 4")."""

  __test__: ClassVar[bool] = False  # pytest would take the class for a test case because of its name
  record_name: ClassVar[str] = "test result"
  status: str
  detail: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict(Record):
  """The result of running one program on its tests.

  Attributes:
    status: One of STATUSES; "infrastructure" is a failure of the executor, never of the program.
    tests: Results in the order of the tests, up to and including the first that did not pass.
    detail: The first failure in words, or the reason why there was nothing to run.
    trust: "judged" if assertions were evaluated outside the program's process, "inside" if they could not be.
    cpu_seconds: CPU seconds of the program's process. None in a work directory, whose bytes are reproducible.
  """

  record_name: ClassVar[str] = "verdict"
  task_id: str
  sample_index: int
  status: str
  tests: tuple[TestResult, ...] = ()
  detail: str = ""
  trust: str = "judged"
  cpu_seconds: float | None = None

  def __post_init__(self):
    if self.status not in STATUSES:
      raise RecordError(f"key 'status': found {self.status!r}, expected one of {', '.join(STATUSES)}")

  @property
  def passed(self) -> bool:
    """Whether the program passed all tests."""
    return self.status == "passed"

  @property
  def is_sample(self) -> bool:
    """Whether it counts as a sample in pass@k. An infrastructure failure says nothing about the model."""
    return self.status != "infrastructure"


def _fields_to_json(record: Record) -> dict[str, Any]:
  return {field.name: _to_json(getattr(record, field.name)) for field in dataclasses.fields(record)}


def _to_json(value: Any) -> Any:
  if isinstance(value, Record):
    return _fields_to_json(value)  # only the outermost record carries the version
  if isinstance(value, tuple):
    return [_to_json(item) for item in value]
  return value


def _record_from_json(cls: type[Record], value: Any) -> Any:
  if not isinstance(value, dict):
    raise RecordError(f"expected a JSON object for a {cls.record_name}, found {type(value).__name__}")
  hints = _hints(cls)
  fields = {field.name: field for field in dataclasses.fields(cls)}
  for key in value:
    if key not in fields:
      raise RecordError(f"key {key!r} is unknown in a {cls.record_name}; known: {', '.join(fields)}")
  arguments = {}
  for name, field in fields.items():
    if name in value:
      arguments[name] = _from_json(hints[name], value[name], name)
    elif field.default is dataclasses.MISSING:
      raise RecordError(f"key {name!r} is missing in a {cls.record_name}")
  return cls(**arguments)


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(cls: type) -> dict[str, Any]:
  if cls not in _HINTS:
    _HINTS[cls] = typing.get_type_hints(cls)
  return _HINTS[cls]


def _from_json(hint: Any, value: Any, key: str) -> Any:
  origin = typing.get_origin(hint)
  if origin in (types.UnionType, typing.Union):
    if value is None:
      return None
    (hint,) = (option for option in typing.get_args(hint) if option is not type(None))
    return _from_json(hint, value, key)
  if origin is tuple:
    if not isinstance(value, (list, tuple)):
      raise RecordError(f"key {key!r}: expected a list, found {type(value).__name__}")
    options = typing.get_args(hint)
    if options[-1] is Ellipsis:
      return tuple(_from_json(options[0], item, key) for item in value)
    if len(value) != len(options):
      raise RecordError(f"key {key!r}: expected {len(options)} items, found {len(value)}")
    return tuple(_from_json(option, item, key) for option, item in zip(options, value, strict=True))
  if issubclass(hint, Record):
    try:
      return _record_from_json(hint, value)
    except RecordError as error:
      raise RecordError(f"in {key!r}: {error}") from None
  if hint is float and type(value) is int:
    return float(value)
  if type(value) is not hint:
    raise RecordError(f"key {key!r}: expected {hint.__name__}, found {type(value).__name__}")
  return value
