"""`reproduce`: what is published comes out of facts again to the last bit, or it is said what came after it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from histories import DAY, HOUR, START, encode, envelope, watermark

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.explain import NotThere
from deploy.intake import bring_up_to_date
from deploy.reproduce import Reproduced, Value, reproduce
from deploy.reproduce_cli import reproduce as command
from deploy.reproduce_why import Marks
from ingest import event as e
from ingest.connectors.simulated import simulate
from streams.company import CompanyFile
from streams.configuration import Files
from streams.fact import Fact, Outcome
from streams.norm_entry import NormsFile

SERIES, MONDAY = "it/first_response_attainment_ratio", "2026-03-02"
NINE = START + 9 * HOUR
COMPANY: dict[str, Any] = {
    "organisation": "test",
    "zone": "UTC",
    "hours": {"mon-fri": "09:00-17:00"},
    "holidays": [],
    "sources": ["desk"],
    "departments": [{"id": "it"}, {"id": "hr"}],
    "groups": [
        {"source": "desk", "group": "it-1", "department": "it"},
        {"source": "desk", "group": "hr-1", "department": "hr"},
    ],
}
NORMS = {"norms": [{"department": "it", "first_response": "4bh"}]}


def files(**company: Any) -> Files:
    norms = {"norms.yaml": NormsFile.model_validate(NORMS)}
    return Files(version=1, company=CompanyFile.model_validate(COMPANY | company), norms=norms)


def replied(number: int, at: int, n: int = 2) -> e.Replied:
    fields = envelope(f"C{number}", at, f"C{number}-{n}", n, e.Actor.provider_human)
    return e.Replied(**fields, data=e.ActedData())


def case(number: int, hours: int, at: int = NINE) -> list[e.Record]:
    """For it, answered ``hours`` after ``at``; 0: not at all."""
    created = envelope(f"C{number}", at, f"C{number}-0", 0, e.Actor.requester)
    records: list[e.Record] = [
        e.Created(**created, data=e.CreatedData()),
        e.Routed(**envelope(f"C{number}", at, f"C{number}-1", 1), data=e.RoutedData(group="it-1")),
    ]
    return [*records, replied(number, at + hours * HOUR)] if hours else records


def mark(until: int) -> e.Record:
    return e.decode(watermark(until))


def take_in(folder: Path, name: str, records: Iterable[e.Record], new: Files | None = None) -> None:
    """Into the folder, and published."""
    with Embedded(folder) as embedded:
        if new is not None:
            embedded.apply(new)
        for _ in embedded.accept(name, records):
            pass
        embedded.fold()
        bring_up_to_date(embedded, history=True)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On Monday three of four cases are answered in time, and it is known up to the end of Tuesday."""
    folder = tmp_path_factory.mktemp("published") / "d"
    take_in(folder, "first", [*case(0, 1), *case(1, 2), *case(2, 3), *case(3, 6), mark(START + 2 * DAY)], files())
    return folder


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """The same, for whoever takes in more."""
    return Path(shutil.copytree(published, tmp_path / "d", symlinks=True))


def found(folder: Path, series: str = SERIES, period: str = MONDAY) -> Reproduced:
    with Embedded(folder) as embedded:
        assert embedded.store is not None
        return reproduce(embedded.store, lambda: embedded.log, series, period)


def asked(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--data", str(folder)])


def test_what_is_published_comes_out_again(published: Path) -> None:
    said = found(published)
    assert said.same
    assert (said.again.value, said.again.n) == (0.75, 4)
    assert [r.number for r in said.revisions] == [1]
    assert said.differs == []
    printed = asked(published, SERIES, MONDAY)
    assert printed.exit_code == 0
    assert "the same, bit for bit" in printed.output
    assert "0.75 (n 4" in printed.output


def test_a_late_event_is_named(folder: Path) -> None:
    """It was answered at noon, and that was told on Wednesday."""
    take_in(folder, "second", [replied(3, NINE + 3 * HOUR, 7)])
    said = found(folder)
    assert said.same
    assert [(r.number, r.said.value) for r in said.revisions] == [(1, 0.75), (2, 1.0)]
    (differs,) = said.differs
    assert (differs.revision.number, differs.after, differs.why.explained) == (1, 2, True)
    (change,) = differs.why.changes
    assert (change.case, change.was, change.becomes) == ("desk/C3", "missed", "met")
    (reason,) = change.reasons
    assert reason.startswith("late event: replied of 2026-03-02 12:00:00 UTC")
    assert "desk/C3: missed → met" in asked(folder, SERIES, MONDAY).output


def test_a_correction_is_named(folder: Path) -> None:
    fields = envelope("C0", START + DAY, "C0-9", 9)
    data = e.CorrectedData(supersedes=e.event_id("desk", "C0-2"), at=e.instant(NINE + 7 * HOUR))
    take_in(folder, "second", [e.Corrected(**fields, data=data)])
    (differs,) = found(folder).differs
    (change,) = differs.why.changes
    assert (change.case, change.was, change.becomes) == ("desk/C0", "met", "missed")
    assert change.reasons[0].startswith("correction: corrected of 2026-03-03")


def test_a_later_configuration_is_named(folder: Path) -> None:
    """The group has been hr's since the Sunday before."""
    moved = [*COMPANY["groups"], {"source": "desk", "group": "it-1", "department": "hr", "since": "2026-03-01"}]
    take_in(folder, "second", [], files(groups=moved))
    said = found(folder)
    assert said.same
    assert (said.again.value, said.again.n) == (None, 0)
    (differs,) = said.differs
    assert {c.case for c in differs.why.changes} == {f"desk/C{n}" for n in range(4)}
    assert differs.why.changes[0].reasons == ["version 2 of the configuration came in place of version 1"]
    assert differs.why.explained


def test_each_revision_is_told_from_the_next_one(folder: Path) -> None:
    """The second has one case more, the third one case answered; nothing moves the watermark on."""
    take_in(folder, "second", case(4, 1))
    take_in(folder, "third", [replied(3, NINE + 3 * HOUR, 7)])
    said = found(folder)
    assert [(r.number, r.said.n, r.said.value) for r in said.revisions] == [(1, 4, 0.75), (2, 5, 0.8), (3, 5, 1.0)]
    second, first = said.differs
    assert [(c.case, c.was, c.becomes) for c in second.why.changes] == [("desk/C3", "missed", "met")]
    assert [(c.case, c.was, c.becomes) for c in first.why.changes] == [("desk/C4", "", "met")]
    assert second.why.explained
    assert first.why.explained


def test_what_ran_at_the_end_of_the_period_is_in_it(folder: Path) -> None:
    """A case that was never heard of until Wednesday ran on Monday night; and a reply, told late, had stopped another."""
    series = "it/first_response_running_facts"
    take_in(folder, "second", [*case(5, 0), mark(START + 3 * DAY)])
    said = found(folder, series)
    assert said.same
    assert said.again.value == 1.0
    take_in(folder, "third", [replied(5, NINE + HOUR)])
    said = found(folder, series)
    assert said.same
    assert said.again.value == 0.0
    (differs,) = said.differs
    assert [(c.case, c.was, c.becomes) for c in differs.why.changes] == [("desk/C5", "running", "")]


def test_a_store_that_says_something_else_than_the_log_is_found_out(folder: Path) -> None:
    with Embedded(folder) as embedded:
        assert embedded.store is not None
        stop = NINE + HOUR
        forged = Fact(
            version=1 << 40,
            outcome=Outcome.missed,
            counts_at=stop,
            stop=stop,
            case_id="desk/C0",
            measure="first_response",
            opener=bytes.fromhex(e.event_id("desk", "C0-0").replace("-", "")),
            start=NINE,
            due=stop,
            since=stop,
            level=0,
            department="it",
        )
        embedded.store.write_facts([encode(forged)])
    said = found(folder)
    assert not said.same
    assert (said.again.value, said.revisions[-1].said.value) == (0.5, 0.75)
    assert not said.differs[0].why.explained
    printed = asked(folder, SERIES, MONDAY)
    assert printed.exit_code == 1
    assert "DIFFERS" in printed.output
    assert "facts of the store are not those of the log" in printed.output


def test_it_only_reads(folder: Path) -> None:
    def everything() -> list[Any]:
        with Embedded(folder) as embedded:
            assert embedded.store is not None
            tables = ("published_revisions", "ran", "facts")
            rows = [embedded.store.query(f"SELECT * FROM {name} ORDER BY ALL").rows for name in tables]
            return [*rows, list(embedded.log.db.iterdump())]

    take_in(folder, "second", case(4, 1))
    before = everything()
    assert asked(folder, SERIES, MONDAY).exit_code == 0
    assert everything() == before


NOT_THERE = [
    ("it", MONDAY, "is no series: write DEPARTMENT/INDICATOR"),
    ("it/first_response_attainment", MONDAY, "did you mean 'first_response_attainment_ratio'?"),
    ("itt/first_response_attainment_ratio", MONDAY, "did you mean 'it/first_response_attainment_ratio'?"),
    (SERIES, "2026-02-30", "write a day (2026-01-14) or an hour (2026-01-14T09), of UTC"),
    (SERIES, "2027-01-01", "is not published: there is 2026-03-02 to 2026-03-02 (days: 1)"),
    ("it/acceptance_facts", MONDAY, "nothing is published of acceptance_facts; there is"),
]


def test_what_is_not_there_is_said_with_what_is(published: Path) -> None:
    with Embedded(published) as embedded:
        assert embedded.store is not None
        for series, period, said in NOT_THERE:
            with pytest.raises(NotThere) as refused:
                reproduce(embedded.store, lambda: embedded.log, series, period)
            assert said in str(refused.value)


def test_for_programs(folder: Path) -> None:
    take_in(folder, "second", [replied(3, NINE + 3 * HOUR, 7)])
    said = json.loads(asked(folder, SERIES, MONDAY, "--json").output)
    assert (said["same"], said["start"], said["from_facts"]["value"]) == (True, START, 1.0)
    assert [r["value"] for r in said["revisions"]] == [0.75, 1.0]
    assert said["differs"][0]["changes"][0]["case"] == "desk/C3"


def test_another_rounding_is_a_difference() -> None:
    value = Value(0.1 + 0.2, 3, None, None, beyond=False)
    assert value.same(value)
    assert not value.same(value._replace(value=0.3))
    assert not Value(0.0, 0, None, None, beyond=False).same(Value(-0.0, 0, None, None, beyond=False))


# -- of the simulated company
@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Ten days, the hours of the last one and a half published too, so that pairs and percentiles are among them."""
    with Embedded(tmp_path_factory.mktemp("simulated")) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        for _ in embedded.accept("simulated", simulate(7, 10, cases_per_day=60.0)):
            pass
        bring_up_to_date(embedded, history=True)
        yield embedded


def test_every_published_value_of_the_simulated_company_comes_out_again(
    simulated: Embedded, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    assert simulated.store is not None
    rows = simulated.store.query(
        "SELECT indicator, department, counterpart, toString(toDate(period_start)) FROM published ORDER BY ALL"
    ).rows
    chosen = random.Random(1).sample(rows, sample(len(rows), 40))
    assert len({indicator for indicator, *_ in chosen}) > 15
    for indicator, department, counterpart, day in chosen:
        series = "/".join(filter(None, (department, indicator, counterpart)))
        assert reproduce(simulated.store, lambda: simulated.log, series, day).same, (series, day)
    tally("published values that came out again", len(chosen))


def test_how_far_all_was_known_is_found_in_the_log(simulated: Embedded) -> None:
    """At the last place of the stretch of an instant, all of it is known, and nothing later."""
    marks = Marks(simulated.log, simulated.configurations)
    assert simulated.as_of == marks.known[-1][1]
    end = simulated.log.position("cases") - 1
    some = random.Random(2).sample(sorted({as_of for _, as_of in marks.known if as_of > 0}), 50)
    for as_of in some:
        first, last = marks.stretch(as_of, end)
        assert first <= last
        assert marks.until("helpdesk", last) == as_of
        assert marks.until("helpdesk", first) == as_of
        assert marks.until("helpdesk", first - 1) < as_of
