"""Tracing and verifying as Apache Beam transforms, for more programs than one machine should run::

    import apache_beam as beam
    from next_jax.execution import beam as beam_lib
    from next_jax.execution import program as program_lib

    with beam.Pipeline() as pipeline:
      programs = pipeline | beam_lib.Read("programs-*.jsonl.gz", program_lib.Program)
      verdicts = programs | beam_lib.Verify()
      verdicts | beam_lib.Write("verdicts")

or from the command line, on any runner; all further options are Beam's::

    python -m next_jax.execution.beam verify --input 'programs-*.jsonl' --output out/verdicts
    python -m next_jax.execution.beam trace --input 'requests-*.jsonl' --output out/traces

Both need `pip install next-jax[beam]`. Every Beam worker process needs next_jax as well: on Dataflow in
an image that has it (nothing else is needed; JAX and TensorFlow are not imported)::

    --runner DataflowRunner --project P --region R --temp_location gs://B/tmp --sdk_container_image IMAGE

on Flink likewise, `--environment_type DOCKER --environment_config IMAGE`, or LOOPBACK to try it with the
processes on this machine::

    --runner FlinkRunner --flink_master HOST:8081 --environment_type DOCKER --environment_config IMAGE

Programs are confined as everywhere (`executor.Executor`). Containers often forbid namespaces. The workers'
log names the missing layers, and `require_all_layers=True` refuses to run without them. Runners may run a
bundle twice: verdicts and traces are the same each time, except for `cpu_seconds`. The counters
"next_jax/verdict_passed", "next_jax/trace_returned" and so on show the results so far.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
import functools
import json
from typing import Any

import apache_beam as beam
from apache_beam.options import pipeline_options

from next_jax import files
from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import program as program_lib


class Read(beam.PTransform):
  """Reads records of one type from all JSONL files that match a pattern, .gz files too.

  Raises files.FileError, which ends the pipeline, for a line that is not such a record.
  """

  def __init__(self, pattern: str, record_type: type[schema.Record]):
    super().__init__()
    self._pattern = pattern
    self._record_type = record_type

  def expand(self, pipeline):
    return (
        pipeline
        | beam.io.ReadFromTextWithFilename(self._pattern)
        | beam.MapTuple(functools.partial(_parse, self._record_type))
        # Spreads a few large files over all workers.
        | beam.Reshuffle()
    )


class Write(beam.PTransform):
  """Writes records, or pairs of task_id and record, to JSONL files PREFIX-00000-of-00003.jsonl and so on."""

  def __init__(self, prefix: str, num_shards: int = 0):
    """num_shards: Number of files; 0 lets the runner choose."""
    super().__init__()
    self._prefix = prefix
    self._num_shards = num_shards

  def expand(self, records):
    return (
        records
        | beam.Map(_line)
        | beam.io.WriteToText(self._prefix, file_name_suffix=".jsonl", num_shards=self._num_shards)
    )


class Verify(beam.PTransform):
  """Maps each `program.Program` to its `schema.Verdict`.

  Args:
    batch_size: Maximum number of programs that an executor gets at once.
    executor: Makes an Executor. Each thread of a Beam worker has one, so the default has one worker.
  """

  def __init__(self, batch_size: int = 256, executor: Callable[[], executor_lib.Executor] | None = None):
    super().__init__()
    self._batch_size = batch_size
    self._executor = executor or functools.partial(executor_lib.Executor, num_workers=1)

  def expand(self, programs):
    return _in_batches(programs, self._batch_size, _VerifyFn(self._executor))


class Trace(beam.PTransform):
  """Maps each `program.TraceRequest` to (task_id, `schema.Trace`).

  Args:
    budget: A `tracing.recording.budgets.Budget`; None for its defaults.
    batch_size, executor: As in Verify.
  """

  def __init__(
      self,
      budget: Any = None,
      batch_size: int = 256,
      executor: Callable[[], executor_lib.Executor] | None = None,
  ):
    super().__init__()
    self._budget = budget
    self._batch_size = batch_size
    self._executor = executor or functools.partial(executor_lib.Executor, num_workers=1)

  def expand(self, requests):
    return _in_batches(requests, self._batch_size, _TraceFn(self._executor, self._budget))


class _ExecutorFn(beam.DoFn):
  """Opens an executor when a Beam worker starts, and closes it when the worker ends.

  If the worker is killed instead, the executor's processes end by themselves.
  """

  def __init__(self, make_executor: Callable[[], executor_lib.Executor]):
    self._make_executor = make_executor
    self._executor: executor_lib.Executor | None = None

  def setup(self):
    self._executor = self._make_executor().__enter__()

  def teardown(self):
    if self._executor is not None:
      self._executor.close()
      self._executor = None


class _VerifyFn(_ExecutorFn):

  def process(self, batch: Sequence[program_lib.Program]) -> Iterator[schema.Verdict]:
    assert self._executor is not None  # Beam has called setup
    for verdict in self._executor.verify(batch):
      beam.metrics.Metrics.counter("next_jax", f"verdict_{verdict.status}").inc()
      yield verdict


class _TraceFn(_ExecutorFn):

  def __init__(self, make_executor: Callable[[], executor_lib.Executor], budget: Any):
    super().__init__(make_executor)
    self._budget = budget

  def process(self, batch: Sequence[program_lib.TraceRequest]) -> Iterator[tuple[str, schema.Trace]]:
    assert self._executor is not None  # Beam has called setup
    for request, trace in zip(batch, self._executor.trace(batch, self._budget), strict=True):
      beam.metrics.Metrics.counter("next_jax", f"trace_{trace.outcome}").inc()
      yield request.task_id, trace


def _in_batches(elements, batch_size, do_fn):
  batches = elements | beam.BatchElements(min_batch_size=1, max_batch_size=batch_size)
  return batches | beam.ParDo(do_fn)


def _parse(record_type, file_name, line):
  try:
    return record_type.from_json(json.loads(line))
  except (ValueError, RecursionError) as error:  # RecordError is a ValueError too
    found = f"found {line[:80]!r}: {error}"
    raise files.FileError(f"{file_name}: expected a {record_type.record_name} a line, {found}") from None


def _line(element):
  if isinstance(element, tuple):
    task_id, record = element
    return files.dumps({"task_id": task_id, **record.to_json()})
  return files.dumps(element.to_json())


def main(argv: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("verb", choices=("verify", "trace"))
  parser.add_argument("--input", required=True, metavar="PATTERN", help="JSONL files of programs or trace requests")
  parser.add_argument("--output", required=True, metavar="PREFIX", help="prefix of the JSONL files to write")
  parser.add_argument("--require_all_layers", action="store_true", help="run nothing where confinement is incomplete")
  arguments, rest = parser.parse_known_args(argv)
  executor = functools.partial(executor_lib.Executor, num_workers=1, require_all_layers=arguments.require_all_layers)
  with beam.Pipeline(options=pipeline_options.PipelineOptions(rest, save_main_session=False)) as pipeline:
    if arguments.verb == "verify":
      results = pipeline | Read(arguments.input, program_lib.Program) | Verify(executor=executor)
    else:
      results = pipeline | Read(arguments.input, program_lib.TraceRequest) | Trace(executor=executor)
    results | Write(arguments.output)  # pylint: disable=expression-not-assigned


if __name__ == "__main__":
  main()
