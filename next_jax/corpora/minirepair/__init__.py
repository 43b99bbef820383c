"""MiniRepair: short Python functions with bugs, made by this package, any number of them."""

from next_jax.corpora.minirepair.corpus import Demonstration
from next_jax.corpora.minirepair.corpus import MiniRepair
from next_jax.corpora.minirepair.generator import Generator
from next_jax.corpora.minirepair.splits import Splits
