// Everything here makes a working page nicer; no page needs it.
// Loaded without `defer` in the head, so that the theme is right before the first paint.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // ---- Theme: light, dark, or as the system says. ------------------------------------------
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => {
    try { return localStorage.getItem("fleetui-theme") || "auto"; } catch { return "auto"; }
  };
  const applyTheme = (choice) => {
    const dark = choice === "dark" || (choice === "auto" && system.matches);
    root.setAttribute("data-bs-theme", dark ? "dark" : "light");
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
  };
  applyTheme(remembered());
  system.addEventListener("change", () => applyTheme(remembered()));

  // ---- Relative times: the server writes the full time, this keeps its age true. --------------
  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const age = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const at = UNITS.findIndex(([, size]) => whole >= size);
    if (at < 0) return "0 s";
    const [unit, size] = UNITS[at];
    const first = Math.floor(whole / size);
    const next = UNITS[at + 1];
    const rest = next ? Math.floor((whole % size) / next[1]) : 0;
    return rest && first < 10 && unit !== "min" ? `${first} ${unit} ${rest} ${next[0]}` : `${first} ${unit}`;
  };
  // The page's clock follows the server's, so that a wrong local clock does not make data look old.
  const served = Date.parse(document.querySelector('meta[name="server-time"]')?.content ?? "");
  const serverAhead = Number.isNaN(served) ? 0 : served - Date.now();
  const tick = () => {
    const now = Date.now() + serverAhead;
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const then = Date.parse(time.dateTime);
      if (Number.isNaN(then)) continue;
      const seconds = (now - then) / 1000;
      const words = seconds < 0
        ? (seconds > -5 ? "now" : `in ${age(-seconds)}`)
        : (time.dataset.relative === "bare" ? age(seconds) : `${age(seconds)} ago`);
      if (time.textContent !== words) time.textContent = words;
      const mark = time.closest("[data-stale-after]");
      if (mark) mark.classList.toggle("is-stale", seconds > Number(mark.dataset.staleAfter));
    }
  };

  // ---- Words for screen readers and short notices. -------------------------------------------
  const announce = (words) => {
    const region = document.getElementById("announcements");
    if (region) region.textContent = words;
  };
  let lastNotice = 0;
  const notice = (words) => {
    if (Date.now() - lastNotice < 15000) return;
    lastNotice = Date.now();
    const place = document.getElementById("toasts");
    if (!place) return;
    const box = document.createElement("div");
    box.className = "fui-alert fui-tone-amber";
    box.append(document.createElement("span"), Object.assign(document.createElement("p"), { textContent: words }));
    place.replaceChildren(box);
    setTimeout(() => box.remove(), 8000);
  };

  // ---- Keyboard. --------------------------------------------------------------------------------
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");
  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.fui-menu[open]")) {
      if (menu !== except) menu.open = false;
    }
  };
  const moveRow = (step) => {
    const links = [...document.querySelectorAll("[data-rows] a.fui-row-link")].filter((a) => a.offsetParent);
    if (!links.length) return false;
    const at = links.indexOf(document.activeElement);
    links[Math.min(links.length - 1, Math.max(0, at + step))].focus();
    return true;
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const within = event.target.closest?.("details.fui-facets[open], details.fui-confirm[open]");
      const open = document.querySelector("details.fui-menu[open]") ?? within;
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "/") {
      const search = document.getElementById("search");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "j" || event.key === "k") {
      if (moveRow(event.key === "j" ? 1 : -1)) event.preventDefault();
    }
  });

  addEventListener("click", (event) => {
    const target = event.target.closest?.("button, a, details, summary") ?? event.target;
    closeMenus(event.target.closest?.("details.fui-menu"));
    const themeButton = event.target.closest?.("[data-theme-choice]");
    if (themeButton) {
      try { localStorage.setItem("fleetui-theme", themeButton.dataset.themeChoice); } catch { /* private mode */ }
      applyTheme(themeButton.dataset.themeChoice);
    }
    const copy = target.closest?.("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(copy.dataset.copy).then(() => {
        copy.classList.add("is-copied");
        announce("Copied.");
        setTimeout(() => copy.classList.remove("is-copied"), 1200);
      }, () => announce("The browser refused to copy."));
    }
  });

  // What is sent once is not sent again by a second click. The server takes it only once, too.
  const sent = (form) => form.dataset.sent !== undefined;
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (sent(form)) { event.preventDefault(); return; }
    form.dataset.sent = "";
    announce("Sending.");
    setTimeout(() => delete form.dataset.sent, 5000);
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // A button that destroys something stays off until the name is typed. The server checks it again.
  addEventListener("input", (event) => {
    const expected = event.target.dataset?.confirmName;
    if (expected === undefined) return;
    const button = event.target.form?.querySelector("[data-confirm-button]");
    if (button) button.disabled = event.target.value.trim() !== expected;
  });

  // ---- htmx: refresh politely. ---------------------------------------------------------------
  // A part marked data-refresh is not replaced while nobody looks, or while somebody works in it.
  const busyIn = (part) => {
    const active = document.activeElement;
    if (part.contains(active) && typing(active)) return true;
    if (part.querySelector("details.fui-menu[open]")) return true;
    const selection = getSelection();
    return Boolean(selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  };
  // While the server says by itself that something moved, a part is asked for then, and else only so
  // often that its age stays true. A page that nobody sees does not listen.
  const parts = () => document.querySelectorAll("[data-refresh]");
  let stream = null;
  let following = false;
  let lost = false;
  let asked = 0;
  // A hub that never rests moves twice a second, and every open page would ask as often: after one
  // answer the next is asked for with what came meanwhile.
  const REST = 3000;
  let due = 0;
  const moved = () => {
    if (due) return;
    due = setTimeout(() => {
      due = 0;
      for (const part of parts()) htmx.trigger(part, "fui:moved");
    }, Math.max(0, asked + REST - Date.now()));
  };
  const listen = () => {
    const wanted = !document.hidden && parts().length > 0 && "EventSource" in window;
    if (stream && (!wanted || stream.readyState === EventSource.CLOSED)) {
      stream.close();
      stream = null;
      following = false;
      lost = true;
    }
    if (!wanted || stream) return;
    stream = new EventSource("/live/");
    stream.onopen = () => { following = true; if (lost) moved(); lost = false; };
    stream.onerror = () => { following = false; lost = true; };
    stream.onmessage = moved;
  };
  addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => { stream?.close(); stream = null; following = false; lost = true; });
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  addEventListener("htmx:beforeRequest", (event) => {
    const part = event.target;
    const polls = event.detail.requestConfig.triggeringEvent?.type !== "fui:moved";
    const byItself = !event.detail.requestConfig.triggeringEvent
      || ["htmx:poll", "fui:moved"].includes(event.detail.requestConfig.triggeringEvent.type);
    if (!part.hasAttribute?.("data-refresh") || !byItself) return;
    if (document.hidden || busyIn(part) || (polls && following && Date.now() - asked < 14000)) {
      event.preventDefault();
    } else {
      asked = Date.now();
    }
  });
  // What the reader opened, closed or focused stays so when its part is replaced. htmx itself keeps
  // the focus of what has an id; of the rest, the link with the same address is the same link.
  const likes = (part, one) => [...part.querySelectorAll(one.tagName)]
    .filter((other) => other.getAttribute("href") === one.getAttribute("href"));
  let opened = new Map();
  let refocus = null;
  addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    opened = new Map([...part.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
    const focused = document.activeElement;
    refocus = part.id && part.contains(focused) && !focused.id
      ? { part: part.id, like: focused, at: likes(part, focused).indexOf(focused) } : null;
  });
  addEventListener("htmx:afterSwap", () => {
    for (const [id, open] of opened) {
      const details = document.getElementById(id);
      if (details) details.open = open;
    }
    const part = refocus && document.getElementById(refocus.part);
    if (part) likes(part, refocus.like)[refocus.at]?.focus({ preventScroll: true });
    refocus = null;
    applyTheme(remembered());
    tick();
  });
  const failed = (event) => {
    const status = event.detail.xhr?.status;
    if (status === 401) {
      notice(document.getElementById("cluster-form")
        ? "You have been signed out. Go on: when you send the form you are asked to sign in, and what you typed is kept."
        : "You have been signed out, so this page no longer follows. Load it again to sign in.");
      return;
    }
    notice(status >= 400
      ? `This part could not be refreshed (the server answered ${status}). It still shows the earlier data.`
      : "The server cannot be reached. This page still shows the earlier data and keeps trying.");
  };
  addEventListener("htmx:responseError", failed);
  addEventListener("htmx:sendError", failed);

  addEventListener("DOMContentLoaded", () => {
    applyTheme(remembered());
    for (const input of document.querySelectorAll("[data-confirm-name]")) {
      const button = input.form?.querySelector("[data-confirm-button]");
      if (button) button.disabled = true;
    }
    // After a refusal one begins where the first thing is wrong.
    const invalid = document.querySelector('[aria-invalid="true"]');
    const said = document.querySelector("main [role='alert']");
    if (invalid) invalid.focus();
    else if (said) { said.tabIndex = -1; said.focus(); }
    tick();
    setInterval(tick, 1000);
    listen();
  });
})();
