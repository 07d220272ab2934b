// The desk's one script. Without it everything works; with it lists keep themselves
// current and the keyboard moves through them.
"use strict";

const lines = document.getElementById("lines");

// Lists on their first page are fetched again when the desk says that something changed.
if (lines && "live" in lines.dataset && "EventSource" in window) {
  let waiting = false;
  const refresh = async () => {
    waiting = false;
    const address = new URL(location.href);
    address.searchParams.set("part", "lines");
    if (!address.searchParams.has("status")) address.searchParams.set("status", "open");
    const answer = await fetch(address, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const focused = document.activeElement?.closest?.(".line")?.getAttribute("href");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    lines.replaceChildren(...fresh.childNodes);
    if (focused) lines.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  };
  const source = new EventSource("/events");
  source.addEventListener("changed", () => {
    if (waiting || document.hidden) { waiting = true; return; }
    waiting = true;
    setTimeout(refresh, 700);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting) refresh(); });
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
  } else if (event.key === "u") {
    document.querySelector("[data-back]")?.click();
  }
});

const hint = document.getElementById("keys-hint");
if (hint && matchMedia("(hover: hover)").matches) hint.hidden = false;
