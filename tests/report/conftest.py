"""A finished run for the tests of the report."""

import pytest
import work_directories  # beside this file

from next_jax import files


@pytest.fixture(scope="session")
def tasks():
  return work_directories.make_tasks(40)


@pytest.fixture(scope="session")
def finished_run(tasks, tmp_path_factory):
  """A run of base, three iterations and a control, that ended well."""
  workdir = tmp_path_factory.mktemp("runs") / "quickstart"
  files.write_json(workdir / "run.json", {
      "versions": {"python": "3.11.9", "jax": "0.10.2"}, "platform": "Linux", "cpu_count": 2, "git_commit": "abc",
      "seed": 0, "dataset_digests": {"minirepair": {"dev": "0011223344556677"}}, "finished": True,
  })
  files.write_text(workdir / "config.gin", "# <tags> & such\nSelfTraining.iterations = 3\n")
  files.write_json(workdir / "best.json", {"model": "iteration_03", "why": "highest pass@1 on dev"})
  rates = {"base": 0.12, "iteration_01": 0.4, "iteration_02": 0.5, "iteration_03": 0.62, "control_unfiltered": 0.13}
  for model, rate in rates.items():
    if not model.startswith("control"):
      work_directories.write_round(workdir, model, tasks, rate, kept=0 if model == "base" else int(300 * rate))
    evaluations = [("dev", "dev", True, rate, 1), ("unseen", "unseen", True, 0.9 * rate, 2)]
    if model in ("base", "iteration_03"):
      evaluations.append(("dev_notrace", "dev", False, 0.93 * rate, 3))
    for name, split, with_trace, its_rate, seed in evaluations:
      samples, verdicts = work_directories.make_results(tasks, 8, its_rate, seed)
      work_directories.write_evaluation(
          workdir, model, name, split=split, with_trace=with_trace, tasks=tasks, samples=samples, verdicts=verdicts,
          seed=seed,
      )
  return workdir
