"""Any log through a mapping file: what a mapping may say, what is wrong with one, and the events it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.changes import ORDINALS
from ingest.connector import BadFile, Rejected
from ingest.connectors.event_log import EventLog
from ingest.event import CaseEvent, Created, decode, encode
from ingest.files import open_log
from ingest.identity import Identity
from ingest.mapping import EVENTS, BadMapping, check, parse
from ingest.rows import csv_rows, ndjson_rows
from ingest.translate import Translator

FIXTURES = Path(__file__).parent / "fixtures"
IDENTITY = Identity(b"a key that only this test has", "k1")
NAMES = ("nadia@example.org", "nils@example.org", "dora@example.org", "nadia", "nils", "dora")
WHO = {IDENTITY.pseudonym(name, "desk"): name.removesuffix("@example.org") for name in NAMES} | {"": "-"}

SNAPSHOTS = """
    case: ticket
    time: {column: at, format: "%Y-%m-%d %H:%M"}
    group: team
    state: {column: status, values: {Neu: open, Arbeit: working, Fertig: solved}}
"""


def read(mapping: str, *lines: str, **options: Any) -> list[CaseEvent | Rejected]:
    connector = EventLog("desk", IDENTITY, mapping=parse(mapping), **options)
    return list(connector.events([line + "\n" for line in lines], "log"))


def told(items: list[CaseEvent | Rejected]) -> list[str]:
    """``hour kind by whom: what``, or ``! place reason``; events in their order."""
    events = [item for item in items if not isinstance(item, Rejected)]
    lines = [f"! {item.place} {item.reason}" for item in items if isinstance(item, Rejected)]
    for event in sorted(events, key=lambda e: (e.time, e.sequence, e.id)):
        assert decode(encode(event)) == event
        data = event.data
        what = " ".join(str(getattr(data, field)) for field in data.__struct_fields__ if getattr(data, field))
        if isinstance(event, Created):
            what = f"{event.data.requester_group} {event.data.channel}".strip()
        name = str(event.__struct_config__.tag).removeprefix("crossdesk.")
        lines.append(f"{event.time:%H:%M} {name} {event.actor}/{WHO[event.who]} {what}".rstrip())
    return lines


def test_a_log_of_one_event_a_line() -> None:
    connector = EventLog("desk", IDENTITY, mapping=parse((FIXTURES / "event_log.yaml").read_text()))
    with open_log(FIXTURES / "event_log.ndjson") as lines:
        assert told(list(connector.events(lines, "log"))) == [
            "! log:11 paused: Invalid enum value 'godot' - at `$.owner`",
            "! log:13 no JSON: Input data was truncated",
            "08:00 created requester/nadia Finance mail",
            "08:00 routed provider_human/dora Network",
            "08:00 bot_replied provider_bot/-",
            "09:10 replied provider_human/nils",
            "09:10 classified provider_human/nils Laptop urgent",
            "09:11 paused provider_human/nils third_party parts",
            "09:20 requester_replied requester/nadia",
            "09:21 promised provider_human/nils 77 2024-07-05 11:00:00+00:00",
            "10:00 solved provider_human/nils",
        ]


def test_snapshots_without_an_order_are_ordered_by_time_and_place() -> None:
    items = read(
        SNAPSHOTS,
        "ticket,at,team,status",
        "1,2024-03-04 10:00,B,Arbeit",
        "2,2024-03-04 09:00,A,Neu",
        "1,2024-03-04 09:00,A,Neu",
        "1,2024-03-04 10:00,B,Fertig",
        "1,2024-03-04 10:00,C,Fertig",
    )
    assert told([item for item in items if not isinstance(item, Rejected) and item.subject == "1"]) == [
        "09:00 created requester/-",
        "09:00 routed provider_human/- A",
        "10:00 routed provider_human/- B",
        "10:00 solved provider_human/-",
        "10:00 routed provider_human/- C",
    ]


def test_a_log_without_actors_is_taken_as_the_work_of_people() -> None:
    items = read(SNAPSHOTS, "ticket,at,team,status", "1,2024-03-04 09:00,A,Neu", "1,2024-03-04 09:30,A,Arbeit")
    assert told(items)[-1] == "09:30 claimed provider_human/-"


def test_snapshots_and_events_may_share_a_row() -> None:
    items = read(
        """
        case: ticket
        time: at
        order: n
        group: team
        events: {column: what, values: {ask: created, say: replied, move: ignore, end: solved}}
        """,
        "ticket,at,n,team,what",
        "1,2024-03-04T09:00Z,1,A,ask",
        "1,2024-03-04T09:00Z,2,B,move",
        "1,2024-03-04T09:05Z,3,B,say",
        "1,2024-03-04T09:06Z,4,C,end",
    )
    assert [line.replace("provider_human", "human") for line in told(items)] == [
        "09:00 created requester/-",
        "09:00 routed human/- A",
        "09:00 routed human/- B",
        "09:05 replied human/-",
        "09:06 routed human/- C",
        "09:06 solved human/-",
    ]


def test_a_log_whose_rows_never_mean_created_has_cases_that_begin_with_their_first_row() -> None:
    mapping = "{case: c, time: at, created: asked, events: {column: e, values: {say: replied}}}"
    items = read(mapping, "c,at,asked,e", "1,2024-03-04T09:00Z,2024-03-04T08:00Z,say")
    assert told(items) == ["08:00 created requester/-", "09:00 replied provider_human/-"]


def test_times_come_as_iso_epoch_or_a_pattern_and_the_zone_is_for_those_without_offset() -> None:
    mapping = """
        {case: c, time: {column: at, format: [iso, epoch_s, "%d.%m.%Y %H:%M"]}, zone: Europe/Berlin,
         events: {column: e, values: {say: noted}}}
    """
    rows = ["1,2024-03-04T09:00:00Z,say", "2,1709542800.5,say", "3,04.03.2024 10:00,say", "4,2024-03-04 10:00,say"]
    times = {e.subject: e.time.isoformat() for e in read(mapping, "c,at,e", *rows) if not isinstance(e, Rejected)}
    assert times == {
        "1": "2024-03-04T09:00:00+00:00",
        "2": "2024-03-04T09:00:00.500000+00:00",
        "3": "2024-03-04T09:00:00+00:00",
        "4": "2024-03-04T09:00:00+00:00",
    }


@pytest.mark.parametrize("bad", ["", "1e400", "99999999999999999", "-5", "nan", "2024-02-30", "0001-01-01T00:00"])
def test_an_impossible_time_is_a_bad_row(bad: str) -> None:
    mapping = "{case: c, time: {column: at, format: [iso, epoch_s]}, events: {column: e, values: {say: noted}}}"
    (item,) = read(mapping, "c,at,e", f"1,{bad},say")
    assert isinstance(item, Rejected)
    assert "time" in item.reason


def test_actors_are_found_by_list_then_pattern_then_otherwise() -> None:
    mapping = """
        {case: c, time: at, order: n, events: {column: e, values: {say: noted}},
         actor: {person: by, classes: {nadia: third_party}, patterns: {"^svc-": provider_bot}, otherwise: provider_human}}
    """
    rows = [f"1,2024-03-04T09:00Z,{n},say,{by}" for n, by in enumerate(["nadia", "svc-7", "nils", "", "kiosk"])]
    assert [line.split()[2] for line in told(read(mapping, "c,at,n,e,by", *rows, bots=["kiosk"]))[1:]] == [
        "third_party/nadia",
        "provider_bot/-",
        "provider_human/nils",
        "system/-",
        "provider_bot/-",
    ]


def test_two_different_changes_with_one_id_are_told_not_mixed() -> None:
    mapping = SNAPSHOTS + "    change: [ticket]\n"
    items = read(mapping, "ticket,at,team,status", "1,2024-03-04 09:00,A,Neu", "1,2024-03-04 10:00,B,Neu")
    assert told(items)[0].startswith("! log:3 another change of this case has the same id '1'; name more columns")


def test_one_change_may_be_several_rows_of_different_kinds() -> None:
    mapping = """
        {case: c, time: at, change: audit, created: at, events: {column: e, values: {say: replied, end: solved}}}
    """
    items = read(mapping, "c,at,audit,e", "1,2024-03-04T09:00Z,7,say", "1,2024-03-04T09:00Z,7,end")
    assert sorted(line.split()[1] for line in told(items)) == ["created", "replied", "solved"]
    assert len({item.id for item in items if not isinstance(item, Rejected)}) == 3


def test_values_that_are_no_values_are_bad_rows() -> None:
    mapping = "{format: ndjson, case: c, time: at, events: {column: e.name, values: {say: noted}}}"
    items = read(
        mapping,
        '{"c": 1, "at": "2024-03-04T09:00Z", "e": {"name": "say"}}',
        '{"c": 1, "at": "2024-03-04T09:01Z", "e.name": "say", "e": 7}',
        '{"c": [1], "at": "2024-03-04T09:00Z", "e": {"name": "say"}}',
        '{"c": 1, "at": "2024-03-04T09:00Z", "e": {"name": "sing"}}',
        "[]",
        '{"c": 1, "at": NaN}',
        "[" * 100_000,
    )
    lines = told(items)
    assert [line.split(maxsplit=2)[2][:24] for line in lines if line[0] == "!"] == [
        "'c' is a list, not a val",
        "unknown kind of row 'sin",
        "no JSON object",
        "no JSON: JSON is malform",
        "no JSON: maximum recursi",
    ]
    assert [line.split()[1] for line in lines if line[0] != "!"] == ["created", "noted", "noted"]


def test_rows_may_come_from_anywhere_the_engine_takes_values() -> None:
    translator = Translator(parse(SNAPSHOTS), "desk", IDENTITY)
    assert translator.columns == ["ticket", "at", "team", "status"]
    rows = [translator.row(("1", "2024-03-04 09:00", "A", "Neu"))]
    assert [type(event).__name__ for event in translator.case(rows)] == ["Created", "Routed"]


# -- rows ----------------------------------------------------------------------------------------------------------------


def test_a_quote_that_nothing_closes_costs_one_row_not_the_rest_of_the_file() -> None:
    lines = ["a,b\n", '1,"x\n', "2,y\n", '3,"z, and\nmore"\n', "4,w"]
    rows = [
        (number, values) for number, values in csv_rows(lines, ["a", "b"], place="log") if isinstance(values, tuple)
    ]
    assert rows == [(3, ("2", "y")), (4, ("3", "z, and\nmore")), (5, ("4", "w"))]


def test_a_row_of_too_many_lines_and_columns_gives_its_lines_back() -> None:
    rows = list(csv_rows(["a,b\n", '"1\n', "2,y\n", '3",z,w\n', "4,v\n"], ["a", "b"], place="log"))
    assert [(number, values if isinstance(values, tuple) else "bad") for number, values in rows] == [
        (2, "bad"),
        (3, ("2", "y")),
        (4, "bad"),
        (5, ("4", "v")),
    ]


def test_rows_are_numbered_by_their_first_line() -> None:
    lines = ["a,b\n", '1,"two\n', 'lines"\n', "\n", "2,x,y\n", "3,z\n"]
    assert [(number, isinstance(row, tuple)) for number, row in csv_rows(lines, ["a"], place="log")] == [
        (2, True),
        (5, False),
        (6, True),
    ]
    assert [number for number, _ in ndjson_rows(['{"a": 1}\n', "\n", "junk\n"], ["a"])] == [1, 3]


def test_a_column_that_stands_twice_is_no_choice_of_ours() -> None:
    with pytest.raises(BadFile, match="'a' twice"):
        list(csv_rows(["a,b,a\n", "1,2,3\n"], ["a"], place="log"))


# -- labels and chats

LABELS = 'exclude: {column: tags, labels: {test: test, "a probe": monitoring}}'


def test_a_case_counts_nowhere_while_its_snapshots_have_a_label() -> None:
    items = read(
        f"{{case: ticket, time: at, created: asked, missing: ['?'], group: team, {LABELS}}}",
        "ticket,at,asked,team,tags",
        '1,2024-03-04T09:00Z,2024-03-04T08:00Z,A,"vip, TEST"',
        '1,2024-03-04T09:10Z,2024-03-04T08:00Z,B,"test,vip"',
        "1,2024-03-04T09:20Z,2024-03-04T08:00Z,B,?",
        '1,2024-03-04T09:30Z,2024-03-04T08:00Z,B,"A probe "',
        "1,2024-03-04T09:40Z,2024-03-04T08:00Z,B,",
        "1,2024-03-04T09:50Z,2024-03-04T08:00Z,B,probes",
    )
    assert [line.replace("provider_human", "human") for line in told(items)] == [
        "08:00 created requester/-",
        "08:00 routed human/- A",
        "08:00 excluded human/- test",
        "09:10 routed human/- B",
        "09:20 noted human/-",
        "09:30 excluded human/- monitoring",
        "09:40 excluded human/- monitoring True",
        "09:50 noted human/-",
    ]


def test_a_row_of_one_event_need_not_tell_the_labels() -> None:
    items = read(
        f"{{case: c, time: at, {LABELS[:-1]}, separator: ' '}}, events: {{column: e, values: {{say: replied, see: ignore}}}}}}",
        "c,at,e,tags",
        "1,2024-03-04T09:00Z,say,test vip",
        "1,2024-03-04T09:10Z,say,",
        "1,2024-03-04T09:20Z,see,vip",
    )
    assert [line for line in told(items) if "excluded" in line] == [
        "09:00 excluded provider_human/- test",
        "09:20 excluded provider_human/- test True",
    ]


CHAT = """
    case: c
    time: at
    session: chat
    requester: from
    actor: {person: by, class: role, classes: {bot: provider_bot}}
    events: {column: e, values: {say: replied, remark: noted, move: {routed: {group: to}}, end: solved}}
"""


def heard(mapping: str, *rows: str) -> list[str]:
    """By whom, at which minute."""
    items = read(mapping, "c,at,chat,from,by,role,e,to", *(f"1,2024-03-04T09:{row}" for row in rows))
    assert not [item for item in items if isinstance(item, Rejected)]
    return [line.split()[0][3:] + " " + line.split()[1] for line in told(items) if "replied" in line]


def test_many_messages_of_one_session_are_one_reply() -> None:
    rows = (
        "01Z,s1,nadia,,bot,say,",
        "02Z,s1,nadia,nils,,say,",
        "03Z,s1,nadia,nils,,say,",
        "04Z,s1,nadia,,bot,say,",
        "05Z,s1,nadia,nadia,,say,",
        "06Z,s1,nadia,nadia,,say,",
        "07Z,s1,nadia,nils,,say,",
        "08Z,,nadia,nils,,remark,",
        "09Z,s1,nadia,nils,,say,",
        "10Z,,nadia,nils,,move,B",
        "11Z,s1,nadia,nils,,say,",
        "12Z,s2,nadia,nils,,say,",
        "13Z,,nadia,nils,,say,",
        "14Z,,nadia,nils,,say,",
        "15Z,s2,nadia,nils,,end,",
        "16Z,s2,nadia,nils,,say,",
    )
    kept = "01 bot_replied,02 replied,05 requester_replied,07 replied,11 replied,12 replied,13 replied,14 replied,16 replied"
    assert heard(CHAT, *rows) == kept.split(",")
    assert len(heard(CHAT.replace("session: chat", ""), *rows)) == 13


def test_a_log_without_actors_has_chats_too() -> None:
    mapping = "{case: c, time: at, session: s, events: {column: e, values: {say: replied, ask: requester_replied}}}"
    rows = [f"1,2024-03-04T09:0{at}Z,s1,{kind}" for at, kind in enumerate(["ask", "ask", "say", "say", "ask", "say"])]
    items = read(mapping, "c,at,s,e", *rows)
    assert [line.split()[0] for line in told(items) if "replied" in line] == ["09:00", "09:02", "09:04", "09:05"]


# -- what is wrong with a mapping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("{case: c, time: t, group: g, asignee: a}", "unknown key 'asignee'; did you mean 'assignee'?"),
        ("{case: c, time: {colum: t}, group: g}", "time: unknown key 'colum'; did you mean 'column'?"),
        ("{time: t, group: g}", "case: is missing"),
        ("{case: c, time: t}", "nothing would happen to any case: map 'state', 'group' or 'events'"),
        ("{case: '', time: t, group: g}", "case: String should have at least 1 character"),
        ("{case: c, time: t, state: {column: s, values: {a: opened}}}", "state.values.a.means: Input should be 'open'"),
        ("{case: c, time: t, state: {column: s, values: {a: paused}}}", "say for whom a paused case waits"),
        (
            "{case: c, time: t, state: {column: s, values: {a: {paused: {owner: boss}}}}}",
            "state.values.a.paused.owner: Input should be 'requester', 'other_department' or 'third_party'",
        ),
        (
            "{case: c, time: t, events: {column: e, values: {a: solvd}}}",
            "no type of event 'solvd'; did you mean 'solved'?",
        ),
        (
            "{case: c, time: t, events: {column: e, values: {a: {routed: {grup: g}}}}}",
            "events.values.a: 'routed' has no field 'grup'; did you mean 'group'?",
        ),
        ("{case: c, time: t, events: {column: e, values: {a: merged}}}", "events.values.a: 'merged' needs into"),
        (
            "{case: c, time: t, events: {column: e, values: {a: {paused: {owner: {value: boss}}}}}}",
            "'owner': Invalid enum value 'boss'",
        ),
        (
            "{case: c, time: t, events: {column: e, values: {a: {created: {requester: {value: nadia}}}}}}",
            "'requester' is a person: name the column only",
        ),
        ("{case: c, time: t, group: g, format: xml}", "format: Input should be 'csv' or 'ndjson'"),
        ("{case: c, time: t, group: g, automatic_close: {after: 5 days}}", "'automatic_close' needs 'state'"),
        (
            "{case: c, time: t, state: {column: s, values: {a: open}}, automatic_close: {after: soon}}",
            "automatic_close.after: 'soon' is no span of time; write '5 days'",
        ),
        ("{case: c, time: t, group: g, assignee: a, change: [c, a]}", "'change' names the person column 'a'"),
        (
            "{case: c, time: t, group: g, actor: {otherwise: system}}",
            "actor: name a column for 'person', 'class' or both",
        ),
        ("{case: c, time: t, group: g, actor: {person: p, patterns: {'(': system}}}", "'(' is no regular expression"),
        ("{case: c, time: t, group: g, session: s}", "'session' needs 'events': they say which row is a message"),
        ("{case: c, time: t, group: g, exclude: {column: x, labels: {}}}", "exclude.labels: "),
        (
            "{case: c, time: t, group: g, exclude: {column: x, labels: {probe: monitor}}}",
            "exclude.labels.probe: 'monitor' is no reason: write test, monitoring, migrated",
        ),
        ("{case: c, case: d, time: t, group: g}", "no YAML: 'case' is no key or stands twice"),
        ("case: [", "no YAML"),
        ("just words", "is no mapping of keys to values"),
        ("", "is no mapping of keys to values"),
    ],
)
def test_a_wrong_mapping_says_where_and_what_was_meant(mapping: str, problem: str) -> None:
    with pytest.raises(BadMapping) as error:
        parse(mapping, place="desk.yaml")
    assert str(error.value).startswith("desk.yaml: ")
    assert problem in str(error.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(BadMapping) as error:
        parse("{time: {column: ''}, group: g, format: xml}")
    assert [problem.split(":")[0] for problem in error.value.problems] == ["format", "case", "time.column"]


def test_yaml_has_no_ideas_of_its_own_about_states() -> None:
    mapping = parse(
        "{case: c, time: t, state: {column: s, values: {No: open, on: working, -100: ignore, 007: solved}}}"
    )
    assert mapping.state is not None
    assert set(mapping.state.values) == {"No", "on", "-100", "007"}


def test_a_mapping_may_be_given_as_values_too() -> None:
    assert check({"case": "c", "time": "t", "group": "g"}) == parse("{case: c, time: t, group: g}")


def test_every_type_of_event_has_an_ordinal_for_ever() -> None:
    assert set(ORDINALS) == set(EVENTS)
    assert sorted(ORDINALS.values()) == list(range(25))
    assert max(ORDINALS.values()) < 32, "the sequence leaves room for 32 events of a row"
    assert {
        name: ORDINALS[name] for name in ("created", "routed", "claimed", "noted", "paused", "solved", "closed")
    } == {
        "created": 0,
        "routed": 8,
        "claimed": 9,
        "noted": 16,
        "paused": 17,
        "solved": 19,
        "closed": 20,
    }
