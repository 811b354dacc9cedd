// A pair of axes in an SVG of a given width: where numbers lie, ticks, and the signs that tell metrics apart.

const COLOURS = 8;
// In the order of the printed figures: o s D ^ v P * X <
const SIGNS = [
  "M3.5 0A3.5 3.5 0 1 1-3.5 0A3.5 3.5 0 1 1 3.5 0Z",
  "M-3-3H3V3H-3Z",
  "M0-4.2L4.2 0L0 4.2L-4.2 0Z",
  "M0-4L4 3H-4Z",
  "M0 4L4-3H-4Z",
  "M-1.4-4H1.4V-1.4H4V1.4H1.4V4H-1.4V1.4H-4V-1.4H-1.4Z",
  "M0-4.6L1.2-1.5L4.5-1.5L1.9.6L2.8 3.8L0 1.9L-2.8 3.8L-1.9.6L-4.5-1.5L-1.2-1.5Z",
  "M-4-2.4L-2.4-4L0-1.6L2.4-4L4-2.4L1.6 0L4 2.4L2.4 4L0 1.6L-2.4 4L-4 2.4L-1.6 0Z",
  "M-4 0L3-4V4Z",
];

function sign(style, x, y, name = "mark") {
  return shape("path", { class: name, d: SIGNS[style % SIGNS.length], transform: `translate(${x} ${y})` });
}

function series(style, ...names) {
  return shape("g", { class: ["series", `s${style % COLOURS}`, ...names].join(" ") });
}

function axes(width, [left, right], [bottom, top], xLabel, yLabel) {
  const height = Math.min(400, Math.max(260, width * 0.58));
  const box = { left: 50, right: width - 12, top: 10, bottom: height - 44 };
  const x = (value) => box.left + ((value - left) / (right - left)) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - bottom) / (top - bottom)) * (box.bottom - box.top);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
  for (const value of ticks(bottom, top)) {
    svg.append(
      shape("line", { class: "rule", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      shape("text", { x: box.left - 7, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    );
  }
  const middle = (box.top + box.bottom) / 2;
  svg.append(
    ...across(x, left, right, box, xLabel),
    shape("text", { "text-anchor": "middle", transform: `translate(12 ${middle}) rotate(-90)` }, yLabel),
  );
  return { svg, x, y, box };
}

// The horizontal axis with its numbers and its name.
function across(x, left, right, box, label) {
  return [
    ...ticks(left, right).map((value) =>
      shape("text", { x: x(value), y: box.bottom + 18, "text-anchor": "middle" }, String(value)),
    ),
    shape("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
    shape("text", { x: (box.left + box.right) / 2, y: box.bottom + 37, "text-anchor": "middle" }, label),
  ];
}

// Three to seven round numbers from one to the other.
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function line(places) {
  return places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

// The index of the smallest.
function nearest(distances) {
  return distances.indexOf(Math.min(...distances));
}
