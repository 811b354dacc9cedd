// Histograms with their smooth curves; a line marks each mean.

function distribution(panel) {
  const edges = panel.densities.flatMap((one) => one.edges);
  const heights = panel.densities.flatMap((one) => [...one.heights, ...one.smooth.map(([, height]) => height)]);
  const span = [Math.min(...edges), Math.max(...edges)];
  return {
    series: panel.densities,
    columns: ["mean", "n"],
    caption: "Mean of the values of each metric, and how many they are.",
    stops: [],
    read(_, name) {
      const one = panel.densities.find((each) => each.name === name);
      return [[one.text, ""], [String(one.n), ""]];
    },
    draw(width, state) {
      const { svg, x, y, box } = axes(width, span, [0, Math.max(...heights) * 1.05], panel.x, panel.y);
      for (const one of panel.densities.filter((each) => state.shown.has(each.name))) {
        const group = series(one.style, one.name === state.raised ? "raised" : "");
        const steps = one.heights.flatMap((height, i) => [
          [x(one.edges[i]), y(height)],
          [x(one.edges[i + 1]), y(height)],
        ]);
        const ends = [[x(one.edges[0]), box.bottom], ...steps, [x(one.edges.at(-1)), box.bottom]];
        group.append(
          shape("path", { class: "band", d: `${line(ends)}Z` }),
          shape("path", { class: "line", d: line(one.smooth.map(([value, height]) => [x(value), y(height)])) }),
          shape("line", { class: "mean", x1: x(one.mean), x2: x(one.mean), y1: box.top, y2: box.bottom }),
        );
        svg.append(group);
      }
      return svg;
    },
  };
}
