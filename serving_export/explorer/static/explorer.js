// Suggestions below the search field. Without this script the field still works: its form leads to the page of results.
"use strict";

const field = document.getElementById("q");
const box = document.getElementById("suggestions");
const status = document.getElementById("found");
const PAUSE_MS = 120;
let timer, asked;

function show(found) {
  box.replaceChildren(...found.map(({ label, note, href }) => {
    const link = document.createElement("a");
    const small = document.createElement("small");
    link.href = href;
    link.textContent = label;
    small.textContent = note;
    link.append(small);
    return link;
  }));
  box.hidden = found.length === 0;
  status.textContent = found.length ? `${found.length} suggestions; the down arrow leads to them` : "no suggestions";
}

function hide() {
  asked?.abort();
  box.hidden = true;
  status.textContent = "";
}

async function suggest() {
  asked?.abort();
  asked = new AbortController();
  const typed = field.value.trim();
  if (!typed) return hide();
  try {
    const answer = await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(typed)}`, { signal: asked.signal });
    if (answer.ok) show(await answer.json());
    else hide();
  } catch (error) {
    if (error.name !== "AbortError") hide(); // the server is away: the form says so when it is sent
  }
}

function move(step) {
  const places = [field, ...box.children];
  const next = places.indexOf(document.activeElement) + step;
  places[(next + places.length) % places.length].focus();
}

if (field) {
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, PAUSE_MS);
  });
  field.form.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !box.hidden) {
      event.preventDefault();
      move(step);
    } else if (event.key === "Escape" && !box.hidden) {
      event.preventDefault();
      field.focus();
      hide();
    }
  });
  field.form.addEventListener("focusout", (event) => {
    if (!field.form.contains(event.relatedTarget)) hide();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.select();
    }
  });
}
