// The browser of samples. All text from models and benchmarks goes through textContent, never through markup.
(() => {
  const {el, python, codeBlock, annotated, coloured} = pieces;
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const root = document.getElementById("browser");
  if (!root || data.evaluations.length === 0) return;

  const SIGNS = {
    passed: "✓", failed: "✗", error: "!", timeout: "∞", memory: "M", syntax: "S", infrastructure: "?", refused: "–",
  };
  const last = data.evaluations.reduce((best, one, index) => (one.is_default ? index : best), 0);
  const state = {evaluation: last, verdict: "all", kind: "all", query: "", task: null, sample: null};

  // ---- Which samples are shown --------------------------------------------------------------------------------

  const evaluation = () => data.evaluations[state.evaluation];

  function matchesVerdict(sample) {
    if (state.verdict === "all") return true;
    if (state.verdict === "not passed") return sample.status !== "passed";
    return sample.status === state.verdict;
  }

  function matchesTask(task) {
    return state.kind === "all" || task.bug_kind === state.kind;
  }

  function textOf(task) {
    if (!task.text) {
      const parts = [task.task_id, task.bug_kind, task.instruction, ...task.program.flat()];
      task.text = [...parts, ...task.tests.map((test) => test.code)].join("\n").toLowerCase();
    }
    return task.text;
  }

  function matchesQuery(task, sample, query) {
    if (!query || textOf(task).includes(query)) return true;
    const texts = [sample.rationale, sample.diff, sample.completion, sample.detail];
    return texts.some((text) => text && text.toLowerCase().includes(query));
  }

  // [{task: index, samples: [{sample, shown}]}], the tasks of which at least one sample is shown.
  function rows() {
    const query = state.query.trim().toLowerCase();
    const found = [];
    for (const group of evaluation().tasks) {
      const task = data.tasks[group.task];
      if (!matchesTask(task)) continue;
      const samples = group.samples.map(
        (sample) => ({sample, shown: matchesVerdict(sample) && matchesQuery(task, sample, query)}));
      if (samples.some((entry) => entry.shown)) found.push({group, task, samples});
    }
    return found;
  }

  // ---- One sample -------------------------------------------------------------------------------------------

  function tests(task, sample) {
    const results = sample.tests || [];
    return codeBlock(task.tests.map((test, index) => {
      const status = results[index];
      const mark = el("span", {class: `test-mark status-${status || ""}`, title: status || "not run"},
        status ? SIGNS[status] || "✗" : "·");
      const code = python(test.code).flatMap((nodes, line) => (line ? ["\n    ", ...nodes] : nodes));
      const tag = el("span", {class: "tag"}, test.is_public ? "public" : "hidden");
      return el("span", {class: "line"}, mark, ...code, tag);
    }));
  }

  function otherModels(group) {
    const buttons = [];
    data.evaluations.forEach((other, index) => {
      if (other.set !== evaluation().set) return;
      const counts = other.counts[group.key];
      if (!counts) return;
      const there = other.tasks.some((candidate) => candidate.key === group.key);
      buttons.push(el("button", {
        type: "button", class: index === state.evaluation ? "selected" : "", disabled: !there,
        onclick: () => { Object.assign(state, {evaluation: index, sample: 0}); draw(); },
      }, `${other.model_label}, ${other.input} `, el("b", {}, `${counts[0]}/${counts[1]}`)));
    });
    return el("div", {class: "models"}, ...buttons);
  }

  function detail(row) {
    const {group, task} = row;
    const {sample} = row.samples[state.sample];
    const parts = [
      el("div", {class: "step"},
        el("button", {type: "button", onclick: () => move(-1)}, "← previous"),
        el("button", {type: "button", onclick: () => move(1)}, "next →")),
      el("div", {},
        el("span", {class: `verdict status-${sample.status}`}, `${SIGNS[sample.status] || ""} ${sample.status}`),
        el("span", {class: "mono"}, sample.detail || "")),
      el("p", {class: "soft"}, `${task.task_id} · bug: ${task.bug_kind} (${task.bug_origin})` +
        ` · sample ${sample.sample_index} · log-probability ${sample.log_probability.toFixed(2)} over ${sample.token_count} tokens`),
      el("h3", {}, "Passed samples of this task, by model"), otherModels(group),
      el("h3", {}, "Instruction"), el("div", {class: "prose"}, task.instruction || "(none)"),
      el("h3", {}, "Tests"), tests(task, sample),
      el("h3", {}, "Program to repair, with its trace"),
      evaluation().input === "no trace"
        ? el("p", {class: "soft"}, "The states are for you: this model's prompts did not hold them.") : null,
      task.call ? el("p", {class: "soft mono"}, `${task.call} → ${task.outcome}`) : null,
      annotated(task.program),
    ];
    if (sample.rationale !== undefined) {
      parts.push(el("h3", {}, "Rationale the model wrote"), el("div", {class: "prose"}, sample.rationale || "(empty)"));
    }
    if (sample.diff !== undefined) {
      parts.push(el("h3", {}, "Fix the model wrote, against the program"));
      parts.push(sample.diff ? coloured(sample.diff) : el("p", {}, "The program unchanged."));
    }
    if (sample.completion !== undefined) {
      const why = `Could not be parsed: ${sample.refusal || "no fix in it"}`;
      const block = codeBlock([el("span", {class: "text"}, sample.completion || "(empty)")]);
      parts.push(el("h3", {}, "Completion"), el("p", {class: "soft"}, why), block);
    }
    return parts.filter((part) => part !== null);
  }

  // ---- The list, the tools and moving about ------------------------------------------------------------------

  let current = [];
  const list = el("div", {class: "list", "aria-label": "tasks"});
  const pane = el("div", {class: "detail"});
  const summary = el("p", {class: "soft", "aria-live": "polite"});

  function select(task, sample, scroll) {
    Object.assign(state, {task, sample});
    draw();
    if (scroll && window.matchMedia("(max-width: 820px)").matches) pane.scrollIntoView({behavior: "smooth"});
  }

  function move(by) {
    const flat = current.flatMap((row) => row.samples.map((entry, index) => ({...entry, key: row.group.key, index})))
      .filter((entry) => entry.shown);
    const here = flat.findIndex((entry) => entry.key === state.task && entry.index === state.sample);
    const there = flat[(here + by + flat.length) % flat.length];
    if (there) select(there.key, there.index, false);
  }

  function drawList() {
    const row_class = (row) => (row.group.key === state.task ? "row selected" : "row");
    list.replaceChildren(...current.map((row) => el("div", {class: row_class(row)},
      el("button", {type: "button", class: "name", title: row.task.task_id,
        onclick: () => select(row.group.key, row.samples.findIndex((entry) => entry.shown), true)}, row.task.task_id),
      el("span", {class: "kind"}, row.task.bug_kind),
      el("div", {class: "dots"}, ...row.samples.map(({sample, shown}, index) => {
        const here = row.group.key === state.task && index === state.sample;
        return el("button", {
          type: "button", class: `dot status-${sample.status}${shown ? "" : " dim"}${here ? " selected" : ""}`,
          title: `sample ${sample.sample_index}: ${sample.status}`,
          "aria-label": `sample ${sample.sample_index}: ${sample.status}`,
          onclick: () => select(row.group.key, index, true),
        }, SIGNS[sample.status] || "?");
      })))));
    if (current.length === 0) list.append(el("div", {class: "empty"}, "Nothing matches these filters."));
  }

  function draw() {
    current = rows();
    let row = current.find((candidate) => candidate.group.key === state.task);
    if (!row && current.length) { row = current[0]; state.task = row.group.key; state.sample = null; }
    if (row && !(row.samples[state.sample] && (row.samples[state.sample].shown || state.verdict === "all"))) {
      state.sample = Math.max(0, row.samples.findIndex((entry) => entry.shown));
    }
    const scrolled = list.scrollTop;
    drawList();
    list.scrollTop = scrolled;
    pane.replaceChildren(...(row ? detail(row) : []));
    const shown = current.reduce((sum, one) => sum + one.samples.filter((entry) => entry.shown).length, 0);
    const one = evaluation();
    const embedded = one.tasks.reduce((sum, group) => sum + group.samples.length, 0);
    const abridged = ` Abridged: this page holds ${embedded} of the ${one.num_samples} samples of this evaluation` +
      ` (the first tasks, and the first samples of each); all are in ${one.directory}.`;
    summary.textContent =
      `${shown} samples of ${current.length} tasks match.` + (embedded < one.num_samples ? abridged : "");
    tools.evaluation.value = String(state.evaluation);
    tools.verdict.value = state.verdict;
    tools.kind.value = state.kind;
    const hash = new URLSearchParams({evaluation: one.id, task: state.task ?? "", sample: String(state.sample ?? 0)});
    try { history.replaceState(null, "", "#" + hash); } catch (error) { /* a page inside a frame may not */ }
  }

  function choice(name, options, change) {
    const node = el("select", {}, ...options.map(([value, text]) => el("option", {value}, text)));
    node.addEventListener("change", () => { change(node.value); draw(); });
    return [node, el("label", {class: name === "Model and tasks" ? "wide" : ""}, name, node)];
  }

  const samples = data.evaluations.flatMap((one) => one.tasks.flatMap((group) => group.samples));
  const statuses = [...new Set(samples.map((sample) => sample.status))].filter((status) => status !== "passed");
  const kinds = [...new Set(data.tasks.map((task) => task.bug_kind))].sort();
  const tools = {};
  const labels = [];
  const same = (names) => names.map((name) => [name, name]);
  const evaluations = data.evaluations.map((one, number) => [String(number), one.label]);
  [tools.evaluation, labels[0]] = choice("Model and tasks", evaluations, (value) => {
    state.evaluation = Number(value);
  });
  [tools.verdict, labels[1]] = choice("Verdict", same(["all", "passed", "not passed", ...statuses]), (value) => {
    Object.assign(state, {verdict: value, sample: null});
  });
  [tools.kind, labels[2]] = choice("Kind of bug", same(["all", ...kinds]), (value) => { state.kind = value; });
  const search = el("input", {type: "search", placeholder: "code, rationale, task…", autocomplete: "off"});
  search.addEventListener("input", () => { state.query = search.value; state.sample = null; draw(); });
  labels.push(el("label", {}, "Search", search));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    if (event.key === "j") move(1);
    if (event.key === "k") move(-1);
  });

  const wanted = new URLSearchParams(location.hash.slice(1));
  const index = data.evaluations.findIndex((one) => one.id === wanted.get("evaluation"));
  if (index >= 0) {
    Object.assign(state, {evaluation: index, task: wanted.get("task"), sample: Number(wanted.get("sample")) || 0});
  }
  root.replaceChildren(el("div", {class: "tools"}, ...labels), summary, el("div", {class: "browser"}, list, pane));
  draw();
})();
