"""Two processes sample one network that lies in pieces over both, and draw what one process draws."""

import json
import pathlib
import socket
import subprocess
import sys

import pytest

from next_jax.engines import engine

SCRIPT = pathlib.Path(__file__).with_name("sampling_together.py")
SAMPLING = engine.Sampling(temperature=1.0, max_prompt_length=40, max_completion_length=20)


@pytest.fixture(name="found", scope="module")
def _found(memorised):
  """What each of the two processes prints."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    address = f"localhost:{probe.getsockname()[1]}"
  running = [
      subprocess.Popen(
          [sys.executable, str(SCRIPT), address, "2", str(index), str(memorised[0])],
          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
      )
      for index in range(2)
  ]
  try:
    ended = [process.communicate(timeout=1200) for process in running]
  finally:
    for process in running:
      process.kill()
  for process, (_, stderr) in zip(running, ended, strict=True):
    assert process.returncode == 0, stderr[-3000:]
  return [json.loads(stdout.splitlines()[-1]) for stdout, _ in ended]


@pytest.mark.slow
@pytest.mark.parametrize("model_parallelism, mesh", [("1", {"data": 2, "model": 1}), ("2", {"data": 1, "model": 2})])
def test_samples_of_a_network_over_two_processes_are_those_of_one(
    found, make_engine, task, memorised, model_parallelism, mesh
):
  alone = make_engine(sample_batch_size=4)
  settings = {"task": task, "split": "dev", "checkpoint": memorised[0]}
  chunks = list(alone.sample(num_samples=2, sampling=SAMPLING, seed=3, **settings))
  shares = [process[model_parallelism] for process in found]
  # Three chunks of two tasks: process 0 had the first when it was killed.
  for share, own in zip(shares, (chunks[2:], chunks[1:2]), strict=True):
    assert share["mesh"] == mesh
    expected = [sample for chunk in own for sample in chunk]
    assert [sample["completion"] for sample in share["samples"]] == [sample.completion for sample in expected]
    for sample, one in zip(share["samples"], expected, strict=True):
      assert (sample["task_id"], sample["sample_index"]) == (one.task_id, one.sample_index)
      assert sample["log_probability"] == pytest.approx(one.log_probability, abs=1e-4)
  scores = [score.log_probability for score in alone.score(**settings)]
  assert shares[0]["scores"] == shares[1]["scores"] == pytest.approx(scores, abs=1e-4)


@pytest.mark.slow
def test_neither_process_has_the_whole_network(found):
  for share in found:
    for model_parallelism, kept in (("1", ()), ("2", ("token_embedder/embedding", "logits/kernel"))):
      # Along "model" norms lie whole, and so does what belongs to a vocabulary of 259.
      pieces = share[model_parallelism]["pieces"]
      for path, (whole, here) in pieces.items():
        split = model_parallelism == "1" or not (path.endswith("scale") or path in kept)
        assert here == (whole // 2 if split else whole), path
