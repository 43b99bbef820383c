"""Proxy-based evaluation: who answers, and whose rationales it is given."""

import dataclasses

from etils import epath
import optax
import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora.minirepair import minirepair
from next_jax.corpora.minirepair import rationales
from next_jax.engines import engine as engine_lib
from next_jax.engines import scripted
from next_jax.evaluation import changes
from next_jax.prompts import seqio_tasks
from next_jax.prompts import training_example
from next_jax.rationales import cutting
from next_jax.selftrain import model
from next_jax.selftrain import proxy
from next_jax.selftrain import proxy_training
from next_jax.selftrain import run as run_lib
from next_jax.selftrain.verbs import evaluate
from tests.selftrain.conftest import make_small_loop

TASK = schema.RepairTask(
    task_id="t/0", split="dev", instruction="Count.", entry_point="f",
    buggy_code="def f(n):\n    if n < 2:\n        return 0\n    return n\n",
    reference_code="def f(n):\n    if n <= 2:\n        return 0\n    return n\n",
    public_tests=("assert f(2) == 0",), hidden_tests=(), bug_kind="comparison", bug_origin="mutant",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reader(scripted.Oracle):
  """A proxy that keeps the prompts it was given, and answers right."""

  prompts: dict = dataclasses.field(default_factory=dict, compare=False)

  def sample(self, *, task, split, **options):
    registration = seqio_tasks.registration(task)
    for one in registration.read(split):
      self.prompts.setdefault(task, {})[one.task_id] = registration.prompt.render(one)
    yield from super().sample(task=task, split=split, **options)


def sample(rationale, index=0, fix=None, task_id="t/0"):
  return schema.Sample(
      task_id=task_id, sample_index=index, completion="", rationale=rationale, fix=fix, log_probability=0.0,
      token_count=1, seed=0,
  )


def test_the_first_rationale_of_a_task_counts_and_a_task_without_one_is_kept():
  first = proxy.first_rationales([TASK], [sample(None), sample("one", 1), sample("two", 2)])
  assert [one.rationale for one in first] == ["one"]
  assert [one.rationale for one in proxy.first_rationales([TASK], [sample(None), sample("", 1)])] == [None]
  with pytest.raises(errors.SelfTrainingError, match="'t/0': there is no sample"):
    proxy.first_rationales([TASK], [sample("x", task_id="t/1")])


@pytest.mark.parametrize("num", [2, 3, 10])
def test_shuffling_leaves_no_task_its_own_rationale_and_loses_none(num):
  given = [f"r{i}" for i in range(num)]
  moved = proxy.shuffled(given, seed=1)
  assert sorted(moved) == given and all(a != b for a, b in zip(given, moved))


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
  """A small loop with all three kinds of proxy evaluation, and the prompts that the proxy met."""
  workdir = tmp_path_factory.mktemp("proxied") / "run"
  reader = Reader()
  checkpoint = reader.initialize(workdir.parent / "proxy")
  evaluations = [evaluate.Evaluation(name="dev", task="minirepair_trace", num_samples=2)]
  for kind, when in (("own", "base_and_last"), ("shuffled", "last"), ("none", "base")):
    evaluations.append(proxy.ProxyEvaluation(
        name=f"dev_{kind}", task="minirepair_proxy", num_samples=2, of="dev", given=kind, when=when,
        checkpoint=checkpoint, engine=reader,
    ))
  make_small_loop(
      workdir, iterations=1, evaluations=tuple(evaluations), controls=(),
      corpora=(minirepair.MiniRepair(num_train=12, num_dev=6, num_unseen=1),), skill=0.3,
  ).run()
  return workdir, reader.prompts


def test_a_loop_gives_the_proxy_the_rationales_of_each_model(proxied):
  workdir, prompts = proxied
  made = {f"{path.parent.parent.parent.name}/{path.parent.name}" for path in workdir.glob("*/evaluate/*/metrics.json")}
  assert {"base/dev_own", "iteration_01/dev_own", "iteration_01/dev_shuffled", "base/dev_none"} <= made
  assert not {"base/dev_shuffled", "iteration_01/dev_none"} & made
  tasks = files.read_jsonl(workdir / "base/evaluate/dev_own/tasks.jsonl", schema.RepairTask)
  for task in tasks:
    own = f"The program fails {task.public_tests[0]}"
    assert own in prompts["base_dev_own_tasks"][task.task_id]
    assert own not in prompts["iteration_01_dev_shuffled_tasks"][task.task_id]
    assert proxy_training.NONE in prompts["base_dev_none_tasks"][task.task_id]


def test_metrics_say_what_the_proxy_was_given_and_how_many_rationales_were_cut(proxied):
  workdir, _ = proxied
  own, none = (files.read_json(workdir / f"base/evaluate/dev_{name}/metrics.json") for name in ("own", "none"))
  assert (own["input"], none["input"]) == ("proxy, its rationale", "proxy, no rationale")
  assert own["without_rationale"] == 0 and own["rationales_cut"] == 0
  assert own["pass_at"]["1"]["value"] == 1.0  # the oracle's
  assert {name: group["tasks"] for name, group in own["groups"]["rationale"].items()} == {"whole": own["num_tasks"]}
  assert {name: group["tasks"] for name, group in none["groups"]["rationale"].items()} == {"none": own["num_tasks"]}
  tasks = files.read_jsonl(workdir / "base/evaluate/dev_own/tasks.jsonl", schema.RepairTask)
  new = sum(bool(changes.new_code(task.buggy_code, task.reference_code)) for task in tasks)
  assert own["groups"]["mended by"].get("new code", {"tasks": 0})["tasks"] == new


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """A small loop whose proxy is an apprentice that learns its part first."""
  workdir = tmp_path_factory.mktemp("trained") / "run"
  engine = scripted.Apprentice()
  training = proxy_training.ProxyTraining(
      rationale=rationales.of_reference, num_tasks=10, none_share=0.5,
      tuning=engine_lib.Tuning(optimizer=optax.adamw, learning_rate=0.1),
  )
  evaluations = [evaluate.Evaluation(name="dev", task="minirepair_trace", num_samples=2)]
  evaluations += [
      proxy.ProxyEvaluation(
          name=name, task="minirepair_proxy", num_samples=2, of="dev", when="base_and_last", training=training,
          checkpoint=engine.initialize(workdir.parent / "proxy"),
      )
      for name in ("first", "second")
  ]
  make_small_loop(
      workdir, iterations=1, evaluations=tuple(evaluations), controls=(),
      corpora=(minirepair.MiniRepair(num_train=12, num_dev=6, num_unseen=1),), skill=0.3,
  ).run()
  return workdir


def test_a_proxy_learns_references_from_tasks_with_rationales_that_do_not_say_them(trained):
  tasks = {t.task_id: t for t in files.read_jsonl(trained / "corpus/minirepair/train.jsonl", schema.RepairTask)}
  learned = files.read_jsonl(trained / "proxy/examples/examples.jsonl", training_example.Example)
  assert len(learned) == 10 and {one.task_id for one in learned} <= set(tasks)
  without = 0
  for one in learned:
    task = tasks[one.task_id]
    rationale = one.inputs.partition("### Rationale\n")[2].partition("\n### Fix")[0]
    assert one.targets.startswith(task.reference_code.strip("\n"))
    assert cutting.without_fix(rationale, task, None) == rationale != ""
    without += rationale == proxy_training.NONE
  counts = files.read_json(trained / "proxy/examples/stage.json")["counts"]
  assert 0 < without < 10 and counts["without_rationale"] == without and counts["rationales_cut"] > 0


def test_the_trained_proxy_answers_for_all_models_and_evaluations(trained):
  fingerprint = files.read_json(trained / "proxy/finetune/stage.json")["fingerprint"]
  for place in ("base/evaluate/first", "base/evaluate/second", "iteration_01/evaluate/first"):
    assert files.read_json(trained / place / "stage.json")["inputs"]["checkpoint"] == fingerprint
    # An apprentice of no skill has learned from ten tasks: 10 / (10 + 20) of its answers are right.
    assert 0.0 < files.read_json(trained / place / "metrics.json")["pass_at"]["1"]["value"] < 1.0


def test_a_proxy_that_was_not_trained_is_missed(tmp_path):
  training = proxy_training.ProxyTraining(rationale=rationales.of_reference, tuning=None)
  with pytest.raises(errors.SelfTrainingError, match="'proxy' is not trained: .*proxy/finetune/stage.json"):
    training.trained(tmp_path)
  with pytest.raises(errors.SelfTrainingError, match="none_share=1.0, expected a share"):
    proxy_training.ProxyTraining(rationale=rationales.of_reference, tuning=None, none_share=1.0)


def test_settings_that_cannot_work_are_refused(tmp_path):
  with pytest.raises(errors.SelfTrainingError, match="given='all', expected one of own, shuffled, none"):
    proxy.ProxyEvaluation(name="x", task="minirepair_proxy", of="dev", checkpoint=tmp_path, given="all")
  one = proxy.ProxyEvaluation(name="x", task="minirepair_proxy", of="nope", checkpoint=tmp_path)
  with pytest.raises(errors.SelfTrainingError, match="of='nope' has not been run for base"):
    one.inputs(
        run_lib.Run(
            workdir=epath.Path(tmp_path), engine=Reader(), executor=None, sampling=engine_lib.Sampling(), digests={},
            seed=0,
        ),
        model.Model(name="base", checkpoint=tmp_path, fingerprint="f"),
    )
