"""How a page looks, and its script. Nothing is fetched: style and script stand in the page."""

STYLE = """
:root { color-scheme: light dark;
  --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff; --shade: #f6f8fa; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d; --paper: #0d1117; --shade: #161b22; --link: #79b8ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
a { color: var(--link); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .25rem 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.25rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; }
p, ul, dl { margin: .5rem 0; max-width: 46rem; }
small, .soft, caption { color: var(--soft); }
small { font-size: .875em; }
.wide { overflow-x: auto; margin: .75rem 0; }
.many table { min-width: 40rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .35rem; font-size: .9rem; max-width: calc(100vw - 3rem); }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); }
thead th { font-size: .875rem; color: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
tr.part th { font-weight: 400; padding-left: 1.25rem; }
td small { display: block; }
tbody th { max-width: 15rem; }
.deep-1 th { padding-left: 1rem; } .deep-2 th { padding-left: 2rem; } .deep-3 th { padding-left: 3rem; }
.deep-1 th, .deep-2 th, .deep-3 th { font-weight: 400; }
tr.shut td, tr.shut th { color: var(--soft); font-weight: 400; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem; }
.now { background: var(--shade); border-left: .25rem solid var(--line); padding: .6rem .9rem; max-width: 46rem; }
.reply { white-space: pre-wrap; background: var(--shade); border: 1px solid var(--line); padding: .9rem; margin: .5rem 0;
  font: .95rem/1.5 ui-monospace, monospace; user-select: all; }
button { font: inherit; font-size: .875rem; color: inherit; background: var(--shade); border: 1px solid var(--line);
  border-radius: .25rem; padding: .1rem .6rem; cursor: pointer; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
@media print {
  :root { --ink: #000; --soft: #444; --line: #999; --paper: #fff; --shade: #fff; --link: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, button { display: none; }
  .many table { min-width: 0; }
  th, td { padding: .15rem .9rem .15rem 0; } h2 { margin-top: 1.25rem; }
  tr, .now, .reply { break-inside: avoid; } h2, h3 { break-after: avoid; }
}
"""

SCRIPT = """
(() => {
  "use strict";
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = (at, zone) => Object.fromEntries(new Intl.DateTimeFormat("en-GB", {timeZone: zone, weekday: "short",
    day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23"})
    .formatToParts(at).map(part => [part.type, part.value]));
  const day = p => `${p.weekday} ${p.day} ${p.month.slice(0, 3)} ${p.year}`;
  const clock = p => `${p.hour}:${p.minute}`;
  const written = new Map();
  const keep = node => { if (!written.has(node)) written.set(node, [...node.childNodes].map(n => n.cloneNode(true))); };
  const sections = [...document.querySelectorAll("[data-zone]")].filter(s => s.dataset.zone !== mine);

  const spansOf = body => {
    const spans = [];
    for (const open of body.querySelectorAll("[data-open]")) {
      const [since, until] = [...open.querySelectorAll("time")].map(t => new Date(t.dateTime));
      const last = spans[spans.length - 1];
      if (last && +last.until === +since) last.until = until; else spans.push({since, until});
    }
    return spans;
  };

  const rowsOf = (body, zone) => {
    const notes = new Map([...body.querySelectorAll("tr")].map(row => [row.dataset.label, row.dataset.note || ""]));
    const spans = spansOf(body);
    const days = new Map([...notes.keys()].map(label => [label, []]));
    for (const span of spans) {
      const from = parts(span.since, zone), to = parts(span.until, zone);
      const over = day(from) !== day(to) && !(clock(to) === "00:00" && span.until - span.since <= 864e5);
      const end = clock(to) === "00:00" && !over && day(from) !== day(to) ? "24:00" : clock(to);
      if (!days.has(day(from))) days.set(day(from), []);
      days.get(day(from)).push(`${clock(from)}–${end}${over ? ` (${to.weekday} ${to.day} ${to.month.slice(0, 3)})` : ""}`);
    }
    days.delete(day(parts(new Date(body.closest("[data-until]").dataset.until), zone)));  // known in part only
    const order = [...days.keys()].sort((a, b) => Date.parse(a.slice(4) + " UTC") - Date.parse(b.slice(4) + " UTC"));
    return order.map(label => {
      const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
      const times = days.get(label), note = notes.get(label);
      head.scope = "row"; head.textContent = label;
      cell.textContent = (times.join(", ") || "closed") + (note ? ` (${note})` : "");
      if (!times.length) row.className = "shut";
      row.append(head, cell);
      return row;
    });
  };

  const show = (section, zone) => {
    const own = section.dataset.zone;
    for (const time of section.querySelectorAll("time.moment")) {
      keep(time);
      if (zone === own) time.replaceChildren(...written.get(time).map(n => n.cloneNode(true)));
      else { const p = parts(new Date(time.dateTime), zone); time.textContent = `${day(p)} ${clock(p)}`; }
    }
    for (const body of section.querySelectorAll("table.days tbody")) {
      keep(body);
      body.replaceChildren(...written.get(body).map(n => n.cloneNode(true)));
      if (zone !== own && !section.hasAttribute("data-always")) body.replaceChildren(...rowsOf(body, zone));
    }
    for (const name of section.querySelectorAll(".zone")) name.textContent = zone === own ? own : `your time zone, ${zone}`;
  };

  // Where the reader's clock lies within the days shown, what holds by it.
  for (const table of document.querySelectorAll("table.days")) {
    const section = table.closest("[data-zone]"), line = section.querySelector(".now"), now = new Date();
    if (now < new Date(table.dataset.since) || now > new Date(table.dataset.until)) continue;
    const spans = spansOf(table), next = spans.find(span => now < span.until);
    if (!next) continue;
    const time = document.createElement("time"), at = now < next.since ? next.since : next.until;
    time.className = "moment"; time.dateTime = at.toISOString();
    const p = parts(at, section.dataset.zone);
    time.textContent = `${day(p)} ${clock(p)}`;
    line.replaceChildren(now < next.since ? "Closed now, open again: " : "Open now, until ", time);
  }

  for (const section of sections) {
    const own = section.dataset.zone;
    const button = document.createElement("button");
    const turn = zone => {
      show(section, zone);
      button.textContent = zone === own ? `Show in ${mine}` : `Show in ${own}`;
      button.onclick = () => turn(zone === own ? mine : own);
    };
    button.type = "button";
    section.querySelector(".zones").append(" ", button);
    turn(mine);
  }
})();
"""
