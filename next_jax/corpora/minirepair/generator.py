"""Makes one repair task: a problem from a family, a bug proven by execution, tests, and a trace."""

from collections.abc import Callable, Sequence
import dataclasses
import itertools
import random
import re

from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora import mutations
from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair import families
from next_jax.corpora.minirepair import running
from next_jax.corpora.minirepair import splits
from next_jax.tracing.recording import recorder


@dataclasses.dataclass(frozen=True)
class Rejected:
  """A draw that gave no task, and why. The statistics count the reasons."""

  reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
  """A task with facts that its record does not hold.

  Attributes:
    task: The repair task.
    family: Name of the family.
    pair_key: Identity of (bug, fix).
    canonical_bug, canonical_fix: Canonical forms of the buggy code and of the reference.
    shows: How the bug shows on the first public test: "value", "exception" or "endless".
    vague: Whether the instruction leaves out constants and boundaries.
  """

  task: schema.RepairTask
  family: str
  pair_key: str
  canonical_bug: str
  canonical_fix: str
  shows: str
  vague: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generator:
  """Settings of single tasks.

  Attributes:
    vague_share: Share of instructions without constants and boundaries, which tests and trace must then show.
    num_public_tests: Number of public tests.
    num_hidden_tests: Maximum number of hidden tests; there are fewer if inputs run out.
    max_trace_steps: Maximum steps of a trace; tasks with longer ones are dropped, and endless ones are cut there.
    exception_share: Share that is kept of bugs whose first public test raises. They are easy to spot, and without a
      bound wrong variables would make a third of the corpus such bugs.
    endless_share: Share that is kept of bugs that never end.
    max_value_length: Maximum characters of an argument list or a result in a test.
    max_pieces: Maximum words and signs in program, public tests and trace together, which bounds the prompt.
    mutants_per_problem: Number of bugs to try before another problem is drawn.
  """

  vague_share: float = 0.6
  num_public_tests: int = 3
  num_hidden_tests: int = 6
  max_trace_steps: int = 30
  exception_share: float = 0.25
  endless_share: float = 0.5
  max_value_length: int = 42
  max_pieces: int = 230
  mutants_per_problem: int = 3

  def make(
      self,
      rng: random.Random,
      combination: splits.Combination,
      accepts: Callable[[str], bool],
      *,
      split: str,
      number: int,
      open_names: bool = False,
  ) -> Case | Rejected:
    """A task of the combination whose pair key `accepts` accepts, or the reason why this draw gave none."""
    family, kind = combination
    problem = families.family(family)(draw.Draw(rng, open_names=open_names))
    bugs = list(itertools.islice(mutations.mutants(problem.code, rng, (kind,)), self.mutants_per_problem))
    task_id = f"minirepair/{split}/{number:05d}-{family}-{kind}"
    return self.case(rng, problem, bugs, accepts, split=split, task_id=task_id, family=family)

  def case(
      self,
      rng: random.Random,
      problem: draw.DrawnProblem,
      bugs: Sequence[mutations.Mutant],
      accepts: Callable[[str], bool],
      *,
      split: str,
      task_id: str,
      family: str,
  ) -> Case | Rejected:
    """A task of the first bug that fails a test and whose pair key `accepts` accepts, or why there is none."""
    if not bugs:
      return Rejected("mutation finds no place")
    canonical_fix = canonical.canonical(problem.code)
    keys = [canonical.pair_key(bug.canonical, canonical_fix) for bug in bugs]
    if not any(map(accepts, keys)):
      return Rejected("pair is taken or belongs to another split")
    calls = self._calls(rng, problem)
    if len(calls) < self.num_public_tests + 1:
      return Rejected("too few inputs")
    if len({repr(expected) for _, expected in calls}) < 2:
      return Rejected("one result for all inputs")
    reason = ""
    for bug, pair_key in zip(bugs, keys, strict=True):
      if not accepts(pair_key):
        reason = "pair is taken or belongs to another split"
        continue
      found = self._prove(rng, problem, bug.code, calls)
      if isinstance(found, Rejected):
        reason = found.reason
        continue
      tests, trace, shows = found
      vague = rng.random() < self.vague_share
      return Case(
          task=schema.RepairTask(
              task_id=task_id,
              split=split,
              instruction=problem.vague if vague else problem.precise,
              entry_point=problem.entry_point,
              buggy_code=bug.code,
              reference_code=problem.code,
              public_tests=tests[: self.num_public_tests],
              hidden_tests=tests[self.num_public_tests :],
              bug_kind=bug.kind,
              bug_origin="mutant",
              trace=trace,
          ),
          family=family,
          pair_key=pair_key,
          canonical_bug=bug.canonical,
          canonical_fix=canonical_fix,
          shows=shows,
          vague=vague,
      )
    return Rejected(reason)

  def _calls(self, rng: random.Random, problem: draw.DrawnProblem) -> list[tuple[tuple, object]]:
    """Distinct (arguments, result of the reference)."""
    wanted = self.num_public_tests + self.num_hidden_tests
    reference = running.load(problem.code, problem.entry_point)
    calls, seen = [], set()
    for _ in range(2 * wanted):
      arguments = problem.inputs(rng)
      text = repr(arguments)
      if text in seen or len(text) > self.max_value_length:
        continue
      seen.add(text)
      expected = reference(*running.copy(arguments))
      if len(repr(expected)) <= self.max_value_length:
        calls.append((arguments, expected))
      if len(calls) == wanted:
        break
    return calls

  def _prove(
      self, rng: random.Random, problem: draw.DrawnProblem, bug: str, calls: list[tuple[tuple, object]]
  ) -> tuple[tuple[str, ...], schema.Trace, str] | Rejected:
    """(tests with a failing one first, trace of that test, how the bug shows on it)."""
    function = running.load(bug, problem.entry_point)
    outcomes = [running.run(function, arguments) for arguments, _ in calls]
    if any(outcome.how == "oversized" for outcome in outcomes):
      return Rejected("values grow")
    failing = [
        index
        for index, (outcome, (_, expected)) in enumerate(zip(outcomes, calls, strict=True))
        if outcome.how != "returned" or outcome.value != expected
    ]
    if not failing:
      return Rejected("bug passes all tests")
    first = rng.choice(failing)
    how = outcomes[first].how
    if how == "raised" and rng.random() >= self.exception_share:
      return Rejected("exception (thinned)")
    if how == "endless" and rng.random() >= self.endless_share:
      return Rejected("endless (thinned)")
    if how == "returned" and len(repr(outcomes[first].value)) > self.max_value_length:
      return Rejected("value too long")
    if any("..." in repr(outcome.value) for outcome in outcomes):
      return Rejected("value holds itself")
    texts = [_call_text(problem.entry_point, arguments) for arguments, _ in calls]
    trace = recorder.record(bug, texts[first], budget=recorder.Budget(max_steps=self.max_trace_steps))
    if trace.outcome == "truncated" and how != "endless":
      return Rejected("trace too long")
    order = [first] + [index for index in range(len(calls)) if index != first]
    tests = tuple(f"assert {texts[index]} == {calls[index][1]!r}" for index in order)
    shown = (text for step in trace.steps for text in _shown(step))
    if _pieces(bug, *tests[: self.num_public_tests], *shown) > self.max_pieces:
      return Rejected("prompt too long")
    return tests, trace, {"returned": "value", "raised": "exception", "endless": "endless"}[how]


def _shown(step: schema.Step) -> list[str]:
  shown = [f"(0) {name}={value};" for name, value in step.changes]
  return shown if step.value is None else [*shown, f"(0) return {step.value}"]


def _pieces(*texts: str) -> int:
  return sum(len(re.findall(r"\w+|\n|[^\w\s]", text)) for text in texts)


def _call_text(entry_point: str, arguments: tuple) -> str:
  return f"{entry_point}({', '.join(map(repr, arguments))})"
