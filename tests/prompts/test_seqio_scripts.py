"""SeqIO's own command line tools work on the tasks."""

import os
import pathlib
import subprocess
import sys

import pytest
import seqio

import tasks  # noqa: F401  (registers)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TASKS = ("minirepair_v100_trace", "mbpp_r_v100_direct_3shot", "hefix_plus_v100_proxy")


def run(built, module, *flags, stdin=""):
  environment = {
      **os.environ, "NEXT_JAX_DATA_DIR": str(built), "NEXT_JAX_RATIONALES": str(built / "rationales.jsonl"),
      "TF_CPP_MIN_LOG_LEVEL": "3",
  }
  done = subprocess.run(
      [sys.executable, "-m", module, "--module_import=tasks", f"--tasks={','.join(TASKS)}", *flags], cwd=ROOT,
      env=environment, input=stdin, capture_output=True, text=True, timeout=500,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  return done.stdout


@pytest.mark.slow
def test_tasks_can_be_inspected(built):
  shown = run(
      built, "seqio.scripts.inspect_tasks_main", "--sequence_length={'inputs': 2048, 'targets': 64}",
      "--decode_features", "--print_length_statistics", stdin="\n" * 100,
  )
  for name in TASKS:
    assert f"*** Done Inspecting Task: {name} ***" in shown
  assert "### Program" in shown and "dev, inputs, " in shown


@pytest.mark.slow
def test_tasks_can_be_cached_and_give_the_same_prompts_from_the_cache(built, corpora, tmp_path, monkeypatch):
  pytest.importorskip("apache_beam")
  pytest.importorskip("array_record")
  pytest.importorskip("google_crc32c")
  run(built, "seqio.scripts.cache_tasks_main", f"--output_cache_dir={tmp_path}", "--min_shards=2")
  monkeypatch.setattr(seqio.utils, "_GLOBAL_CACHE_DIRECTORIES", [str(tmp_path)])

  for name in TASKS:
    task = seqio.get_mixture_or_task(name)
    for split in task.splits:
      fresh, cached = (
          sorted(
              (row["task_id"], row["inputs"].tolist())
              for row in task.get_dataset(None, split, use_cached=use_cached, shuffle=False).as_numpy_iterator()
          )
          for use_cached in (False, True)
      )
      assert fresh == cached and len(fresh) == 3
