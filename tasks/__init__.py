"""Declarations of SeqIO tasks. `import tasks` registers all of them.

Names are `<corpus>_v<version>_<setting>`, in lower case, with the version without dots as in T5's `c4_v220_...`. For
example, `mbpp_r_v100_trace` is the setting `trace` over version 1.0.0 of `mbpp_r`. The version changes with the tasks
of the corpus or the text of the prompts, so that results under one name stay comparable. The old version is then either
kept beside the new one or removed. Names without a version, such as `mbpp_r_trace`, mean the newest; configs use them.

| setting | the model sees | the model writes |
|---|---|---|
| `trace` | task, tests, program with its trace | rationale, fix |
| `notrace` | task, tests, program | rationale, fix |
| `direct` | task, tests, program with its trace | fix |
| `proxy` | task, tests, program with its trace, a rationale | fix |

Each is zero-shot; the suffix `_3shot` adds three solved exemplars. The rationales of `proxy` come from samples of
another model, in the file that $NEXT_JAX_RATIONALES names.

minirepair and readoff have the splits `train`, `dev` and `unseen`, mbpp_r has `train` and `dev`, hefix_plus has
`test`. `minirepair_other_<setting>` has split `other` of minirepair, if that was built. The tasks are read from the
directory of built corpora, $NEXT_JAX_DATA_DIR. For example, with SeqIO's own tools:

    NEXT_JAX_DATA_DIR=WORKDIR/corpus python -m seqio.scripts.inspect_tasks_main --module_import=tasks \\
      --tasks=mbpp_r_v100_trace --sequence_length="{'inputs': 1024, 'targets': 256}" --decode_features
"""

from tasks import hefix_plus  # noqa: F401  (registers its tasks)
from tasks import mbpp_r  # noqa: F401  (registers its tasks)
from tasks import minirepair  # noqa: F401  (registers its tasks)
from tasks import readoff  # noqa: F401  (registers its tasks)
