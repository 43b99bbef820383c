"""SeqIO tasks over readoff: programs in the style of minirepair whose fix only the trace tells."""

import functools

from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks

for setting, form in prompt.SETTINGS.items():
  for name in (f"readoff_v100_{setting}", f"readoff_{setting}"):
    seqio_tasks.register_repair_task(
        name,
        corpus="readoff",
        read=functools.partial(data_dir.read_split, "readoff"),
        splits=("train", "dev", "unseen"),
        prompt=form,
        vocabulary=vocabularies.minirepair_vocabulary(),
    )
