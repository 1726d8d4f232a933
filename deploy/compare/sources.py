"""A vendor's answers beside the cases of one source of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from deploy.compare import jira, zendesk
from deploy.compare.measured import Measured
from deploy.compare.reasons import Reason, Row, whole
from deploy.compare.report import Comparison
from deploy.compare.schedules import calendars
from deploy.folder import Stopped
from deploy.log import Log
from streams.cases import META, Meta
from streams.configuration import Configuration
from streams.norm_entry import NormsFile

ZENDESK, JIRA = "zendesk", "jira_service_management"
ONLY_KEY = "named by its key alone: ask for it by its id, or add an answer that has both"


class Cases:
    """Those of one source, as they are folded at its watermark. ``hours``: the vendor's own schedules, as a norms file.

    Raises :class:`Stopped` when nothing of it is measured.
    """

    def __init__(self, log: Log, source: str | None, vendor: str, hours: NormsFile | None = None) -> None:
        versions, meta = log.configurations(), log.row_of_state("cases", META.encode())
        marks = msgspec.msgpack.decode(meta, type=Meta).marks if meta else {}
        if not versions or not marks:
            raise Stopped(f"nothing is measured in {log.name} yet: its sources have not said how far they are complete")
        self.log, self.source = log, _source(marks, source, vendor)
        self.now = marks[self.source]
        self.config = Configuration.decode(versions[max(versions)])
        self.hours = calendars(hours, self.config.company) if hours else {}

    def measured(self, subject: str) -> Measured | None:
        """None: the source has not told of it."""
        case = f"{self.source}/{subject}"
        records = [record.value for record in self.log.of_key("events", case)]
        found = Measured(case, records, self.config, self.now, self.hours) if records else None
        return found if found is not None and (found.course or found.excluded) else None


def _source(marks: Mapping[str, int], named: str | None, vendor: str) -> str:
    if named is not None and named not in marks:
        raise Stopped(f"there is no source {named!r}; there is {', '.join(sorted(marks))}")
    found = named or (next(iter(marks)) if len(marks) == 1 else vendor if vendor in marks else None)
    if found is None:
        raise Stopped(f"there are several sources; say which is the vendor's with --source: {', '.join(sorted(marks))}")
    return found


class Told(NamedTuple):
    """A case as the vendor tells of it: our ``subject``, its ``name`` there, and what to say where we have nothing of it."""

    subject: str
    name: str
    absent: Row
    rows: Callable[[Measured], Iterator[Row]]


def beside_zendesk(cases: Cases, tickets: Sequence[zendesk.Metrics]) -> Comparison:
    """Raises :class:`Stopped`."""
    return _compared("Zendesk", cases, [_ticket(one, cases.now) for one in tickets])


def _ticket(one: zendesk.Metrics, now: int) -> Told:
    name = str(one.ticket_id)
    later = one.created is not None and one.created > now
    absent = whole(name, Reason.not_yet if later else Reason.not_found)
    return Told(name, name, absent, partial(zendesk.rows, metrics=one))


def beside_jira(cases: Cases, issues: Sequence[jira.Issue], means: Mapping[str, str]) -> Comparison:
    """``means``: which measure an SLA says, by its name in small letters. Raises :class:`Stopped`."""
    names = [sla.name for issue in issues for sla in issue.slas if not jira.measure_of(sla.name, means)]
    unread = {name: names.count(name) for name in dict.fromkeys(names)}
    return _compared("Jira Service Management", cases, [_issue(one, cases.now, means) for one in issues], unread)


def _issue(one: jira.Issue, now: int, means: Mapping[str, str]) -> Told:
    name = one.key or one.id
    starts = [cycle.start for sla in one.slas for cycle in sla.cycles]
    if starts and min(starts) > now:
        absent = whole(name, Reason.not_yet)
    else:
        absent = whole(name, Reason.not_found, "" if one.id.isdecimal() else ONLY_KEY)
    return Told(one.id, name, absent, partial(jira.rows, issue=one, means=means))


def _rows(cases: Cases, told: Told) -> Iterator[Row]:
    case = cases.measured(told.subject)
    if case is None:
        yield told.absent
    elif case.excluded == "merged":
        yield whole(told.name, Reason.merged, f"into {case.into}")
    elif case.excluded:
        yield whole(told.name, Reason.excluded, case.excluded)
    else:
        yield from told.rows(case)


def _compared(vendor: str, cases: Cases, told: Sequence[Told], unread: Mapping[str, int] | None = None) -> Comparison:
    rows = [row for one in told for row in _rows(cases, one)]
    if rows and all(Reason.not_found in row.reasons for row in rows):
        raise Stopped(
            f"none of the {len(rows):,} cases of {vendor} is in source {cases.source!r} of {cases.log.name}: is it the "
            "source of these answers (--source), and this its folder (--data)?"
        )
    return Comparison(vendor, cases.source, cases.now, cases.config.files.company.zone, rows, unread or {})
