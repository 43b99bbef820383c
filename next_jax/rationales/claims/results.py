"""Patterns for claims about results: what was returned, and what was wanted."""

from collections.abc import Iterator
import re

from next_jax.rationales.claims import literals
from next_jax.rationales.claims import prose
from next_jax.rationales.claims import statement as statement_lib
from next_jax.rationales.claims import states

V, NAME, END, ADVERB = statement_lib.V, statement_lib.NAME, statement_lib.END, statement_lib.ADVERB

EXCEPTION = r"(?:[A-Z]\w*(?:Error|Exception|Iteration|Interrupt|Warning)|KeyboardInterrupt|SystemExit|GeneratorExit)"
_RETURNS = (
    r"(?:returns|returned|return|returning|gives|gave|outputs|outputted|produces|produced|yields|yielded"
    r"|evaluates to|got|gets|"
    r"results in|computes|prints|we get|come out as)"
)
_SHOULD = (
    r"(?:should|must|ought to|is supposed to|was supposed to|is expected to|was expected to)(?: have| instead"
    r"| really| actually)*"
    r" (?:return(?:ed)?|be|been|give[n]?|output|produce[d]?|yield(?:ed)?|equal|get)"
)
_INSTEAD = r",? (?:instead of|rather than|and not|not|as opposed to|in place of)(?: returning| the expected| an?)?"
_EXPECTED_HERE = (
    r",? (?:(?:but|where|whereas|while|when|and|although|though) (?:it |the (?:call|function|test|result|answer) "
    r"|that |we )?"
    rf"(?:{_SHOULD}|expected?|expects|wanted|the expected (?:value|result|output) (?:is|was))|(?:but )?expected)"
)
_RESULT = re.compile(
    rf"(?P<call>[\ue002])?\s*(?P<verb>\b{_RETURNS})(?: back| us| only| just| the value| simply| a| instead| wrongly"
    r"| incorrectly| (?:its|the) (?:input|argument|list|string|number|result|dict|tuple|same list)(?: unchanged)?,?)*"
    rf" (?P<value>{V}){END}(?:(?:{_INSTEAD}|{_EXPECTED_HERE}) (?P<expected>{V}){END})?"
)
_NOUN_IS = re.compile(
    r"\b(?:the|its|actual|final|returned?) (?:actual |final |return(?:ed)? )*(?P<noun>result|output|return value"
    r"|returned value|value|answer)"
    rf" (?:of the (?:call|function) )?(?:is|was|comes out as|becomes)(?: just| only| then| now)* (?P<value>{V}){END}"
    rf"(?:(?:{_INSTEAD}|{_EXPECTED_HERE}) (?P<expected>{V}){END})?"
)
_WHAT_COMES = re.compile(
    r"\bwhat (?:we|you|it|the (?:call|function)) (?:really |actually )?(?:got|gets?|returns|returned|gives"
    rf"|gave) (?:back )?is (?P<value>{V}){END}"
    r"|\b(?:what|(?:list|string|number|value|dict|tuple|set) that) (?:comes (?:out|back)"
    rf"|is returned) is (?P<value_behind>{V}){END}"
)
_DIFFERS = re.compile(
    rf"(?P<value>{V}),? (?:differs from|is not|does not (?:match|equal)|doesn't (?:match|equal)|instead of"
    r"|rather than) the (?:expected|wanted|required|right|correct)"
    rf" (?:output |result |value |answer )?(?:of )?(?P<expected>{V})"
)
_CALL_IS = re.compile(
    rf"(?P<call>[\ue002]) ?(?:==|=|is|was|->) ?(?P<value>{V}){END}"
    rf"(?:(?:{_INSTEAD}|{_EXPECTED_HERE}) (?P<expected>{V}))?"
)
_IS_RETURNED = re.compile(
    rf"(?P<value>{V}) (?:is|was|gets|being)(?: being)? (?:returned|produced"
    rf"|the result)\b(?:{_INSTEAD} (?P<expected>{V}))?"
)
_BUT_WAS_EXPECTED = re.compile(
    rf"(?P<value>{V}) (?:where|but|although|while|when) (?P<expected>{V}) (?:is|was) (?:expected|wanted|required)"
)
WANTED_GOT = re.compile(
    rf"\b[Ee]xpect(?:ed|s|ing)?:? (?P<expected>{V}),?;? (?:but |and |it )*(?:got|gets?|found|received|is|was"
    r"|actual(?:ly)?|returned|returns|saw)"
    rf":? (?:instead )?(?:(?P<value>{V}){END}|an? (?P<exception_a>{EXCEPTION})|(?P<exception>{EXCEPTION}))"
)
_EXPECTS = re.compile(
    rf"(?P<call>[\ue002])?\s*(?:\b(?:[Ee]xpected|[Ee]xpects|[Ee]xpecting|[Ww]ants|[Ww]anted|{_SHOULD}"
    r"|is expected to be)"
    r"|\b(?:expected|correct|right) (?:result|output|value|answer|return value) (?:is|was|would be|should be))"
    r"(?: it| the (?:call|function|result))?(?: (?P<call_behind>[\ue002]))?(?: to (?:be|return|give|equal"
    rf"|yield))? (?P<value>{V}){END}"
)
_INSTEAD_OF = re.compile(rf"\b(?:instead of|rather than) (?:returning |the expected |an? )?(?P<value>{V}){END}")
_WRONG = re.compile(
    r"\b(?:(?:returns?|returned|gives|got|produces) (?:a |the )?(?P<a>wrong|incorrect)(?: value| result| answer"
    r"| output| list| string)?"
    r"|(?:result|value|output|answer) (?:is|was) (?P<b>wrong|incorrect|not right|not correct|right|correct))\b"
)
_TEST = re.compile(
    r"\b(?:tests?|assert(?:ion)?(?: [\ue000-\ue003]| ==| =)*) (?:then |also |thus )?"
    r"(?P<verb>fails|failed|passes|passed)\b",
    re.IGNORECASE,
)
_OTHER_TEST = re.compile(r"\b(?:second|third|other|hidden|all|some)\b")
_AS_IT_SHOULD = re.compile(
    r"\s*(?:,\s*)?(?:just )?(?:as (?:it should|expected|required|wanted)|which is (?:right|correct))"
)
_INNER = re.compile(
    r"\b(?:base case|inner|innermost|recursive|nested|recursion|lambda|generator|helper)\b",
    re.IGNORECASE,
)
_TEST_NUMBER = re.compile(
    r"\b(?:the )?(first|second|third|fourth|fifth|last) (?:public |visible )?(?:test|assert|example)\b",
    re.IGNORECASE,
)


def results(sentence: statement_lib.Sentence) -> Iterator[statement_lib.Statement]:
  """Claims of kind "result" (and "type", of a result): what was returned, and what was wanted."""
  text = sentence.text
  taken: list[tuple[int, int]] = []

  def expected(match: re.Match, group: str, **fields) -> statement_lib.Statement:
    taken.append(match.span(group))
    return sentence.statement(
        match, "result", "expected", value=sentence.literal(match, group), place=statement_lib.Place(), **fields
    )

  for match in WANTED_GOT.finditer(text):
    got = match["value"] and sentence.literal(match, "value")
    if got is not None:
      taken.append(match.span("value"))
      yield sentence.statement(match, "result", "returns", value=got, place=statement_lib.Place())
    yield expected(match, "expected", subject="pair")
  for pattern in (_DIFFERS, _CALL_IS, _RESULT, _NOUN_IS, _IS_RETURNED, _BUT_WAS_EXPECTED):
    for match in pattern.finditer(text):
      if match.span("value") in taken or _is_variable_result(pattern, match, sentence):
        continue
      before = text[: match.start()]
      if sentence.is_wish(match) or _NOT_RETURNED.search(before):
        continue
      if match.groupdict().get("verb") == "return" and not _DOES.search(before):
        continue
      taken.append(match.span("value"))
      call = sentence.call(match, "call") if "call" in match.groupdict() and match["call"] else None
      subject = call or _subject(text[: match.start()], sentence)
      of_input = text[: match.start()].rstrip().endswith(prose.VALUE)  # "[] gives 0" is of another call, perhaps
      yield sentence.statement(
          match, "result", "returns", subject=subject, value=sentence.literal(match, "value"),
          is_supposed=of_input or sentence.is_supposed(match),
      )
      if "expected" in match.groupdict() and match["expected"]:
        yield expected(match, "expected", subject="pair" if call is None else call)
      elif _AS_IT_SHOULD.match(text, match.end()):
        yield expected(match, "value", subject=call)
  for match in _WHAT_COMES.finditer(text):
    group = "value" if match["value"] else "value_behind"
    if match.span(group) not in taken and not sentence.is_wish(match):
      taken.append(match.span(group))
      yield sentence.statement(
          match, "result", "returns", value=sentence.literal(match, group), place=statement_lib.Place()
      )
  of_variables = states.claimed_values(sentence)
  for pattern in (_EXPECTS, _INSTEAD_OF):
    for match in pattern.finditer(text):
      said = len(text[: match.start()].rstrip())
      if (said - 1, said) in of_variables or (of_variables and not taken and _OF_ANYTHING.search(match.group())):
        continue  # "count is 3 instead of 2", "count is 3, but should be 2"
      if match.span("value") in taken or _is_about_a_variable(text[: match.start()], sentence):
        continue
      groups = match.groupdict()
      call = next((sentence.call(match, g) for g in ("call", "call_behind") if groups.get(g)), None)
      number = _TEST_NUMBER.search(text[: match.end()])
      test = statement_lib.ORDINALS[number.group(1).lower()] - (number.group(1).lower() != "last") if number else None
      fields = {} if call is None and test is None else {"is_supposed": False}  # it names the call
      yield expected(
          match, "value", subject=call, test=test, arguments=sentence.literals_before(match.start()), **fields
      )
  for match in (*_WRONG.finditer(text), *_TEST.finditer(text)):
    if not sentence.is_wish(match) and not sentence.is_supposed(match) and not _OTHER_TEST.search(text):
      words = match.groupdict()
      is_right = words.get("b") in ("right", "correct") or (words.get("verb") or "").startswith("pass")
      yield sentence.statement(match, "result", "right" if is_right else "wrong", place=statement_lib.Place())
  for match in _RETURNS_TYPE.finditer(text):
    if not sentence.is_wish(match):
      yield sentence.statement(
          match, "type", "returns type", subject=_subject(text[: match.start()], sentence),
          types=literals.TYPES[match["type"]],
      )


_RETURNS_TYPE = re.compile(
    r"(?:\b(?:returns|returned|gives(?: back)?|produces|yields|hands back|what (?:comes back|comes out"
    rf"|is returned) is)|\b(?:result|output|return value|returned value) (?:is|was)){ADVERB} {states._OF_TYPE}"
)


_NOT_RETURNED = re.compile(r"\b(?:to|not|never|n't|expected|please) \Z")
_DOES = re.compile(r"\b(?:does|did|calls?|it) \Z")


def _is_variable_result(pattern: re.Pattern, match: re.Match, sentence: statement_lib.Sentence) -> bool:
  """Whether "got", "gets" or "the result is" is about a variable of the program."""
  before = sentence.text[: match.start()]
  words = re.findall(NAME, before)
  if pattern is _RESULT and match["verb"] in ("gets", "got", "results in", "yields", "evaluates to"):
    return bool(words) and words[-1] in sentence.names.variables
  if pattern is _NOUN_IS:
    return match["noun"] in sentence.names.variables and "return" not in match.group()
  return False


def _is_about_a_variable(before: str, sentence: statement_lib.Sentence) -> bool:
  """Whether what should be something is a variable, or an element of one: "best should be 0"."""
  words = re.findall(r"[A-Za-z_]\w*|[\ue000-\ue003]", before)[-3:]
  if not words:
    return False
  if words[-1] in sentence.names.variables or words[-1] in (prose.EXPRESSION, prose.CODE):
    return True
  return prose.EXPRESSION in before or bool(re.search(r"\bline \d+[^,;.]{0,20}\Z", before))


_OF_ANYTHING = re.compile(r"\b(?:be|been|instead|rather)\b")
_BUILT_IN = frozenset("max min sum len sorted join split range abs round pop get set list zip map filter".split())


def _subject(before: str, sentence: statement_lib.Sentence) -> str | None:
  """The function whose result is meant: None for the entry point, "inner" for some call inside of it."""
  words = re.findall(r"[A-Za-z_]\w*|[\ue002]", before)
  if words and words[-1] in sentence.names.functions and words[-1] != sentence.names.entry_point:
    return words[-1]
  if words and (words[-1] in _BUILT_IN):
    return "elsewhere"
  clause = sentence.clause(len(before))
  if _INNER.search(clause):
    return "inner"
  if prose.EXPRESSION in clause[-3:] or prose.CODE in clause[-3:]:
    return "elsewhere"
  return None
