"""SeqIO tasks over minirepair: generated functions with bugs.

Split "other" has families that neither pretraining nor the loop has. It is not built by default (MiniRepair.num_other),
and SeqIO's tools read all splits of a task. So it has its own tasks, such as `minirepair_other_trace`.
"""

import functools

from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks

for prefix, splits in (("minirepair", ("train", "dev", "unseen")), ("minirepair_other", ("other",))):
  for setting, form in prompt.SETTINGS.items():
    for name in (f"{prefix}_v100_{setting}", f"{prefix}_{setting}"):
      seqio_tasks.register_repair_task(
          name,
          corpus="minirepair",
          read=functools.partial(data_dir.read_split, "minirepair"),
          splits=splits,
          prompt=form,
          vocabulary=vocabularies.minirepair_vocabulary(),
      )
