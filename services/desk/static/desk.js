// The desk's one script. Without it everything works; with it lists keep themselves
// current, forms answer in their place, and the keyboard moves through lists.
"use strict";

const lines = document.getElementById("lines");
const parse = (text) => new DOMParser().parseFromString(text, "text/html");

// Lists on their first page are fetched again when the desk says that something changed,
// at most every few seconds: each look opens what it shows. A page that nobody sees does not
// listen: browsers open few connections to one place at once.
if (lines && "live" in lines.dataset && "EventSource" in window) {
  const rest = 5000;
  const stale = document.getElementById("stale");
  let timer = 0, last = 0, stream = null;
  const refresh = async () => {
    timer = 0;
    if (document.hidden) return;
    last = Date.now();
    const address = new URL(location.href);
    address.searchParams.set("part", "lines");
    const answer = await fetch(address, { redirect: "error" }).catch(() => null);
    stale.hidden = Boolean(answer?.ok);
    if (!answer?.ok) return;
    const fresh = parse(await answer.text()).body.childNodes;
    const focused = document.activeElement?.closest?.(".line")?.getAttribute("href");
    lines.replaceChildren(...fresh);
    if (focused) lines.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  };
  const soon = () => { if (!timer && !document.hidden) timer = setTimeout(refresh, Math.max(300, last + rest - Date.now())); };
  const listen = () => {
    stream = new EventSource("/events");
    stream.addEventListener("changed", soon);
    stream.addEventListener("error", () => { if (stream?.readyState === EventSource.CLOSED) stale.hidden = false; });
  };
  const rests = () => { stream?.close(); stream = null; };
  document.addEventListener("visibilitychange", () => { if (document.hidden) rests(); else if (!stream) { listen(); soon(); } });
  addEventListener("pagehide", rests);
  addEventListener("pageshow", (event) => { if (event.persisted && !stream) { listen(); soon(); } });
  if (!document.hidden) listen();
}

// A form with data-swap sends itself and puts the answer in the place of the element of
// that name. What the desk refuses is said there, too.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const place = form.dataset.swap && document.getElementById(form.dataset.swap);
  if (!place) return;
  event.preventDefault();
  const address = new URL(form.action);
  address.searchParams.set("part", form.dataset.swap);
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const busy = [...form.querySelectorAll("button")];
  for (const button of busy) button.disabled = true;
  const answer = await fetch(address, { method: "POST", body, redirect: "error" }).catch(() => null);
  const page = answer && parse(await answer.text());
  const fresh = answer?.ok && page.getElementById(form.dataset.swap);
  if (fresh) {
    place.replaceWith(fresh);
    (fresh.querySelector(".revealed, [aria-pressed=true]") ?? fresh).focus();
    return;
  }
  for (const button of busy) button.disabled = false;
  const said = form.querySelector("[role=alert]") ?? form.appendChild(document.createElement("p"));
  said.className = "notice bad";
  said.setAttribute("role", "alert");
  said.textContent = page?.getElementById("refusal")?.textContent ?? "The desk does not answer. Nothing was changed as far as this page knows; reload it.";
});

// The tabs above a message say which form is shown.
for (const tab of document.querySelectorAll('a[target="message"]')) {
  tab.addEventListener("click", () => {
    for (const other of tab.parentElement.children) other.removeAttribute("aria-current");
    tab.setAttribute("aria-current", "true");
  });
}

// Whole names are long: a button puts one where it can be pasted from.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const said = await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent).then(() => "Copied", () => "Not copied");
      button.textContent = said;
    });
  }
}

// j and k move through a list, u goes back to it. Typing into a field is left alone.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (lines && (event.key === "j" || event.key === "k")) {
    const all = [...lines.querySelectorAll(".line")];
    const now = all.indexOf(document.activeElement);
    const next = all[now + (event.key === "j" ? 1 : -1)] ?? (now < 0 ? all[0] : null);
    next?.focus();
    event.preventDefault();
  } else if (event.key === "/" && document.getElementById("find")) {
    document.getElementById("find").focus();
    event.preventDefault();
  } else if (event.key === "u") {
    document.querySelector("[data-back]")?.click();
  }
});

const hint = document.getElementById("keys-hint");
if (hint && matchMedia("(hover: hover)").matches) hint.hidden = false;
