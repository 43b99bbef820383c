"""HumanEval+ and MBPP+ as evalplus publishes them: inputs and a reference solution, no expected outputs.

`with_tests` computes the expected outputs. It runs the reference solutions in an executor's confined workers
and makes two tests per problem, one on the benchmark's own inputs and one on evalplus's, as evalplus reports them.

On the reference solutions and three mutants of each problem (2096 programs) verdicts were those of evalplus
0.3.1, given the time it needs, but for HumanEval/32: there it fails every program, as it does not count the
inputs that it has checked by that problem's own rule. Differences that are deliberate:

- Both tests call one process of the program, evalplus has one for each; so a program that keeps state
  between calls may fail the second here.
- The limit is on the CPU time of the whole program, so a busy machine changes no verdict. evalplus limits
  each input on the clock, to a second or four times what the reference took, and all together to a minute.
- Programs cannot return objects that compare as they like: one of a subclass of int is the int that it holds,
  an object with `__eq__` is equal to nothing. Nor can they change the arguments that the rules of `outputs` look at.
- Values that only broadcasting in numpy.allclose makes close are not close. A numpy scalar is the number that it
  stands for.
- Inputs on which the reference solution's own output exceeds the executor's Limits are left out, and
  named by `next-jax verify` (four of Mbpp/255, of up to a gigabyte).

The contracts are kept but not enforced: evalplus makes inputs by them and does not judge by them, and
some published inputs violate theirs (HumanEval/32, HumanEval/116, Mbpp/267, Mbpp/734 and others).
"""

from collections.abc import Callable, Iterable
import dataclasses
import hashlib
import json
import sys
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.execution import executor as executor_lib
from next_jax.execution import outputs
from next_jax.execution import program as program_lib
from next_jax.execution.judging import plain_data

_CACHE_VERSION = 1  # version of what a cache file holds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
  """The inputs that a problem's tests are made from.

  Attributes:
    base, plus: Argument lists as tagged JSON: the benchmark's own, and evalplus's.
    atol: Absolute tolerance for floats; 0 for the default of `outputs`.
    rule: A key of outputs.RULES.
    contract: Assertions about the arguments, for people to read.
  """

  base: list
  plus: list
  atol: float
  rule: str
  contract: str


def inputs_of_row(row: dict[str, Any]) -> Inputs:
  """The inputs in a row of a problem file. Raises ExecutionError that names the key."""
  task_id, entry_point = str(row.get("task_id")), str(row.get("entry_point"))
  is_mbpp = task_id.lower().startswith("mbpp/")
  convert = _CONVERSIONS.get(int(task_id[5:]), _unchanged) if is_mbpp and task_id[5:].isdigit() else _unchanged
  atol = row.get("atol", 0)
  if isinstance(atol, bool) or not isinstance(atol, (int, float)) or not 0 <= atol < 1:
    raise errors.ExecutionError(f"key 'atol': expected a number from 0 to 1, found {atol!r}")
  encoded = {}
  for key in ("base_input", "plus_input"):
    inputs = row.get(key) or []  # a few rows of MBPP+ have {} for none
    if not isinstance(inputs, list) or not all(isinstance(arguments, list) for arguments in inputs):
      raise errors.ExecutionError(f"key {key!r}: expected a list of argument lists")
    try:
      encoded[key] = [[plain_data.encode(value, _refuse) for value in convert(arguments)] for arguments in inputs]
    except (TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
      raise errors.ExecutionError(f"key {key!r}: found arguments that {task_id!r} does not take ({error})") from None
  if not encoded["base_input"] and not encoded["plus_input"]:
    raise errors.ExecutionError("keys 'base_input' and 'plus_input': expected one or more inputs, found none")
  return Inputs(
      base=encoded["base_input"],
      plus=encoded["plus_input"],
      atol=atol,
      rule=(_MBPP_RULES if is_mbpp else _HUMAN_EVAL_RULES).get(entry_point, "equal"),
      contract=str(row.get("contract") or ""),
  )


def with_tests(
    problems: Iterable, executor: executor_lib.Executor, cache: epath.PathLike | None = None
) -> list:
  """The problems in order; those that have inputs instead of tests get tests.

  Args:
    problems: Problems whose `canonical` is right; it runs in the executor only.
    executor: An open executor; its limits apply to the reference solutions.
    cache: Directory that keeps what the reference solutions returned, one file per problem.

  Raises:
    ExecutionError: a reference solution fails on its own inputs, or this machine cannot run programs.
  """
  problems = list(problems)
  found: dict[str, dict[str, Any]] = {}
  keys = {problem.task_id: _cache_key(problem) for problem in problems if problem.inputs is not None}
  if cache is not None:
    for task_id, key in keys.items():
      path = epath.Path(cache) / f"{key}.json"
      if path.exists():
        found[task_id] = files.read_json(path)
  missing = [problem for problem in problems if problem.task_id in keys and problem.task_id not in found]
  for problem, reference in zip(missing, _references(missing, executor), strict=True):
    found[problem.task_id] = reference
    if cache is not None:
      # Not write_json: outputs may be infinite.
      files.write_text(epath.Path(cache) / f"{keys[problem.task_id]}.json", json.dumps(reference))
  return [_with_tests(problem, found[problem.task_id]) if problem.task_id in found else problem for problem in problems]


def _cache_key(problem) -> str:
  """Digest of everything that expected outputs depend on, Python's minor version included."""
  fields = dataclasses.asdict(problem.inputs)
  text = json.dumps([_CACHE_VERSION, sys.version_info[:2], problem.canonical, problem.entry_point, fields])
  return hashlib.sha256(text.encode()).hexdigest()


def _with_tests(problem, reference):
  tests = []
  for part in ("base", "plus"):
    left_out = set(reference[part]["left_out"])
    inputs = [one for index, one in enumerate(getattr(problem.inputs, part)) if index not in left_out]
    if inputs:
      tests.append(
          outputs.test_source(
              problem.entry_point,
              inputs,
              reference[part]["expected"],
              atol=problem.inputs.atol,
              rule=problem.inputs.rule,
          )
      )
  return dataclasses.replace(
      problem,
      tests=tuple(tests),
      reference_cpu_seconds=sum(part["cpu_seconds"] for part in reference.values()),
      left_out={part: tuple(reference[part]["left_out"]) for part in reference},
  )


def _references(problems, executor):
  """{"base" and "plus": {"expected", "left_out", "cpu_seconds"}} of each problem.

  An output over the limits ends the program's process. Its input is left out, and the others run again.
  """
  parts = {}
  for problem in problems:
    for part in ("base", "plus"):
      parts[problem.task_id, part] = {"expected": [], "left_out": [], "cpu_seconds": 0.0}
  pending = [(problem, part) for problem in problems for part in ("base", "plus") if getattr(problem.inputs, part)]
  while pending:
    requests = [_request(problem, part, parts[problem.task_id, part]["left_out"]) for problem, part in pending]
    again = []
    for (problem, part), request, found in zip(pending, requests, executor.outputs(requests), strict=True):
      reference = parts[problem.task_id, part]
      reference["expected"] = found.expected
      reference["cpu_seconds"] = found.cpu_seconds
      if found.status == "passed":
        continue
      if found.status not in ("memory", "too long") or len(found.expected) == len(request.inputs):
        raise errors.ExecutionError(
            f"task {problem.task_id!r}: the reference solution fails on input {len(found.expected)} of"
            f" {part}_input: {found.detail}"
        )
      kept = [index for index in range(len(getattr(problem.inputs, part))) if index not in reference["left_out"]]
      reference["left_out"].append(kept[len(found.expected)])
      again.append((problem, part))
    pending = again
  return [{part: parts[problem.task_id, part] for part in ("base", "plus")} for problem in problems]


def _request(problem, part, left_out):
  return program_lib.OutputsRequest(
      task_id=problem.task_id,
      code=problem.canonical,
      entry_point=problem.entry_point,
      setup_code=problem.setup_code,
      inputs=tuple(one for index, one in enumerate(getattr(problem.inputs, part)) if index not in left_out),
      atol=problem.inputs.atol,
      rule=problem.inputs.rule,
  )


def _refuse(value):
  raise TypeError(f"a {type(value).__name__}")


# JSON does not say which arguments are tuples, sets or complex numbers. From evalplus/data/mbpp.py, Apache-2.0.


def _unchanged(arguments):
  return arguments


def _tuples(arguments):
  return [tuple(argument) for argument in arguments]


def _lists_of_tuples(arguments):
  return [[tuple(item) for item in argument] for argument in arguments]


def _first_list_of_tuples(arguments):
  first, second = arguments
  return [[tuple(item) for item in first], second]


def _second_tuple(arguments):
  first, second = arguments
  return [first, tuple(second)]


def _first_tuple(arguments):
  return [tuple(arguments[0]), *arguments[1:]]


def _tuples_of_tuples(arguments):
  return [tuple(tuple(item) for item in argument) for argument in arguments]


def _all_tuples(value):
  return tuple(map(_all_tuples, value)) if isinstance(value, list) else value


def _tuple_with_tuples(arguments):
  return [tuple(tuple(item) if isinstance(item, list) else item for item in arguments[0])]


def _list_of_sets(arguments):
  return [[set(item) if isinstance(item, list) and item else {} for item in arguments[0]]]


def _tuples_by_key(arguments):
  return [{key: tuple(value) for key, value in arguments[0].items()}, *arguments[1:]]


def _float_and_complex(arguments):
  return [float(arguments[0]), complex(arguments[1])]


def _complex(arguments):
  return [complex(arguments[0])]


_CONVERSIONS: dict[int, Callable[[list], list]] = {
    number: convert
    for convert, numbers in {
        _tuples: "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
        _lists_of_tuples: "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780",
        _first_list_of_tuples: "75 413 444 753",
        _second_tuple: "106 750",
        _first_tuple: "250 307 405 446 617 720 763 808",
        _tuples_of_tuples: "259 401 445",
        _all_tuples: "580 615 791",
        _tuple_with_tuples: "278",
        _list_of_sets: "115",
        _tuples_by_key: "722",
        _float_and_complex: "124",
        _complex: "252",
    }.items()
    for number in map(int, numbers.split())
}

# Entry point -> rule, as in evalplus; evalplus/eval/_special_oracle.py gives the reasons.
_HUMAN_EVAL_RULES = {"find_zero": "root"}
_MBPP_RULES = {
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "something"),
    **dict.fromkeys(
        (
            "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
            "intersection_array", "find_dissimilar", "Diff",
        ),
        "equal set",
    ),
    "are_equivalent": "anything",
    "sum_div": "equal or zero",
    "surface_Area": "surface",
    "digit_distance_nums": "digit distance",
}
