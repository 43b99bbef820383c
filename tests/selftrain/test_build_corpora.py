"""Tests of building corpora alone."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from next_jax import errors
from next_jax import main
from next_jax.configuration import parsing
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair
from next_jax.execution import executor
from next_jax.selftrain import build_corpora
from next_jax.stages import provenance

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _building(workdir, *corpora):
  return build_corpora.BuildCorpora(workdir=workdir, corpora=corpora, executor=executor.Executor(num_workers=1))


def test_a_work_directory_has_the_corpora_their_digests_and_what_they_share(tmp_path, capsys):
  program = _building(tmp_path / "run", minirepair.MiniRepair(num_train=6, num_dev=3, num_unseen=2))
  with provenance.recorded(program, lambda: ""):
    program.run()
  data_dir.set_data_dir(None)
  directory = tmp_path / "run/corpus/minirepair"
  splits = sorted(directory.glob("*.jsonl"))
  text = "".join(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in splits)
  facts = json.loads((tmp_path / "run/run.json").read_text())
  assert facts["dataset_sha256"] == {"minirepair": hashlib.sha256(text.encode()).hexdigest()}
  assert facts["confinement"] == program.executor.confined.to_json()
  shared = json.loads((tmp_path / "run/corpus/contamination.json").read_text())
  assert {tuple(one["splits"]) for one in shared} == {
      ("minirepair/train", "minirepair/dev"), ("minirepair/train", "minirepair/unseen"),
      ("minirepair/dev", "minirepair/unseen"),
  }
  assert not any(one["repairs"] for one in shared)
  assert f"corpora: {tmp_path}/run/corpus (set NEXT_JAX_DATA_DIR to it)" in capsys.readouterr().out


@pytest.mark.parametrize("corpora", [(), (minirepair.MiniRepair(), minirepair.MiniRepair(seed=1))])
def test_each_corpus_once(tmp_path, corpora):
  with pytest.raises(errors.CorpusError, match="expected each corpus once"):
    _building(tmp_path, *corpora).prepare()


@pytest.mark.parametrize("name", ["build_mbpp_r", "mbpp_r_paper", "build_hefix_plus"])
def test_the_config_files_that_build_construct_and_say_how(name):
  path = f"gin_configs/corpora/{name}.gin"
  assert f"next-jax build --gin_file={path}" in (ROOT / path).read_text()
  parsing.parse([path], [], main.run)
  program = parsing.construct(main.run)
  program.prepare()
  assert isinstance(program, build_corpora.BuildCorpora) and program.workdir == f"runs/{name}"


def test_samples_of_models_can_be_mixed_in_on_the_command_line(tmp_path):
  (tmp_path / "samples.jsonl").write_text("{}\n")
  bindings = [
      "ORIGINS=(@model_written.ModelWritten(), @mutants.Mutants())",
      f"ModelWritten.files=('{tmp_path}/samples.jsonl',)", "ModelWritten.share=0.5",
  ]
  parsing.parse(["gin_configs/corpora/mbpp_r_paper.gin"], bindings, main.run)
  (corpus,) = parsing.construct(main.run).corpora
  assert [(origin.name, origin.share, origin.per_problem) for origin in corpus.origins] == [
      ("model", 0.5, 40), ("mutant", 1.0, 40),
  ]
  assert (corpus.num_train, corpus.num_dev) == (10047, 1468)


def test_the_command_wants_a_config_file(capsys):
  assert main.main(["build"]) == main.USER_ERROR
  assert "no config file given" in capsys.readouterr().err


def _command(shared_data, workdir):
  return [
      sys.executable, "-m", "next_jax.main", "build", "--gin_file=gin_configs/corpora/build_mbpp_r.gin",
      f"--gin.WORKDIR='{workdir}'", f"--gin.MBPP_FILE='{shared_data}/mbpp.jsonl'", "--gin.MbppR.num_train=150",
      "--gin.MbppR.num_dev=20", "--gin.NUM_WORKERS=2",
  ]


@pytest.mark.slow
def test_a_build_that_is_killed_goes_on_with_the_same_command_and_ends_with_the_same_bytes(shared_data, tmp_path):
  subprocess.run(_command(shared_data, tmp_path / "whole"), cwd=ROOT, check=True, capture_output=True, timeout=600)
  parts = tmp_path / "killed/corpus/mbpp_r"
  kept = 0
  for kill in range(2):
    started = subprocess.Popen(
        _command(shared_data, tmp_path / "killed"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while len(list(parts.glob("*.parts/part-*"))) <= kill and started.poll() is None and time.monotonic() < deadline:
      time.sleep(0.02)
    assert started.poll() is None, "it was over before it could be killed"
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    kept = len(list(parts.glob("*.parts/part-*")))
  assert kept >= 2
  subprocess.run(_command(shared_data, tmp_path / "killed"), cwd=ROOT, check=True, capture_output=True, timeout=600)
  whole, killed = (tmp_path / name / "corpus/mbpp_r" for name in ("whole", "killed"))
  names = {path.name for path in whole.iterdir()} - {"timing.json", "stage.json"}
  assert names == {"dev.jsonl", "train.jsonl", "statistics.json", "statistics.md"}
  assert {path.name for path in killed.iterdir()} - {"timing.json", "stage.json"} == names
  for name in names:
    assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
