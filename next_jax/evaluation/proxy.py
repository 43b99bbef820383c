"""Proxy-based evaluation: how much do a model's rationales help another model to find the fix?

METHOD.md (Ni et al., NExT, arXiv 2404.14662, section 4): a proxy model gets the task and the rationale, without the
fix, and its pass@k measures the rationale. Code of a fix is taken out of the rationale's text too, because a rationale
that dictates the line would measure copying; how often that was needed is counted.

What to compare it with: the same proxy with the base model's rationales (`when="base_and_last"` measures both), with
shuffled ones and with none.
"""

import dataclasses
import random
import re
from collections.abc import Sequence
from typing import Any

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.prompts import completion
from next_jax.prompts import prompt as prompts
from next_jax.prompts import rationales as rationales_lib
from next_jax.selftrain import evaluate
from next_jax.selftrain import settings
from next_jax.selftrain import processes
from next_jax.selftrain import stage

GIVEN = ("own", "shuffled", "none")
RATIONALES = "rationales.jsonl"
CUT = "..."
NONE = "(none)"

_SHORTEST_CODE = 3  # characters: shorter lines, such as `x`, are words as well


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProxyEvaluation(evaluate.Evaluation):
  """An evaluation in which another model answers, given the rationales that the model wrote.

  Attributes:
    task: one of the setting `proxy`, such as "minirepair_proxy".
    of: name of the evaluation whose samples have the rationales, on the same split; it must run before this one. Of
      each task the first rationale counts.
    checkpoint: the proxy.
    engine: that runs it, where its network is not the run's.
    given: "own" gives each task its rationale, "shuffled" that of another task, "none" gives none: what the proxy does
      without, the rationale did not do.
  """

  of: str
  checkpoint: epath.PathLike
  engine: engine_lib.Engine | None = None
  given: str = "own"

  def __post_init__(self):
    super().__post_init__()
    if self.given not in GIVEN:
      raise evaluate.EvaluationError(
          f"evaluation {self.name!r}: given={self.given!r}, expected one of {', '.join(GIVEN)}"
      )

  def settings(self) -> dict[str, Any]:
    return {"of": self.of, "proxy_engine": self.engine, "given": self.given}

  def inputs(self, workdir: epath.Path, model: evaluate.Model) -> dict[str, str]:
    manifest = stage.read_manifest(self._rated(workdir, model))
    if manifest is None:
      raise evaluate.EvaluationError(
          f"evaluation {self.name!r}: of={self.of!r} has not been run for {model.name}; name an evaluation that stands"
          " before this one and is run for the same models"
      )
    return {"rationales": manifest.fingerprint, "checkpoint": settings.digest(self.checkpoint)}

  def answering(
      self, workdir: epath.Path, model: evaluate.Model, directory: epath.Path, tasks: Sequence[schema.RepairTask],
      prompt: prompts.Prompt, seed: int,
  ) -> evaluate.Answering:
    written = files.read_jsonl(self._rated(workdir, model) / "samples.jsonl", schema.Sample)
    given = first_rationales(tasks, written)
    counts = {
        "without_rationale": sum(not sample.rationale for sample in given),
        "rationales_cut": sum(CUT in sample.rationale for sample in given if sample.rationale),
    }
    if self.given == "shuffled":
      given = shuffled(given, seed)
    elif self.given == "none":
      given = [dataclasses.replace(one, rationale="") for one in given]
    path = directory / RATIONALES
    shown = [dataclasses.replace(one, rationale=one.rationale or NONE) for one in given]
    processes.current().from_first(lambda: files.write_jsonl(path, shown))
    whose = {"own": "its rationale", "shuffled": "its rationales shuffled", "none": "no rationale"}[self.given]
    return evaluate.Answering(
        checkpoint=self.checkpoint, engine=self.engine, counts=counts, input=f"proxy, {whose}",
        prompt=dataclasses.replace(prompt, rationales=rationales_lib.FromSamples(path)),
    )

  def _rated(self, workdir: epath.Path, model: evaluate.Model) -> epath.Path:
    return workdir / model.name / "evaluate" / self.of


def first_rationales(
    tasks: Sequence[schema.RepairTask], samples: Sequence[schema.Sample]
) -> list[schema.Sample]:
  """For each task its first sample, with what of the rationale gives no code of a fix away; "" where there is none."""
  first: dict[str, schema.Sample] = {}
  for sample in samples:
    if sample.rationale:
      first.setdefault(sample.task_id, sample)
  given = []
  for task in tasks:
    sample = first.get(task.task_id)
    if sample is None:
      sample = next((one for one in samples if one.task_id == task.task_id), None)
    if sample is None:
      raise evaluate.EvaluationError(f"task {task.task_id!r}: there is no sample to take a rationale from")
    given.append(dataclasses.replace(sample, rationale=without_fix(sample.rationale or "", task, sample.fix)))
  return given


def without_fix(rationale: str, task: schema.RepairTask, fix: str | None) -> str:
  """The rationale with `...` for code blocks' and quoted lines' worth of fix.

  Taken out are code blocks, and each line of the model's own fix and of the reference that the buggy program does not
  have, wherever it stands in the text, with or without the colon of a header and whatever the spaces in it.
  """
  text = completion.without_blocks(rationale)
  old = {_squeezed(line) for line in task.buggy_code.split("\n")}
  lines = {line.strip() for program in (fix or "", task.reference_code) for line in program.split("\n")}
  new = {line.rstrip(":") for line in lines if len(line) >= _SHORTEST_CODE and _squeezed(line) not in old}
  for line in sorted(new, key=lambda line: (-len(line), line)):
    pieces = re.findall(r"\w+|[^\w\s]", line)
    if pieces:
      text = re.sub(r"(?<!\w)" + r"\s*".join(map(re.escape, pieces)) + r"(?!\w):?", lambda unused_match: CUT, text)
  return text


def shuffled(samples: Sequence[schema.Sample], seed: int) -> list[schema.Sample]:
  """The rationales moved on by one in a random order: no task keeps its own, as long as there are two."""
  order = list(range(len(samples)))
  random.Random(seed).shuffle(order)
  taken = {order[i]: samples[order[i - 1]].rationale for i in range(len(order))}
  return [dataclasses.replace(sample, rationale=taken[i]) for i, sample in enumerate(samples)]


def _squeezed(line: str) -> str:
  return "".join(line.split())
