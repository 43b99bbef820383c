"""How fast an imported model is sampled and trained, beside transformers and PyTorch on the same weights.

    next-jax import SmolLM2-135M-Instruct/ --out=models/smollm2
    python benchmarks/open_models.py models/smollm2 [--peer_python=PATH] [--prompt_tokens 300] [--dtypes bfloat16]

Samples `--tasks` random prompts `--samples` times, `--new_tokens` each, prefill included; trains `--train_rows` rows
of `--row_tokens`. Each figure is of a second round, without compilation: tokens a second. The peer needs torch and
transformers; --peer_python is a Python that has them, by default this one. Without them it is left out.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SEED = 0


def parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("model", help="directory that next-jax import has made")
  parser.add_argument("--tasks", type=int, default=8)
  parser.add_argument("--samples", type=int, default=8, help="of a task")
  parser.add_argument("--prompt_tokens", type=int, default=300)
  parser.add_argument("--new_tokens", type=int, default=64)
  parser.add_argument("--train_rows", type=int, default=4)
  parser.add_argument("--row_tokens", type=int, default=512)
  parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
  parser.add_argument("--lora", action="store_true", help="train adapters of rank 16; PyTorch: with peft")
  parser.add_argument("--skip_training", action="store_true")
  parser.add_argument("--peer_python", default=sys.executable)
  parser.add_argument("--as_peer", metavar="DIR", help=argparse.SUPPRESS)
  return parser.parse_args()


def ours(arguments: argparse.Namespace, dtype: str) -> dict[str, float]:
  """Tokens a second of the native engine."""
  import numpy as np
  import optax

  from next_jax.engines import checkpoints
  from next_jax.engines import engine
  from next_jax.engines import examples
  from next_jax.engines import lora
  from next_jax.engines import parameters
  from next_jax.engines import sharding
  from next_jax.engines import training_plan
  from next_jax.engines.native import sampler
  from next_jax.engines.native import trainer
  from next_jax.models import transformer
  from next_jax.models.open_weights import importing

  network = dataclasses.replace(importing.network_of(arguments.model), dtype=dtype)
  checkpoint = pathlib.Path(arguments.model) / importing.CHECKPOINT
  layout, model = sharding.Layout.over_all_devices(), transformer.Transformer(network)
  generator = np.random.default_rng(SEED)
  prompts = [generator.integers(10, 1000, arguments.prompt_tokens).astype(np.int32) for _ in range(arguments.tasks)]
  params = checkpoints.restore(checkpoint, parameters.abstract(model, layout, matrices=dtype))[1]
  drawing = sampler.Sampler(network, layout)
  sampling = engine.Sampling(temperature=0.8, max_completion_length=arguments.new_tokens)
  for _ in range(2):
    began = time.perf_counter()
    found = drawing.complete(
        params, prompts=prompts, task_ids=[str(number) for number in range(arguments.tasks)],
        chunk_tasks=arguments.tasks, num_samples=arguments.samples, sampling=sampling, seed=SEED, eos_id=-1,
    )
    seconds = time.perf_counter() - began
  figures = {"sampling": found.lengths.sum() / seconds}
  del params
  if arguments.skip_training:
    return figures
  steps = 4
  rows = examples.collect(
      {"inputs": row[:8], "targets": row[8:]}
      for row in generator.integers(10, 1000, (arguments.train_rows * steps, arguments.row_tokens))
  )
  times = []
  with tempfile.TemporaryDirectory() as directory:
    form = lora.Lora() if arguments.lora else None
    tuning = engine.Tuning(
        optimizer=optax.adamw, learning_rate=1e-5, num_epochs=1, sequence_length=arguments.row_tokens,
        batch_size=arguments.train_rows, save_every=1000, lora=form,
    )
    adapter = None if form is None else lora.Adapter.on(form, checkpoint)
    plan = training_plan.TrainingPlan(
        examples=rows, tuning=tuning, seed=SEED, directory=directory, loss_on_targets_only=True,
        keep_optimizer_state=False, adapter=adapter,
    )

    def initial():
      if form is not None:
        return form.random(model, layout, SEED)
      return checkpoints.restore(checkpoint, parameters.abstract(model, layout))[1]

    trainer.Trainer(network=network, layout=layout).train(
        plan, initial, lambda step, num_steps, scalars: times.append(time.perf_counter())
    )
  # Scalars of a step are reported when the next one has started: the first interval has the compilation.
  figures["training"] = arguments.train_rows * arguments.row_tokens * (len(times) - 3) / (times[-2] - times[1])
  return figures


def peer(arguments: argparse.Namespace, dtype: str) -> dict[str, float]:
  """Tokens a second of transformers' `generate`, and of PyTorch's AdamW."""
  import torch
  import transformers

  transformers.logging.set_verbosity_error()
  kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
  model = transformers.AutoModelForCausalLM.from_pretrained(arguments.as_peer, dtype=kind).eval()
  torch.manual_seed(SEED)
  prompts = torch.randint(10, 1000, (arguments.tasks, arguments.prompt_tokens))
  began = time.perf_counter()
  with torch.no_grad():
    model.generate(
        prompts, attention_mask=torch.ones_like(prompts), do_sample=True, temperature=0.8, top_k=0,
        num_return_sequences=arguments.samples, max_new_tokens=arguments.new_tokens,
        min_new_tokens=arguments.new_tokens, pad_token_id=0,
    )
  figures = {"sampling": arguments.tasks * arguments.samples * arguments.new_tokens / (time.perf_counter() - began)}
  if arguments.skip_training:
    return figures
  model = transformers.AutoModelForCausalLM.from_pretrained(arguments.as_peer, dtype=torch.float32).train()
  if arguments.lora:
    import peft

    model = peft.get_peft_model(model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
  optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-5)
  rows = torch.randint(10, 1000, (arguments.train_rows, arguments.row_tokens))
  for _ in range(3):
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
      loss = model(rows, labels=rows).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    seconds = time.perf_counter() - began
  figures["training"] = rows.numel() / seconds
  return figures


def main() -> None:
  arguments = parse()
  if arguments.as_peer:
    print(json.dumps({dtype: peer(arguments, dtype) for dtype in arguments.dtypes}))
    return
  print(f"load {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores")
  found = {("next_jax", dtype): ours(arguments, dtype) for dtype in arguments.dtypes}
  has_peer = subprocess.run(
      [arguments.peer_python, "-c", "import torch, transformers"], capture_output=True, check=False
  ).returncode == 0
  if has_peer:
    with tempfile.TemporaryDirectory() as directory:
      exported = pathlib.Path(directory) / "exported"
      subprocess.run(
          [sys.executable, "-m", "next_jax.main", "export", f"{arguments.model}/checkpoint_0", f"--out={exported}"],
          check=True, capture_output=True,
      )
      done = subprocess.run(
          [arguments.peer_python, __file__, *sys.argv[1:], f"--as_peer={exported}"], check=True, capture_output=True,
          text=True,
      )
    for dtype, figures in json.loads(done.stdout.splitlines()[-1]).items():
      found["transformers", dtype] = figures
  for (name, dtype), figures in found.items():
    print(f"{name:<13} {dtype:<9}", *(f"{what} {value:,.0f} tokens/s" for what, value in figures.items()))


if __name__ == "__main__":
  main()
