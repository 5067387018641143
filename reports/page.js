"use strict";
// Short pages are complete without this script: it adds sorting, filters, copying and unfolding of link
// targets. Long pages keep their rows as JSON, of which it draws a part at a time.

const words = JSON.parse(document.body.dataset.words);
const order = new Intl.Collator("en", { numeric: true });
const say = (text, values = {}) => words[text].replace(/\{(\w+)\}/g, (_, name) => values[name]);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null); // what is not known comes last
  const ascending = typeof a === "number" && typeof b === "number" ? a - b : order.compare(a, b);
  return down ? -ascending : ascending;
}

// Rows that are written out in the page.
class WrittenRows {
  constructor(table) {
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows];
    this.texts = null;
  }
  get length() { return this.rows.length; }
  key(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    return text === "" || cell.classList.contains("none") ? null : text;
  }
  sort(column, down) {
    const keyed = this.rows.map((row) => [this.key(row, column), row]);
    keyed.sort(([a], [b]) => compare(a, b, down));
    this.body.append(...keyed.map(([, row]) => row));
  }
  filter(tokens) {
    this.texts ??= this.rows.map((row) => row.textContent.toLowerCase());
    let count = 0;
    this.rows.forEach((row, i) => {
      row.hidden = !tokens.every((token) => this.texts[i].includes(token));
      count += !row.hidden;
    });
    return count;
  }
  lines() {
    return [...this.body.rows].filter((row) => !row.hidden).map((row) => [...row.cells].map(exactText));
  }
}

const exactText = (cell) => cell.dataset.v ?? (cell.textContent.trim().replace(/\s+/g, " ") || "–");

// Rows that stand as JSON beside the table.
class PackedRows {
  constructor(table, data) {
    Object.assign(this, data, { table, body: table.tBodies[0], shown: 0 });
    this.several = table.tHead.rows[1].cells.length - this.heads.length === 4;
    this.order = this.rows.map((_, i) => i);
    this.visible = this.order;
    this.button = make("button", { type: "button", class: "more-rows" });
    this.button.addEventListener("click", () => this.more());
    table.parentNode.after(this.button);
    this.draw();
  }
  get length() { return this.rows.length; }
  key(i, column) {
    const own = this.several ? 4 : 3;
    if (column >= own) return this.columns[column - own][i];
    const row = this.rows[i];
    const at = this.several ? [1, 3, 4, 6] : [1, 4, 6];
    return at[column] === 1 ? row[1] : this.names[row[at[column]]];
  }
  sort(column, down) {
    this.order.sort((a, b) => compare(this.key(a, column), this.key(b, column), down));
    this.filter(this.tokens ?? []);
  }
  filter(tokens) {
    this.tokens = tokens;
    this.texts ??= this.rows.map((row) =>
      [row[1], ...row.slice(3).map((name) => this.names[name])].join(" ").toLowerCase());
    this.visible = this.order.filter((i) => tokens.every((token) => this.texts[i].includes(token)));
    this.draw();
    return this.visible.length;
  }
  draw() {
    this.body.replaceChildren();
    this.shown = 0;
    this.more();
  }
  more() {
    const next = this.visible.slice(this.shown, this.shown + 200);
    this.body.append(...next.map((i) => this.line(i)));
    this.shown += next.length;
    const left = Math.min(200, this.visible.length - this.shown);
    this.button.hidden = left === 0;
    this.button.textContent = say("Show {count} more", { count: left });
  }
  line(i) {
    const [number, name, , board, precision, badge, word] = this.rows[i];
    const link = make("a", { href: `#r${number}` }, make("bdi", {}, name));
    const cells = [make("th", { scope: "row", class: "name" }, link)];
    if (this.several) cells.push(make("td", { class: "board" }, make("bdi", {}, this.names[board])));
    const shown = this.names[precision];
    const mark = shown === "NONE" ? "" : make("span", { class: `p-${shown.toLowerCase()}` }, shown);
    cells.push(make("td", {}, mark));
    cells.push(make("td", {}, make("span", { class: `badge ${this.names[badge]}` }, this.names[word])));
    this.heads.forEach((head, at) => {
      const value = this.columns[at][i];
      cells.push(value === null
        ? this.blank(head, at, i)
        : make("td", { class: head.class, "data-v": value },
          this.aside(at, i, 0) + rounded(value / head.divisor, head.digits) + this.aside(at, i, 1)));
    });
    return make("tr", {}, ...cells);
  }
  blank(head, at, i) {
    const word = this.blanks[at]?.[i];
    const first = head.first ? "first" : null;
    if (word === undefined) return make("td", { class: first, title: say("Not known") });
    return make("td", { class: first ? "none first" : "none" }, this.names[word]);
  }
  // What stands before and after a figure: of a bound, its mark and what makes it one.
  aside(column, i, which) {
    const pair = this.asides[column][i];
    return pair ? this.names[pair[which]] : "";
  }
  lines() {
    return this.visible.map((i) => {
      const [, name, , board, precision, , word] = this.rows[i];
      const own = [name, ...(this.several ? [this.names[board]] : []), this.names[precision], this.names[word]];
      return [...own, ...this.columns.map((values, at) => values[i] ?? this.names[this.blanks[at]?.[i]] ?? "–")];
    });
  }
}

function rounded(value, digits) {
  if (digits !== null) {
    const text = value.toFixed(digits);
    return value < 1 && Number(text) === 1 ? `>${(1 - 10 ** -digits).toFixed(digits)}` : text;
  }
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3)))));
  const decimals = Math.max(0, 2 - exponent);
  if (decimals > 6) return value.toExponential(2);
  return value.toFixed(decimals).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, "\u202f");
}

function makeSortable(table, rows) {
  for (const header of table.querySelectorAll("th[data-sort]")) {
    const button = make("button", { type: "button" }, ...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort(header.cellIndex, down);
    });
  }
}

function makeTools(table, rows) {
  if (rows.length < 12 && table.dataset.alwaysCopy === undefined) return;
  const tools = make("div", { class: "tools" });
  if (rows.length >= 12) tools.append(makeFilter(rows));
  const copy = make("button", { type: "button", class: "copy" }, say("Copy"));
  copy.addEventListener("click", async () => {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells].map((cell) => exactText(cell));
    const text = [heads, ...rows.lines()].map((line) => line.map(safe).join("\t")).join("\n");
    await navigator.clipboard.writeText(text);
    copy.textContent = say("Copied");
    copy.addEventListener("blur", () => { copy.textContent = say("Copy"); }, { once: true });
  });
  tools.append(copy);
  table.parentNode.before(tools);
}

// A spreadsheet takes a text that begins so for a formula (OWASP, CSV injection).
const safe = (cell) => (/^[=+@\t\r]|^-(?![\d.])/.test(String(cell)) ? `'${cell}` : String(cell));

function makeFilter(rows) {
  const input = make("input", { type: "search", placeholder: say("Filter rows"), "aria-label": say("Filter rows") });
  const shown = make("output");
  input.addEventListener("input", () => {
    const tokens = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const count = rows.filter(tokens);
    shown.textContent = tokens.length ? say("{shown} of {all} rows", { shown: count, all: rows.length }) : "";
  });
  return make("label", { class: "filter" }, input, shown);
}

// A rounded figure tells its exact value when it is pointed at.
addEventListener("pointerover", ({ target }) => {
  const cell = target.closest?.("td[data-v]");
  if (!cell || cell.title) return;
  const table = cell.closest("table");
  const head = table.tHead.rows[table.tHead.rows.length - 1].cells[cell.cellIndex];
  cell.title = `${cell.dataset.v} ${head?.dataset.exact ?? ""}`.trim();
});

// Entries are text until they are wanted: most never are, and a page of hundreds of them opens the sooner.
function unpack(details) {
  const kept = details.querySelector("noscript");
  if (!kept) return;
  kept.outerHTML = kept.textContent;
}

// What rows have in common stands once: an entry that is opened shows it, too.
function addShared(details) {
  unpack(details);
  const list = details.querySelector("dl");
  if (!list || details.dataset.whole !== undefined) return;
  details.dataset.whole = "";
  for (const link of list.querySelectorAll("a[href^='#g'], a[href^='#s']")) {
    const other = document.getElementById(link.hash.slice(1));
    unpack(other);
    list.append(...[...other.querySelector("dl").children].map((child) => child.cloneNode(true)));
  }
}

// Finding in the page looks into closed entries too, once they are unpacked: so that is done at leisure.
function unpackAtLeisure(waiting) {
  requestIdleCallback((time) => {
    while (waiting.length && time.timeRemaining() > 2) unpack(waiting.shift());
    if (waiting.length) unpackAtLeisure(waiting);
  });
}

let packedProvenance = null;
function openPacked(id) {
  const script = document.getElementById("packed-provenance");
  const number = /^r\d+$/.test(id) ? Number(id.slice(1)) : NaN;
  if (!script || Number.isNaN(number)) return;
  packedProvenance ??= JSON.parse(script.textContent);
  const { shapes, texts, shared, rows } = packedProvenance;
  const [shape, ...places] = rows[number] ?? [0];
  const values = places.splice(2);
  const list = make("dl");
  const add = (label, text) => list.append(make("dt", {}, label),
    text === null ? make("dd", { class: "none", title: say("Not known") }, "–") : make("dd", {}, text));
  values.forEach((text, at) => add(shapes[shape][at], typeof text === "number" ? texts[text] : text));
  shared.forEach((sets, at) => sets[places[at]].forEach(([label, text]) => add(label, text)));
  const opened = make("details", { class: "row", id, open: "" }, make("summary", {}, id), list);
  document.getElementById("opened").replaceChildren(opened);
  opened.scrollIntoView();
}

function unfoldTarget() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id) return;
  // The heights of sections out of sight are guesses, by which a browser scrolls past what it looks for.
  document.documentElement.classList.add("whole");
  const target = document.getElementById(id);
  if (!target) return openPacked(id);
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView();
}

for (const table of document.querySelectorAll("table[data-table]")) {
  const packed = table.dataset.packed && document.getElementById(table.dataset.packed);
  const rows = packed ? new PackedRows(table, JSON.parse(packed.textContent)) : new WrittenRows(table);
  makeSortable(table, rows);
  makeTools(table, rows);
}
document.addEventListener("toggle", ({ target }) => target.open && addShared(target), true);
addEventListener("hashchange", unfoldTarget);
unfoldTarget();
addEventListener("load", () => unpackAtLeisure([...document.querySelectorAll("details.row:has(noscript)")]));
