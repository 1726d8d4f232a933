"""What sources call the groups whose ids stand in their events: asked for those that somebody is to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event

import click

from deploy import sources_file
from deploy.ingesting import api_of
from deploy.unmapped import Unmapped, says_nothing
from ingest.api import Budget, SourceDown
from ingest.connector import Refused, names_groups
from ingest.environment import BadSettings
from ingest.sources import SourceEntry

REQUESTERS = "requester's group"


def asked(rows: Iterable[Unmapped], sources: Path) -> dict[tuple[str, str], str]:
    """(source, id) -> name. A source that does not answer is told of, and leaves its groups without names. Raises
    :class:`BadSettings` where the file cannot be used.
    """
    of: dict[str, list[Unmapped]] = {}
    for row in rows:
        if says_nothing(row.group):
            of.setdefault(row.source, []).append(row)
    names: dict[tuple[str, str], str] = {}
    for entry in sources_file.load(sources).sources:
        if entry.name in of and entry.url and names_groups(type(entry.built())):
            try:
                names |= _named(entry, of[entry.name])
            except (Refused, SourceDown, BadSettings) as error:
                click.secho(f"{entry.name} does not say what its groups are called: {error}", fg="yellow", err=True)
    return names


def _named(entry: SourceEntry, rows: Iterable[Unmapped]) -> Mapping[tuple[str, str], str]:
    connector = entry.built()
    with api_of(entry, connector, Budget(entry.requests_per_minute), Event()) as api:
        return {
            (row.source, row.group): name
            for row in rows
            if (name := connector.group_name(api, row.group, asks=row.kind == REQUESTERS))
        }
