// Robustness curves: a slider or the pointer chooses eps, the key beside reads the scores there and switches metrics.

const BANDED = 4;

function plot(figure) {
  const panel = data.charts[figure.dataset.chart][figure.dataset.panel];
  const names = [...new Set(panel.curves.map((curve) => curve.metric))];
  const state = { shown: new Set(names), raised: null, stop: panel.stops.length - 1 };
  const canvas = element("div", {});
  const key = legend(panel, names, state, draw);
  const reader = slider(panel, state, draw);
  const left = element("div", {}, canvas, reader.box);
  figure.querySelector("figcaption").after(element("div", { class: "plot" }, left, key.box));

  function draw() {
    const width = Math.max(280, canvas.clientWidth);
    canvas.replaceChildren(drawing(panel, state, width, (stop) => choose(stop)));
    key.read();
    reader.read();
  }
  function choose(stop) {
    if (stop === state.stop) return;
    state.stop = stop;
    draw();
  }
  let last = 0;
  new ResizeObserver(() => {
    if (canvas.clientWidth !== last) draw();
    last = canvas.clientWidth;
  }).observe(canvas);
  draw();
}

function drawing(panel, state, width, choose) {
  const last = panel.stops.at(-1)[0] || 1;
  const { svg, x, y, box } = axes(width, [0, last], [0, 100], panel.x, panel.y);
  const eps = panel.stops[state.stop][0];
  const visible = panel.curves.filter((curve) => state.shown.has(curve.metric));
  const banded = state.shown.size <= BANDED;
  svg.append(shape("line", { class: "cursor", x1: x(eps), x2: x(eps), y1: box.top, y2: box.bottom }));
  svg.classList.toggle("dimmed", state.raised !== null);
  for (const curve of visible) {
    const raised = curve.metric === state.raised;
    const group = shape("g", {
      class: `curve s${curve.style % COLOURS}${curve.proved ? " proved" : ""}${raised ? " raised" : ""}`,
    });
    if (banded || raised) group.append(shape("path", { class: "band", d: band(curve.points, x, y) }));
    group.append(shape("path", { class: "line", d: line(curve.points.map((p) => [x(p.x), y(p.y)])) }));
    const every = Math.max(1, Math.floor(curve.points.length / 12));
    for (const [i, p] of curve.points.entries()) {
      if (p.x === eps) group.append(sign(curve.style, x(p.x), y(p.y), "mark here"));
      else if (i % every === 0) group.append(sign(curve.style, x(p.x), y(p.y)));
    }
    svg.append(group);
  }
  svg.addEventListener("pointermove", (event) => {
    const at = event.clientX - svg.getBoundingClientRect().left;
    const distances = panel.stops.map(([value]) => Math.abs(x(value) - at));
    choose(distances.indexOf(Math.min(...distances)));
  });
  return svg;
}

function line(places) {
  return places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function band(points, x, y) {
  const low = points.map((p) => [x(p.x), y(p.low)]);
  const high = points.map((p) => [x(p.x), y(p.high)]);
  return `${line([...high, ...low.reverse()])}Z`;
}

// The range input brings arrow keys, touch and a screen reader's "slider" with it.
function slider(panel, state, draw) {
  const input = element("input", { type: "range", min: 0, max: panel.stops.length - 1, step: 1 });
  const text = element("span", {});
  const box = element("label", { class: "reader" }, text, input);
  input.value = state.stop;
  input.addEventListener("input", () => {
    state.stop = Number(input.value);
    draw();
    announce(spoken(panel, state));
  });
  return {
    box,
    read() {
      const words = panel.stops[state.stop][1];
      text.textContent = `Values at eps ${words}`;
      input.value = state.stop;
      input.setAttribute("aria-valuetext", `eps ${words}`);
    },
  };
}

function at(panel, state, metric, proved) {
  const eps = panel.stops[state.stop][0];
  const curve = panel.curves.find((each) => each.metric === metric && each.proved === proved);
  return curve?.points.find((point) => point.x === eps);
}

function spoken(panel, state) {
  const words = [...state.shown].map((metric) => {
    const [attacked, proved] = [at(panel, state, metric, false), at(panel, state, metric, true)];
    const parts = [attacked && `attacked ${attacked.text} ${attacked.interval}`, proved && `proved ${proved.text}`];
    return `${metric} ${parts.filter(Boolean).join(", ") || "not measured"}`;
  });
  return `eps ${panel.stops[state.stop][1]}: ${words.join("; ")}.`;
}

function legend(panel, names, state, draw) {
  const kinds = [false, true].filter((proved) => panel.curves.some((curve) => curve.proved === proved));
  const rows = names.map((metric) => legendRow(panel, metric, kinds, state, draw));
  const head = ["metric", ...kinds.map((proved) => (proved ? "proved" : "attacked"))];
  const box = element(
    "table",
    { class: "legend" },
    element("caption", {}, "Scores at the chosen eps, in percent; untick a metric to hide its curves."),
    element("thead", {}, element("tr", {}, ...head.map((word) => element("th", { scope: "col" }, word)))),
    element("tbody", {}, ...rows.map((row) => row.box)),
  );
  return { box: element("div", { class: "scroll" }, box), read: () => rows.forEach((row) => row.read()) };
}

function legendRow(panel, metric, kinds, state, draw) {
  const { style } = panel.curves.find((curve) => curve.metric === metric);
  const tick = element("input", { type: "checkbox" });
  tick.checked = true;
  tick.addEventListener("change", () => {
    if (tick.checked) state.shown.add(metric);
    else state.shown.delete(metric);
    draw();
  });
  const swatch = shape(
    "svg",
    { viewBox: "-17 -7 34 14", "aria-hidden": "true" },
    shape("g", { class: `curve s${style % COLOURS}` }, shape("path", { d: "M-16 0H16" }), sign(style, 0, 0)),
  );
  const cells = kinds.map(() => element("td", { class: "number" }));
  const box = element(
    "tr",
    {},
    element("th", { scope: "row" }, element("label", {}, tick, swatch, metric)),
    ...cells,
  );
  for (const [event, raised] of [["pointerenter", metric], ["pointerleave", null], ["focusin", metric], ["focusout", null]]) {
    box.addEventListener(event, () => {
      state.raised = state.shown.has(metric) ? raised : null;
      draw();
    });
  }
  return {
    box,
    read() {
      for (const [i, proved] of kinds.entries()) {
        const point = at(panel, state, metric, proved);
        cells[i].replaceChildren(...(point ? [point.text, " ", element("span", { class: "interval" }, point.interval)] : ["–"]));
      }
    },
  };
}

document.querySelectorAll("figure[data-chart]").forEach(plot);
