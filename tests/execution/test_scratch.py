"""Emptying a scratch directory removes whatever a program left in it, and nothing else."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from next_jax.execution.judging import scratch


def users():
  yield None
  if hasattr(os, "geteuid") and os.geteuid() == 0:
    yield 65534  # whom modes do restrict


@pytest.fixture
def directory(monkeypatch):
  # In memory where there is such a place: thousands of files take minutes on a disk that others use.
  path = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
  monkeypatch.chdir(path)
  yield path
  shutil.rmtree(path)


def empty(directory):
  descriptor = os.open(directory, os.O_RDONLY)
  scratch.empty(descriptor)
  os.close(descriptor)


def test_files_directories_links_and_pipes_are_removed(directory):
  victim = directory.with_name(f"{directory.name}_victim")
  victim.mkdir()
  (victim / "file").write_text("untouched")
  os.makedirs("a/b/c")
  for name in ("a/b/file", "a/b/c/file", "file", " ", "-rf", "1", "2"):
    open(name, "w").close()
  os.makedirs("3/1/2")
  os.symlink(victim, "link")
  os.symlink(victim, "a/b/link")
  os.symlink("nowhere", "a/broken")
  os.link(victim / "file", "a/hard")
  os.mkfifo("a/pipe")
  empty(directory)
  assert os.listdir(directory) == []
  assert (victim / "file").read_text() == "untouched" and os.listdir(victim) == ["file"]
  shutil.rmtree(victim)


def test_directories_deeper_than_a_path_can_be_long_are_removed(directory):
  for _ in range(3000):
    os.mkdir("a long name")
    os.chdir("a long name")
    open("file", "w").close()
  os.chdir(directory)
  empty(directory)
  assert os.listdir(directory) == []


@pytest.mark.parametrize("user", users())
def test_modes_keep_nothing_from_being_removed(user):
  # In a process of its own, because one that becomes an ordinary user cannot become root again.
  script = (
      "import os, sys, tempfile\n"
      "if sys.argv[1] != 'None': os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))\n"
      "directory = tempfile.mkdtemp()\n"
      "os.chdir(directory)\n"
      "descriptor = os.open('.', os.O_RDONLY)\n"
      "os.makedirs('a/b/c'); os.mkdir('empty'); open('a/b/file', 'w').close()\n"
      "for name in ('a/b/file', 'a/b/c', 'a/b', 'a', 'empty', '.'): os.chmod(name, 0)\n"
      "scratch.empty(descriptor)\n"
      "assert os.listdir() == []\n"
      "os.rmdir(directory)\n"
  )
  script = "from next_jax.execution.judging import scratch\n" + script
  result = subprocess.run([sys.executable, "-c", script, str(user)], capture_output=True, text=True, check=False)
  assert result.returncode == 0, result.stderr


def test_used_bytes_counts_blocks_and_follows_no_links(directory, tmp_path):
  (tmp_path / "large").write_bytes(b"x" * (1 << 20))
  before = scratch.used_bytes(str(directory))
  os.makedirs("a/b")
  with open("a/b/file", "wb") as file:
    file.write(b"x" * 300000)
  os.symlink(tmp_path, "link")
  with open("sparse", "wb") as file:
    file.truncate(1 << 30)
  assert 300000 <= scratch.used_bytes(str(directory)) - before < 400000


def test_used_bytes_of_more_than_ten_thousand_files_is_infinite(directory):
  for number in range(10001):
    open(str(number), "w").close()
  assert scratch.used_bytes(str(directory)) == float("inf")
