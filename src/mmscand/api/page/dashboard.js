"use strict";
/* The dashboard of mmscand-api. It only reads (GET), and only while somebody looks at it.
 *
 * Names of processes and mappings are chosen by others: they become text nodes (textContent), and
 * never markup. Styles are set by classes and by properties, as the page may have no inline ones.
 */

const PAGES_A_MIB = 256;
const KEPT_POINTS = 180; // of the lines: three minutes
const SMOOTHED_POINTS = 5;
const KEPT_EVENTS = 300;
const SHOWN_ROWS = 100;
const SHOWN_MAPPINGS = 30;
const SHOWN_NAMES = 8; // of the processes that are left alone for one reason
const SILENT_MS = 20000; // the daemon has 10 s to answer
const AGAIN_MS = 1000;
const HISTORY_POINTS = 120;
const ASK_EVERY = 2; // statuses, of which one comes a second
const REST = 20; // times as long as an answer took: 50 000 processes are many megabytes
const WHY_EVERY = 10;
const MAP = { columns: 120, leastColumns: 20, rows: 288, cellWidth: 4 };
const COLDEST = 0.01; // accesses a second and page: the shade of the coldest ...
const HOTTEST = 10; // ... and of the hottest
const HOT_REASONS = ["queued", "planned", "unsure", "no_room", "refused"];
const REASONS = {
  queued: "on the migration list",
  planned: "next to be promoted",
  unsure: "not sure yet",
  no_room: "no room",
  refused: "would not move",
  shared: "shared by processes",
  cold: "cold",
  unknown: "not observed yet",
  "": "not known why",
};

const byId = (id) => document.getElementById(id);

/* ---- Words and elements ---- */

/** An element with text; what does not print is shown as its number, and text of others keeps its
 * writing direction to itself. */
function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = printable(text);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function printable(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));
}

function say(id, text) {
  const element = byId(id);
  const words = printable(text);
  if (element.textContent !== words) element.textContent = words;
}

const digits = (number) => (number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toPrecision(2));
const short = (number) => (number === 0 ? "0" : Math.abs(number) < 0.001 ? "< 0.001" : String(Number(digits(number))));
const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(share > 0.995 || share < 0.1 ? 1 : 0)} %`);
const points = (number) => number.toFixed(number < 10 ? 2 : 0);
const seconds = (number) => `${short(number)} s`;

function size(pages) {
  if (pages === null || pages === undefined) return "–";
  const mib = pages / PAGES_A_MIB;
  if (mib < 1) return pages ? `${short(4 * Math.round(pages * 10) / 10)} KiB` : "0";
  if (mib >= 1024 * 1024) return `${short(mib / 1048576)} TiB`;
  return mib >= 1024 ? `${short(mib / 1024)} GiB` : `${short(mib)} MiB`;
}

function span(s) {
  if (s < 90) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}

const clock = (unix) => new Date(1000 * unix).toLocaleTimeString([], { hour12: false });
const date = (unix) => new Date(1000 * unix).toLocaleString([], { hour12: false });
const total = (numbers) => numbers.reduce((sum, each) => sum + each, 0);
const hex = (address) => "0x" + BigInt(address).toString(16);

/* ---- What is known ---- */

const live = { status: null, points: [], seenAt: 0, processes: [], events: [], last: 0, ticks: 0 };
const past = { samples: [], changes: [], chosen: null, asked: 0 };
const table = { by: "process", sort: { process: "slowHot", group: "slowHot" }, down: true, rows: new Map() };
const heat = { pid: null, name: "", looks: [], unit: "rate", inView: false, places: [], column: null };
const flights = new Set();
const dueAt = new Map();

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.hint ? `${body.error}; ${body.hint}` : body.error);
  return body;
}

/** One question of a kind at a time, and a slow answer is a reason to ask less often. */
async function once(kind, ask, now = false) {
  const began = performance.now();
  if (flights.has(kind) || (!now && began < (dueAt.get(kind) || 0))) return;
  flights.add(kind);
  try {
    await ask();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the network: the stream of events says so
  } finally {
    flights.delete(kind);
    dueAt.set(kind, began + REST * (performance.now() - began));
  }
}

/* ---- The stream of events ---- */

let source = null;
let heardAt = 0;
let againTimer = 0;

function connect() {
  disconnect();
  if (document.hidden) return;
  heardAt = Date.now();
  source = new EventSource("v1/events");
  source.addEventListener("open", () => once("log", catchUp, true));
  source.addEventListener("status", (event) => gotStatus(JSON.parse(event.data)));
  source.addEventListener("happened", (event) => gotEvents([JSON.parse(event.data)]));
  source.addEventListener("error", (event) => {
    heardAt = Date.now();
    if (event.data !== undefined) {
      const { error, hint } = JSON.parse(event.data);
      setState("away", ["no daemon: " + error, hint, lastSeen()].filter(Boolean).join("; "));
    } else {
      setState("away", ["mmscand-api does not answer", lastSeen()].filter(Boolean).join("; "));
      disconnect();
      againTimer = setTimeout(connect, AGAIN_MS);
    }
  });
}

const lastSeen = () => (live.status ? `figures are of ${clock(live.seenAt)}` : "");

function disconnect() {
  clearTimeout(againTimer);
  if (source) source.close();
  source = null;
}

/** What happened while nobody listened. */
async function catchUp() {
  try {
    gotEvents((await get(`v1/log?since=${live.last}`)).events);
  } catch {
    // Without a daemon there is no log; the stream says that.
  }
}

function gotStatus(status) {
  heardAt = Date.now();
  const before = live.status;
  if (before && before.start_timestamp !== status.start_timestamp) {
    live.points = [];
    live.events = [];
    live.last = 0;
    once("log", catchUp, true);
  }
  live.status = status;
  live.seenAt = Date.now() / 1000;
  addPoint(status);
  setState(...stateOf(status));
  if (past.chosen === null) showStatus(status, status.minute, live.points);
  if (live.ticks++ % ASK_EVERY === 0) once("processes", askProcesses);
  if (live.ticks % ASK_EVERY === 0) askHeat();
}

function stateOf(status) {
  if (status.trouble) return ["away", status.trouble];
  if (!status.enabled) return ["off", "scanning is switched off"];
  if (past.chosen !== null) return ["past", "shows the past"];
  return ["live", status.dry_run ? "live, dry run: moves nothing" : "live"];
}

const MARKS = { live: "●", past: "◷", off: "◼", away: "✖" };

/** Said once, not each second: a screen reader reads it out. */
function setState(state, words) {
  byId("state").dataset.state = state;
  byId("state").firstElementChild.textContent = MARKS[state];
  say("state-words", words);
}

function addPoint(status) {
  const points = live.points;
  const now = Date.now() / 1000;
  const from = points.at(-SMOOTHED_POINTS) || points[0];
  points.push(pointOf(now, status, from));
  if (points.length > KEPT_POINTS) points.shift();
}

/** One point of the lines; moves in pages a minute since `before`. */
function pointOf(time, status, before) {
  const minute = before ? since(before, time, status.counters) : {};
  return {
    time,
    counters: status.counters,
    minute,
    promoted: (minute.promoted || 0) / PAGES_A_MIB,
    demoted: (minute.demoted || 0) / PAGES_A_MIB,
    served: status.fast_ratio,
    cpu: status.budget ? status.budget.used_percent : null,
    allowed: status.budget ? status.budget.limit_percent : null,
  };
}

/** What was added to each counter, a minute; counters begin at 0 when the daemon is started. */
function since(before, time, counters) {
  const minutes = Math.max(time - before.time, 0.5) / 60;
  const added = {};
  for (const [name, value] of Object.entries(counters)) {
    const was = before.counters[name] || 0;
    added[name] = (value >= was ? value - was : value) / minutes;
  }
  return added;
}

/* ---- Figures ---- */

function showStatus(status, minute, points, here = null) {
  showAbout(status);
  showTiers(status);
  say("promoted", `${size(minute.promoted || 0)}/min`);
  say("demoted", `${size(minute.demoted || 0)}/min`);
  const failed = Object.entries(minute).filter(([name, pages]) => name.startsWith("failed_") && pages >= 1);
  say("failed", failed.map(([name, pages]) => `${Math.round(pages)} ${name.slice(7)}`).join(", ") || "none");
  const low = percent(status.fast_ratio_low);
  say("served", status.fast_ratio === null ? "not known" : `${percent(status.fast_ratio)} (${low} to ${percent(status.fast_ratio_high)})`);
  say("saved", `${seconds(minute.saved_s || 0)}/min`);
  say("spent", `${seconds(minute.spent_s || 0)}/min`);
  say("reused", percent(status.reused_ratio));
  showCost(status);
  showReasons(status.slow_by_reason);
  showLines(points, here);
}

function showAbout(status) {
  const now = past.chosen === null ? Date.now() / 1000 : past.samples[past.chosen].time;
  const parts = [`version ${status.version}`, `pid ${status.pid}`];
  if (status.processes !== undefined) parts.push(`${status.processes} processes watched, ${status.left_alone} left alone`);
  if (status.start_timestamp) parts.push(`up for ${span(Math.max(0, now - status.start_timestamp))}`);
  if (status.last_pass_timestamp) parts.push(`last pass ${span(Math.max(0, now - status.last_pass_timestamp))} ago`);
  say("about", parts.join(" · "));
}

function showTiers(status) {
  const list = byId("tiers");
  const tiers = Object.entries(status.tier_pages);
  while (list.children.length > tiers.length) list.lastElementChild.remove();
  tiers.forEach(([tier, { used, cache = 0, free }], at) => {
    let row = list.children[at];
    if (!row) {
      row = make("div");
      row.append(make("dt"), make("dd"), bar());
      list.append(row);
    }
    const nodes = (status.nodes || {})[tier] || [];
    row.children[0].textContent = nodes.length ? `${tier}, node ${nodes.join(", ")}` : tier;
    row.children[1].textContent = `${size(used)} used, ${size(cache)} page cache, ${size(free)} free`;
    setBar(row.children[2], used / Math.max(1, used + cache + free), tier);
  });
}

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function bar() {
  const svg = draw("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(draw("rect", { height: 10, width: 0 }), draw("path", { class: "rule" }));
  return svg;
}

/** The slow tier is ruled, as in the heat map: hue alone says nothing to some. */
function setBar(svg, share, tier) {
  const [rect, rule] = svg.children;
  rect.setAttribute("class", tier === "fast" ? "fast" : "slow");
  rect.setAttribute("width", (100 * share).toFixed(1));
  rule.setAttribute("d", tier === "fast" ? "" : [2.5, 5, 7.5].map((y) => `M0 ${y}H100`).join(""));
}

function showCost(status) {
  const budget = status.budget;
  say("cpu", budget ? `${points(budget.used_percent)} % of a core` : "nothing runs");
  say("allowed", budget ? `${points(budget.limit_percent)} % (${points(budget.earned_percent)} % earned)` : "–");
  say("waiting", budget ? `${budget.waiting} processes` : "–");
  const pressure = status.pressure || {};
  const kernel = pressure.some === undefined ? "not counted" : null;
  say("pressure-some", kernel || `${pressure.some.toFixed(1)} %`);
  say("pressure-full", kernel || `${(pressure.full || 0).toFixed(1)} %`);
}

function showReasons(slow) {
  const order = Object.keys(REASONS);
  const found = Object.entries(slow || {}).filter(([, pages]) => pages > 0);
  found.sort(([one], [other]) => order.indexOf(one) - order.indexOf(other));
  const rows = found.map(([reason, pages]) => {
    const hot = HOT_REASONS.includes(reason);
    const row = make("tr", "", hot ? { class: "hot" } : {});
    row.append(make("th", `${hot ? "▲ " : ""}${REASONS[reason] || reason}`, { scope: "row" }), make("td", size(pages), { class: "number" }));
    return row;
  });
  if (!rows.length) {
    rows.push(make("tr"));
    rows[0].append(make("td", "nothing is known to be slow", { colspan: 2 }));
  }
  byId("reasons").replaceChildren(...rows);
}

function showLines(points, here) {
  const most = (names) => Math.max(1e-9, ...points.flatMap((point) => names.map((name) => point[name] || 0)));
  const moves = most(["promoted", "demoted"]);
  const cpu = most(["cpu", "allowed"]);
  line("moves-line", points, { promoted: "up", demoted: "down" }, moves, here);
  line("served-line", points, { served: "up" }, 1, here);
  line("cpu-line", points, { cpu: "up", allowed: "down" }, cpu, here);
  const period = points.length > 1 ? span(points.at(-1).time - points[0].time) : "0 s";
  say("moves-scale", `in ${period}, at most ${moves > 1e-6 ? size(moves * PAGES_A_MIB) : "0"}/min`);
  say("cpu-scale", `in ${period}, at most ${cpu > 1e-6 ? short(cpu) : 0} %`);
}

function line(id, points, series, most, here) {
  const svg = byId(id);
  const first = points.length ? points[0].time : 0;
  const length = points.length > 1 ? points.at(-1).time - first : 1;
  const x = (time) => (300 * (time - first)) / length;
  const drawn = Object.entries(series).map(([name, kind]) => {
    const known = points.filter((point) => typeof point[name] === "number");
    const places = known.map((point) => `${x(point.time).toFixed(1)},${(57 - (54 * point[name]) / most).toFixed(1)}`);
    return draw("polyline", { class: kind, points: places.join(" ") });
  });
  if (here !== null) drawn.push(draw("path", { class: "here", d: `M${x(here).toFixed(1)} 0V60` }));
  svg.replaceChildren(...drawn);
}

/* ---- Processes and groups ---- */

const NUMBERS = {
  fast: { title: "Fast", text: (row) => size(row.fast) },
  slow: { title: "Slow", text: (row) => size(row.slow) },
  slowHot: { title: "Hot and slow", text: (row) => size(row.slowHot) },
  promoted: { title: "Promoted", text: (row) => size(row.promoted) },
  saved: { title: "Saved", text: (row) => seconds(row.saved) },
  spent: { title: "Spent", text: (row) => seconds(row.spent) },
};
const COLUMNS = {
  process: {
    name: { title: "Process", text: (row) => row.name, words: true },
    pid: { title: "Pid", text: (row) => row.pid },
    state: { title: "State", text: (row) => row.state, words: true },
    ...NUMBERS,
    served: { title: "Served fast", text: (row) => percent(row.served) },
    rule: { title: "Rule", text: (row) => row.rule, words: true },
  },
  group: {
    name: { title: "Group", text: (row) => row.name, words: true },
    processes: { title: "Processes", text: (row) => row.processes },
    ...NUMBERS,
  },
};

async function askProcesses() {
  const answer = await get("v1/processes");
  live.processes = answer.processes;
  showTable();
  showLeftAlone(answer.left_alone);
}

/** By reason: hundreds of processes have few. */
function showLeftAlone(processes) {
  const reasons = new Map();
  for (const { why, name, pid } of processes) {
    if (!reasons.has(why)) reasons.set(why, []);
    reasons.get(why).push(`${name} (${pid})`);
  }
  const rows = [...reasons].sort(([one], [other]) => one.localeCompare(other)).map(([why, names]) => {
    const row = make("tr");
    const more = names.length > SHOWN_NAMES ? ` and ${names.length - SHOWN_NAMES} more` : "";
    row.append(make("th", printable(why), { scope: "row" }), make("td", printable(names.slice(0, SHOWN_NAMES).join(", ")) + more));
    return row;
  });
  byId("left-alone").hidden = rows.length === 0 || past.chosen !== null;
  say("left-alone-words", `${processes.length} ${processes.length === 1 ? "process is" : "processes are"} left alone: why`);
  byId("reasons-alone").replaceChildren(...rows);
}

function rowOf(process) {
  return {
    key: `${process.pid} ${process.start_time}`,
    name: process.name,
    pid: process.pid,
    state: process.state,
    rule: process.rule,
    fast: process.fast_pages,
    slow: process.slow_pages,
    slowHot: process.hot_slow_pages,
    promoted: process.counters.promoted || 0,
    saved: process.saved_s,
    spent: process.spent_s,
    served: process.fast_ratio,
  };
}

/** By rule, and by name where no rule matches: as the history has them. */
function groupsOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    const name = row.rule === "default" ? `name=${row.name}` : row.rule;
    const group = groups.get(name) || { key: name, name, processes: 0, fast: 0, slow: 0, slowHot: 0, promoted: 0, saved: 0, spent: 0 };
    group.processes += 1;
    for (const key of Object.keys(NUMBERS)) group[key] += row[key] || 0;
    groups.set(name, group);
  }
  return [...groups.values()];
}

function pastGroups(sample) {
  return Object.entries(sample.groups).map(([name, { processes, now, sums }]) => ({
    key: name,
    name,
    processes,
    fast: now.fast_pages || 0,
    slow: now.slow_pages || 0,
    slowHot: now.hot_slow_pages || 0,
    promoted: sums.promoted || 0,
    saved: sums.saved_s || 0,
    spent: sums.spent_s || 0,
  }));
}

function showTable() {
  const isPast = past.chosen !== null;
  const by = isPast ? "group" : table.by;
  const all = live.processes.map(rowOf);
  const rows = isPast ? pastGroups(past.samples[past.chosen]) : by === "group" ? groupsOf(all) : all;
  const wanted = byId("filter").value.trim().toLowerCase();
  const found = rows.filter((row) => !wanted || `${row.name} ${row.rule || ""} ${row.pid || ""}`.toLowerCase().includes(wanted));
  const column = table.sort[by];
  found.sort((one, other) => (table.down ? -1 : 1) * compare(one[column], other[column]) || compare(one.key, other.key));
  showHeads(by);
  showRows(by, found.slice(0, SHOWN_ROWS));
  const kind = by === "group" ? "groups" : "processes";
  const cut = found.length > SHOWN_ROWS ? `, the first ${SHOWN_ROWS} are shown` : "";
  say("counted", `${found.length} of ${rows.length} ${kind}${cut}${isPast ? " at that moment" : ""}`);
}

function compare(one, other) {
  if (typeof one === "string") return one.localeCompare(other);
  return (one ?? -1) - (other ?? -1);
}

function showHeads(by) {
  const head = byId("processes").tHead.rows[0];
  const columns = Object.entries(COLUMNS[by]);
  if (head.dataset.by !== by) {
    head.dataset.by = by;
    head.replaceChildren(...columns.map(([name, column]) => headOf(by, name, column)));
  }
  columns.forEach(([name, column], at) => {
    const sorted = table.sort[by] === name;
    head.cells[at].setAttribute("aria-sort", !sorted ? "none" : table.down ? "descending" : "ascending");
    head.cells[at].firstElementChild.textContent = column.title + (!sorted ? "" : table.down ? " ▼" : " ▲");
  });
}

function headOf(by, name, column) {
  const head = make("th", "", column.words ? { scope: "col" } : { scope: "col", class: "number" });
  const button = make("button", column.title, { type: "button" });
  button.addEventListener("click", () => {
    table.down = table.sort[by] === name ? !table.down : !column.words;
    table.sort[by] = name;
    showTable();
  });
  head.append(button);
  return head;
}

/** Rows are kept and moved, so that the one with the focus keeps it. */
function showRows(by, found) {
  const body = byId("processes").tBodies[0];
  const focused = document.activeElement;
  const rows = new Map();
  found.forEach((row, at) => {
    const key = `${by} ${row.key}`;
    const element = table.rows.get(key) || newRow(by, row);
    rows.set(key, element);
    fillRow(by, element, row);
    if (body.rows[at] !== element) body.insertBefore(element, body.rows[at] || null);
  });
  while (body.rows.length > found.length) body.lastElementChild.remove();
  table.rows = rows;
  if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
}

function newRow(by, row) {
  const element = make("tr");
  for (const [name, column] of Object.entries(COLUMNS[by])) {
    const cell = name === "name" ? make("th", "", { scope: "row" }) : make("td", "", column.words ? {} : { class: "number" });
    if (name === "name") cell.append(by === "process" ? chooser(row) : make("bdi"));
    element.append(cell);
  }
  return element;
}

function chooser(row) {
  const button = make("button", "", { type: "button" });
  button.append(make("bdi"));
  button.addEventListener("click", () => choose(row.pid, row.name));
  return button;
}

function fillRow(by, element, row) {
  Object.values(COLUMNS[by]).forEach((column, at) => {
    const cell = element.cells[at];
    const place = at === 0 ? cell.querySelector("bdi") : cell;
    const words = printable(column.text(row)) || "(no name)";
    if (place.textContent !== words) place.textContent = words;
  });
  if (by !== "process") return;
  const chosen = row.pid === heat.pid;
  element.cells[0].firstElementChild.setAttribute("aria-label", `Show heat of ${printable(row.name)}, pid ${row.pid}`);
  if (chosen) element.setAttribute("aria-current", "true");
  else element.removeAttribute("aria-current");
}

/* ---- Heat of one process ---- */

function choose(pid, name) {
  Object.assign(heat, { pid, name, looks: [], column: null, whyAt: -WHY_EVERY });
  byId("heat").hidden = true;
  byId("why").hidden = true;
  say("heat-words", `Heat of ${name}, pid ${pid}: asks the daemon`);
  showTable();
  byId("heat-title").scrollIntoView({ block: "start", behavior: "auto" });
  once("heat", askHeatNow, true);
}

/** Nothing is asked for while the map is out of sight. */
function askHeat() {
  if (heat.pid === null || past.chosen !== null || document.hidden || !heat.inView) return;
  once("heat", askHeatNow);
}

async function askHeatNow() {
  const pid = heat.pid;
  if (!live.processes.some((process) => process.pid === pid)) {
    say("heat-words", `${heat.name}, pid ${pid}, is not watched any more. Choose another process above.`);
    return;
  }
  try {
    const look = await get(`v1/heat/${pid}`);
    if (pid !== heat.pid) return; // another was chosen meanwhile
    if (heat.unit !== look.unit) {
      heat.unit = look.unit;
      showLegend();
    }
    heat.looks.push({ ...look, time: Date.now() / 1000 });
    if (heat.looks.length > MAP.columns) heat.looks.shift();
    showHeat();
    if (live.ticks - heat.whyAt >= WHY_EVERY) {
      heat.whyAt = live.ticks;
      showWhy(await get(`v1/why/${pid}`), pid);
    }
  } catch (error) {
    if (pid === heat.pid) say("heat-words", `${heat.name}, pid ${pid}: ${error.message}`);
  }
}

function showHeat() {
  const look = heat.looks.at(-1);
  heat.places = placesOf(look);
  byId("heat").hidden = heat.places.length === 0;
  const fast = total(look.pieces.map((piece) => piece.fast_pages));
  const slow = total(look.pieces.map((piece) => piece.slow_pages));
  const words = `${look.name}, pid ${look.pid}: ${size(fast)} fast, ${size(slow)} slow`;
  say("heat-words", heat.places.length ? words : `${words}; no memory was seen yet`);
  if (!heat.places.length) return;
  const hottest = look.pieces.reduce((best, piece) => ((piece.heat ?? -1) > (best.heat ?? -1) ? piece : best));
  byId("map").setAttribute("aria-label", printable(`Heat map of ${words}; hottest: ${nameOf(look, hottest)}, ${heatWords(hottest.heat)}`));
  paintMap();
  showBands(look);
  showPlace();
  say("oldest", `${span(look.time - heat.looks[0].time)} ago`);
}

/** By row of the map its piece: rows are memory that is there, so address space without is out. */
function placesOf(look) {
  const pages = look.pieces.map((piece) => piece.fast_pages + piece.slow_pages);
  const all = total(pages);
  const places = [];
  if (!all) return places;
  let at = 0;
  let passed = pages[0];
  for (let row = 0; row < MAP.rows; row++) {
    const wanted = (all * (row + 0.5)) / MAP.rows;
    while (passed < wanted && at < pages.length - 1) passed += pages[++at];
    const piece = look.pieces[at];
    const into = pages[at] ? 1 - (passed - wanted) / pages[at] : 0;
    places.push({ piece, address: piece.start + (piece.end - piece.start) * Math.min(Math.max(into, 0), 0.999) });
  }
  return places;
}

function pieceAt(pieces, address) {
  let low = 0;
  let high = pieces.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (address < pieces[middle].start) high = middle - 1;
    else if (address >= pieces[middle].end) low = middle + 1;
    else return pieces[middle];
  }
  return null;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const PALETTES = {
  light: { back: [255, 255, 255], fast: [[255, 236, 217], [143, 52, 0]], slow: [[222, 234, 248], [9, 48, 112]], unknown: [150, 154, 158] },
  dark: { back: [28, 31, 34], fast: [[64, 38, 18], [255, 205, 150]], slow: [[22, 40, 64], [176, 219, 255]], unknown: [110, 116, 122] },
};
const palette = () => PALETTES[dark.matches ? "dark" : "light"];
const mix = (one, other, share) => one.map((value, at) => value + (other[at] - value) * share);

/** 0 to 1: of rates by their order of magnitude. */
function shadeOf(value) {
  if (heat.unit === "passes") return value / 6;
  if (value <= COLDEST) return 0;
  return Math.min(1, Math.log(value / COLDEST) / Math.log(HOTTEST / COLDEST));
}

/** Hue is the tier, and so is the ruling of slow memory: the share of orange lines of a piece is
 * its share of fast memory. The shade is heat; stripes: not known. */
function paintCell(pixels, width, left, line, piece, address, colors) {
  const at = line * width + left;
  if (piece && piece.heat === null) {
    for (let x = 0; x < MAP.cellWidth; x++) pixels[at + x] = packed(x % 2 ? colors.unknown : colors.back);
  } else {
    pixels.fill(packed(piece ? colorOf(piece, address, line, colors) : colors.back), at, at + MAP.cellWidth);
  }
}

/** As 32 bits of an image's data, which has red first; all browsers run little-endian. */
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

function colorOf(piece, address, line, colors) {
  const slow = isSlow(piece, address);
  const [cold, hot] = slow ? colors.slow : colors.fast;
  const color = mix(cold, hot, shadeOf(piece.heat));
  return slow && line % 3 === 2 ? mix(color, colors.back, 0.6) : color;
}

function isSlow(piece, address) {
  const share = piece.fast_pages / Math.max(1, piece.fast_pages + piece.slow_pages);
  return (address - piece.start) / (piece.end - piece.start) >= share;
}

/** A young map has wide columns. */
const columnsNow = () => Math.max(MAP.leastColumns, heat.looks.length);

function paintMap() {
  const canvas = byId("map");
  const columns = columnsNow();
  canvas.width = columns * MAP.cellWidth;
  canvas.height = MAP.rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  const colors = palette();
  const empty = columns - heat.looks.length;
  for (let column = 0; column < columns; column++) {
    const look = heat.looks[column - empty];
    heat.places.forEach(({ address }, row) => {
      const piece = look ? pieceAt(look.pieces, address) : null;
      paintCell(pixels, image.width, column * MAP.cellWidth, row, piece, address, colors);
    });
  }
  context.putImageData(image, 0, 0);
  canvas.dataset.looks = String(heat.looks.length);
}

function nameOf(look, piece) {
  const mapping = piece.mapping === null ? null : look.mappings[piece.mapping];
  if (!mapping) return `memory at ${hex(piece.start)}`;
  return mapping.name || `memory at ${hex(mapping.start)}`;
}

function heatWords(value) {
  if (value === null) return "nothing is known of it";
  return heat.unit === "passes" ? `accessed in ${short(value)} of six passes` : `${short(value)} accesses/s a page`;
}

/** Names beside the map, where there is room for them. */
function showBands(look) {
  const bands = [];
  let last = null;
  let free = 0;
  heat.places.forEach(({ piece }, row) => {
    if (piece.mapping === last) return;
    last = piece.mapping;
    if (row < free) return;
    free = row + 15;
    const name = nameOf(look, piece);
    const band = make("li", name.slice(name.lastIndexOf("/") + 1), { title: printable(name) });
    band.style.top = `${(100 * row) / MAP.rows}%`;
    bands.push(band);
  });
  byId("bands").replaceChildren(...bands);
}

function showPlace() {
  const slider = byId("place");
  const place = heat.places[Number(slider.value)];
  if (!place) return;
  const at = heat.column === null ? heat.looks.length - 1 : heat.column - (columnsNow() - heat.looks.length);
  const look = heat.looks[at];
  const piece = look ? pieceAt(look.pieces, place.address) : null;
  const when = !look || look === heat.looks.at(-1) ? "now" : `${span(heat.looks.at(-1).time - look.time)} ago`;
  const words = piece
    ? `${nameOf(look, piece)} at ${hex(piece.start)}: ${heatWords(piece.heat)}, ${size(piece.fast_pages)} fast, ${size(piece.slow_pages)} slow, ${when}`
    : "no memory was there";
  say("place-words", words);
  slider.setAttribute("aria-valuetext", printable(words));
}

function showLegend() {
  const parts = [];
  const colors = palette();
  const swatch = (piece) => {
    const canvas = make("canvas", "", { class: "swatch", width: MAP.cellWidth * 2, height: 12, "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let row = 0; row < canvas.height; row++) {
      for (const left of [0, MAP.cellWidth]) paintCell(pixels, image.width, left, row, { ...piece, start: 0, end: 1 }, 0, colors);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  };
  const values = heat.unit === "passes" ? [0, 3, 6] : [COLDEST, 0.3, HOTTEST];
  for (const [tier, slow] of [["fast, plain", 0], ["slow, ruled", 1]]) {
    parts.push(...values.map((value) => swatch({ heat: value, slow_pages: slow, fast_pages: 1 - slow })), tier);
  }
  parts.push(swatch({ heat: null, slow_pages: 0, fast_pages: 0 }), "not known");
  const unit = heat.unit === "passes" ? "0, 3 and 6 of six passes" : `${COLDEST} and less, 0.3, ${HOTTEST} and more accesses/s a page`;
  parts.push(` (${unit})`);
  byId("legend").replaceChildren(...parts);
}

function showWhy(why, pid) {
  if (pid !== heat.pid) return;
  const pages = (mapping) => mapping.fast + total(Object.values(mapping.slow));
  const there = why.mappings.filter((mapping) => pages(mapping) > 0).sort((one, other) => pages(other) - pages(one));
  byId("mappings").replaceChildren(...there.slice(0, SHOWN_MAPPINGS).map(mappingRow));
  const edge = why.edge === null ? "" : `; pages from ${short(why.edge)} accesses/s on have a place on the fast tier`;
  say("why-words", `The ${Math.min(there.length, SHOWN_MAPPINGS)} largest of ${there.length} mappings with memory${edge}`);
  byId("why").hidden = false;
}

function mappingRow(mapping) {
  const row = make("tr");
  const reasons = Object.entries(mapping.slow).filter(([, pages]) => pages > 0).sort(([, one], [, other]) => other - one);
  const words = reasons.map(([reason, pages]) => `${HOT_REASONS.includes(reason) ? "▲ " : ""}${REASONS[reason] || reason} ${size(pages)}`);
  const name = make("th", "", { scope: "row" });
  name.append(make("bdi", mapping.name || "(no name)"));
  row.append(
    name,
    make("td", hex(mapping.start)),
    make("td", size(mapping.fast), { class: "number" }),
    make("td", size(total(Object.values(mapping.slow))), { class: "number" }),
    make("td", mapping.rule ? `left out: ${mapping.rule}` : words.join(", ") || "nothing is slow"),
  );
  return row;
}

/* ---- Events ---- */

function gotEvents(found) {
  const fresh = found.filter((event) => event.number > live.last);
  if (!fresh.length) return;
  live.last = fresh.at(-1).number;
  live.events = [...live.events, ...fresh].slice(-KEPT_EVENTS);
  if (past.chosen === null) showEvents(live.events);
}

function showEvents(events, words = clock) {
  const rows = events.map((event) => {
    const row = make("tr");
    row.append(make("td", words(event.time)), make("td", event.words));
    return row;
  });
  byId("events").replaceChildren(...rows.reverse());
}

/* ---- The past ---- */

async function openPeriod() {
  const length = Number(byId("period").value);
  const asked = ++past.asked;
  if (!length) {
    backToNow();
    return;
  }
  say("moment-words", "reads the history");
  const now = Math.floor(Date.now() / 1000);
  const step = Math.max(5, Math.ceil(length / HISTORY_POINTS));
  try {
    const found = await get(`v1/history?since=${now - length}&until=${now}&step=${step}`);
    if (asked !== past.asked) return;
    const samples = found.samples.filter((sample) => sample.status && sample.status.counters);
    if (!samples.length) throw new Error("the history has nothing of this period yet");
    past.samples = samples;
    past.changes = found.changes;
    past.points = [];
    for (const { time, status } of samples) past.points.push(pointOf(time, status, past.points.at(-1)));
  } catch (error) {
    backToNow();
    say("moment-words", error.message);
    return;
  }
  const slider = byId("moment");
  slider.disabled = false;
  slider.max = String(past.samples.length - 1);
  slider.value = slider.max;
  byId("back-to-now").hidden = false;
  showMoment();
}

function showMoment() {
  if (!past.samples.length) return;
  byId("left-alone").hidden = true;
  past.chosen = Number(byId("moment").value);
  const { time, status } = past.samples[past.chosen];
  say("moment-words", date(time));
  byId("moment").setAttribute("aria-valuetext", date(time));
  if (byId("state").dataset.state === "live") setState("past", "shows the past");
  showStatus(status, past.points[past.chosen].minute, past.points, time);
  showTable();
  byId("heat").hidden = true;
  byId("why").hidden = true;
  say("heat-words", "The history keeps no heat: go back to now.");
  showEvents(past.changes.filter((change) => change.time <= time), date);
}

function backToNow() {
  Object.assign(past, { samples: [], changes: [], chosen: null });
  byId("period").value = "0";
  Object.assign(byId("moment"), { max: "0", value: "0", disabled: true });
  byId("moment").removeAttribute("aria-valuetext");
  byId("back-to-now").hidden = true;
  say("moment-words", "now");
  say("heat-words", "Choose a process in the table above.");
  showEvents(live.events);
  showTable();
  if (heat.looks.length) showHeat();
  if (!live.status) return;
  setState(...stateOf(live.status));
  showStatus(live.status, live.status.minute, live.points);
}

/* ---- What people do ---- */

byId("period").addEventListener("change", openPeriod);
byId("moment").addEventListener("input", showMoment);
byId("back-to-now").addEventListener("click", () => {
  past.asked++;
  backToNow();
  byId("period").focus();
});
byId("filter").addEventListener("input", showTable);
for (const radio of document.querySelectorAll("input[name=by]")) {
  radio.addEventListener("change", () => {
    table.by = radio.value;
    showTable();
  });
}
byId("place").max = String(MAP.rows - 1);
byId("place").addEventListener("input", () => {
  heat.column = null;
  showPlace();
});
byId("map").addEventListener("pointermove", (event) => {
  const box = event.currentTarget.getBoundingClientRect();
  const inside = (place, length, cells) => Math.min(cells - 1, Math.max(0, Math.floor((place / length) * cells)));
  byId("place").value = String(inside(event.clientY - box.top, box.height, MAP.rows));
  heat.column = inside(event.clientX - box.left, box.width, columnsNow());
  showPlace();
});
byId("map").addEventListener("pointerleave", () => {
  heat.column = null;
  showPlace();
});
dark.addEventListener("change", () => {
  showLegend();
  if (heat.looks.length) paintMap();
});
new IntersectionObserver((seen) => {
  heat.inView = seen.at(-1).isIntersecting;
}).observe(byId("heat-section"));
document.addEventListener("visibilitychange", connect);
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => event.persisted && connect());
setInterval(() => {
  if (!document.hidden && source && Date.now() - heardAt > SILENT_MS) {
    setState("away", "nothing was heard for 20 s; connects again");
    connect();
  }
}, 5000);

showLegend();
showTable();
connect();
