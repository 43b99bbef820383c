"""Seeds: the same for the same purpose on any machine, different for any other."""

from hypothesis import given
from hypothesis import strategies as st

from next_jax.stages import seeds


@given(st.integers(0, 2**31), st.text(max_size=5), st.integers(0, 100))
def test_a_seed_fits_31_bits_and_is_stable(seed, purpose, number):
  derived = seeds.derive(seed, purpose, number)
  assert 0 <= derived < 2**31
  assert derived == seeds.derive(seed, purpose, number)


def test_a_seed_is_the_same_in_every_version():
  assert seeds.derive(0, "sample", 1) == 1095099566


def test_purposes_do_not_share_seeds():
  assert len({seeds.derive(s, p, i) for s in range(3) for p in ("sample", "finetune") for i in range(10)}) == 60
