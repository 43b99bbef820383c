"""The families: each turns random choices into a right program of 3 to 10 lines."""

from collections.abc import Callable

from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair.families import aggregates
from next_jax.corpora.minirepair.families import dicts
from next_jax.corpora.minirepair.families import lists
from next_jax.corpora.minirepair.families import numbers
from next_jax.corpora.minirepair.families import other_lists
from next_jax.corpora.minirepair.families import others
from next_jax.corpora.minirepair.families import strings

Family = Callable[[draw.Draw], draw.Problem]

# Their order, as that of all families, is part of what a seed stands for.
_OF_LISTS = (
    aggregates.count_compare, aggregates.count_over_limit, aggregates.sum_where, aggregates.best_element,
    aggregates.first_index, aggregates.last_index, lists.keep_where, lists.change_each, lists.running_total,
    lists.differences, aggregates.longest_run, lists.without_repeats, lists.separate, aggregates.adjacent_pairs,
    aggregates.is_ordered, aggregates.pairs_with_sum, lists.take_turns, aggregates.weighted_sum,
    aggregates.second_best, lists.take_while, lists.rotate, aggregates.spread, lists.pieces, aggregates.best_window,
    aggregates.sum_until, lists.cap_each, aggregates.ups_and_downs, lists.flatten, lists.best_row, lists.every_second,
    lists.running_best, lists.select_with_helper, lists.in_both, aggregates.average_above,
)  # fmt: skip

FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (*numbers.FAMILIES, *_OF_LISTS, *strings.FAMILIES, *dicts.FAMILIES)
}

# Written later, for a split that shares no family with pretraining, nor with the loop; none of them is in FAMILIES.
OTHERS: dict[str, Family] = {family.__name__: family for family in (*others.FAMILIES, *other_lists.FAMILIES)}


def family(name: str) -> Family:
  """One of FAMILIES or of OTHERS."""
  return FAMILIES[name] if name in FAMILIES else OTHERS[name]
