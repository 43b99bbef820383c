"""The families: each turns random choices into a right program of 3 to 10 lines."""

from collections.abc import Callable

from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair.families import dicts
from next_jax.corpora.minirepair.families import lists
from next_jax.corpora.minirepair.families import numbers
from next_jax.corpora.minirepair.families import strings

Family = Callable[[draw.Draw], draw.Problem]

FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (*numbers.FAMILIES, *lists.FAMILIES, *strings.FAMILIES, *dicts.FAMILIES)
}
