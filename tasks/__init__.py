"""SeqIO tasks, declarations only. `import tasks` registers all of them.

Names are `<corpus>_v<version>_<setting>`, lower-case, the version without its dots as in T5's `c4_v220_...`:
`mbpp_r_v100_trace` is the setting `trace` over version 1.0.0 of `mbpp_r`. A version is made anew when the tasks of the
corpus or the text of the prompts change, so that a number under a name stays comparable; the old one is then declared
beside it or goes. Without the version, `mbpp_r_trace` is the newest, which is what configs are written with.

| setting | the model sees | the model writes |
|---|---|---|
| `trace` | task, tests, program with its trace | rationale, fix |
| `notrace` | task, tests, program | rationale, fix |
| `direct` | task, tests, program with its trace | fix |
| `proxy` | task, tests, program with its trace, a rationale | fix |

Each is zero-shot; with `_3shot` behind its name it has three solved exemplars. The rationales of `proxy` are the
samples of another model, in the file that $NEXT_JAX_RATIONALES names.

minirepair and readoff have the splits `train`, `dev` and `unseen`, mbpp_r has `train` and `dev`, hefix_plus has `test`;
`minirepair_other_<setting>` has split `other` of minirepair, if that was built. The tasks are read where the corpora
were built: $NEXT_JAX_DATA_DIR. In SeqIO's own tools, for example:

    NEXT_JAX_DATA_DIR=WORKDIR/corpus python -m seqio.scripts.inspect_tasks_main --module_import=tasks \\
      --tasks=mbpp_r_v100_trace --sequence_length="{'inputs': 1024, 'targets': 256}" --decode_features
"""

from tasks import hefix_plus  # noqa: F401  (registers its tasks)
from tasks import mbpp_r  # noqa: F401  (registers its tasks)
from tasks import minirepair  # noqa: F401  (registers its tasks)
from tasks import readoff  # noqa: F401  (registers its tasks)
