"""A run says, and keeps in run.json, where its compiled programs are."""

import json
import types

import jax
import pytest

from next_jax.stages import provenance


@pytest.fixture(name="cache", params=["kept", None])
def _cache(request, tmp_path):
  """The directory of compiled programs, as an engine sets it, or None."""
  before = jax.config.jax_compilation_cache_dir
  directory = request.param and str(tmp_path / request.param)
  jax.config.update("jax_compilation_cache_dir", directory)
  yield directory
  jax.config.update("jax_compilation_cache_dir", before)


def test_where_compiled_programs_are_kept_is_said_and_recorded(cache, tmp_path, capsys):
  program = types.SimpleNamespace(workdir=tmp_path / "run", run_facts=lambda: {"seed": 0})
  with provenance.recorded(program, lambda: ""):
    said = capsys.readouterr().out
  expected = "" if cache is None else f"[compiled] programs are kept for the next run in {cache}\n"
  assert said == expected
  assert json.loads((tmp_path / "run/run.json").read_text())["devices"]["compilation_cache"] == cache
