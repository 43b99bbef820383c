"""`next-jax doctor`: what is installed, which devices and engines work, what programs are confined by.

Whatever imports JAX or TensorFlow runs in a process of its own: such an import may hang on a busy
accelerator or abort, and then the rest is still told.
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

# An engine works when a network of its own kind gives a completion of this many tokens.
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
class Finding:
  """One line of the report.

  Attributes:
    topic: "system", "packages", "devices", "engines" or "sandbox".
    name: of what was looked at.
    state: "ok"; "lack", which something can do without; "fault", without which nothing works.
    found: what was found.
    advice: what to do about it; "" where there is nothing to do.
  """

  topic: str
  name: str
  state: str
  found: str
  advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument("--json", action="store_true", help="print one JSON object a finding instead")


def main(arguments: argparse.Namespace) -> int:
  """Prints what it finds as it finds it; 1 when there is a fault."""
  faults, topic = 0, None
  for finding in examine():
    faults += finding.state == "fault"
    if arguments.json:
      print(json.dumps(dataclasses.asdict(finding)), flush=True)
      continue
    if finding.topic != topic:
      print(("\n" if topic else "") + finding.topic)
      topic = finding.topic
    mark = {"ok": " ", "lack": "-", "fault": "!"}[finding.state]
    print(f"{mark} {finding.name:<22} {finding.found}", flush=True)
    if finding.advice:
      print(f"{'':<25}{finding.advice}", flush=True)
  if not arguments.json:
    print(f"\n{faults} faults (!)" if faults != 1 else "\n1 fault (!)")
  return 1 if faults else 0


def examine() -> Iterator[Finding]:
  """All findings, topic by topic."""
  yield from system()
  yield from packages(importlib.metadata.requires(_DISTRIBUTION) or ())
  yield devices()
  for name in _ENGINES:
    yield engine(name)
  yield from sandbox(_confinement())


def system() -> Iterator[Finding]:
  version = importlib.metadata.version(_DISTRIBUTION)
  yield Finding(topic="system", name="next-jax", state="ok", found=version)
  yield Finding(topic="system", name="python", state="ok", found=f"{platform.python_version()}, {sys.executable}")
  memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
  machine = f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} CPU cores, {memory:.0f} GiB"
  yield Finding(topic="system", name="machine", state="ok", found=machine)


def packages(required: Sequence[str]) -> Iterator[Finding]:
  """Of each requirement, as packages state them: is it there, in a version that will do?

  A package that only an extra wants is a lack at most. Whole extras that are there are not told.
  """
  absent = {}
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
        yield Finding(topic="packages", name=requirement.name, state="ok", found=found)
    elif extra:
      wanted = f"{requirement.name}{requirement.specifier}"
      absent.setdefault(extra, []).append(wanted if found is None else f"{wanted} (found {found})")
    else:
      yield Finding(
          topic="packages",
          name=requirement.name,
          state="fault",
          found=f"{found or 'not installed'}; expected {requirement.specifier}",
          advice=f'pip install "{requirement.name}{requirement.specifier}"',
      )
  for extra, wanted in absent.items():
    yield Finding(
        topic="packages", name=f"[{extra}]", state="lack", found=f"without {', '.join(wanted)}",
        advice=f'pip install "{_DISTRIBUTION}[{extra}]", for who needs it',
    )


def _extra_of(requirement: requirements.Requirement) -> str:
  """The extra that a requirement is for, or ""."""
  marker = str(requirement.marker or "")
  return marker.partition("extra == ")[2].split('"')[1] if "extra == " in marker else ""


def devices() -> Finding:
  found, problem = _probe(_DEVICES)
  if problem:
    return Finding(
        topic="devices", name="jax", state="fault", found=problem,
        advice="reinstall jax for this hardware (https://docs.jax.dev/en/latest/installation.html), or set"
        " JAX_PLATFORMS=cpu; an accelerator that another process holds is not there",
    )
  memory = f", {found['memory'] / 2**30:.0f} GiB each" if found["memory"] else ""
  advice = ""
  if found["platform"] == "cpu":
    advice = "for a GPU: pip install \"jax[cuda12]\"; for a TPU: pip install \"jax[tpu]\""
  return Finding(
      topic="devices", name=found["platform"], state="ok", found=f"{found['count']} x {found['kind']}{memory}",
      advice=advice,
  )


def engine(name: str) -> Finding:
  """Whether an engine trains a tiny network for a step and samples from it."""
  found, problem = _probe(_ENGINE.format(import_engine=_ENGINES[name]))
  if not problem:
    problem = found.get("problem", "")
  if problem:
    state = "lack" if name in _OPTIONAL_ENGINES else "fault"
    return Finding(topic="engines", name=name, state=state, found=problem)
  return Finding(topic="engines", name=name, state="ok", found="trains and samples")


def sandbox(confinement: confinement_lib.Confinement) -> Iterator[Finding]:
  """The layers that keep programs apart from the machine."""
  missing = dict(confinement.missing)
  for layer in confinement_lib.LAYERS:
    if layer in confinement.layers:
      yield Finding(topic="sandbox", name=layer, state="ok", found="in force")
    else:
      yield Finding(
          topic="sandbox", name=layer, state="lack", found=f"missing: {missing.get(layer, 'no reason known')}",
          advice=_ADVICE[layer],
      )


def _confinement() -> confinement_lib.Confinement:
  with executor_lib.Executor(num_workers=1) as executor:
    return executor.confinement()


def _probe(source: str) -> tuple[dict, str]:
  """What a program prints as JSON in its last line; or {} and, in few words, why it did not."""
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
