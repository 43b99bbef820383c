"""Draws many completions of many prompts.

A chunk has `tasks * samples` rows. The prompt of a task is prefilled once, and the task's rows share
its keys and values (collection `prefix` of the network). A row's own cache holds only the tokens it
wrote. All rows write their n-th token in the same step, so the cache is written as one slice.

Decoding runs in segments of a few steps on the device. Between two segments, rows whose text has ended
are stopped, rows and tasks that are done drop out, and caches grow. All shapes come from small ladders, so a second
chunk of the same kind compiles nothing. The ladders are coarse, because every combination of their rungs
is a program to compile.
"""

from collections.abc import Sequence
import functools
from typing import Any
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from next_jax.engines import completions
from next_jax.engines import engine
from next_jax.engines import ladders
from next_jax.engines import sharding
from next_jax.engines import stops
from next_jax.engines import truncation
from next_jax.models import attention
from next_jax.models import axes
from next_jax.models import transformer


class Sampler:
  """Samples from one network; keeps compiled programs between calls."""

  def __init__(
      self,
      network: transformer.TransformerConfig,
      layout: sharding.Layout,
      *,
      bidirectional_prompts: bool = False,
      prompt_step: int = ladders.PROMPT_STEP,
      cache_step: int = 64,
      segment: int = 16,
  ):
    """Makes a sampler.

    Args:
      network: Sizes of the network.
      layout: Where arrays lie.
      bidirectional_prompts: Whether the tokens of a prompt see one another; as in training.
      prompt_step: Step, in tokens, of the ladder that prompts are padded to; see `ladders.ladder`.
      cache_step: Step, in tokens, of the ladder of cache lengths for completions.
      segment: Decoding steps between two checks for tasks that are done.
    """
    self._model = transformer.Transformer(network)
    self._layout = layout
    self._bidirectional_prompts = bidirectional_prompts
    self._prompt_step = prompt_step
    self._cache_step = cache_step
    self._segment_steps = segment
    self._prefill = jax.jit(self._prefill_function)
    self._start = jax.jit(self._start_function, static_argnames=("num_samples", "size", "steps"))
    self._segment = jax.jit(self._segment_function, static_argnames=("truncate", "eos_id"), donate_argnames="state")
    self._reshape = jax.jit(self._reshape_function, static_argnames="size")

  @property
  def num_compiled(self) -> int:
    functions = (self._prefill, self._start, self._segment, self._reshape)
    return sum(function._cache_size() for function in functions)  # type: ignore[attr-defined]  # jit has no public count

  def complete(
      self,
      params: Any,
      *,
      prompts: Sequence[np.ndarray],
      task_ids: Sequence[str],
      chunk_tasks: int,
      num_samples: int,
      sampling: engine.Sampling,
      seed: int,
      eos_id: int,
      ending: stops.Ending | None = None,
  ) -> completions.Completions:
    """Completes at most `chunk_tasks` prompts `num_samples` times each.

    `ending` says when the text of a row has ended; then the row is stopped.
    """
    steps = sampling.max_completion_length
    truncate = truncation.Truncation(
        temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
    )
    total = len(prompts) * num_samples
    done_tokens = np.zeros((total, steps), np.int32)
    done_lengths = np.zeros(total, np.int32)
    done_log_probabilities = np.zeros((total, steps), np.float32)

    rung, width = _rung(len(prompts), chunk_tasks), num_samples
    owners = np.full((rung, width), -1)  # Which row of the result each row on the device is; -1 is padding.
    owners[: len(prompts)] = np.arange(total).reshape(-1, num_samples)
    size = ladders.ladder(min(self._segment_steps, steps), self._cache_step, steps)
    with self._layout.active():
      prefix, state = self._begin(params, prompts, task_ids, rung, num_samples, seed, size, steps)
      position = 0
      while True:
        position = min(position + self._segment_steps, size, steps)
        state = self._segment(params, prefix, state, np.int32(position), truncate=truncate, eos_id=eos_id)
        done = self._layout.to_host(state["done"])
        if ending is not None and not done.all():
          done = self._stopped(state, done, ending)
          state["done"] = jax.device_put(done, state["done"].sharding)
        running = ~done.reshape(owners.shape) & (owners >= 0)
        if not running.any() or position == steps:
          self._collect(state, owners, done_tokens, done_lengths, done_log_probabilities)
          break
        tasks = np.flatnonzero(running.any(axis=1))
        new_rung, new_width = _rung(len(tasks), chunk_tasks), _rung(int(running.sum(axis=1).max()), num_samples)
        new_size = ladders.ladder(min(position + self._segment_steps, steps), self._cache_step, steps)
        if (new_rung, new_width, new_size) != (*owners.shape, size):
          if (new_rung, new_width) != owners.shape:
            self._collect(state, owners, done_tokens, done_lengths, done_log_probabilities)
          kept = np.resize(tasks, new_rung)
          # Of each task the rows that run, and as many others as there is room for.
          samples = np.argsort(~running[kept], axis=1, kind="stable")[:, :new_width]
          rows = kept[:, None] * owners.shape[1] + samples
          owners = owners.reshape(-1)[rows]
          owners[len(tasks) :] = -1
          prefix, state = self._reshape(
              prefix, state, kept.astype(np.int32), rows.reshape(-1).astype(np.int32), owners.reshape(-1) >= 0,
              size=new_size,
          )
          size = new_size
    if ending is not None:  # what a row wrote before it was stopped does not count
      for row, length in enumerate(done_lengths):
        end = ending.num_tokens(done_tokens[row, :length])
        done_lengths[row] = end
        done_tokens[row, end:] = done_log_probabilities[row, end:] = 0
    return completions.Completions(
        tokens=done_tokens, lengths=done_lengths, log_probabilities=done_log_probabilities.sum(axis=1)
    )

  def _begin(self, params, prompts, task_ids, rung, num_samples, seed, size, steps):
    longest = max(len(prompt) for prompt in prompts)
    # Shifted right by one, as in training: position 0 reads the 0 that starts every sequence.
    width = ladders.ladder(longest + 1, self._prompt_step)
    tokens = np.zeros((rung, width), np.int32)
    lengths = np.zeros(rung, np.int32)
    last = np.zeros(rung, np.int32)
    hashes = np.zeros(rung, np.uint32)
    for row, (prompt, task_id) in enumerate(zip(prompts, task_ids)):
      tokens[row, 1 : len(prompt) + 1] = prompt
      lengths[row] = len(prompt)
      last[row] = prompt[-1] if len(prompt) else 0
      hashes[row] = zlib.crc32(task_id.encode("utf-8"))
    put = self._layout.put_batch
    prefix = self._prefill(params, put(tokens), put(lengths))
    state = self._start(
        prefix, put(last), put(hashes), np.int32(len(prompts)), np.uint32(seed),
        num_samples=num_samples, size=size, steps=steps,
    )
    return prefix, state

  def _prefill_function(self, params, tokens_TxP, lengths_T):
    """Keys and values of all prompts without their last tokens, which the first decoding step reads."""
    causal_attention = None
    if self._bidirectional_prompts:
      causal_attention = (jnp.arange(tokens_TxP.shape[1]) <= lengths_T[:, None]).astype(jnp.int32)
    _, variables = self._model.apply(
        {"params": params},
        tokens_TxP,
        decoder_causal_attention=causal_attention,
        enable_dropout=False,
        prefill=True,
        prefill_lengths=lengths_T,
        mutable=["cache"],
    )
    return variables["cache"]

  def _start_function(self, prefix, last_T, hashes_T, num_tasks, seed, *, num_samples, size, steps):
    tasks = last_T.shape[0]
    rows = tasks * num_samples

    def row_key(task_hash, sample):
      return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), task_hash), sample)

    keys = jax.vmap(lambda task_hash: jax.vmap(lambda sample: row_key(task_hash, sample))(jnp.arange(num_samples)))

    def empty(path, leaf):
      name = path[-1].key
      if name == "cache_index":
        return jnp.zeros((), jnp.int32)
      names = attention.CACHED_AXES[name]
      sizes = {"batch": rows, "length": size}
      shape = [sizes.get(name, old) for name, old in zip(names, leaf.shape)]
      return axes.constrain(jnp.zeros(shape, leaf.dtype), names)

    cache = jax.tree_util.tree_map_with_path(empty, prefix)
    return {
        "cache": cache,
        "position": jnp.zeros((), jnp.int32),
        "token": jnp.repeat(last_T, num_samples),
        "key": jax.random.key_data(keys(hashes_T)).reshape(rows, -1),
        "done": jnp.repeat(jnp.arange(tasks) >= num_tasks, num_samples),
        "length": jnp.zeros(rows, jnp.int32),
        "log_probabilities": jnp.zeros((rows, steps), jnp.float32),
        "tokens": jnp.zeros((rows, steps), jnp.int32),
    }

  def _segment_function(self, params, prefix, state, until, *, truncate, eos_id):
    """Decodes until position `until`, or until all rows are done."""

    def go_on(state):
      return (state["position"] < until) & ~jnp.all(state["done"])

    def step(state):
      logits, variables = self._model.apply(
          {"params": params, "cache": state["cache"], "prefix": prefix},
          state["token"][:, None],
          enable_dropout=False,
          decode=True,
          mutable=["cache"],
      )
      logits = axes.constrain(logits[:, 0], ("batch", None))  # Drawing needs the whole vocabulary.
      keys = jax.random.wrap_key_data(state["key"])
      keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, state["position"])
      token = truncate.draw(logits, keys)
      log_probability = jnp.take_along_axis(logits, token[:, None], axis=1)[:, 0]
      log_probability -= jax.nn.logsumexp(logits, axis=-1)
      running = ~state["done"]
      token = jnp.where(running, token, 0)

      def noted(name, new):
        return jax.lax.dynamic_update_slice_in_dim(state[name], new[:, None], state["position"], axis=1)

      return {
          "cache": variables["cache"],
          "position": state["position"] + 1,
          "token": token,
          "key": state["key"],
          "done": state["done"] | (token == eos_id),
          "length": state["length"] + running,
          "log_probabilities": noted("log_probabilities", jnp.where(running, log_probability, 0.0)),
          "tokens": noted("tokens", token),
      }

    return jax.lax.while_loop(go_on, step, state)

  def _reshape_function(self, prefix, state, tasks, rows, is_sample, *, size):
    """Keeps only these tasks and rows, and grows the caches to `size`; rows that are no sample are padding."""

    def grow(path, leaf):
      name = path[-1].key
      if name == "cache_index":
        return leaf
      names = attention.CACHED_AXES[name]
      widths = [(0, size - old if axis == "length" else 0) for axis, old in zip(names, leaf.shape)]
      return axes.constrain(jnp.pad(leaf[rows], widths), names)

    new = {name: value[rows] for name, value in state.items() if name not in ("cache", "position")}
    new["done"] |= ~is_sample
    new["cache"] = jax.tree_util.tree_map_with_path(grow, state["cache"])
    new["position"] = state["position"]
    return jax.tree.map(lambda leaf: leaf[tasks], prefix), new

  def _collect(self, state, owners, tokens, lengths, log_probabilities) -> None:
    owners = owners.reshape(-1)
    here = owners >= 0
    tokens[owners[here]] = self._layout.to_host(state["tokens"])[here]
    lengths[owners[here]] = self._layout.to_host(state["length"])[here]
    log_probabilities[owners[here]] = self._layout.to_host(state["log_probabilities"])[here]

  def _stopped(self, state, done, ending) -> np.ndarray:
    """`done`, with the rows whose text has ended."""
    tokens, lengths = self._layout.to_host(state["tokens"]), self._layout.to_host(state["length"])
    done = done.copy()
    for row in np.flatnonzero(~done):
      done[row] = ending.has_ended(tokens[row, : lengths[row]])
    return done


@functools.cache
def _rungs(most: int) -> tuple[int, ...]:
  rungs = [most]
  while rungs[-1] > 1 and len(rungs) < 3:
    rungs.append(-(-rungs[-1] // 2))
  return tuple(reversed(rungs))


def _rung(needed: int, most: int) -> int:
  """The smallest of `most`, its half and its quarter that is at least `needed`."""
  return next(rung for rung in _rungs(most) if rung >= needed)
