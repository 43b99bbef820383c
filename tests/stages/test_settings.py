"""Settings: what counts, what does not, and where two of them differ."""

import dataclasses
import functools

import pytest

from next_jax import files
from next_jax.engines import engine
from next_jax.stages import settings


@dataclasses.dataclass(frozen=True)
class Workers:
  changes_no_result = ("num_workers",)
  limit: float = 1.0
  num_workers: int = 2


class Kept:

  def __init__(self, limits, *, size=3):
    self._limits = limits
    self.size = size


class Lost:

  def __init__(self, size):
    pass


def optimizer(*, learning_rate, momentum=0.9):
  return learning_rate, momentum


def print_of(value):
  return settings.fingerprint(settings.describe(value))


def test_equal_settings_have_equal_fingerprints_and_changed_ones_do_not():
  assert print_of(engine.Sampling()) == print_of(engine.Sampling())
  assert print_of(engine.Sampling()) != print_of(engine.Sampling(top_k=5))


def test_the_number_of_workers_does_not_count():
  assert print_of(Workers(num_workers=1)) == print_of(Workers(num_workers=64))
  assert print_of(Workers(limit=1.0)) != print_of(Workers(limit=2.0))


def test_an_object_is_described_by_the_arguments_it_keeps():
  assert settings.describe(Kept(Workers(), size=4))["limits"]["limit"] == 1.0
  assert settings.describe(Kept(Workers(), size=4))["size"] == 4


def test_an_object_that_forgets_its_arguments_is_refused():
  with pytest.raises(TypeError, match="'size'"):
    settings.describe(Lost(3))


def test_what_is_bound_to_a_function_counts():
  bound = settings.describe([optimizer], lambda function: {"momentum": 0.5} if function is optimizer else {})
  assert bound != settings.describe([optimizer])
  assert bound[0]["momentum"] == 0.5


def test_a_partial_function_is_described_by_its_arguments():
  assert print_of(functools.partial(optimizer, momentum=0.1)) != print_of(functools.partial(optimizer, momentum=0.2))


def test_differences_name_the_key_by_its_path():
  found = {"sampling": {"temperature": 0.8, "top_k": 0}, "filters": [{"per_task": 3}]}
  expected = {"sampling": {"temperature": 1.0, "top_k": 0}, "filters": [{"per_task": 2}], "seed": 1}
  assert settings.differences(found, expected) == [
      ("sampling.temperature", 0.8, 1.0),
      ("filters[0].per_task", 3, 2),
      ("seed", settings.MISSING, 1),
  ]
  assert settings.differences(found, found) == []


def test_a_digest_depends_on_names_and_bytes_and_not_on_the_place(tmp_path):
  for name in ("one", "two"):
    (tmp_path / name / "state").mkdir(parents=True)
    (tmp_path / name / "state" / "data").write_bytes(b"x" * 3_000_000)
  assert files.digest(tmp_path / "one") == files.digest(tmp_path / "two")
  (tmp_path / "two" / "state" / "data").write_bytes(b"y" + b"x" * 2_999_999)
  assert files.digest(tmp_path / "one") != files.digest(tmp_path / "two")
