"""Proxy-based evaluation: whose rationales a proxy gets, and that no code of a fix is in them."""

import dataclasses

import pytest

from next_jax import files
from next_jax import schema
from next_jax.corpora.minirepair import corpus
from next_jax.engines import scripted
from next_jax.evaluation import proxy
from next_jax.prompts import seqio_tasks
from next_jax.selftrain import evaluate
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


@pytest.mark.parametrize("rationale, left", [
    ('Line 2 "if n < 2:" should be "if n <= 2:".', 'Line 2 "if n < 2:" should be "...".'),
    ("Write `if n<=2` instead", "Write `...` instead"),
    ("Replace it:\n```python\nif n <= 2:\n```\nThat is all.", "Replace it:\nThat is all."),
    ("It returns n where n is 2.", "It returns n where n is 2."),
    ("it should be if n <= 20:", "it should be if n <= 20:"),
    ("", ""),
])
def test_code_of_the_fix_is_taken_out_of_a_rationale(rationale, left):
  assert proxy.without_fix(rationale, TASK, None) == left


def test_what_the_model_itself_wrote_as_its_fix_is_taken_out_too():
  fix = "def f(n):\n    if n > 5:\n        return 0\n    return n\n"
  assert proxy.without_fix("Try if n > 5: there.", TASK, fix) == "Try ... there."


def test_the_first_rationale_of_a_task_counts_and_a_task_without_one_is_kept():
  first = proxy.first_rationales([TASK], [sample(None), sample("one", 1), sample("two", 2)])
  assert [one.rationale for one in first] == ["one"]
  assert [one.rationale for one in proxy.first_rationales([TASK], [sample(None)])] == [""]
  with pytest.raises(evaluate.EvaluationError, match="'t/0': there is no sample"):
    proxy.first_rationales([TASK], [sample("x", task_id="t/1")])


@pytest.mark.parametrize("num", [2, 3, 10])
def test_shuffling_leaves_no_task_its_own_rationale_and_loses_none(num):
  given = [sample(f"r{i}", task_id=f"t/{i}") for i in range(num)]
  moved = proxy.shuffled(given, seed=1)
  assert [one.task_id for one in moved] == [one.task_id for one in given]
  assert sorted(one.rationale for one in moved) == sorted(one.rationale for one in given)
  assert all(a.rationale != b.rationale for a, b in zip(given, moved))


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
  """A small loop with all three kinds of proxy evaluation, and the prompts that the proxy met."""
  workdir = tmp_path_factory.mktemp("proxied") / "run"
  reader = Reader()
  checkpoint = reader.initialize(workdir.parent / "proxy")
  evaluations = [evaluate.Evaluation(name="dev", task="minirepair_trace", num_samples=2)]
  for given, when in (("own", "base_and_last"), ("shuffled", "last"), ("none", "base")):
    evaluations.append(proxy.ProxyEvaluation(
        name=f"dev_{given}", task="minirepair_proxy", num_samples=2, of="dev", given=given, when=when,
        checkpoint=checkpoint, engine=reader,
    ))
  make_small_loop(
      workdir, iterations=1, evaluations=tuple(evaluations), controls=(),
      corpora=(corpus.MiniRepair(num_train=12, num_dev=6, num_unseen=1),), skill=0.3,
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
    assert proxy.NONE in prompts["base_dev_none_tasks"][task.task_id]


def test_metrics_say_what_the_proxy_was_given_and_how_many_rationales_were_cut(proxied):
  workdir, _ = proxied
  own, none = (files.read_json(workdir / f"base/evaluate/dev_{name}/metrics.json") for name in ("own", "none"))
  assert (own["input"], none["input"]) == ("proxy, its rationale", "proxy, no rationale")
  assert own["without_rationale"] == 0 and own["rationales_cut"] == 0
  assert own["pass_at"]["1"]["value"] == 1.0  # the oracle's


def test_settings_that_cannot_work_are_refused(tmp_path):
  with pytest.raises(evaluate.EvaluationError, match="given='all', expected one of own, shuffled, none"):
    proxy.ProxyEvaluation(name="x", task="minirepair_proxy", of="dev", checkpoint=tmp_path, given="all")
  one = proxy.ProxyEvaluation(name="x", task="minirepair_proxy", of="nope", checkpoint=tmp_path)
  with pytest.raises(evaluate.EvaluationError, match="of='nope' has not been run for base"):
    one.inputs(tmp_path, evaluate.Model(name="base", checkpoint=tmp_path, fingerprint="f"))
