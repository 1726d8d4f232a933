"""`crossdesk compare`: what a vendor says of its cases beside ours, and the reason where they differ, which is computed.

``fixtures/compare/VENDOR/`` has what its connector reads of some cases (``tickets.json``, ``issues.json``), what its API says that
they took, the company, and ``expected.json``: the reasons of every value that is not equal.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner, Result
from test_measures import LINE, MONDAY, Story

from deploy import config_files
from deploy.compare import jira, zendesk
from deploy.compare.answers import documents
from deploy.compare.measured import Measured, answered
from deploy.compare.reasons import WORDS, Reason, Row
from deploy.compare.search import Said, find
from deploy.compare_cli import compare
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.folder import Stopped
from deploy.log import Log
from ingest import event as e
from ingest.connector import Connector, Rejected
from ingest.connectors import CONNECTORS
from ingest.connectors.simulated import simulate
from ingest.identity import Identity, People
from streams.configuration import Configuration
from streams.hours import Calendar
from streams.schedule import Schedule, Span
from streams.timeline import microseconds

FIXTURES = Path(__file__).parent / "fixtures" / "compare"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "payloads" / "jira_service_management"
IDENTITY = Identity(b"a key of the tests, no secret", "k1")
SECOND, MINUTE = 1_000_000, 60_000_000
MINUTES_A_DAY = 24 * 60


# -- the fixtures, through the connectors
class Vendor(NamedTuple):
    name: str
    connector: Connector
    cases: str
    answers: tuple[str, ...]
    until: datetime

    @property
    def folder(self) -> Path:
        return FIXTURES / self.name

    def events(self) -> list[Any]:
        told, people = json.loads((self.folder / self.cases).read_text()), People(IDENTITY, self.connector.source)
        made = [made for one in told for made in self.connector.parse(one, people)]
        assert not [one for one in made if isinstance(one, Rejected)]
        return sorted(made, key=lambda event: (event.time, event.sequence))

    def files(self) -> list[str]:
        return [str(self.folder / name) for name in self.answers]


ZENDESK = Vendor(
    "zendesk",
    CONNECTORS["zendesk"].model_validate({"source": "zendesk", "user": "reader@marsh.example"}),
    "tickets.json",
    ("ticket_metrics.json", "tickets_with_metric_sets.json"),
    datetime(2024, 8, 30, tzinfo=UTC),
)
JIRA = Vendor(
    "jira",
    CONNECTORS["jira_service_management"].model_validate({"source": "jira_service_management", "projects": ["HD"]}),
    "issues.json",
    ("sla.ndjson", "issue.json"),
    datetime(2026, 3, 3, 13, tzinfo=UTC),
)
VENDORS = {vendor.name: vendor for vendor in (ZENDESK, JIRA)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An installation for each vendor."""
    made = {}
    for name, vendor in VENDORS.items():
        made[name] = tmp_path_factory.mktemp(name) / "data"
        with Embedded(made[name], store=False) as embedded:
            embedded.apply(config_files.load(vendor.folder).configuration.files)
            known = e.watermark(vendor.connector.source, vendor.until)
            for _ in embedded.accept(name, [*vendor.events(), known]):
                pass
    return made


def compared(folders: dict[str, Path], name: str, *words: str) -> Result:
    return CliRunner().invoke(compare, [name, *VENDORS[name].files(), "--data", str(folders[name]), *words])


def test_zendesks_own_arithmetic_comes_out_of_our_facts(folders: dict[str, Path]) -> None:
    """8,585 calendar and 1,865 business minutes: exactly 8,584 min 43 s and 1,864 min 43 s."""
    with Log(folders["zendesk"] / "log.sqlite3") as log:
        records = [record.value for record in log.of_key("events", "zendesk/4001")]
        config = Configuration.decode(log.configurations()[1])
    (fact,) = Measured("zendesk/4001", records, config, microseconds(ZENDESK.until)).of("first_response")
    assert fact.calendar_us == (8584 * 60 + 43) * SECOND
    assert fact.business_us == (1864 * 60 + 43) * SECOND
    assert (round(fact.calendar_us / MINUTE), round(fact.business_us / MINUTE)) == (8585, 1865)


@pytest.mark.parametrize("name", VENDORS)
def test_every_value_is_equal_or_differs_for_the_reason_beside_it(folders: dict[str, Path], name: str) -> None:
    said = json.loads(compared(folders, name, "--json").stdout)
    differing = [[row["case"], row["metric"], *row["reasons"]] for row in said["rows"] if row["reasons"]]
    assert differing == json.loads((VENDORS[name].folder / "expected.json").read_text())
    summary = said["summary"]
    assert summary["compared"] == len(said["rows"])
    assert summary["differ"] == sum(row["reasons"] not in ([], ["rounding"]) for row in said["rows"])
    assert summary["equal"] + summary["differ"] == summary["compared"]
    for row in said["rows"]:
        if not row["reasons"]:
            assert all(
                abs(row["ours"][value] - theirs) < SECOND if name.endswith("_us") else row["ours"][value] == theirs
                for value, theirs in row["theirs"].items()
                if theirs is not None
            )


# -- cases in pictures: Monday to Friday, 09:00 to 17:00 UTC
class Drawn(Story):
    def __init__(self) -> None:
        self.records: list[bytes] = []
        super().__init__()

    def take(self, record: bytes) -> None:
        self.records.append(record)
        super().take(record)


def drawn(picture: str, vendor_hours: dict[str, Calendar] | None = None) -> Measured:
    story = Drawn()
    for line in filter(None, map(str.strip, picture.splitlines())):
        match = LINE.match(line)
        assert match is not None, line
        day, hour, minute, kind, what, _ = match.groups()
        story.line(day, int(hour), int(minute), kind, what)
    return Measured("desk/C1", story.records, story.config, microseconds(story.last), vendor_hours or {})


def at(day: int, hour: int, minute: int = 0) -> int:
    """Of the first week, Monday being 0; µs."""
    return microseconds(MONDAY) + (day * MINUTES_A_DAY + hour * 60 + minute) * MINUTE


def iso(us: int) -> str:
    return e.instant(us).isoformat()


def metrics(case: Measured, until: int | None = None, *, for_another: bool = False, **fields: Any) -> zendesk.Metrics:
    """What Zendesk says: spans as (calendar, business) minutes."""
    said: dict[str, Any] = {"ticket_id": 1, "updated_at": iso(case.now if until is None else until)}
    for name, value in fields.items():
        if isinstance(value, tuple):
            said[f"{name}_in_minutes"] = dict(zip(("calendar", "business"), value, strict=True))
        else:
            said[name] = value
    return msgspec.structs.replace(msgspec.convert(said, zendesk.Metrics), for_another=for_another)


SOLVED = """
    Mon 09:00 created  finance
    Mon 09:00 routed   it
    Mon 10:00 replied  it
    Mon 12:00 solved   it
"""
PAUSED = """
    Mon 09:00 created  finance
    Mon 09:00 routed   it
    Mon 10:00 paused   requester
    Mon 11:00 resumed
    Mon 11:00 paused   third_party
    Mon 14:00 resumed
    Mon 16:00 solved   it
"""
REOPENED = """
    Mon 09:00 created  finance
    Mon 09:00 routed   it
    Mon 10:00 replied  it
    Mon 11:00 solved   it
    Mon 13:00 reopened
    Mon 14:00 replied  it
    Mon 16:00 solved   it
"""
BY_A_BOT = """
    Mon 09:00 created  finance
    Mon 09:00 routed   it
    Mon 09:01 bot_replied
    Mon 09:01 solved   bot
    Mon 13:00 reopened
    Mon 13:10 replied  it
"""
RUNNING = """
    Mon 09:00 created  finance
    Mon 09:00 routed   it
    Mon 11:00 paused   third_party
    Mon 15:00 now
"""
SILENT = """
    Mon 09:00 created  finance
    Mon 09:00 routed   it
    Mon 10:00 solved   it
    Mon 11:00 replied  it
"""
OF_ZENDESK: list[tuple[str, dict[str, Any], dict[str, tuple[Reason, ...]]]] = [
    (SOLVED, {"reply_time": (60, 60), "first_resolution_time": (180, 180)}, {}),
    (SOLVED, {"reply_time": (60, None)}, {}),
    (SOLVED, {"reply_time": (61, 60)}, {"reply_time": (Reason.not_explained,)}),
    (SOLVED, {"reply_time": (60, 59)}, {"reply_time": (Reason.not_explained,)}),
    (SOLVED, {"reply_time": (None, None)}, {"reply_time": (Reason.not_explained,)}),
    (SOLVED, {"reply_time": (None, None), "until": at(0, 9, 30)}, {"reply_time": (Reason.older,)}),
    (SOLVED, {"reply_time": (0, 0), "for_another": True}, {"reply_time": (Reason.opening_comment,)}),
    (SOLVED, {"replies": 2, "for_another": True}, {"replies": (Reason.opening_comment,)}),
    (SOLVED, {"replies": 2, "reopens": 1}, {"replies": (Reason.not_explained,), "reopens": (Reason.not_explained,)}),
    (SOLVED, {"reopens": 1, "until": at(9, 9)}, {"reopens": (Reason.not_yet,)}),
    (SOLVED, {"replies": 0, "until": at(0, 9, 30)}, {"replies": (Reason.older,)}),
    (
        PAUSED,
        {"agent_wait_time": (60, 60), "on_hold_time": (180, 180), "requester_wait_time": (360, 360)},
        {},
    ),
    (
        PAUSED,
        {"agent_wait_time": (240, 240), "on_hold_time": (0, 0), "requester_wait_time": (180, 180)},
        {
            "agent_wait_time": (Reason.pauses_less,),
            "on_hold_time": (Reason.not_explained,),
            "requester_wait_time": (Reason.pauses_more,),
        },
    ),
    (PAUSED, {"first_resolution_time": (360, 360)}, {"first_resolution_time": (Reason.pauses_more,)}),
    (PAUSED, {"full_resolution_time": (180, 180)}, {"full_resolution_time": (Reason.pauses_more,)}),
    (REOPENED, {"full_resolution_time": (420, 420), "first_resolution_time": (120, 120), "reopens": 1}, {}),
    (REOPENED, {"full_resolution_time": (180, 180)}, {"full_resolution_time": (Reason.new_cycle,)}),
    (REOPENED, {"full_resolution_time": (300, 300)}, {"full_resolution_time": (Reason.closed_time,)}),
    (
        REOPENED,
        {"full_resolution_time": (120, 120), "until": at(0, 12)},
        {"full_resolution_time": (Reason.older,)},
    ),
    (BY_A_BOT, {"reply_time": (10, 10)}, {}),
    (BY_A_BOT, {"reply_time": (250, 250)}, {"reply_time": (Reason.from_creation,)}),
    (BY_A_BOT, {"reply_time": (1, 1)}, {"reply_time": (Reason.from_creation, Reason.bot_answer)}),
    (BY_A_BOT, {"replies": 2}, {"replies": (Reason.bot_answer,)}),
    (SILENT, {"reply_time": (120, 120)}, {"reply_time": (Reason.silent_solve,)}),
    (
        RUNNING,
        {"reply_time": (None, None), "on_hold_time": (None, None), "requester_wait_time": (120, 120)},
        {"on_hold_time": (Reason.still_running,), "requester_wait_time": (Reason.still_running,)},
    ),
    (
        RUNNING,
        {"reply_time": (450, 450), "on_hold_time": (300, 300), "until": at(0, 16, 30)},
        {"reply_time": (Reason.not_yet,), "on_hold_time": (Reason.not_yet,)},
    ),
    (RUNNING, {"reply_time": (450, 450)}, {"reply_time": (Reason.not_explained,)}),
    (RUNNING, {"on_hold_time": (60, 60), "until": at(0, 12)}, {"on_hold_time": (Reason.older,)}),
    (
        RUNNING,
        {"on_hold_time": (30, 30), "status_updated_at": iso(at(0, 11, 30))},
        {"on_hold_time": (Reason.still_running,)},
    ),
]


@pytest.mark.parametrize(("picture", "said", "differs"), OF_ZENDESK)
def test_zendesk(picture: str, said: dict[str, Any], differs: dict[str, tuple[Reason, ...]]) -> None:
    case = drawn(picture)
    found = {row.metric: row.reasons for row in zendesk.rows(case, metrics(case, **said))}
    assert {metric: reasons for metric, reasons in found.items() if reasons} == differs
    assert found.keys() == {name for name in said if name not in ("until", "for_another", "status_updated_at")}


def test_calendar_time_and_the_vendors_own_hours() -> None:
    """Over a night, of which a schedule of the vendor counts two hours more."""
    picture = """
        Mon 16:00 created  finance
        Mon 16:00 routed   it
        Tue 10:00 replied  it
    """
    longer = Calendar([(None, Schedule("UTC", ((Span(480, 1080),),) * 7))])
    for vendor_hours, minutes, reasons in (
        ({}, 120, ()),
        ({}, 1080, (Reason.calendar_time,)),
        ({}, 240, (Reason.not_explained,)),
        ({"it": longer}, 240, (Reason.other_hours,)),
        ({"elsewhere": longer}, 240, (Reason.other_hours,)),
        ({"it": longer}, 120, ()),
    ):
        case = drawn(picture, vendor_hours)
        (row,) = zendesk.rows(case, metrics(case, reply_time=(1080, minutes)))
        assert row.reasons == reasons, (vendor_hours, minutes)


@pytest.mark.parametrize(
    ("seconds", "reasons"),
    [
        (0, ()),
        (1, (Reason.rounding,)),
        (-59, (Reason.rounding,)),
        (60, (Reason.not_explained,)),
    ],
)
def test_less_than_a_minute_of_zendesk_is_rounding(seconds: int, reasons: tuple[Reason, ...]) -> None:
    case = drawn(SOLVED)
    options = zendesk.SPANS["first_resolution_time"](case, metrics(case))
    found = find(case, options, Said(unit=MINUTE, calendar=180 * MINUTE + seconds * SECOND))
    assert (found.reasons if found else (Reason.not_explained,)) == reasons


@pytest.mark.parametrize(
    ("milliseconds", "reasons"), [(0, ()), (999, (Reason.rounding,)), (1000, (Reason.not_explained,))]
)
def test_less_than_a_second_of_jira_is_rounding(milliseconds: int, reasons: tuple[Reason, ...]) -> None:
    took = jira.Millis(180 * 60_000 + milliseconds)
    one = jira.Cycle(jira.At(at(0, 9) // 1000), took, jira.At(at(0, 12) // 1000))
    (row,) = jira.rows(drawn(SOLVED), issue(RESOLUTION, one), {})
    assert row.reasons == reasons


# -- Jira
def issue(sla: str, *cycles: jira.Cycle) -> jira.Issue:
    completed = tuple(cycle for cycle in cycles if cycle.stop is not None)
    ongoing = next((cycle for cycle in cycles if cycle.stop is None), None)
    return jira.Issue("1", "HD-1", (jira.Sla(sla, completed, ongoing),))


def cycle(start: int, stop: int | None, minutes: int, goal: int = 240, breached: bool = False) -> jira.Cycle:
    return jira.Cycle(
        jira.At(start // 1000),
        jira.Millis(minutes * 60_000),
        None if stop is None else jira.At(stop // 1000),
        jira.Millis(goal * 60_000),
        breached,
    )


FIRST, RESOLUTION = "Time to first response", "Time to resolution"
OF_JIRA: list[tuple[str, str, list[jira.Cycle], list[tuple[Reason, ...]]]] = [
    (SOLVED, FIRST, [cycle(at(0, 9), at(0, 10), 60)], [(), ()]),
    (SOLVED, FIRST, [cycle(at(0, 9), at(0, 10), 61)], [(Reason.not_explained,), ()]),
    (SOLVED, FIRST, [cycle(at(0, 8), at(0, 10), 60)], [(Reason.not_explained,), ()]),
    (SOLVED, FIRST, [cycle(at(0, 9), at(0, 10), 60, 30, True)], [(), (Reason.other_target,)]),
    (SOLVED, FIRST, [cycle(at(0, 9), at(0, 10), 60, 90, True)], [(), (Reason.not_explained,)]),
    (SOLVED, FIRST, [cycle(at(0, 9), None, 30)], [(Reason.older,), ()]),
    (SOLVED, FIRST, [cycle(at(0, 9), None, 120)], [(Reason.not_explained,), ()]),
    (SOLVED, FIRST, [cycle(at(0, 11), None, 10)], [(Reason.not_explained,), ()]),
    (SOLVED, FIRST, [cycle(at(3, 9), None, 10)], [(Reason.not_yet,), ()]),
    (RUNNING, FIRST, [cycle(at(0, 9), None, 30)], [(Reason.still_running,), (Reason.still_running,)]),
    (RUNNING, FIRST, [cycle(at(0, 9), at(1, 10), 540, breached=True)], [(Reason.not_yet,), ()]),
    (PAUSED, RESOLUTION, [cycle(at(0, 9), at(0, 16), 420, 480)], [(Reason.pauses_less,), ()]),
    (PAUSED, RESOLUTION, [cycle(at(0, 9), at(0, 16), 180)], [(Reason.pauses_more,), ()]),
    (
        REOPENED,
        RESOLUTION,
        [cycle(at(0, 9), at(0, 11), 120), cycle(at(0, 13), at(0, 16), 180)],
        [(), (), (), ()],
    ),
    (REOPENED, RESOLUTION, [cycle(at(0, 9), at(0, 16), 300, 480)], [(Reason.one_cycle,), ()]),
    (REOPENED, RESOLUTION, [cycle(at(0, 9), at(0, 16), 420, 480)], [(Reason.one_cycle,), ()]),
    (
        REOPENED,
        FIRST,
        [cycle(at(0, 9), at(0, 10), 60), cycle(at(0, 13), at(0, 14), 60)],
        [(), (), (Reason.new_cycle,)],
    ),
    (REOPENED, FIRST, [cycle(at(0, 13), None, 20)], [(Reason.new_cycle, Reason.older)]),
    (BY_A_BOT, FIRST, [cycle(at(0, 9), at(0, 9, 1), 1)], [(Reason.bot_answer,), (Reason.bot_answer,)]),
    (SILENT, FIRST, [cycle(at(0, 9), at(0, 11), 120)], [(Reason.silent_solve,), ()]),
]


@pytest.mark.parametrize(("picture", "sla", "cycles", "reasons"), OF_JIRA)
def test_jira(picture: str, sla: str, cycles: list[jira.Cycle], reasons: list[tuple[Reason, ...]]) -> None:
    assert [row.reasons for row in jira.rows(drawn(picture), issue(sla, *cycles), {})] == reasons


def test_who_opened_an_issue_for_another_is_told_by_the_issue(tmp_path: Path) -> None:
    ruth, gil = {"accountId": "712020:ruth-01"}, {"accountId": "qm:gil-02"}
    spot = {"epochMillis": at(0, 9) // 1000}
    sla = {"name": FIRST, "completedCycles": [{"startTime": spot, "stopTime": spot, "elapsedTime": {"millis": 0}}]}
    for creator, reasons in ((ruth, (Reason.opening_comment,)), (gil, (Reason.not_explained,))):
        path = tmp_path / "issue.json"
        path.write_text(json.dumps({"id": "1", "fields": {"creator": creator, "reporter": gil, "customfield_1": sla}}))
        (found,) = jira.read(documents([path]))
        assert [row.reasons for row in jira.rows(drawn(SOLVED), found, {})] == [reasons]


def test_an_sla_without_a_cycle_is_not_explained_where_ours_has_ended() -> None:
    assert [row.reasons for row in jira.rows(drawn(SOLVED), issue(FIRST), {})] == [(Reason.not_explained,)]
    assert not list(jira.rows(drawn(RUNNING), issue(FIRST), {}))


def test_what_no_measure_says_is_compared_when_somebody_says_which() -> None:
    other = issue("Time to Close", cycle(at(0, 9), at(0, 12), 180))
    assert not list(jira.rows(drawn(SOLVED), other, {}))
    rows = list(jira.rows(drawn(SOLVED), other, {"time to close": "resolution"}))
    assert [row.reasons for row in rows] == [(), ()]


# -- all of it
def test_every_reason_has_words_and_is_shown_here() -> None:
    assert WORDS.keys() == set(Reason)
    shown = {reason for *_, differs in OF_ZENDESK for reasons in differs.values() for reason in reasons}
    shown |= {reason for *_, found in OF_JIRA for reasons in found for reason in reasons}
    for vendor in VENDORS.values():
        shown |= {
            Reason(reason) for row in json.loads((vendor.folder / "expected.json").read_text()) for reason in row[2:]
        }
    assert set(Reason) - shown == {Reason.other_hours, Reason.excluded}, "those two have tests of their own"


def test_a_value_is_not_explained_by_chance(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """Of random values of a case with pauses, a reopening and a bot hardly one is the value of some way of counting."""
    case, dice, by_chance = drawn(REOPENED + BY_A_BOT.replace("Mon", "Tue").split("\n", 2)[2]), random.Random(7), 0
    count = sample(20_000, 2_000)
    for _ in range(count):
        calendar = dice.randrange(3 * MINUTES_A_DAY)
        said = metrics(case, full_resolution_time=(calendar, dice.randrange(calendar + 1)))
        by_chance += sum(row.explained for row in zendesk.rows(case, said))
    assert by_chance < count / 200
    tally("random values that no way of counting gives", count - by_chance)


def test_ours_are_the_facts_of_every_case_of_a_simulated_company(
    tmp_path: Path, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    with Embedded(tmp_path / "data", store=False) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        for _ in embedded.accept("simulated", simulate(11, 12)):
            pass
        assert embedded.cases is not None
        assert embedded.configuration is not None
        now, config = embedded.cases.meta.marks["helpdesk"], embedded.configuration
        keys = [
            key for (key,) in embedded.log.db.execute("SELECT DISTINCT key FROM events WHERE key <> '' ORDER BY key")
        ]
        some = random.Random(3).sample(keys, sample(len(keys), 150))
        count = 0
        for key in some:
            case = Measured(key, [record.value for record in embedded.log.of_key("events", key)], config, now)
            if case.course and not case.excluded:
                count += sum(_same(case, row) for row in zendesk.rows(case, EVERYTHING))
    assert count > len(some)
    tally("compared values that are facts", count)


EVERYTHING = msgspec.convert({"ticket_id": 1, **{f"{name}_in_minutes": {} for name in zendesk.SPANS}}, zendesk.Metrics)


def _same(case: Measured, row: Row) -> int:
    """Whether the value is that of the facts; how many were compared."""
    parties: dict[str, Sequence[str]] = {
        "agent_wait_time": ("requester",),
        "requester_wait_time": ("provider", "other_department", "third_party", "unowned"),
        "on_hold_time": ("third_party",),
    }
    if row.metric in parties:
        if case.is_open:
            return 0
        facts = [fact for party in parties[row.metric] for fact in case.of(f"waiting_{party}")]
        wanted = [sum(fact.calendar_us for fact in facts), sum(fact.business_us for fact in facts)]
    else:
        measure = {"reply_time": "first_response", "first_resolution_time": "first_resolution"}.get(row.metric)
        facts = case.of(measure)[-1:] if measure else []
        if not facts or answered(facts[0]) is None:
            return 0
        wanted = [facts[0].calendar_us, facts[0].business_us]
    assert [row.ours["calendar_us"], row.ours["business_us"]] == wanted, (row, facts)
    return 1


# -- the command
def test_what_is_not_explained_ends_with_1_and_says_where_to_look(folders: dict[str, Path]) -> None:
    done = compared(folders, "zendesk")
    assert done.exit_code == 1
    assert "1 of 75 values are not explained, of 4008: `crossdesk explain 4008`" in done.stderr
    assert "4002  reply_time" in done.stdout
    assert "one_schedule (the hours of Network)" in done.stdout


def test_where_everything_is_explained_it_ends_with_0(folders: dict[str, Path]) -> None:
    done = compared(folders, "jira", "--differing")
    assert done.exit_code == 0, done.output
    assert "16 values: 9 equal" in done.stdout
    assert "not compared: 'Time to close after resolution' of 1 case" in done.stdout
    assert "HD-2   Time to first response 1 " not in done.stdout
    assert "HD-2   Time to first response 2 " in done.stdout


def test_the_vendors_schedules_can_be_handed_in(folders: dict[str, Path], tmp_path: Path) -> None:
    """In London from 07:00 on: ticket 4002 took two hours more by that schedule."""
    answer = json.loads((ZENDESK.folder / "ticket_metrics.json").read_text())
    (ticket,) = [one for one in answer["ticket_metrics"] if one["ticket_id"] == 4002]
    ticket["first_resolution_time_in_minutes"]["business"] += 120
    (tmp_path / "metrics.json").write_text(json.dumps({"ticket_metric": ticket}))
    norms = tmp_path / "norms.yaml"
    norms.write_text("norms:\n  - {department: network, zone: Europe/London, hours: {mon-fri: '07:00-17:00'}}\n")
    command = ["zendesk", str(tmp_path / "metrics.json"), "--data", str(folders["zendesk"]), "--differing"]
    assert CliRunner().invoke(compare, command).exit_code == 1
    done = CliRunner().invoke(compare, [*command, "--hours", str(norms)])
    assert done.exit_code == 0, "and the other two are of the schedule that was known"
    assert "first_resolution_time  21 h / 4 h  21 h / 7 h  other_hours (its hours of Network)" in done.stdout


def test_what_is_left_out_here_says_why(tmp_path: Path) -> None:
    events = [event for event in ZENDESK.events() if event.subject == "4008"]
    by_hand = e.Excluded(
        id=e.event_id("zendesk", "by hand"),
        source="zendesk",
        subject="4008",
        time=datetime(2024, 8, 8, tzinfo=UTC),
        specversion="1.0",
        data=e.ExcludedData(reason="a test of the network"),
    )
    with Embedded(tmp_path / "data", store=False) as embedded:
        embedded.apply(config_files.load(ZENDESK.folder).configuration.files)
        for _ in embedded.accept("zendesk", [*events, by_hand, e.watermark("zendesk", ZENDESK.until)]):
            pass
    answers = [str(ZENDESK.folder / "ticket_metrics.json"), "--data", str(tmp_path / "data"), "--json"]
    rows = json.loads(CliRunner().invoke(compare, ["zendesk", *answers]).stdout)["rows"]
    (row,) = [row for row in rows if row["case"] == "4008"]
    assert (row["reasons"], row["note"]) == (["excluded"], "a test of the network")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--source", "desk"], "there is no source 'desk'; there is zendesk"),
        (["--hours", "HOURS"], "norms.0.hour: Extra inputs are not permitted; hand in a norms file"),
    ],
)
def test_what_cannot_be_compared_says_what_to_do(
    folders: dict[str, Path], tmp_path: Path, words: list[str], told: str
) -> None:
    (tmp_path / "HOURS").write_text("norms:\n  - {department: desk, hour: always}\n")
    done = compared(folders, "zendesk", *[str(tmp_path / word) if word == "HOURS" else word for word in words])
    assert done.exit_code == 1
    assert told in done.stderr


def test_answers_of_another_installation_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"ticket_metric": {"ticket_id": 9, "reply_time_in_minutes": {"calendar": 1}}}')
    command = ["zendesk", str(tmp_path / "m.json"), "--data", str(folders["zendesk"])]
    done = CliRunner().invoke(compare, command)
    assert done.exit_code == 1
    assert "none of the 1 cases of Zendesk is in source 'zendesk'" in done.stderr


BROKEN = [
    (zendesk.read, "", "is no JSON"),
    (zendesk.read, '{"a": 1', "is no JSON"),
    (zendesk.read, "[1]", "holds 1, which is no answer"),
    (zendesk.read, '{"tickets": []}', "hold no ticket metrics: save what GET /api/v2/ticket_metrics"),
    (zendesk.read, '{"ticket_metrics": [{"ticket_id": "x"}]}', "is not what Zendesk answers"),
    (zendesk.read, '{"ticket_metric": {"ticket_id": 1, "updated_at": "soon"}}', "is not what Zendesk answers"),
    (jira.read, '{"values": []}', "hold no SLAs: save what GET /rest/servicedeskapi/request/ISSUE/sla"),
    (jira.read, '{"values": [7]}', "is not what Jira Service Management answers"),
    (jira.read, '{"issues": [7]}', "is not what Jira Service Management answers"),
    (jira.read, '{"values": [{"name": "Time to resolution"}]}', "no link in it names the issue"),
    (jira.read, '{"id": "1", "fields": {"x": {"completedCycles": 3}}}', "is not what Jira Service Management answers"),
    (jira.read, '{"issueId": "1", "sla": 5}', "is not what Jira Service Management answers"),
]


@pytest.mark.parametrize(("read", "content", "told"), BROKEN)
def test_a_file_that_is_no_answer_is_refused(
    read: Callable[[Iterator[Any]], Any], content: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "answer.json"
    path.write_text(content)
    with pytest.raises(Stopped, match=told):
        read(documents([path]))


@pytest.mark.parametrize("given", ["Time to close", "Time to close=waiting"])
def test_means_names_an_sla_and_a_measure(folders: dict[str, Path], given: str) -> None:
    done = compared(folders, "jira", "--means", given)
    assert done.exit_code == 2
    assert "write NAME=MEASURE, with first_response or resolution" in done.stderr


def test_slas_are_found_in_every_answer_that_has_them(tmp_path: Path) -> None:
    sla = {"name": FIRST, "completedCycles": []}
    link = {"_links": {"self": "https://marsh.atlassian.net/rest/servicedeskapi/request/7/sla/1"}}
    for number, answer in enumerate(
        (
            {"issues": [{"id": "7", "key": "HD-7", "fields": {"customfield_10030": sla, "summary": "…"}}]},
            {"id": "7", "key": "HD-7", "fields": {"customfield_10030": sla}},
            {"issueId": "7", "issueKey": "HD-7", "sla": {"values": [sla]}},
            {"values": [{**sla, **link}]},
            {"values": [sla], **link},
            {**sla, **link},
        )
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps([answer]))
        (found,) = jira.read(documents([path]))
        assert (found.id, [one.name for one in found.slas]) == ("7", [FIRST]), answer


def test_the_vendors_own_example_is_read() -> None:
    path = SHARED / "atlassian_docs_request_sla_example.json"
    if not path.exists():
        pytest.skip("the samples that lie beside the project are not there")
    (found,) = jira.read(documents([path]))
    assert found.id == "101102"
    assert [len(sla.cycles) for sla in found.slas] == [3, 3, 3]
    assert all(c.stop - c.start == c.elapsed for sla in found.slas for c in sla.completed_cycles if c.stop)
