"use strict";
// The page reads well without this: it sorts tables by a click on a heading, and filters long ones.
const LONG = 12;

function order(one, other) {
  const a = one.dataset.value, b = other.dataset.value;
  if (a !== undefined && b !== undefined) return Number(a) - Number(b);
  if (a !== undefined || b !== undefined) return a !== undefined ? -1 : 1;
  return one.textContent.localeCompare(other.textContent, "en", { numeric: true });
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const sorted = [...body.rows].sort((one, other) => order(one.cells[column], other.cells[column]));
      body.append(...(up ? sorted : sorted.reverse()));
    });
  });
}

function filtered(table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < LONG) return;
  const field = document.createElement("input"), box = table.closest(".scroll");
  field.type = "search";
  field.className = "filter";
  field.placeholder = "Filter " + rows.length + " lines";
  field.setAttribute("aria-label", "Filter: " + table.caption.textContent);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    rows.forEach(row => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    });
  });
  box.before(field);
}

document.querySelectorAll("table.sortable").forEach(table => {
  sortable(table);
  filtered(table);
});
