// Tables sorted by the heading that is pressed: numbers from the largest, words from A; empty cells stay last.

function sortable(table) {
  // A body holds rows of one kind: published numbers stay below measured ones.
  const original = [...table.tBodies].map((body) => [...body.rows]);
  const headings = [...table.tHead.rows[0].cells];
  for (const [column, heading] of headings.entries()) {
    const button = element("button", { type: "button" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const first = heading.classList.contains("number") ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      for (const each of headings) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      for (const [i, rows] of original.entries()) {
        table.tBodies[i].append(...sorted(rows, column, order === "descending"));
      }
      announce(`Sorted by ${button.textContent}, ${order}.`);
    });
  }
  table.caption.append(" Press a heading to sort by its column.");
}

function sorted(rows, column, descending) {
  const keys = new Map(rows.map((row) => [row, row.cells[column].dataset.key]));
  const numeric = [...keys.values()].every((key) => key === "" || !Number.isNaN(Number(key)));
  const compare = numeric ? (a, b) => Number(a) - Number(b) : (a, b) => a.localeCompare(b, "en", { numeric: true });
  return rows.toSorted((first, second) => {
    const [a, b] = [keys.get(first), keys.get(second)];
    if (a === "" || b === "") return (a === "") - (b === "");
    return descending ? compare(b, a) : compare(a, b);
  });
}

document.querySelectorAll("table[data-sortable]").forEach(sortable);
