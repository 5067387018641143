// Tables of layers stand as JSON, and are made when their model is unfolded: most never are.
class LayerRows extends CaseRows {
  constructor(table, data) {
    super(table, { ...data, blanks: [] }, data.cells[0].map((_, i) => i), 60, 500);
  }
  text(column, i) { return this.texts_of[this.cells[column][i]]; }
  own(i) { return this.heads.flatMap((head, column) => (head.number ? [] : [this.text(column, i)])); }
  key(column, i) { return this.heads[column].number ? this.cells[column][i] : this.text(column, i) || null; }
  line(i) {
    return make("tr", {}, ...this.heads.map((head, column) => this.cell(head, column, i)));
  }
  cell(head, column, i) {
    const value = this.cells[column][i];
    if (head.number) {
      if (value === null) return make("td", { class: "n none", title: say("Not known") }, "–");
      const known = { class: head.style || "n", "data-v": column ? value : null };
      return make("td", known, column ? rounded(value / head.divisor, null) : String(value));
    }
    const text = this.text(column, i);
    if (head.style === "name") return make("th", { scope: "row", class: "name" }, make("bdi", {}, text));
    if (text) return make("td", { class: head.style || null }, make("bdi", { title: head.style ? text : null }, text));
    const why = head.style === "nodes" ? this.texts_of[this.missing[i]] : say("Not known");
    return make("td", { class: "none", title: why }, "–");
  }
  lines() {
    return this.visible.map((i) => this.heads.map((_, column) => this.key(column, i) ?? "–"));
  }
}

function makeLayers(details) {
  const table = details.querySelector("table[data-layers][hidden]");
  if (!table) return;
  const { texts, ...data } = JSON.parse(document.getElementById(table.dataset.layers).textContent);
  const rows = new LayerRows(table, { ...data, texts_of: texts });
  makeSortable(table, rows);
  makeTools(table, rows);
  // On paper nothing can be unfolded; of very long networks the rest is named below the table.
  addEventListener("beforeprint", () => {
    while (rows.shown < Math.min(rows.visible.length, 300)) rows.more();
  });
}
document.addEventListener("toggle", ({ target }) => target.matches?.("details.layers[open]") && makeLayers(target), true);
for (const details of document.querySelectorAll("details.layers[open]")) makeLayers(details);
