"""What HR systems said of people: from where it is kept, and into the next version of the configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ingest.directory import Directory, History
from ingest.event import EPOCH
from sinks.configured import now_us
from streams.company import Company
from streams.configuration import Configuration, Files
from streams.people import NOWHERE, Places, joined
from streams.problems import Problem
from streams.staffing import Told, staff_blocks

if TYPE_CHECKING:  # whoever needs no Kafka does not wait for it
    from deploy.log import Log
    from deploy.topic_reader import TopicReader

DIRECTORY = "directory"
EVERYTHING = 1 << 62
_MICROSECOND = timedelta(microseconds=1)

log = logging.getLogger("crossdesk.directory")


class Keeps(Protocol):
    """An installation, as far as its configuration goes."""

    @property
    def configuration(self) -> Configuration | None: ...

    def apply(self, files: Files) -> tuple[int, list[Problem]]: ...


class Refreshed(NamedTuple):
    """``version``: that which is in force now. ``notes``: what of the directory is not in it, and why."""

    version: int
    changed: bool
    notes: list[Problem]


def of_topic(reader: TopicReader) -> Directory:
    """Raises :class:`ingest.broker.BrokerUnavailable`, and :class:`ingest.topics.TopicsDiffer` where there is no such topic."""
    directory = Directory()
    directory.load((kept.key.decode(), kept.value) for _, kept in reader.held(DIRECTORY))
    return directory


def of_log(log: Log) -> Directory:
    directory = Directory()
    directory.load((stored.key, stored.value or None) for stored in log.read(DIRECTORY, 0, EVERYTHING))
    return directory


def with_people(files: Files, directory: Directory) -> Files:
    """``files`` with the people of the directory instead of theirs, and what is counted of them by now."""
    people = {who: _places(told) for who, told in directory.histories().items()}
    known = {who: places for who, places in people.items() if places}
    company = Company(files.company, known)
    staff = staff_blocks(company, _told(directory), now_us())
    return files.model_copy(update={DIRECTORY: known, "staff": staff})


def _told(directory: Directory) -> Told:
    """Of the people under the newest key: those of an older one are the same, once more."""
    key, histories = directory.newest_key(), directory.histories()
    people = [who for who in histories if who.partition(":")[0] == key]
    away = {
        who: [(_us(one.since), _us(one.until)) for history in histories[who].values() for one in history.absences]
        for who in people
    }
    positions = {of: [(_us(one.since), one.number) for one in told] for of, told in directory.positions().items()}
    return Told(people, away, positions)


def _us(at: datetime) -> int:
    return (at - EPOCH) // _MICROSECOND


def _places(told: Mapping[str, History]) -> Mapping[str, Places]:
    """Without sites and absences, which no department follows from."""
    found = {}
    for source, history in told.items():
        named = ((_us(place.since), place.department or NOWHERE) for place in history.places)
        if places := tuple(joined(named)):
            found[source] = places
    return found


def refresh(installation: Keeps) -> Refreshed | None:
    """Put in force what HR systems have said since the newest version; None: there is none yet. Raises
    :class:`deploy.succession.Refused`, and what the installation raises.
    """
    before = installation.configuration
    if before is None:
        return None
    version, notes = installation.apply(before.files)
    for note in notes:
        log.warning("%s", note)
    if version != before.version:
        log.info("version %d has the people of the directory as they are now", version)
    return Refreshed(version, version != before.version, notes)
