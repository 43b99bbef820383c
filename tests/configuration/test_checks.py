"""Values of the wrong type are refused before a run, and those of the right one are not."""

from collections.abc import Sequence
import dataclasses

import pytest

from next_jax import errors
from next_jax.configuration import checks


@dataclasses.dataclass(frozen=True)
class Part:
  number: int = 1


@dataclasses.dataclass(frozen=True)
class Whole:
  names: Sequence[str] = ("a", "b")
  kinds: list[int] = dataclasses.field(default_factory=lambda: [1])
  share: float | None = 0.5
  parts: Sequence[Part] = ()


def test_a_collection_is_not_taken_for_an_element():
  checks.check_types(Whole())
  checks.check_types(Whole(share=1, parts=(Part(),)))
  checks.check_types(Whole(share=None))


@pytest.mark.parametrize("whole, message", [
    (Whole(share="half"), "Whole.share: found 'half', expected float or None"),
    (Whole(parts=(Part(number="many"),)), "Part.number: found 'many', expected int"),
])
def test_a_wrong_type_is_named(whole, message):
  with pytest.raises(errors.ConfigError, match=message):
    checks.check_types(whole)
