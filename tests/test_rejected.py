"""What could not be read is listed under names that stay, replayed where it can be read by now, discarded, and counted once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from on_kafka import PATIENCE, Installation, ended, worker
from test_connectors import IDENTITY, Fixture

from deploy import config_files
from deploy.cli import main
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.log import Log
from deploy.rejected.ledger import DISCARDED, REPLAYED, Ledger, beyond, groups, handled, kept
from deploy.rejected.limit import RejectedLimit, of_events, of_sources
from deploy.rejected.replay import NotReplayed, Origin, Replay
from ingest import event as e
from ingest.connector import Rejected
from ingest.identity import People
from ingest.intake import Intake
from streams.cases import rejected

PARTITIONS = 2
CREATED = e.Created(
    id=e.event_id("desk", "7"), source="desk", subject="7", time=e.instant(1_700_000_000_000_000), specversion="1.0"
)


def by_the_fold(offset: int, raw: bytes = b"\xff", partition: int = 0) -> bytes:
    return rejected(partition, offset, e.Unreadable("no JSON"), raw)


def by_a_connector(**fields: str) -> bytes:
    return msgspec.json.encode(Rejected(**{"source": "desk", "reason": "impossible time 'x'", **fields}))


class Topics:
    """A sink that keeps what is settled, in its order."""

    def __init__(self) -> None:
        self.said: dict[str, list[tuple[str, bytes]]] = {"events": [], "rejected": []}
        self._waiting: list[tuple[str, str, bytes]] = []

    def say(self, topic: str, key: str, value: bytes) -> None:
        self._waiting.append((topic, key, value))

    def settle(self) -> None:
        for topic, key, value in self._waiting:
            self.said[topic].append((key, value))
        self._waiting = []


# -- names and counts
def test_a_name_stays_and_is_of_the_record_not_of_how_often_it_was_rejected() -> None:
    values = [by_the_fold(3405, partition=12), by_a_connector(place="audit 5", subject="41"), by_the_fold(1)]
    ledger = Ledger([*values, *values])
    names = [row.name for row in ledger.rows()]
    assert (names[0], names[2]) == ("12-3405", "0-1")
    assert names == [row.name for row in Ledger(values).rows()]
    assert ledger.unhandled() == 3


def test_webhooks_that_nothing_tells_apart_are_all_counted() -> None:
    ledger = Ledger([by_a_connector()] * 5)
    (row,) = ledger.rows()
    assert (row.open, ledger.unhandled()) == (5, 5)
    ledger.add(handled(row, DISCARDED, "a test"))
    assert ledger.unhandled() == 0
    ledger.add(by_a_connector())
    assert ledger.unhandled() == 1, "another one came"


@pytest.mark.parametrize("how", [REPLAYED, DISCARDED])
def test_what_is_handled_is_not_counted_any_more(how: str) -> None:
    values = [by_the_fold(7), by_a_connector(subject="41", place="audit 5")]
    for value in values:
        (row,) = Ledger([value]).rows()
        ledger = Ledger([value, handled(row, how), handled(row, how)])
        assert (list(ledger.rows()), ledger.unhandled()) == ([], 0)
        assert [row.handled for row in ledger.rows(handled=True)] == [how]
    (row,) = Ledger([values[0]]).rows()
    assert Ledger([handled(row, how), values[0]]).unhandled() == 0, "another partition was read first"


def test_what_was_replayed_and_is_rejected_again_is_open_and_what_was_discarded_is_not() -> None:
    value = by_a_connector(subject="41", place="audit 5")
    (row,) = Ledger([value]).rows()
    assert Ledger([value, handled(row, REPLAYED), value]).unhandled() == 1
    assert Ledger([value, handled(row, DISCARDED), value]).unhandled() == 0


def test_whoever_measures_anew_does_not_open_what_is_handled() -> None:
    (row,) = Ledger([by_the_fold(7)]).rows()
    assert Ledger([by_the_fold(7), handled(row, REPLAYED), by_the_fold(7)]).unhandled() == 0


def test_what_is_no_record_of_ours_can_be_named_and_discarded() -> None:
    for value in (b"", b"[1]", b"\xff", b'{"reason": 5}'):
        ledger = Ledger([value])
        (row,) = ledger.rows()
        ledger.add(handled(row, DISCARDED))
        assert ledger.unhandled() == 0
        assert len(list(kept([value], {row.name}))) == 1


def test_rows_are_grouped_by_source_and_by_the_reason_without_what_it_quotes() -> None:
    values = [by_a_connector(reason=f"impossible time '{n}'", place=f"audit {n}", subject="1") for n in range(3)]
    values += [by_a_connector(source="hr", place="a.csv:4"), by_the_fold(4, b'{"source": "desk", "type": 1}')]
    found = [(group.count, group.source, group.reason) for group in groups(Ledger(values).rows())]
    assert found == [
        (3, "desk", "impossible time '0', and others"),
        (1, "desk", "no JSON"),
        (1, "hr", "impossible time 'x'"),
    ]


def test_a_stage_is_not_ready_beyond_the_limit() -> None:
    assert beyond(1000, 1000) == ""
    assert beyond(1234, 1000) == "1,234 records were rejected, more than 1,000: see `crossdesk rejected list`"


# -- replayed
def replay_of(sink: Topics, held: bytes | None, origin: Callable[[str], Origin] | None = None) -> Replay:
    def nobody(_: str) -> Origin:
        raise NotReplayed("no source is known")

    return Replay(sink, lambda *_: held, origin or nobody)


def one(values: Iterable[bytes]) -> Any:
    (row,) = Ledger(values).rows()
    return row


def test_what_can_be_read_now_is_said_under_its_case_and_is_handled() -> None:
    sink, value = Topics(), by_the_fold(9, e.encode(CREATED))
    replay_of(sink, e.encode(CREATED)).replay(one([value]))
    assert sink.said["events"] == [("desk/7", e.encode(CREATED))]
    ((key, record),) = sink.said["rejected"]
    assert key == "9"
    assert json.loads(record) == {"handled": "replayed", "of": "0-9", "by": "", "times": 1, "reason": ""}
    assert Ledger([value, record]).unhandled() == 0


def test_what_cannot_be_read_now_either_stays_as_it_was_until_it_is_mended() -> None:
    sink, row = Topics(), one([by_the_fold(9)])
    with pytest.raises(NotReplayed, match=r"cannot be read: .*--mended FILE"):
        replay_of(sink, b"\xff").replay(row)
    with pytest.raises(NotReplayed, match="is not among the events any more"):
        replay_of(sink, None).replay(row)
    with pytest.raises(NotReplayed, match="the mended one cannot be read"):
        replay_of(sink, b"\xff").replay(row, b"{}")
    assert sink.said == {"events": [], "rejected": []}
    replay_of(sink, b"\xff").replay(row, e.encode(CREATED))
    assert sink.said["events"] == [("desk/7", e.encode(CREATED))]


def test_what_one_case_told_another_is_not_said_again() -> None:
    absorbed = e.Absorbed(
        id=CREATED.id,
        source="desk",
        subject="7",
        time=CREATED.time,
        specversion="1.0",
        data=e.AbsorbedData("desk/1", 1),
    )
    with pytest.raises(NotReplayed, match="crossdesk rebuild"):
        replay_of(Topics(), e.encode(absorbed)).replay(one([by_the_fold(9)]))


class Spoilt:
    """Zendesk's fixture, one audit of a ticket of which has an impossible time; and what is rejected of it."""

    def __init__(self) -> None:
        self.sink, self.fixture = Topics(), Fixture("zendesk")
        self.well = self.fixture.api
        self.intake = Intake(self.fixture.connector, People(IDENTITY, "desk"), self.sink, lambda _: (), lambda _: None)
        self.fixture.api = Fixture("zendesk").api
        self.fixture.api.answers = [(path, q, b, self._spoilt(path, a)) for path, q, b, a in self.well.answers]
        self.intake.take(self.fixture.connector.case(self.fixture.api, "42"))
        self.sink.settle()

    @staticmethod
    def _spoilt(path: str, answer: Any) -> Any:
        changed = deepcopy(answer)
        if path == "/api/v2/tickets/42/audits.json":
            changed["audits"][0]["created_at"] = "the day before"
        return changed

    def rejections(self) -> list[bytes]:
        return [value for _, value in self.sink.said["rejected"]]


def test_what_a_connector_rejected_is_asked_for_again() -> None:
    spoilt = Spoilt()
    row = one(spoilt.rejections())
    assert (row.subject, row.source, row.place[:6]) == ("42", "desk", "audit ")
    before = {value for _, value in spoilt.sink.said["events"]}
    again = replay_of(spoilt.sink, None, lambda _: Origin(spoilt.intake, spoilt.fixture.api))
    with pytest.raises(NotReplayed, match="asked for again, and still: impossible time 'the day before'"):
        again.replay(row)
    assert {value for _, value in spoilt.sink.said["events"]} == before
    replay_of(spoilt.sink, None, lambda _: Origin(spoilt.intake, spoilt.well)).replay(row)
    said = {value for _, value in spoilt.sink.said["events"]}
    assert said == {e.encode(event) for event in spoilt.fixture.parse(spoilt.fixture.connector.case(spoilt.well, "42"))}
    assert said > before
    assert Ledger(spoilt.rejections()).unhandled() == 0
    assert spoilt.sink.said["rejected"][-1][0] == "42"


def test_what_cannot_be_asked_for_is_said_how_to_mend() -> None:
    spoilt, sink = Spoilt(), Topics()
    again = replay_of(sink, None, lambda _: Origin(spoilt.intake, spoilt.well))
    with pytest.raises(NotReplayed, match=r"no case is known of it: mend people.csv:4, send that again"):
        again.replay(one([by_a_connector(place="people.csv:4")]))
    with pytest.raises(NotReplayed, match="has no case 4711 any more"):
        again.replay(one([by_a_connector(subject="4711")]))
    assert sink.said["rejected"] == []


# -- in a folder
def run(*words: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner(env=environment).invoke(main, words)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two records of it could not be read; by now one can."""
    with Embedded(tmp_path / "d") as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        with embedded.log.transaction():
            embedded.log.append("events", [("helpdesk/X", b'{"type": "crossdesk.nonsense"}'), ("desk/7", b"?")], 0)
        embedded.fold()
        with embedded.log.transaction():
            embedded.log.db.execute("UPDATE events SET value = ? WHERE key = 'desk/7'", (e.encode(CREATED),))
            embedded.log.append("rejected", [("", by_a_connector(place="a.csv:4", source="hr"))], 0)
    return tmp_path / "d"


def names_in(said: Result) -> list[str]:
    return [line.split()[0] for line in said.output.splitlines()]


def test_in_a_folder_what_was_replayed_or_discarded_is_listed_no_more(folder: Path) -> None:
    data = ("--data", str(folder))
    first, second, third = names_in(run("rejected", "list", "--all", *data))
    assert (first.partition("-")[0], second.partition("-")[0], len(third)) == ("0", "0", 12)
    assert names_in(run("rejected", "--all", "--source", "hr", *data)) == [third]
    shown = run("rejected", "show", first, *data).output
    assert 'raw:       {"type": "crossdesk.nonsense"}' in shown

    said = run("rejected", "replay", "--all", *data)
    assert said.exit_code == 1
    assert f"{second}: replayed" in said.output
    assert f"{third}: no case is known of it: mend a.csv:4" in said.output
    assert "2 of 3 could not be replayed, and stay as they were" in said.output
    assert names_in(run("rejected", "--all", *data)) == [first, third]
    with Log(folder / "log.sqlite3") as log:
        assert len(log.of_key("events", "desk/7")) == 2

    assert run("rejected", "discard", first, third, "--reason", "a test", *data).exit_code == 0
    assert run("rejected", *data).output == ""
    again = run("rejected", "replay", second, first, *data)
    assert {*again.output.splitlines()} == {f"{first}: is discarded already", f"{second}: is replayed already"}
    listed = run("rejected", "list", "--all", "--handled", *data).output
    assert listed.count("[discarded: a test]") == 2
    assert listed.count("[replayed]") == 1
    with Embedded(folder, store=False) as embedded:
        assert embedded.rejected() == {}


def test_a_mended_record_is_said_in_the_place_of_the_one_that_was_not_read(folder: Path, tmp_path: Path) -> None:
    first, *_ = names_in(run("rejected", "list", "--all", "--data", str(folder)))
    (tmp_path / "mended.json").write_bytes(e.encode(CREATED))
    words = ("rejected", "replay", first, "--mended", str(tmp_path / "mended.json"), "--data", str(folder))
    assert run(*words).output == f"{first}: replayed\n"
    assert first not in names_in(run("rejected", "--all", "--data", str(folder)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "0-4711"), "nothing that was rejected is called '0-4711'"),
        (("replay", "0-4711"), "nothing that was rejected is called '0-4711'"),
        (("discard", "0-4711", "--reason", "x"), "nothing that was rejected is called '0-4711'"),
        (("replay",), "say which: their NAMES, or --source SOURCE, or --all"),
        (("replay", "0-1", "--all"), "say which"),
        (("discard", "0-1"), "Missing option '--reason'"),
    ],
)
def test_who_names_nothing_is_told_what_to_name(words: Sequence[str], message: str, folder: Path) -> None:
    said = run("rejected", *words, "--data", str(folder))
    assert said.exit_code in (1, 2)
    assert message in said.output


# -- on Kafka
def test_on_kafka_what_can_be_read_now_is_said_again_and_handled(installation: Installation) -> None:
    installation.put("events", 1, b"desk/7", e.encode(CREATED))
    installation.put("rejected", 1, b"0", by_the_fold(0, e.encode(CREATED), partition=1))
    installation.put("rejected", 0, b"5", by_the_fold(5))
    installation.put("rejected", 0, b"42", by_a_connector(subject="42"))
    environment = installation.environment
    said = run("rejected", "replay", "1-0", "0-5", "--kafka", environment=environment)
    assert said.exit_code == 1
    assert "1-0: replayed" in said.output
    assert "0-5: is not among the events any more" in said.output
    assert run("rejected", "discard", "0-5", "--reason", "a test", "--kafka", environment=environment).exit_code == 0
    (left,) = json_lines(run("rejected", "list", "--json", "--kafka", environment=environment))
    assert (left["count"], left["source"]) == (1, "desk")
    events = [value for there in installation.held("events").values() for _, value in there]
    assert events == [e.encode(CREATED)] * 2
    again = run("rejected", "replay", "1-0", "0-5", "--kafka", environment=environment)
    assert (again.exit_code, again.output.count("already")) == (0, 2)


def json_lines(said: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.output.splitlines()]


def test_a_stage_sees_what_it_has_rejected_and_what_was_handled_since(installation: Installation) -> None:
    for offset in range(3):
        installation.put("rejected", offset % 2, str(offset).encode(), by_the_fold(offset))
    installation.put("rejected", 0, b"42", by_a_connector(subject="42"))
    folds, intake = (RejectedLimit(installation.settings, 2, of) for of in (of_events, of_sources))
    for limit in (folds, intake):
        limit.look()
    assert folds.not_ready() == "3 records were rejected, more than 2: see `crossdesk rejected list`"
    assert (intake.unhandled, intake.not_ready()) == (1, "")
    run("rejected", "discard", "0-1", "--reason", "a test", "--kafka", environment=installation.environment)
    folds.look()
    assert (folds.unhandled, folds.not_ready()) == (2, "")


def test_a_worker_that_has_set_aside_too_much_is_not_ready(installation: Installation, tmp_path: Path) -> None:
    installation.configure()
    for _ in range(2):
        installation.put("events", 1, b"helpdesk/POISON", b"\xff")
    process = worker(installation, tmp_path / "1.log", rejected_limit="1")
    with ended(process):
        installation.drain()
        until = monotonic() + PATIENCE
        while "2 records were rejected, more than 1: see `crossdesk rejected list`" not in process.why_not_ready():
            assert monotonic() < until, process.why_not_ready()
            sleep(0.2)
        assert process.asked("/live")[0] == 200
