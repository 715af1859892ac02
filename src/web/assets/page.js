"use strict";
// The script of the page: it fetches fragments with the token of this tab and replaces what changed.

const page = document.getElementById("page");
const dialog = document.getElementById("dialog");
const mode = document.documentElement.dataset.mode;
const TOKEN = "towpath.token";
const POLL = 1000;

let shown = { path: null, tag: null };
let timer = null;
let failures = 0;
let turn = 0;
let sending = false;

/** Says something in the place of the page. */
function say(heading, sentence) {
  const main = document.createElement("main");
  main.id = "main";
  const title = document.createElement("h1");
  title.textContent = heading;
  title.tabIndex = -1;
  const text = document.createElement("p");
  text.setAttribute("role", "alert");
  text.textContent = sentence;
  main.append(title, text);
  page.replaceChildren(main);
  shown = { path: null, tag: null };
}

/** Sends a request with the token of this tab. */
function request(path, options = {}) {
  const headers = new Headers(options.headers || {});
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.set("Authorization", "Bearer " + token);
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
}

/** Exchanges the secret of the address for the token of this tab. The secret leaves the address and the history. */
async function exchange() {
  const secret = /^#secret=([0-9a-f]+)(.*)$/.exec(location.hash);
  if (!secret) return true;
  history.replaceState(null, "", "/" + (secret[2] ? "#" + secret[2] : ""));
  const answer = await fetch("/session", { method: "POST", body: secret[1], cache: "no-store" });
  const text = await answer.text();
  if (!answer.ok) {
    if (sessionStorage.getItem(TOKEN)) return true;
    say("The page is not open", text);
    return false;
  }
  sessionStorage.setItem(TOKEN, text);
  return true;
}

/** The path that the address names. */
function path() {
  const hash = location.hash.slice(1);
  if (hash.startsWith("/") && hash.length > 1) return hash;
  return document.documentElement.dataset.project ? "/" + document.documentElement.dataset.project : null;
}

/** Reads the page that the address names, and shows what changed. */
async function read() {
  clearTimeout(timer);
  const wanted = path();
  if (!wanted) return ask("Project", "project", (name) => { location.hash = "#/" + name; });
  const isNew = wanted !== shown.path;
  let answer;
  try {
    answer = await request("/part" + wanted, { headers: isNew || !shown.tag ? {} : { "If-None-Match": shown.tag } });
  } catch {
    failures += 1;
    stale("The server of this page does not answer. It is asked again.");
    return later();
  }
  if (wanted !== path()) return read();
  if (answer.status === 401) {
    const sentence = await answer.text();
    sessionStorage.removeItem(TOKEN);
    if (mode === "token") return ask("Bearer token", "password", (token) => { sessionStorage.setItem(TOKEN, token); read(); }, sentence);
    say("The page is not open", sentence);
    return;
  }
  if (answer.status === 503) {
    failures += 1;
    stale(await answer.text());
    return later();
  }
  failures = 0;
  stale(null);
  if (answer.status === 304) return later();
  const text = await answer.text();
  if (!answer.ok) {
    say("Not found", text);
    return later();
  }
  const next = document.createElement("template");
  next.innerHTML = text;
  if (isNew) page.replaceChildren(next.content);
  else morph(page, next.content);
  shown = { path: wanted, tag: answer.headers.get("ETag") };
  settle();
  if (isNew) {
    const title = page.querySelector("h1");
    document.title = (title ? title.textContent + " - " : "") + "Towpath";
    window.scrollTo(0, 0);
    if (title && dialog.open === false) title.focus({ preventScroll: true });
  }
  later();
}

/** Reads again after a pause, as long as the tab is visible. */
function later() {
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(read, POLL * Math.min(10, 1 + failures));
}

/** Says that the page may be old. */
function stale(sentence) {
  let note = document.getElementById("stale");
  if (!sentence) return note && note.remove();
  if (!note) {
    note = document.createElement("p");
    note.id = "stale";
    note.className = "note";
    note.setAttribute("role", "status");
    document.body.prepend(note);
  }
  note.textContent = sentence;
}

/** Asks for one value. */
function ask(label, type, then, sentence) {
  const form = document.createElement("form");
  const input = document.createElement("input");
  const name = document.createElement("label");
  const send = document.createElement("button");
  name.textContent = label;
  name.htmlFor = input.id = "asked";
  input.type = type === "password" ? "password" : "text";
  input.autocomplete = "off";
  send.textContent = "Open";
  form.append(name, input, send);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) then(input.value.trim());
  });
  say("Towpath", sentence || "");
  page.querySelector("main").append(form);
  input.focus();
}

/** Makes `old` like `next`, and keeps the elements that are the same: their focus, what was typed, what was opened. */
function morph(old, next) {
  const wanted = [...next.childNodes];
  wanted.forEach((node, index) => {
    let own = old.childNodes[index];
    if (node.id) {
      const same = [...old.children].find((child) => child.id === node.id);
      if (same && same !== own) old.insertBefore(same, own || null);
      own = same || own;
    }
    if (!own) old.append(node.cloneNode(true));
    else if (own.nodeType !== node.nodeType || own.nodeName !== node.nodeName || (own.id || "") !== (node.id || "")) {
      if (node.id && own.id) old.insertBefore(node.cloneNode(true), own);
      else own.replaceWith(node.cloneNode(true));
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      same(own, node);
      if (own.nodeName !== "TEXTAREA") morph(own, node);
    } else if (own.nodeValue !== node.nodeValue) own.nodeValue = node.nodeValue;
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

/** Gives an element the attributes of another, apart from those that the visitor changes. */
function same(old, next) {
  const kept = ["open", "hidden", "value", "checked", "class"];
  for (const { name, value } of [...next.attributes]) {
    if (old.getAttribute(name) === value) continue;
    if (kept.includes(name) && (old.matches("input, select, textarea, details") || name === "hidden")) continue;
    old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !kept.includes(name)) old.removeAttribute(name);
    if (name === "class" && !next.hasAttribute(name) && !old.matches("[data-kept]")) old.removeAttribute(name);
  }
}

/** Applies what the visitor chose to what was replaced. */
function settle() {
  for (const input of page.querySelectorAll("[data-filter]")) {
    const stored = "towpath.filter." + input.dataset.filter;
    if (document.activeElement !== input) input.value = sessionStorage.getItem(stored) || "";
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const table = document.getElementById(input.dataset.filter);
    for (const row of table ? table.tBodies[0].rows : []) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  }
  for (const box of page.querySelectorAll("[data-compact]")) {
    box.checked = sessionStorage.getItem("towpath.compact") === "yes";
    const table = document.getElementById(box.dataset.compact);
    if (table) table.classList.toggle("compact", box.checked);
  }
}

/** Opens the dialog of an action, or shows what became of it. An answer that is older than another request is dropped. */
async function act(action, fields) {
  const own = (turn += 1);
  const project = path().split(/[/?]/)[1];
  let answer;
  try {
    answer = await request("/act/" + project + "/" + action, { method: "POST", body: fields });
  } catch {
    return stale("The server of this page does not answer. Nothing is known about the action: see whether it was written.");
  }
  const text = await answer.text();
  if (own !== turn) return;
  const next = document.createElement("template");
  if (answer.ok) next.innerHTML = text;
  else next.content.append(document.createTextNode(text));
  if (dialog.open) {
    morph(dialog, next.content);
  } else {
    dialog.replaceChildren(next.content);
    dialog.showModal();
    const first = dialog.querySelector("textarea, select, input:not([type=hidden])") || dialog.querySelector("h2");
    if (first) first.focus();
  }
  if (!dialog.querySelector("button[type=submit]")) {
    const close = dialog.querySelector("[data-close]");
    if (close) close.focus();
  }
}

function fieldsOf(form, step) {
  const fields = new URLSearchParams(new FormData(form));
  fields.set("step", step);
  return fields;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) return void act(button.dataset.act, new URLSearchParams(button.dataset.fields));
  if (event.target.closest("[data-close]")) return void dialog.close();
  const link = event.target.closest("a[href^='#/']");
  // A tab that this one opens knows the token.
  if (link && (event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    window.open(link.href, "_blank");
  }
  const skip = event.target.closest("a.skip");
  if (skip) {
    event.preventDefault();
    const title = page.querySelector("h1");
    if (title) title.focus();
  }
});

document.addEventListener("auxclick", (event) => {
  const link = event.target.closest("a[href^='#/']");
  if (!link || event.button !== 1) return;
  event.preventDefault();
  window.open(link.href, "_blank");
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.send) {
    event.preventDefault();
    if (sending) return;
    // A second click writes nothing.
    sending = true;
    act(form.dataset.send, fieldsOf(form, "send")).finally(() => { sending = false; }).then(read);
  } else if (form.dataset.go === "project") {
    event.preventDefault();
    location.hash = "#/" + form.elements.project.value.trim();
  } else if (form.dataset.go) {
    event.preventDefault();
    location.hash = "#" + path().split("?")[0] + "?" + new URLSearchParams(new FormData(form));
  }
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-send]");
  if (form) return void (sending || act(form.dataset.send, fieldsOf(form, "preview")));
  if (event.target.matches("[data-compact]")) {
    sessionStorage.setItem("towpath.compact", event.target.checked ? "yes" : "no");
    settle();
  }
});

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-filter]")) return;
  sessionStorage.setItem("towpath.filter." + event.target.dataset.filter, event.target.value);
  settle();
});

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : read()));
window.addEventListener("hashchange", () => (location.hash.startsWith("#secret=") ? start() : read()));
dialog.addEventListener("close", () => {
  dialog.replaceChildren();
  // A preview that arrives later does not open it again; what became of something that was sent does.
  if (!sending) turn += 1;
});

async function start() {
  try {
    if (await exchange()) await read();
  } catch {
    say("The page is not open", "The server of this page does not answer. Start it again: kubectl towpath ui");
  }
}
start();
