"""`next-jax doctor`: shows what is installed, which devices and engines work, and what confines programs.

Checks that import JAX or TensorFlow run in their own processes. Such an import may hang on a busy accelerator or
abort; the other checks are still shown.
"""

import argparse
from collections.abc import Iterator, Sequence
import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
import sys

from packaging import requirements

from next_jax.execution import executor as executor_lib
from next_jax.execution.confinement import confinement as confinement_lib

_DISTRIBUTION = "next-jax"
_PROBE_SECONDS = 300.0
_SHOWN_LINES = 3

_DEVICES = """
import json, jax
devices = jax.devices()
memory = (devices[0].memory_stats() or {}).get("bytes_limit")
print(json.dumps({"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices),
                  "processes": jax.process_count(), "memory": memory}))
"""

# An engine works if it trains a tiny network for a step and samples from it. Prints the number of samples.
_ENGINE = """
import json, os, tempfile
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import seqio
import tensorflow as tf
from next_jax import errors
from next_jax.engines import engine
from next_jax.models import transformer
try:
  {import_engine}
  vocabulary = seqio.ByteVocabulary()
  seqio.TaskRegistry.add(
      "doctor",
      source=seqio.FunctionDataSource(
          lambda split, shuffle_files, seed=None: tf.data.Dataset.from_tensors(
              {{"inputs": "a", "targets": "b", "task_id": "doctor/0"}}),
          splits=["train"]),
      preprocessors=[seqio.preprocessors.tokenize],
      output_features={{name: seqio.Feature(vocabulary, add_eos=False) for name in ("inputs", "targets")}})
  import optax
  network = transformer.TransformerConfig(
      vocab_size=vocabulary.vocab_size, embed_dim=8, num_layers=1, num_heads=1, num_kv_heads=1, head_dim=8, mlp_dim=8)
  tested = made(network=network, write_summaries=False, compilation_cache=None)
  import jax
  tuning = engine.Tuning(
      optimizer=optax.adamw, learning_rate=0.1, num_epochs=1, sequence_length=8, batch_size=jax.device_count())
  with tempfile.TemporaryDirectory() as directory:
    checkpoint, _ = tested.finetune(task="doctor", checkpoint=None, directory=directory, tuning=tuning, seed=0)
    sampling = engine.Sampling(max_prompt_length=8, max_completion_length=4)
    chunks = list(tested.sample(
        task="doctor", split="train", checkpoint=checkpoint, num_samples=2, sampling=sampling, seed=0))
  print(json.dumps({{"samples": sum(len(chunk) for chunk in chunks)}}))
except errors.UserError as error:
  print(json.dumps({{"problem": str(error)}}))
"""
_ENGINES = {
    "native": "from next_jax.engines.native import native; made = native.NativeEngine",
    "t5x": "from next_jax.engines.t5x import t5x; made = t5x.T5XEngine",
}
_OPTIONAL_ENGINES = ("t5x",)

_ADVICE = {
    "privileges": "run it as an ordinary user",
    "namespaces": "allow user namespaces: sysctl user.max_user_namespaces, on Ubuntu also"
    " kernel.apparmor_restrict_unprivileged_userns=0; in Docker, a seccomp profile that permits unshare",
    "landlock": "needs Linux 5.13 with landlock among /sys/kernel/security/lsm (boot with lsm=landlock,...), and a"
    " container that permits its system calls",
    "seccomp": "needs Linux with seccomp filters on x86_64 or aarch64, and a container that permits them",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
  """The result of one check; one line of the output.

  Attributes:
    topic: "system", "packages", "devices", "engines" or "sandbox".
    name: What was checked.
    state: "ok"; "lack" if something optional is missing; "fault" if next-jax cannot work.
    found: What was found.
    advice: What to do about it; "" if there is nothing to do.
  """

  topic: str
  name: str
  state: str
  found: str
  advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument("--json", action="store_true", help="print one JSON object per check")


def main(arguments: argparse.Namespace) -> int:
  """Prints each check as soon as it is done; returns 1 if there is a fault."""
  faults, topic = 0, None
  for check in examine():
    faults += check.state == "fault"
    if arguments.json:
      print(json.dumps(dataclasses.asdict(check)), flush=True)
      continue
    if check.topic != topic:
      print(("\n" if topic else "") + check.topic)
      topic = check.topic
    mark = {"ok": " ", "lack": "-", "fault": "!"}[check.state]
    print(f"{mark} {check.name:<22} {check.found}", flush=True)
    if check.advice:
      print(f"{'':<25}{check.advice}", flush=True)
  if not arguments.json:
    print(f"\n{faults} faults (!)" if faults != 1 else "\n1 fault (!)")
  return 1 if faults else 0


def examine() -> Iterator[Check]:
  """Runs all checks, topic by topic."""
  yield from system()
  yield from packages(importlib.metadata.requires(_DISTRIBUTION) or ())
  yield devices()
  for name in _ENGINES:
    yield engine(name)
  yield from sandbox(_confinement())


def system() -> Iterator[Check]:
  """The versions of next-jax and Python, and the machine."""
  version = importlib.metadata.version(_DISTRIBUTION)
  yield Check(topic="system", name="next-jax", state="ok", found=version)
  yield Check(topic="system", name="python", state="ok", found=f"{platform.python_version()}, {sys.executable}")
  memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
  machine = f"{platform.system()} {platform.release()} {platform.machine()}"
  yield Check(
      topic="system", name="machine", state="ok", found=f"{machine}, {os.cpu_count()} CPU cores, {memory:.0f} GiB"
  )


def packages(required: Sequence[str]) -> Iterator[Check]:
  """Whether each requirement is installed in a suitable version.

  A missing package that only an extra needs is a lack, not a fault. Complete extras are not listed.

  Args:
    required: Requirements as in package metadata, such as 'pytest>=8; extra == "test"'.
  """
  absent: dict[str, list[str]] = {}
  for line in required:
    requirement = requirements.Requirement(line)
    extra = _extra_of(requirement)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
      continue
    try:
      found = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
      found = None
    if found is not None and requirement.specifier.contains(found, prereleases=True):
      if not extra:
        yield Check(topic="packages", name=requirement.name, state="ok", found=found)
    elif extra:
      expected = f"{requirement.name}{requirement.specifier}"
      absent.setdefault(extra, []).append(expected if found is None else f"{expected} (found {found})")
    else:
      yield Check(
          topic="packages",
          name=requirement.name,
          state="fault",
          found=f"{found or 'not installed'}; expected {requirement.specifier}",
          advice=f'pip install "{requirement.name}{requirement.specifier}"',
      )
  for extra, wanted in absent.items():
    yield Check(
        topic="packages", name=f"[{extra}]", state="lack", found=f"without {', '.join(wanted)}",
        advice=f'pip install "{_DISTRIBUTION}[{extra}]", if you need it',
    )


def _extra_of(requirement: requirements.Requirement) -> str:
  """Name of the extra that needs a requirement, or ""."""
  marker = str(requirement.marker or "")
  return marker.partition("extra == ")[2].split('"')[1] if "extra == " in marker else ""


def devices() -> Check:
  """The devices that JAX finds: kind, number and memory."""
  found, problem = _probe(_DEVICES)
  if problem:
    return Check(
        topic="devices", name="jax", state="fault", found=problem,
        advice="reinstall jax for this hardware (https://docs.jax.dev/en/latest/installation.html), or set"
        " JAX_PLATFORMS=cpu; JAX does not find an accelerator that another process holds",
    )
  memory = f", {found['memory'] / 2**30:.0f} GiB each" if found["memory"] else ""
  advice = ""
  if found["platform"] == "cpu":
    advice = "for a GPU: pip install \"jax[cuda12]\"; for a TPU: pip install \"jax[tpu]\""
  return Check(
      topic="devices", name=found["platform"], state="ok", found=f"{found['count']} x {found['kind']}{memory}",
      advice=advice,
  )


def engine(name: str) -> Check:
  """Whether an engine trains a tiny network for a step and samples from it."""
  found, problem = _probe(_ENGINE.format(import_engine=_ENGINES[name]))
  if not problem:
    problem = found.get("problem", "")
  if problem:
    state = "lack" if name in _OPTIONAL_ENGINES else "fault"
    return Check(topic="engines", name=name, state=state, found=problem)
  return Check(topic="engines", name=name, state="ok", found="trains and samples")


def sandbox(confinement: confinement_lib.Confinement) -> Iterator[Check]:
  """The layers that confine programs: in force or missing."""
  missing = dict(confinement.missing)
  for layer in confinement_lib.LAYERS:
    if layer in confinement.layers:
      yield Check(topic="sandbox", name=layer, state="ok", found="in force")
    else:
      yield Check(
          topic="sandbox", name=layer, state="lack", found=f"missing: {missing.get(layer, 'no reason known')}",
          advice=_ADVICE[layer],
      )


def _confinement() -> confinement_lib.Confinement:
  with executor_lib.Executor(num_workers=1) as executor:
    return executor.confinement()


def _probe(source: str) -> tuple[dict, str]:
  """Runs Python source: the JSON in the last line that it prints and "", or {} and why it failed, on one line."""
  try:
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
    )
  except subprocess.TimeoutExpired:
    return {}, f"no answer in {_PROBE_SECONDS:.0f} seconds"
  lines = done.stdout.strip().splitlines()
  if done.returncode == 0 and lines:
    return json.loads(lines[-1]), ""
  last = [line.strip() for line in done.stderr.splitlines() if line.strip()][-_SHOWN_LINES:]
  if done.returncode < 0:
    return {}, f"died of signal {-done.returncode}: {' '.join(last)[-300:]}"
  return {}, (last[-1] if last else f"exit code {done.returncode}")[:300]
