"""SeqIO tasks over mbpp_r: MBPP problems 601-974 (train) and 511-600 (dev) with wrong solutions."""

import functools

from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks

for setting, form in prompt.SETTINGS.items():
  for name in (f"mbpp_r_v100_{setting}", f"mbpp_r_{setting}"):
    seqio_tasks.register_repair_task(
        name,
        corpus="mbpp_r",
        read=functools.partial(data_dir.read_split, "mbpp_r"),
        splits=("train", "dev"),
        prompt=form,
        vocabulary=vocabularies.minirepair_vocabulary(),
    )
