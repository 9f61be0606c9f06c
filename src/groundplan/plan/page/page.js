// The rest of the page.

function assume(lines) {
  for (const line of lines) {
    const at = line.indexOf("=");
    const field = fields.get(line.slice(0, at));
    if (!field) continue;
    const value = line.slice(at + 1);
    try {
      state[field.slot] = value === "" ? field.default : groundplan.read(field.key, value);
    } catch { /* a link with a value that the file would refuse changes nothing */ }
  }
  render();
}

for (const button of every("[data-set]")) {
  button.addEventListener("click", () => {
    Object.assign(state, base);
    assume(button.dataset.set.split("\n"));
  });
}
document.getElementById("reset").addEventListener("click", () => {
  Object.assign(state, base);
  render();
  document.getElementById("decision").scrollIntoView({ block: "nearest" });
});
// Copied by the clipboard where the browser lends it to a file, else by the selection.
const copy = document.getElementById("copy");
copy.addEventListener("click", async () => {
  const said = live("command");
  try {
    await navigator.clipboard.writeText(said.textContent);
  } catch {
    getSelection().selectAllChildren(said);
    document.execCommand("copy");
  }
  copy.textContent = "copied";
  setTimeout(() => { copy.textContent = "copy"; }, 1500);
});

// The failure modes: the main risks first, each component behind a fold.
const modes = find(".modes");
for (const input of every("input", modes?.querySelector(".filter") ?? make("p"))) {
  input.addEventListener("change", () => { modes.dataset.show = input.value; });
  if (input.checked) modes.dataset.show = input.value;
}
document.getElementById("unfold")?.addEventListener("click", (event) => {
  const closed = every("details:not([open])", modes);
  for (const one of closed.length ? closed : every("details", modes)) one.open = closed.length > 0;
  event.target.textContent = closed.length ? "close all" : "open all";
});

// What a wide screen shows at once is folded on a phone.
const narrow = matchMedia("(max-width: 760px)");
const fold = () => every("details[data-phone]").forEach((one) => { one.open = !narrow.matches; });
narrow.addEventListener("change", fold);

document.getElementById("scales").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("print").addEventListener("click", () => window.print());

const theme = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
function themed(name) {
  if (name) document.documentElement.dataset.theme = name;
  const isDark = name ? name === "dark" : dark.matches;
  theme.setAttribute("aria-pressed", String(isDark));
  theme.textContent = isDark ? "light" : "dark";
}
theme.addEventListener("click", () => themed(theme.getAttribute("aria-pressed") === "true" ? "light" : "dark"));
dark.addEventListener("change", () => themed(document.documentElement.dataset.theme));

let folded = [];
addEventListener("beforeprint", () => {
  folded = every("details:not([open])");
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of folded) one.open = false;
});

// A link into a fold, or to an answer, shows where it leads.
addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let up = target?.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
  target?.querySelector?.(":scope > details[data-phone]")?.setAttribute("open", "");
  if (target?.classList.contains("answer")) find("input", target)?.focus({ preventScroll: true });
});

let size = 0;
new ResizeObserver(() => {
  if (size !== document.body.clientWidth) render();
  size = document.body.clientWidth;
}).observe(document.body);

document.documentElement.classList.add("scripted");
fold();
themed(null);
const shared = decodeURI(location.hash.slice(1));
if (shared.includes("=")) assume(shared.split("&"));
else render();
