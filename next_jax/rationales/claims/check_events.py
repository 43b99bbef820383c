"""Checks of claims about what happened against the evidence: exceptions, results, ends, executions."""

from next_jax.rationales.claims import evidence as evidence_lib
from next_jax.rationales.claims import executions as executions_lib
from next_jax.rationales.claims import literals
from next_jax.rationales.claims import statement as statement_lib
from next_jax.rationales.claims import status


def exceptions(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  seen = evidence.exceptions or ([(-1, evidence.trace.detail)] if evidence.raised else [])
  name, place = statement.subject, statement.place
  happened = "; ".join(value[:60] for _, value in seen[:2]) or "no exception"
  if statement.claim == "says":
    if any(str(statement.literal.value) in value for _, value in seen):
      return status.SUPPORTED, happened
    return status.UNVERIFIABLE, happened
  if statement.claim in ("is caught", "escapes"):
    if not evidence.is_complete or not seen:
      return status.UNVERIFIABLE, happened
    is_true = (evidence.raised is None) == (statement.claim == "is caught")
    return status.of(is_true), f"the call ends with {evidence.raised or 'a result'}"
  if name is None:  # "it crashes" is about what leaves the call
    fitting = seen if evidence.raised else []
  else:
    fitting = [(number, value) for number, value in seen if evidence_lib.is_a(value.partition(":")[0], name)]
  if statement.claim == "does not raise":
    if fitting:
      return status.CONTRADICTED, happened
    return (status.SUPPORTED if evidence.is_complete else status.UNVERIFIABLE), happened
  if not fitting:
    return (status.CONTRADICTED if evidence.is_complete else status.UNVERIFIABLE), happened
  if statement.arguments and not any(f"'{statement.arguments[0].text}'" in value for _, value in fitting):
    return status.CONTRADICTED, happened
  steps = [number for number, _ in fitting if number >= 0]
  if not steps:
    return (status.SUPPORTED if place == statement_lib.Place() else status.UNVERIFIABLE), happened
  if place.step is not None and place.relation == "at":
    return status.of(place.step in steps), f"it is raised at step {steps[0]}"
  if place.line is not None and place.relation == "at":
    lines = [evidence.trace.steps[number].line for number in steps]
    wanted = place.line in lines or any(number in evidence.visits(place.line) for number in steps)
    return status.of(wanted), f"it is raised on line {lines[0]}"
  if place.round is not None and place.relation == "at":
    loops = evidence.loops()
    rounds = evidence.rounds(loops[0]) if len(loops) == 1 else None
    if rounds is None or not 0 < abs(place.round) <= len(rounds):
      return status.UNVERIFIABLE, "which loop is meant is not known"
    start, end = rounds[place.round - (place.round > 0)]
    return status.of(any(start <= number <= end for number in steps)), f"it is raised at step {steps[0]}"
  return status.SUPPORTED, happened


def results(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  if statement.claim in ("wrong", "right"):
    return _verdict(statement.claim == "right", evidence)
  if statement.claim == "expected":
    return _expected(statement, evidence)
  subject, place = statement.subject, statement.place
  if subject == "elsewhere":
    return status.UNVERIFIABLE, "of another function"
  value = statement.literal
  if place.step is not None and place.relation == "at":
    return _returned_at(value, place.step, evidence)
  if subject is not None and subject != "inner":
    function = subject.partition("(")[0]
    if function != evidence.entry_point:
      return _inner(evidence.returns_of(function), value, evidence)
    if not evidence.is_traced_call(subject):
      return status.UNVERIFIABLE, "of another call than the traced one"
  if subject == "inner":
    return _inner([r for name in evidence.functions for r in evidence.returns_of(name)], value, evidence)
  if not evidence.is_complete:
    return status.UNVERIFIABLE, "the trace was cut off"
  if evidence.result is None:
    return status.CONTRADICTED, f"the call raises {evidence.raised}"
  return status.of(literals.same(value, evidence.result)), f"the call returns {evidence.result.text[:60]}"


def _returned_at(value: literals.Literal, number: int, evidence: evidence_lib.Evidence) -> status.Check:
  if number >= len(evidence.trace.steps):
    return (status.CONTRADICTED if evidence.is_complete else status.UNVERIFIABLE), "there is no such step"
  step = evidence.trace.steps[number]
  if step.event not in ("return", "yield") or step.value is None:
    return status.UNVERIFIABLE, "nothing is returned at this step"
  answer = literals.same(value, literals.of_text(step.value))
  return status.of(answer), f"step {number} returns {step.value[:60]}"


def _inner(returned: list[literals.Literal], value: literals.Literal, evidence: evidence_lib.Evidence) -> status.Check:
  """Calls inside the traced one; several may be meant."""
  answer = status.any_same(value, returned)
  if answer is False and (not evidence.is_complete or not returned):
    answer = None
  return status.of(answer), f"returned are {', '.join(r.text[:30] for r in returned[:3]) or 'none'}"


def _expected(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  value, tests = statement.literal, evidence.tests
  asked = _asked_test(statement, evidence)
  if asked is not None:
    wanted = tests[asked].expected
    if wanted is None:
      return status.UNVERIFIABLE, "the test does not say a value"
    return status.of(literals.same(value, wanted)), f"test {asked + 1} expects {wanted.text[:60]}"
  if statement.subject is not None and statement.subject != "pair":
    return status.UNVERIFIABLE, "no public test makes this call"
  if statement.is_supposed and statement.arguments:
    return status.UNVERIFIABLE, "of another input"
  first = tests[0].expected
  if first is None:
    return status.UNVERIFIABLE, "the first test does not say a value"
  answer = literals.same(value, first)
  if answer is False and statement.subject != "pair":
    if any(test.expected is not None and literals.same(value, test.expected) for test in tests[1:]):
      return status.UNVERIFIABLE, "another test expects it"
  return status.of(answer), f"the first test expects {first.text[:60]}"


def _asked_test(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> int | None:
  """The test that a statement names, by its number, its call or its arguments."""
  if statement.test is not None and abs(statement.test) <= len(evidence.tests) and statement.test < len(evidence.tests):
    return statement.test % len(evidence.tests)
  if statement.subject is not None and statement.subject != "pair":
    return evidence.test_of_call(statement.subject)
  if statement.is_supposed and statement.arguments:
    for index, test in enumerate(evidence.tests):
      if len(test.arguments) == len(statement.arguments):
        if all(literals.same(one, other) for one, other in zip(statement.arguments, test.arguments, strict=True)):
          return index
  return None


def _verdict(is_right: bool, evidence: evidence_lib.Evidence) -> status.Check:
  """ "The result is wrong", "the test passes": of the first test."""
  if evidence.raised is not None:
    return status.of(not is_right), f"the call raises {evidence.raised}"
  wanted = evidence.tests[0].expected
  if evidence.result is None or wanted is None:
    return status.UNVERIFIABLE, "there is no result, or no value that is expected"
  same = literals.same(wanted, evidence.result)
  return status.of(None if same is None else same == is_right), f"the call returns {evidence.result.text[:60]}"


def terminations(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  how = evidence.trace.detail if not evidence.is_complete else evidence.trace.outcome
  ends = statement.claim == "ends"
  if evidence.is_complete:
    if evidence.raised == "RecursionError" and not ends:
      return status.SUPPORTED, "the call raises RecursionError"
    return status.of(ends), f"the call {how}"
  if how.startswith(evidence_lib.TRUNCATED_BY_SIZE) or not evidence.trace.steps:
    return status.UNVERIFIABLE, how
  return status.of(not ends), how


def executions(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  claim, line = statement.claim, statement.place.line
  if line is not None and claim in ("line never runs", "line runs"):
    return _line(statement, line, evidence)
  if claim == "loop runs":
    return _loop(statement, evidence)
  if claim in ("branch runs", "branch never runs"):
    span = evidence.branch(statement.name)
    if span is None:
      return status.UNVERIFIABLE, "which branch is meant is not known"
    return _ran(evidence.ran(*span), claim == "branch runs", evidence, f"lines {span[0]} to {span[1]}")
  if claim.startswith("condition"):
    return _condition(statement, evidence)
  if claim == "calls itself":
    return _number(evidence.calls_of(evidence.entry_point) - 1, statement.count, evidence)
  return _number(evidence.calls_of(statement.name), statement.count, evidence)


def _line(statement: statement_lib.Statement, line: int, evidence: evidence_lib.Evidence) -> status.Check:
  visits = evidence.visits(line)
  if not visits and not evidence.is_traced_line(line):
    if line > evidence.num_lines and statement.claim == "line runs":
      return status.CONTRADICTED, f"the program has {evidence.num_lines} lines"
    return status.UNVERIFIABLE, f"line {line} leaves no steps"
  if statement.claim == "line never runs":
    if line > evidence.num_lines:
      return status.UNVERIFIABLE, f"the program has {evidence.num_lines} lines"
    return _ran(bool(visits), False, evidence, f"line {line}")
  if statement.count is not None:
    count = evidence.count(line)
    if count is None:
      return status.UNVERIFIABLE, "not counted by the trace"
    return _number(count, statement.count, evidence)
  if statement.subject is not None and statement.value is not None:
    held = [literal for n in visits if (literal := evidence.value_after(statement.subject, n)) is not None]
    answer = status.any_same(statement.value, held)
    if answer is False and not evidence.is_complete:
      answer = None
    return status.of(answer), f"line {line} ran {len(visits)} times"
  return _ran(bool(visits), True, evidence, f"line {line}")


def _loop(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  line, subject = statement.place.line, statement.subject
  if line is not None:
    loops = [line] if line in evidence.loops() else []
  else:
    loops = evidence.loops(
        kind=subject if subject in ("for", "while") else None,
        order=subject if subject in ("outer", "inner", "first", "second") else None,
    )
  known = [rounds for rounds in map(evidence.rounds, loops) if rounds is not None]
  if not loops or len(known) < len(loops) or statement.count is None:
    return status.UNVERIFIABLE, "which loop is meant, or how often it ran, is not known"
  found = {check[0]: check for check in (_number(len(rounds), statement.count, evidence) for rounds in known)}
  if status.SUPPORTED in found:
    return found[status.SUPPORTED]
  if len(found) == 1:
    return next(iter(found.values()))
  return status.UNVERIFIABLE, "which loop is meant is not known"


def _condition(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  line = statement.place.line
  written = (statement.subject or "").replace(" ", "")
  named = [at for at, test in evidence.conditions().items() if written and written.endswith(test.replace(" ", ""))]
  conditions = [line] if line is not None else named or (list(evidence.conditions()) if not written else [])
  found = evidence.condition(conditions[0]) if len(conditions) == 1 else None
  if found is None:
    return status.UNVERIFIABLE, "which condition is meant is not known"
  line, (first, last, end) = conditions[0], found
  was_true = evidence.ran(first, last)
  was_false = bool(evidence.own_visits(line)) or evidence.ran(last + 1, end)
  if line in evidence.loops():
    was_false = evidence.is_complete
  if not was_true and not was_false:
    return status.UNVERIFIABLE, f"line {line} was never reached"
  _, how, what = statement.claim.split()
  seen = was_true if (how == "never") == (what == "true") else was_false  # what must not have been
  return _ran(seen, False, evidence, f"the body of line {line}")


def _ran(has_run: bool, should_have: bool, evidence: evidence_lib.Evidence, what: str) -> status.Check:
  why = f"{what} {'ran' if has_run else 'did not run'}"
  if has_run:
    return status.of(should_have), why
  # A line that an exception left in a called function has no step of its own.
  is_sure = evidence.is_complete and not (evidence.exceptions and evidence.has_inner_calls)
  return (status.of(not should_have) if is_sure else status.UNVERIFIABLE), why


def _number(count: int, claimed: int | None, evidence: evidence_lib.Evidence) -> status.Check:
  assert claimed is not None
  why = f"{count} times" if evidence.is_complete else f"{count} times or more"
  if claimed == executions_lib.MORE_THAN_ONCE:
    return (status.of(count > 1) if evidence.is_complete or count > 1 else status.UNVERIFIABLE), why
  if not evidence.is_complete:
    return (status.CONTRADICTED if count > claimed else status.UNVERIFIABLE), why
  return status.of(count == claimed), why
