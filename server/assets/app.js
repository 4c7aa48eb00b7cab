// Patchline's own script: theme, copying, keys, what is live. No library, no other host.
"use strict";

// Before the first paint, so that a chosen theme never flashes.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* storage is forbidden: the system's theme holds */ }

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* holds until the page is left */ }
}

// The page is fetched again and its live parts are put in place: the server alone knows how they look.
let refreshing = null;
async function refresh(address = location.href) {
  if (refreshing) return refreshing.again = address;
  refreshing = { again: null };
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (answer.ok) place(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch { /* the server is away: the next event or tick asks again */ }
  const again = refreshing.again;
  refreshing = null;
  if (again) refresh(again);
}

function place(fresh) {
  for (const old of document.querySelectorAll("[data-live][id]")) {
    const part = fresh.getElementById(old.id);
    // What a person has a hand on stays: focus, an opened list, marked text.
    const selection = getSelection();
    const marked = selection && !selection.isCollapsed && old.contains(selection.anchorNode);
    if (!part || part.outerHTML === old.outerHTML || marked || old.querySelector("details[open]")) continue;
    // So does an answer that is being written, while it is still wanted.
    const hand = old.querySelector("[data-decide] :focus")?.closest("[data-decide]").dataset.decide;
    if (hand && [...part.querySelectorAll("[data-decide]")].some((form) => form.dataset.decide === hand)) continue;
    const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const scrolled = [...old.querySelectorAll(".graph, .log")].map((box) => [box.scrollLeft, box.scrollTop]);
    old.replaceWith(part);
    part.querySelectorAll(".graph, .log").forEach((box, i) => scrolled[i] && box.scrollTo(...scrolled[i]));
    if (focused) [...part.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
  }
  if (fresh.title) document.title = fresh.title;
}

// A burst of events is one refresh.
let soon = 0;
function refreshSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => refresh(), 150);
}

function listen(run) {
  const source = new EventSource(run.dataset.events);
  source.onmessage = (message) => {
    const { kind } = JSON.parse(message.data);
    if (kind.type === "progress") return progress(kind);
    if (kind.type === "step_changed") {
      const classes = { leased: "running", succeeded: "passed" };
      for (const node of document.querySelectorAll(".node")) {
        if (node.dataset.step === kind.step) {
          const chosen = node.classList.contains("chosen") ? " chosen" : "";
          node.setAttribute("class", `node state-${classes[kind.status] ?? kind.status}${chosen}`);
        }
      }
    }
    if (kind.type === "run_finished") {
      source.close();
      // Notifications leave after the end.
      setTimeout(refresh, 1500);
    }
    refreshSoon();
  };
}

function progress({ step, phase, done, total }) {
  const text = total > 0 ? `${phase} ${Math.min(100, Math.round((done / total) * 100))} %` : phase;
  for (const place of document.querySelectorAll("[data-progress]")) {
    if (place.dataset.progress === step) place.textContent = text;
  }
  for (const node of document.querySelectorAll(".node")) {
    const word = node.dataset.step === step && node.querySelector(".node-word");
    if (word) word.textContent = text.slice(0, 16);
  }
}

// What a person says in a form: who, why, and what the button stands for.
async function decide(event) {
  const form = event.target.closest("[data-decide]");
  if (!form) return;
  event.preventDefault();
  const { by, reason } = Object.fromEntries(new FormData(form));
  const button = event.submitter ?? form.querySelector("button");
  const said = { ...JSON.parse(button.dataset.say ?? "{}"), by, ...(reason === undefined ? {} : { reason }) };
  // A list that was opened for the form is closed by it, or it would keep the page as it is.
  if (await send(button, button.dataset.to ?? form.dataset.decide, said)) form.closest("details")?.removeAttribute("open");
}

async function post(button) {
  const { startChain, startImage } = button.dataset;
  await send(button, button.dataset.post, startChain ? { chain: startChain, image: startImage } : {});
}

async function send(button, address, body) {
  button.disabled = true;
  const { startChain } = button.dataset;
  try {
    const answer = await fetch(address, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(`${said.error.message} (${said.error.code})`);
    if (startChain) location.href = `/runs/${encodeURIComponent(said.run)}`;
    else reopen();
    return true;
  } catch (error) {
    const note = button.parentElement.querySelector(".post-failed") ?? document.createElement("span");
    note.className = "post-failed";
    note.setAttribute("role", "alert");
    note.textContent = error.message;
    button.after(note);
    button.disabled = false;
    return false;
  }
}

// A run that had ended may go on: its page listens again.
function reopen() {
  const run = document.querySelector("[data-run]");
  if (run && !run.dataset.events) location.reload();
  else refreshSoon();
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    button.title = document.body.dataset.copied;
    setTimeout(() => button.classList.remove("copied"), 1200);
  } catch { /* no clipboard without a secure context: the whole text is in the title */ }
}

// Of a plan: how many packages are ticked, and all of them at once.
function tick(event) {
  const form = event.target.closest("#choice");
  if (!form) return;
  const ticks = [...form.querySelectorAll("input[name=up]")];
  const all = form.querySelector("[data-all]");
  if (event.target === all) for (const one of ticks) one.checked = all.checked;
  const chosen = ticks.filter((one) => one.checked).length;
  all.checked = chosen > 0;
  all.indeterminate = chosen > 0 && chosen < ticks.length;
  const told = form.querySelector("[data-chosen]");
  told.textContent = told.dataset.chosen.replace("#", chosen);
  form.querySelector("button").disabled = chosen === 0;
}

// "/" to search, arrows to move, Enter to open.
function keys(event) {
  const typing = event.target.closest("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing) {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.select(); }
    return;
  }
  if (typing && event.key !== "ArrowDown") return;
  if (typing && typing.tagName !== "INPUT") return;
  const rows = [...document.querySelectorAll("main tbody tr[tabindex]")];
  const at = rows.indexOf(event.target.closest("tr"));
  if (event.key === "Enter" && at >= 0 && event.target === rows[at]) {
    const details = rows[at].querySelector("details");
    if (rows[at].dataset.href) location.href = rows[at].dataset.href;
    else if (details) details.open = !details.open;
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || rows.length === 0 || event.target.closest(".graph, .log")) return;
  if (at < 0 && !typing && step < 0) return;
  event.preventDefault();
  rows[Math.max(0, Math.min(rows.length - 1, at + step))].focus();
}

function click(event) {
  const of = (selector) => event.target.closest(selector);
  if (of("#theme")) return switchTheme();
  if (of("[data-copy]")) { event.preventDefault(); return copy(of("[data-copy]")); }
  if (of("[data-post]")) return post(of("[data-post]"));
  // Choosing a step changes the address and the live parts, and loses no place on the page.
  const node = of("a.node");
  if (node && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    history.pushState(null, "", node.getAttribute("href").replace(/#.*/, ""));
    refresh();
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.addEventListener("click", click);
  document.addEventListener("submit", decide);
  document.addEventListener("change", tick);
  document.addEventListener("keydown", keys);
  addEventListener("popstate", () => refresh());
  const run = document.querySelector("[data-events]");
  if (run) listen(run);
  // Lists are asked again while somebody looks at them.
  setInterval(() => {
    const due = [...document.querySelectorAll("[data-every]")].map((part) => Number(part.dataset.every));
    ticks += 1;
    if (!document.hidden && due.some((every) => ticks % every === 0)) refresh();
  }, 1000);
});
let ticks = 0;
