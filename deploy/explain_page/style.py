"""How the page looks: light, dark, and on paper. Colours are named once, and every text on its ground is legible (WCAG AA)."""

from __future__ import annotations

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2430",
    "muted": "#55606e",
    "rule": "#cdd4dc",
    "closed": "#dde3ea",
    "open": "#fbfcfe",
    "cut": "#c3ccd6",
    "held": "#c4d7f2",
    "nobody": "#f5cfc4",
    "hatch": "#7a5200",
    "arrow": "#3a4656",
    "met": "#116b3c",
    "missed": "#b3261e",
    "running": "#1456a8",
    "paused": "#7a5200",
    "done": "#4c5663",
    "cancelled": "#5f5470",
    "excused": "#5f5470",
}
DARK = {
    "paper": "#14181e",
    "ink": "#e8ecf1",
    "muted": "#a9b4c1",
    "rule": "#3a4350",
    "closed": "#1d232b",
    "open": "#2b333e",
    "cut": "#0e1116",
    "held": "#29456e",
    "nobody": "#6b3327",
    "hatch": "#f0c674",
    "arrow": "#c3ccd7",
    "met": "#6fd39b",
    "missed": "#ff9a8f",
    "running": "#8dbdf7",
    "paused": "#f0c674",
    "done": "#b6c0cb",
    "cancelled": "#c9b8dd",
    "excused": "#c9b8dd",
}
OUTCOMES = ("met", "missed", "excused", "running", "paused", "done", "cancelled")


def _named(colours: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in colours.items()) + "}"


def _of_outcomes() -> str:
    return "".join(
        f".fact.{o} .solid{{fill:var(--{o})}}.fact.{o} line{{stroke:var(--{o})}}"
        f".said.{o}{{fill:var(--{o})}}.outcome.{o}{{color:var(--{o})}}"
        for o in OUTCOMES
    )


_RULES = """
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:1500px;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.5rem 0 .2rem}
p{margin:.3rem 0;max-width:75rem}.muted,.terms,caption,figcaption{color:var(--muted)}code{font-size:.85em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:1rem 0}dt{color:var(--muted)}dd{margin:0}
dd .outcome{font-weight:600}figure{margin:1rem 0}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.25rem .7rem;border-bottom:1px solid var(--rule)}
thead th{color:var(--muted);font-weight:600}tfoot th,tfoot td{font-weight:700;border-bottom:0;border-top:2px solid var(--ink)}
.key svg .open{stroke:var(--muted)}.bill th:nth-child(4),.bill th:nth-child(5){min-width:9rem}
.number{text-align:right;white-space:nowrap}.span{white-space:nowrap}
td:nth-child(2),td:nth-child(3){white-space:nowrap}
.key{display:flex;flex-wrap:wrap;gap:.3rem 1.3rem;list-style:none;padding:0;margin:.5rem 0;font-size:.85rem;color:var(--muted)}
.key li{display:flex;align-items:center;gap:.45rem}
svg{display:block;font:11px system-ui,sans-serif}svg text{fill:var(--ink)}
svg .small{font-size:10px;fill:var(--muted)}svg .strong{font-weight:600;font-size:12px}
svg .heading{font-weight:600;font-size:12px;fill:var(--muted)}svg .said{font-weight:600;font-size:12px}
svg .haloed{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
svg .hatched{paint-order:stroke;stroke:var(--held);stroke-width:6px;stroke-linejoin:round}
svg .closed{fill:var(--closed)}svg .open{fill:var(--open)}svg .cut{fill:var(--cut);fill-opacity:.6}
svg .between{stroke:var(--rule);stroke-opacity:.5}
svg .edge{stroke:var(--muted);stroke-dasharray:2 3}svg .rule{stroke:var(--rule)}svg .day,svg .tick{stroke:var(--rule)}
svg .held{fill:var(--held)}svg .nobody{fill:var(--nobody)}
svg .pause{fill:url(#hatched)}svg .hatch{stroke:var(--hatch);stroke-width:1.6}
svg .mark{fill:var(--ink)}svg .leader{stroke:var(--muted);stroke-width:.7}
svg .arrow .shaft{stroke:var(--arrow);stroke-width:1.8}svg .arrow .head{fill:var(--arrow)}
svg .asks .shaft{stroke-dasharray:1 3}svg .reorganised .shaft{stroke-dasharray:5 3}
svg .thin{stroke-width:1.6}svg .stands{stroke-width:1.4;stroke-dasharray:1 4}
svg .due{stroke:var(--ink);stroke-width:1.8}svg .flag{fill:var(--ink)}svg .late .due{stroke:var(--missed)}
svg .late .flag{fill:var(--missed)}
svg .now{stroke:var(--running);stroke-dasharray:4 3}
"""
_PAPER = """
@page{size:landscape;margin:12mm}
@media print{body{padding:0;max-width:none;font-size:11px}.scroll{overflow:visible}figure svg{width:100%;height:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}tr,h3,.terms{break-inside:avoid}h2,h3,.terms{break-after:avoid}}
"""

STYLE = (
    _named(LIGHT)
    + f"@media (prefers-color-scheme:dark){{{_named(DARK)}}}@media print{{{_named(LIGHT)}}}"
    + _RULES
    + _of_outcomes()
    + _PAPER
)
