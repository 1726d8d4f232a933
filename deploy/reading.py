"""How a log is read: by which connector, as which source, with which mapping, zone, bots and key of pseudonyms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deploy import log_report
from deploy.embedded import reasons
from deploy.folder import READ_AS, Stopped, digest, digest_of, identity_of
from deploy.succession import sources_of
from ingest import event as e
from ingest.connector import Rejected
from ingest.connectors import build
from ingest.files import open_log
from ingest.identity import Identity
from ingest.mapping import LogMapping
from ingest.replay import replay
from ingest.times import zone as zone_named
from streams.configuration import Configuration, trial_configuration

MOST_REFUSED = 100_000
NOBODY = Identity(bytes(32), "k0")


@dataclass(frozen=True)
class Reading:
    """``content`` names what is in the file. Source, bots and key are known when it is known where it goes (:meth:`under`)."""

    file: Path
    connector: str
    mapping: LogMapping | None
    zone: str
    content: str
    source: str = ""
    bots: tuple[str, ...] = ()
    identity: Identity = NOBODY

    @classmethod
    def of(cls, file: Path, connector: str, mapping: LogMapping | None, zone: str) -> Reading:
        """Raises ``ingest.files.BadFile``, ``ingest.times.UnknownZone``, and ValueError where the connector wants it otherwise."""
        if zone:
            zone_named(zone)
        build(connector, connector, NOBODY, mapping=mapping, zone=zone)
        with open_log(file):
            return cls(file, connector, mapping, zone, digest(file))

    def under(
        self, in_force: Configuration | None, source: str, bots: tuple[str, ...], folder: Path
    ) -> tuple[Configuration, Reading]:
        """The configuration that it is measured under (None: a trial), and the reading under it. The key lies in ``folder``.

        ``source``: as the user named it. Raises :class:`Stopped` where the company file does not know it.
        """
        source = _source_in(in_force, source, self.connector)
        zone = self.zone or (self.mapping.zone if self.mapping else "UTC")
        configuration = in_force or trial_configuration(zone, [source])
        everybody = (*bots, *configuration.bots(source))
        return configuration, replace(self, source=source, bots=everybody, identity=identity_of(folder))

    @property
    def name(self) -> str:
        """Names all that it says: the same log read otherwise says something else."""
        how = digest_of(self.connector, self.source, self.zone, *sorted(self.bots), repr(self.mapping))
        return f"{self.file.name} ({self.connector} {self.content}{READ_AS}{how})"

    def records(self) -> Iterator[e.Record | Rejected]:
        """What the log says, in its own time. Raises :class:`Stopped` where nothing of it can be used."""
        log = build(
            self.connector, self.source, self.identity, mapping=self.mapping, zone=self.zone, bots=list(self.bots)
        )
        return _checked(replay(log, self.file), self.file)


def _checked(records: Iterator[e.Record | Rejected], file: Path) -> Iterator[e.Record | Rejected]:
    """The same, unless nothing among it can be used: then nothing is stored. What cannot be read comes first."""
    refused: list[Rejected] = []
    for record in records:
        if not isinstance(record, Rejected):
            yield from refused
            yield record
            break
        refused.append(record)
        if len(refused) >= MOST_REFUSED:
            yield from refused
            refused = []
    else:
        counted = reasons((row.reason, row.place) for row in refused)
        said = list(log_report.rejections(counted, ""))[:-1] or ["it has no rows: export it again"]
        raise Stopped("\n".join([f"{file}: nothing of it can be used, and nothing was stored", *said]))
    yield from records


def _source_in(configuration: Configuration | None, source: str, connector: str) -> str:
    """The name under which the company file knows the log."""
    if configuration is None or configuration.company.each:
        named = sorted(configuration.sources) if configuration else []
    else:
        named = sorted(sources_of(configuration))
    if source in named or not named:
        return source or connector
    if not source and (len(named) == 1 or connector in named):
        return connector if connector in named else named[0]
    raise Stopped(
        f"the company file names no source {source or connector!r}: say --source {' or --source '.join(named)}, or add it"
    )
