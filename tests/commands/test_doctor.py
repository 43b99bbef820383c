"""`next-jax doctor` names what is there, what is missing, and what to do about it."""

import json
import subprocess
import sys

import pytest

from next_jax.commands import doctor
from next_jax.execution.confinement import confinement


def test_a_package_that_is_missing_or_of_a_wrong_version_is_a_fault_with_a_remedy():
  found = {
      check.name: check
      for check in doctor.packages(["pytest>=1", "pytest-timeout<0.0.1", "no-such-package-of-ours>=2,<3"])
  }
  assert (found["pytest"].state, found["pytest"].found) == ("ok", pytest.__version__)
  assert found["pytest-timeout"].state == "fault"
  assert found["pytest-timeout"].found.endswith("expected <0.0.1")
  missing = found["no-such-package-of-ours"]
  assert missing.state == "fault"
  assert missing.found == "not installed; expected <3,>=2"
  assert missing.advice == 'pip install "no-such-package-of-ours<3,>=2"'


def test_a_missing_package_that_only_an_extra_needs_is_a_lack():
  required = ['no-such-package-of-ours; extra == "toys"', 'pytest>=1; extra == "toys"', 'pytest; extra == "tea"']
  checks = list(doctor.packages(required))
  assert [(check.name, check.state) for check in checks] == [("[toys]", "lack")]
  assert checks[0].found == "without no-such-package-of-ours"
  assert "[toys]" in checks[0].advice


def test_a_requirement_for_another_platform_is_not_checked():
  assert not list(doctor.packages(['no-such-package-of-ours; sys_platform == "nowhere"']))


def test_a_missing_layer_is_shown_with_its_reason_and_what_to_do():
  found = list(doctor.sandbox(confinement.Confinement(
      layers=("privileges", "seccomp"), missing=(("namespaces", "no permission"), ("landlock", "Linux too old"))
  )))
  assert [(check.name, check.state) for check in found] == [
      ("privileges", "ok"), ("namespaces", "lack"), ("landlock", "lack"), ("seccomp", "ok"),
  ]
  assert found[1].found == "missing: no permission"
  assert "user namespaces" in found[1].advice
  assert "Linux 5.13" in found[2].advice


def test_a_probe_that_dies_or_fails_says_why():
  assert doctor._probe("import json; print('noise'); print(json.dumps({'a': 1}))") == ({"a": 1}, "")
  assert doctor._probe("raise RuntimeError('no accelerator')") == ({}, "RuntimeError: no accelerator")
  _, problem = doctor._probe("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
  assert problem.startswith("died of signal 9")


def test_the_doctor_itself_imports_neither_jax_nor_tensorflow():
  source = (
      "import sys, next_jax.commands.doctor\n"
      "print([name for name in ('jax', 'tensorflow', 'numpy') if name in sys.modules])"
  )
  done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
  assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_command_checks_every_topic_and_finds_no_fault_here():
  done = subprocess.run(
      [sys.executable, "-m", "next_jax.main", "doctor", "--json"], capture_output=True, text=True, check=False
  )
  checks = [json.loads(line) for line in done.stdout.splitlines()]
  assert list(dict.fromkeys(check["topic"] for check in checks)) == [
      "system", "packages", "devices", "engines", "sandbox",
  ]
  engines = {check["name"]: check for check in checks if check["topic"] == "engines"}
  assert engines["native"]["found"] == "trains and samples"
  assert engines["t5x"]["state"] in ("ok", "lack")
  if engines["t5x"]["state"] == "lack":
    assert "requirements/t5x.txt" in engines["t5x"]["found"]
  assert (done.returncode, [check for check in checks if check["state"] == "fault"]) == (0, [])
