"""The families. Each turns random choices into a right program of 3 to 10 lines."""

from collections.abc import Callable

from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair.families import aggregates
from next_jax.corpora.minirepair.families import dicts
from next_jax.corpora.minirepair.families import digits
from next_jax.corpora.minirepair.families import lists
from next_jax.corpora.minirepair.families import numbers
from next_jax.corpora.minirepair.families import other_lists
from next_jax.corpora.minirepair.families import others
from next_jax.corpora.minirepair.families import strings
from next_jax.corpora.minirepair.families import words

Family = Callable[[draw.Draw], draw.DrawnProblem]

# The order of all families is part of what a seed stands for.
_OF_NUMBERS = (
    digits.sum_digits, digits.count_digit, numbers.halvings, numbers.clamp, numbers.three_levels,
    numbers.sum_multiples, numbers.power, numbers.sequence_of_sums, numbers.fizz, numbers.count_divisors,
    numbers.no_divisor, digits.reverse_digits, numbers.price_with_discount, numbers.sum_of_changed,
    numbers.largest_of_three, numbers.countdown, digits.digits_in_base, numbers.calendar_rule, numbers.common_divisor,
    numbers.save_until,
)
_OF_LISTS = (
    aggregates.count_compare, aggregates.count_over_limit, aggregates.sum_where, aggregates.best_element,
    aggregates.first_index, aggregates.last_index, lists.keep_where, lists.change_each, lists.running_total,
    lists.differences, aggregates.longest_run, lists.without_repeats, lists.separate, aggregates.adjacent_pairs,
    aggregates.is_ordered, aggregates.pairs_with_sum, lists.take_turns, aggregates.weighted_sum,
    aggregates.second_best, lists.take_while, lists.rotate, aggregates.spread, lists.pieces, aggregates.best_window,
    aggregates.sum_until, lists.cap_each, aggregates.ups_and_downs, lists.flatten, lists.best_row, lists.every_second,
    lists.running_best, lists.select_with_helper, lists.in_both, aggregates.average_above,
)
_OF_TEXTS = (
    strings.count_letters, strings.turn_around, strings.drop_letter, strings.replace_letter, words.join_words,
    words.first_letters, words.longest_word, words.count_long_words, strings.reads_same, strings.repeat_letters,
    strings.squeeze, strings.every_other_upper, words.words_with_start, strings.shorten, strings.pad,
    strings.sum_of_digits, strings.common_start, strings.letters_in_turn, strings.last_place, strings.nesting,
    words.mark_words, words.has_letter,
)

FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (*_OF_NUMBERS, *_OF_LISTS, *_OF_TEXTS, *dicts.FAMILIES)
}

# Families of split "other", which shares none with pretraining or the loop; none of them is in FAMILIES.
OTHERS: dict[str, Family] = {family.__name__: family for family in (*others.FAMILIES, *other_lists.FAMILIES)}


def family(name: str) -> Family:
  """The family of this name, from FAMILIES or OTHERS."""
  return FAMILIES[name] if name in FAMILIES else OTHERS[name]
