// The live panel. The kernel sends the picture of a run once and then what changes in it; times are
// instants, so that this side counts the seconds. Rows are kept and changed in place: a row that is
// built anew would lose the keyboard's focus.

const SYMBOLS = {
  ok: "✓", failed: "✗", killed: "✗", timeout: "✗", lost: "✗", running: "▶", waiting: "…",
  "to come": "·", cancelled: "■", interrupted: "■", skipped: "–", complete: "✓", unfinished: "·",
};
const WORDS = { waiting: "held back" };
const OF_RUN = { unfinished: "not finished", lost: "the kernel is gone" };
const LOST = "Its process is gone and left no status";
const BUTTONS = [
  ["stop", "■ Stop", "Interrupt the hook and end the run; tasks run on"],
  ["retry", "↻ Retry the phase", "Run the phase that failed again"],
  ["step", "▶ Next step", "Run the next phase"],
  ["rest", "▶▶ Run the rest", "Run every phase that is left"],
];
const LINES = 2000; // of an open log
// What can be scrolled with the arrow keys, which the notebook would take for its own.
const READ = { tabindex: "0", "data-lm-suppress-shortcuts": "true" };
const PATIENCE_MS = 500;
const FOCUS_MS = 40 * PATIENCE_MS; // later than that, the key pressed next is hardly meant for a button

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value);
    else if (value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

function seconds(value, whole) {
  if (value < 60) return whole ? `${Math.floor(value)} s` : `${value.toFixed(value < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(Math.round(value) / 60), rest = Math.round(value) % 60;
  if (minutes < 60) return `${minutes} min ${String(rest).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function keyed(parent, keys, make, update) {
  const known = (parent.kept ??= new Map());
  for (const [key, node] of known) if (!keys.includes(key)) { node.remove(); known.delete(key); }
  let before = null;
  for (const key of keys) {
    let node = known.get(key);
    if (!node) known.set(key, (node = make(key)));
    const place = before ? before.nextSibling : parent.firstChild;
    if (place !== node) {
      const focus = node.contains(document.activeElement) ? document.activeElement : null;
      parent.insertBefore(node, place);
      focus?.focus();
    }
    update(node, key);
    before = node;
  }
}

// In nbclassic, and Notebook before 7, the kernel is one of another kind, and elsewhere.
const kernelOf = (model) => model.widget_manager?.kernel ?? model.widget_manager?.notebook?.kernel;

const short = (label) => label.replace(/^stack /, "");

// A click goes over the widget's own line. A kernel that is busy with a cell answers it only
// afterwards, so a click that is not confirmed is sent again where such a kernel does listen: over
// its control channel. The kernel does each click once, by its number.
function sender(model, said, unknown) {
  const open = new Map();
  const prefix = Math.random().toString(36).slice(2);
  let count = 0;
  const kernel = () => kernelOf(model);
  function control(content) {
    const k = kernel();
    const header = {
      msg_id: `${prefix}-${++count}`, msg_type: "stacknb_request", session: k?.clientId ?? k?.session_id,
      username: "", version: "5.3", date: new Date().toISOString(),
    };
    const message = { channel: "control", header, parent_header: {}, metadata: {}, content, buffers: [] };
    if (k?.sendControlMessage) k.sendControlMessage(message, false, true);
    else k?._send?.(JSON.stringify(message));
  }
  function send(action, words = {}) {
    const id = `${prefix}-${++count}`;
    const content = { ...words, do: action, id, panel: model.get("panel"), view: prefix };
    const again = setTimeout(() => control(content), PATIENCE_MS);
    const late = setTimeout(() => {
      open.delete(id);
      if (action === "stop") kernel()?.interrupt?.();
      else if (action === "sync") unknown();
      else said(false, "The kernel does not answer; it may be busy or gone.");
    }, 20 * PATIENCE_MS);
    open.set(id, [again, late]);
    model.send(content);
  }
  send.view = prefix;
  send.confirm = (id) => { (open.get(id) ?? []).forEach(clearTimeout); open.delete(id); };
  send.close = () => [...open.keys()].forEach(send.confirm);
  return send;
}

function render({ model, el }) {
  let S = null;
  let skew = 0, log = null, toast = 0, told = "", gone = false, pressed = null;
  const now = () => Date.now() / 1000 + skew;
  const part = {};
  const node = (name, tag, attributes, ...children) =>
    (part[name] = h(tag, { class: `snb-${name}`, ...attributes }, ...children));
  const send = sender(model, say, () => lose(S.now));

  const button = (text, title, onclick, more = {}) =>
    h("button", { type: "button", title, onclick, ...more }, text);
  const logButton = (name) => h("button", {
    type: "button", class: "snb-name", title: `Open the log of ${name}`,
    onclick: (event) => openLog(event.currentTarget.dataset.log, event.currentTarget.textContent),
  }, name);

  el.classList.add("stacknb-panel");
  attribute(el, "role", "region");
  el.replaceChildren(
    h("div", { class: "snb-head" },
      node("state", "span"), node("title", "span"), node("clock", "span"),
      node("actions", "span", { role: "group", "aria-label": "Actions" },
        ...BUTTONS.map(([action, text, title]) => button(text, title, (event) => {
          const item = event.currentTarget;
          pressed = event.detail === 0 ? { item, until: Date.now() + FOCUS_MS } : null;
          item.disabled = true;
          send(action);
        }, { "data-do": action, hidden: "" })))),
    node("bar", "div", { role: "progressbar", "aria-label": "Progress of the run",
      "aria-valuemin": "0", "aria-valuemax": "100" }, h("div")),
    node("phases", "ol", { "aria-label": "Phases" }),
    node("hooks", "ul", { "aria-label": "Hooks of the phase" }),
    node("folded", "div"),
    node("last", "div"),
    node("waits", "div", { "aria-label": "Waits" }), node("others", "div"),
    node("failure", "div", { role: "group", "aria-label": "What went wrong", hidden: "" }),
    node("tasks", "div", { hidden: "" },
      node("counts", "div"),
      h("div", { class: "snb-scroll" }, h("table", { "aria-label": "Tasks" },
        h("thead", {}, h("tr", {}, ...["State", "Task", "Time", "Started in", "Last line", ""].map(
          (text) => h("th", { scope: "col" }, text || h("span", { class: "snb-hidden" }, "Actions"))))),
        node("rows", "tbody"))),
      node("more", "div")),
    node("log", "div", { role: "group", "aria-label": "Log", hidden: "" }),
    node("notes", "ul", { "aria-label": "Notes" }),
    node("toast", "div", { role: "status", hidden: "" }),
    node("live", "div", { class: "snb-hidden", "aria-live": "polite" }),
  );

  function say(ok, text, stays = false) {
    put(part.toast, text);
    part.toast.hidden = false;
    part.toast.classList.toggle("snb-bad", !ok);
    clearTimeout(toast);
    if (!stays) toast = setTimeout(() => { part.toast.hidden = true; }, ok ? 4000 : 15000);
  }

  const running = (entry) => entry.status === "running";
  const spent = (entry) => entry.took ?? (running(entry) ? Math.max(0, now() - entry.begun) : 0);
  const time = (entry) => entry.took != null || running(entry) ? seconds(spent(entry), running(entry)) : "";

  // -- the sections -----------------------------------------------------------------------------

  function head() {
    const run = S.run, phases = S.phases;
    const at = phases.findLastIndex((phase) => phase.begun && phase.name === run.where) + 1;
    const word = OF_RUN[run.state] ?? run.state;
    attribute(part.state, "data-status", run.state);
    put(part.state, `${SYMBOLS[run.state] ?? "·"} ${word}`);
    const where = run.where && run.state !== "complete" ? ` · ${run.where} (${at} of ${phases.length})` : "";
    const next = run.state === "unfinished" && run.next ? ` · next is ${run.next}` : "";
    put(part.title, run.mode ? `${run.mode} of ${run.tree.split("/").pop()}${next || where}` : "no run yet");
    attribute(part.title, "title", `${run.tree}\nlogs in ${run.dir}`);
    attribute(el, "aria-label", `${run.mode || "stack"} of ${run.tree.split("/").pop()}`);
    for (const item of part.actions.children) {
      const can = S.can.includes(item.dataset.do);
      if (item.hidden === can) item.disabled = false;
      item.hidden = !can;
    }
    handOn();
  }

  // A button that is disabled or goes away loses the focus: whoever pressed it by keyboard is given what
  // can be done next. Not Stop, which the same key would press. The browser may not have noticed yet that
  // the button lost it, or the page may have put it on what the panel is in; anywhere else, somebody did.
  function handOn() {
    const able = part.actions.querySelector("button:enabled:not([hidden], [data-do=stop])");
    if (!pressed || !able || (pressed.item.disabled && !pressed.item.hidden)) return;
    const at = document.activeElement ?? document.body;
    if ((at === pressed.item || at.contains(el)) && Date.now() < pressed.until) able.focus();
    pressed = null;
  }

  function announce() {
    const run = S.run;
    const waits = S.waiting.map((wait) => `, waiting for ${wait.name}`).join("");
    const why = S.failure ? `, ${S.failure.hook} ${S.failure.reason}` : "";
    const text = `${run.mode} ${OF_RUN[run.state] ?? run.state}${run.where ? `, ${run.where}` : ""}${waits}${why}`;
    if (told !== text) put(part.live, (told = text));
  }

  function clock() {
    const run = S.run, phases = S.phases;
    if (!run.mode) return;
    const took = phases.reduce((sum, phase) => sum + (phase.begun ? spent(phase) : 0), 0);
    const total = phases.length;
    const known = total && phases.every((phase) => phase.expected != null);
    let left = 0;
    for (const phase of phases) {
      if (phase.status === "to come") left += phase.expected ?? 0;
      if (phase.status === "running") left += Math.max(0, (phase.expected ?? 0) - spent(phase));
    }
    const done = phases.filter((phase) => ["ok", "skipped"].includes(phase.status)).length;
    const part_ = run.state === "complete" ? 1
      : known && took + left > 0 ? Math.min(0.99, took / (took + left)) : total ? done / total : 0;
    const percent = Math.round(100 * part_);
    attribute(part.bar, "aria-valuenow", String(percent));
    attribute(part.bar, "data-status", run.state);
    part.bar.firstChild.style.width = `${percent}%`;
    let text = took ? seconds(took, run.state === "running") : "";
    if (known && run.state === "running") {
      const late = phases.some((phase) => phase.status === "running" && spent(phase) > 1.1 * phase.expected + 1);
      const rest = seconds(left, true);
      text += late ? ` · this phase is late; then about ${rest}` : ` · about ${rest} left`;
      text += `, as in the run of ${S.basis}`;
    }
    put(part.clock, text);
  }

  function phases() {
    keyed(part.phases, S.phases.map((_, number) => number),
      () => h("li", {}, h("span", { class: "snb-mark" }), h("span"), h("span", { class: "snb-time" })),
      (item, number) => {
        const phase = S.phases[number];
        const [symbol, label, clocked] = item.children;
        attribute(item, "data-status", phase.status);
        put(symbol, SYMBOLS[phase.status] ?? "·");
        put(label, short(phase.name));
        const expected = phase.expected != null && ["to come", "running"].includes(phase.status)
          ? ` of ~${seconds(phase.expected, phase.expected >= 10)}` : "";
        put(clocked, phase.status === "to come" ? expected.replace(" of ", "") : time(phase) + expected);
        attribute(item, "aria-label", `${phase.name}: ${phase.status}`);
        attribute(item, "title", `${phase.name}: ${phase.status}`);
        if (phase.status === "running") attribute(item, "aria-current", "step");
        else item.removeAttribute("aria-current");
      });
  }

  function hooks() {
    attribute(part.hooks, "data-phase", S.hooks.length ? `${short(S.run.where)}:` : "");
    const before = S.hooks[0]?.number ?? 0;
    const after = S.hooks.length ? S.run.hooks - S.hooks.at(-1).number - 1 : 0;
    const some = (count, where) => count && `${count} hook${count > 1 ? "s" : ""} ${where}`;
    put(part.folded, [some(before, "before these"), some(after, "after them")].filter(Boolean).join(", "));
    keyed(part.hooks, S.hooks.map((hook) => `${hook.number} ${hook.name}`),
      (key) => h("li", {}, h("span", { class: "snb-mark" }), logButton(key.replace(/^\d+ /, "")), h("span", { class: "snb-time" })),
      (item, key) => {
        const hook = S.hooks[Number.parseInt(key, 10) - before];
        const [symbol, name, clocked] = item.children;
        attribute(item, "data-status", hook.status);
        put(symbol, SYMBOLS[hook.status] ?? "·");
        attribute(item, "title", `${hook.name}: ${hook.status}`);
        name.dataset.log = hook.log;
        name.disabled = !hook.log;
        put(clocked, time(hook));
      });
    const at = part.hooks.children[S.hooks.findLastIndex((hook) => hook.begun)];
    if (at && part.hooks.clientHeight && part.hooks.at !== at) { // of many, the one at work is in view
      part.hooks.at = at;
      part.hooks.scrollTop = at.offsetTop - part.hooks.clientHeight / 2;
    }
    const last = S.tail?.last && !S.waiting.length ? `${S.tail.hook}: ${S.tail.last}` : "";
    put(part.last, last);
  }

  function waits() {
    keyed(part.waits, S.waiting.map((wait) => wait.log),
      (key) => h("div", {}, h("span", { class: "snb-mark" }, "…"), h("span", {}, "Waiting for "),
        logButton(S.waiting.find((wait) => wait.log === key).name), h("span", { class: "snb-time" }),
        h("code")),
      (item, key) => {
        const wait = S.waiting.find((entry) => entry.log === key);
        const [, , name, clocked, last] = item.children;
        name.dataset.log = wait.log;
        put(name, wait.name); // which was cut, if it is from the picture that a notebook keeps
        const before = wait.before != null ? ` and took ${seconds(wait.before)} last time` : "";
        const who = wait.hook ? `, by ${wait.hook}` : "";
        put(clocked, ` for ${seconds(now() - wait.since, true)}${who}; it has run for ${seconds(now() - wait.begun, true)}${before}`);
        put(last, wait.last);
      });
    const others = (S.waits ?? 0) - S.waiting.length;
    put(part.others, others > 0 ? `and for ${others} more` : "");
  }

  const typed = (path) => /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'"'"'`)}'`;

  function failure() {
    const why = S.failure;
    part.failure.hidden = !why;
    const before = (why?.first ?? []).map((phase) => `%stack ${phase.replace("stack ", "")}`).join(", then ");
    const first = why?.status === "interrupted" ? "Retry the phase to go on"
      : before ? `Mend it${why.cell}, run again what starts the task: ${before}, then this phase`
      : `Mend it${why?.cell} and retry the phase`;
    const next = S.can.includes("retry")
      ? `${first}; the variables are as the hook left them: %stack vars.`
      : S.can.length ? "" : `%stack resume ${typed(S.run.dir)} opens the run, to go on where it ended.`;
    // Built anew only if it says something else: text may be marked in it, and the keyboard be there.
    const said = JSON.stringify([why, next]);
    if (part.failure.said === said) return;
    part.failure.said = said;
    if (!why) return part.failure.replaceChildren();
    const facts = [["at", why.place], ["command", why.command], ["from", why.calls?.join("\n")], ["status", why.code]]
      .filter(([, value]) => value != null && value !== "")
      .flatMap(([key, value]) => [h("dt", {}, key), h("dd", {}, h("code", {}, String(value)))]);
    const open = button("Open the log", why.path, () => openLog(why.log, why.hook));
    part.failure.replaceChildren(
      h("div", { class: "snb-why" }, h("span", { class: "snb-mark" }, SYMBOLS[why.status] ?? "✗"),
        h("b", {}, why.hook), ` ${why.reason}`),
      h("dl", {}, ...facts),
      ...(why.lines.length ? [h("pre", { ...READ, "aria-label": "Last lines" }, why.lines.join("\n"))] : []),
      h("div", { class: "snb-next" }, ...(why.log ? [open] : []), h("span", {}, next)));
  }

  function tasks() {
    const total = Object.values(S.counts).reduce((sum, count) => sum + count, 0);
    part.tasks.hidden = !total;
    put(part.counts, `Tasks: ${Object.entries(S.counts).map(([status, count]) => `${count} ${WORDS[status] ?? status}`).join(", ")}`);
    keyed(part.rows, S.order.filter((key) => S.rows[key]),
      (key) => h("tr", {}, h("td"), h("td", {}, logButton(S.rows[key].name)), h("td"), h("td"), h("td"),
        h("td", {}, button("Cancel", `End the task ${S.rows[key].name} with all it started`, (event) => {
          event.currentTarget.disabled = true;
          send("cancel", { name: S.rows[key].name });
        }, { "aria-label": `Cancel ${S.rows[key].name}` }))),
      (item, key) => {
        const row = S.rows[key];
        const [state, name, clocked, phase, last, actions] = item.children;
        const idle = row.status === "ok" && !row.collected ? ", not waited for" : "";
        attribute(item, "data-status", row.status);
        if (row.status === "lost") attribute(state, "title", LOST);
        put(state, `${SYMBOLS[row.status] ?? "·"} ${WORDS[row.status] ?? row.status}${idle}`);
        name.firstChild.dataset.log = key;
        put(name.firstChild, row.name);
        put(clocked, time(row) + (row.before != null ? ` of ~${seconds(row.before, row.before >= 10)}` : ""));
        put(phase, short(row.phase));
        put(last, row.last);
        attribute(last, "title", row.last);
        const cancel = actions.firstChild;
        cancel.hidden = !(S.can.includes("cancel") && ["running", "waiting"].includes(row.status));
      });
    const folded = total - S.order.length;
    if (folded > 0 && S.order.length < 500) {
      if (!part.more.firstChild) part.more.append(button("", "Show more tasks", () => send("more")));
      put(part.more.firstChild, `and ${folded} more: show them`);
    } else put(part.more, folded > 0 ? `and ${folded} more` : "");
  }

  function notes() {
    keyed(part.notes, S.notes.map((_, number) => number), () => h("li"),
      (item, number) => put(item, S.notes[number]));
  }

  // -- an open log ------------------------------------------------------------------------------

  function openLog(key, name) {
    if (!key) return;
    if (log?.key === key) return log.search.focus();
    const opener = document.activeElement;
    if (gone) return sayHow();
    log = { key, name, opener, lines: [], partial: "", path: "", follow: true };
    log.pre = h("pre", { ...READ, "aria-label": `Log of ${name}` });
    log.pre.addEventListener("scroll", () => {
      if (log) log.follow = log.pre.scrollTop + log.pre.clientHeight >= log.pre.scrollHeight - 20;
    });
    log.status = h("span", { class: "snb-time", role: "status" });
    log.search = h("input", { type: "search", placeholder: "Search; Enter searches the whole log", "aria-label": "Search in the log" });
    log.search.addEventListener("input", () => {
      log.found = null;
      log.follow ||= !log.search.value;
      showLog();
    });
    log.search.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the notebook has shortcuts of its own
      if (event.key === "Enter" && log.search.value) {
        put(log.status, "searching …");
        send("search", { log: key, text: log.search.value });
      } else if (event.key === "Escape") closeLog();
    });
    part.log.replaceChildren(
      h("div", { class: "snb-loghead" }, h("b", {}, name), log.search, log.status,
        button("Copy path", "Copy the path of the log", () => copy(log.path || log.key)),
        button("✕", "Close the log", closeLog, { "aria-label": "Close the log" })),
      log.pre);
    part.log.hidden = false;
    send("open", { log: key });
    log.search.focus({ preventScroll: true });
  }

  function closeLog() {
    if (!log) return;
    const opener = log.opener;
    log = null;
    part.log.hidden = true;
    part.log.replaceChildren();
    if (el.contains(opener)) opener.focus({ preventScroll: true });
    send("shut");
  }

  function takeLog(message) {
    if (!log || log.key !== message.key || message.view !== send.view) return;
    if (message.reset) log.lines = [];
    if (message.skipped) log.lines.push(`… ${message.skipped} left out here; all is in the log`);
    if (message.text) log.lines.push(...message.text.replace(/\n$/, "").split("\n"));
    if (log.lines.length > LINES) log.lines.splice(0, log.lines.length - LINES);
    log.partial = message.partial ?? "";
    log.path = message.path;
    log.ended = message.ended;
    if (!log.found) showLog(); // what was found in the whole log stays until something else is asked
  }

  function showLog() {
    if (!log) return;
    const wanted = log.search.value.toLowerCase();
    let lines = log.partial ? [...log.lines, log.partial] : log.lines;
    if (log.found) lines = log.found;
    else if (wanted) lines = lines.filter((line) => line.toLowerCase().includes(wanted));
    log.pre.textContent = lines.join("\n") || (wanted ? "no such line" : "nothing printed yet");
    if (!log.found) put(log.status, wanted ? `${lines.length} of the last ${log.lines.length} lines` : log.ended ? "ended" : "live");
    if (log.follow) log.pre.scrollTop = log.pre.scrollHeight;
  }

  function takeFound(message) {
    if (!log || log.key !== message.key || log.search.value !== message.text) return;
    log.found = message.lines.map(([number, line]) => `${String(number).padStart(6)}  ${line}`);
    log.follow = false;
    put(log.status, message.words);
    showLog();
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      say(true, `Copied ${text}`);
    } catch {
      say(false, text); // a page that may not use the clipboard: there to be copied by hand
    }
  }

  // -- what the kernel sends ----------------------------------------------------------------------

  const sections = { run: head, can: head, basis: clock, phases, hooks, tail: hooks, waiting: waits, waits, failure,
    counts: tasks, order: tasks, rows: tasks, notes };
  function draw(keys) {
    const what = new Set(keys.map((key) => sections[key]).filter(Boolean));
    if (keys.includes("waiting")) what.add(hooks);
    if (keys.includes("can")) what.add(tasks).add(failure);
    what.add(clock).add(announce).forEach((section) => section());
  }
  function full(picture) {
    S = { ...picture }; // other views of the panel are given the same
    skew = S.now - Date.now() / 1000;
    draw(Object.keys(sections));
  }
  function receive(message) {
    if (gone && message.kind !== "full") send("sync"); // it was slow, not gone
    if (gone) part.toast.hidden = true;
    gone = false;
    if (message.kind === "full") full(message.picture);
    else if (message.kind === "diff") {
      if (message.n <= S.n) return;
      if (message.n > S.n + 1) return send("sync");
      for (const [key, value] of Object.entries(message.set)) {
        if (key !== "rows") { S[key] = value; continue; }
        S.rows = { ...S.rows };
        for (const [row, entry] of Object.entries(value)) {
          if (entry === null) delete S.rows[row]; else S.rows[row] = entry;
        }
      }
      S.n = message.n;
      skew = message.now - Date.now() / 1000;
      draw(Object.keys(message.set));
    } else if (message.kind === "log") takeLog(message);
    else if (message.kind === "found") takeFound(message);
    else if (message.kind === "ack") send.confirm(message.id);
    else if (message.kind === "said") {
      say(message.ok, message.text);
      el.querySelectorAll("button[disabled][title]").forEach((item) => {
        if (!item.classList.contains("snb-name")) item.disabled = false;
      });
      handOn();
    }
  }
  // A kernel that was restarted or shut down took the run with it. One that does not know this panel is
  // another than that of the run: the picture is what the notebook has kept.
  const kernelLives = () => ["idle", "busy", "starting"].includes(kernelOf(model)?.status) || kernelOf(model)?.is_connected?.();
  const howToSee = () => `${S.run.state === "complete" ? "" : "%load_ext stacknb and %stack resume go on with the latest run. "}%stack panel ${typed(S.run.dir)} shows what is left of this one.`;
  const sayHow = () => say(false, howToSee(), S.run.state !== "complete");
  function lose(when) {
    gone = true;
    const over = (entry) => ["running", "waiting"].includes(entry.status) ? { ...entry, status: "lost" } : entry;
    const run = S.run.state === "running" ? { ...S.run, state: "lost" } : S.run;
    const rows = Object.fromEntries(Object.entries(S.rows).map(([key, row]) => [key, over(row)]));
    const { running = 0, waiting = 0, ...counts } = S.counts;
    if (running + waiting) counts.lost = (counts.lost ?? 0) + running + waiting;
    full({ ...S, run, rows, counts, phases: S.phases.map(over), hooks: S.hooks.map(over),
      can: [], tail: null, waiting: [], waits: 0, now: when });
    if (log) { log.ended = true; showLog(); }
    sayHow();
  }
  const onLine = () => { if (!kernelLives()) lose(now()); };
  const onPicture = () => full(model.get("picture"));
  model.on("msg:custom", receive);
  model.on("change:picture", onPicture);
  model.on("comm_live_update", onLine);
  onPicture();
  // What was sent before this view was there to hear it is not repeated until something else changes.
  if (kernelOf(model) || model.comm_live) send("sync"); else lose(S.now);
  const hadKernel = Boolean(kernelOf(model));
  const ticking = setInterval(() => {
    if (gone) return;
    const kernel = kernelOf(model);
    if (hadKernel && (!kernel || kernel.isDisposed || kernel.status === "dead")) return lose(now());
    if (S.run.state === "running" || S.order.some((key) => running(S.rows[key] ?? {}))) {
      clock(); phases(); hooks(); waits(); tasks();
    }
  }, 1000);

  // One run is shown in one cell: its newest. The others go back to their summary. Several views may be
  // made before the first of them is in its cell, so they have numbers.
  const id = model.get("panel");
  const views = (document.stacknbViews ??= { made: 0, newest: new Map() });
  const made = ++views.made;
  const moved = () => {
    if (views.newest.get(id) > made && el.closest(".jp-Cell, .code_cell")) el.classList.add("stacknb-moved");
  };
  document.addEventListener("stacknb-shown", moved);
  requestAnimationFrame(() => {
    hooks(); // now that there is a place to scroll in
    if (!el.closest(".jp-Cell, .code_cell")) return;
    views.newest.set(id, Math.max(made, views.newest.get(id) ?? 0));
    document.dispatchEvent(new CustomEvent("stacknb-shown"));
  });

  return () => {
    if (log) send("shut");
    clearInterval(ticking);
    clearTimeout(toast);
    send.close();
    document.removeEventListener("stacknb-shown", moved);
    model.off("msg:custom", receive);
    model.off("change:picture", onPicture);
    model.off("comm_live_update", onLine);
  };
}

export default { render };
