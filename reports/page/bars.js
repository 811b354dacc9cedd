// Horizontal bars, a group a metric; their numbers are written at their ends.

const BAR = 15;
const GROUP_GAP = 12;
const LETTER = 6.6;
const SERIES_STYLES = [0, 3, 2, 4];

function bars(panel) {
  const styles = panel.series.map((name, i) => ({ name, style: SERIES_STYLES[i % SERIES_STYLES.length] }));
  return {
    series: styles,
    columns: [],
    caption: "What the colours of the bars mean.",
    stops: [],
    swatch: () => [shape("rect", { class: "fill", x: -14, y: -6, width: 28, height: 12 })],
    draw(width, state) {
      const shown = panel.series.map((_, i) => i).filter((i) => state.shown.has(panel.series[i]));
      const group = Math.max(1, shown.length) * BAR + GROUP_GAP;
      const longest = Math.max(...panel.groups.map((name) => name.length));
      const left = Math.min(longest * LETTER + 16, width * 0.4);
      const box = { left, right: width - 44, top: 4, bottom: 4 + panel.groups.length * group };
      const height = box.bottom + 44;
      const x = (value) => box.left + (value / 100) * (box.right - box.left);
      const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
      for (const value of ticks(0, 100)) {
        svg.append(shape("line", { class: "rule", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom }));
      }
      for (const [row, name] of panel.groups.entries()) {
        const top = box.top + row * group + GROUP_GAP / 2;
        svg.append(shape("text", { x: left - 8, y: top + (group - GROUP_GAP) / 2 + 4, "text-anchor": "end" }, clipped(name, left)));
        for (const [place, i] of shown.entries()) {
          const cell = panel.cells[row][i];
          if (cell) svg.append(bar(cell, styles[i], x, top + place * BAR, styles[i].name === state.raised));
        }
      }
      svg.append(...across(x, 0, 100, box, panel.x));
      return svg;
    },
  };
}

function bar(cell, { style }, x, top, raised) {
  const group = series(style, raised ? "raised" : "");
  const middle = top + BAR / 2;
  group.append(
    shape("rect", { class: "fill", x: x(0), y: top + 1, width: Math.max(1, x(cell.y) - x(0)), height: BAR - 2 }),
    shape("line", { class: "whisker", x1: x(cell.low), x2: x(cell.high), y1: middle, y2: middle }),
    shape("text", { x: x(Math.max(cell.high, cell.y)) + 5, y: middle + 4 }, cell.text),
  );
  return group;
}

function clipped(name, room) {
  const most = Math.max(6, Math.floor((room - 16) / LETTER + 0.01));
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}
