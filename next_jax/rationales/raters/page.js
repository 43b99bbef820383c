// One rationale a screen, its questions, and the rater's answers, which stay in this browser until they are exported.
(() => {
  const {el, python, codeBlock, annotated, coloured} = pieces;
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const root = document.getElementById("rate");
  const storageKey = `next-jax rate ${data.study} ${data.page}`;
  const state = {rater: "", position: 0, answers: {}};  // answers: item -> question -> choice

  // ---- Progress, kept in the browser --------------------------------------------------------------------------

  const notice = el("p", {class: "notice", role: "alert", hidden: true});

  function warn(what, error) {
    notice.textContent = `${what} (${error.message}). Do not close this page before you have exported your answers.`;
    notice.hidden = false;
  }

  function restore() {
    try {
      const kept = JSON.parse(localStorage.getItem(storageKey) || "{}");
      if (typeof kept.rater === "string") state.rater = kept.rater;
      if (data.items[kept.position]) state.position = kept.position;
      for (const {item} of data.items) if (kept.answers && kept.answers[item]) state.answers[item] = kept.answers[item];
    } catch (error) {
      warn("What this browser has kept of your answers cannot be read", error);
    }
  }

  function keep() {
    try {
      localStorage.setItem(storageKey, JSON.stringify(state));
    } catch (error) {
      warn("This browser does not keep your answers", error);
    }
  }

  // ---- Answers --------------------------------------------------------------------------------------------------

  const current = () => data.items[state.position];
  const answersOf = (one) => state.answers[one.item] || {};
  const isAnswered = (one) => data.questions.every((question) => question.name in answersOf(one));
  const firstOpen = (one) => data.questions.find((question) => !(question.name in answersOf(one)));

  function answer(question, choice) {
    const one = current();
    state.answers[one.item] = {...answersOf(one), [question.name]: choice};
    keep();
    mark();
  }

  function takeBack() {
    const given = data.questions.filter((question) => question.name in answersOf(current()));
    if (given.length === 0) return;
    delete state.answers[current().item][given[given.length - 1].name];
    keep();
    mark();
  }

  function exportAnswers() {
    state.rater = name.value.trim();
    if (!state.rater) {
      status.textContent = "Give your name first: it tells your file from those of other raters.";
      name.focus();
      return;
    }
    const answered = data.items.filter(isAnswered);
    const content = {
      schema_version: 1, study: data.study, built: data.built, page: data.page, rater: state.rater,
      exported: new Date().toISOString(),
      answers: answered.map((one) => ({item: one.item, ...answersOf(one)})),
    };
    const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2) + "\n"], {type: "application/json"}));
    const file = `ratings_${data.study}_${state.rater.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
    el("a", {href: url, download: file}).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    const left = data.items.length - answered.length;
    status.textContent = `${file} holds ${answered.length} of ${data.items.length} rationales` +
      (left ? "; those without all answers are not in it." : ".");
  }

  // ---- The screen -----------------------------------------------------------------------------------------------

  const hint = (key) => el("kbd", {"aria-hidden": "true"}, key);
  const keyOf = (choice) => String(choice)[0];

  function fieldset(question) {
    const named = typeof question.choices[0] === "string";
    return el("fieldset", {"data-question": question.name},
      el("legend", {}, question.text, named ? null : el("span", {class: "soft"}, "1 is bad, 5 is very good")),
      el("div", {class: "choices"}, ...question.choices.map((choice) => {
        const input = el("input", {type: "radio", name: question.name, value: String(choice)});
        input.addEventListener("change", () => answer(question, choice));
        const text = el("span", {}, String(choice));
        return el("label", {class: "choice"}, input, text, named ? hint(keyOf(choice)) : null);
      })));
  }

  function task(number) {
    const one = data.tasks[number];
    const lines = (test) => python(test).flatMap((nodes) => [...nodes, "\n"]);
    const tests = one.tests.map((test) => el("span", {class: "line"}, ...lines(test)));
    return [
      el("h2", {}, `Task ${number + 1} of ${data.tasks.length}`),
      el("p", {}, one.instruction || "(no instruction)"),
      el("h3", {}, "Tests"), codeBlock(tests),
      el("h3", {}, "Program with the bug", one.call ? ", with its states on the first test" : null),
      el("div", {class: "numbered"}, annotated(one.program)),
      one.call ? el("p", {class: "soft mono"}, `${one.call} → ${one.outcome}`) : null,
    ].filter((part) => part !== null);
  }

  function fix(one) {
    if (one.diff === null) return el("p", {class: "soft"}, "No program could be read from what was written.");
    return one.diff ? coloured(one.diff) : el("p", {class: "soft"}, "The program unchanged.");
  }

  function rationale() {
    const one = current();
    const ofTask = data.items.filter((other) => other.task === one.task);
    return [
      el("h2", {tabindex: "-1"}, `Rationale ${ofTask.indexOf(one) + 1} of ${ofTask.length} on this task`),
      el("div", {class: "prose"}, one.rationale || "(empty)"),
      el("h3", {}, "The fix that came with it"), fix(one),
    ];
  }

  const status = el("p", {class: "soft status", role: "status"});  // of the export
  const ending = el("p", {class: "soft status", role: "status"});
  const progress = el("progress", {max: String(data.items.length), "aria-label": "rationales with all answers"});
  const count = el("span", {class: "soft"});
  const name = el("input", {type: "text", autocomplete: "name", id: "rater"});
  const taskPane = el("section", {"aria-label": "task"});
  const rationalePane = el("section", {"aria-label": "rationale"});
  const form = el("section", {class: "questions", "aria-label": "questions"}, ...data.questions.map(fieldset));
  const button = (text, act, key) => el("button", {type: "button", onclick: act}, text, key ? hint(key) : null);
  const previous = button("← Previous", () => move(state.position - 1), "k");
  const next = button("Next →", () => move(state.position + 1), "Enter");
  const open = button("Next unrated", () => {
    const after = [...data.items.keys()].map((index) => (index + state.position + 1) % data.items.length);
    move(after.find((index) => !isAnswered(data.items[index])));
  });
  form.append(el("div", {class: "moves"}, previous, next, open), ending);

  // Shows the answers of the current rationale, without making the screen anew: the focus stays where it is.
  function mark() {
    const one = current();
    const given = answersOf(one);
    for (const question of data.questions) {
      const group = form.querySelector(`[data-question="${question.name}"]`);
      group.classList.toggle("open", firstOpen(one) === question);
      for (const input of group.querySelectorAll("input")) {
        input.checked = input.value === String(given[question.name]);
        input.parentElement.classList.toggle("chosen", input.checked);
      }
    }
    const done = data.items.filter(isAnswered).length;
    progress.value = done;
    count.textContent = `${state.position + 1} of ${data.items.length} · ${done} answered`;
    previous.disabled = state.position === 0;
    next.disabled = state.position === data.items.length - 1;
    next.classList.toggle("primary", isAnswered(one));
    open.disabled = done === data.items.length;
    ending.textContent = done === data.items.length ? "All rationales are rated: export your answers, at the top." : "";
  }

  function draw() {
    taskPane.replaceChildren(...task(current().task));
    rationalePane.replaceChildren(...rationale());
    mark();
  }

  function move(position) {
    if (!data.items[position]) return;
    const isOtherTask = data.items[position].task !== current().task;
    state.position = position;
    keep();
    draw();
    const heading = rationalePane.querySelector("h2");
    heading.focus({preventScroll: true});
    (isOtherTask ? taskPane : heading).scrollIntoView({block: isOtherTask ? "start" : "nearest"});
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === name) return;
    const question = firstOpen(current());
    const begins = (choice) => typeof choice === "string" && keyOf(choice) === event.key;
    const letter = question && question.choices.find(begins);
    const scale = data.questions.find((one) => one.choices.some((choice) => choice === Number(event.key)));
    if (letter) answer(question, letter);
    else if (scale) answer(scale, Number(event.key));
    else if (event.key === "Backspace") takeBack();
    else if (event.key === "j" || (event.key === "Enter" && !/^(BUTTON|SUMMARY)$/.test(event.target.tagName))) {
      move(state.position + 1);
    } else if (event.key === "k") move(state.position - 1);
    else return;
    event.preventDefault();
  });

  restore();
  name.value = state.rater;
  name.addEventListener("input", () => { state.rater = name.value; keep(); });
  root.replaceChildren(
    el("details", {open: Object.keys(state.answers).length ? null : ""}, el("summary", {}, "How to rate"),
      el("p", {}, "Each screen shows a program with a bug and what one of several models wrote about it: a rationale," +
        " and a fix as the lines that it removes (−) and adds (+). Behind each line of the program stand the states" +
        " that it went through on the first test. Judge the rationale; the fix is there to compare it with. You are" +
        " not told which model wrote what, nor whether the fix passes the tests."),
      el("p", {class: "keys"}, "Keys: ", hint("y"), " yes, ", hint("p"), " partly, ", hint("n"),
        " no to the question that is marked; ", hint("1"), "–", hint("5"), " overall; ", hint("Backspace"),
        " takes the last answer back; ", hint("Enter"), " or ", hint("j"), " next, ", hint("k"), " previous."),
      el("p", {}, "Your answers stay in this browser. When you are done, export them and send the file to" +
        " whoever gave you this page.")),
    notice,
    el("div", {class: "bar"},
      el("div", {class: "progress"}, progress, count),
      el("label", {for: "rater"}, "Your name", name),
      el("button", {type: "button", class: "export", onclick: exportAnswers}, "Export answers"), status),
    el("div", {class: "screen"}, taskPane, el("div", {class: "columns"}, rationalePane, form)));
  draw();
})();
