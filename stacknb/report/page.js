"use strict";
// Sort a table by the column whose heading is pressed; unknown values stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, table = head.closest("table"), column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    const numeric = head.classList.contains("n");
    const value = (row) => {
      const text = row.cells[column].textContent;
      return numeric ? parseFloat(text.replaceAll(",", "")) : text;
    };
    const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
    const unknown = (x) => x === "" || Number.isNaN(x);
    rows.sort(([a], [b]) => {
      if (unknown(a) || unknown(b)) return unknown(a) - unknown(b);
      const order = numeric ? a - b : a.localeCompare(b);
      return down ? -order : order;
    });
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows.map(([, row]) => row));
  });
}
// Show only rows that hold what is typed.
for (const input of document.querySelectorAll("input[type=search]")) {
  input.hidden = false;
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of document.getElementById(input.dataset.of).tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });
}
// Say what the pointer is on in a chart.
const told = document.getElementById("told");
document.addEventListener("pointermove", (event) => {
  const mark = event.target.closest && event.target.closest("svg [aria-label]");
  told.style.display = mark && mark.tagName !== "g" ? "block" : "none";
  if (mark) {
    told.textContent = mark.getAttribute("aria-label");
    told.style.left = Math.min(event.clientX + 12, innerWidth - told.offsetWidth - 8) + "px";
    told.style.top = event.clientY + 14 + "px";
  }
});
