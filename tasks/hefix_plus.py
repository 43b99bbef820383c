"""SeqIO tasks over hefix_plus: the 164 HumanEvalFix tasks with the tests of HumanEval+."""

import functools

from next_jax.corpora import data_dir
from next_jax.execution import limits
from next_jax.models import vocabularies
from next_jax.prompts import metrics
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks

# On the inputs of HumanEval+, right programs take up to 4 seconds, and comparing their outputs takes longer.
PASS_AT_1 = metrics.PassAt1(limits=limits.Limits(cpu_seconds=10.0, judge_cpu_seconds=20.0))

for setting, form in prompt.SETTINGS.items():
  for name in (f"hefix_plus_v100_{setting}", f"hefix_plus_{setting}"):
    seqio_tasks.register_repair_task(
        name,
        corpus="hefix_plus",
        read=functools.partial(data_dir.read_split, "hefix_plus"),
        splits=("test",),
        prompt=form,
        vocabulary=vocabularies.minirepair_vocabulary(),
        metric_fns=(PASS_AT_1,),
    )
