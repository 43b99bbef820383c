"""Proxy-based evaluation: how much do a model's rationales help another model to find the fix?

docs/method.md (Ni et al., NExT, arXiv 2404.14662, section 4): a proxy model gets the task and the rationale without the
fix, and its pass@k measures the rationale. Code of the fix is cut out of the rationale's text too (`cutting`), because
a rationale that dictates the line would measure copying.

Two groups of the metrics tell apart what cutting cannot. Group "mended by": tasks whose reference writes no new code (a
line is removed, lines change places) can be dictated in words alone; the others are the ones to look at. Group
"rationale": "cut", "whole" (nothing had to be cut) and "none".

Compare with the same proxy given the base model's rationales (`when="base_and_last"` measures both), shuffled ones and
none.
"""

from collections.abc import Sequence
import dataclasses
import random
from typing import Any, TypeVar

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.prompts import given_rationales
from next_jax.prompts import prompt as prompt_lib
from next_jax.rationales import cutting
from next_jax.selftrain import model as model_lib
from next_jax.selftrain import proxy_training
from next_jax.selftrain import run as run_lib
from next_jax.selftrain.verbs import evaluate
from next_jax.selftrain.verbs import sample as sample_lib
from next_jax.stages import processes
from next_jax.stages import stage

GIVEN = ("own", "shuffled", "none")
RATIONALES = "rationales.jsonl"
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProxyEvaluation(evaluate.Evaluation):
  """An evaluation in which another model answers, given the rationales that the model wrote.

  Attributes:
    task: A SeqIO task of the setting `proxy`, such as "minirepair_proxy".
    of: Name of the evaluation whose samples have the rationales, on the same split. It must run before this one. The
      first rationale of each task counts.
    checkpoint: The proxy, or the model that `training` starts from.
    engine: Runs the proxy. None is the run's engine, for a proxy with the same network.
    training: How the proxy is taught first. None takes the checkpoint as it is: for models that follow a rationale
      without having been taught to.
    given: "own" gives each task its rationale, "shuffled" that of another task, "none" gives none: what the proxy
      achieves without a rationale is not the rationale's merit.
  """

  of: str
  checkpoint: epath.PathLike
  engine: engine_lib.Engine | None = None
  training: proxy_training.ProxyTraining | None = None
  given: str = "own"

  def __post_init__(self):
    super().__post_init__()
    if self.given not in GIVEN:
      raise errors.SelfTrainingError(
          f"evaluation {self.name!r}: given={self.given!r}, expected one of {', '.join(GIVEN)}"
      )

  def settings(self) -> dict[str, Any]:
    return {"of": self.of, "proxy_engine": self.engine, "given": self.given}

  def prepare(self, run: run_lib.Run) -> None:
    if self.training is not None:
      self.training.run(run, self.task, self.checkpoint, self.engine or run.engine)

  def inputs(self, run: run_lib.Run, model: model_lib.Model) -> dict[str, str]:
    manifest = stage.read_manifest(self._rated(run, model))
    if manifest is None:
      raise errors.SelfTrainingError(
          f"evaluation {self.name!r}: of={self.of!r} has not been run for {model.name}; name an evaluation that stands"
          " before this one and is run for the same models"
      )
    return {"rationales": manifest.fingerprint, "checkpoint": self._proxy(run)[1]}

  def respondent(
      self, run: run_lib.Run, model: model_lib.Model, directory: epath.Path, tasks: Sequence[schema.RepairTask],
      prompt: prompt_lib.Prompt, seed: int,
  ) -> evaluate.Respondent:
    written = files.read_jsonl(self._rated(run, model) / sample_lib.SAMPLES, schema.Sample)
    first = first_rationales(tasks, written)
    given = [
        _Given.of(cutting.without_fix(one.rationale or "", task, one.fix), one.rationale or "")
        for task, one in zip(tasks, first, strict=True)
    ]
    counts = {
        "without_rationale": sum(one.became == "none" for one in given),
        "rationales_cut": sum(one.became == "cut" for one in given),
    }
    if self.given == "shuffled":
      given = shuffled(given, seed)
    elif self.given == "none":
      given = [_Given.of("", "")] * len(given)
    path = directory / RATIONALES
    texts = [one.text or proxy_training.NONE for one in given]
    shown = [dataclasses.replace(one, rationale=text) for one, text in zip(first, texts, strict=True)]
    processes.current().broadcast(lambda: files.write_jsonl(path, shown))
    became = {task.task_id: one.became for task, one in zip(tasks, given, strict=True)}
    whose = {"own": "its rationale", "shuffled": "its rationales shuffled", "none": "no rationale"}[self.given]
    return evaluate.Respondent(
        checkpoint=self._proxy(run)[0], engine=self.engine or run.engine, counts=counts, input=f"proxy, {whose}",
        prompt=dataclasses.replace(prompt, rationales=given_rationales.FromSamples(path)),
        groups={"rationale": lambda task: became[task.task_id]},
    )

  def _proxy(self, run: run_lib.Run) -> tuple[epath.PathLike, str]:
    """The checkpoint that answers, and the fingerprint of how it was made."""
    if self.training is None:
      return self.checkpoint, files.digest(self.checkpoint)
    return self.training.trained(run.workdir)

  def _rated(self, run: run_lib.Run, model: model_lib.Model) -> epath.Path:
    return run.workdir / model.name / "evaluate" / self.of


@dataclasses.dataclass(frozen=True)
class _Given:
  """What a task is given: the text, and whether its rationale was "cut", is "whole", or there was "none"."""

  text: str
  became: str

  @classmethod
  def of(cls, text: str, rationale: str) -> "_Given":
    return cls(text=text, became="none" if not rationale else "whole" if text == rationale.strip() else "cut")


def first_rationales(tasks: Sequence[schema.RepairTask], samples: Sequence[schema.Sample]) -> list[schema.Sample]:
  """For each task its first sample that has a rationale, or its first."""
  first: dict[str, schema.Sample] = {}
  for sample in samples:
    if sample.task_id not in first or (sample.rationale and not first[sample.task_id].rationale):
      first[sample.task_id] = sample
  for task in tasks:
    if task.task_id not in first:
      raise errors.SelfTrainingError(f"task {task.task_id!r}: there is no sample to take a rationale from")
  return [first[task.task_id] for task in tasks]


def shuffled(items: Sequence[T], seed: int) -> list[T]:
  """The items, each moved to the next place of a random cycle: with two or more, none keeps its place."""
  order = list(range(len(items)))
  random.Random(seed).shuffle(order)
  taken = {order[i]: items[order[i - 1]] for i in range(len(order))}
  return [taken[i] for i in range(len(items))]
