"""Proxy-based evaluation: whose rationales a proxy gets, and that no code of a fix is in them."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
import pytest

from next_jax import files
from next_jax import schema
from next_jax.corpora.minirepair import corpus
from next_jax.engines import scripted
from next_jax.evaluation import changes
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
    ("It tests if n <= 20: too many.", "It tests ... 20: too many."),
    ("The condition `n <= 2` lets the limit in.", "The condition `...` lets the limit in."),
    ("It should use `<=` there.", "It should use `...` there."),
    ("Use `<=` there.", "Use `...` there."),
    ("change the comparison to <=, and 2 is in.", "change the comparison to ..., and 2 is in."),
    ("It says `n` and `return 0`, `if n` and `return n`.", "It says `n` and `return 0`, `if n` and `return n`."),
    ("f(2) is 2 and should be 0: the limit is left out.", "f(2) is 2 and should be 0: the limit is left out."),
    ("The limit itself should be let in as well.", "The limit itself should be let in as well."),
    ('Line 2 "if n < 2:" should be "n -= 2". It is 2.', 'Line 2 "if n < 2:" should be "n -= 2". It is 2.'),
    ("if n\t<=\n2: in two lines", "... in two lines"),
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
  assert [one.rationale for one in proxy.first_rationales([TASK], [sample(None), sample("", 1)])] == [None]
  with pytest.raises(evaluate.EvaluationError, match="'t/0': there is no sample"):
    proxy.first_rationales([TASK], [sample("x", task_id="t/1")])


@pytest.mark.parametrize("num", [2, 3, 10])
def test_shuffling_leaves_no_task_its_own_rationale_and_loses_none(num):
  given = [f"r{i}" for i in range(num)]
  moved = proxy.shuffled(given, seed=1)
  assert sorted(moved) == given and all(a != b for a, b in zip(given, moved))


@given(st.text(alphabet=st.sampled_from("fn <=2:`\" .return\n"), max_size=60), st.integers(0, 4))
def test_cutting_leaves_no_line_of_the_fix_and_cuts_nothing_twice(text, place):
  fix = TASK.reference_code.split("\n")[place].strip()
  cut = proxy.without_fix(f"{text} {fix} {text}", TASK, None)
  assert "if n <= 2" not in " ".join(cut.split())
  assert proxy.without_fix(cut, TASK, None) == cut


def test_of_a_program_without_its_change_nothing_is_cut():
  text = "Line 2 `if n < 2:` and line 3 `return 0` should change places, and return n is wrong."
  same = dataclasses.replace(TASK, reference_code="def f(n):\n    return n\n    if n < 2:\n        return 0\n")
  assert proxy.without_fix(text, same, None) == text


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
  assert {name: group["tasks"] for name, group in own["groups"]["rationale"].items()} == {"whole": own["num_tasks"]}
  assert {name: group["tasks"] for name, group in none["groups"]["rationale"].items()} == {"none": own["num_tasks"]}
  tasks = files.read_jsonl(workdir / "base/evaluate/dev_own/tasks.jsonl", schema.RepairTask)
  new = sum(bool(changes.new_code(task.buggy_code, task.reference_code)) for task in tasks)
  assert own["groups"]["mended by"].get("new code", {"tasks": 0})["tasks"] == new


def test_settings_that_cannot_work_are_refused(tmp_path):
  with pytest.raises(evaluate.EvaluationError, match="given='all', expected one of own, shuffled, none"):
    proxy.ProxyEvaluation(name="x", task="minirepair_proxy", of="dev", checkpoint=tmp_path, given="all")
  one = proxy.ProxyEvaluation(name="x", task="minirepair_proxy", of="nope", checkpoint=tmp_path)
  with pytest.raises(evaluate.EvaluationError, match="of='nope' has not been run for base"):
    one.inputs(tmp_path, evaluate.Model(name="base", checkpoint=tmp_path, fingerprint="f"))
