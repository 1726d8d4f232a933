"""A record of the fake ServiceNow: its columns, its audit, its messages and its SLAs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import NamedTuple

from deploy.sandbox.company import Company, Step
from ingest.event import Actor

Row = dict[str, str]
NEW, IN_PROGRESS, ON_HOLD, RESOLVED, CLOSED = "1", "2", "3", "6", "7"
HOLDS = {"requester": "1", "other_department": "3", "third_party": "4"}
PRIORITIES = {"urgent": "1", "high": "2", "normal": "3", "low": "4"}
CHANNELS = {"portal": "self-service", "email": "email", "phone": "phone", "child": ""}
JOURNALS = {
    "replied": "comments",
    "bot_replied": "comments",
    "requester_replied": "comments",
    "noted": "work_notes",
}
SYSTEM, BOT_USER = "system", "helping.hand"


class Names(NamedTuple):
    """What things are called: ``user`` by name, ``person`` by id, both of a number of the company's people."""

    record: Callable[[int], str]
    group: Callable[[str], str]
    unit: Callable[[str], str]
    service: Callable[[str], str]
    user: Callable[[int], str]
    person: Callable[[int], str]
    definition: str


class History:
    """``record`` as it is now; rows of ``sys_audit``, ``sys_journal_field`` and ``task_sla`` in the order in which they came."""

    def __init__(self, company: Company, case: int, names: Names, updated: int) -> None:
        about, self._names, self._id = company.cases[case], names, names.record(case)
        self.audits: list[Row] = []
        self.journals: list[Row] = []
        self.slas: dict[str, Row] = {}
        self._update = (0, "")
        self._checkpoint = 0
        self._changed: set[str] = set()
        self._before_merge = NEW
        self.record: Row = {
            "sys_id": self._id,
            "number": f"INC{case + 1:07}",
            "short_description": f"The lamp of {company.people[about.requester].name} flickers",
            "state": NEW,
            "caller_id": names.person(about.requester),
            "caller_id.department": names.unit(about.unit),
            "category": names.service(about.service),
            "priority": PRIORITIES[about.priority],
            "contact_type": CHANNELS[about.channel],
            "sys_updated_on": moment(updated),
            **dict.fromkeys(("assignment_group", "assigned_to", "hold_reason", "close_code", "due_date"), ""),
            **dict.fromkeys(("resolved_at", "closed_at", "parent_incident"), ""),
        }
        for step in company.steps(case):
            self._happen(step)

    def _happen(self, step: Step) -> None:
        kind, record = step.kind, self.record
        if kind == "created":
            at = moment(step.at)
            record |= {"sys_created_on": at, "opened_at": at, "sys_created_by": self._user(step)}
        elif kind in JOURNALS:
            self._say(step, JOURNALS[kind])
        elif kind == "routed":
            self._set(step, assignment_group=self._names.group(step.value) if step.value else "", assigned_to="")
        elif kind == "claimed":
            state = IN_PROGRESS if record["state"] == NEW else record["state"]
            self._set(step, assigned_to=self._names.person(step.who), state=state)
        elif kind == "classified":
            self._set(step, priority=PRIORITIES[step.value])
        elif kind == "need_by":
            self._set(step, due_date=moment(step.number))
        elif kind == "child_linked":
            self._set(step, parent_incident=self._names.record(step.number))
        elif kind in ("promised", "delivered"):
            self._promise(step)
        else:
            self._turn(step)

    def _turn(self, step: Step) -> None:
        kind, at = step.kind, moment(step.at)
        if kind == "paused":
            self._set(step, state=ON_HOLD, hold_reason=HOLDS[step.value])
        elif kind == "resumed":
            self._set(step, state=IN_PROGRESS, hold_reason="")
        elif kind == "solved":
            self._set(step, state=RESOLVED, hold_reason="", close_code="Solution provided", resolved_at=at)
        elif kind == "reopened" or (kind == "corrected" and step.value == "solved"):
            self._set(step, state=IN_PROGRESS, close_code="", resolved_at="")
        elif kind == "closed":
            self._set(step, state=CLOSED, closed_at=at)
        elif kind == "merged":
            self._before_merge = self.record["state"]
            into = self._names.record(step.number)
            self._set(step, state=RESOLVED, parent_incident=into, close_code="Duplicate", resolved_at=at)
        elif kind == "unmerged":
            self._set(step, state=self._before_merge, parent_incident="", close_code="", resolved_at="")

    def _user(self, step: Step) -> str:
        if step.actor is Actor.provider_bot:
            return BOT_USER
        return SYSTEM if step.actor is Actor.system or not step.who else self._names.user(step.who)

    def _set(self, step: Step, **values: str) -> None:
        """One update of the record; what two people do in one second are two."""
        changed = {column: value for column, value in values.items() if self.record[column] != value}
        user, at = self._user(step), moment(step.at)
        if self._update != (step.at, user) or self._changed & changed.keys():
            self._update = (step.at, user)
            self._checkpoint += 1
            self._changed.clear()
        self._changed |= changed.keys()
        for column, value in changed.items():
            self.audits.append(
                {
                    "sys_id": digest(f"audit {self._id} {self._checkpoint} {column}"),
                    "documentkey": self._id,
                    "tablename": "incident",
                    "fieldname": column,
                    "oldvalue": self.record[column],
                    "newvalue": value,
                    "user": user,
                    "record_checkpoint": str(self._checkpoint),
                    "sys_created_on": at,
                }
            )
            self.record[column] = value

    def _say(self, step: Step, element: str) -> None:
        self.journals.append(
            {
                "sys_id": digest(f"journal {self._id} {len(self.journals)}"),
                "element_id": self._id,
                "element": element,
                "name": "incident",
                "value": f"{self._user(step)} writes about the lamp.",
                "sys_created_on": moment(step.at),
                "sys_created_by": self._user(step),
            }
        )

    def _promise(self, step: Step) -> None:
        if step.kind == "promised" and step.value in self.slas:
            return  # what was agreed on later is told nowhere: an SLA has its original time, and no other
        if step.kind == "promised":
            self.slas[step.value] = {
                "sys_id": digest(f"sla {step.value}"),
                "task": self._id,
                "sla": self._names.definition,
                "stage": "in_progress",
                "sys_created_on": moment(step.at),
                "original_breach_time": moment(step.number),
                "end_time": "",
            }
        else:
            self.slas[step.value] |= {"stage": "completed", "end_time": moment(step.at)}


def moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def digest(text: str, digits: int = 32) -> str:
    """An id."""
    return blake2b(text.encode(), digest_size=digits // 2).hexdigest()
