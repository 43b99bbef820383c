"""The SeqIO tasks of minirepair over its split "other", which is not always built."""

import pytest
import seqio

from next_jax import errors
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair
from next_jax.execution import executor
from next_jax.selftrain.verbs import build
import tasks  # noqa: F401  (registers)


def test_an_evaluation_reads_split_other_where_it_was_built_and_says_so_where_it_was_not(tmp_path):
  numbers = {"num_train": 2, "num_dev": 1, "num_unseen": 1}
  name = "minirepair_other_trace"
  try:
    digests = build.build(tmp_path / "with", [minirepair.MiniRepair(**numbers, num_other=3)], executor.Executor())
    read, digest = build.read(name, "other", digests)
    assert [task.task_id.split("-")[0] for task in read] == [f"minirepair/other/0000{number}" for number in range(3)]
    assert digest == digests["minirepair"]["other"]
    prompts = seqio.get_mixture_or_task(name).get_dataset(None, "other", shuffle=False).as_numpy_iterator()
    assert [row["task_id"].decode() for row in prompts] == [task.task_id for task in read]

    digests = build.build(tmp_path / "without", [minirepair.MiniRepair(**numbers)], executor.Executor())
    with pytest.raises(errors.CorpusError, match="split 'other' of corpus 'minirepair' is not there"):
      build.read(name, "other", digests)
    with pytest.raises(errors.SelfTrainingError, match="has no split 'other'; it has train, dev, unseen"):
      build.read("minirepair_trace", "other", digests)
  finally:
    data_dir.set_data_dir(None)
