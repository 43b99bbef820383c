"""Checks of claims about variables against the evidence: values, types, definitions."""

from collections.abc import Iterable

from next_jax.rationales.claims import evidence as evidence_lib
from next_jax.rationales.claims import literals
from next_jax.rationales.claims import statement as statement_lib
from next_jax.rationales.claims import status


def values(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  name, place = statement.name, statement.place
  states = evidence.states.get(name, [])
  if not states:
    known = evidence.is_complete and not evidence.is_used_outside(name)
    return (status.CONTRADICTED if known else status.UNVERIFIABLE), f"no state of the trace has {name}"
  if statement.claim == "changes":
    return _changes(statement, states, evidence)
  if statement.claim in ("always", "never"):
    return _always(statement, states, evidence)
  value = statement.literal
  candidates, where = _states_at(statement, states, evidence)
  if candidates is None:
    held = [state.literal for state in states]
    if any(literals.same(value, literal) is not False for literal in held) or not evidence.is_known(name):
      return status.UNVERIFIABLE, where
    return status.CONTRADICTED, f"{name} never holds {value.text}"
  answer = status.any_same(value, candidates)
  shown = ", ".join(literal.text[:40] for literal in candidates[:3]) or "nothing"
  why = f"{where} {name} is {shown}"
  is_open = place == statement_lib.Place() or place.line is not None  # visits behind the end of the trace count too
  if answer is False and is_open and not evidence.is_known(name):
    return status.UNVERIFIABLE, why
  return status.of(answer), why


def _states_at(
    statement: statement_lib.Statement, states: list[evidence_lib.TraceState], evidence: evidence_lib.Evidence
) -> tuple[list[literals.Literal] | None, str]:
  """The values a variable has at a place; the claim may match any. None where the trace does not tell."""
  name, place = statement.name, statement.place
  last = len(evidence.trace.steps) - 1
  if place.step is not None:
    if place.step > last:
      return ([] if evidence.is_complete else None), f"the trace ends at step {last}, where"
    step = place.step - (place.relation == "before")
    literal = evidence.value_after(name, step)
    if literal is None and not evidence.has_one_frame:
      return None, f"step {place.step} is in one of several calls"
    return ([] if literal is None else [literal]), f"at step {step}"
  if place.line is not None:
    return _states_at_line(name, place.line, place.relation, evidence)
  if place.round is not None:
    return _states_in_round(name, place.round, place.relation, evidence)
  if place.moment == "start":
    return [states[0].literal], "at first"
  if place.moment == "end":
    if not evidence.is_known(name):
      return None, "the trace was cut off"
    if not evidence.has_one_frame and len({state.literal.text for state in states}) > 1:
      return None, "there were several calls"
    return [states[-1].literal], "at last"
  return [state.literal for state in states], "of all its states,"


def _states_at_line(
    name: str, line: int, relation: str, evidence: evidence_lib.Evidence
) -> tuple[list[literals.Literal] | None, str]:
  visits = evidence.visits(line)
  if not visits:
    never = evidence.is_complete and (evidence.is_traced_line(line) or line > evidence.num_lines)
    return ([] if never else None), f"line {line} never ran, so that"
  numbers: list[int] = []
  for number in visits:
    if relation != "before":
      numbers.append(number)
    if relation != "after" and number:
      numbers.append(number - 1)
  found = [literal for number in numbers if (literal := evidence.value_after(name, number)) is not None]
  if not found and not evidence.has_one_frame:
    return None, "there were several calls"
  return list(dict.fromkeys(found)), f"on line {line}"


def _states_in_round(
    name: str, number: int, relation: str, evidence: evidence_lib.Evidence
) -> tuple[list[literals.Literal] | None, str]:
  loops = evidence.loops()
  rounds = evidence.rounds(loops[0]) if len(loops) == 1 else None
  if rounds is None:
    return None, "which loop is meant, or how often it ran, is not known"
  if not evidence.is_complete and (number == statement_lib.LAST or number > len(rounds)):
    return None, "the trace was cut off"
  if number > len(rounds) or not rounds:
    return [], f"there were {len(rounds)} rounds, and so"
  start, end = rounds[number - (number > 0)]
  start = max(start - (relation == "before"), 0)
  found = [evidence.value_after(name, step) for step in range(start, end + 1)]
  return [literal for literal in found if literal is not None], f"in round {number}"


def _changes(
    statement: statement_lib.Statement, states: list[evidence_lib.TraceState], evidence: evidence_lib.Evidence
) -> status.Check:
  before, after = statement.before, statement.literal
  assert before is not None, statement
  seen_before = False
  for state in states:
    if seen_before and literals.same(after, state.literal):
      return status.SUPPORTED, f"{statement.name} does"
    seen_before = seen_before or literals.same(before, state.literal) is True
  if any(literals.same(value, s.literal) is None for s in states for value in (before, after)):
    return status.UNVERIFIABLE, "values are abridged"
  return status.of(False if evidence.is_known(statement.name) else None), "no two states in this order are these"


def _always(
    statement: statement_lib.Statement, states: list[evidence_lib.TraceState], evidence: evidence_lib.Evidence
) -> status.Check:
  name, value = statement.name, statement.literal
  equal = [literals.same(value, state.literal) for state in states]
  is_known = evidence.is_known(name)
  if statement.claim == "never":
    if True in equal:
      return status.CONTRADICTED, f"{name} is, at step {states[equal.index(True)].step}"
    return status.of(True if is_known and None not in equal else None), f"no state has {name}={value.text}"
  place = statement.place
  if False in equal:
    if True not in equal and None not in equal and is_known:
      return status.CONTRADICTED, f"{name} never is"
    if place != statement_lib.Place() and place.moment is None:
      candidates, where = _states_at(statement, states, evidence)
      return status.of(status.any_same(value, candidates)) if candidates else status.UNVERIFIABLE, where
    other = states[equal.index(False)].literal.text[:40]
    return status.of(False if "always" in statement.text else None), f"{name} is {other}"
  if None in equal:
    return status.UNVERIFIABLE, "values are abridged"
  # A cut trace that would have changed it by now: thousands of steps without a change.
  return status.SUPPORTED, f"all states of {name}"


def types(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  if statement.claim == "returns type":
    return _result_type(statement, evidence)
  name = statement.name
  states = evidence.states.get(name, [])
  if not states:
    return status.UNVERIFIABLE, f"no state of the trace has {name}"
  candidates, where = _states_at(statement, states, evidence)
  if candidates is None:
    return status.UNVERIFIABLE, where
  fits = _fits(statement.types, candidates)
  if statement.claim == "is not of type":
    fits = None if fits is None else not fits
  elif fits is False and not evidence.is_complete and not evidence.is_known(name) and len(candidates) < 2:
    fits = None
  return status.of(fits), f"{where} {name} is {candidates[0].text[:40] if candidates else 'nothing'}"


def _result_type(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  if statement.subject is not None or not evidence.is_complete:
    return status.UNVERIFIABLE, "of another call, or the trace was cut off"
  if evidence.result is None:
    return status.CONTRADICTED, f"the call raises {evidence.raised}"
  return status.of(_fits(statement.types, [evidence.result])), f"it returns {evidence.result.text[:40]}"


def _fits(types: frozenset[str], candidates: Iterable[literals.Literal]) -> bool | None:
  answer: bool | None = False
  for literal in candidates:
    kinds = literal.type_names
    if kinds is None or (kinds == {"bool"} and "int" in types):
      answer = None
    elif kinds & types:
      if kinds <= types:
        return True
      answer = None
  return answer


def definitions(statement: statement_lib.Statement, evidence: evidence_lib.Evidence) -> status.Check:
  name, place = statement.name, statement.place
  states = evidence.states.get(name, [])
  raised = [value for _, value in evidence.exceptions if evidence_lib.is_a(value.partition(":")[0], "NameError")]
  if any(f"'{name}'" in value for value in raised):
    return status.SUPPORTED, f"the trace raises a NameError for {name}"
  if states:
    moments = evidence.visits(place.line) if place.line is not None else [place.step] if place.step is not None else []
    if moments and statement.claim == "undefined" and evidence.has_one_frame and moments[0] <= states[0].step:
      if moments[0] < states[0].step or place.relation == "before":
        return status.SUPPORTED, f"{name} has its first value at step {states[0].step}"
    return status.CONTRADICTED, f"{name} is {states[0].literal.text[:40]} at step {states[0].step}"
  if name in evidence.variables:
    if statement.claim == "never assigned" and evidence.is_complete:
      return status.SUPPORTED, f"no state of the trace has {name}"
    return status.UNVERIFIABLE, f"no state of the trace has {name}"
  if evidence.is_bound_somewhere(name):
    return status.CONTRADICTED, f"{name} is defined outside of the functions"
  return (status.SUPPORTED if evidence.is_used(name) else status.UNVERIFIABLE), f"nothing defines {name}"
