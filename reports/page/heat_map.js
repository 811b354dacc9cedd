// A grid of numbers, stronger in colour where they are larger; the slider reads cell after cell with its interval.

const CELL = { width: 62, height: 34 };

function heatMap(panel) {
  const places = panel.rows.flatMap((_, row) => panel.columns.map((_, column) => [row, column])).filter(([row, column]) => panel.cells[row][column]);
  const longest = Math.max(...[...panel.rows, ...panel.columns].map((name) => name.length));
  return {
    series: panel.rows.map((name) => ({ name, style: 0 })),
    columns: [],
    caption: `Rows: ${panel.y}.`,
    stops: places.map(([row, column]) => {
      const cell = panel.cells[row][column];
      return `${panel.y} ${panel.rows[row]}, ${panel.x} ${panel.columns[column]}: ${cell.text} ${cell.interval}`;
    }),
    start: 0,
    swatch: () => [shape("rect", { class: "fill", x: -14, y: -6, width: 28, height: 12 })],
    draw(width, state, choose) {
      const left = Math.min(longest * LETTER + 16, width * 0.3);
      const wide = Math.min(CELL.width, (width - left - 8) / panel.columns.length);
      const top = Math.min(longest * LETTER, 110) + 10;
      const height = top + panel.rows.length * CELL.height + 8;
      const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
      for (const [column, name] of panel.columns.entries()) {
        const at = `translate(${left + (column + 0.6) * wide} ${top - 8}) rotate(-50)`;
        svg.append(shape("text", { transform: at }, name.length > 18 ? `${name.slice(0, 17)}…` : name));
      }
      for (const [row, name] of panel.rows.entries()) {
        svg.append(shape("text", { x: left - 8, y: top + (row + 0.5) * CELL.height + 4, "text-anchor": "end" }, clipped(name, left)));
      }
      for (const [i, [row, column]] of places.entries()) {
        if (!state.shown.has(panel.rows[row])) continue;
        const cell = panel.cells[row][column];
        const [x, y] = [left + column * wide, top + row * CELL.height];
        const group = series(0, panel.rows[row] === state.raised ? "raised" : "");
        group.append(
          shape("rect", { class: "fill", x: x + 1, y: y + 1, width: wide - 2, height: CELL.height - 2, "fill-opacity": 0.06 + 0.5 * (cell.y / 100) }),
          shape("text", { x: x + wide / 2, y: y + CELL.height / 2 + 4, "text-anchor": "middle" }, cell.text),
        );
        if (i === state.stop) group.append(shape("rect", { class: "ring", x: x + 1, y: y + 1, width: wide - 2, height: CELL.height - 2 }));
        group.addEventListener("pointerenter", () => choose(i));
        svg.append(group);
      }
      return svg;
    },
  };
}
