"""`explain --html`: the page says what the explanation says, to everybody, and about nobody.

All departments of the stories work Monday to Friday from 09:00 to 17:00 UTC, but the far one, which is in Auckland.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from test_explain import microseconds

from deploy.explain import Explained, Explanation, explain
from deploy.explain_page import page
from deploy.explain_page.axis import CUT, DAY, HOUR, LEAST, SCALE, SILENT_FOR, Axis, union
from deploy.explain_page.clocks import SIGNS, groups
from deploy.explain_page.style import DARK, LIGHT, OUTCOMES, STYLE
from deploy.explain_text import NOT_DUE
from ingest import event as e
from ingest.connectors.simulated import example_configuration, simulate
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.fact import Outcome
from streams.norm_entry import NormsFile

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HUMAN, BOT, REQUESTER = e.Actor.provider_human, e.Actor.provider_bot, e.Actor.requester
WHO = "k1:" + "5a" * 16
SVG = "{http://www.w3.org/2000/svg}"
Element = ElementTree.Element


def configuration(moved: str = "2027-01-01") -> Configuration:
    """``moved``: when group ``it`` becomes legal's."""
    company: dict[str, Any] = {
        "organisation": "test",
        "zone": "UTC",
        "hours": {"mon-fri": "09:00-17:00"},
        "sources": ["desk"],
        "departments": [
            {"id": "finance", "name": "Finance & <Control>"},
            {"id": "it", "name": "IT"},
            {"id": "legal", "name": "Legal"},
            {"id": "far", "name": "Far", "zone": "Pacific/Auckland"},
        ],
        "groups": [
            *({"source": "desk", "group": d, "department": d} for d in ("finance", "it", "legal", "far")),
            {"source": "desk", "group": "it", "department": "legal", "since": moved},
        ],
        "people": [{"person": WHO, "department": "legal"}],
    }
    norms = [
        {"department": "it", "first_response": "4bh", "resolution": "8bh", "acceptance": {"*": "4bh"}},
        {"department": "legal", "acceptance": {"*": "4bh"}},
    ]
    return Configuration(
        Files(
            version=1,
            company=CompanyFile.model_validate(company),
            norms={"norms.yaml": NormsFile.model_validate({"norms": norms})},
        )
    )


def at(day: str, hour: int, minute: int = 0, week: int = 0) -> int:
    moment = MONDAY + timedelta(days=DAYS.index(day), hours=hour, minutes=minute, weeks=week)
    return round(moment.timestamp()) * 1_000_000


def happens(kind: str, when: int, actor: e.Actor = HUMAN, who: str = "", **data: object) -> bytes:
    cls: Any = e.TYPES[e.TYPE_PREFIX + kind]
    field = next((f for f in msgspec.structs.fields(cls) if f.name == "data"), None)
    fields = {"data": msgspec.convert(data, field.type)} if field is not None and data else {}
    id = e.event_id("desk", f"{kind} {when}")
    event: e.Record = cls(
        id=id, source="desk", subject="C1", time=e.instant(when), specversion="1.0", actor=actor, who=who, **fields
    )
    return e.encode(event)


def asked(group: str = "it", week: int = 0) -> list[bytes]:
    """Finance asks on Monday at 10."""
    created = happens("created", at("Mon", 10, week=week), REQUESTER, WHO[:3] + "77" * 16, requester_group="finance")
    return [created, happens("routed", at("Mon", 10, week=week), e.Actor.system, group=group)]


STORY = [
    *asked(),
    happens("replied", at("Mon", 12), who=WHO[:3] + "88" * 16, group="it"),
    happens("paused", at("Mon", 13), owner="requester", reason="needs_info"),
    happens("requester_replied", at("Mon", 15), REQUESTER, WHO[:3] + "77" * 16),
    happens("resumed", at("Mon", 15), e.Actor.system),
    happens("routed", at("Tue", 10), group="legal"),
    happens("claimed", at("Tue", 16), who=WHO),
    happens("solved", at("Wed", 11), who=WHO),
]
"""IT waits for the requester from 13 to 15, hands over on Tuesday at 10; Legal takes it up too late."""


def told(records: Iterable[bytes], now: int, config: Configuration | None = None) -> Explanation:
    return explain("desk/C1", list(records), config or configuration(), now)


@pytest.fixture(scope="module")
def story() -> Explanation:
    return told(STORY, at("Thu", 12))


@pytest.fixture(scope="module")
def drawn(story: Explanation) -> Element:
    return parsed(page(story))


def parsed(html: str) -> Element:
    return ElementTree.fromstring(html)


def said(element: Element) -> str:
    """All text in it, but for what is shown on pointing."""
    inside = [] if element.tag == f"{SVG}title" else [element.text or "", *map(said, element)]
    return "".join(inside) + (element.tail or "")


def of_class(root: Element, name: str) -> list[Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def title(element: Element) -> str:
    found = element.find(f"{SVG}title")
    return "" if found is None else found.text or ""


def place(explanation: Explanation) -> Axis:
    return Axis(explanation.instants, (s for spans in explanation.hours.values() for s in spans), 0.0)


# -- the course of a case
def test_the_course_says_who_had_it_and_whom_it_waited_for(story: Explanation) -> None:
    assert [(s.since, s.until, s.department, s.waits_for, s.reason) for s in story.course] == [
        (at("Mon", 10), at("Mon", 13), "it", "provider", ""),
        (at("Mon", 13), at("Mon", 15), "it", "requester", "needs_info"),
        (at("Mon", 15), at("Tue", 10), "it", "provider", ""),
        (at("Tue", 10), at("Wed", 11), "legal", "provider", ""),
    ]
    assert [(h.at, h.giver, h.receiver, h.moved) for h in story.hand_overs] == [(at("Tue", 10), "it", "legal", False)]
    assert story.asks == "finance"


def test_what_happens_is_in_the_department_of_who_did_it(story: Explanation) -> None:
    where = [(h.kind, h.department) for h in story.happened]
    assert where[0] == ("created", "finance")
    assert ("replied", "it") in where
    assert ("requester_replied", "finance") in where
    assert where[-3:] == [("routed", "it"), ("claimed", "legal"), ("solved", "legal")]


def test_hours_are_those_of_every_lane_over_all_that_is_drawn(story: Explanation) -> None:
    assert story.hours.keys() == {"finance", "it", "legal"}
    first, last = story.instants[0], story.instants[-1]
    assert last == at("Fri", 11, week=1)  # until then the solution has to hold
    assert story.hours["it"][0] == (first, at("Mon", 17))
    assert story.hours["it"][-1] == (at("Fri", 9, week=1), last)
    assert len(story.hours["it"]) == 10


def test_what_was_merged_was_somebodys_until_then() -> None:
    explanation = told([*asked(), happens("merged", at("Mon", 12), into="C2")], at("Tue", 12))
    assert [(s.since, s.until, s.department) for s in explanation.course] == [(at("Mon", 10), at("Mon", 12), "it")]
    assert [item.fact.measure for item in explanation.facts] == ["excluded"]
    assert "Left out of all numbers" in said(parsed(page(explanation)))


def test_a_reorganisation_is_no_hand_over() -> None:
    explanation = told(asked(), at("Fri", 12), configuration("2026-03-04"))
    (moved,) = explanation.hand_overs
    assert [(u.at, u.what, u.department) for u in explanation.untold] == [
        (moved.at, "moved by a reorganisation", "legal")
    ]
    assert (moved.at, moved.giver, moved.receiver, moved.moved) == (at("Wed", 0), "it", "legal", True)
    root = parsed(page(explanation))
    assert len(of_class(root, "reorganised")) == 1
    assert "by a reorganisation" in title(of_class(root, "reorganised")[0])
    assert len(of_class(root.find(f".//{SVG}svg[@role]") or root, "handed")) == 0


def test_a_pause_without_a_reason_lapses_and_that_is_told() -> None:
    explanation = told([*asked(), happens("paused", at("Mon", 13), owner="requester")], at("Wed", 12))
    assert [(u.at, u.what, u.department) for u in explanation.untold] == [(at("Tue", 13), "the pause lapsed", "it")]
    root = parsed(page(explanation))
    (label,) = [text for text in of_class(root, "haloed") if said(text) == "the pause lapsed"]
    assert title(label) == "the pause lapsed, Tue 03 Mar 2026 13:00"
    assert "missed: the requester had written, or nobody said why" in said(root)
    begins = [said(row[3]) for row in root.findall(".//tbody/tr") if len(row) == 8]
    assert "the pause lapsed" in begins


def test_what_is_corrected_is_where_it_counts() -> None:
    wrong = happens("routed", at("Tue", 10), group="legal")
    right = at("Tue", 14)
    records = [*asked(), wrong, happens("corrected", at("Wed", 9), supersedes=e.decode(wrong).id, at=e.instant(right))]
    explanation = told(records, at("Wed", 12))
    assert [(h.at, h.moved) for h in explanation.hand_overs] == [(right, False)]
    assert explanation.untold == []
    (acceptance,) = [item for item in explanation.facts if item.fact.measure == "acceptance"]
    assert acceptance.intervals[0].begins == [e.decode(wrong).id.replace("-", "")]


def test_nobody_has_a_lane_too() -> None:
    records = [*asked(group=""), happens("routed", at("Tue", 10), e.Actor.system, group="far")]
    root = parsed(page(told(records, at("Wed", 12))))
    assert lanes(root) == ["Finance & <Control>", "Nobody", "Far"]
    assert [title(box) for box in of_class(root, "nobody") if title(box)] == [
        "nobody has it, Mon 02 Mar 2026 10:00 – Tue 03 Mar 2026 10:00"
    ]


# -- the drawing
def lanes(root: Element) -> list[str]:
    return [lane.findtext(f"{SVG}text[1]") or "" for lane in of_class(root, "lane")]


def test_there_is_a_lane_for_each_department_and_arrows_between_them(drawn: Element) -> None:
    assert lanes(drawn) == ["Finance & <Control>", "IT", "Legal"]
    arrows = [title(arrow) for arrow in of_class(drawn, "arrow") if title(arrow)]
    assert arrows == ["the request", "handed over from IT to Legal, Tue 03 Mar 2026 10:00"]


def test_hours_are_shaded_and_pauses_hatched_where_they_are(story: Explanation, drawn: Element) -> None:
    shaded = of_class(of_class(drawn, "lane")[1], "open")
    assert title(shaded[0]) == "open Mon 02 Mar 2026 10:00 – 17:00"
    assert len(shaded) == len(story.hours["it"])
    (hatched,) = [box for box in of_class(drawn, "pause") if title(box)]
    assert title(hatched).startswith("IT waits for the requester (needs info), Mon 02 Mar 2026 13:00")
    (held, *_) = [box for box in of_class(drawn, "held") if title(box)]
    assert float(hatched.attrib["x"]) > float(held.attrib["x"]) + float(held.attrib["width"]) - 0.2
    assert drawn.find(f".//{SVG}pattern[@id='hatched']") is not None


def test_each_event_is_a_mark_with_a_label(story: Explanation, drawn: Element) -> None:
    labels = [said(text) for text in of_class(drawn, "haloed")]
    for number, happened in enumerate(story.happened, 1):
        assert any(label.startswith(f"{number} {happened.kind.replace('_', ' ')}") for label in labels)
    marks = [mark for mark in of_class(drawn, "mark") if title(mark)]
    assert len(marks) == len(story.happened)


def test_labels_of_a_lane_do_not_overlap(simulated: list[Explanation]) -> None:
    seen = 0
    for explanation in simulated[:20]:
        rows: dict[float, list[tuple[float, float]]] = {}
        for text in of_class(parsed(page(explanation)), "haloed"):
            if re.match(r"\d+ ", label := said(text)) and title(text):
                x = float(text.attrib["x"])
                rows.setdefault(float(text.attrib["y"]), []).append((x, x + 5 * len(label)))
        for row in rows.values():
            seen += len(row)
            assert all(left[1] <= right[0] for left, right in pairwise(sorted(row)))
    assert seen > 100


def test_each_fact_is_a_bar_whose_outcome_is_said_in_words_and_by_colour(simulated: list[Explanation]) -> None:
    seen = set()
    for explanation in simulated:
        items = [item for _, some in groups(explanation) for item in some]
        rows = of_class(parsed(page(explanation)), "clock")
        for item, row in zip(items, rows, strict=True):
            outcome = item.fact.outcome
            (words,) = of_class(row, "said")
            assert SIGNS[outcome] in said(words)
            assert str(outcome) in said(words) or item.fact.measure.startswith("waiting_")
            assert len(of_class(row, str(outcome))) == 2  # the bar, and the words
            flags = [title(group) for group in row.iter(f"{SVG}g") if of_class(group, "due") and title(group)]
            assert len([flag for flag in flags if flag.startswith("due ")]) == (
                item.fact.due is not None and item.fact.measure not in NOT_DUE
            )
            assert not item.target or item.fact.due is None or f"promised {item.target}" in flags[0]
            seen.add(outcome)
    assert seen >= {Outcome.met, Outcome.missed, Outcome.done, Outcome.running}


def test_what_counts_is_solid_and_the_rest_is_thin(story: Explanation, drawn: Element) -> None:
    axis = place(story)
    items = [item for _, some in groups(story) for item in some]
    (row, item) = next(
        (row, item)
        for row, item in zip(of_class(drawn, "clock"), items, strict=True)
        if item.fact.measure == "resolution"
    )
    left = min(float(lane.attrib["x"]) for lane in of_class(of_class(drawn, "lane")[0], "closed"))
    solid = [(float(box.attrib["x"]) - left, float(box.attrib["width"])) for box in of_class(row, "solid")]
    opened = [span for interval in item.intervals for span in interval.open]
    assert len(opened) == 5  # before and after the pause, before and after the hand-over, Wednesday
    for (x, width), (since, until) in zip(solid, opened, strict=True):
        assert x == pytest.approx(axis.x(since), abs=0.2)
        assert width == pytest.approx(axis.x(until) - axis.x(since), abs=0.2)
    assert len(of_class(row, "stands")) == 1  # the pause


# -- the time axis
def test_nights_are_cut_short_and_hours_are_to_scale() -> None:
    days = [(at(day, 9), at(day, 17)) for day in DAYS[:3]]
    axis = Axis([at("Mon", 10), at("Tue", 12), at("Wed", 16)], days, 0.0)
    assert [(p.since, p.until, p.width) for p in axis.cuts] == [
        (at("Mon", 17), at("Tue", 9), CUT),
        (at("Tue", 17), at("Wed", 9), CUT),
    ]
    assert axis.x(at("Mon", 12)) - axis.x(at("Mon", 11)) == pytest.approx(axis.x(at("Wed", 11)) - axis.x(at("Wed", 10)))
    assert axis.right == pytest.approx((7 + 8 + 7) * SCALE + 2 * CUT)


def test_a_lunch_break_is_not_cut() -> None:
    axis = Axis([at("Mon", 9), at("Mon", 16)], [(at("Mon", 9), at("Mon", 12)), (at("Mon", 13), at("Mon", 17))], 0.0)
    assert axis.cuts == []


def test_weeks_of_silence_leave_room_for_what_happened() -> None:
    days = [(at(day, 9, week=week), at(day, 17, week=week)) for week in range(12) for day in DAYS[:5]]
    axis = Axis([at("Mon", 10), at("Mon", 11), at("Wed", 15, week=9), at("Wed", 16, week=9)], days, 0.0)
    (cut,) = axis.cuts
    assert (cut.since, cut.until) == (at("Mon", 12, 30), at("Wed", 13, 30, week=9))
    assert axis.x(at("Mon", 11)) - axis.x(at("Mon", 10)) > 0.15 * axis.right
    root = parsed(page(told([*asked(), happens("replied", at("Wed", 15, week=9), group="it")], at("Wed", 16, week=9))))
    cuts = [title(box) for box in of_class(root, "cut") if title(box)]
    assert any(re.fullmatch(r"\d\d days, cut short here", cut) for cut in cuts)


def test_whatever_happens_the_axis_rises_and_has_no_gap(sample: Callable[[int, int], int]) -> None:
    dice = random.Random(11)
    for _ in range(sample(3000, 300)):
        start = at("Mon", 0)
        instants = sorted(
            {start + dice.randrange(dice.choice((HOUR, DAY, 40 * DAY))) for _ in range(dice.randint(1, 12))}
        )
        spans = [
            (start + day * DAY + (9 + shift) * HOUR, start + day * DAY + (17 + shift) * HOUR)
            for shift in dice.sample((0, 6, -11), dice.randint(0, 3))
            for day in range(42)
            if day % 7 < 5
        ]
        axis = Axis(instants, spans, 5.0)
        assert (axis.pieces[0].since, axis.pieces[0].x) == (instants[0], 5.0)
        for one, other in pairwise(axis.pieces):
            assert one.until == other.since
            assert other.x == pytest.approx(one.x + one.width)
        assert all(p.since < p.until and p.width >= min(LEAST, CUT) for p in axis.pieces)
        places = [axis.x(instant) for instant in instants]
        assert all(b - a >= LEAST - 0.01 for a, b in pairwise(places))
        for cut in axis.cuts:
            silent = not any(cut.since < instant < cut.until for instant in instants)
            closed = not any(a < cut.until and b > cut.since for a, b in union(spans))
            assert silent
            assert closed or cut.until - cut.since > SILENT_FOR - 4 * HOUR


# -- the tables
def bills(root: Element) -> Iterator[tuple[str, list[int], int | None]]:
    """Of each fact: what it is called in the data, what its intervals count, and the sum."""
    for section in of_class(root, "bill"):
        rows = [microseconds(said(row[-1])) for row in section.findall(".//tbody/tr")]
        foot = section.find(".//tfoot/tr/td")
        yield section.findtext(".//code") or "", rows, None if foot is None else microseconds(said(foot))


def test_every_table_adds_up_to_its_fact(
    simulated: list[Explanation], story: Explanation, tally: Callable[[str, int], None]
) -> None:
    count = 0
    for explanation in [*simulated, story]:
        items = [item for _, some in groups(explanation) for item in some]
        for item, (measure, rows, total) in zip(items, bills(parsed(page(explanation))), strict=True):
            assert measure == item.fact.measure
            if item.share is not None or item.acts is not None:
                assert total is None
                continue
            assert (total or 0) == sum(rows) == item.business_us
            assert item.fact.stop is None or sum(rows) == item.fact.business_us
            count += len(rows)
    assert count > 500
    tally("intervals in tables that add up", count)


def test_the_open_stretches_of_an_interval_add_up_to_what_it_counts(simulated: list[Explanation]) -> None:
    count = 0
    for explanation in simulated[:30]:
        for section in of_class(parsed(page(explanation)), "bill"):
            for row in section.findall(".//tbody/tr"):
                spans = [said(span) for span in of_class(row, "span")]
                lengths = [microseconds(span[span.index("(") :]) for span in spans]
                assert not spans or sum(lengths) == microseconds(said(row[-1]))
                count += len(spans)
    assert count > 100


def test_whom_the_case_waited_for_adds_up_to_the_facts_and_to_all_the_time(simulated: list[Explanation]) -> None:
    for explanation in simulated:
        waited: dict[str, int] = {}
        for item in explanation.facts:
            if item.fact.measure.startswith("waiting_"):
                waited[item.fact.measure] = waited.get(item.fact.measure, 0) + item.business_us
        if not waited:
            continue
        course: dict[str, int] = dict.fromkeys(waited, 0)
        for stretch in explanation.course:
            course[f"waiting_{stretch.waits_for}"] += stretch.business_us
        assert course == waited, explanation.case
        assert all(a.until == b.since for a, b in pairwise(explanation.course))


# -- for everybody, and about nobody
def test_the_page_is_whole_in_itself_and_needs_no_script(simulated: list[Explanation]) -> None:
    for explanation in simulated[:20]:
        html = page(explanation)
        root = parsed(html)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not tags & {"script", "link", "img", "image", "iframe", "object", "use", "a", "foreignObject"}
        names = {name.lower() for element in root.iter() for name in element.attrib}
        assert not {name for name in names if name.startswith("on") or name.endswith(("href", "src"))}
        assert set(re.findall(r"https?://[^\"' <]+", html)) == {"http://www.w3.org/2000/svg"}
        assert set(re.findall(r"url\([^)]*\)", html)) == {"url(#hatched)"}
        assert "@import" not in html


def test_no_page_holds_a_pseudonym(simulated: list[Explanation], story: Explanation) -> None:
    for explanation in [*simulated, story]:
        assert "k1:" not in page(explanation)
    assert WHO.encode() in b"".join(STORY)


def test_what_a_source_says_is_text_and_nothing_else() -> None:
    evil = "<script>alert(1)</script>\x1b[2J&\"'"
    records = [*asked(), happens("routed", at("Tue", 10), group=evil)]
    html = page(told(records, at("Wed", 12)))
    assert "<script" not in html
    assert "\x1b" not in html
    assert "<script>alert(1)</script>\\x1b[2J&\"'" in said(parsed(html))


def test_who_does_not_see_the_drawing_is_told(drawn: Element) -> None:
    assert drawn.get("lang") == "en"
    (figure,) = [svg for svg in drawn.iter(f"{SVG}svg") if svg.get("role") == "img"]
    ids = {element.get("id"): element for element in figure.iter() if element.get("id")}
    spoken = " ".join(ids[id].text or "" for id in figure.attrib["aria-labelledby"].split())
    assert "Who had it: IT → Legal" in spoken
    assert "First response: ✓ met · 2 h of 4bh (IT, for Finance & <Control>)" in spoken
    assert "Taking it up: ✗ missed · 6 h of 4bh (Legal, from IT)" in spoken
    assert all(svg.get("aria-hidden") == "true" for svg in drawn.iter(f"{SVG}svg") if svg is not figure)
    assert all(head.get("scope") for head in drawn.iter("th"))


def test_it_is_legible_in_light_and_in_the_dark() -> None:
    assert LIGHT.keys() == DARK.keys()
    for palette in (LIGHT, DARK):
        texts = [("ink", ground) for ground in ("paper", "closed", "open", "held", "nobody")]
        texts += [("muted", ground) for ground in ("paper", "closed", "open")]
        texts += [(outcome, "paper") for outcome in OUTCOMES]
        assert {pair: round(contrast(palette, *pair), 2) for pair in texts if contrast(palette, *pair) < 4.5} == {}
        shapes = [("hatch", "held"), ("arrow", "open"), ("arrow", "closed"), ("arrow", "held"), ("ink", "cut")]
        assert {pair: round(contrast(palette, *pair), 2) for pair in shapes if contrast(palette, *pair) < 3} == {}


def contrast(palette: dict[str, str], one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio"""
    light, dark = sorted((luminance(palette[one]), luminance(palette[other])), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_outcome_has_a_sign_and_a_colour() -> None:
    outcomes = {outcome for outcome in Outcome if outcome is not Outcome.retracted}
    assert SIGNS.keys() == outcomes
    assert len(set(SIGNS.values())) == len(outcomes)
    assert set(OUTCOMES) == {str(outcome) for outcome in outcomes}
    assert "prefers-color-scheme:dark" in STYLE
    assert STYLE.index("prefers-color-scheme:dark") < STYLE.index("@media print{:root"), "paper is white"


# -- the simulated company
@pytest.fixture(scope="module")
def simulated(sample: Callable[[int, int], int]) -> list[Explanation]:
    """Random cases of it, as they stand when the watermark has come to the last event."""
    company, norms = example_configuration(3)
    files = {"norms.yaml": NormsFile.model_validate(norms)}
    config = Configuration(Files(version=1, company=CompanyFile.model_validate(company), norms=files))
    by_case: dict[str, list[bytes]] = {}
    now = 0
    for record in simulate(3, 14, start=date(2026, 1, 14), cases_per_day=sample(200, 30)):
        if isinstance(record, e.CaseEvent):
            by_case.setdefault(f"{record.source}/{record.subject}", []).append(e.encode(record))
            now = max(now, round(record.time.timestamp() * 1_000_000))
    cases = random.Random(3).sample(sorted(by_case), sample(1000, 100))
    return [explain(case, by_case[case], config, now) for case in cases]


def test_what_was_done_when_is_counted_and_no_time(simulated: list[Explanation]) -> None:
    done = [(x, item) for x in simulated for item in x.facts if item.acts is not None]
    assert len(done) > 50
    for explanation, item in done:
        (text,) = {
            text for text in map(said, of_class(parsed(page(explanation)), "said")) if text.endswith(words(item))
        }
        assert str(item.fact.outcome) in text
        assert item.acts
        assert item.intervals == []


def words(item: Explained) -> str:
    where = "outside" if item.fact.outcome is Outcome.missed else "within"
    return f"{where} opening hours · {item.acts} act{'' if item.acts == 1 else 's'}"


def test_the_share_of_a_margin_is_no_time(simulated: list[Explanation]) -> None:
    shares: list[Explained] = [item for x in simulated for item in x.facts if item.share is not None]
    assert len(shares) > 10
    assert all(-1 <= (item.share or 0) <= 1 and item.intervals == [] for item in shares)
