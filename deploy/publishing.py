"""History on Kafka: what the second computation publishes of the facts in ClickHouse, and revises where they have changed since.

It goes as far as every department's numbers are known, and waits until the store has all facts that were said by then. Whoever is
stopped leaves nothing half done that the next time does not finish, and a second one at the same time writes the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from deploy.calendar_time import write_hours_and_tree
from deploy.configurations import Configurations
from deploy.folder import Stopped
from deploy.groups import GroupNames, Groups
from deploy.history import BY_DAY, DAY_US, FIRST, SHORT_US
from ingest.broker import BrokerSettings
from ingest.topics import name
from sinks.clickhouse import ClickHouse, connect
from sinks.published import PERIODS, publish
from streams.configuration import Configuration

BY_HOUR = {"hour": PERIODS["hour"]}
REVISED_US = 63 * DAY_US
"""So far back days are computed anew: corrections reach back 35 days, and four weeks more are for what is told late."""
PATIENCE_SECONDS = 60.0

KNOWN = """
    SELECT toUnixTimestamp64Micro(minOrNull(newest))
    FROM (SELECT max(as_of) AS newest FROM {generation:Identifier}.indicators GROUP BY department)"""
ANY = "SELECT count() FROM (SELECT 1 FROM {generation:Identifier}.published_versions WHERE period = 'day' LIMIT 1)"

log = logging.getLogger("crossdesk.publish")


class Published(NamedTuple):
    """``as_of``: how far, in UTC µs; None: nothing is known of any department yet. ``revisions``: how many were written."""

    as_of: int | None
    revisions: int


def publish_cluster(broker: BrokerSettings, dsn: str, seen: Callable[[int], None]) -> Published:
    """Of the current generation: each day, from the first fact on while nothing is published; and the hours of the last two days.
    ``seen`` is told how many facts are not in the store yet.

    Raises :class:`Stopped` where nothing is in force, or the sink does not move; ``BrokerUnavailable``, ``sinks.store.StoreError``.
    """
    with Configurations(broker) as configurations:
        held = configurations.read()
    configuration, generation = held.newest, held.generation
    if configuration is None:
        raise Stopped("nothing is in force yet: `crossdesk apply --kafka FOLDER` puts company.yaml in force")
    with closing(connect(dsn, generation)) as store, Groups(broker) as known:
        asked = {"generation": store.database}
        ((as_of,),) = store.query(KNOWN, asked).rows
        if as_of is None:
            return Published(None, 0)
        group = GroupNames.of(generation).clickhouse
        if not known.wait(group, known.ends(name("facts", generation)), seen, PATIENCE_SECONDS):
            raise Stopped(
                f"{group} has not moved for {PATIENCE_SECONDS:.0f} s: is `crossdesk sink clickhouse` running?"
            )
        return Published(as_of, _publish(store, configuration, as_of))


def _publish(store: ClickHouse, configuration: Configuration, as_of: int) -> int:
    asked = {"generation": store.database}
    ((first,),), ((there,),) = store.query(FIRST, asked).rows, store.query(ANY, asked).rows
    if first is None:
        return 0
    begin = first // DAY_US * DAY_US
    write_hours_and_tree(store, configuration, begin, max(begin, as_of) + DAY_US)
    days = max(begin, (as_of - REVISED_US) // DAY_US * DAY_US) if there else begin
    hours = max(begin, (as_of - SHORT_US) // DAY_US * DAY_US)
    return publish(store, days, as_of, as_of, periods=BY_DAY) + publish(store, hours, as_of, as_of, periods=BY_HOUR)
