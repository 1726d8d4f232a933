"""The audits of a ticket of the fake Zendesk: what one person did in one second, and the rules that followed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from deploy.sandbox.company import Company, Merge, Step
from deploy.sandbox.vendor import iso
from ingest.event import Actor

USERS, BOT, MACHINE = 90_000, 89_999, -1
AUDITS, PER_TICKET = 10_000_000, 4_096
CHANNELS = {"portal": "web", "email": "email", "phone": "voice", "child": "api"}
STATUS_OF = {"resumed": "open", "solved": "solved", "reopened": "open", "closed": "closed"}
COMMENTS = {"replied": True, "bot_replied": True, "requester_replied": True, "noted": False}
SOURCE: dict[str, Any] = {"from": {}, "to": {}, "rel": None}
RULE = {"channel": "rule", "source": {"from": {"id": 51, "title": "Routing"}, "to": {}, "rel": "trigger"}}


class Names(NamedTuple):
    """The ids of groups, units and services by their names, and of tickets by the number of the case."""

    group: Callable[[str], str]
    unit: Callable[[str], str]
    service: Callable[[str], str]
    ticket: Callable[[int], int]


class History:
    """All audits by now, and how the ticket stands after them."""

    def __init__(self, company: Company, case: int, names: Names) -> None:
        self._company, self._case, self._names = company, case, names
        self._about = company.cases[case]
        self.audits: list[dict[str, Any]] = []
        self._number = (AUDITS + names.ticket(case)) * PER_TICKET
        self._at = -1
        self._author = MACHINE
        self._changed: set[tuple[bool, str]] = set()
        self._status, self._priority = "new", self._about.priority
        self._before_deletion = "open"
        self._group = self._assignee = self._due = ""
        self._tags: list[str] = []
        self._created_at = 0
        for one in company.happened(case):
            if isinstance(one, Merge):
                self._absorb(one)
            else:
                self._happen(one)

    def ticket(self, updated: int) -> dict[str, Any]:
        about, names = self._about, self._names
        requester = self._company.people[about.requester]
        return {
            "id": names.ticket(self._case),
            "external_id": None,
            "created_at": iso(self._created_at),
            "updated_at": iso(updated),
            "generated_timestamp": updated,
            "subject": f"The lamp of {requester.name} flickers",
            "description": f"Good morning, {requester.name} here: the lamp flickers.",
            "priority": self._priority,
            "status": self._status,
            "requester_id": USERS + about.requester,
            "submitter_id": USERS + about.requester,
            "assignee_id": int(self._assignee) if self._assignee else None,
            "organization_id": int(names.unit(about.unit)),
            "group_id": int(self._group) if self._group else None,
            "due_at": self._due or None,
            "ticket_form_id": int(names.service(about.service)),
            "tags": self._tags,
            "via": {"channel": CHANNELS[about.channel], "source": SOURCE},
        }

    def _happen(self, step: Step) -> None:
        kind = step.kind
        if kind == "created":
            self._create(step)
        elif kind in COMMENTS:
            self._say(step, public=COMMENTS[kind])
        elif kind in STATUS_OF:
            self._turn(step, STATUS_OF[kind])
        elif kind == "routed":
            self._route(step)
        elif kind == "claimed":
            self._assign(step, str(USERS + step.who))
            if self._status == "new":
                self._turn(step, "open")
        elif kind == "paused":
            self._turn(step, "pending" if step.value == "requester" else "hold")
        elif kind == "classified":
            self._set(step, "priority", step.value, self._priority)
            self._priority = step.value
        elif kind == "excluded":
            before, self._tags = self._tags, [step.value] if step.value else []
            self._set(step, "tags", self._tags, before)
        elif kind == "need_by":
            self._set(step, "due_at", iso(step.number), self._due or None)
            self._due = iso(step.number)
        elif kind == "corrected" and step.value == "solved":
            self._turn(step, "open")
        elif kind == "deleted":
            self._before_deletion = self._status
            self._turn(step, "deleted")
        elif kind == "restored":
            self._turn(step, self._before_deletion)
        elif kind == "merged" and any(one.other == self._case for one in self._company.merged(step.number)):
            self._say(step, public=False, source={"from": {}, "to": {}, "rel": "merge"})
            self._turn(step, "closed")

    def _create(self, step: Step) -> None:
        self._created_at = step.at
        self._say(step, public=True)
        fields = {
            "status": "new",
            "priority": self._priority,
            "ticket_form_id": self._names.service(self._about.service),
            "requester_id": str(USERS + self._about.requester),
        }
        for name, value in fields.items():
            self._add(step, name, {"type": "Create", "field_name": name, "value": value})

    def _route(self, step: Step) -> None:
        group = self._names.group(step.value) if step.value else ""
        self._set(step, "group_id", group, self._group or None)
        self._group = group
        if self._assignee:
            self._assign(step, "")

    def _assign(self, step: Step, assignee: str) -> None:
        self._set(step, "assignee_id", assignee, self._assignee or None)
        self._assignee = assignee

    def _turn(self, step: Step, status: str) -> None:
        self._set(step, "status", status, self._status)
        self._status = status

    def _say(self, step: Step, *, public: bool, source: dict[str, Any] = SOURCE) -> None:
        name = self._company.people[step.who].name if step.who else "The helping hand"
        told = {"type": "Comment", "author_id": _user(step), "body": f"{name} writes about the lamp.", "public": public}
        self._add(step, "comment", told, source)

    def _absorb(self, merge: Merge) -> None:
        step = Step(merge.at, "absorbed", Actor.provider_human, merge.who, "", 0)
        tickets = [self._names.ticket(merge.other)]
        self._say(step, public=False, source={"from": {"ticket_ids": tickets}, "to": {}, "rel": "merge"})

    def _set(self, step: Step, name: str, value: str | list[str], before: str | list[str] | None) -> None:
        told = {"type": "Change", "field_name": name, "value": value, "previous_value": before}
        self._add(step, name, told)

    def _add(self, step: Step, changed: str, told: dict[str, Any], source: dict[str, Any] = SOURCE) -> None:
        """Each field changes once in an audit, or once more by a rule."""
        user, by_rule = _user(step), step.actor is Actor.system
        known = self._at == step.at and (by_rule or user == self._author) and (by_rule, changed) not in self._changed
        if not known:
            self._begin(step, user)
        self._changed.add((by_rule, changed))
        self._number += 1
        via = RULE if by_rule else {"channel": "web", "source": source}
        self.audits[-1]["events"].append({"id": self._number, "via": via, **told})

    def _begin(self, step: Step, user: int) -> None:
        self._at, self._author = step.at, user
        self._changed.clear()
        self._number += 1
        channel = CHANNELS[self._about.channel] if step.kind == "created" else "rule" if user == MACHINE else "web"
        self.audits.append(
            {
                "id": self._number,
                "ticket_id": self._names.ticket(self._case),
                "created_at": iso(step.at),
                "author_id": user,
                "metadata": {"system": {"client": "Desk", "location": "Tidewell"}, "custom": {}},
                "via": {"channel": channel, "source": SOURCE},
                "events": [],
            }
        )


def _user(step: Step) -> int:
    if step.actor is Actor.provider_bot:
        return BOT
    return MACHINE if step.actor is Actor.system or not step.who else USERS + step.who
