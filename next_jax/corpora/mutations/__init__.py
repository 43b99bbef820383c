"""Deliberate bugs: small changes at one place of a program, by kind.

    for mutant in mutations.mutants(code, random.Random(0), kinds=("comparison", "operator")):
      print(mutant.kind, mutant.line, mutant.before_line, "->", mutant.after_line)

The change is spliced into the text, so comments and formatting elsewhere stay unchanged.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import random

from next_jax import errors
from next_jax.corpora import canonical
from next_jax.corpora.mutations import operators
from next_jax.corpora.mutations import source as source_lib

MUTATIONS = operators.MUTATIONS
KINDS = tuple(MUTATIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mutant:
  """A program with one bug.

  Attributes:
    kind: A key of MUTATIONS.
    code: The whole mutated program.
    line: Line of the (first) change, from 1; the same in the original and in the mutant.
    before_line, after_line: That line in the original and in the mutant, without indentation. For a forgotten step
      `after_line` is the line that took its place.
    canonical: Canonical form of `code`.
  """

  kind: str
  code: str
  line: int
  before_line: str
  after_line: str
  canonical: str


def mutants(code: str, rng: random.Random, kinds: Sequence[str] = KINDS) -> Iterator[Mutant]:
  """Yields every mutant once. The kind is drawn anew for each, so kinds with many places do not dominate.

  Every mutant compiles and differs from the code in its canonical form. The order depends only on `rng`. The iterator
  is lazy: a caller that wants one mutant pays for one.

  Raises:
    CorpusError: The code does not parse, or a kind is unknown.
  """
  for kind in kinds:
    if kind not in MUTATIONS:
      raise errors.CorpusError(f"unknown mutation {kind!r}; known: {', '.join(MUTATIONS)}")
  try:
    source = source_lib.SourceText(code)
  except (SyntaxError, ValueError, RecursionError) as error:
    raise errors.CorpusError(f"expected Python code, found {code[:60]!r} ({error}); give code that parses") from None
  original = None
  remaining = list(kinds)
  edits: dict[str, list[source_lib.Edit]] = {}
  yielded = set()
  while remaining:
    kind = rng.choice(remaining)
    if kind not in edits:
      edits[kind] = list(dict.fromkeys(MUTATIONS[kind](source)))  # one edit can be found twice
      rng.shuffle(edits[kind])
    if not edits[kind]:
      remaining.remove(kind)
      continue
    edit = edits[kind].pop()
    mutated = source.apply(edit)
    if mutated in yielded:
      continue
    yielded.add(mutated)
    tree = canonical.compiled(mutated)
    if tree is None:
      continue
    form = canonical.canonical_tree(tree)
    original = original or canonical.canonical_tree(source.tree)
    if form == original:
      continue
    line = source.line_of(edit)
    lines = mutated.split("\n")
    yield Mutant(
        kind=kind,
        code=mutated,
        line=line,
        before_line=source.line_text(line).strip(),
        after_line=lines[line - 1].strip() if line <= len(lines) else "",
        canonical=form,
    )
