"""The pages as HTML: they say what the JSON says, in its numbers, and need nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from urllib.parse import quote
from zoneinfo import ZoneInfo

from deploy.norms_page.elements import count, moment, number, row, share, table, tag, text, time
from deploy.norms_page.hours_html import DATE, hours_html
from deploy.norms_page.look import SCRIPT, STYLE
from deploy.norms_page.page import (
    Age,
    Contact,
    Hours,
    Line,
    Link,
    Page,
    Promised,
    Service,
    Turnaround,
    Written,
    file_of,
)
from deploy.words import NO_DATA, about
from streams.company import ANYBODY

GENERATOR = "crossdesk norms page"
KINDS = {
    "first_response": "First answer",
    "next_response": "Answer to a further question",
    "resolution": "Solution",
    "acceptance": "Taking up what another department hands over",
    "finish": "Finishing what another department has handed over",
}
NOT_WRITTEN = "Nobody has written it down yet."
WAITED_FOR = {"first_response": "a first answer", "resolution": "a solution"}


def page_html(page: Page) -> str:
    zone = page.hours.zone
    above = f" · {_link(page.above)}" if page.above else ""
    first = [
        tag("nav", tag("a", "All departments", href="index.html") + above, aria_label="Departments"),
        tag("h1", escape(page.name)),
        tag("p", f"{escape(page.organisation)}. {_zones(zone)}", class_="soft zones"),
        *_departments(page),
        *_offer(page.services, page.contact, "h2", "Its departments say it." if page.below else NOT_WRITTEN),
        *hours_html(page.hours, "hours", "h2", page.as_of),
        *_turnaround(page),
        *_lines(page.lines, zone),
        *_reply(page),
        *_about(page),
    ]
    own = tag("div", "\n".join(first), data_zone=zone, **_always(page.hours))
    title = f"{page.name} – {page.organisation}"
    return document(title, tag("main", "\n".join([own, *_too_small(page)])), script=True)


def index_html(organisation: str, pages: Sequence[Page]) -> str:
    """``pages``: all that there are, who is above before who is below."""
    heads = ("Department", "Offers", "First answer promised")
    depths: dict[str, int] = {}
    for page in pages:
        depths[page.department] = 1 + depths.get(page.above.department, -1) if page.above else 0
    rows = (_listed(page, depths[page.department]) for page in pages)
    body = [
        tag("h1", escape(organisation)),
        tag("p", "What our departments offer each other, and how long it takes."),
        table(heads, rows, "Departments in the order of the company file: they are not ranked."),
    ]
    return document(f"Departments of {organisation}", tag("main", "\n".join(body)), script=False)


def _listed(page: Page, depth: int) -> str:
    names = [_link(Link(page.department, page.name, file_of(page.department)))]
    names += [tag("small", f"with {escape(one.name)}") for one in page.small]
    first = next((t.promised for t in page.turnaround if t.kind == "first_response"), [])
    promised = [escape(p.words) for p in first if not p.services and not p.priorities]
    promised += [tag("small", "for some cases another time")] if len(first) > 1 else []
    offers = ", ".join(escape(service.name) for service in page.services)
    return row(" ".join(names), offers or NO_DATA, " ".join(promised) or NO_DATA, class_=f"deep-{min(depth, 3)}")


# -- sections
def _offer(services: Sequence[Service], contact: Contact | None, level: str, otherwise: str) -> Iterator[str]:
    yield tag(level, "What we offer")
    if services:
        found = (
            tag("dt", escape(s.name)) + (tag("dd", text(s.description)) if s.description else "") for s in services
        )
        yield tag("dl", "".join(found))
    else:
        yield tag("p", otherwise, class_="soft")
    yield tag(level, "How best to reach us")
    ways = list(_ways(contact)) if contact is not None else []
    yield "".join(ways) if ways else tag("p", otherwise, class_="soft")


def _ways(contact: Contact) -> Iterator[str]:
    if contact.best:
        yield tag("p", tag("strong", text(contact.best)))
    ways = []
    if contact.link:
        ways.append(("Online", tag("a", escape(contact.link), href=contact.link, rel="noreferrer")))
    if contact.email:
        ways.append(("E-mail", tag("a", escape(contact.email), href=f"mailto:{quote(contact.email, safe='@')}")))
    if contact.phone:
        ways.append(("Telephone", escape(contact.phone)))
    if contact.meeting:
        ways.append(("To arrange a meeting", text(contact.meeting)))
    if ways:
        yield tag("dl", "".join(tag("dt", name) + tag("dd", how) for name, how in ways))


def _turnaround(page: Page) -> Iterator[str]:
    yield tag("h2", "How long it takes")
    if not page.turnaround:
        yield tag("p", "Nothing is promised, and nothing has been measured yet.", class_="soft")
        return
    rows = [r for i, one in enumerate(page.turnaround) for r in _kind(one, f"turnaround.{i}", bool(page.below))]
    heads = ("", "Promised", "Kept", "Half take at most", "Nine of ten take at most")
    until = page.as_of.astimezone(ZoneInfo(page.hours.zone))
    observed = f"observed in the 28 days until {until:{DATE}}" if page.since else "nothing has been observed yet"
    yield table(heads, rows, f"Promised, and {observed}. Times are opening time: nights and holidays do not count.")


def _kind(one: Turnaround, path: str, has_below: bool) -> Iterator[str]:
    label, took = KINDS[one.kind], (time(one.p50, f"{path}.p50"), time(one.p90, f"{path}.p90", with_n=False))
    alone = one.promised[0] if len(one.promised) == 1 else None
    if alone is not None and not _whom(alone):
        at = f"{path}.promised.0"
        yield row(label, _target(alone, at), share(alone.kept, f"{at}.kept"), *took)
        return
    judged = one.attainment if one.promised or (one.attainment and one.attainment.n) else None
    promised = "it depends:" if one.promised else "by its departments" if has_below and judged else "nothing"
    yield row(label, promised, share(judged, f"{path}.attainment"), *took)
    for i, promise in enumerate(one.promised):
        at = f"{path}.promised.{i}"
        whom = _whom(promise) or "all others"
        yield row(escape(whom), _target(promise, at), share(promise.kept, f"{at}.kept"), "", "", class_="part")


def _whom(promise: Promised) -> str:
    """Empty: everybody."""
    if promise.giver and promise.giver != ANYBODY:
        return f"from {promise.giver_name}"
    services, priorities = ", ".join(promise.services), ", ".join(promise.priorities)
    return " with ".join(filter(None, (services, f"priority {priorities}" if priorities else "")))


def _target(promise: Promised, path: str) -> str:
    found = escape(promise.words)
    if promise.aim is not None:
        found += " " + tag("small", f"in {number(promise.aim, f'{promise.aim * 100:g} %', f'{path}.aim')} of cases")
    return found


def _lines(lines: Sequence[Line], zone: str) -> Iterator[str]:
    if lines:
        yield tag("h2", "Where your case stands")
        for i, line in enumerate(lines):
            yield from _line(line, zone, f"lines.{i}")


def _line(line: Line, zone: str, path: str) -> Iterator[str]:
    what = WAITED_FOR[line.kind]
    yield tag("h3", f"Waiting for {what}")
    said = []
    if line.waiting is not None:
        n = count(line.waiting, f"{path}.waiting")
        said.append(f"{n} case waits now." if line.waiting == 1 else f"{n} cases wait now.")
    if line.half_by is not None:
        said.append(f"Of cases that come in now, half have {what} by {moment(line.half_by, zone, f'{path}.half_by')}")
        most = "" if line.most_by is None else f", nine of ten by {moment(line.most_by, zone, f'{path}.most_by')}"
        said[-1] += f"{most}."
    yield tag("p", " ".join(said))
    if not line.ages:
        yield tag("p", "Too few cases to say how long it takes.", class_="soft")
        return
    heads = (
        "A case has waited",
        "It came in",
        "Cases like that",
        "Half need at most … more",
        "Nine of ten at most … more",
    )
    rows = (_age(age, zone, f"{path}.ages.{i}") for i, age in enumerate(line.ages))
    yield table(
        heads,
        rows,
        "What is left, in opening time, for a case of some age: as it was for cases that had waited as long.",
    )


def _age(age: Age, zone: str, path: str) -> str:
    waited = number(age.seconds, about(age.seconds) if age.seconds else "0 h", f"{path}.seconds")
    began = moment(age.began, zone, f"{path}.began")
    left = (time(age.p50, f"{path}.p50", with_n=False), time(age.p90, f"{path}.p90", with_n=False))
    return row(waited, began if age.seconds else f"now ({began})", count(age.n, f"{path}.n"), *left)


def _reply(page: Page) -> Iterator[str]:
    yield tag("h2", "For an automatic reply")
    yield tag("p", "A text for the department's automatic reply, to copy: one click marks all of it.")
    yield tag("div", escape(page.reply), class_="reply")


def _departments(page: Page) -> Iterator[str]:
    if page.below:
        yield tag("h2", "Its departments")
        yield tag("ul", "".join(tag("li", _link(link)) for link in page.below))


def _too_small(page: Page) -> Iterator[str]:
    for i, one in enumerate(page.small):
        inner = "\n".join(_small(one, f"small.{i}", page.as_of))
        yield tag("section", inner, data_zone=one.hours.zone, **_always(one.hours))


def _small(one: Written, path: str, as_of: datetime) -> Iterator[str]:
    """What is observed of so few is not told."""
    yield tag("h2", escape(one.name))
    yield tag(
        "p",
        f"Its numbers are part of those above, and not told alone. {_zones(one.hours.zone)}",
        class_="soft zones",
    )
    yield from _offer(one.services, one.contact, "h3", NOT_WRITTEN)
    yield from hours_html(one.hours, f"{path}.hours", "h3", as_of)
    if one.promised:
        rows = (
            row(f"{KINDS[kind]} {escape(_whom(promise))}", _target(promise, f"{path}.promised.{i}.1"))
            for i, (kind, promise) in enumerate(one.promised)
        )
        yield table(("", "Promised"), rows, "What it promises")


def _about(page: Page) -> Iterator[str]:
    zone = page.hours.zone
    yield tag("h2", "About these numbers")
    known = moment(page.as_of, zone, "as_of")
    if page.since is None:
        yield tag("p", f"As of {known}. Nothing has been measured yet.")
        return
    since = moment(page.since, zone, "since")
    yield tag("p", f"Everything is known until {known}. What was observed is that of the 28 days from {since} on.")
    said = []
    if page.honesty is not None:
        said.append(tag("li", f"Of all that is promised here, so much was kept: {share(page.honesty, 'honesty')}."))
    if page.coverage is not None:
        said.append(
            tag("li", f"So many cases were of a service that is named here: {share(page.coverage, 'coverage')}.")
        )
    said += [
        tag("li", "In brackets is how far chance reaches: such a range holds the true value 19 times out of 20."),
        tag("li", "A case that is still open counts too, as one that takes longer than it has taken so far."),
        tag(
            "li",
            "A promise is judged as it was when the case came in. Time in which a colleague was asked does not count.",
        ),
    ]
    yield tag("ul", "".join(said))


# -- around them
def _zones(zone: str) -> str:
    return f"Times are in {tag('span', escape(zone), class_='zone')}."


def _always(hours: Hours) -> dict[str, str]:
    return {"data_always": "yes"} if hours.always else {}


def _link(link: Link) -> str:
    return tag("a", escape(link.name), href=f"{quote(link.file)}.html")


def document(title: str, main: str, *, script: bool, generator: str = GENERATOR) -> str:
    """Whatever a page holds, nothing is fetched and nothing is sent."""
    scripts = "'unsafe-inline'" if script else "'none'"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {scripts}; base-uri 'none'; form-action 'none'"
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="generator" content="{generator}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        main,
        *([f"<script>{SCRIPT}</script>"] if script else []),
        "</html>\n",
    ]
    return "\n".join(lines)
