"""An issue of the fake Jira Service Management: its fields, its changelog and its comments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from deploy.sandbox.company import Company, Merge, Step
from deploy.sandbox.vendor import BOT_NAME
from ingest.event import Actor

PROJECT = {"id": "10000", "key": "HELP", "name": "Helpdesk"}
TEAM, REQUEST, ORGANISATIONS = "customfield_10050", "customfield_10010", "customfield_10002"
PROMISE, NEEDED = "customfield_10060", "customfield_10070"
SATISFACTION, SATISFACTION_DATE = "customfield_10036", "customfield_10037"
NAMES = {TEAM: "Team", PROMISE: "Promised for", NEEDED: "Needed by"}
PRIORITIES = {"urgent": "Highest", "high": "High", "normal": "Medium", "low": "Low"}
WAITING, WORKING, RESOLVED, CLOSED = "Waiting for support", "In Progress", "Resolved", "Closed"
HOLDS = {"requester": "Waiting for customer", "other_department": "Waiting for approval", "third_party": "Pending"}
STATUSES = {
    name: (str(10_100 + number), category)
    for number, (name, category) in enumerate(
        (
            *((name, "new") for name in (WAITING,)),
            *((name, "indeterminate") for name in (WORKING, *HOLDS.values())),
            *((name, "done") for name in (RESOLVED, CLOSED)),
        )
    )
}
STATUS_OF = {"resumed": WORKING, "solved": RESOLVED, "reopened": WORKING, "closed": CLOSED}
COMMENTS = {"replied": True, "bot_replied": True, "requester_replied": True, "noted": False}
BOT = {"accountId": "557058:helping-hand", "displayName": BOT_NAME, "accountType": "app"}
AUTOMATION = {"accountId": "557058:automation", "displayName": "Automation", "accountType": "app"}
DUPLICATE = {"id": "10002", "name": "Duplicate", "inward": "is duplicated by", "outward": "duplicates"}
CAUSES = {"id": "10003", "name": "Problem/Incident", "inward": "is caused by", "outward": "causes"}
ENTRIES, PER_ISSUE = 1_000_000, 4_096

Raw = dict[str, Any]


class Names(NamedTuple):
    """The ids of teams, organisations and request types by their names, of issues their ids and keys by the number of the case."""

    group: Callable[[str], str]
    unit: Callable[[str], str]
    service: Callable[[str], str]
    issue: Callable[[int], str]
    key: Callable[[int], str]


class History:
    """``histories`` and ``comments`` by now, the oldest first; ``fields`` as they are."""

    def __init__(self, company: Company, case: int, names: Names, updated: int) -> None:
        self._company, self._case, self._names = company, case, names
        about = company.cases[case]
        self.histories: list[Raw] = []
        self.comments: list[Raw] = []
        self._number = (ENTRIES + case) * PER_ISSUE
        self._entry: tuple[int, str] = (0, "")
        self._team = self._status = ""
        self._links: dict[int, Raw] = {}
        self._merged_into = -1
        reporter = user(company, about.requester)
        self.fields: Raw = {
            "summary": f"The lamp of {reporter['displayName']} flickers",
            "updated": moment(updated),
            "project": PROJECT,
            "issuetype": {"id": "10005", "name": "Service request", "subtask": False},
            "priority": {"id": "3", "name": PRIORITIES[about.priority]},
            "reporter": reporter,
            "assignee": None,
            "parent": None,
            "labels": [],
            REQUEST: {"requestType": {"id": names.service(about.service), "name": about.service}},
            ORGANISATIONS: [{"id": names.unit(about.unit), "name": about.unit}],
            **dict.fromkeys((TEAM, PROMISE, NEEDED, SATISFACTION, SATISFACTION_DATE)),
        }
        self._status = WAITING
        for one in company.happened(case):
            if isinstance(one, Merge):
                self._absorb(one)
            else:
                self._happen(one)
        self.fields["status"] = status(self._status)
        self.fields["issuelinks"] = [*self._links.values()]

    def _happen(self, step: Step) -> None:
        kind = step.kind
        if kind == "created":
            self.fields |= {"created": moment(step.at), "creator": self._user(step)}
            self._created = step
        elif kind in COMMENTS:
            self._say(step, public=COMMENTS[kind])
        elif kind in STATUS_OF:
            self._turn(step, STATUS_OF[kind])
        elif kind == "routed":
            self._route(step)
        elif kind == "claimed":
            self._assign(step, user(self._company, step.who))
            if self._status == WAITING:
                self._turn(step, WORKING)
        elif kind == "paused":
            self._turn(step, HOLDS[step.value])
        elif kind == "classified":
            before, after = self.fields["priority"]["name"], PRIORITIES[step.value]
            self._change(step, "priority", ("3", before), ("3", after))
            self.fields["priority"] = {"id": "3", "name": after}
        elif kind in ("need_by", "promised"):
            self._date(step, NEEDED if kind == "need_by" else PROMISE)
        elif kind == "corrected" and step.value == "solved":
            self._turn(step, WORKING)
        elif kind == "excluded":
            before, after = " ".join(self.fields["labels"]), step.value
            self._change(step, "labels", (None, before), (None, after))
            self.fields["labels"] = [after] if after else []
        elif kind == "thanked":
            self.fields |= {SATISFACTION: {"rating": 5}, SATISFACTION_DATE: moment(step.at)}
        else:
            self._link(step)

    def _link(self, step: Step) -> None:
        if step.kind == "child_linked":
            self._bind(step, CAUSES, step.number)
        elif step.kind == "merged":
            self._merged_into = step.number
            self._bind(step, DUPLICATE, step.number)
        elif step.kind == "unmerged":
            into = self._merged_into
            self._links.pop(into, None)  # it is gone already where the other issue was deleted
            self._change(step, "Link", (self._names.key(into), self._told(DUPLICATE["outward"], into)), (None, None))

    def _bind(self, step: Step, kind: Raw, other: int) -> None:
        key = self._names.key(other)
        self._change(step, "Link", (None, None), (key, self._told(kind["outward"], other)))
        if not self._company.deleted(other, for_good=True):  # its links go with it
            there = {"id": self._names.issue(other), "key": key}
            self._links[other] = {"id": str(other), "type": kind, "outwardIssue": there}

    def _absorb(self, merge: Merge) -> None:
        step = Step(merge.at, "absorbed", Actor.provider_human, merge.who, "", merge.other)
        key = self._names.key(merge.other)
        self._change(step, "Link", (None, None), (key, self._told(DUPLICATE["inward"], merge.other)))

    def _told(self, words: str, other: int) -> str:
        return f"This issue {words} {self._names.key(other)}"

    def _route(self, step: Step) -> None:
        """The team that it was created for is in no changelog."""
        group = self._names.group(step.value) if step.value else ""
        after = (group, step.value) if group else (None, None)
        if step.at > self._created.at:
            before = (self._names.group(self._team), self._team) if self._team else (None, None)
            self._change(step, TEAM, before, after)
        self._team = step.value
        self.fields[TEAM] = {"id": group, "value": step.value} if group else None
        if self.fields["assignee"]:
            self._assign(step, None)

    def _assign(self, step: Step, after: Raw | None) -> None:
        before: Raw | None = self.fields["assignee"]
        ids = [(one["accountId"], one["displayName"]) if one else (None, None) for one in (before, after)]
        self._change(step, "assignee", *ids)
        self.fields["assignee"] = after

    def _date(self, step: Step, field: str) -> None:
        """What was wished with the creation, by whom created it, is in no changelog."""
        before, after = self.fields[field], moment(step.number)
        if (step.at, step.who) != (self._created.at, self._created.who):
            self._change(step, field, (before, before), (after, after))
        self.fields[field] = after

    def _turn(self, step: Step, name: str) -> None:
        self._change(step, "status", (STATUSES[self._status][0], self._status), (STATUSES[name][0], name))
        self._status = name

    def _say(self, step: Step, *, public: bool) -> None:
        self._number += 1
        author = self._user(step)
        words = {"type": "text", "text": f"{author['displayName']} writes about the lamp."}
        self.comments.append(
            {
                "id": str(self._number),
                "author": author,
                "body": {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [words]}]},
                "created": moment(step.at),
                "updated": moment(step.at),
                "jsdPublic": public,
            }
        )

    def _change(
        self, step: Step, field: str, before: tuple[str | None, str | None], after: tuple[str | None, str | None]
    ) -> None:
        """Of one person in one second it is one entry, each field once."""
        author = self._user(step)
        here = (step.at, author["accountId"])
        if self._entry != here or any(item["field"] == NAMES.get(field, field) for item in self.histories[-1]["items"]):
            self._entry = here
            self._number += 1
            self.histories.append({"id": str(self._number), "author": author, "created": moment(step.at), "items": []})
        self.histories[-1]["items"].append(
            {
                "field": NAMES.get(field, field),
                "fieldtype": "custom" if field in NAMES else "jira",
                "fieldId": field,
                "from": before[0],
                "fromString": before[1],
                "to": after[0],
                "toString": after[1],
            }
        )

    def _user(self, step: Step) -> Raw:
        if step.actor is Actor.provider_bot:
            return BOT
        return AUTOMATION if step.actor is Actor.system or not step.who else user(self._company, step.who)


def user(company: Company, number: int) -> Raw:
    person = company.people[number]
    kind = "atlassian" if person.serves else "customer"
    return {
        "accountId": f"712020:{number:08}",
        "displayName": person.name,
        "emailAddress": person.email,
        "accountType": kind,
        "active": True,
    }


def status(name: str) -> Raw:
    number, category = STATUSES[name]
    return {"id": number, "name": name, "statusCategory": {"key": category}}


def moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.000+0000}"
