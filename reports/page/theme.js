// Dark or light: as the system says, until the reader chooses.

const system = matchMedia("(prefers-color-scheme: dark)");
const theme = document.getElementById("theme");

function showTheme(dark) {
  theme.setAttribute("aria-checked", String(dark));
}

theme.addEventListener("click", () => {
  const dark = theme.getAttribute("aria-checked") !== "true";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  showTheme(dark);
});
system.addEventListener("change", () => {
  if (!document.documentElement.dataset.theme) showTheme(system.matches);
});
showTheme(system.matches);
theme.hidden = false;
