"""The tables of cases of METRICS 2.3 and 2.10, row by row: the stream, the fold of a whole case and SQL say what the row says.

A timeline is written as in ``test_measures.py`` and told line by line, each followed by the watermark, which is never more than
five minutes behind. Beyond that a line may begin with a case (``C2``; else it is C1), or with ``told``: whatever its time, it
is told now, and no watermark follows. It may end with ``in`` a session of a chat, ``by`` a class of actors or a person, ``for`` a
reason, ``#`` a label; ``again LABEL`` tells the same record again, and ``again LABEL as …`` another under its id.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from histories import DAY, START, Overheard, expected, keyed
from test_measures import DAYS, MONDAY, Story, configuration, described_whole

from deploy.calendar_time import write_hours_and_tree
from ingest import event as e
from ingest.change import Change, Message, in_sessions
from ingest.changes import OPEN
from sinks.clickhouse import ClickHouse, connect
from sinks.recompute import AHEAD, indicators_at
from streams.configuration import Configuration, Files
from streams.departments import Departments
from streams.effects import carry_out
from streams.fact import Fact, Facts, decode
from streams.indicators import BY_NAME, Indicator, IndicatorValue
from streams.timeline import microseconds

Row = Mapping[str, Any]
GOLDEN = Path(__file__).parent / "golden"
ROWS: list[Row] = [
    row
    for name in ("first_response.yaml", "corrections.yaml", "chat.yaml", "thanks.yaml")
    for row in yaml.safe_load((GOLDEN / name).read_text(encoding="utf-8"))
]
LINE = re.compile(
    r"(?:(?P<case>C\d) |(?P<told>told) )?(?P<day>\w{3}) (?P<hour>\d\d):(?P<minute>\d\d) (?P<kind>\w+)"
    r" *(?P<what>(?!by |for |in )[\w-]+)?(?: *in (?P<session>\w+))?"
    r"(?: *by (?P<by>\w+))?(?: for (?P<reason>\w+))?(?: #(?P<label>\w+))?"
)
FACT = re.compile(r"(?:(C\d) )?(\w+): (\w+)[^:]*: (\w+) for (\w+)(?: \((\w+)\))?")
AGAIN = re.compile(r"again (?P<label>\w+)(?: as (?P<kind>\w+) +(?P<what>[\w-]+))?")
ENDINGS = {"attainment": "attainment_ratio", "p50": "p50_seconds"}
"""Of the names of indicators, by the word for them in a row."""


class Told(Story):
    """The records that a timeline tells; nobody folds them yet."""

    def __init__(self, row: Row) -> None:
        self.subject, self.records, self.labels = "C1", list[bytes](), dict[str, e.Record]()
        super().__init__()
        self.config = organisation(row.get("people", ()))
        lines = [line.strip() for line in row["timeline"].splitlines()]
        heard = in_sessions(as_changes(lines))
        self.unsaid = {lines[int(one.native)] for one in heard if one.session and one.message is None}
        for line in lines:
            self.tell(line)

    def envelope(self, at: datetime, actor: e.Actor) -> dict[str, Any]:
        return {**super().envelope(at, actor), "subject": self.subject}

    def write(self, record: e.Record) -> None:
        self.records.append(e.encode(record))

    def tell(self, line: str) -> None:
        if again := AGAIN.fullmatch(line):
            known = self.labels[again["label"]]
            if again["kind"]:
                other = self.event(again["kind"], again["what"], known.time)
                known = msgspec.structs.replace(other, id=known.id, sequence=known.sequence)
            self.write(known)
            return
        said = LINE.fullmatch(line)
        assert said is not None, line
        self.subject = said["case"] or "C1"
        day, hour, minute = said["day"], int(said["hour"]), int(said["minute"])
        if said["told"]:
            this_week = self.last - timedelta(days=self.last.weekday(), hours=self.last.hour, minutes=self.last.minute)
            self.happened(said, this_week + timedelta(days=DAYS.index(day), hours=hour, minutes=minute))
            return
        at = self.line(day, hour, minute, "now", "")
        mark = self.records.pop()
        if said["kind"] != "now":
            before = at - timedelta(minutes=5)
            self.write(e.Watermark(**self.envelope(before, e.Actor.system), data=e.WatermarkData(before)))
            if line not in self.unsaid:
                self.happened(said, at)
        self.records.append(mark)

    def happened(self, said: re.Match[str], at: datetime) -> None:
        record = self.special(said, at) or self.event(said["kind"], said["what"] or "", at)
        if by := said["by"]:
            change = {"actor": e.Actor(by)} if by in list(e.Actor) else {"who": by}
            record = msgspec.structs.replace(record, **change)
        if said["label"]:
            self.labels[said["label"]] = record
        self.write(record)

    def special(self, said: re.Match[str], at: datetime) -> e.Record | None:
        """Kinds whose payload a :class:`Story` does not know."""
        what, fields = said["what"] or "", self.envelope(at, e.Actor.system)
        match said["kind"]:
            case "merged":
                return e.Merged(**fields, data=e.MergedData(into=what))
            case "excluded" | "included":
                return e.Excluded(**fields, data=e.ExcludedData(reason=what, reverted=said["kind"] == "included"))
            case "paused":
                return e.Paused(**fields, data=e.PausedData(owner=e.Waiting(what), reason=said["reason"] or ""))
            case "left":
                return e.Left(**{**fields, "subject": what})
        return None


MESSAGES = {
    "replied": e.Actor.provider_human,
    "bot_replied": e.Actor.provider_bot,
    "requester_replied": e.Actor.requester,
}


def as_changes(lines: Sequence[str]) -> Iterator[Change]:
    """A timeline as a connector reads it, as far as it concerns chats."""
    for number, line in enumerate(lines):
        if (said := LINE.fullmatch(line)) is None:
            continue
        change = Change(subject="C1", native=str(number), time=MONDAY + timedelta(seconds=number))
        if said["kind"] in MESSAGES:
            change.actor, change.who = MESSAGES[said["kind"]], said["by"] or ""
            change.message, change.session = Message.public, said["session"] or ""
        elif said["kind"] == "routed":
            change.routed = e.RoutedData(group=said["what"])
        elif said["kind"] in ("solved", "closed", "reopened"):
            change.after = OPEN
        yield change


def organisation(people: list[dict[str, str]] | tuple[()]) -> Configuration:
    files = configuration().files
    company = files.company.model_dump(mode="json", exclude_defaults=True) | {"people": people}
    return Configuration(Files.model_validate({"version": 1, "company": company, "norms": files.norms}))


class Folded:
    """What the stream makes of them: the facts that hold, and the indicators."""

    def __init__(self, records: list[bytes], config: Configuration) -> None:
        world = Overheard({1: config})
        world.log = records
        world.run((1,))
        self.facts, self.said, self.counts = world.facts(), world.said, world.cases.meta.counts
        state: dict[bytes, bytes] = {}
        self.departments = Departments(state, 1, lambda _: config)
        carry_out(self.departments.batch(keyed(enumerate(self.said))).changes, state)
        self.now = self.departments.meta.as_of


def rows() -> Iterator[Any]:
    for row in ROWS:
        yield pytest.param(row, id=row["id"])


each_row = pytest.mark.parametrize("row", list(rows()))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """With the hours and the tree of all rows, and the facts of one at a time."""
    pytest.importorskip("chdb", reason="without chDB nobody computes in SQL here")
    opened = connect(f"chdb://{tmp_path_factory.mktemp('golden') / 'store'}")
    opened.migrate()
    write_hours_and_tree(opened, configuration(), START - DAY, START + 60 * DAY)
    yield opened
    opened.close()


def of(row: Row) -> list[str]:
    measures: list[str] = row.get("of", ["first_response"])
    return measures


def in_words(row: Row, facts: Mapping[str, Fact], now: int, config: Configuration) -> list[str]:
    found = []
    for fact in (one.known_by(now) for one in facts.values()):
        if fact.measure in of(row):
            case = fact.case_id.removeprefix("desk/")
            found.append(f"{'' if case == 'C1' else f'{case} '}{fact.measure}: {described_whole(fact, config)}")
    return sorted(found)


def asked(row: Row) -> dict[str, Indicator]:
    """Those that a row speaks of, by its words."""
    names = {f"{measure} {word}": f"{measure}_{end}" for measure in of(row) for word, end in ENDINGS.items()}
    return {words: BY_NAME[name] for words, name in names.items() if name in BY_NAME}


def shown(row: Row, values: Iterable[IndicatorValue]) -> dict[str, str]:
    """Of departments, over 28 days, as the row writes it."""
    words = {indicator.name: said for said, indicator in asked(row).items()}
    found = {}
    for v in values:
        if v.indicator in words and v.window == "28d" and not v.counterpart and v.n:
            assert v.value is not None
            ratio = v.indicator.endswith("_ratio")
            value = f"{v.value * v.n:g}" if ratio else ("> " if v.beyond else "") + span(v.value)
            found[f"{words[v.indicator]} {v.department}"] = f"{value} of {v.n}"
    return found


def span(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(
        part for part in (f"{hours}h" if hours else "", f"{minutes}m" if minutes or not hours else "") if part
    )


# -- the tables
def test_rows_have_names_of_their_own() -> None:
    names = [row["id"] for row in ROWS]
    assert len(names) == len(set(names)) > 40


@each_row
def test_the_stream_says_what_the_row_says(row: Row) -> None:
    told = Told(row)
    folded = Folded(told.records, told.config)
    assert in_words(row, folded.facts, folded.now, told.config) == sorted(row["facts"])
    if "indicators" in row:
        assert shown(row, folded.departments.indicators()) == row["indicators"]
    if "counts" in row:
        assert folded.counts == row["counts"]


@each_row
def test_the_fold_of_the_whole_case_says_what_the_row_says(row: Row) -> None:
    told = Told(row)
    records = [e.decode(record) for record in told.records]
    now = max(microseconds(r.data.until) for r in records if isinstance(r, e.Watermark))
    events = [r for r in records if isinstance(r, e.CaseEvent)]
    assert in_words(row, expected(events, told.config, now), now, told.config) == sorted(row["facts"])


@each_row
def test_sql_over_the_facts_says_what_the_row_says(row: Row, store: ClickHouse) -> None:
    told = Told(row)
    folded = Folded(told.records, told.config)
    store.execute(f"TRUNCATE TABLE {store.database}.facts_versions")
    store.write_facts([raw for raw in folded.said if isinstance(decode(raw), Facts)])
    found = store.query(
        "SELECT replaceRegexpOne(case_id, '^desk/', ''), measure,"
        f" if({AHEAD}, 'running', outcome), department, counterpart, flags"
        f" FROM {store.database}.facts WHERE measure IN {{of:Array(String)}}",
        {"of": of(row), "as_of": folded.now},
    )
    assert sorted(found.rows) == sorted(map(without_time, row["facts"]))
    if "indicators" in row:
        values = indicators_at(store, folded.departments.meta.as_of, asked(row).values())
        assert shown(row, values) == row["indicators"]


def without_time(text: str) -> tuple[str, ...]:
    """Of a fact in a row, what a table has as words: case, measure, outcome, department, counterpart, flags."""
    said = FACT.fullmatch(text)
    assert said is not None, text
    case, measure, outcome, department, asker, flags = (part or "" for part in said.groups())
    return case or "C1", measure, outcome, department, "" if asker == "nobody" else asker, flags


@each_row
def test_in_whatever_order_it_is_told(row: Row) -> None:
    """The marks come first and last, as they must; between them, anything goes."""
    told = Told(row)
    first, *others, last = told.records
    if not isinstance(e.decode(last), e.Watermark):
        last = next(r for r in reversed(others) if isinstance(e.decode(r), e.Watermark))
    events = [record for record in told.records if isinstance(e.decode(record), e.CaseEvent | e.PersonEvent)]
    for seed in range(5):
        random.Random(seed).shuffle(events)
        folded = Folded([first, *events, last], told.config)
        assert in_words(row, folded.facts, folded.now, told.config) == sorted(row["facts"])
