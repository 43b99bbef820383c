"""Patterns for claims about variables: values, types, and whether they have a value at all."""

from collections.abc import Iterator
import re

from next_jax.rationales.claims import literals
from next_jax.rationales.claims import prose
from next_jax.rationales.claims import statement as statement_lib

V, NAME, END, ADVERB = statement_lib.V, statement_lib.NAME, statement_lib.END, statement_lib.ADVERB

_HELD = (
    r"is|was|equals|becomes|became|(?:has|have|had) become|turns into|holds|contains|reaches|reached|gets|got|takes"
    r"|took|has|had|goes to|went to"
    r"|(?:drops|increases|grows|changes|falls|rises|decreases|jumps|moves) to"
    r"|(?:(?:is|was|gets|got|has been|has) )?(?:overwritten with|set to|updated to|changed to|reset to|assigned"
    r"|replaced by"
    r"|reduced to|bound to)"
    r"|(?:is|was|gets) initiali[sz]ed (?:to|with|as|at)|(?:starts|started|begins|starts out|starts off) (?:at|as"
    r"|with|from)"
    r"|(?:ends|ended|finishes|winds) (?:up )?(?:being|as|at|with|in)|ends up|comes out as|evaluates to"
)
_ALWAYS = r"stays|stayed|remains|remained|keeps being|is always|was always|is constantly"
_NEVER = r"(?:is|was) never|never (?:becomes|became|reaches|equals|gets to|takes|holds|gets|is)"
_THE_VALUE = r"(?:\s+(?:the values?|a value|values?)(?: of)?)?"
_FIRST = re.compile(r"start|begin|initial|first")
_AT_FIRST = re.compile(r"\b(?:first|initially)\b")
_FINAL = re.compile(r"\bend|finish|winds|comes out|final|last")

_ASSIGNMENT = re.compile(
    rf"(?P<name>{NAME})\s?(?:=|==|:=)\s?(?P<value>[\ue000]|None)(?=\s*(?:\Z|[.,;:!?)—]|[-–]\s|[a-z]))"
)
_IS = re.compile(
    rf"(?P<name>{NAME})(?: variable)?(?:\s+(?:itself|here|then|now|still|also|only|just|at (?:step|line) \d+))?\s+"
    rf"(?P<verb>{_NEVER}|{_ALWAYS}|{_HELD}){ADVERB}{_THE_VALUE}{ADVERB}\s+(?:at )?(?P<value>{V}){END}"
)
_VALUE_OF = re.compile(
    r"\b(?P<which>initial |final |first |last |starting |current )?value (?:of|for"
    rf"|in) (?:the variable )?(?P<name>{NAME})"
    rf"(?: at [^,.]{{1,20}}?)? (?P<verb>is|was){ADVERB} (?P<value>{V}){END}"
)
_AND_THEN = re.compile(
    rf"\b(?:and|but|then|,) (?:is |was |it )?(?:then )?(?P<verb>{_HELD}){ADVERB} (?P<value>{V}){END}"
)
_IT_IS = re.compile(rf"\bit (?P<verb>is|was|becomes|equals){ADVERB} (?P<value>{V}){END}")
_CHANGES = re.compile(
    rf"(?P<name>{NAME})\s+(?:only |then |just )?(?:changes|changed|goes|went|moves|jumps|drops|increases|decreases"
    r"|falls|grows"
    rf"|is changed|is updated|counts|runs|ranges)\s+(?:down |up )?from (?P<before>{V}) (?:down |up |straight "
    r"|directly )?(?:to|through)"
    rf" (?P<value>{V}){END}"
)
_SETS = re.compile(
    rf"\b(?P<verb>sets|setting|set|makes|changes|updates|initiali[sz]es|resets|overwrites|increments|assigns)"
    rf" (?P<name>{NAME}) (?:to|with|as|from) (?P<value>{V}){END}"
)
_TAKES = re.compile(
    rf"(?P<name>{NAME}) (?:(?:takes(?: on)?|has|goes through|runs through) the values?|goes|is first|takes on"
    rf"|takes) (?P<list>{V}(?:(?:, (?:and )?| and ){V})+)"
)

_TYPE = "|".join(sorted((re.escape(word) for word in literals.TYPES), key=len, reverse=True))
_OF_TYPE = (
    rf"(?:(?:of )?type |an? (?:plain |python |simple |single |new |non-empty |nested )*|the type )"
    rf"(?P<type>{_TYPE})s?(?P<rest>\s+of \w+)?(?:\s+(?:object|value|type))?(?=\s*(?:\Z|[.,;:!?)]|(?:and|but|or|so"
    r"|not|when|while"
    r"|instead|rather|because|since|at|after|before|in|on|here|with|which|that|although|already|now)\b))"
)
_IS_TYPE = re.compile(
    rf"(?P<name>{NAME})\s+(?P<not>)?(?:is|was|becomes|turns into|has become|remains|holds|contains|has){ADVERB}\s+"
    rf"(?P<negation>not |no longer )?{_OF_TYPE}"
)
_IS_NOT_TYPE = re.compile(rf"(?P<name>{NAME})\s+(?:isn't|wasn't){ADVERB}\s+{_OF_TYPE}")

_UNDEFINED = re.compile(
    rf"(?P<name>{NAME})\s+(?:is|was|has|isn't|hasn't|had|may be|does|doesn't|gets|remains|stays)?\s*"
    r"(?:still |yet |also |actually |simply |ever |just )*"
    r"(?:(?P<never>never (?:been )?(?:defined|assigned|set|initiali[sz]ed|bound|given a value|gets a value|declared"
    r"|created))"
    r"|(?:not |n't )?(?:yet )?(?:been |ever )?(?:undefined|unassigned|uninitiali[sz]ed|unbound|undeclared|unset)"
    r"|(?<=isn't )(?:yet )?(?:defined|assigned|set|initiali[sz]ed|declared)"
    r"|(?<=hasn't )been (?:defined|assigned|set|initiali[sz]ed|given a value)"
    r"|(?:not|no) (?:yet )?(?:been |ever )?(?:defined|assigned|initiali[sz]ed|bound|declared|given a value|set)"
    r"|(?:referenced|used|accessed|read) before (?:its |it is |it's |it was |being |it has been )?(?:assign|defin"
    r"|set|initial)\w*"
    r"|no value|(?<=does )not exist|(?<=doesn't )exist)"
)
_UNDEFINED_NAME = re.compile(
    r"\b(?:undefined|unassigned|uninitiali[sz]ed|unbound|undeclared) (?:local )?(?:variable|name"
    rf"|identifier) (?:named )?(?P<name>{NAME})"
)
_NEGATION = re.compile(r"\b(?:not|isn't|never|no longer|n't)\s*\Z")
# Words that stand where a name would, but are none unless the program has a variable of that name.
_WORDS = frozenset(
    "it this that which variable name value what one is was function result they there element key item index and not"
    " never has line list step case base".split()
)


def values(sentence: statement_lib.Sentence) -> Iterator[statement_lib.Statement]:
  """Claims of kind "value"."""
  text, names = sentence.text, sentence.names
  spans: list[tuple[int, int]] = []

  def is_new(match: re.Match, group: str = "value") -> bool:
    place = match.span(group)
    if place in spans:
      return False
    spans.append(place)
    return True

  def fields(match: re.Match) -> dict:
    place = sentence.place(match)
    how = " ".join(filter(None, (match.groupdict().get(group) for group in ("verb", "which"))))
    if place == statement_lib.Place():
      if _FIRST.search(how) or _AT_FIRST.search(match.group()):
        place = statement_lib.Place(moment="start")
      elif _FINAL.search(how):
        place = statement_lib.Place(moment="end")
    return {"value": sentence.literal(match, "value"), "place": place}

  for match in _CHANGES.finditer(text):
    if match["name"] in names.variables and not sentence.is_wish(match) and is_new(match):
      yield sentence.statement(
          match, "value", "changes", subject=match["name"], value=sentence.literal(match, "value"),
          before=sentence.literal(match, "before"), place=statement_lib.Place(),
      )
  for match in _TAKES.finditer(text):
    if match["name"] in names.variables and not sentence.is_wish(match):
      for found in re.finditer(V, match["list"]):
        start = match.start("list") + found.start()
        literal = sentence.prose.values.get(sentence.start + start) or literals.of_word(found.group())
        spans.append((start, match.start("list") + found.end()))
        yield sentence.statement(
            match, "value", "holds", subject=match["name"], value=literal, place=statement_lib.Place()
        )
  for pattern in (_VALUE_OF, _SETS, _ASSIGNMENT, _IS):
    for match in pattern.finditer(text):
      name = match["name"]
      if name not in names.variables or sentence.is_wish(match):
        continue
      if pattern is not _VALUE_OF and _is_other(text[: match.start()], name):
        continue
      if is_new(match):
        verb = match.groupdict().get("verb") or ""
        claim = "never" if "never" in verb else "always" if re.fullmatch(_ALWAYS, verb) else "holds"
        yield sentence.statement(match, "value", claim, subject=name, **fields(match))
  for pattern in (_AND_THEN, _IT_IS):
    for match in pattern.finditer(text):
      subject = _last_variable(text[: match.start()], names.variables)
      if subject is not None and not sentence.is_wish(match) and is_new(match):
        yield sentence.statement(match, "value", "holds", subject=subject, **fields(match))


def claimed_values(sentence: statement_lib.Sentence) -> list[tuple[int, int]]:
  """Where in a sentence values are said to be those of variables."""
  return [
      match.span("value") for pattern in (_VALUE_OF, _ASSIGNMENT, _IS) for match in pattern.finditer(sentence.text)
      if match["name"] in sentence.names.variables
  ]


def _is_other(before: str, name: str) -> bool:
  """Whether the words before a name make it a part of something else: "the length of xs is 3", "the result is 3"."""
  if _PART_OF.search(before) or (name in _NOUNS and _THE.search(before)):
    return True
  return _OPERATOR.search(before) is not None and not before.rstrip().endswith((".", "->"))


_PART_OF = re.compile(
    r"\b(?:length|len|size|sum|number|index|type|count|maximum|minimum|rest|element|item|part) of (?:the )?\Z"
)
_NOUNS = frozenset({"result", "output", "value", "a", "s"})  # words before they are names
_THE = re.compile(r"\b(?:the|its|a|return|expected) \Z")
_OPERATOR = re.compile(r"(?:[-+*/%<>]\s?|\.)\Z")


def _last_variable(before: str, variables: frozenset[str]) -> str | None:
  """The variable mentioned last; None where it was something else: "xs[0] is 1 and then becomes 7"."""
  found = [match for match in re.finditer(NAME, before) if match.group() in variables]
  if not found or prose.EXPRESSION in before[found[-1].end() :]:
    return None
  return found[-1].group()


def types(sentence: statement_lib.Sentence) -> Iterator[statement_lib.Statement]:
  """Claims of kind "type" about variables; those about results are `event_patterns.results`."""
  for pattern, negated in ((_IS_TYPE, False), (_IS_NOT_TYPE, True)):
    for match in pattern.finditer(sentence.text):
      name = match["name"]
      if name not in sentence.names.variables or sentence.is_wish(match):
        continue
      if _is_other(sentence.text[: match.start()], name):
        continue
      negated_here = negated or bool(match.groupdict().get("negation"))
      yield sentence.statement(
          match, "type", "is not of type" if negated_here else "is of type", subject=name,
          types=literals.TYPES[match["type"]],
      )


def definitions(sentence: statement_lib.Sentence) -> Iterator[statement_lib.Statement]:
  """Claims of kind "definition": a variable that has no value."""
  text = sentence.text
  for pattern in (_UNDEFINED, _UNDEFINED_NAME):
    for match in pattern.finditer(text):
      name = match["name"]
      if name not in sentence.names.variables and name.lower() in _WORDS:
        continue
      if sentence.is_wish(match) or _NEGATION.search(text[: match.start()]):
        continue
      never = bool(match.groupdict().get("never"))
      yield sentence.statement(
          match, "definition", "never assigned" if never else "undefined", subject=name,
          place=sentence.place(match),
      )
