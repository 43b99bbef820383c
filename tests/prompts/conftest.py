"""Three small corpora as a run builds them, where SeqIO's tasks read them."""

import pytest

from next_jax import files
from next_jax import schema
from next_jax.corpora import data_dir
from next_jax.prompts import given_rationales
from next_jax.tracing.recording import recorder

SPLITS = {"minirepair": ("train", "dev", "unseen"), "mbpp_r": ("train", "dev"), "hefix_plus": ("test",)}

# (entry point, program, right part, wrong part, test that fails, hidden test, setup)
_PROGRAMS = (
    ("inc", "def inc(x):\n    return x + 1", "+", "-", "inc(1) == 2", "inc(7) == 8", ""),
    (
        "total", "def total(xs):\n    s = 0\n    for x in xs:\n        s += x\n    return s", "s = 0", "s = 1",
        "total(list(range(9))) == 36", "total([]) == 0", "",
    ),
    (
        "root", "def root(x):\n    return math.sqrt(x)", "sqrt(x)", "sqrt(x + 9)", "root(16) == 4", "root(0) == 0",
        "import math",
    ),
)


def _task(corpus, split, number):
  entry_point, code, right, wrong, public, hidden, setup = _PROGRAMS[number]
  buggy = code.replace(right, wrong)
  return schema.RepairTask(
      task_id=f"{corpus}/{split}/é{number}", split=split, instruction="Repair it.", entry_point=entry_point,
      buggy_code=buggy, reference_code=code, public_tests=(f"assert {public}",), hidden_tests=(f"assert {hidden}",),
      setup_code=setup, bug_kind="operator", bug_origin="mutant",
      trace=recorder.record(buggy, public.partition(" ==")[0], setup_code=setup),
  )


@pytest.fixture(scope="session")
def built(tmp_path_factory):
  """A folder of the three corpora with three tasks a split, and rationales.jsonl with one for each."""
  directory = tmp_path_factory.mktemp("corpora")
  samples = []
  for corpus, splits in SPLITS.items():
    for split in splits:
      tasks = [_task(corpus, split, number) for number in range(len(_PROGRAMS))]
      files.write_jsonl(directory / corpus / f"{split}.jsonl", tasks)
      samples += [
          schema.Sample(
              task_id=task.task_id, sample_index=0, completion="", rationale=f"{task.entry_point} is wrong.",
              fix="pass", log_probability=0.0, token_count=1, seed=0,
          )
          for task in tasks
      ]
  files.write_jsonl(directory / "rationales.jsonl", samples)
  return directory


@pytest.fixture
def corpora(built):
  """`built`, where the tasks read it."""
  data_dir.set_data_dir(built)
  given_rationales.set_path(built / "rationales.jsonl")
  yield built
  given_rationales.set_path(None)
  data_dir.set_data_dir(None)
