"""What programs leave in their directory goes, whatever it is, and nothing else does."""

import os
import subprocess
import sys

import pytest

from next_jax.execution import scratch


def users():
  yield None
  if hasattr(os, "geteuid") and os.geteuid() == 0:
    yield 65534  # to whom modes mean something


@pytest.fixture
def directory(tmp_path, monkeypatch):
  path = tmp_path / "program"
  path.mkdir(mode=0o700)
  monkeypatch.chdir(path)
  return path


def empty(directory):
  descriptor = os.open(directory, os.O_RDONLY)
  scratch.empty(descriptor)
  os.close(descriptor)


def test_files_directories_links_and_pipes_are_removed(directory, tmp_path):
  victim = tmp_path / "victim"
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
  # In a process of its own, because an ordinary user is none that could come back.
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
  script = "from next_jax.execution import scratch\n" + script
  result = subprocess.run([sys.executable, "-c", script, str(user)], capture_output=True, text=True, check=False)
  assert result.returncode == 0, result.stderr
