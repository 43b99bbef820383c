"""Patterns for claims about which lines, loops, branches and functions ran, and whether it all ended."""

from collections.abc import Iterator
import re

from next_jax.rationales.claims import prose
from next_jax.rationales.claims import statement as statement_lib

NAME = statement_lib.NAME
MORE_THAN_ONCE = -1  # as a count

_NEVER_ENDS = re.compile(
    r"\b(?:(?:never|does not|doesn't|do not|don't|will not|fails to|not) (?:ever )?(?:ends?|terminates?"
    r"|finish(?:es)?|halts?|exits?|stops?(?! (?:at|on|in|after|when|for))"
    r"|returns?(?=\s*(?:\Z|[.,;:]|because|since|and|but)))"
    r"|(?:an? |the )?(?:infinite|endless|unbounded|infinitely long) (?:loop|recursion)|(?:loop|recursion) (?:is"
    r"|becomes) (?:infinite|endless)"
    r"|(?:loops?|runs?|recurses|continues|goes on|goes) (?:forever|indefinitely|infinitely|endlessly|without end)"
    r"|never[- ]ending|hangs\b|times out|infinite loop)"
)
_ENDS = re.compile(
    r"\b(?:loop|call|function|program|recursion) (?:does )?(?:terminates?|finish(?:es)?|ends?|stops?)"
    r"(?=\s*(?:\Z|[.,;]|(?:normally|properly|early|too early|as expected)\b))|\bruns? to the end\b"
)


_NOT_BEFORE = re.compile(r"\b(?:not|no|never|isn't|without an?) \Z")


def terminations(sentence: statement_lib.Sentence) -> Iterator[statement_lib.Statement]:
  """Claims of kind "termination"."""
  for match in _NEVER_ENDS.finditer(sentence.text):
    if not sentence.is_wish(match) and not _NOT_BEFORE.search(sentence.text[: match.start()]):
      yield sentence.statement(match, "termination", "never ends", place=statement_lib.Place())
      return
  for match in _ENDS.finditer(sentence.text):
    if not sentence.is_wish(match):
      yield sentence.statement(match, "termination", "ends", place=statement_lib.Place())


_COUNT = r"(?P<count>[\ue000]|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|zero|no)\b)"
_TIMES = (
    rf"(?:(?P<word>once|twice|thrice)\b|{_COUNT} (?:times|time|iterations?|rounds?|passes)\b|(?P<more>more than once"
    r"|several times|repeatedly|multiple times)"
    rf"|(?:for )?all (?:of )?(?:the )?{_COUNT.replace('count', 'all')} [a-z]+)"
)
_RUN = r"(?:executed|reached|run|evaluated|entered|taken|hit|visited|called|processed|performed|triggered|used)"
_NOT = r"(?:never|not|n't|isn't|wasn't|is never|is not|was never|was not|are never|are not)"
_LINE = r"\bline (?P<line>\d+)(?:\s+(?:[\ue001-\ue003]|itself|also|only|of the \w+))?"
_LINE_NEVER = re.compile(
    rf"{_LINE}(?:\s+(?:is|was|has|does|did|gets|will))?(?:\s+(?:still|simply|therefore|thus|just))?\s*(?:{_NOT}"
    r"|doesn't|didn't)\s+(?:ever |even |be |been |actually |get )*"
    rf"(?:{_RUN}|executes?|runs?|happens?|reach\w*)\b"
    rf"|{_LINE.replace('line>', 'skipped>')}\s+(?:is|was|gets|are)(?: simply| just| always)? skipped\b"
    r"|\b(?:never|not|n't|doesn't|does not|without) (?:reach(?:es|ing)?|execut(?:es?|ing)|runs?|running|gets? to"
    r"|getting to|enters?|hits?) line (?P<behind>\d+)"
    r"|\bskip(?:s|ping|ped)(?: over)? line (?P<skips>\d+)"
)
_NEITHER = re.compile(r"\bneither line (?P<one>\d+) nor line (?P<other>\d+) (?:is|was|gets|are|runs?|executes?)\b")
_LINES_NEVER = re.compile(
    rf"\blines (?P<one>\d+) and (?P<other>\d+) (?:are|were) (?:never|not) (?:even |ever )?{_RUN}\b"
)
_LINE_COUNT = re.compile(
    rf"{_LINE}\s+(?:is |was |gets |only |just |does )*(?:executed|executes|runs?|ran|visited|reached|evaluated"
    rf"|completes)(?: only| just| exactly| a total of| for)*\s+{_TIMES}"
)
_LINE_RUNS = re.compile(
    rf"{_LINE}\s+(?:is |was |gets |does )?(?:then |still |only |also )?(?:{_RUN}|executes|runs)\b(?!\s+(?:only "
    r"|just |exactly )*(?:once|twice|[\ue000]|more than|three|two|four|several))"
    r"(?: (?:only |just )?(?:for|when|with|where) (?P<name>\w+) ?(?:=|is) ?(?P<value>[\ue000]))?"
)
_NOT_LINE = ("neither ", "nor ", "not ")
_LOOP = (
    r"(?:\b(?P<order>outer|inner|first|second) )?(?:\b(?P<kind>for|while)[- ])?\bloop(?: body)?(?: (?:on|in"
    r"|at) line (?P<loop>\d+))?"
)
_LOOP_COUNT = re.compile(
    rf"{_LOOP}(?: body)?\s+(?:is |was |only |just |then |always )*(?:runs?|ran|iterates?|executes|executed|repeats"
    r"|loops|goes|goes through|goes round|makes|does|performs|ends after"
    r"|stops after|finishes after|exits after|terminates after|breaks after|returns after|entered)(?: only| just"
    rf"| exactly| through| for| its body)*\s+{_TIMES}"
)
_ITERATIONS = re.compile(
    r"\b(?:there (?:are|is|were)|(?:only|just|exactly|takes|makes|does|performs|after)) (?:only |just "
    rf"|exactly )?{_COUNT} (?:iterations?|rounds?)\b"
)
_LOOP_NEVER = re.compile(
    rf"{_LOOP}(?:'s body)?\s+(?:is |was )?(?:{_NOT}|doesn't|does not|didn't)\s+(?:ever |even |get |be )*(?:{_RUN}"
    r"|executes?|runs?|starts?|iterates?|entered)\b|\bnever enters the loop\b"
)
_LEAVES = re.compile(
    r"\b(?:returns?|exits?|stops|leaves|ends|breaks(?: out)?|returning|terminates)\s+(?:already |right "
    r"|immediately |too early |early |the loop |the function )*(?:during|in|after|on|within|at)\s+(?:only )?"
    r"(?:the (?:very )?first (?:iteration|pass|round|element|item|value)|one iteration|a single iteration)\b"
)
_BRANCH = re.compile(
    r"\b(?P<branch>else|except|finally|elif|if)(?:[- ](?:branch|block|clause|body|case|part|statement))(?: (?:on|in"
    rf"|at) line \d+)?\s+(?:is|was|gets|does|of)?\s*(?P<not>{_NOT}|doesn't)?\s*(?:ever |be )*(?P<verb>{_RUN}"
    r"|executes?|runs?|skipped)\b"
)
_CONDITION = re.compile(
    r"(?:\b(?:(?:if|while|loop)[- ])?condition (?:[\ue001-\ue003] )?"
    r"(?:(?:on|in|at|of) line (?P<line>\d+) )?(?:[\ue001-\ue003] )?"
    r"|(?P<test>(?<!\S)(?=\S)(?!(?:the )?(?:(?:if|while|loop)[- ])?condition\b)"
    r"[\w\s.<>=!%+*/\ue000\ue002\ue003-]{3,40}?) )"
    r"(?:is|was|evaluates to|holds|becomes)? ?(?P<how>always|never|constantly) (?:be )?(?P<what>true|false|True"
    r"|False|holds?|[\ue000]|satisfied|met)"
)
_CALLS_ITSELF = re.compile(
    r"\b(?:calls itself|recurses|recursion (?:happens|goes)|is called recursively"
    rf"|calls itself recursively)\s+(?:only |exactly )?{_TIMES}"
)
_CALLED = re.compile(
    rf"(?P<name>{NAME})\s+(?:is|was|gets)\s+(?:only |just |exactly )*called\s+(?:only |just |exactly )*{_TIMES}"
)


def executions(sentence: statement_lib.Sentence) -> Iterator[statement_lib.Statement]:
  """Claims of kind "execution": which lines, loops, branches and functions ran, and how often."""
  text = sentence.text
  taken: set[int] = set()

  def made(match: re.Match, claim: str, **fields) -> statement_lib.Statement:
    taken.add(match.start())
    return sentence.statement(match, "execution", claim, **{"place": statement_lib.Place(), **fields})

  for match in _LINE_NEVER.finditer(text):
    if not sentence.is_wish(match):
      line = next(int(match[g]) for g in ("line", "skipped", "behind", "skips") if match[g])
      yield made(match, "line never runs", place=statement_lib.Place(line=line))
  for match in (*_NEITHER.finditer(text), *_LINES_NEVER.finditer(text)):
    for line in (int(match["one"]), int(match["other"])):
      yield made(match, "line never runs", place=statement_lib.Place(line=line))
  for match in _LINE_COUNT.finditer(text):
    if not sentence.is_wish(match):
      yield made(match, "line runs", place=statement_lib.Place(line=int(match["line"])), **_count(sentence, match))
  for match in _LINE_RUNS.finditer(text):
    if match.start() not in taken and not sentence.is_wish(match) and not text[: match.start()].endswith(_NOT_LINE):
      name = match["name"] if match["name"] in sentence.names.variables else None
      value = sentence.literal(match, "value") if name else None
      yield made(match, "line runs", subject=name, value=value, place=statement_lib.Place(line=int(match["line"])))
  for match in _LOOP_COUNT.finditer(text):
    if not sentence.is_wish(match):
      fields = _count(sentence, match)
      yield made(match, "loop runs", subject=match["kind"] or match["order"], place=_loop_line(match), **fields)
  for match in _LOOP_NEVER.finditer(text):
    if not sentence.is_wish(match):
      yield made(match, "loop runs", subject=match["kind"] or match["order"], place=_loop_line(match), count=0)
  for match in _ITERATIONS.finditer(text):
    if not sentence.is_wish(match):
      yield made(match, "loop runs", **_count(sentence, match))
  for match in _LEAVES.finditer(text):
    negated = re.search(r"\b(?:not|n't|never|doesn't) \Z", text[: match.start()])
    if not sentence.is_wish(match) and not negated:
      yield made(match, "loop runs", count=1)
  for match in _BRANCH.finditer(text):
    if not sentence.is_wish(match):
      is_negated = bool(match["not"]) != (match["verb"] == "skipped")
      yield made(match, "branch never runs" if is_negated else "branch runs", subject=match["branch"])
  for match in _CONDITION.finditer(text):
    what = match["what"]
    said = sentence.literal(match, "what") if what in (prose.VALUE, "true", "false") else None
    truth = said.value if said is not None else what != "False"
    if isinstance(truth, bool) and not sentence.is_wish(match):
      claim = f"condition {'never' if match['how'] == 'never' else 'always'} {'true' if truth else 'false'}"
      at = int(match["line"]) if match["line"] else None
      written = None if match["test"] is None else _source(sentence, match)
      yield made(match, claim, subject=written, place=statement_lib.Place(line=at))
  for match in _CALLS_ITSELF.finditer(text):
    if not sentence.is_wish(match):
      yield made(match, "calls itself", **_count(sentence, match))
  for match in _CALLED.finditer(text):
    if match["name"] in sentence.names.functions and not sentence.is_wish(match):
      yield made(match, "is called", subject=match["name"], **_count(sentence, match))


def _source(sentence: statement_lib.Sentence, match: re.Match) -> str:
  start, end = (sentence.prose.offsets[sentence.start + at] for at in match.span("test"))
  return sentence.rationale[start:end].strip(" `\"").removeprefix("that ").strip(" `\"")


def _loop_line(match: re.Match) -> statement_lib.Place:
  return statement_lib.Place(line=int(match["loop"])) if match["loop"] else statement_lib.Place()


def _count(sentence: statement_lib.Sentence, match: re.Match) -> dict:
  """count, or None with claim of more than one: `count=-1`."""
  groups = match.groupdict()
  if groups.get("word"):
    return {"count": statement_lib.number_of(groups["word"])}
  if groups.get("more"):
    return {"count": MORE_THAN_ONCE}
  for group in ("count", "all"):
    if groups.get(group):
      if groups[group] != prose.VALUE:
        return {"count": statement_lib.number_of(groups[group])}
      literal = sentence.literal(match, group)
      count = literal.value if literal is not None and type(literal.value) is int else None
      return {"count": count, "value": literal}
  return {}
