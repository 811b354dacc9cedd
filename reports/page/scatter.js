// Points and the diagonal they should lie above; hollow ones may lie higher than drawn. The slider goes from point to point.

function scatter(panel) {
  const [right, top] = [panel.points.map((point) => point.x), panel.points.map((point) => point.y)].map(
    (values) => Math.max(...values, 1e-9) * 1.05,
  );
  const styles = new Map(panel.series.map((each) => [each.name, each.style]));
  return {
    series: panel.series,
    columns: [],
    caption: "Metrics; untick one to hide its points.",
    stops: panel.points.map((point) => `${point.name}: ${panel.x} ${point.text[0]}, ${panel.y} ${point.text[1]}`),
    start: 0,
    draw(width, state, choose) {
      const { svg, x, y, box } = axes(width, [0, right], [0, top], panel.x, panel.y);
      const end = Math.min(right, top);
      svg.append(shape("line", { class: "chance", x1: x(0), y1: y(0), x2: x(end), y2: y(end) }));
      for (const [i, point] of panel.points.entries()) {
        if (!state.shown.has(point.name)) continue;
        const group = series(styles.get(point.name), point.open ? "proved" : "", point.name === state.raised ? "raised" : "");
        group.append(sign(styles.get(point.name), x(point.x), y(point.y), i === state.stop ? "mark here" : "mark"));
        if (i === state.stop) group.append(shape("circle", { class: "ring", cx: x(point.x), cy: y(point.y), r: 8 }));
        svg.append(group);
      }
      svg.addEventListener("pointermove", (event) => {
        const { left: atLeft, top: atTop } = svg.getBoundingClientRect();
        const [atX, atY] = [event.clientX - atLeft, event.clientY - atTop];
        const away = (point) => (state.shown.has(point.name) ? Math.hypot(x(point.x) - atX, y(point.y) - atY) : Infinity);
        choose(nearest(panel.points.map(away)));
      });
      return svg;
    },
  };
}
