"""Claims: what a rationale says about a run, found by patterns.

Each pattern finds one way to say something; docs/method.md, step 2, says what is looked for. The patterns are applied
to one sentence at a time, in the form of `prose`, in which a value is one character:

    value        "total=3", "best stays 0", "found changes from 4 to 8", "in the third iteration n is 8"
    type         "xs is a list", "it returns a string"
    exception    "raises IndexError", "KeyError is raised on line 3", "no exception", "fails with 'not callable'"
    execution    "line 4 is never executed", "line 5 runs twice", "the loop runs 3 times", "the else branch is taken"
    result       "returns 3 but should return 4", "expected 4, got 3", "3 instead of 4", "f(2) should be 4"
    termination  "never ends", "an infinite loop"
    definition   "x is not defined", "x is referenced before assignment"

A wish ("total should be 3") is not a claim about the run. A conditional ("if n is 5, total is 7") can be true of the
run, but never false.
"""

from collections.abc import Callable, Iterator
import dataclasses
import re

from next_jax.rationales.claims import literals
from next_jax.rationales.claims import prose as prose_lib

KINDS = ("value", "type", "exception", "execution", "result", "termination", "definition")

LAST = -1  # of rounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
  """Where in the run something is said to be; all None is anywhere.

  Attributes:
    relation: "at", "after" or "before" the step or line.
    round: Round of a loop, from 1, or LAST.
    moment: "start" or "end" of the call.
  """

  step: int | None = None
  line: int | None = None
  relation: str = "at"
  round: int | None = None
  moment: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statement:
  """One claim of a rationale.

  Attributes:
    kind: One of KINDS.
    text: The words as in the rationale.
    start: Position of the words in the rationale.
    claim: The predicate, in a fixed wording: "holds", "returns", "raises", "runs", ...
    subject: Variable, function, exception, or kind of a loop or branch.
    value: Claimed value; `types` for a claim about types, `count` for a number of times.
    before: Previous value, for "changes".
    test: Index of the named public test, for "expected"; -1 is the last.
    arguments: Values that may be the call's arguments, for "expected"; the name in a NameError, for "raises".
    is_supposed: Whether the claim is conditional ("if ..."), or may be about another input.
    given: Pairs (variable, value) of the condition; where they hold in the run, the claim is about the run.
  """

  kind: str
  text: str
  start: int
  claim: str
  subject: str | None = None
  value: literals.Literal | None = None
  before: literals.Literal | None = None
  types: frozenset[str] = frozenset()
  count: int | None = None
  place: Place = Place()
  test: int | None = None
  arguments: tuple[literals.Literal, ...] = ()
  is_supposed: bool = False
  given: tuple[tuple[str, literals.Literal], ...] = ()

  @property
  def name(self) -> str:
    """The subject; "" for a claim without one."""
    return self.subject or ""

  @property
  def literal(self) -> literals.Literal:
    """The value of a claim whose wording has one."""
    assert self.value is not None, self
    return self.value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Names:
  """The names of a program, to tell them from words."""

  variables: frozenset[str]
  functions: frozenset[str]
  entry_point: str
  source_lines: frozenset[str]


V = r"(?:[\ue000]|\b(?:[Nn]one|nothing|null|true|false|zero)\b)"
NAME = r"\b[A-Za-z_]\w*\b"
# What may follow a value that is a whole value: "is 3 elements long" and "is 3 + n" say something else.
END = (
    r"(?=\s*(?:\Z|[.,;:!?()\]…]|[-–—]+\s|(?:and|but|or|so|yet|then|when|while|where|whereas|which|that|as|at|on|in"
    r"|after|before|during|because|since|due|instead|rather|until|unless|if|for|from|by|with|without|here|now|again"
    r"|too|there|also|is|was|should|not|however|although|though|even|every|each|throughout|forever|already|once|to"
    r"|only|just|the|it|this|inside"
    r"|right|via|of|upon)\b))"
)
ADVERB = (
    r"(?:\s+(?:now|still|already|just|only|then|also|again|always|actually|initially|finally|really|therefore|thus"
    r"|simply|currently|later|equal to|set to|assigned|correctly|wrongly|incorrectly|indeed|immediately|instead|even"
    r"|first|exactly|at))*"
)
_WISH = re.compile(
    r"\b(?:should|must|ought|supposed to|intended to|meant to|needs?|need to|has to|have to|had to|want(?:s|ed)?"
    r"|so that|would|could|might|may|can(?:not)?|avoids?|prevents?|ensures?|make sure|in order to|to make|to get"
    r"|to fix|fix is|change|replace|rather than|instead of|otherwise|changing|replacing|fixing|once fixed"
    r"|after the (?:fix|change)|with (?:this|that|the) (?:fix|change)|won't|will|let us|let's|try|add|use)\b",
    re.IGNORECASE,
)
_IF = re.compile(
    r"\b(?:if(?! (?:condition|branch|block|clause|body|statement))|unless|whenever|suppose|assuming|imagine|in case"
    r"|say|any|for (?:an?|empty|other|larger|longer|shorter|smaller|odd|even|negative|positive|example|inputs?|members?"
    r"|every|all)|with (?:an?|no|input|the input)|an? empty|given|in general|usually|when (?:we|you) (?:call|pass)"
    r"|on an?)\b|\b(?:for|with|on) (?=[^.,;]*[\ue000\ue002])",
    re.IGNORECASE,
)
# Where a wish ends. Not at "and" or "so": "n should be halved, and then total is 7" goes on wishing.
_CLAUSE = re.compile(r"[;:]|\b(?:but|however|whereas|and what|although|though|because|since)\b")
# Sentences that continue the wish of the sentence before.
_ADVICE = re.compile(
    r"\b(?:should|must|change|replace|use|add|move|convert|return|needs? to|fix|set|initiali[sz]e|make)\b|[\ue001]"
)
_GOES_ON = re.compile(
    r"\W*(?:then|with (?:this|that)|now|this (?:makes|gives|way|ensures)|that way|as a result|after (?:this|that"
    r"|the fix|the change))\b"
)
ORDINALS = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "last": LAST,
    "final": LAST,
}
_NUMBERS = {
    "zero": 0, "no": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "once": 1, "twice": 2, "thrice": 3,
}
_ORDINAL = "|".join(ORDINALS)
_PLACE = re.compile(
    r"(?:\b(?P<relation>at|in|on|after|before|by|during|until|from)\s+)?(?:the (?:end of |start of )?)?"
    r"(?:\bstep \(?(?P<step>\d+)\)?|\bline (?P<line>\d+)"
    rf"|\bthe (?P<round>{_ORDINAL}) (?:iteration|round|pass|time through|loop iteration)"
    r"|\b(?:iteration|round|pass) (?P<round_number>\d+))",
    re.IGNORECASE,
)
_END_OF_CALL = re.compile(
    r"\b(?:at|in|by) the (?:very )?end\b|\bfinally\b|\b(?:when|by the time|once) the (?:function|call"
    r"|loop) (?:returns|ends|is done|exits|finishes)"
    r"|\bwhen (?:it|the (?:exception|error|\w+Error)) (?:is raised|returns|happens|occurs)|\bbefore (?:the crash"
    r"|it crashes|"
    r"returning)|\bin the end\b|\bafter the loop\b|\bfinal\b|\bwhen it returns\b",
    re.IGNORECASE,
)
_START_OF_CALL = re.compile(r"\binitial(?:ly)?\b|\bat (?:the )?(?:start|beginning|first)\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sentence:
  """One sentence, for patterns.

  Attributes:
    text: The sentence, in the words of the prose.
    start: Position in the prose.
    rationale: The rationale that contains it.
    goes_on_wishing: Whether it describes the effect of a change that the sentence before asks for.
  """

  text: str
  start: int
  prose: prose_lib.Prose
  names: Names
  rationale: str
  goes_on_wishing: bool = False

  def literal(self, match: re.Match, group: str) -> literals.Literal | None:
    """The value that a group matched."""
    text = match.group(group)
    if text is None:
      return None
    if text == prose_lib.VALUE:
      return self.prose.values[self.start + match.start(group)]
    return literals.of_word(text)

  def call(self, match: re.Match, group: str) -> str | None:
    if match.group(group) != prose_lib.CALL:
      return None
    return self.prose.calls[self.start + match.start(group)]

  def literals_before(self, end: int) -> tuple[literals.Literal, ...]:
    return tuple(
        self.prose.values[self.start + i] for i, char in enumerate(self.text[:end]) if char == prose_lib.VALUE
    )

  def clause(self, position: int) -> str:
    """The text before a position, from the start of its clause."""
    before = self.text[:position]
    starts = [match.end() for match in _CLAUSE.finditer(before)]
    return before[starts[-1] :] if starts else before

  def is_wish(self, match: re.Match) -> bool:
    return _WISH.search(self.clause(match.start())) is not None or _REMEDY.match(self.text) is not None

  def given(self, match: re.Match) -> tuple[tuple[str, literals.Literal], ...]:
    """The condition before a match, if it consists of values of variables: "for k=1, ..."."""
    before = self.text[: match.start()]
    given = [found for found in _GIVEN.finditer(before) if found["name"] in self.names.variables]
    if not given or len(given) < len(_IF.findall(before)):
      return ()
    values = ((found["name"], self.literal(found, "value")) for found in given)
    return tuple((name, value) for name, value in values if value is not None)

  def is_supposed(self, match: re.Match) -> bool:
    before = self.text[: match.start()]
    if self.goes_on_wishing or _OTHER_RUN.search(before):
      return True
    cut = [found.end() for found in re.finditer(r"[;:]|\bbut\b|\bhowever\b", before)]
    if _IF.search(before[cut[-1] :] if cut else before):
      return True
    return _IF_BEHIND.match(self.text[match.end() :]) is not None

  def place(self, match: re.Match) -> Place:
    """The place named just after the match, or else last before it."""
    behind = _BEHIND.match(self.text, match.end())
    if behind:
      found = _PLACE.search(self.text, behind.start())
      if found and found.start() <= behind.end():
        return _place_of(found)
    rest = self.text[match.start() : match.end() + 60]
    last = None
    for found in _PLACE.finditer(self.text, 0, match.end()):
      last = found
    if last is not None and not _ELSEWHERE.search(self.text[last.end() : match.end()]):
      return _place_of(last)
    if _END_OF_CALL.search(rest) or _END_OF_CALL.search(self.clause(match.start())):
      return Place(moment="end")
    if _START_OF_CALL.search(match.group()) or _START_OF_CALL.search(self.clause(match.start())):
      return Place(moment="start")
    return Place()

  def statement(self, match: re.Match, kind: str, claim: str, **fields) -> Statement:
    start = self.prose.offsets[self.start + match.start()]
    end = self.prose.offsets[self.start + match.end()]
    if "place" not in fields:
      fields["place"] = self.place(match)
    return Statement(
        kind=kind, text=self.rationale[start:end], start=start, claim=claim,
        is_supposed=fields.pop("is_supposed", self.is_supposed(match)), given=self.given(match), **fields,
    )


_BEHIND = re.compile(
    r"(?:\s*,)?\s*(?:(?:when|just|right|only|again|is|was|raised|reached|done|executed)\s+)*"
    r"(?=(?:at|in|on|after|before|by|during|until)\s+(?:the )?(?:end of |start of )?(?:the )?(?:step|line|iteration"
    r"|round|pass"
    rf"|(?:{_ORDINAL}) (?:iteration|round|pass|loop)))",
    re.IGNORECASE,
)
_GIVEN = re.compile(rf"\b(?:for|with|if|on)\s+(?P<name>{NAME}) ?(?:=|==|is) ?(?P<value>{V})")
# "Setting count to 0 makes it 2": all of the sentence is about another program.
_REMEDY = re.compile(
    r"\W*(?:setting|initiali[sz]ing|making|starting|using|moving|swapping|putting|multiplying)\b.*"
    r"\b(?:makes?|gives?|fix(?:es)?|avoids?|solves?|ensures?)\b"
)
_OTHER_RUN = re.compile(r"\b(?:other|second|third|hidden|remaining) (?:public )?(?:tests?|inputs?|cases?|calls?)\b")
# What ends the reach of a place: "line 3 is never run since x is 0" does not say where x is 0.
_ELSEWHERE = re.compile(
    r"\bbut\b|;|\b(?:and|so) then\b|\A\s*(?:is |was |are )?(?:\w+ )?(?:never|not|isn't|skipped|executed|run|runs"
    r"|executes)\b"
)
_IF_BEHIND = re.compile(r"[^.,;]{0,40}?\s(?:if|for (?:an?|empty|any|other|every)|on an?)\b", re.IGNORECASE)


def _place_of(match: re.Match) -> Place:
  relation = (match.group("relation") or "at").lower()
  relation = relation if relation in ("after", "before") else "at"
  if match.group("step"):
    return Place(step=int(match.group("step")), relation=relation)
  if match.group("line"):
    return Place(line=int(match.group("line")), relation=relation)
  number = match.group("round_number")
  return Place(round=int(number) if number else ORDINALS[match.group("round").lower()], relation=relation)


def number_of(text: str) -> int:
  """The number meant by "3", "three" or "twice"."""
  return int(text) if text.isdigit() else _NUMBERS[text.lower()]


Pattern = Callable[[Sentence], Iterator[Statement]]


def sentences(rationale: str, names: Names) -> Iterator[Sentence]:
  prose = prose_lib.read(rationale, functions=names.functions, source_lines=names.source_lines)
  is_advice = False
  for start, end in prose.sentences:
    text = prose.text[start:end]
    first = _FIRST_WORD.match(text)
    if first and first.group(1) not in names.variables:
      text = text[: first.start(1)] + text[first.start(1)].lower() + text[first.start(1) + 1 :]
    goes_on = is_advice and _GOES_ON.match(text) is not None
    yield Sentence(text=text, start=start, prose=prose, names=names, rationale=rationale, goes_on_wishing=goes_on)
    is_advice = _ADVICE.search(text) is not None


# "Line 4 runs" begins a sentence as "line 4 runs" goes on with one; exceptions keep their capitals.
_FIRST_WORD = re.compile(r"\W*([A-Z][a-z]*)(?![\w(])")
