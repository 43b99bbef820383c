"""Effects: which variables a line can change, read from its bytecode.

After most lines only the names that they store need a look: `n = n + 1` changes no list. Of a line this is known when
all of its instructions are. Whatever could reach code that changes a value in place (a call, an attribute, a store
into a container) makes it a line that may change everything, except for calls that are named below: built-in
functions that are not given a function to call, and methods that no built-in type uses to change itself.

That holds as long as the variables are of built-in types too, for others may run any code for an operator; the caller
(`frames`) sees to that, and to what other Python code did in between.
"""

import builtins
from collections.abc import Mapping
import dis
import operator
import sys
import types
from typing import Any

# names in the order of the frame's variables, whether the line may change the old value of a name in place
Effect = tuple[tuple[str, ...], bool]
Effects = dict[int, Effect | None]

_FUNCTIONS = frozenset({
    "abs", "all", "any", "ascii", "bin", "bool", "chr", "complex", "dict", "divmod", "enumerate", "float", "format",
    "frozenset", "hex", "int", "isinstance", "len", "list", "max", "min", "oct", "ord", "pow", "print", "range", "repr",
    "reversed", "round", "set", "sorted", "str", "sum", "tuple", "type", "zip",
})
_ORIGINALS = {name: getattr(builtins, name) for name in _FUNCTIONS}
_built_in_now = operator.itemgetter(*_ORIGINALS)
_METHODS = frozenset({
    "capitalize", "copy", "count", "endswith", "find", "format", "get", "index", "isalnum", "isalpha", "isdigit",
    "islower", "isspace", "issubset", "issuperset", "isupper", "items", "join", "keys", "lower", "lstrip", "replace",
    "rfind", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "values", "zfill",
})


def _opcodes(*names: str) -> frozenset[int]:
  """Numbers of instructions, of which each Python has its own."""
  return frozenset(dis.opmap[name] for name in names if name in dis.opmap)


_HARMLESS = _opcodes(
    "CACHE", "NOP", "RESUME", "POP_TOP", "PUSH_NULL", "COPY", "SWAP", "EXTENDED_ARG", "LOAD_CONST", "LOAD_FAST",
    "LOAD_FAST_CHECK", "LOAD_FAST_LOAD_FAST", "LOAD_DEREF", "BUILD_LIST", "BUILD_TUPLE", "BUILD_SET", "BUILD_MAP",
    "BUILD_CONST_KEY_MAP", "BUILD_STRING", "BUILD_SLICE", "LIST_EXTEND", "SET_UPDATE", "LIST_TO_TUPLE", "FORMAT_VALUE",
    "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE", "UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT", "TO_BOOL",
    "BINARY_SUBSCR", "BINARY_SLICE", "COMPARE_OP", "IS_OP", "CONTAINS_OP", "UNPACK_SEQUENCE", "UNPACK_EX", "GET_ITER",
    "FOR_ITER", "END_FOR", "GET_LEN", "PRECALL", "CALL", "JUMP_FORWARD", "JUMP_BACKWARD",
    "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_IF_FALSE_OR_POP", "JUMP_IF_TRUE_OR_POP", "POP_JUMP_IF_TRUE",
    "POP_JUMP_IF_FALSE", "POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE", "POP_JUMP_FORWARD_IF_TRUE",
    "POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_FORWARD_IF_NONE", "POP_JUMP_FORWARD_IF_NOT_NONE",
    "POP_JUMP_BACKWARD_IF_TRUE", "POP_JUMP_BACKWARD_IF_FALSE", "POP_JUMP_BACKWARD_IF_NONE",
    "POP_JUMP_BACKWARD_IF_NOT_NONE", "RETURN_VALUE", "RETURN_CONST",
)
_EXTENDED_ARG = dis.opmap["EXTENDED_ARG"]
_BINARY_OP = dis.opmap["BINARY_OP"]
_FIRST_IN_PLACE = 13  # of the arguments of BINARY_OP: NB_INPLACE_ADD
_LOAD_GLOBAL = dis.opmap["LOAD_GLOBAL"]
_LOAD_ATTR = dis.opmap["LOAD_ATTR"]
_LOAD_METHOD = dis.opmap["LOAD_METHOD"] if sys.version_info < (3, 12) else -1
_STORE_FAST = dis.opmap["STORE_FAST"]
_STORE_DEREF = dis.opmap["STORE_DEREF"]
_STORE_LOAD = dis.opmap.get("STORE_FAST_LOAD_FAST", -1)  # 3.13
_STORE_STORE = dis.opmap.get("STORE_FAST_STORE_FAST", -1)
# From 3.12 on a bit of LOAD_ATTR's argument says that a method is loaded to be called.
_ATTR_SHIFT = 0 if sys.version_info < (3, 12) else 1


def effects(code: types.CodeType, first: list[int], namespace: Mapping[str, Any]) -> Effects:
  """For each statement of a function that has instructions, what it can change; None is everything.

  first: the line of the statement, by physical line.
  namespace: the globals of the function, in which built-in functions may have other meanings.
  """
  found: Effects = {}
  instructions = code.co_code
  variables = code.co_varnames + tuple(name for name in code.co_cellvars if name not in code.co_varnames)
  variables += code.co_freevars
  for start, stop, physical in code.co_lines():
    if physical is None:
      continue
    line = first[physical]
    part = _Part(instructions, start, stop, code.co_names, variables, namespace)
    before = found.get(line, ((), False))
    if before is None or not part.is_known:
      found[line] = None
    else:
      names = part.stores.union(before[0])
      ordered = tuple(name for name in variables if name in names) if names else ()
      found[line] = (ordered, part.is_in_place or before[1])
  return found


def are_plain(namespace: Mapping[str, Any]) -> bool:
  """Whether all built-in functions have their own meaning, so that `effects` of an empty namespace hold."""
  if not _FUNCTIONS.isdisjoint(namespace):
    return False
  return all(map(operator.is_, _built_in_now(vars(builtins)), _ORIGINALS.values()))


class _Part:
  """Instructions start..stop, as far as all of them are known."""

  def __init__(self, instructions: bytes, start: int, stop: int, names, variables, namespace):
    self.stores: set[str] = set()
    self.is_in_place = False
    self.is_known = True
    if _HARMLESS.issuperset(instructions[start:stop:2]):
      return
    extension = 0
    for at in range(start, stop, 2):
      opcode, argument = instructions[at], instructions[at + 1] | extension
      extension = argument << 8 if opcode == _EXTENDED_ARG else 0
      if opcode in _HARMLESS:
        continue
      if opcode == _STORE_FAST or opcode == _STORE_DEREF:
        self.stores.add(variables[argument])
      elif opcode == _STORE_LOAD:
        self.stores.add(variables[argument >> 4])
      elif opcode == _STORE_STORE:
        self.stores.update((variables[argument >> 4], variables[argument & 15]))
      elif opcode == _BINARY_OP:
        self.is_in_place |= argument >= _FIRST_IN_PLACE
      elif not (
          opcode == _LOAD_GLOBAL and _is_built_in(names[argument >> 1], namespace)
          or opcode == _LOAD_ATTR and names[argument >> _ATTR_SHIFT] in _METHODS
          or opcode == _LOAD_METHOD and names[argument] in _METHODS
      ):
        self.is_known = False
        return


def _is_built_in(name: str, namespace: Mapping[str, Any]) -> bool:
  return name in _FUNCTIONS and name not in namespace and getattr(builtins, name, None) is _ORIGINALS[name]
