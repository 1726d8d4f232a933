"""History in the embedded mode: the hours and the tree that the second computation needs, and what it publishes; and morale of each
week that is over.

Each day since the first fact; of what is no longer than two days, each hour too. The hours of four months take minutes to
compute, and whoever wants them asks :func:`sinks.published.publish`.
"""

from __future__ import annotations

from deploy.calendar_time import write_hours_and_tree
from deploy.embedded import Embedded
from sinks.morale import tell
from sinks.published import PERIODS, publish

DAY_US = PERIODS["day"]
BY_DAY = {"day": DAY_US}
SHORT_US = 2 * DAY_US

PUBLISHED = "published"
"""In the log, of each generation: up to where its facts are published."""

FIRST = "SELECT toUnixTimestamp64Micro(minOrNull(start)) FROM {generation:Identifier}.facts"


def started(embedded: Embedded) -> int | None:
    """When the first clock started, in microseconds; None before there is any."""
    store = embedded.store
    if store is None:
        return None
    first: int | None = store.query(FIRST, {"generation": store.database}).rows[0][0]
    return first


def publish_history(embedded: Embedded) -> int:
    """Write what is needed for it, and publish what has not been, or what facts have changed since.

    All facts must be stored (:meth:`Embedded.flush`). It may be repeated, and does nothing where there is no fact nor mark
    that it has not seen. Returns how many revisions were written.
    """
    store, configuration, as_of, log = embedded.store, embedded.configuration, embedded.as_of, embedded.log
    end = log.end_of_facts()
    if store is not None and as_of is not None:
        tell(store, as_of)
    if store is None or configuration is None or as_of is None or log.position(PUBLISHED) == end:
        return 0
    revisions = 0
    if (first := started(embedded)) is not None:
        since = first // DAY_US * DAY_US
        write_hours_and_tree(store, configuration, since, max(since, as_of) + DAY_US)
        revisions = publish(store, since, as_of, as_of, periods=PERIODS if as_of - since <= SHORT_US else BY_DAY)
    with log.transaction():
        log.set_position(PUBLISHED, end)
    return revisions
