"""`next-jax prompt` prints what the model sees, and nothing else, on standard output."""

import subprocess
import sys

import pytest

from next_jax import files
from next_jax import main
from next_jax import schema
from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import given_rationales
from next_jax.prompts import prompt

TASK_ID = "minirepair/dev/é1"


@pytest.fixture(autouse=True)
def _fresh_choices(monkeypatch):
  monkeypatch.delenv(data_dir.ENVIRONMENT_VARIABLE, raising=False)
  monkeypatch.delenv(given_rationales.ENVIRONMENT_VARIABLE, raising=False)
  yield
  data_dir.set_data_dir(None)
  given_rationales.set_path(None)


@pytest.fixture(name="task")
def fixture_task(built):
  return {task.task_id: task for task in files.read_jsonl(built / "minirepair/dev.jsonl", schema.RepairTask)}[TASK_ID]


def run(capsys, *arguments):
  code = main.main(["prompt", *map(str, arguments)])
  shown = capsys.readouterr()
  return code, shown.out, "\n".join(line for line in shown.err.splitlines() if "normalizer" not in line)


def test_the_prompt_and_its_tokens_are_what_the_engine_gets(built, task, capsys):
  code, out, err = run(capsys, TASK_ID, "--task=minirepair_trace", "--shots=3", f"--data_dir={built}")
  assert code == 0
  assert out == prompt.Prompt(shots=3).render(task)
  tokens = len(vocabularies.minirepair_vocabulary().encode(out))
  states = prompt.Prompt().compose(task).program.states
  assert err == f"{TASK_ID} as minirepair_trace: {tokens:,} tokens; {states} states of the trace"


def test_shots_are_those_of_the_task_where_none_are_given(built, task, capsys):
  assert run(capsys, TASK_ID, "--task=minirepair_v100_direct_3shot", f"--data_dir={built}")[1] == (
      prompt.SETTINGS["direct_3shot"].render(task)
  )
  assert run(capsys, TASK_ID, "--task=minirepair_direct_3shot", "--shots=0", f"--data_dir={built}")[1] == (
      prompt.SETTINGS["direct"].render(task)
  )


def test_the_task_can_come_from_a_file_and_the_rationale_from_another(built, capsys):
  code, out, _ = run(
      capsys, "mbpp_r/train/é0", "--task=minirepair_proxy", f"--file={built}/mbpp_r/train.jsonl",
      f"--rationales={built}/rationales.jsonl",
  )
  assert code == 0 and out.endswith("### Rationale\ninc is wrong.\n### Fix\n```python\n")


def test_a_limit_abridges_and_says_so(built, task, capsys):
  whole = len(vocabularies.minirepair_vocabulary().encode(prompt.Prompt().render(task)))
  code, out, err = run(
      capsys, TASK_ID, "--task=minirepair_trace", f"--data_dir={built}", f"--max_tokens={whole - 1}", "--split=dev"
  )
  assert code == 0 and len(vocabularies.minirepair_vocabulary().encode(out)) < whole
  assert " left out" in err
  assert "does not fit 9 tokens" in run(
      capsys, TASK_ID, "--task=minirepair_trace", f"--data_dir={built}", "--max_tokens=9"
  )[2]


@pytest.mark.parametrize("arguments, expected", [
    ([TASK_ID, "--task=minirepair_trce"], "task 'minirepair_trce' is not registered; known: minirepair_"),
    (["minirepair/dev/é7", "--task=minirepair_trace"], "the 9 tasks of train, dev, unseen; found for example mini"),
    ([TASK_ID, "--task=minirepair_trace", "--split=test"], "has no such split; it has train, dev, unseen"),
    ([TASK_ID, "--task=minirepair_trace", "--shots=99"], "shots=99: there are exemplars for 0 to"),
    ([TASK_ID, "--task=minirepair_proxy"], "no rationales are given; set NEXT_JAX_RATIONALES"),
    ([TASK_ID, "--task=minirepair_trace", "--max_tokens=0"], "max_tokens=0: expected a whole number"),
    ([TASK_ID, "--task=minirepair_trace", "--module_import=no_such"], "--module_import=no_such: No module named"),
])
def test_what_cannot_be_shown_is_said_in_one_line(built, capsys, arguments, expected):
  code, out, err = run(capsys, *arguments, f"--data_dir={built}")
  assert (code, out) == (1, "") and expected in err and len(err.splitlines()) == 1


def test_a_corpus_that_is_not_there_is_named_with_its_place(tmp_path, capsys):
  code, _, err = run(capsys, TASK_ID, "--task=minirepair_trace", f"--data_dir={tmp_path}")
  assert code == 1 and f"{tmp_path}/minirepair/train.jsonl: split 'train' of corpus 'minirepair' is not there" in err


def test_its_help_imports_neither_jax_nor_tensorflow():
  code = (
      "import sys\nfrom next_jax import main\n"
      "try: main.main(['prompt', '--help'])\nexcept SystemExit: pass\n"
      "heavy = {'jax', 'tensorflow', 'flax', 'seqio', 'numpy', 'gin'} & set(sys.modules)\n"
      "assert not heavy, heavy"
  )
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
  assert done.returncode == 0, done.stderr
