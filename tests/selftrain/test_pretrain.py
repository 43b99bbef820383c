"""Pretraining: demonstrations into examples, a checkpoint, and its measure."""

import dataclasses

from etils import epath
import optax
import pytest

from next_jax import errors
from next_jax import files
from next_jax.corpora.minirepair import minirepair
from next_jax.engines import engine as engine_lib
from next_jax.engines import scripted
from next_jax.execution import executor
from next_jax.prompts import completion
from next_jax.prompts import training_example
from next_jax.selftrain import pretrain
from next_jax.selftrain.verbs import evaluate
from next_jax.stages import stage
import tasks.minirepair  # noqa: F401  (registers the SeqIO tasks)


def make(workdir, **fields):
  settings = pretrain.Pretraining(
      workdir=workdir,
      corpus=minirepair.MiniRepair(num_train=2, num_dev=4, num_unseen=2),
      engine=scripted.Apprentice(),
      executor=executor.Executor(num_workers=1),
      num_demonstrations=60,
      num_workers=0,
      tuning=engine_lib.Tuning(optimizer=optax.adamw, learning_rate=0.1),
      evaluations=(evaluate.Evaluation(name="dev", task="minirepair_trace", num_samples=2),),
  )
  return dataclasses.replace(settings, **fields)


def examples_of(workdir):
  return files.read_jsonl(workdir / "demonstrations/train.jsonl", training_example.Example)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  path = tmp_path_factory.mktemp("pretraining") / "run"
  make(path).run()
  return path


def test_every_demonstration_is_an_example_that_can_be_parsed(workdir):
  examples = examples_of(workdir)
  assert len(examples) == len({e.task_id for e in examples}) == 60
  for one in examples:
    parsed = completion.parse(one.targets)
    assert parsed.refusal is None and parsed.rationale


def test_the_share_with_trace_is_shown_with_trace(workdir, tmp_path):
  shares = {}
  for share in (0.0, 1.0):
    make(tmp_path / str(share), share_with_trace=share, evaluations=()).run()
    shares[share] = [e.inputs for e in examples_of(tmp_path / str(share))]
  mixed = [e.inputs for e in examples_of(workdir)]
  traced = sum(m == a != b for m, a, b in zip(mixed, shares[1.0], shares[0.0], strict=True))
  assert all(m in (a, b) for m, a, b in zip(mixed, shares[1.0], shares[0.0], strict=True))
  assert 0.5 < traced / len(mixed) < 0.9  # 0.7


def test_the_base_is_measured_and_named(workdir, capsys):
  assert files.read_json(workdir / "base/evaluate/dev/metrics.json")["num_tasks"] == 4
  make(workdir).run()
  assert str(workdir / "base/finetune/checkpoint_60") in capsys.readouterr().out


def test_the_training_can_start_from_a_checkpoint(workdir, tmp_path):
  first = workdir / "base/finetune/checkpoint_60"
  make(tmp_path / "run", checkpoint=first, evaluations=()).run()
  scratch, started = (stage.read_manifest(path / "base/finetune") for path in (workdir, tmp_path / "run"))
  assert set(started.inputs) - set(scratch.inputs) == {"checkpoint"}
  second = tmp_path / "run/base/finetune/checkpoint_60"
  skills = [files.read_json(epath.Path(path) / "skill.json") for path in (first, second)]
  assert skills[1] > skills[0]  # it went on from there


def test_parts_and_processes_do_not_change_the_examples(workdir, tmp_path, monkeypatch):
  monkeypatch.setattr(pretrain, "PART_SIZE", 7)
  make(tmp_path / "run", num_workers=2, evaluations=()).run()
  assert examples_of(tmp_path / "run") == examples_of(workdir)


def test_settings_that_cannot_work_are_refused():
  with pytest.raises(errors.SelfTrainingError, match="share_with_trace: found 1.5"):
    make("run", share_with_trace=1.5)
  with pytest.raises(errors.SelfTrainingError, match="num_demonstrations: found 0"):
    make("run", num_demonstrations=0)
