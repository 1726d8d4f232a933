"""The store: chDB in this process through the same client as a server. One engine per process, so each test closes its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickhouse_process import ClickHouseServer
from histories import write

from ingest.event import Answered, AnsweredData, Created, Joined, PlaceData, Watermark, WatermarkData, encode, event_id
from sinks.clickhouse import ClickHouse, connect
from sinks.migrations import Migration, current_views, load, masked, statements
from sinks.store import BadQuery, Department, Store, StoredRecord, StoreLocked, StoreTooNew, Unavailable
from streams.fact import Fact, Outcome
from streams.indicators import IndicatorValue

ROOT = Path(__file__).parent.parent
NINE = 1_767_258_000_000_000  # 2026-01-01 09:00
HOUR = 3_600_000_000
OPENER = bytes(range(16))

ASKED = Fact(
    version=10,
    case_id="zendesk/1",
    measure="first_response",
    opener=OPENER,
    level=1,
    department="it",
    counterpart="finance",
    start=NINE,
    since=NINE,
    calendar="it",
    norm="it/answers",
)
ANSWERED = msgspec.structs.replace(
    ASKED,
    version=20,
    stop=NINE + 2 * HOUR,
    due=NINE + 4 * HOUR,
    calendar_us=2 * HOUR,
    business_us=2 * HOUR,
    outcome=Outcome.met,
    counts_at=NINE + 2 * HOUR,
)
TAKEN_BACK = msgspec.structs.replace(ANSWERED, version=30, outcome=Outcome.retracted)
ASSERTED_AGAIN = msgspec.structs.replace(ANSWERED, version=40, business_us=HOUR)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture(params=["chdb", "http"])
def store(folder: Path, request: pytest.FixtureRequest) -> Iterator[ClickHouse]:
    """Both ways to a store pass the same tests; no ClickHouse runs here, so behind HTTP is chDB again."""
    if request.param == "chdb":
        dsn = f"chdb://{folder}"
    else:
        server: ClickHouseServer = request.getfixturevalue("server")
        server.forget_everything()
        dsn = server.dsn()
    opened = connect(dsn)
    opened.migrate()
    yield opened
    opened.close()


def ask(store: ClickHouse, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return store.query(sql, parameters).rows


def value_of(store: ClickHouse, sql: str) -> Any:
    ((value,),) = ask(store, sql)
    return value


# Facts


def test_it_is_a_store(store: ClickHouse) -> None:
    held: Store = store
    assert isinstance(held, ClickHouse)


def test_a_fact_reads_as_it_was_written(store: ClickHouse) -> None:
    write(store, [ANSWERED])
    found = store.query("SELECT * FROM facts")
    assert ", ".join(found.columns[:15]) == (
        "fact_id, case_id, measure, department, counterpart, level, start, stop, due, calendar_us, business_us, outcome, "
        "norm, counts_at, version"
    )
    (row,) = found.rows
    read = dict(zip(found.columns, row, strict=True))
    assert read == {
        "fact_id": ANSWERED.fact_id,
        "case_id": "zendesk/1",
        "measure": "first_response",
        "department": "it",
        "counterpart": "finance",
        "level": 1,
        "start": datetime(2026, 1, 1, 9, tzinfo=UTC),
        "stop": datetime(2026, 1, 1, 11, tzinfo=UTC),
        "due": datetime(2026, 1, 1, 13, tzinfo=UTC),
        "calendar_us": 2 * HOUR,
        "business_us": 2 * HOUR,
        "outcome": "met",
        "norm": "it/answers",
        "counts_at": datetime(2026, 1, 1, 11, tzinfo=UTC),
        "version": 20,
        "since": datetime(2026, 1, 1, 9, tzinfo=UTC),
        "calendar": "it",
        "opener_id": OPENER.hex(),
        "flags": "",
    }


def test_what_is_not_determined_yet_is_null_and_microseconds_are_kept(store: ClickHouse) -> None:
    write(store, [msgspec.structs.replace(ASKED, start=NINE + 1)])
    assert ask(store, "SELECT stop, due, counts_at FROM facts") == [(None, None, None)]
    assert value_of(store, "SELECT start FROM facts") == datetime(2026, 1, 1, 9, 0, 0, 1, tzinfo=UTC)


def test_the_highest_version_stands_in_whatever_order_they_come(store: ClickHouse) -> None:
    orders = list(permutations([ASKED, ANSWERED, TAKEN_BACK, ASSERTED_AGAIN]))
    for written in zip(*orders, strict=True):
        write(store, [msgspec.structs.replace(fact, case_id=f"zendesk/{n}") for n, fact in enumerate(written)])
    assert value_of(store, "SELECT count() FROM facts") == 24
    assert ask(store, "SELECT DISTINCT version, business_us FROM facts") == [(40, HOUR)]


def test_a_retracted_fact_is_gone_and_an_older_version_does_not_bring_it_back(store: ClickHouse) -> None:
    write(store, [ANSWERED, TAKEN_BACK])
    assert ask(store, "SELECT * FROM facts") == []
    write(store, [ASKED])
    assert ask(store, "SELECT * FROM facts") == []


def test_a_retraction_that_comes_first_wins_too(store: ClickHouse) -> None:
    write(store, [TAKEN_BACK])
    write(store, [ANSWERED])
    assert ask(store, "SELECT * FROM facts") == []


def test_a_batch_that_is_written_again_changes_nothing(store: ClickHouse) -> None:
    batch = [msgspec.structs.replace(ANSWERED, case_id=f"zendesk/{n}") for n in range(100)]
    for _ in range(3):
        write(store, batch)
    assert ask(store, "SELECT count(), sum(business_us) FROM facts") == [(100, 200 * HOUR)]


def test_a_filter_on_what_changed_sees_only_what_stands(store: ClickHouse) -> None:
    write(store, [ASKED])
    write(store, [ANSWERED])
    assert ask(store, "SELECT version FROM facts WHERE outcome = 'running'") == []
    assert ask(store, "SELECT version FROM facts WHERE isNull(stop) OR version < 15") == []
    assert ask(store, "SELECT version FROM facts WHERE outcome = 'met'") == [(20,)]


def test_case_measure_opener_level_and_department_are_different_facts(store: ClickHouse) -> None:
    other = [
        msgspec.structs.replace(ANSWERED, case_id="zendesk/2"),
        msgspec.structs.replace(ANSWERED, measure="resolution"),
        msgspec.structs.replace(ANSWERED, opener=OPENER[::-1]),
        msgspec.structs.replace(ANSWERED, level=0),
        msgspec.structs.replace(ANSWERED, department="hr"),
    ]
    write(store, [ANSWERED, *other])
    ids = {row[0] for row in ask(store, "SELECT fact_id FROM facts")}
    assert ids == {fact.fact_id for fact in (ANSWERED, *other)}


def test_merging_changes_nothing_that_is_read(store: ClickHouse) -> None:
    for fact in (ASSERTED_AGAIN, ASKED, TAKEN_BACK, ANSWERED):
        write(store, [fact])
    store._writer.command("OPTIMIZE TABLE crossdesk_1.facts_versions FINAL")
    assert value_of(store, "SELECT count() FROM crossdesk_1.facts_versions") == 1
    assert ask(store, "SELECT version FROM facts") == [(40,)]


def test_nothing_to_write_is_no_error(store: ClickHouse) -> None:
    write(store, [])
    store.write_events([])
    store.write_indicators([])


# Events


def created(subject: str = "1", **more: Any) -> bytes:
    event = Created(
        id=event_id("zendesk", subject), source="zendesk", subject=subject, specversion="1.0", time=datetime.now(UTC)
    )
    return json.dumps({**json.loads(encode(event)), **more}).encode()


def stored(*raw: bytes) -> list[StoredRecord]:
    now_us = int(datetime.now(UTC).timestamp() * 1e6)
    return [StoredRecord(offset, now_us, record) for offset, record in enumerate(raw)]


def test_an_event_keeps_its_bytes_with_fields_that_nobody_knows(store: ClickHouse) -> None:
    raw = created(shoe_size=43)
    store.write_events(stored(raw))
    rows = ask(store, "SELECT type, source, subject, case_id, actor, offset, raw FROM crossdesk_raw.events")
    assert rows == [("crossdesk.created", "zendesk", "1", "zendesk/1", "", 0, raw.decode())]


def test_events_that_are_written_again_are_there_once_and_deliveries_are_told_apart(store: ClickHouse) -> None:
    twice_delivered = created()
    batch = stored(twice_delivered, created("2"), twice_delivered)
    for _ in range(2):
        store.write_events(batch)
    rows = ask(store, "SELECT offset, case_id FROM crossdesk_raw.events ORDER BY offset")
    assert rows == [(0, "zendesk/1"), (1, "zendesk/2"), (2, "zendesk/1")]


def test_a_record_that_cannot_be_read_is_kept_as_it_is(store: ClickHouse) -> None:
    store.write_events(stored(b"\xff{", b"[]", b""))
    rows = ask(store, "SELECT offset, type, case_id, length(raw) FROM crossdesk_raw.events ORDER BY offset")
    assert rows == [(0, "", "", 2), (1, "", "", 2), (2, "", "", 0)]


def test_marks_are_not_kept(store: ClickHouse) -> None:
    now = datetime.now(UTC)
    mark = Watermark(
        id=event_id("z", "w"), source="z", subject="w", specversion="1.0", time=now, data=WatermarkData(until=now)
    )
    store.write_events(stored(encode(mark)))
    assert value_of(store, "SELECT count() FROM crossdesk_raw.events") == 0


def test_no_column_but_raw_names_a_person_and_no_answer_is_kept_at_all(store: ClickHouse) -> None:
    now = datetime.now(UTC)
    joined = Joined(
        id=event_id("hr", "1"),
        source="hr",
        subject="p-ann",
        specversion="1.0",
        time=now,
        who="p-ann",
        data=PlaceData(department="it"),
    )
    answered = Answered(
        id=event_id("survey", "1"),
        source="survey",
        subject="p-bob",
        specversion="1.0",
        time=now,
        data=AnsweredData(wave="w", person="p-bob", department="it", items={"q1": 3}),
    )
    store.write_events(stored(encode(joined), encode(answered), created(who="p-eve")))
    columns, rows = store.query("SELECT * EXCEPT raw FROM crossdesk_raw.events")
    assert len(rows) == 3
    assert "p-" not in str(rows)
    assert not {"who", "person", "requester"} & set(columns)
    assert value_of(store, "SELECT countIf(raw LIKE '%p-bob%') FROM crossdesk_raw.events") == 0
    assert value_of(store, "SELECT countIf(raw LIKE '%p-ann%') FROM crossdesk_raw.events") == 1


def test_nothing_public_has_a_column_for_a_person(store: ClickHouse) -> None:
    rows = ask(store, "SELECT name FROM system.columns WHERE database = 'crossdesk_public' AND table != 'departments'")
    forbidden = {"user", "agent", "assignee", "email", "who", "person", "requester", "actor", "raw"}
    assert not forbidden & {name for (name,) in rows}


# Indicators and departments


def test_of_each_series_the_highest_offset_stands(store: ClickHouse) -> None:
    value = IndicatorValue(
        indicator="first_response_attainment_ratio",
        department="it",
        counterpart="",
        window="7d",
        as_of=NINE,
        value=0.8,
        n=10,
        low=0.4902,
        high=0.9433,
        offset=100,
    )
    nothing = msgspec.structs.replace(value, window="1h", value=None, n=0, low=None, high=None)
    store.write_indicators([msgspec.structs.replace(value, value=0.9, offset=200), nothing])
    store.write_indicators([value])
    found = ask(store, "SELECT window, as_of, value, n, low, offset FROM indicators ORDER BY window")
    nine = datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert found == [("1h", nine, None, 0, None, 100), ("7d", nine, 0.9, 10, 0.4902, 200)]


def test_departments_are_those_of_the_highest_version(store: ClickHouse) -> None:
    it, pool = Department("it", "IT", "all", 1, 9), Department("pool", "Typing pool", "all", 1, 5)
    store.write_departments([it, pool], 1)
    store.write_departments([it._replace(name="Information Technology")], 2)
    store.write_departments([it, pool], 1)
    assert ask(store, "SELECT id, name, head_count FROM departments") == [("it", "Information Technology", 9)]


# Asking


def test_a_parameter_is_never_read_as_sql(store: ClickHouse) -> None:
    write(store, [ANSWERED])
    found = "SELECT count() FROM facts WHERE department = {department:String}"
    assert ask(store, found, department="it") == [(1,)]
    assert ask(store, found, department="it' OR 1 = 1 --") == [(0,)]


def test_columns_have_names_where_there_are_no_rows(store: ClickHouse) -> None:
    found = store.query("WITH 1 AS one SELECT one, fact_id FROM facts WHERE level = {level:UInt8};", {"level": 7})
    assert found == (("one", "fact_id"), [])


CHANGES = [
    "DROP TABLE crossdesk_1.facts_versions",
    "INSERT INTO crossdesk_1.facts_versions (case_id) VALUES ('x')",
    "SYSTEM STOP MERGES",
    "USE default",
    "SET readonly = 0",
    "SELECT 1; SELECT 2",
    "SELECT 1; INSERT INTO crossdesk_1.facts_versions (case_id) VALUES ('x')",
    "SELECT 1 /* ; */ ; DROP TABLE crossdesk_1.facts_versions",
    "SELECT 1 INTO OUTFILE '/tmp/crossdesk-outfile'",
    "SELECT 1 INTO /* */ OUTFILE '/tmp/crossdesk-outfile'",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT 1 SETTINGS max_memory_usage = 0",
    "SELECT 1 FORMAT JSON",
    "",
    "-- nothing",
]


def test_whoever_asks_can_only_read(store: ClickHouse) -> None:
    write(store, [ANSWERED])
    for sql in CHANGES:
        with pytest.raises(BadQuery):
            store.query(sql)
    assert value_of(store, "SELECT count() FROM facts") == 1
    assert not Path("/tmp/crossdesk-outfile").exists()


def test_a_mistake_is_told_in_one_line_without_codes(store: ClickHouse) -> None:
    with pytest.raises(BadQuery) as caught:
        store.query("SELECT responsiveness FROM facts")
    assert str(caught.value).startswith("Unknown expression identifier `responsiveness`")
    assert "\n" not in str(caught.value)
    assert "Code:" not in str(caught.value)


def test_a_greedy_question_is_stopped_and_the_next_one_is_answered(store: ClickHouse) -> None:
    with pytest.raises(BadQuery, match="memory limit"):
        store.query("SELECT groupArray(number) FROM numbers(100000000)")
    assert value_of(store, "SELECT 1") == 1


def test_one_may_look_around(store: ClickHouse) -> None:
    for sql in ("SHOW TABLES", "DESCRIBE facts", "EXPLAIN SELECT * FROM facts", "EXISTS TABLE facts"):
        assert store.query(sql).rows


def test_many_may_ask_while_one_writes(store: ClickHouse) -> None:
    def writes(batch: int) -> int:
        write(store, [msgspec.structs.replace(ANSWERED, case_id=f"zendesk/{batch}/{n}") for n in range(100)])
        return 0

    def asks(_: int) -> int:
        return int(value_of(store, "SELECT count() FROM facts")) % 100

    with ThreadPoolExecutor(4) as threads, ThreadPoolExecutor(1) as writer:
        written = writer.map(writes, range(20))
        assert set(threads.map(asks, range(40))) == {0}
        assert len(list(written)) == 20
    assert value_of(store, "SELECT count() FROM facts") == 2000


# Migrations

ALL = [*load(), *load("crossdesk_1")]


def test_migrations_are_done_once(folder: Path) -> None:
    store = connect(f"chdb://{folder}")
    assert store.migrate() == ALL
    write(store, [ANSWERED])
    assert store.migrate() == []
    store.close()

    again = connect(f"chdb://{folder}")
    assert again.migrate() == []
    assert value_of(again, "SELECT count() FROM facts") == 1
    again.close()


def test_a_migration_that_was_cut_short_is_done_again(store: ClickHouse) -> None:
    write(store, [ANSWERED])
    for database in ("crossdesk_public", "crossdesk_1"):
        store._writer.command(f"TRUNCATE TABLE {database}.schema_migrations")
    assert store.migrate() == ALL
    assert value_of(store, "SELECT count() FROM facts") == 1


def test_a_store_of_a_later_crossdesk_is_refused(store: ClickHouse) -> None:
    later = Migration(9999, "later", "CREATE TABLE IF NOT EXISTS crossdesk_public.later (a UInt8) ENGINE = Memory")
    assert store.migrate([*load(), later]) == [later]
    with pytest.raises(StoreTooNew, match=r"schema 9999.*up to \d.*Run that crossdesk"):
        store.migrate()


def test_a_store_without_a_schema_has_nothing_to_say(folder: Path) -> None:
    store = connect(f"chdb://{folder}")
    with pytest.raises(Unavailable, match="Nothing has been stored yet"):
        store.query("SELECT count() FROM facts")
    store.migrate()
    assert value_of(store, "SELECT count() FROM facts") == 0
    store.close()


def test_migrations_are_numbered_without_gaps() -> None:
    for found in (load(), load("crossdesk_1")):
        assert [migration.version for migration in found] == list(range(1, len(found) + 1))


def test_every_statement_of_a_migration_can_be_run_again() -> None:
    again = ("IF NOT EXISTS", "OR REPLACE", "IF EXISTS")
    for sql in (*(migration.sql for migration in ALL), current_views("crossdesk_1")):
        for statement in statements(sql):
            assert any(words in masked(statement).upper() for words in again), statement


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("a; b", ["a", "b"]),
        ("a;\n;\n-- c;\n", ["a"]),
        ("select ';' ; b", ["select ';'", "b"]),
        (r"select 'it''s; \'; ' ; b", [r"select 'it''s; \'; '", "b"]),
        ('select ";", `;` ; b', ['select ";", `;`', "b"]),
        ("a -- it's; here\n; b", ["a -- it's; here", "b"]),
        ("a /* ; /* ; */ ; ' */ c; b", ["a /* ; /* ; */ ; ' */ c", "b"]),
        ("select $x$ ; ' $x$; b", ["select $x$ ; ' $x$", "b"]),
        ("a # ; c\n; b", ["a # ; c", "b"]),
        ("select 'open; b", ["select 'open", "b"]),
        ("a /* open; b", ["a /* open; b"]),
    ],
)
def test_statements_end_at_semicolons_that_nothing_hides(sql: str, found: Sequence[str]) -> None:
    assert list(statements(sql)) == found


# Processes


def other_process(code: str, folder: Path) -> subprocess.Popen[str]:
    program = f"from pathlib import Path\nFOLDER = {str(folder)!r}\n" + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


HOLDS = """
    from sinks.clickhouse import connect
    store = connect(f"chdb://{FOLDER}")
    store.migrate()
    print("open", flush=True)
    input()
"""


def test_a_store_that_another_process_has_open_says_which_and_what_to_do(folder: Path) -> None:
    with other_process(HOLDS, folder) as holder:
        assert said(holder) == "open"
        with pytest.raises(StoreLocked, match=rf"open in process {holder.pid}.*stop that one first") as caught:
            connect(f"chdb://{folder}")
        assert caught.value.pid == holder.pid
        holder.communicate("\n")
    connect(f"chdb://{folder}").close()


def test_a_process_that_was_killed_holds_no_lock(folder: Path) -> None:
    with other_process(HOLDS, folder) as holder:
        assert said(holder) == "open"
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    store = connect(f"chdb://{folder}")
    assert value_of(store, "SELECT count() FROM facts") == 0
    store.close()


def test_a_folder_that_cannot_be_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot open /proc/no-such-folder"):
        connect("chdb:///proc/no-such-folder")


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        connect("clickhouse://127.0.0.1:1/?connect_timeout=1")


WRITES = """
    import sys
    from sinks.clickhouse import connect
    from streams.fact import Facts, encode
    PLACE = {"counterparts": ("",), "levels": (0,), "departments": ("d",)}
    store = connect(f"chdb://{FOLDER}")
    store.migrate()
    print("open", flush=True)
    for batch in range(int(input()), 100_000):
        store.write_facts([
            encode(Facts(version=n, case_id=f"z/{n}", measure="m", opener=bytes(16), **PLACE))
            for n in range(batch * 500, batch * 500 + 500)
        ])
        print(batch, flush=True)
"""


def kill_while_it_writes(folder: Path, times: int) -> None:
    acknowledged = -1
    for n in range(times):
        with other_process(WRITES, folder) as writer:
            assert said(writer) == "open"
            assert writer.stdin
            print(acknowledged + 1, file=writer.stdin, flush=True)
            for _ in range(3 + n % 5):
                acknowledged = int(said(writer))
            writer.send_signal(signal.SIGKILL)
            rest, _ = writer.communicate()
            acknowledged = max([acknowledged, *map(int, rest.split())])

        store = connect(f"chdb://{folder}")
        batches = ask(store, "SELECT intDiv(version, 500) AS batch, count() FROM facts GROUP BY batch ORDER BY batch")
        store.close()
        assert {count for _, count in batches} == {500}, "half a batch"
        assert [batch for batch, _ in batches] in (list(range(acknowledged + 1)), list(range(acknowledged + 2)))


def test_what_was_acknowledged_survives_kill_9_and_repeated_batches_count_once(folder: Path) -> None:
    kill_while_it_writes(folder, 3)


MEASURES = """
    from sinks.clickhouse import connect
    from streams.fact import Facts, encode
    PLACE = {"counterparts": ("",), "levels": (0,), "departments": ("d",)}
    store = connect(f"chdb://{FOLDER}")
    store.migrate()
    for batch in range(30):
        store.write_facts([
            encode(Facts(version=n, case_id=f"z/{n // 3}", measure="m", opener=n.to_bytes(16, "big"), **PLACE))
            for n in range(batch * 20_000, batch * 20_000 + 20_000)
        ])
        store.query("SELECT measure, count(), sum(business_us) FROM facts GROUP BY measure")
    status = Path("/proc/self/status").read_text()
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.full
def test_six_hundred_thousand_facts_leave_room_in_a_gigabyte(folder: Path) -> None:
    with other_process(MEASURES, folder) as writer:
        out, error = writer.communicate()
    assert int(out) < 700_000, error


@pytest.mark.full
def test_fifty_kills_lose_nothing_and_count_nothing_twice(folder: Path) -> None:
    kill_while_it_writes(folder, 50)
