"""What docs/ and README.md say of settings, commands and metrics is what there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, cast, get_args

import click
import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from deploy.cli import main
from deploy.health import Lag
from deploy.ingest_metrics import Metrics as OfIntake
from deploy.worker import Metrics
from ingest import broker
from ingest import settings as ingest
from sinks import settings as sinks
from sinks.clickhouse_sink import ClickHouseSink, Topics
from sinks.persistence import Persistence
from sinks.prometheus import Exporter
from sinks.prometheus_sink import PrometheusSink
from streams import settings as streams

ROOT = Path(__file__).parent.parent
KAFKA = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8")
INGEST = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ASSIGNED = re.compile(r"([A-Z_]+)=\S*")
NOTHING = "–"


# -- settings
def shown(value: object) -> str:
    """As it would be set in the environment."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def table_of_settings(prefix: str) -> dict[str, str]:
    """Variable -> what it is unless set, of the table behind the line that begins with the prefix."""
    table = (KAFKA + INGEST).split(f"`{prefix}…`, of ", 1)[1].split("\n\n")[1]
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", table, re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def variable(name: str, field: FieldInfo) -> str:
    """Secrets are told about as files."""
    return f"{name.upper()}_FILE" if SecretStr in get_args(field.annotation) else name.upper()


@pytest.mark.parametrize(
    ("prefix", "model"),
    [
        (broker.ENVIRONMENT, broker.BrokerSettings),
        (streams.ENVIRONMENT, streams.Settings),
        (sinks.ENVIRONMENT, sinks.SinkSettings),
        (ingest.ENVIRONMENT, ingest.IngestSettings),
    ],
)
def test_the_tables_have_every_setting_and_what_it_is_unless_set(prefix: str, model: type[BaseModel]) -> None:
    fields = {variable(name, field): shown(field.default) for name, field in model.model_fields.items()}
    assert table_of_settings(prefix) == fields


def test_variables_that_examples_set_are_settings() -> None:
    known = {
        f"{prefix}{name.upper()}{end}"
        for prefix, model in (
            (broker.ENVIRONMENT, broker.BrokerSettings),
            (streams.ENVIRONMENT, streams.Settings),
            (sinks.ENVIRONMENT, sinks.SinkSettings),
            (ingest.ENVIRONMENT, ingest.IngestSettings),
        )
        for name in cast(Any, model).model_fields
        for end in ("", "_FILE")
    }
    known.add("CROSSDESK_CORE")  # of no stage: it is read before any of them is there
    for page in PAGES:
        written = re.findall(r"CROSSDESK_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8"))
        assert {name for name in written if not name.endswith(("_KAFKA", "_STREAMS", "_SINKS", "_INGEST"))} <= known, (
            page.name
        )


# -- commands
def commands() -> Iterator[tuple[str, list[str]]]:
    """Each line of an example that calls crossdesk."""
    for page in PAGES:
        for line in re.findall(r"^    (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            words = shlex.split(line) if re.match(r"(\S+=\S+ )*crossdesk \w", line) else []
            while words and ASSIGNED.fullmatch(words[0]):
                del words[0]
            if words:
                yield f"{page.name}: {line}", words[1:]


@pytest.mark.parametrize(("line", "words"), [pytest.param(*case, id=case[0]) for case in commands()])
def test_examples_call_commands_that_there_are(line: str, words: list[str]) -> None:
    """They are parsed as they stand, and not run."""
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and not (command.invoke_without_command and not words):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    command.make_context("crossdesk", words)


# -- metrics
def test_the_table_has_every_metric_that_a_stage_says_of_itself() -> None:
    exporter = Exporter()
    Metrics(exporter)
    other = Exporter()
    Lag(other)
    Persistence(Event(), other)
    nothing = cast(Any, None)
    ClickHouseSink(Topics("f", "i", "e", "s", "c"), nothing, nothing, nothing, nothing, other)
    third = Exporter()
    PrometheusSink("c", str, nothing, nothing, nothing, third)
    said = {name for e in (exporter, other, third) for name in re.findall(r"# HELP (crossdesk_\S+)", text_of(e))}
    assert set(re.findall(r"^\| `(crossdesk_\w+)` \|", KAFKA, re.MULTILINE)) == said


def test_the_table_of_the_intake_has_every_metric_of_it() -> None:
    exporter = Exporter()
    OfIntake(exporter, cast(Any, None))
    said = set(re.findall(r"# HELP (crossdesk_\S+)", text_of(exporter)))
    assert set(re.findall(r"^\| `(crossdesk_\w+)` \|", INGEST, re.MULTILINE)) == said


def text_of(exporter: Exporter) -> str:
    return exporter.render()[1].decode()
