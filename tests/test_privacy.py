"""The page of what is stored: all of it, each with a reason, and what it says of pseudonyms is found in what is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from deploy.cli import main
from deploy.privacy import page, places
from deploy.privacy.reasons import EVERYWHERE, HOLDS, OF_WAVE, PSEUDONYM, REASONS, reason_for
from deploy.privacy.schemas import ENVELOPE, GENERATION, schemas
from ingest import event as e
from ingest import topics
from ingest.connectors import CONNECTORS
from ingest.connectors.simulated import simulate_with_feedback
from ingest.simulation.feedback import Week
from sinks.clickhouse import ClickHouse, connect
from sinks.columns import database_of

DOCS = Path(__file__).parents[1] / "docs"
MADE_BY_CODE = "schema_migrations"
"""By whoever applies the others; it holds their numbers and names."""
CASE_NAMES = {"case_id", "fact_id", "opener", "opener_id", "clock"}
LOOKS, LISTS, OPERATES = "crossdesk_looks", "crossdesk_lists_cases", "crossdesk_operates"
"""The roles of docs/kafka.md."""
NAMED = re.compile(r"k1:[0-9a-f]{32}")


def shown(*options: str) -> str:
    result = CliRunner().invoke(main, ["privacy", "page", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


# -- it is complete


def test_every_field_has_a_reason_and_no_reason_is_of_a_field_that_is_gone() -> None:
    known = {schema.name: schema.fields for schema in schemas()}
    assert sum(map(len, known.values())) > 250
    for name, fields in known.items():
        for field in fields:
            assert reason_for(name, field), f"{name}: nobody has said why {field} is stored"
    assert {
        (name, field) for name, fields in REASONS.items() for field in fields if field not in known.get(name, ())
    } == set()
    assert {(name, field) for name, field in HOLDS if field not in known.get(name, ())} == set()
    usual = {field for name, fields in known.items() for field in fields if field not in REASONS.get(name, {})}
    assert set(EVERYWHERE) == usual


@pytest.mark.parametrize("field", ["who", "requester", "person", "raw", "scores"])
def test_a_field_of_persons_or_answers_has_no_reason_that_goes_without_saying(field: str) -> None:
    assert field in {held for _, held in HOLDS}
    with pytest.raises(KeyError):
        reason_for("facts: a record", field)


def test_no_field_of_persons_or_answers_has_a_reason_for_all_places() -> None:
    assert {field for _, field in HOLDS} & EVERYWHERE.keys() == set()


def test_every_topic_has_a_place_and_is_kept_as_it_is_declared() -> None:
    assert list(places.TOPICS) == [topics.name(t).partition(".")[2].removesuffix(".1") for t in places.TOPICS]
    assert {topics.name(name) for name in places.TOPICS} == {topic.name for topic in topics.topics()}
    said = {name: places.kept(name) for name in places.TOPICS}
    assert (said["feedback"], said["events"], said["sealed"]) == ("35 days", "13 months", "for ever")
    assert {name for name, kept in said.items() if kept == places.LATEST} == {
        *("directory", "cursors", "cases", "departments", "pairs", "indicators")
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    opened = connect(f"chdb://{tmp_path_factory.mktemp('store') / 'store'}")
    try:
        opened.migrate()
        yield opened
    finally:
        opened.close()


def columns_of(store: ClickHouse, *, views: bool) -> dict[str, set[str]]:
    """Of tables and, with ``views`` of them too."""
    engines = "" if views else "AND t.engine NOT LIKE '%View'"
    rows = store.query(
        "SELECT c.database, c.table, c.name FROM system.columns c JOIN system.tables t"
        f" ON c.database = t.database AND c.table = t.name WHERE c.database LIKE 'crossdesk%' {engines}"
    ).rows
    there: dict[str, set[str]] = {}
    for database, table, column in rows:
        if table != MADE_BY_CODE:
            there.setdefault(f"{database.replace(database_of(1), GENERATION)}.{table}", set()).add(column)
    return there


def test_tables_are_those_of_a_real_store(store: ClickHouse) -> None:
    assert columns_of(store, views=False) == {
        s.name: set(s.fields) for s in schemas() if s.name.startswith("crossdesk_")
    }


def rights() -> dict[str, set[str]]:
    """The databases that each role of docs/kafka.md may read, by the grants there."""
    text = (DOCS / "kafka.md").read_text(encoding="utf-8")
    granted = re.findall(r"^GRANT (.+) TO (\w+);$", text, re.MULTILINE)
    may: dict[str, set[str]] = {}
    for right, role in granted:
        whole = re.fullmatch(r"SELECT ON (\w+)\.\*", right)
        may.setdefault(role, set()).update({whole[1]} if whole else may[right])
    return may


def test_the_role_for_numbers_may_read_nothing_that_names_a_case(store: ClickHouse) -> None:
    may = rights()
    assert (may[LOOKS], may["grafana"]) == ({"crossdesk_public"}, {"crossdesk_public"})
    assert may[LISTS] - may[LOOKS] == {"crossdesk_cases"}
    assert may[OPERATES] - may[LISTS] == {"crossdesk_raw"}
    there = columns_of(store, views=True)
    naming = {table.partition(".")[0] for table, columns in there.items() if columns & CASE_NAMES}
    assert naming == {"crossdesk_cases", "crossdesk_raw", GENERATION}
    assert naming & may[LOOKS] == set()


def test_the_roles_that_the_page_names_may_read_what_it_says() -> None:
    may = rights()
    said = {
        (role, database)
        for name, place in places.STORES.items()
        for database in re.findall(r"`(\w+)`", name)
        for role in re.findall(r"the role `(\w+)`", place.readers)
    }
    assert said == {(LOOKS, "crossdesk_public"), (LISTS, "crossdesk_cases"), (OPERATES, "crossdesk_raw")}
    assert [(role, database) for role, database in said if database not in may[role]] == []
    of_persons = {table.partition(".")[0] for table, _ in HOLDS if table.startswith("crossdesk_")}
    assert of_persons == {"crossdesk_raw"}
    assert [role for role in (LOOKS, LISTS) if may[role] & of_persons] == []


def test_every_database_of_a_store_has_a_place(store: ClickHouse) -> None:
    named = {name for place in places.STORES for name in re.findall(r"`(crossdesk_\w+)`", place)}
    assert named == {table.partition(".")[0] for table in columns_of(store, views=True)}


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_what_is_never_read_is_what_the_page_of_the_connector_says(name: str) -> None:
    text = (DOCS / "connectors" / f"{name}.md").read_text(encoding="utf-8")
    section = text.split("## What is never read", 1)[1].partition("\n## ")[0].strip()
    assert places.NEVER_READ[name] == " ".join(section.split())


def test_no_connector_is_forgotten_or_gone() -> None:
    assert places.NEVER_READ.keys() == CONNECTORS.keys()


# -- what it says of pseudonyms is so


def held(value: Any, field: str = "") -> Iterator[str]:
    """The fields of an event, of the envelope or of its data, in which a pseudonym stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from held(inner, field if field in value else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from held(inner, field)
    elif isinstance(value, str) and NAMED.search(value):
        yield field


def told() -> Iterable[e.Record]:
    """What the simulated company says in three weeks, answers and suggestions included."""
    for one in simulate_with_feedback(3, 21, cases_per_day=40):
        yield from (*one.answers, *one.suggestions) if isinstance(one, Week) else (one,)


def test_pseudonyms_stand_in_the_fields_that_the_page_names_and_in_no_others() -> None:
    found: set[tuple[str, str]] = set()
    for record in told():
        whole = msgspec.json.decode(e.encode(record))
        data = whole.pop("data", {})
        found |= {(ENVELOPE, field) for field in held(whole)} | {(whole["type"], field) for field in held(data)}
    of_events = {place: what for place, what in HOLDS.items() if place[0] in (ENVELOPE, *e.TYPES)}
    internal = {("crossdesk.absorbed", "entries"), ("crossdesk.revive", "records")}
    assert found == {place for place, what in of_events.items() if PSEUDONYM in what} - internal
    assert {what for place, what in of_events.items() if place[1] == "person"} == {OF_WAVE}


# -- as it is shown


def test_the_page_of_the_repository_is_what_the_command_prints() -> None:
    """Mended by ``crossdesk privacy page > docs/privacy.md``."""
    assert (DOCS / "privacy.md").read_text(encoding="utf-8") == shown()


def texts() -> Iterator[str]:
    """Every text of the page, without what makes it bold."""
    for block in page.blocks():
        match block:
            case page.Heading(_, text):
                yield text
            case page.Items(items):
                yield from (item.replace("**", "") for item in items)
            case page.Table(_, heads, rows):
                yield from (cell.replace("**", "") for cells in (heads, *rows) for cell in cells)
            case text:
                yield text.replace("**", "")


def test_both_forms_say_all_of_it_and_the_html_fetches_nothing() -> None:
    html, written = shown("--html"), " ".join(shown().replace("**", "").split())
    drawn = unescape(re.sub(r"<[^>]+>", "", html))
    said = list(texts())
    assert len(said) > 600
    assert [text for text in said if text.replace("`", "") not in drawn] == []
    assert [text for text in said if text not in written] == []
    assert not re.search(r"https?:|<script|<link|<img|@import|url\(", html)


def test_a_block_of_prose_is_no_wider_than_the_pages_beside_it() -> None:
    assert [line for line in shown().splitlines() if len(line) > page.WIDTH and not line.startswith("|")] == []
