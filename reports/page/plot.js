// The frame of every drawing: the picture, a slider that chooses what is read out, and a key that reads and hides.

const KINDS = { curves, bars, distribution, scatter, heatMap };

function plot(figure) {
  const panel = charts[figure.dataset.chart][figure.dataset.panel];
  const kind = KINDS[panel.kind](panel);
  const state = { shown: new Set(kind.series.map((each) => each.name)), raised: null, stop: kind.start ?? 0 };
  const canvas = element("div", { class: "canvas" });
  const readers = [key(kind, state, draw)];
  const left = element("div", {}, canvas);
  if (kind.stops.length > 1) {
    readers.push(slider(kind, state, draw));
    left.append(readers[1].box);
  }
  figure.querySelector("figcaption").after(element("div", { class: "plot" }, left, readers[0].box));

  function draw() {
    const svg = kind.draw(Math.max(280, canvas.clientWidth), state, choose);
    svg.classList.toggle("dimmed", state.raised !== null);
    canvas.replaceChildren(svg);
    for (const reader of readers) reader.read();
  }
  function choose(stop) {
    if (stop === state.stop) return;
    state.stop = stop;
    draw();
  }
  // Draws at once, and again whenever the width changes.
  new ResizeObserver(draw).observe(canvas);
}

// An input of type range brings arrow keys, touch and a name for screen readers with it.
function slider(kind, state, draw) {
  const input = element("input", { type: "range", min: 0, max: kind.stops.length - 1, step: 1 });
  const text = element("output", {});
  input.addEventListener("input", () => {
    state.stop = Number(input.value);
    draw();
    announce(spoken(kind, state));
  });
  return {
    box: element("div", { class: "reader" }, element("label", {}, "Read at", input), text),
    read() {
      input.value = state.stop;
      input.setAttribute("aria-valuetext", kind.stops[state.stop]);
      text.textContent = kind.stops[state.stop];
    },
  };
}

function spoken(kind, state) {
  if (!kind.columns.length) return kind.stops[state.stop];
  const words = [...state.shown].map((name) => {
    const parts = kind.read(state.stop, name).map((cell, i) => cell && `${kind.columns[i]} ${cell.join(" ")}`);
    return `${name} ${parts.filter(Boolean).join(", ") || "not measured"}`;
  });
  return `${kind.stops[state.stop]}: ${words.join("; ")}.`;
}

function key(kind, state, draw) {
  const rows = kind.series.map((each) => keyRow(kind, each, state, draw));
  const box = element(
    "table",
    { class: "key" },
    element("caption", {}, `${kind.caption} Untick a line to hide it.`),
    element("thead", {}, element("tr", {}, ...["shown", ...kind.columns].map((word) => element("th", { scope: "col" }, word)))),
    element("tbody", {}, ...rows.map((row) => row.box)),
  );
  return { box: element("div", { class: "scroll" }, box), read: () => rows.forEach((row) => row.read()) };
}

function keyRow(kind, { name, style }, state, draw) {
  const tick = element("input", { type: "checkbox", checked: true });
  tick.addEventListener("change", () => {
    state.shown[tick.checked ? "add" : "delete"](name);
    draw();
  });
  const group = series(style);
  group.append(...(kind.swatch?.() ?? [shape("path", { class: "line", d: "M-16 0H16" }), sign(style, 0, 0)]));
  const swatch = shape("svg", { viewBox: "-17 -7 34 14", "aria-hidden": "true" }, group);
  const cells = kind.columns.map(() => element("td", { class: "number" }));
  const head = element("th", { scope: "row" }, element("label", {}, tick, swatch, element("span", {}, name)));
  const box = element("tr", {}, head, ...cells);
  const raise = (raised) => () => {
    state.raised = raised && state.shown.has(name) ? name : null;
    draw();
  };
  for (const event of ["pointerenter", "focusin"]) box.addEventListener(event, raise(true));
  for (const event of ["pointerleave", "focusout"]) box.addEventListener(event, raise(false));
  return {
    box,
    read() {
      const values = kind.columns.length ? kind.read(state.stop, name) : [];
      for (const [i, value] of values.entries()) {
        cells[i].replaceChildren(...(value ? [value[0], " ", element("span", { class: "interval" }, value[1])] : ["–"]));
      }
    },
  };
}

document.querySelectorAll("figure[data-chart]").forEach(plot);
