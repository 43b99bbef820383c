"""Patterns for claims about exceptions."""

from collections.abc import Iterator
import re

from next_jax.rationales.claims import literals
from next_jax.rationales.claims import results
from next_jax.rationales.claims import statement as statement_lib

NAME, EXCEPTION = statement_lib.NAME, results.EXCEPTION

_RAISES = re.compile(
    r"\b(?:raises?|raised|raising|throws?|threw|crash(?:es|ed)? with|fails? with|failed with|dies with|died with"
    r"|ends? (?:in|with)|gets?|got"
    r"|gives|causes?|caused|leads to|results? in|triggers?|hits|encounters?|runs into|stops with|produces"
    r"|aborts with|is|because of|due to)"
    rf" (?:an? |the |it |this )?(?:unhandled |uncaught )?(?P<name>{EXCEPTION})\b"
)
_IS_RAISED = re.compile(
    rf"\b(?P<name>{EXCEPTION})(?: for (?P<of>{NAME}))? (?:(?:is|was|gets|being|then) )*(?P<not>not "
    r"|never )?(?:raised|thrown|occurs|occurred|happens|happened|comes"
    r"|came|is caught|caught|not caught|uncaught|unhandled|triggered|at step|on line|in line)\b"
)
_FAILS = re.compile(
    r"\b(?:crashes|crashed|raises an? (?:exception|error)|throws an? (?:exception|error)|an? (?:exception"
    r"|error) (?:is|was|gets) (?:raised|thrown)"
    r"|an? (?:exception|error) occurs|fails with an (?:exception|error))\b(?! with)"
)
_NO_EXCEPTION = re.compile(
    rf"\b(?:no (?P<no>exception|error|{EXCEPTION})s? (?:is|was|are|gets|occurs|happens)|without (?:any "
    rf"|an )?(?P<without>exception|error|{EXCEPTION})s?\b"
    r"|without (?:raising|throwing) (?:anything|any \w+|an? \w+)"
    rf"|(?:does|did) ?(?:not|n't) (?:raise|crash|throw)(?: an?y?)?(?: (?P<not>{EXCEPTION}))?|never (?:raises|crashes"
    rf"|throws)(?: an?y?)?(?: (?P<never>{EXCEPTION}))?)"
)
_MESSAGE = re.compile(
    r"\b(?:error|complain\w*|message|raise[sd]?|fail\w*|exception|says"
    r"|crash\w*)\b[^\ue000]{0,30}(?P<message>[\ue000])"
)
_MESSAGE_BEFORE = re.compile(r"(?P<message>[\ue000]) (?:is|was|gets) (?:raised|thrown)")
_CAUGHT = re.compile(r"\b(?P<not>not |never |n't |isn't |un)?(?:being )?(?:caught|handled)\b")
_SYNONYMS = {
    r"\btoo many values to unpack": "ValueError", r"\bnot enough values to unpack": "ValueError",
    r"\b(?:divi\w+|modulo) by zero\b|\bdivides by zero\b": "ZeroDivisionError",
    r"\bindex (?:is|was|goes|gets|runs) out of (?:range|bounds)\b": "IndexError",
    r"\bmaximum recursion depth\b": "RecursionError",
}


_NOT_BEFORE = re.compile(r"\b(?:no|not|never|n't|except) \Z")


def exceptions(sentence: statement_lib.Sentence) -> Iterator[statement_lib.Statement]:
  """Claims of kind "exception"."""
  text = sentence.text
  taken: set[int] = set()
  for match in results.WANTED_GOT.finditer(text):
    group = "exception" if match["exception"] else "exception_a"
    if match[group]:
      taken.add(match.start(group))
      yield sentence.statement(match, "exception", "raises", subject=match[group], place=statement_lib.Place())
  for match in _NO_EXCEPTION.finditer(text):
    if not sentence.is_wish(match):
      name = next((found for found in match.groups() if found and found not in ("exception", "error")), None)
      taken.update(match.start() + found.start() for found in re.finditer(EXCEPTION, match.group()))
      yield sentence.statement(match, "exception", "does not raise", subject=name, place=statement_lib.Place())
  for pattern in (_RAISES, _IS_RAISED):
    for match in pattern.finditer(text):
      if match.start("name") in taken or sentence.is_wish(match) or _NOT_BEFORE.search(text[: match.start()]):
        continue
      taken.add(match.start("name"))
      negated = bool(match.groupdict().get("not")) and "caught" not in match.group()
      of = match.groupdict().get("of")
      yield sentence.statement(
          match, "exception", "does not raise" if negated else "raises", subject=match["name"],
          arguments=(literals.Literal(text=of),) if of else (),
      )
  for words, name in _SYNONYMS.items():
    for match in re.finditer(words, text):
      if not sentence.is_wish(match) and not sentence.is_supposed(match):
        yield sentence.statement(match, "exception", "raises", subject=name)
  for match in _FAILS.finditer(text):
    if not sentence.is_wish(match) and not _NOT_BEFORE.search(text[: match.start()]):
      yield sentence.statement(match, "exception", "raises")
  for pattern in (_MESSAGE, _MESSAGE_BEFORE):
    for match in pattern.finditer(text):
      literal = sentence.literal(match, "message")
      if literal is not None and literal.is_exact and isinstance(literal.value, str) and " " in literal.value:
        yield sentence.statement(match, "exception", "says", value=literal, place=statement_lib.Place())
  if re.search(EXCEPTION, text):
    for match in _CAUGHT.finditer(text):
      if not sentence.is_wish(match):
        claim = "escapes" if match["not"] else "is caught"
        yield sentence.statement(match, "exception", claim, place=statement_lib.Place())
