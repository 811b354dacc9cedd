// One line of a sheet at a time: a large picture that flips between what the attacker got and what it made of it.

function viewer(sheet) {
  const line = sheet.dataset.viewer;
  const rows = [...sheet.children].map((row) => [...row.children]);
  const state = { row: 0, column: 1 };
  const image = element("img", { class: "stage" });
  const flip = element("button", { type: "button", class: "flip" });
  const caption = element("p", { class: "caption" });
  const place = element("span", {});
  const [before, after] = ["Previous", "Next"].map((word) => element("button", { type: "button" }, word));

  function show() {
    const pictures = rows[state.row];
    state.column = Math.min(state.column, pictures.length - 1);
    const chosen = pictures[state.column];
    const source = chosen.querySelector("img");
    image.src = source.src;
    image.alt = `${chosen.dataset.column}, ${line} ${state.row + 1}`;
    image.width = source.width;
    image.height = source.height;
    caption.textContent = `${chosen.dataset.column}: ${chosen.querySelector("figcaption span").textContent}`;
    flip.textContent = `Flip to ${pictures[state.column === 0 ? 1 : 0]?.dataset.column ?? "nothing"}`;
    flip.disabled = pictures.length < 2;
    place.textContent = `${line[0].toUpperCase()}${line.slice(1)} ${state.row + 1} of ${rows.length}`;
    before.disabled = state.row === 0;
    after.disabled = state.row === rows.length - 1;
    for (const [i, row] of rows.entries()) {
      sheet.children[i].hidden = i !== state.row;
      for (const [j, each] of row.entries()) {
        each.querySelector("button").setAttribute("aria-pressed", String(i === state.row && j === state.column));
      }
    }
  }
  function go(change) {
    Object.assign(state, change);
    show();
    announce(`${place.textContent}, ${caption.textContent}`);
  }
  for (const [i, row] of rows.entries()) {
    for (const [j, each] of row.entries()) {
      const pick = element("button", { type: "button", class: "pick" });
      pick.append(each.querySelector("img"));
      pick.addEventListener("click", () => go({ row: i, column: j }));
      each.prepend(pick);
    }
  }
  const other = () => go({ column: state.column === 0 ? 1 : 0 });
  flip.addEventListener("click", other);
  image.addEventListener("click", other);
  before.addEventListener("click", () => go({ row: state.row - 1 }));
  after.addEventListener("click", () => go({ row: state.row + 1 }));
  const bar = element("div", { class: "bar" }, flip, before, after, place);
  sheet.before(element("div", { class: "viewer" }, bar, image, caption));
  sheet.classList.add("strip");
  show();
}

document.querySelectorAll("ol[data-viewer]").forEach(viewer);
