"""`next-jax trace FILE.py --call 'f([1, 2, 3])'`: prints the source with the states of that call."""

import argparse
import ast
from collections.abc import Callable
import dataclasses
import sys
import tokenize

from next_jax import files
from next_jax.tracing import statements
from next_jax.tracing.annotation import inline
from next_jax.tracing.annotation import scopes
from next_jax.tracing.recording import counted
from next_jax.tracing.recording import recorder

EXAMPLE = "next-jax trace separate.py --call 'separate([1, 2, 3, 4])'"

_MAX_BYTES = 1_000_000  # Python takes a second and 200 MB to compile a file of this size


def add_arguments(parser: argparse.ArgumentParser) -> None:
  budget, style = recorder.Budget(), inline.InlineStyle()
  parser.epilog = (
      f"Example: {EXAMPLE}. The program runs with your rights: trace only code that you trust. Standard error gets"
      " the outcome: what the call returned, what it raised, or which limit ended it."
  )
  parser.add_argument("file", metavar="FILE.py", help="the program")
  parser.add_argument("--call", required=True, metavar="EXPRESSION", help="the call to trace, such as 'f([1, 2, 3])'")
  parser.add_argument("--setup", default="", metavar="CODE", help="Python code to run untraced before the program")
  parser.add_argument(
      "--max_steps", type=_at_least(1), default=budget.max_steps, metavar="N",
      help="maximum number of lines to run (default: %(default)s)",
  )
  parser.add_argument(
      "--max_seconds", type=_positive, default=budget.max_seconds, metavar="S",
      help="maximum time to run, in seconds (default: %(default)s)",
  )
  parser.add_argument(
      "--first_visits", type=_at_least(0), default=style.first_visits, metavar="N",
      help="visits of a repeated line to show before '...' (default: %(default)s)",
  )
  parser.add_argument(
      "--last_visits", type=_at_least(0), default=style.last_visits, metavar="N",
      help="visits to show after '...' (default: %(default)s)",
  )
  parser.add_argument(
      "--unchanged_visits", action="store_true", help="also show visits that changed nothing, as '(7) -'"
  )
  parser.add_argument(
      "--function", action="append", default=[], metavar="NAME",
      help="show only the states of this function, class or method, such as push or Stack.push; may be given several"
      " times (default: all)",
  )
  parser.add_argument(
      "--value_width", type=_at_least(1), default=style.value_width, metavar="N",
      help="maximum length of one value, in characters (default: %(default)s)",
  )
  parser.add_argument(
      "--comment_width", type=_at_least(inline.SHORTEST_COMMENT), default=style.comment_width, metavar="N",
      help=f"maximum length of the comment on one line, in characters; at least {inline.SHORTEST_COMMENT} (default:"
      " %(default)s)",
  )


def _positive(text: str) -> float:
  value = float(text)
  if not value > 0:
    raise ValueError
  return value


_positive.__name__ = "positive number"  # argparse names it in its message


def _at_least(least: int) -> Callable[[str], int]:
  def convert(text: str) -> int:
    value = int(text)
    if value < least:
      raise ValueError
    return value

  convert.__name__ = f"(at least {least})"
  return convert


def main(arguments: argparse.Namespace) -> int:
  """Prints the annotated source; returns 0, even if the program raises: the trace shows that.

  Raises:
    UserError: The file cannot be read or does not compile, or the call does not call it.
  """
  source = _read_source(arguments.file)
  budget = recorder.Budget(max_steps=arguments.max_steps, max_seconds=arguments.max_seconds)
  budget = dataclasses.replace(budget, max_value_chars=max(budget.max_value_chars, arguments.value_width))
  style = inline.InlineStyle(
      first_visits=arguments.first_visits,
      last_visits=arguments.last_visits,
      unchanged_visits=arguments.unchanged_visits,
      value_width=arguments.value_width,
      comment_width=arguments.comment_width,
      functions=scopes.NamedFunctions(names=tuple(arguments.function)) if arguments.function else scopes.AllFunctions(),
  )
  try:
    _check_names(arguments.file, source, arguments.function)
    ends = counted.Ends(first=style.first_visits, last=style.last_visits)
    trace = counted.record(source, arguments.call, setup_code=arguments.setup, budget=budget, ends=ends)
  except statements.SourceError as error:
    where = f"{arguments.file}:{error.line}" if error.line else arguments.file
    raise files.FileError(f"{where}: {error.message}") from None
  if not trace.steps:
    raise recorder.TraceError(_why_nothing(arguments.file, source, trace.outcome, trace.detail, arguments.call))
  text = inline.annotate(source, trace, style)
  try:
    sys.stdout.write(text if text.endswith(("\n", "\r")) else text + "\n")
  except UnicodeEncodeError as error:
    found = text[error.start : error.end]
    raise files.FileError(
        f"{arguments.file}: standard output accepts only {error.encoding}, found {found!a}; set PYTHONIOENCODING=utf-8"
    ) from None
  sys.stdout.flush()
  print(f"{trace.call} {trace.outcome}: {trace.detail}", file=sys.stderr)
  return 0


def _read_source(path: str) -> str:
  """Text of a file in UTF-8 or in the encoding that its first lines declare; raises FileError."""
  try:
    with open(path, "rb") as file:
      data = file.read(_MAX_BYTES + 1)
  except FileNotFoundError:
    raise files.FileError(f"{path}: no such file; check the path") from None
  except IsADirectoryError:
    raise files.FileError(f"{path}: expected a Python file, found a directory") from None
  except OSError as error:
    raise files.FileError(f"{path}: cannot be read: {error.strerror}; check its permissions") from None
  if len(data) > _MAX_BYTES:
    raise files.FileError(
        f"{path}: expected at most {_MAX_BYTES:,} bytes, found more; move what the call needs into a smaller file"
    )
  try:
    encoding, _ = tokenize.detect_encoding(iter(data.splitlines(keepends=True)).__next__)
    return data.decode(encoding)
  except (SyntaxError, UnicodeError, LookupError) as error:
    found = " ".join(str(error).split())  # on one line
    raise files.FileError(f"{path}: expected Python source, found {found}; save it as UTF-8") from None


def _check_names(path: str, source: str, names: list[str]) -> None:
  """Raises FileError for a name that the file does not define."""
  defined = scopes.names(statements.analyse(source)).values()
  known = {way for name in defined for way in scopes.ways_to_say(name)}
  for name in names:
    if name not in known:
      shown = ", ".join(sorted(set(defined) - {scopes.MODULE})) or "no function"
      raise files.FileError(f"{path}: it defines no function {name!r}; it defines {shown}")


def _why_nothing(path: str, source: str, outcome: str, detail: str, call: str) -> str:
  """Why a trace has no steps: the module failed, the name is unknown, or the call stayed outside the file."""
  kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
  names = sorted(node.name for node in ast.parse(source).body if isinstance(node, kinds))
  defined = f"it defines {', '.join(names)}" if names else "it defines no function"
  if outcome == "returned":
    return f"{path}: {call!r} calls no function of the file; {defined}: call one of them"
  return f"{path}: {call!r} reached no function of the file: {detail}; {defined}"
