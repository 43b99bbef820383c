"""SeqIO tasks over minirepair: our own generated functions and bugs."""

import functools

from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks

for setting, form in prompt.SETTINGS.items():
  for name in (f"minirepair_v100_{setting}", f"minirepair_{setting}"):
    seqio_tasks.register_repair_task(
        name,
        corpus="minirepair",
        read=functools.partial(data_dir.read_split, "minirepair"),
        splits=("train", "dev", "unseen"),
        prompt=form,
        vocabulary=vocabularies.minirepair_vocabulary(),
    )
