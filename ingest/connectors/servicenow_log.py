"""The audit log of ServiceNow incidents as a CSV: one row for each change, with the incident as it was after it.

The layout is that of https://archive.ics.uci.edu/dataset/498. Its columns ``resolved_at``, ``closed_at``, ``closed_code``,
``resolved_by`` hold the end of an incident in every row of it, from the first on: they are not read.
"""

from __future__ import annotations

from collections.abc import Collection

from ingest.connectors.event_log import EventLog
from ingest.identity import Identity
from ingest.mapping import LogMapping, check

_TIME = "%d/%m/%Y %H:%M"

MAPPING = {
    "missing": ["?"],
    "case": "number",
    "time": {"column": "sys_updated_at", "format": _TIME},
    "order": "sys_mod_count",
    # sys_mod_count comes twice in five incidents, for different changes
    "change": ["number", "sys_mod_count", "sys_updated_at"],
    "created": {"column": "opened_at", "format": _TIME},
    "requester": "caller_id",
    "group": "assignment_group",
    "assignee": "assigned_to",
    "actor": "sys_updated_by",
    "service": "category",
    "priority": "priority",
    "channel": "contact_type",
    "state": {
        "column": "incident_state",
        "values": {
            "New": "open",
            "Active": "working",
            "Awaiting User Info": {"paused": {"owner": "requester", "reason": "user info", "asks": True}},
            "Awaiting Evidence": {"paused": {"owner": "requester", "reason": "evidence"}},
            "Awaiting Vendor": {"paused": {"owner": "third_party", "reason": "vendor"}},
            "Awaiting Problem": {"paused": {"owner": "other_department", "reason": "problem"}},
            "Resolved": "solved",
            "Closed": "closed",
            "-100": "ignore",
        },
    },
    # ServiceNow's job runs every hour and closes what nobody touched for five days
    "automatic_close": {"after": "5 days", "within": "1 hour"},
}


class ServiceNowLog(EventLog):
    """An :class:`EventLog` whose mapping is known."""

    name = "servicenow_log"

    def __init__(
        self,
        source: str,
        identity: Identity,
        *,
        mapping: LogMapping | None = None,
        zone: str = "",
        bots: Collection[str] = (),
    ) -> None:
        """``zone`` is that of the log's times, UTC unless given."""
        if mapping is not None:
            raise ValueError(f"source {source!r}: a servicenow_log has a mapping of its own; use event_log for another")
        super().__init__(source, identity, mapping=check(MAPPING, place=self.name), zone=zone, bots=bots)
