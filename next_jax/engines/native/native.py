"""The engine that needs only Flax, Optax and Orbax; it runs on a laptop and on several hosts."""

from collections.abc import Callable, Iterator
import dataclasses
import functools
from typing import Any

from etils import epath
import jax
import seqio

from next_jax import errors
from next_jax.engines import chunks
from next_jax.engines import completions
from next_jax.engines import device_engine
from next_jax.engines import engine
from next_jax.engines import sharding
from next_jax.engines import stops
from next_jax.engines import task_reader
from next_jax.engines import training_plan
from next_jax.engines import training_report
from next_jax.engines.native import sampler
from next_jax.engines.native import scorer
from next_jax.engines.native import trainer


@dataclasses.dataclass(frozen=True, kw_only=True)
class NativeEngine(device_engine.DeviceEngine):
  """`engine.Engine` in plain JAX; see `DeviceEngine` for the other settings.

  Attributes:
    tokens_at_once: Maximum tokens per device in a training micro-batch; see `trainer.Trainer`.
    sample_together: Whether several processes also sample and score together, with the parameters laid out over the
      devices of all. This is for a network that does not fit on the devices of one process. All processes must then
      call `sample` and `score` together, as they do `finetune`.
  """

  tokens_at_once: int | None = None
  sample_together: bool = False

  @functools.cached_property
  def own_layout(self) -> sharding.Layout:
    """Where this process samples and scores."""
    return self.layout if self.sample_together else super().own_layout

  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[engine.Score]:
    """See `engine.Engine.score`."""
    found = task_reader.find_task(task, self.network.vocab_size)
    examples, task_ids = task_reader.read_with_ids(found, split)
    params = self._restore_to_sample(checkpoint)
    target_lengths = examples.lengths - examples.input_lengths
    for number, log_probability in enumerate(self._scorer.score(params, examples)):
      yield engine.Score(
          task_id=task_ids[number], log_probability=log_probability, token_count=int(target_lengths[number])
      )

  def _check(self, tuning: engine.Tuning) -> None:
    if tuning.share_prompts and self.bidirectional_prompts:
      raise errors.EngineError(
          "Tuning.share_prompts and NativeEngine.bidirectional_prompts: found both set, expected one of them: each"
          " completion reads the last token of a shared prompt, so the prompt cannot see that token"
      )

  def _train(
      self, plan: training_plan.TrainingPlan, initial_params: Callable[[], Any]
  ) -> tuple[epath.Path, dict[str, float]]:
    with training_report.TrainingReport(plan.directory if self.write_summaries else None) as report:
      return self._trainer.train(plan, initial_params, report)

  @property
  def _completer(self) -> chunks.Completer:
    return chunks.Completer(
        rows=self.sample_batch_size, max_tasks=self.max_chunk_tasks, start=self._completing,
        together=self.sample_together and jax.process_count() > 1,
    )

  def _completing(
      self, checkpoint: epath.PathLike, task: seqio.Task, *, chunk_tasks: int, num_samples: int,
      sampling: engine.Sampling, seed: int,
  ) -> completions.Complete:
    """The function that completes prompts with the parameters of a checkpoint."""
    params = self._restore_to_sample(checkpoint)
    vocabulary = task.output_features["targets"].vocabulary
    return lambda prompts, task_ids: self._sampler.complete(
        params,
        prompts=prompts,
        task_ids=task_ids,
        chunk_tasks=chunk_tasks,
        num_samples=num_samples,
        sampling=sampling,
        seed=seed,
        eos_id=vocabulary.eos_id,
        ending=stops.of_vocabulary(sampling.stop, vocabulary),
    )

  @functools.cached_property
  def _trainer(self) -> trainer.Trainer:
    return trainer.Trainer(
        network=self.network,
        layout=self.layout,
        bidirectional_prompts=self.bidirectional_prompts,
        tokens_at_once=self.tokens_at_once,
    )

  @functools.cached_property
  def _sampler(self) -> sampler.Sampler:
    return sampler.Sampler(self.network.unscanned, self.own_layout, bidirectional_prompts=self.bidirectional_prompts)

  @functools.cached_property
  def _scorer(self) -> scorer.Scorer:
    return scorer.Scorer(self.network.unscanned, self.own_layout, bidirectional_prompts=self.bidirectional_prompts)
