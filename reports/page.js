"use strict";
// The page is complete without this script: it adds sorting, a filter and unfolding of link targets.

function keyOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  return cell.classList.contains("none") ? null : cell.textContent.trim();
}

function sort(table, header, column) {
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const order = new Intl.Collator("en", { numeric: true });
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null); // what is not known comes last
    const ascending = typeof a === "number" && typeof b === "number" ? a - b : order.compare(a, b);
    return down ? -ascending : ascending;
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function makeSortable(table) {
  for (const header of table.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(table, header, header.cellIndex));
  }
}

function makeFilter(table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 12) return;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const shown = document.createElement("output");
  label.className = "filter";
  input.type = "search";
  input.placeholder = "Filter rows";
  input.setAttribute("aria-label", "Filter rows");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, i) => {
      row.hidden = !words.every((word) => texts[i].includes(word));
      count += !row.hidden;
    });
    shown.textContent = words.length ? `${count} of ${rows.length} rows` : "";
  });
  label.append(input, shown);
  table.parentNode.before(label);
}

function unfoldTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target || target.tagName !== "DETAILS") return;
  target.open = true;
  target.scrollIntoView();
}

for (const table of document.querySelectorAll("table[data-table]")) {
  makeSortable(table);
  makeFilter(table);
}
addEventListener("hashchange", unfoldTarget);
unfoldTarget();
