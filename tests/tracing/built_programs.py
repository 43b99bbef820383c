"""Programs for property tests: every layout that Python has, many of which fail when they run."""

from hypothesis import strategies as st

CALL = "f(1, 2, [3])"

_NAMES = st.sampled_from(["a", "b", "items", "größe", "℘", "µ"])
_VALUES = st.sampled_from([
    "0", "1", "-2", "'#'", "'''x\n#'''", "[1, 2]", "[\n  1,  # one\n]", "{'a': [1]}", "None", "a", "b", "items",
    "'\\\n'",
    "'; (3) x=1'", "'  # (1) a=1'", "'; ...; (9) b=2'", '"\\\\x3b #"', "f'{type(a)} # {1!r:>{3}}'",
    "f'''{\n  type(a)} # \n'''",
    "(lambda x:\n    x + 1)(a)", "[i for i in\n  items]", "'\\x0c\\u2028é'", "items * 3", "...", "(yield a)",
    "'a' * 80",
])
_ENDS = st.sampled_from([
    "", "", "", "  # note", ";", " \t", " # (1) of course", "  # (0) a=1", "# (0) a=1",
    "  # (2) a=1  # ...; (3) return 1", "  # (1) return", "  # x # (4) b=; (5) a=1", "  # ...", "  # \\",
    " # (7) -", " \f",
])
_HEADERS = st.sampled_from([
    "if a:", "for a in items:", "for b, a in [(1,\n  2)]:", "while a:", "try:", "@staticmethod\ndef a(b):", "class C:",
    "def b(\n    x=1,  # first\n):", "if a \\\n  :", "with __import__('contextlib').nullcontext(a) as b:",
    "async def a():", "for i in range(12):",
])


@st.composite
def _blocks(draw, depth: int = 0) -> list[str]:
  lines = []
  for _ in range(draw(st.integers(1, 3))):
    kind = draw(st.integers(0, 9 if depth < 2 else 5))
    name, value = draw(_NAMES), draw(_VALUES)
    if kind <= 1:
      lines.append(f"{name} = {value}")
    elif kind == 2:
      lines.append(f"{name} = {value} + \\\n  {value}")
    elif kind == 3:
      lines.append(draw(st.sampled_from([
          f"items.append({value})", f"return {value}", f"del {name}", "pass", "items[0] = b",
          f"raise ValueError({value})",
      ])))
    elif kind == 4:
      lines.append(f"{name} = [i for i in\n  items]; b = {value}")
    elif kind == 5:
      lines.append(draw(st.sampled_from([
          "\f", "", "# (0) a=1", "#", "if a: b = 1; a = 0", "if a \\\n  : b = 1", "b = 1 \\\n",
      ])))
    else:
      header = draw(_HEADERS)
      lines.extend(header.split("\n"))
      lines.extend("  " + line if not line.startswith("#'''") else line for line in draw(_blocks(depth + 1)))
      lines.append("  pass")
      if header == "try:":
        lines.extend(["except TypeError as a:", "  pass", "finally:", "  b = 1"])
    lines[-1] += draw(_ENDS)
  return lines


@st.composite
def programs(draw) -> str:
  """Sources that define `f(a, b, items)`; some do not compile."""
  line_end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
  indent = draw(st.sampled_from(["  ", "\t", "\f  "]))
  head = draw(st.sampled_from(["", "# -*- coding: latin-1 -*-\n", '"""Doc # (0) a=1\n"""\n', "@lambda f: f\n"]))
  lines = ["def f(a, b, items):", *(indent + line for line in draw(_blocks()))]
  text = head + "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n  ", "\n# end"]))
  return text.replace("\n", line_end)
