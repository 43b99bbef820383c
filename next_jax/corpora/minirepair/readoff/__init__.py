"""ReadOff: the slice of MiniRepair whose fixes can be read off the trace, and not off code and tests."""

from next_jax.corpora.minirepair.readoff.corpus import FAMILIES
from next_jax.corpora.minirepair.readoff.corpus import Item
from next_jax.corpora.minirepair.readoff.corpus import ReadOff
