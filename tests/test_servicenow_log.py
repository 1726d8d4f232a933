"""The audit log of ServiceNow: what each row means, and what must come out of the real one."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ingest.connector import BadFile, Rejected
from ingest.connectors import LOGS, build
from ingest.connectors.event_log import EventLog
from ingest.connectors.servicenow_log import ServiceNowLog
from ingest.event import (
    Actor,
    CaseEvent,
    Closed,
    Created,
    Paused,
    Reopened,
    Routed,
    Solved,
    event_id,
)
from ingest.files import open_log
from ingest.identity import Identity
from ingest.mapping import parse
from ingest.replay import replay
from ingest.times import UnknownZone

FIXTURES = Path(__file__).parent / "fixtures"
UCI = Path(__file__).parents[2] / "shared" / "data" / "uci498" / "incident_event_log.zip"
IDENTITY = Identity(b"a key that only this test has", "k1")
WHO = {IDENTITY.pseudonym(name, "desk"): name for name in ("nadia", "dora", "nils", "omar", "job")} | {"": "-"}
COLUMNS = (
    "number,sys_mod_count,sys_updated_at,incident_state,assignment_group,assigned_to,sys_updated_by,"
    "opened_at,caller_id,category,priority,contact_type"
)


def log(rows: str, **options: Any) -> list[CaseEvent | Rejected]:
    """Rows ``time state | group | assignee | writer | priority`` of INC1, opened at 8:00 on 4 March 2024."""
    lines = [COLUMNS + "\n"]
    for count, row in enumerate(rows.strip().splitlines()):
        when, state, group, assignee, writer, *priority = [
            part.strip() for part in row.strip().replace("  ", " | ", 1).split("|")
        ]
        day, time = when.split()
        lines.append(
            f"INC1,{count},{day}/3/2024 {time},{state},{group},{assignee},{writer},4/3/2024 08:00,nadia,Laptop,"
            f"{priority[0] if priority else '3'},Phone\n"
        )
    return list(ServiceNowLog("desk", IDENTITY, **options).events(lines, "log.csv"))


def good(items: list[CaseEvent | Rejected]) -> list[CaseEvent]:
    assert [item for item in items if isinstance(item, Rejected)] == []
    return sorted((item for item in items if not isinstance(item, Rejected)), key=lambda e: (e.time, e.sequence, e.id))


def told(items: list[CaseEvent | Rejected], case: str = "INC1") -> list[str]:
    """``day hour kind by whom: what``"""
    lines = []
    for event in good(items):
        if event.subject != case:
            continue
        kind = type(event).__name__.lower()
        data = event.data
        what = " ".join(str(getattr(data, field)) for field in data.__struct_fields__ if getattr(data, field))
        if isinstance(event, Created):
            what = f"{event.data.service} {event.data.priority} {event.data.channel}"
        lines.append(f"{event.time:%-d %H:%M} {kind} {event.actor}/{WHO[event.who]} {what}".rstrip())
    return lines


def test_an_incident_from_the_first_call_to_the_automatic_close() -> None:
    with open_log(FIXTURES / "servicenow_log.csv") as lines:
        events = list(ServiceNowLog("desk", IDENTITY).events(lines, "log.csv"))
    assert told(events, "INC1") == [
        "4 08:55 created requester/nadia Laptop 3 - Moderate Phone",
        "4 08:55 routed provider_human/dora Desk",
        "4 09:05 classified provider_human/dora 2 - High",
        "4 09:05 claimed provider_human/dora",
        "4 09:10 noted provider_human/dora",
        "4 09:30 routed provider_human/dora Network",
        "4 10:00 claimed provider_human/nils",
        "4 10:00 askedrequester provider_human/nils",
        "4 10:00 paused provider_human/nils requester user info",
        "4 11:00 resumed provider_human/nils",
        "4 11:30 noted provider_human/nils",
        "4 15:00 solved provider_human/nils",
        "9 15:30 closed system/-",
    ]
    assert told(events, "INC2") == [
        "4 09:00 created requester/omar Printer 4 - Low Email",
        "4 09:00 routed provider_human/dora Desk",
        "4 09:00 claimed provider_human/dora",
        "4 09:20 solved provider_human/dora",
        "4 09:20 closed provider_human/dora",
    ]


def kinds(rows: str, **options: Any) -> list[str]:
    return [line.split()[2] for line in told(log(rows, **options))]


def test_a_missing_group_is_no_change() -> None:
    """A ? B is one hand-over from A to B, A ? A none."""
    events = log("""
        4 08:00  New | A | ? | dora
        4 09:00  New | ? | ? | dora
        4 10:00  New | A | ? | dora
        4 11:00  New | ? | ? | dora
        4 12:00  New | B | ? | dora
    """)
    assert [line for line in told(events) if "routed" in line] == [
        "4 08:00 routed provider_human/dora A",
        "4 12:00 routed provider_human/dora B",
    ]


def test_a_group_of_the_first_row_was_there_when_the_case_was_opened_a_later_one_was_not() -> None:
    assert told(log("4 08:30  New | A | ? | dora"))[1] == "4 08:00 routed provider_human/dora A"
    later = log("""
        4 08:30  New | ? | ? | dora
        4 08:40  New | A | ? | dora
    """)
    assert told(later)[1] == "4 08:40 routed provider_human/dora A"


def test_a_case_that_was_touched_had_been_opened() -> None:
    """opened_at is 8:00, the first row older: the case began with the row, and no event comes before it."""
    assert [line[:7] for line in told(log("4 07:59  Active | A | nils | dora"))] == ["4 07:59"] * 3


def test_who_gets_a_case_takes_it_once() -> None:
    events = log("""
        4 08:00  New    | A | ?    | dora
        4 09:00  New    | A | dora | dora
        4 09:10  New    | A | ?    | dora
        4 09:20  Active | A | dora | dora
        4 10:00  Active | A | nils | dora
        4 11:00  Active | B | nils | dora
        4 12:00  Active | A | dora | dora
    """)
    assert [line for line in told(events) if "claimed" in line] == [
        "4 09:00 claimed provider_human/dora",
        "4 10:00 claimed provider_human/nils",
        "4 12:00 claimed provider_human/dora",
    ]


def test_one_who_comes_back_after_a_stint_without_a_person_takes_the_case_anew() -> None:
    events = log("""
        4 08:00  New | A | dora | dora
        4 09:00  New | B | ?    | dora
        4 10:00  New | A | dora | dora
    """)
    assert sum("claimed" in line for line in told(events)) == 2


def test_work_begins_when_a_person_says_so_and_nobody_has_been_named() -> None:
    assert "4 09:00 claimed provider_human/dora" in told(
        log("""
        4 08:00  New    | A | ? | dora
        4 09:00  Active | A | ? | dora
    """)
    )


def test_another_group_has_to_take_the_case_for_itself() -> None:
    events = log("""
        4 08:00  New    | A | dora | dora
        4 09:00  New    | B | ?    | dora
        4 10:00  Active | B | ?    | nils
    """)
    assert told(events)[-1] == "4 10:00 claimed provider_human/nils"


def test_who_hands_a_case_over_as_active_does_not_accept_it_for_the_other_group() -> None:
    handed = """
        4 08:00  New    | A | ? | dora
        4 09:00  Active | B | ? | dora
    """
    assert kinds(handed) == ["created", "routed", "routed"]


def test_a_bot_that_sets_active_takes_nothing() -> None:
    by_bot = """
        4 08:00  New    | A | ? | dora
        4 09:00  Active | A | ? | job
    """
    assert "claimed" in kinds(by_bot)
    assert "claimed" not in kinds(by_bot, bots=["job"])


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Awaiting User Info", ["askedrequester", "paused requester user info"]),
        ("Awaiting Evidence", ["paused requester evidence"]),
        ("Awaiting Vendor", ["paused third_party vendor"]),
        ("Awaiting Problem", ["paused other_department problem"]),
    ],
)
def test_each_awaiting_state_waits_for_somebody(state: str, expected: list[str]) -> None:
    events = log(f"""
        4 08:00  New | A | dora | dora
        4 09:00  {state} | A | dora | dora
        4 10:00  {state} | A | dora | dora
        4 11:00  Active | A | dora | dora
    """)
    lines = [line.split(maxsplit=2)[2].replace(" provider_human/dora", "") for line in told(events)]
    assert lines[3:] == [*expected, "noted", "resumed"]


def test_from_one_awaiting_state_to_another_is_resumed_and_paused() -> None:
    rows = """
        4 08:00  New | A | dora | dora
        4 09:00  Awaiting Vendor | A | dora | dora
        4 10:00  Awaiting Problem | A | dora | dora
        4 11:00  Resolved | A | dora | dora
    """
    assert kinds(rows)[3:] == ["paused", "resumed", "paused", "resumed", "solved"]


def test_solved_comes_once_an_episode() -> None:
    rows = """
        4 08:00  New      | A | dora | dora
        4 09:00  Resolved | A | dora | dora
        4 10:00  Active   | A | dora | dora
        4 11:00  Resolved | A | dora | dora
        4 12:00  Closed   | A | dora | dora
        4 13:00  Awaiting Vendor | A | dora | dora
        4 14:00  Closed   | A | dora | dora
    """
    assert kinds(rows)[3:] == [
        *("solved", "reopened", "solved", "closed"),
        *("reopened", "paused", "resumed", "solved", "closed"),
    ]


def test_resolved_after_closed_is_nothing_new() -> None:
    rows = """
        4 08:00  New      | A | dora | dora
        4 09:00  Closed   | A | dora | dora
        4 10:00  Resolved | A | dora | job
        4 11:00  Closed   | A | dora | job
    """
    assert kinds(rows, bots=["job"])[3:] == ["solved", "closed"]


def test_minus_100_is_no_state_but_its_row_counts() -> None:
    events = log("""
        4 08:00  New      | A | ? | dora
        4 09:00  -100     | B | ? | dora
        4 10:00  Resolved | B | ? | dora
    """)
    assert told(events)[2:] == ["4 09:00 routed provider_human/dora B", "4 10:00 solved provider_human/dora"]


@pytest.mark.parametrize(
    ("closed", "actor"),
    [
        ("9 09:59", Actor.provider_human),
        ("9 10:00", Actor.system),
        ("9 11:00", Actor.system),
        ("9 11:01", Actor.provider_human),
    ],
)
def test_the_hourly_job_closes_what_nobody_touched_for_five_days(closed: str, actor: Actor) -> None:
    events = log(f"""
        4 09:00  New      | A | dora | dora
        4 09:30  Resolved | A | dora | dora
        4 10:00  Resolved | A | dora | dora
        {closed}  Closed   | A | dora | dora
    """)
    (close,) = [event for event in good(events) if isinstance(event, Closed)]
    assert close.actor is actor


def test_what_closes_without_having_been_resolved_is_never_automatic() -> None:
    events = log("""
        4 09:00  New    | A | dora | dora
        9 09:00  Closed | A | dora | dora
    """)
    assert {e.actor for e in good(events) if isinstance(e, (Solved, Closed))} == {Actor.provider_human}


def test_an_unknown_writer_is_the_system_and_its_silence_no_work() -> None:
    rows = """
        4 08:00  New | A | ? | dora
        4 09:00  New | A | ? | ?
        4 10:00  New | B | ? | ?
    """
    assert told(log(rows))[2:] == ["4 10:00 routed system/- B"]


def test_the_requester_who_writes_is_the_requester() -> None:
    rows = """
        4 08:00  New                | A | dora | dora
        4 09:00  Awaiting User Info | A | dora | dora
        4 10:00  Awaiting User Info | A | dora | nadia
        4 10:00  Active             | A | dora | nadia
    """
    assert told(log(rows))[-2:] == ["4 10:00 requesterreplied requester/nadia", "4 10:00 resumed requester/nadia"]


def test_a_requester_who_puts_a_case_on_hold_asks_nobody() -> None:
    rows = """
        4 08:00  New                | A | dora | dora
        4 09:00  Awaiting User Info | A | dora | nadia
    """
    assert told(log(rows))[-1] == "4 09:00 paused requester/nadia requester user info"
    assert "askedrequester" not in kinds(rows)


def test_the_end_of_a_case_is_not_known_at_its_beginning() -> None:
    """resolved_at and its like stand in every row: a log without the later rows gives the same first events."""
    with open_log(FIXTURES / "servicenow_log.csv") as lines:
        text = list(lines)
    connector = ServiceNowLog("desk", IDENTITY)
    whole = [e for e in good(list(connector.events(text, "x"))) if e.subject == "INC1"]
    for seen in range(2, 11):
        part = good(list(connector.events(text[:seen], "x")))
        assert part == whole[: len(part)]


def test_rows_of_one_minute_keep_their_order_whatever_order_the_file_has() -> None:
    with open_log(FIXTURES / "servicenow_log.csv") as lines:
        header, *rows = lines
    connector = ServiceNowLog("desk", IDENTITY)
    upright = good(list(connector.events([header, *rows], "x")))
    assert good(list(connector.events([header, *reversed(rows)], "x"))) == upright


def test_sequence_orders_by_modification_count_then_by_what_comes_first_in_a_row() -> None:
    events = log("""
        4 08:00  New | A | dora | dora
        4 08:00  Resolved | B | nils | nils
    """)
    assert kinds("""
        4 08:00  New | A | dora | dora
        4 08:00  Resolved | B | nils | nils
    """) == ["created", "routed", "claimed", "routed", "claimed", "solved"]
    sequences = [event.sequence for event in good(events)]
    assert sequences == sorted(set(sequences))


def test_ids_are_made_of_the_native_change_and_the_kind_of_event() -> None:
    events = good(log("4 08:30  New | A | ? | dora"))
    assert [event.id for event in events] == [
        event_id("desk", "INC1", 0),
        event_id("desk", "INC1|0|4/3/2024 08:30", 8),
    ]


def test_a_case_is_created_once_though_its_first_row_was_mended_later() -> None:
    """The mended log is replayed beside the broken one: both give one and the same `created`."""
    rows = [GOOD, GOOD.replace("INC1,0", "INC1,1").replace("09:00", "09:30").replace(",A,", ",B,")]
    broken = [rows[0].replace("4/3/2024 09:00", "?"), rows[1]]
    first, second = (
        {
            item.id: item
            for item in ServiceNowLog("desk", IDENTITY).events([COLUMNS + "\n", *seen], "x")
            if isinstance(item, Created)
        }
        for seen in (rows, broken)
    )
    assert first == second
    assert len(first) == 1


def test_a_modification_count_that_comes_twice_is_two_changes() -> None:
    row = "INC1,3,{},{},A,dora,dora,4/3/2024 08:00,nadia,Laptop,3,Phone\n"
    lines = [COLUMNS + "\n", row.format("4/3/2024 09:00", "Resolved"), row.format("9/3/2024 09:00", "Closed")]
    events = good(list(ServiceNowLog("desk", IDENTITY).events(lines, "x")))
    assert [type(event).__name__ for event in events] == ["Created", "Routed", "Claimed", "Solved", "Closed"]
    assert len({event.id for event in events}) == 5


def test_a_row_that_comes_twice_counts_once() -> None:
    with open_log(FIXTURES / "servicenow_log.csv") as lines:
        header, *rows = lines
    connector = ServiceNowLog("desk", IDENTITY)
    assert good(list(connector.events([header, *rows, *rows], "x"))) == good(
        list(connector.events([header, *rows], "x"))
    )


def test_times_are_of_the_zone_that_is_given() -> None:
    (created, *_) = good(log("4 08:00  New | A | ? | dora", zone="America/Sao_Paulo"))
    assert created.time == datetime.fromisoformat("2024-03-04T11:00:00Z")
    assert created.time.utcoffset() is not None
    assert str(created.time.tzinfo) == "UTC"


def test_an_unknown_zone_is_an_error_that_helps() -> None:
    with pytest.raises(UnknownZone, match=r"'Europe/Lisbn' is unknown; did you mean 'Europe/Lisbon'\?"):
        ServiceNowLog("desk", IDENTITY, zone="Europe/Lisbn")


GOOD = "INC1,0,4/3/2024 09:00,New,A,?,dora,4/3/2024 08:00,nadia,Laptop,3,Phone\n"


@pytest.mark.parametrize(
    ("row", "reason", "subject"),
    [
        (GOOD.replace("4/3/2024 09:00", "31/2/2024 09:00"), "impossible time '31/2/2024 09:00'", "INC1"),
        (GOOD.replace("4/3/2024 08:00", "soon"), "impossible time 'soon'", "INC1"),
        (GOOD.replace("4/3/2024 09:00", "4/3/0024 09:00"), "outside 1970 to 2200", "INC1"),
        (GOOD.replace("4/3/2024 09:00", "?"), "impossible time", "INC1"),
        (GOOD.replace("New", "Pondering"), "unknown state 'Pondering'", "INC1"),
        (GOOD.replace("INC1,", ","), "no case: 'number' is empty", ""),
        (GOOD.replace("INC1,0", "INC1,many"), "'sys_mod_count' orders rows and is no whole number: 'many'", "INC1"),
        (GOOD.replace("Laptop", "L" * 513), "'category' has 513 characters", "INC1"),
        (GOOD.replace(",Phone", ""), "has 11 columns, the header 12", ""),
        (GOOD.replace("A,?", '"A,?'), "no CSV", ""),
    ],
)
def test_a_bad_row_is_set_aside_and_its_case_goes_on(row: str, reason: str, subject: str) -> None:
    after = GOOD.replace("INC1,0", "INC1,1").replace("New", "Resolved")
    items = list(ServiceNowLog("desk", IDENTITY).events([COLUMNS + "\n", GOOD, row, after], "log.csv"))
    (rejected,) = [item for item in items if isinstance(item, Rejected)]
    assert reason in rejected.reason
    assert (rejected.place, rejected.subject, rejected.source) == ("log.csv:3", subject, "desk")
    events = [item for item in items if not isinstance(item, Rejected)]
    assert [type(event).__name__ for event in events] == ["Created", "Routed", "Solved"]


def test_a_last_line_that_was_cut_off_inside_quotes_is_one_bad_row() -> None:
    items = list(ServiceNowLog("desk", IDENTITY).events([COLUMNS + "\n", GOOD, 'INC1,1,"4/3/2024 0'], "log.csv"))
    (rejected,) = [item for item in items if isinstance(item, Rejected)]
    assert rejected.place == "log.csv:3"
    assert len(items) == 3


def test_what_is_rejected_names_no_person() -> None:
    items = list(ServiceNowLog("desk", IDENTITY).events([COLUMNS + "\n", GOOD.replace("New", "Odd")], "log.csv"))
    assert "nadia" not in str(items)
    assert "dora" not in str(items)


def test_no_person_is_in_any_event() -> None:
    with open_log(FIXTURES / "servicenow_log.csv") as lines:
        events = str(list(ServiceNowLog("desk", IDENTITY).events(lines, "x")))
    assert not [name for name in WHO.values() if name != "-" and name in events]


def test_missing_columns_are_named_with_what_is_there() -> None:
    lines = [COLUMNS.replace("assigned_to", "assignee_to").replace("caller_id", "who"), "\n"]
    with pytest.raises(BadFile) as error:
        list(ServiceNowLog("desk", IDENTITY).events(["".join(lines), GOOD], "log.csv"))
    assert error.value.reason == "lacks the columns 'caller_id', 'assigned_to'"
    assert "is 'assigned_to' called 'assignee_to'?" in error.value.mend
    assert "log.csv" in str(error.value)


def test_another_separator_is_recognised() -> None:
    with pytest.raises(BadFile, match="separated by ';', not ','"):
        list(ServiceNowLog("desk", IDENTITY).events([COLUMNS.replace(",", ";") + "\n"], "log.csv"))


def test_a_mapping_file_for_the_same_layout_gives_the_same_events() -> None:
    written = EventLog("desk", IDENTITY, mapping=parse((FIXTURES / "servicenow_log_mapping.yaml").read_text()))
    with open_log(FIXTURES / "servicenow_log.csv") as lines:
        text = list(lines)
    assert list(written.events(text, "x")) == list(ServiceNowLog("desk", IDENTITY).events(text, "x"))


def test_a_connector_is_built_by_its_name() -> None:
    assert isinstance(build("servicenow_log", "desk", IDENTITY), ServiceNowLog)
    assert all(name == getattr(connector, "name", None) for name, connector in LOGS.items())
    with pytest.raises(ValueError, match=r"did you mean 'servicenow_log'\?"):
        build("servicenow", "desk", IDENTITY)
    with pytest.raises(ValueError, match="mapping of its own"):
        build("servicenow_log", "desk", IDENTITY, mapping=parse((FIXTURES / "servicenow_log_mapping.yaml").read_text()))
    with pytest.raises(ValueError, match="needs a mapping"):
        build("event_log", "desk", IDENTITY)


@pytest.mark.skipif(not UCI.exists(), reason=f"the real log is not here: {UCI}")
def test_the_real_log_gives_its_known_totals() -> None:
    created: dict[str, datetime] = {}
    solved: dict[str, datetime] = {}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    reopened: Counter[str] = Counter()
    paused = automatic = events = 0
    ids = set()
    for item in replay(ServiceNowLog("uci", IDENTITY), UCI):
        assert not isinstance(item, Rejected)
        events += 1
        ids.add(item.id)
        if isinstance(item, Created):
            created[item.subject] = item.time
        elif isinstance(item, Routed):
            groups[item.subject].append(item.data.group)
        elif isinstance(item, Solved):
            solved.setdefault(item.subject, item.time)
        elif isinstance(item, Reopened):
            reopened[item.subject] += 1
        elif isinstance(item, Paused):
            paused += 1
        elif isinstance(item, Closed):
            automatic += item.actor is Actor.system
    assert len(created) == len(solved) == 24_918
    assert len({group for stints in groups.values() for group in stints}) == 78
    pairs = Counter(pair for stints in groups.values() for pair in pairwise(stints))
    assert (sum(pairs.values()), len(pairs)) == (19_087, 1_060)
    assert sum(len(stints) > 1 for stints in groups.values()) == 9_575
    assert pairs.most_common(3) == [
        (("Group 20", "Group 70"), 1_088),
        (("Group 70", "Group 39"), 1_060),
        (("Group 70", "Group 20"), 1_056),
    ]
    back = sum(any(a == c for a, _, c in zip(s, s[1:], s[2:], strict=False)) for s in groups.values())
    assert back == 2_216
    assert (len(reopened), sum(reopened.values())) == (276, 332)
    hours = [(solved[case] - created[case]).total_seconds() / 3600 for case in created]
    assert round(statistics.median(hours), 2) == 13.82
    assert (paused, automatic) == (6_398, 21_050)
    assert len(ids) == events
