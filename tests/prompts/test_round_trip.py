"""From a repair task to a prompt, a completion, a fix, a verdict and pass@1: an oracle has 1.0, a parrot 0.0."""

import dataclasses
import gzip
import json
import shutil

import optax
import pytest

from next_jax import files
from next_jax import main
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.engines import scripted
from next_jax.execution import executor
from next_jax.execution import limits
from next_jax.models import vocabularies
from next_jax.prompts import given_rationales
from next_jax.prompts import prompt
from next_jax.prompts import training_example
from next_jax.selftrain import loop
from next_jax.selftrain.verbs import evaluate
import tasks  # noqa: F401  (registers)

SPLITS = {"minirepair": "dev", "mbpp_r": "dev", "hefix_plus": "test"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Copied:
  """A corpus that serves tasks built before."""

  name: str
  source: str

  def build(self, directory, unused_executor):
    counts = {}
    for path in sorted((self.source / self.name).glob("*.jsonl")):
      directory.mkdir(parents=True, exist_ok=True)
      shutil.copy(path, directory / path.name)
      counts[path.stem] = len(path.read_text().splitlines())
    return counts


def rates(workdir, model):
  return {
      path.parent.name: json.loads(path.read_text())["pass_at"]["1"]["value"]
      for path in (workdir / model / "evaluate").glob("*/metrics.json")
  }


def make_loop(built, workdir, engine, setting, **fields):
  settings = loop.SelfTraining(
      workdir=workdir,
      corpora=tuple(Copied(name=name, source=built) for name in SPLITS),
      task=f"mbpp_r_{setting}",
      engine=engine,
      executor=executor.Executor(num_workers=2, limits=limits.Limits(cpu_seconds=1.0)),
      base_checkpoint=engine.initialize(workdir.parent / "base"),
      iterations=1,
      num_samples=1,
      sampling=engine_lib.Sampling(max_prompt_length=2048),
      tuning=engine_lib.Tuning(optimizer=optax.adamw, learning_rate=0.1, sequence_length=2048),
      hard_threshold=1.0,
      evaluations=tuple(
          evaluate.Evaluation(name=name, task=f"{name}_{setting}", split=split, num_samples=1)
          for name, split in SPLITS.items()
      ),
  )
  return dataclasses.replace(settings, **fields)


@pytest.mark.parametrize("setting", prompt.SETTINGS)
def test_an_oracle_has_1_and_a_parrot_0_on_every_corpus_in_every_setting(corpora, tmp_path, setting):
  oracle, parrot = tmp_path / "oracle/run", tmp_path / "parrot/run"
  make_loop(corpora, oracle, scripted.Oracle(), setting).run()
  make_loop(corpora, parrot, scripted.Parrot(), setting).run()
  assert rates(oracle, "base") == rates(oracle, "iteration_01") == dict.fromkeys(SPLITS, 1.0)
  assert rates(parrot, "base") == dict.fromkeys(SPLITS, 0.0)
  assert not (parrot / "iteration_01/finetune").exists()  # nothing it wrote can be learned

  form = prompt.SETTINGS[setting].with_shots(0)  # a tuned model is asked zero-shot
  by_id = {task.task_id: task for task in files.read_jsonl(corpora / "mbpp_r/train.jsonl", schema.RepairTask)}
  kept = files.read_jsonl(oracle / "iteration_01/filter/kept.jsonl", training_example.Example)
  assert {one.task_id for one in kept} == set(by_id)
  for one in kept:
    assert one.inputs == form.render(by_id[one.task_id])
    assert form.parse(one.targets).fix == by_id[one.task_id].reference_code


def test_how_many_prompts_were_abridged_and_refused_is_kept_and_said(corpora, tmp_path, capsys):
  sampling = engine_lib.Sampling(max_prompt_length=60)
  make_loop(corpora, tmp_path / "run", scripted.Oracle(), "trace", sampling=sampling).run()
  repair_tasks = files.read_jsonl(corpora / "mbpp_r/train.jsonl", schema.RepairTask)
  encode = vocabularies.minirepair_vocabulary().encode
  too_long = sum(len(encode(prompt.Prompt(with_trace=False).render(task))) > 60 for task in repair_tasks)
  abridged = sum(len(encode(prompt.Prompt().render(task))) > 60 for task in repair_tasks) - too_long
  counts = files.read_json(tmp_path / "run/base/sample/stage.json")["counts"]
  assert (counts["abridged"], counts["too_long"]) == (abridged, too_long) != (0, 0)
  assert f"[prompts] {abridged} of 3 are abridged to 60 tokens, {too_long} do not fit and are refused" in (
      capsys.readouterr().out
  )
  counts = files.read_json(tmp_path / "run/base/evaluate/hefix_plus/stage.json")["counts"]
  assert counts["abridged"] == abridged
  for one in files.read_jsonl(tmp_path / "run/iteration_01/filter/kept.jsonl", training_example.Example):
    assert len(encode(one.inputs)) <= 60  # and learned as they were asked


def test_exemplars_are_for_the_base_model_only(corpora, tmp_path):
  make_loop(corpora, tmp_path / "run", scripted.Oracle(), "trace_3shot", iterations=2).run()
  shots = {
      name: files.read_json(tmp_path / f"run/{name}/sample/stage.json")["settings"]["prompt"]["shots"]
      for name in ("base", "iteration_01", "iteration_02")
  }
  assert shots == {"base": 3, "iteration_01": 3, "iteration_02": 0}  # iteration 1 samples from the base


CONFIG = """
from __gin__ import dynamic_registration
from next_jax.engines import scripted
from next_jax.selftrain.verbs import evaluate
from next_jax.selftrain import loop
include "gin_configs/runs/mbpp_r.gin"
ENGINE = @scripted.{engine}()
BASE_CHECKPOINT = "{base}"
MBPP_FILE = "{data}/mbpp.jsonl"
HEFIX_FILE = "{directory}/hefix.jsonl"
HUMANEVAL_PLUS_FILE = "{directory}/plus.jsonl"
NUM_WORKERS = 2
NUM_TRAIN = 24
NUM_EVAL = 24
NUM_SAMPLES = 1
EVAL_SAMPLES = 1
loop.SelfTraining.controls = ()
"""


def write_config(directory, shared_data, engine, settings):
  """A config file of `next-jax run` that measures an engine on both real corpora in these settings."""
  lines, scopes = [], []
  for corpus_name, split in (("mbpp_r", "dev"), ("hefix_plus", "test")):
    for setting in settings:
      scope = f"{corpus_name}_{setting}"
      scopes.append(f"@{scope}/evaluate.Evaluation()")
      for field, value in (("name", scope), ("task", scope), ("split", split), ("num_samples", 1)):
        lines.append(f"{scope}/evaluate.Evaluation.{field} = {value!r}")
      lines.append(f'{scope}/evaluate.Evaluation.when = "{"base_and_last" if len(scopes) > 1 else "always"}"')
  lines.append(f"loop.SelfTraining.evaluations = ({', '.join(scopes)},)")
  base = getattr(scripted, engine)().initialize(directory / "base")
  text = CONFIG.format(engine=engine, base=base, data=shared_data, directory=directory) + "\n".join(lines) + "\n"
  path = directory / f"{engine}.gin"
  path.write_text(text)
  return [f"--gin_file={path}", f"--gin.WORKDIR='{directory}/{engine}'"]


@pytest.mark.slow
def test_an_oracle_has_1_and_a_parrot_0_on_the_real_corpora_through_next_jax_run(shared_data, tmp_path, monkeypatch):
  rows = [json.loads(line) for line in (shared_data / "humanevalpack_python.jsonl").read_text().splitlines()][::11]
  names = {row["entry_point"] for row in rows}
  with gzip.open(shared_data / "HumanEvalPlus.jsonl.gz", "rt") as file:
    plus = [row for row in map(json.loads, file) if row["entry_point"] in names]
  for name, written in (("hefix", rows), ("plus", [{**row, "plus_input": row["plus_input"][:20]} for row in plus])):
    (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))

  asked = [setting for setting in prompt.SETTINGS if not setting.startswith("proxy")]
  for engine, rate in (("Oracle", 1.0), ("Parrot", 0.0)):
    monkeypatch.delenv(given_rationales.ENVIRONMENT_VARIABLE, raising=False)
    assert main.main(["run", *write_config(tmp_path, shared_data, engine, asked)]) == 0
    found = rates(tmp_path / engine, "base")
    assert found == {f"{name}_{setting}": rate for name in ("mbpp_r", "hefix_plus") for setting in asked}
    # What it said is then given to itself, in the same work directory: evaluations may be added to a run.
    samples = [
        sample
        for name in ("mbpp_r", "hefix_plus")
        for sample in files.read_jsonl(tmp_path / engine / f"base/evaluate/{name}_trace/samples.jsonl", schema.Sample)
    ]
    files.write_jsonl(tmp_path / "rationales.jsonl", samples)
    monkeypatch.setenv(given_rationales.ENVIRONMENT_VARIABLE, str(tmp_path / "rationales.jsonl"))
    proxies = ["trace", "proxy", "proxy_3shot"]
    assert main.main(["run", *write_config(tmp_path, shared_data, engine, proxies)]) == 0
    assert set(rates(tmp_path / engine, "base").values()) == {rate}
    assert "hefix_plus_proxy_3shot" in rates(tmp_path / engine, "base")
