"""The network between us and ClickHouse goes wrong: whoever writes is told to come back, and what is written again counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from socket import SHUT_WR, create_connection
from typing import Any
from urllib.error import HTTPError

import msgspec
import pytest
from clickhouse_process import PASSWORD, USER, ClickHouseServer, basic
from histories import write

from ingest.event import Created, encode, event_id
from sinks.clickhouse import ClickHouse, connect
from sinks.store import StoredRecord, Unavailable
from streams.fact import Fact, Outcome

NINE = 1_767_258_000_000_000  # 2026-01-01 09:00
HOUR = 3_600_000_000
FEW, MANY = 100, 30_000
"""Facts: what the buffers of a socket hold, and some megabytes."""

ANSWERED = Fact(
    version=20,
    case_id="zendesk/1",
    measure="first_response",
    opener=bytes(range(16)),
    level=1,
    department="it",
    counterpart="finance",
    start=NINE,
    since=NINE,
    calendar="it",
    norm="it/answers",
    stop=NINE + 2 * HOUR,
    due=NINE + 4 * HOUR,
    calendar_us=2 * HOUR,
    business_us=2 * HOUR,
    outcome=Outcome.met,
    counts_at=NINE + 2 * HOUR,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def server(running: ClickHouseServer) -> ClickHouseServer:
    """With nothing in it."""
    running.forget_everything()
    return running


@pytest.fixture
def store(server: ClickHouseServer) -> Iterator[ClickHouse]:
    with_schema = opened(server)
    yield with_schema
    with_schema.close()


def opened(server: ClickHouseServer, **options: object) -> ClickHouse:
    store = connect(server.dsn(**options))
    store.migrate()
    return store


def facts(count: int, version: int = 20) -> list[Fact]:
    return [msgspec.structs.replace(ANSWERED, case_id=f"zendesk/{n}", version=version) for n in range(count)]


def events(count: int) -> list[StoredRecord]:
    now = datetime(2026, 1, 1, 9, tzinfo=UTC)
    raw = [
        Created(id=event_id("z", str(n)), source="z", subject=str(n), specversion="1.0", time=now) for n in range(count)
    ]
    return [StoredRecord(offset, NINE, encode(event)) for offset, event in enumerate(raw)]


def facts_held(store: ClickHouse) -> list[tuple[Any, ...]]:
    """How many, of how many cases, at which versions, and what their durations add up to."""
    asked = "SELECT count(), uniqExact(case_id), min(version), max(version), sum(business_us) FROM facts"
    return store.query(asked).rows


def exactly(count: int, version: int = 20) -> list[tuple[Any, ...]]:
    return [(count, count, version, version, count * 2 * HOUR)]


# Whoever is not let in, or finds nobody


def test_a_wrong_password_is_named_as_such_and_not_repeated(server: ClickHouseServer) -> None:
    wrong = ClickHouseServer(server.folder, password="t0p-secret")
    with pytest.raises(Unavailable) as caught:
        connect(wrong.dsn().replace(str(wrong.port), str(server.port)))
    assert str(caught.value) == (
        f"{USER}: Authentication failed: password is incorrect, or there is no user with such name."
    )


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("no-such-host.invalid:8123", r"^ClickHouse at http://no-such-host\.invalid:8123: Failed to resolve "),
        ("127.0.0.1:1", r"^ClickHouse at http://127\.0\.0\.1:1: .*Connection refused$"),
    ],
    ids=["a host that is none", "nobody listens"],
)
def test_an_address_where_nobody_is_is_named_with_the_reason(address: str, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        connect(f"clickhouse://{USER}:s3cret@{address}/")


# Inserts that fail

AWAY = r"^ClickHouse at http://127\.0\.0\.1:\d+: "
FAILURES = [
    ("error", AWAY + r"HTTP status 500, and no word of ClickHouse's$"),
    ("full", r"^Cannot reserve 1\.00 MiB, not enough space\.$"),
    ("cut_reading", AWAY + "(Remote end closed connection without response|.*Connection reset by peer|.*Broken pipe)$"),
    ("cut_answering", AWAY + "Remote end closed connection without response$"),
]


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize(("what", "why"), FAILURES, ids=[what for what, _ in FAILURES])
def test_an_insert_of_facts_that_fails_says_why_and_can_be_repeated(
    server: ClickHouseServer, store: ClickHouse, what: str, why: str, count: int
) -> None:
    batch = facts(count)
    server.misbehave(what, times=2)  # the driver tries again by itself where it was cut off
    with pytest.raises(Unavailable, match=why) as caught:
        write(store, batch)
    assert PASSWORD not in str(caught.value)
    if what in ("error", "full"):
        with pytest.raises(Unavailable, match=why):
            write(store, batch)
    server.wait_until_quiet()
    write(store, batch)
    assert facts_held(store) == exactly(count)


@pytest.mark.parametrize("what", ["cut_reading", "cut_answering"])
def test_an_insert_of_columns_that_is_cut_can_be_repeated(server: ClickHouseServer, what: str) -> None:
    store = opened(server)
    batch = events(MANY)
    server.misbehave(what, times=2)
    with pytest.raises(Unavailable, match=AWAY):
        store.write_events(batch)
    store.write_events(batch)
    asked = "SELECT count(), uniqExact(id), min(offset), max(offset) FROM crossdesk_raw.events"
    assert store.query(asked).rows == [(MANY, MANY, 0, MANY - 1)]
    store.close()


@pytest.mark.parametrize("what", ["cut_reading", "cut_answering"])
def test_a_connection_that_is_cut_once_is_nobodys_trouble(
    server: ClickHouseServer, store: ClickHouse, what: str
) -> None:
    server.misbehave(what)
    write(store, facts(FEW))
    server.wait_until_quiet()
    assert facts_held(store) == exactly(FEW)


def test_half_an_insert_is_none(server: ClickHouseServer, store: ClickHouse) -> None:
    """Of what is cut before it has arrived nothing is there, so that the other tests see what they say."""
    server.misbehave("cut_reading", times=2)
    with pytest.raises(Unavailable):
        write(store, facts(MANY))
    assert facts_held(store) == [(0, 0, 0, 0, 0)]
    server.misbehave("cut_answering", times=2)
    with pytest.raises(Unavailable):
        write(store, facts(MANY))
    assert facts_held(store) == exactly(MANY)


# Servers that are late


def test_a_server_that_does_not_answer_in_time_is_unavailable_and_may_be_late(server: ClickHouseServer) -> None:
    store = opened(server, send_receive_timeout=1)
    server.misbehave("hang", seconds=1.5)
    with pytest.raises(Unavailable, match=AWAY + r"Read timed out\. \(read timeout=1\)$"):
        write(store, facts(FEW))
    write(store, facts(FEW))
    assert facts_held(store) == exactly(FEW)
    server.wait_until_quiet()
    assert facts_held(store) == exactly(FEW)
    store.close()


def test_what_a_late_server_writes_in_the_end_does_not_stand_against_what_came_since(server: ClickHouseServer) -> None:
    store = opened(server, send_receive_timeout=1)
    server.misbehave("hang", seconds=1.5)
    with pytest.raises(Unavailable):
        write(store, facts(FEW, version=20))
    write(store, facts(FEW, version=30))
    server.wait_until_quiet()
    assert facts_held(store) == exactly(FEW, version=30)
    store.close()


def test_nobody_waits_for_ever_for_a_server_that_hangs(server: ClickHouseServer) -> None:
    store = opened(server)
    timeout = store._writer.timeout  # type: ignore[attr-defined]
    assert timeout.connect_timeout <= 10
    assert timeout.read_timeout <= 60
    store.close()


# Servers that die


def test_a_server_that_was_killed_and_comes_again_has_what_it_had_acknowledged(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        store = opened(server)
        write(store, facts(FEW))
        server.stop(kill=True)
        refused = AWAY + ".*Connection refused$"
        for asks in trials(store):
            with pytest.raises(Unavailable, match=refused):
                asks()
        server.start()
        assert facts_held(store) == exactly(FEW)
        write(store, facts(2 * FEW))
        assert facts_held(store) == exactly(2 * FEW)
        store.close()


def trials(store: ClickHouse) -> list[Callable[[], object]]:
    return [lambda: write(store, facts(2 * FEW)), lambda: store.write_events(events(FEW)), lambda: facts_held(store)]


def test_a_password_that_is_changed_while_we_write_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        store = opened(server)
        write(store, facts(FEW))
        server.stop()
        server.password = "another"
        server.start()
        for asks in trials(store):
            with pytest.raises(Unavailable, match="Authentication failed"):
                asks()
        store.close()
        again = opened(server)
        write(again, facts(2 * FEW))
        assert facts_held(again) == exactly(2 * FEW)
        again.close()


# What travels


@pytest.mark.parametrize("compress", ["true", "false", "lz4", "gzip"])
def test_what_travels_compressed_arrives_as_it_was(server: ClickHouseServer, compress: str) -> None:
    store = opened(server, compress=compress)
    write(store, facts(FEW))
    store.write_events(events(FEW))
    assert facts_held(store) == exactly(FEW)
    raw = store.query("SELECT raw FROM crossdesk_raw.events ORDER BY offset").rows
    assert raw == [(record.raw.decode(),) for record in events(FEW)]
    store.close()


# The server that plays ClickHouse


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [("SELEC 1", 400, 62), ("SELECT * FROM nowhere", 404, 60), ("SELECT throwIf(1)", 500, 395)],
)
def test_it_refuses_with_the_status_and_the_code_of_clickhouse(
    running: ClickHouseServer, statement: str, status: int, code: int
) -> None:
    with pytest.raises(HTTPError) as caught:
        running.ask(statement)
    with caught.value as answer:
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
        assert answer.read().startswith(f"Code: {code}. DB::Exception: ".encode())


def test_it_knows_a_right_password_from_a_wrong_one(running: ClickHouseServer) -> None:
    assert running.ask("SELECT 1") == "1\n"
    with pytest.raises(HTTPError) as caught:
        running.ask("SELECT 1", password="wrong")
    with caught.value as answer:
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_an_insert_that_breaks_off_is_not_carried_out(server: ClickHouseServer) -> None:
    """Whoever is killed while it sends has sent nothing."""
    who = basic(server.user, server.password)
    statement = b"INSERT INTO default.kept FORMAT TabSeparated\n"
    server.ask("CREATE OR REPLACE TABLE default.kept (a UInt8) ENGINE = MergeTree ORDER BY a")
    for head, sent in (
        ("Content-Length: 100", statement + b"1\n2\n"),
        ("Transfer-Encoding: chunked", b"64\r\n" + statement),
    ):
        with create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"POST / HTTP/1.1\r\nAuthorization: {who}\r\n{head}\r\n\r\n".encode() + sent)
            connection.shutdown(SHUT_WR)
            assert connection.recv(1) == b""
    assert server.ask("SELECT count() FROM default.kept") == "0\n"
