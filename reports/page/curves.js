// Scores over eps. The key reads those of the chosen eps; bands are drawn where they do not hide each other.

const BANDED = 4;

function curves(panel) {
  const kinds = [false, true].filter((proved) => panel.curves.some((curve) => curve.proved === proved));
  const names = [...new Set(panel.curves.map((curve) => curve.name))];
  const last = panel.stops.at(-1)[0] || 1;
  return {
    series: names.map((name) => panel.curves.find((curve) => curve.name === name)),
    columns: kinds.map((proved) => (proved ? "proved" : panel.found ?? (panel.even ? "attacked" : "found"))),
    caption: panel.found
      ? "Percent at the chosen strength. Brackets: 95 % intervals over references."
      : panel.even
      ? "Percent at the chosen eps. Brackets: intervals that hold at all marked points of a curve at once with 95 % confidence, wider than those of the tables."
      : `Percent at the chosen ${panel.counts ? "number" : "rate"}, where a curve has a point there.`,
    stops: panel.stops.map(([, text]) =>
      panel.found ? text : panel.counts ? `${text} ${panel.counts}` : panel.even ? `eps ${text}` : `${text} %`,
    ),
    start: panel.stops.length - 1,
    read(stop, name) {
      const eps = panel.stops[stop][0];
      return kinds.map((proved) => {
        const curve = panel.curves.find((each) => each.name === name && each.proved === proved);
        const point = curve?.points.find((each) => each.x === eps);
        return point ? [point.text, point.interval] : null;
      });
    },
    draw(width, state, choose) {
      const { svg, x, y, box } = axes(width, [0, last], [0, 100], panel.x, panel.y);
      const eps = panel.stops[state.stop][0];
      svg.append(
        ...(panel.even ? [shape("line", { class: "chance", x1: box.left, x2: box.right, y1: y(50), y2: y(50) })] : []),
        shape("line", { class: "cursor", x1: x(eps), x2: x(eps), y1: box.top, y2: box.bottom }),
      );
      for (const curve of panel.curves.filter((each) => state.shown.has(each.name))) {
        const banded = state.shown.size <= BANDED || curve.name === state.raised;
        svg.append(drawnCurve(curve, x, y, eps, banded, curve.name === state.raised));
      }
      svg.addEventListener("pointermove", (event) => {
        const at = event.clientX - svg.getBoundingClientRect().left;
        choose(nearest(panel.stops.map(([value]) => Math.abs(x(value) - at))));
      });
      return svg;
    },
  };
}

function drawnCurve(curve, x, y, eps, banded, raised) {
  const group = series(curve.style, curve.proved ? "proved" : "attacked", raised ? "raised" : "");
  if (banded) {
    const low = curve.points.map((point) => [x(point.x), y(point.low)]);
    const high = curve.points.map((point) => [x(point.x), y(point.high)]);
    group.append(shape("path", { class: "band", d: `${line([...high, ...low.reverse()])}Z` }));
  }
  group.append(shape("path", { class: "line", d: line(curve.points.map((point) => [x(point.x), y(point.y)])) }));
  const every = Math.max(1, Math.floor(curve.points.length / 12));
  for (const [i, point] of curve.points.entries()) {
    if (point.x === eps) group.append(sign(curve.style, x(point.x), y(point.y), "mark here"));
    else if (i % every === 0) group.append(sign(curve.style, x(point.x), y(point.y)));
  }
  return group;
}
