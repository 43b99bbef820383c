"""SeqIO tasks over hefix_plus: the 164 HumanEvalFix tasks."""

import functools

from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks

for setting, form in prompt.SETTINGS.items():
  for name in (f"hefix_plus_v100_{setting}", f"hefix_plus_{setting}"):
    seqio_tasks.register_repair_task(
        name,
        corpus="hefix_plus",
        read=functools.partial(data_dir.read_split, "hefix_plus"),
        splits=("test",),
        prompt=form,
        vocabulary=vocabularies.minirepair_vocabulary(),
    )
