"""Finding 4's two arms differ in their prompts, and in nothing else."""

import dataclasses
import pathlib

import pytest

from next_jax import errors
from next_jax import files
from next_jax import main
from next_jax.configuration import parsing
from next_jax.stages import settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINDING = "made.directory"


def construct(monkeypatch, file, *bindings):
  monkeypatch.chdir(ROOT)
  with parsing.aside():
    parsing.parse([f"gin_configs/{file}"], bindings, main.run)
    return parsing.construct(main.run)


@pytest.fixture
def base(tmp_path):
  """A finished training with validation, which has given another checkpoint than its last."""
  for name in ("checkpoint_9", "checkpoint_10", "checkpoint_11"):
    (tmp_path / name).mkdir()
  files.write_json(tmp_path / "stage.json", {"metrics": {"checkpoint": "checkpoint_10"}})
  return tmp_path


def test_the_arms_differ_in_their_prompts_only(monkeypatch, base):
  trace, notrace = (
      construct(monkeypatch, f"findings/arms/readoff_{arm}.gin", f"{BINDING}={str(base)!r}")
      for arm in ("trace", "notrace")
  )
  assert (trace.task, notrace.task) == ("readoff_trace", "readoff_notrace")
  shared = [field.name for field in dataclasses.fields(trace) if field.name not in ("workdir", "task", "evaluations")]
  for name in shared:
    assert settings.describe(getattr(trace, name)) == settings.describe(getattr(notrace, name)), name
  assert str(trace.base_checkpoint).endswith("checkpoint_10")
  for first, second in zip(trace.evaluations, notrace.evaluations):  # without traces there is one less
    assert second == dataclasses.replace(first, task="readoff_notrace")
  assert [(e.name, e.task) for e in trace.evaluations][2:] == [("dev_notrace", "readoff_notrace")]
  (corpus,) = trace.corpora
  assert corpus.num_dev >= 500 and trace.iterations == 3 and not trace.controls


def test_without_a_finished_base_an_arm_says_how_to_make_it(monkeypatch, tmp_path):
  (tmp_path / "checkpoint_9").mkdir()
  with pytest.raises(errors.ConfigError, match="next-jax run --gin_file=gin_configs/runs/base_readoff.gin"):
    construct(monkeypatch, "findings/arms/readoff_trace.gin", f"{BINDING}={str(tmp_path)!r}")


def test_the_base_starts_from_the_shipped_model_and_trains_on_no_task(monkeypatch):
  program = construct(monkeypatch, "runs/base_readoff.gin")
  assert "minirepair_1m" in str(program.checkpoint)
  assert program.corpus.num_train == 1 and program.share_with_trace == 0.7
