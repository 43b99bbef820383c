// What the scripts of the pages are made of: elements, and blocks of Python, of states and of diffs.
// All text from models and benchmarks goes through textContent, never through markup.
"use strict";
const pieces = (() => {
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") node.addEventListener("click", value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  const STRINGS = [/"""[^]*?(?:"""|$)/, /'''[^]*?(?:'''|$)/, /"(?:\\.|[^"\\\n])*"?/, /'(?:\\.|[^'\\\n])*'?/];
  const KEYWORDS = "and as assert async await break class continue def del elif else except False finally for from " +
    "global if import in is lambda None nonlocal not or pass raise return True try while with yield";
  const TOKEN = new RegExp([
    `(${STRINGS.map((one) => one.source).join("|")})`, "(#[^\\n]*)", `\\b(${KEYWORDS.replaceAll(" ", "|")})\\b`,
    "(\\b\\d[\\w.]*)",
  ].join("|"), "g");
  const CLASSES = ["string", "remark", "keyword", "number-literal"];

  // Lines of coloured Python: a list of nodes for each line.
  function python(code) {
    const lines = [[]];
    const add = (text, name) => text.split("\n").forEach((part, index) => {
      if (index > 0) lines.push([]);
      if (part) lines[lines.length - 1].push(name ? el("span", {class: name}, part) : part);
    });
    let end = 0;
    for (const match of code.matchAll(TOKEN)) {
      add(code.slice(end, match.index), null);
      add(match[0], CLASSES[match.slice(1).findIndex((group) => group !== undefined)]);
      end = match.index + match[0].length;
    }
    add(code.slice(end), null);
    return lines;
  }

  function codeBlock(lines) {
    return el("div", {class: "block", tabindex: "0"}, el("pre", {}, ...lines));
  }

  // `program` is a list of [line of code, comment with the states].
  function annotated(program) {
    const code = python(program.map(([line]) => line).join("\n"));
    return codeBlock(program.map(([, comment], index) =>
      el("span", {class: "line"}, ...(code[index] || []), comment ? el("span", {class: "state"}, comment) : null)));
  }

  // A removed line followed by an added one: what lies between their common start and end is marked.
  function marked(text, other) {
    let start = 0;
    while (start < text.length && start < other.length && text[start] === other[start]) start++;
    let end = 0;
    const most = Math.min(text.length, other.length) - start;
    while (end < most && text[text.length - 1 - end] === other[other.length - 1 - end]) end++;
    const middle = text.slice(start, text.length - end);
    return [text.slice(0, start), middle ? el("mark", {}, middle) : null, text.slice(text.length - end)];
  }

  function coloured(diff) {
    const lines = diff.split("\n");
    const pair = new Array(lines.length).fill(null);
    for (let i = 0; i < lines.length; ) {
      let removed = i;
      while (removed < lines.length && lines[removed][0] === "-") removed++;
      let added = removed;
      while (added < lines.length && lines[added][0] === "+") added++;
      if (removed - i === added - removed) {
        for (let k = 0; k < removed - i; k++) { pair[i + k] = lines[removed + k]; pair[removed + k] = lines[i + k]; }
      }
      i = Math.max(added, i + 1);
    }
    return codeBlock(lines.map((line, index) => {
      const kind = {"+": "added", "-": "removed", "@": "hunk"}[line[0]] || "";
      const body = pair[index] === null ? [line.slice(1)] : marked(line.slice(1), pair[index].slice(1));
      if (kind === "hunk") return el("span", {class: "line hunk"}, line);
      return el("span", {class: `line ${kind}`}, line[0] || " ", " ", ...body);
    }));
  }

  return {el, python, codeBlock, annotated, coloured};
})();
