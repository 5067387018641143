"use strict";
// Draws rows of cases and facts of rows, which stand in the page as JSON; adds sorting, filters, copying and
// unfolding of link targets to all tables.

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

// On a phone the times stand beside the name: which columns of the table stand where, from left to right.
const isPhone = matchMedia("screen and (max-width: 40rem)").matches;
function placesOf(table) {
  const head = table.tHead.rows[table.tHead.rows.length - 1];
  const cells = [...head.cells];
  const places = cells.map((_, at) => at);
  if (!isPhone || table.dataset.ranking !== undefined) return places;
  const isTime = (at) => cells[at].dataset.time !== undefined;
  const moved = [0, ...places.filter(isTime), ...places.slice(1).filter((at) => !isTime(at))];
  head.append(...moved.map((at) => cells[at]));
  return moved;
}

// Rows of cases, which stand as JSON beside their table: of very many a part at a time.
class CaseRows {
  constructor(table, data, order = data.rows.map((_, i) => i), part = data.isLong ? 200 : Infinity, next = part) {
    Object.assign(this, data, { body: table.tBodies[0], shown: 0, order, visible: order, part, next });
    this.button = make("button", { type: "button", class: "more-rows" });
    this.button.addEventListener("click", () => this.more());
    table.parentNode.after(this.button);
    this.places = placesOf(table);
    table.hidden = false;
    this.draw();
  }
  get length() { return this.order.length; }
  // What stands before the figures: case, board, precision or tool, words of the verdict.
  own(i) {
    const [, name, , , board, subject, , word] = this.rows[i];
    const [place, what, how] = [board, subject, word].map((at) => this.names[at]);
    return this.several ? [name, place, what, how] : [name, what, how];
  }
  key(column, i) {
    const own = this.several ? 4 : 3;
    return column < own ? this.own(i)[column] || null : this.columns[column - own][i];
  }
  sort(place, down) {
    const column = this.places[place];
    const keyed = this.order.map((i) => [this.key(column, i), i]);
    keyed.sort(([a], [b]) => compare(a, b, down));
    this.order = keyed.map(([, i]) => i);
    this.filter(this.tokens ?? []);
  }
  filter(tokens) {
    this.tokens = tokens;
    this.texts ??= new Map(this.order.map((i) => [i,
      [...this.own(i), ...this.blanks.map((_, at) => this.blank(at, i)[0])].join(" ").toLowerCase()]));
    this.visible = this.order.filter((i) => tokens.every((token) => this.texts.get(i).includes(token)));
    this.draw();
    return this.visible.length;
  }
  draw() {
    this.body.replaceChildren();
    this.shown = 0;
    this.more();
  }
  more() {
    const step = this.shown ? this.next : this.part;
    const next = this.visible.slice(this.shown, this.shown + step);
    this.body.append(...next.map((i) => this.line(i)));
    this.shown += next.length;
    const left = this.visible.length - this.shown;
    this.button.hidden = left === 0;
    this.button.textContent = say("Show {count} more of {left}", { count: Math.min(this.next, left), left });
  }
  line(i) {
    const cells = [this.name(i), ...(this.several ? [this.place(i)] : []), this.subject(i), this.verdict(i)];
    this.heads.forEach((head, at) => cells.push(this.figure(head, at, i)));
    return this.row(i, this.places.map((at) => cells[at]));
  }
  row(i, cells) { return make("tr", { class: [null, "off", "doubted"][this.rows[i][2]] }, ...cells); }
  name(i) {
    const [number, name] = this.rows[i];
    const link = make("a", { href: `#r${number}` }, make("bdi", {}, name));
    return make("th", { scope: "row", class: "name" }, link);
  }
  place(i) {
    const [, , , emulated, board] = this.rows[i];
    const mark = make("span", { class: "badge emulated", title: say(NOT_REAL) }, say("emulated"));
    const where = make("bdi", {}, this.names[board]);
    return make("td", { class: "board" }, where, ...(emulated ? [" ", mark] : []));
  }
  subject(i) {
    const what = this.names[this.rows[i][5]];
    const label = this.byTool ? make("bdi", {}, what) : what && make("span", { class: `p-${what.toLowerCase()}` }, what);
    return make("td", {}, label);
  }
  // With the reason why a row failed or was left out, or with its warnings.
  verdict(i) {
    const [badge, word] = this.rows[i].slice(6).map((at) => this.names[at]);
    const failed = badge === "bad";
    const shown = make(failed ? "a" : "span", {
      class: `badge ${badge}`, href: failed ? "#failures" : null, title: this.names[this.reasons[i]] ?? null,
    }, word);
    if (!this.notes[i]) return make("td", {}, shown);
    const [more, ...warnings] = this.notes[i].map((at) => this.names[at]);
    const summary = make("summary", {}, shown, " ", make("span", { class: "more" }, more));
    const list = make("ul", {}, ...warnings.map((one) => make("li", {}, make("bdi", {}, one))));
    return make("td", {}, make("details", { class: "warnings" }, summary, list));
  }
  figure(head, at, i, beside = true) {
    const value = this.columns[at][i];
    if (value !== null) {
      // Of a bound its mark stands before the figure, and after it what makes it one.
      const [before, told] = (this.asides[at][i] ?? []).map((text) => this.names[text]);
      const after = beside ? told : "";
      const text = `${before ?? ""}${rounded(value / head.divisor, head.digits)}${after ?? ""}`;
      return make("td", { class: head.class, "data-v": value }, text);
    }
    const [word, why] = this.blank(at, i);
    const classes = [word && "none", head.first && "first"].filter(Boolean).join(" ");
    return make("td", { class: classes || null, title: why || (this.isLong && !word ? say("Not known") : null) }, word);
  }
  // What stands in the place of a figure that is missing, and why it is.
  blank(at, i) {
    return (this.blanks[at][i] ?? []).map((text) => this.names[text]).concat("", "").slice(0, 2);
  }
  lines() {
    return this.visible.map((i) => {
      const cells = [...this.own(i), ...this.columns.map((values, at) => values[i] ?? (this.blank(at, i)[0] || "–"))];
      return this.places.map((at) => (cells[at] === "" ? "–" : cells[at]));
    });
  }
}

// A ranking: some rows of a table of cases in an order of their own, with a few of its columns.
class RankedRows extends CaseRows {
  constructor(table, { order, ranks, fields, part, common }, cases) {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.dataset.field);
    super(table, { ...cases, names_of: names, ranks: new Map(order.map((at, i) => [at, ranks[i]])), fields, common }, order, part, 50);
  }
  key(column, i) {
    const name = this.names_of[column];
    if (name === "rank") return this.ranks.get(i) || null;
    if (name in this.fields) return this.columns[this.fields[name]][i];
    return this.text(name, i) || null;
  }
  text(name, i) {
    const [, own, , , board, subject, , word] = this.rows[i];
    if (name === "why") return this.whys(i).join("; ");
    return { case: own, board: this.names[board], precision: this.names[subject], verdict: this.names[word] }[name];
  }
  // Why a row failed, or what makes it less sure: the first at once, the others when they are asked for.
  whys(i) {
    const told = [this.reasons[i] ?? [], (this.notes[i] ?? []).slice(1)].flat().map((at) => this.names[at]);
    return told.filter((text) => text !== this.common); // what the whole ranking is of is said above it
  }
  why(i) {
    const [first, ...others] = this.whys(i).map((text) => make("bdi", {}, text));
    const cell = make("td", { class: "why" }, first ?? "");
    if (!others.length) return cell;
    const more = make("span", { class: "more" }, say("{count} more", { count: others.length }));
    const list = make("ul", {}, ...others.map((one) => make("li", {}, one)));
    cell.replaceChildren(make("details", { class: "warnings" }, make("summary", {}, first, " ", more), list));
    return cell;
  }
  // The verdict alone: its reasons have a column of their own.
  verdict(i) {
    const [badge, word] = this.rows[i].slice(6).map((at) => this.names[at]);
    const failed = badge === "bad" && this.reasons[i] !== undefined;
    return make("td", {}, make(failed ? "a" : "span", { class: `badge ${badge}`, href: failed ? "#failures" : null }, word));
  }
  line(i) {
    const made = {
      rank: () => make("td", { class: "rank" }, this.ranks.get(i) || "–"),
      ...{ case: () => this.name(i), board: () => this.place(i) },
      ...{ precision: () => this.subject(i), verdict: () => this.verdict(i), why: () => this.why(i) },
    };
    const cells = this.names_of.map((name) => {
      const at = this.fields[name];
      return at === undefined ? made[name]() : this.figure({ ...this.heads[at], first: false, class: this.heads[at].class.slice(0, 2) }, at, i, false);
    });
    return this.row(i, cells);
  }
  lines() {
    return this.visible.map((i) => this.names_of.map((_, column) => this.key(column, i) ?? "–"));
  }
}

const NOT_REAL = "Not a real board: its figures are left out of comparisons";

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
      const now = header.getAttribute("aria-sort");
      const down = now ? now === "ascending" : header.dataset.sort === "down";
      // A table that shows its first rows alone is sorted as a whole.
      const more = table.dataset.more && document.getElementById(table.dataset.more);
      if (more) more.checked = true;
      for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort(header.cellIndex, down);
    });
  }
}

function makeTools(table, rows) {
  if (table.dataset.plain !== undefined) return;
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
  // Nothing stands before a ranking: it is looked at first.
  if (table.dataset.ranking === undefined) table.parentNode.before(tools);
  else {
    tools.prepend(rows.button);
    table.parentNode.after(tools);
  }
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

// Facts of rows are JSON until they are wanted: most never are, and a page of hundreds of them opens the sooner.
let provenance = null;
function factsOf(number) {
  provenance ??= JSON.parse(document.getElementById("packed-provenance").textContent);
  const { shapes, texts, shared, rows } = provenance;
  if (!rows[number]) return null;
  const [shape, graph, setting, ...values] = rows[number];
  const own = values.map((text, at) => [shapes[shape][at], typeof text === "number" ? texts[text] : text]);
  const facts = [...own, ...shared.flatMap((sets, at) => sets[[graph, setting][at]])];
  const known = facts.filter(([, text]) => text !== null);
  const list = make("dl", {}, ...known.flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)]));
  const unknown = facts.filter(([, text]) => text === null).map(([label]) => label);
  if (unknown.length) list.append(make("dt", {}, say("Not known")), make("dd", { class: "none" }, unknown.join(", ")));
  return list;
}

const isRow = (id) => /^r\d+$/.test(id);

function fill(details) {
  if (isRow(details.id) && !details.querySelector("dl")) details.append(factsOf(Number(details.id.slice(1))));
}

// Finding in the page looks into closed entries too, once they are filled: so that is done at leisure.
function fillAtLeisure(waiting) {
  requestIdleCallback((time) => {
    while (waiting.length && time.timeRemaining() > 2) fill(waiting.shift());
    if (waiting.length) fillAtLeisure(waiting);
  });
}

// Of a long page an entry is made when it is asked for.
function openEntry(id) {
  const facts = isRow(id) && factsOf(Number(id.slice(1)));
  if (!facts) return;
  const opened = make("details", { class: "row", id, open: "" }, make("summary", {}, id), facts);
  document.getElementById("opened").replaceChildren(opened);
  opened.scrollIntoView();
}

function unfoldTarget() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id) return;
  // The heights of sections out of sight are guesses, by which a browser scrolls past what it looks for.
  document.documentElement.classList.add("whole");
  const target = document.getElementById(id);
  if (!target) return openEntry(id);
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  target.scrollIntoView();
}

const parsed = new Map();
function dataOf(id) {
  const element = id && document.getElementById(id);
  if (element && !parsed.has(id)) parsed.set(id, JSON.parse(element.textContent));
  return element ? parsed.get(id) : null;
}

for (const table of document.querySelectorAll("table[data-table]")) {
  const data = dataOf(table.dataset.rows);
  const rows = table.dataset.ranking !== undefined ? new RankedRows(table, data, dataOf(table.dataset.ranking))
    : data ? new CaseRows(table, data) : new WrittenRows(table);
  makeSortable(table, rows);
  makeTools(table, rows);
}
document.addEventListener("toggle", ({ target }) => target.open && fill(target), true);
addEventListener("hashchange", unfoldTarget);
unfoldTarget();
addEventListener("load", () => fillAtLeisure([...document.querySelectorAll("#provenance details")]));
