"""The arithmetic of launch/README.md: its table follows from the assumptions beside it."""

import pathlib
import re

import pytest

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "launch" / "README.md").read_text()
BANDWIDTH_REACHED, LINKS_REACHED, PEAK_REACHED = 0.5, 0.5, 0.4
PROMPT, COMPLETION, ROW, SAMPLES_A_TASK = 1024, 256, 1408, 32
TASKS, DEV_TASKS, KEPT_A_TASK, EPOCHS = 10047, 1468, 3, 2


def table(first: str) -> list[list[str]]:
  """Rows of the table whose header begins with the cell `first`, without markup."""
  lines = iter(TEXT.splitlines())
  for line in lines:
    if line.strip().startswith(f"| {first} |"):
      break
  next(lines)
  rows = []
  for line in lines:
    if not line.strip().startswith("|"):
      return rows
    rows.append([cell.strip() for cell in line.replace("*", "").replace("\\", "").strip().strip("|").split("|")])


def numbers(text: str) -> list[float]:
  return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


MODELS = {row[0]: row for row in table("model | layers")}
CHIPS = {row[0]: [numbers(cell)[0] for cell in row[1:]] for row in table("chip")}
SLICES = table("model | slice")


def sizes(model: str) -> tuple[int, ...]:
  return tuple(int(numbers(cell)[0]) for cell in MODELS[model][1:8])


def parameters(model: str) -> int:
  layers, embed, heads, kv_heads, head, mlp, vocabulary = sizes(model)
  layer = 2 * embed * heads * head + 2 * embed * kv_heads * head + 3 * embed * mlp + 2 * embed
  return layers * layer + vocabulary * embed * (1 if "tied" in MODELS[model][7] else 2) + embed


def adapters(model: str, rank: int = 16) -> int:
  """Parameters of LoRA on all projections."""
  layers, embed, heads, kv_heads, head, mlp, _ = sizes(model)
  ends = 2 * (embed + heads * head) + 2 * (embed + kv_heads * head) + 3 * (embed + mlp)
  return layers * rank * ends


def cache(model: str) -> int:
  """Bytes a token."""
  layers, _, _, kv_heads, head, _, _ = sizes(model)
  return 2 * layers * kv_heads * head * 2


def chip_of(name: str) -> tuple[str, int]:
  kind, count = name.split("-")
  return {"v5litepod": "v5e"}.get(kind, kind), int(count) // (2 if kind == "v5p" else 1)


def estimate(model: str, name: str, shared_by: int, rows: int) -> list[float]:
  layers, embed, heads, kv_heads, head, mlp, vocabulary = sizes(model)
  kind, chips = chip_of(name)
  memory, bandwidth, peak, links = (value * 1e9 for value in CHIPS[kind])
  peak *= 1e3  # of TFLOP/s
  count, split_cache = parameters(model), shared_by if kv_heads % shared_by == 0 else 1
  layer = 16 * embed + (6 * heads * head + 8 * mlp + 3 * heads * ROW) / shared_by + 6 * kv_heads * head / split_cache
  activations = layer * ROW * layers + 8 * vocabulary * ROW / shared_by
  prompts = rows / SAMPLES_A_TASK * PROMPT
  read = 2 * count / shared_by + (prompts + rows * COMPLETION / 2) * cache(model) / split_cache
  compute = 2 * count * rows / (shared_by * peak * PEAK_REACHED)
  sums = 2 * layers * 2 * (shared_by - 1) / shared_by * rows * embed * 2 / (links * LINKS_REACHED)
  step = max(read / (bandwidth * BANDWIDTH_REACHED), compute) + sums
  prefill = 2 * count * prompts / (shared_by * peak * PEAK_REACHED)
  rate = chips // shared_by * rows / (COMPLETION * step + prefill)
  sampling = TASKS * SAMPLES_A_TASK / rate / 3600
  tokens = KEPT_A_TASK * TASKS * (PROMPT + COMPLETION) * EPOCHS
  training = 6 * count * tokens / (chips * peak * PEAK_REACHED) / 3600
  iteration = sampling * (1 + DEV_TASKS / TASKS) + training
  return [
      16 * count / shared_by / 1e9, activations / 1e9, memory / 1e9,
      (2 * count + 16 * adapters(model)) / shared_by / 1e9, 2 * count / shared_by / 1e9,
      (prompts + rows * COMPLETION) * cache(model) / split_cache / 1e9, rate, sampling, training, iteration,
      iteration * chips,
  ]


@pytest.mark.parametrize("model", MODELS)
def test_parameters_and_cache_follow_from_the_sizes(model):
  assert numbers(MODELS[model][8]) == [round(parameters(model) / 1e9, 2)]
  assert numbers(MODELS[model][9]) == [round(cache(model) / 1e3)]
  assert numbers(MODELS[model][10]) == [round(adapters(model) / 1e6, 1)]


@pytest.mark.parametrize("row", SLICES, ids=lambda row: f"{row[0]} on {row[1]}")
def test_memory_and_hours_follow_from_the_assumptions(row):
  model, name, chips, shared_by, rows = row[0], row[1].strip(), *(int(cell) for cell in row[2:5])
  assert chip_of(name)[1] == chips
  printed = [number for cell in row[5:] for number in re.findall(r"\d+(?:\.\d+)?", cell)]
  expected = estimate(model, name, shared_by, rows)
  assert printed == [f"{value:.{len(text.partition('.')[2])}f}" for value, text in zip(expected, printed, strict=True)]


def test_rematerialised_activations_are_within_the_stated_range():
  low, high = numbers(re.search(r"activations of (\S+ to \S+) GB in all rows", TEXT)[1])
  kept = []
  for model, name, _, shared_by, rows in (row[:5] for row in SLICES):
    layers, embed, _, _, _, _, vocabulary = sizes(model)
    logits = 8 * vocabulary * ROW / int(shared_by) / 1e9
    of_a_layer = (estimate(model, name, int(shared_by), int(rows))[1] - logits) / layers
    kept.append(2 * embed * ROW * layers / 1e9 + of_a_layer + logits)
  assert [round(min(kept), 1), round(max(kept), 1)] == [low, high]


def test_rows_in_bold_are_those_that_do_not_fit():
  def does_not_fit(cell):
    state, activations, memory = numbers(cell)
    return state + activations > memory

  rows = [line for line in TEXT.splitlines() if line.startswith("| ") and " of " in line]
  assert [line.split("**")[1] for line in rows if "**" in line] == [row[5] for row in SLICES if does_not_fit(row[5])]
