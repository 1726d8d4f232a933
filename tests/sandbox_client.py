"""How tests ask a sandbox: through our connector and our client."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from deploy.sandbox.engine import Sandbox
from ingest.api import Budget, HttpApi
from ingest.connector import Connector, Document, Rejected
from ingest.connectors import CONNECTORS
from ingest.event import Actor, CaseEvent, Envelope, FeedbackEvent, OpenPositions, PersonEvent
from ingest.identity import Identity, People

IDENTITY = Identity(b"a key of the tests, no secret", "k1")


class Client(HttpApi):
    """Asks as often as it can, and waits for nothing. ``rests``: how long it was to wait."""

    def __init__(self, sandbox: Sandbox, connector: Connector) -> None:
        self.rests: list[float] = []
        budget = Budget(per_minute=1e9)
        super().__init__(sandbox.url, connector.authorization(sandbox.secret), budget, self._rests)

    def _rests(self, seconds: float) -> bool:
        self.rests.append(seconds)
        return False


class Meaning(NamedTuple):
    """``at``: to the second. ``detail``: in the words of the simulation; ``who``: a pseudonym under :data:`IDENTITY`."""

    at: datetime
    kind: str
    actor: Actor
    who: str
    detail: str


@dataclass
class Found:
    """``cases`` by the subject that they have in the simulation."""

    cases: dict[str, list[Meaning]] = field(default_factory=lambda: defaultdict(list))
    others: list[PersonEvent | OpenPositions | FeedbackEvent] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    events: dict[str, CaseEvent] = field(default_factory=dict)
    cursor: str = ""

    def take(self, document: Document, connector: Connector, sandbox: Sandbox) -> None:
        people = People(IDENTITY, connector.source)
        subjects = subjects_of(sandbox)
        for made in connector.parse(document, people):
            if isinstance(made, Rejected):
                self.rejected.append(made)
            elif not isinstance(made, CaseEvent):
                self.others.append(made)
            elif made.id not in self.events:
                self.events[made.id] = made
                self.cases[subjects[made.subject]].append(meaning_of(made, sandbox))


def connector_of(sandbox: Sandbox) -> Connector:
    return CONNECTORS[sandbox.vendor.name].model_validate(sandbox.settings)


def polled(sandbox: Sandbox, found: Found | None = None) -> Found:
    """All there is by now; ``found``: what was there before, which is added to."""
    found, connector = found or Found(), connector_of(sandbox)
    api = Client(sandbox, connector)
    try:
        for page in connector.fetch(api, found.cursor, sandbox.now):
            found.cursor = page.cursor
            for document in page.documents:
                found.take(document, connector, sandbox)
    finally:
        api.close()
    return found


@cache
def subjects_of(sandbox: Sandbox) -> dict[str, str]:
    """The simulation's subjects by the vendor's."""
    return {sandbox.vendor.subject(n): case.subject for n, case in enumerate(sandbox.data.cases)}


@cache
def groups_of(sandbox: Sandbox) -> dict[str, str]:
    plan, vendor = sandbox.data.plan, sandbox.vendor
    named = {vendor.group(name): name for department in plan.departments for name in department.groups}
    return named | {vendor.unit(unit.name): unit.name for unit in plan.units}


@cache
def services_of(sandbox: Sandbox) -> dict[str, str]:
    return {sandbox.vendor.service(service.name): service.name for service in sandbox.data.plan.services}


def told(sandbox: Sandbox, who: str, requester: str = "") -> str:
    """The pseudonym of whom the simulation calls so: by their e-mail address. Nobody serves their own request."""
    if not who:
        return ""
    number = sandbox.people.number(who)
    if who == requester:
        number = sandbox.people.colleague(number)
    return IDENTITY.pseudonym(sandbox.people[number].email, sandbox.source)


def meaning_of(event: CaseEvent, sandbox: Sandbox, requester: str | None = None) -> Meaning:
    """``requester``: of a case of the simulation; None: it came from the sandbox."""
    kind = str(event.__struct_config__.tag).removeprefix("crossdesk.")
    who = event.who
    if requester is not None:
        who = told(sandbox, who, requester if event.actor is Actor.provider_human else "")
    at = event.time.replace(microsecond=0)
    return Meaning(at, kind, event.actor, who, _detail(kind, event, sandbox, requester is not None))


def _detail(kind: str, event: Envelope, sandbox: Sandbox, of_simulation: bool) -> str:
    data: Any = getattr(event, "data", None)
    groups, services, subjects = groups_of(sandbox), services_of(sandbox), subjects_of(sandbox)
    match kind:
        case "created":
            names = (data.requester_group, data.service)
            if not of_simulation:
                names = (groups[data.requester_group], services[data.service])
            requester = told(sandbox, data.requester) if of_simulation else data.requester
            return f"{requester} of {names[0]} for {names[1]}"
        case "routed":
            return str(data.group if of_simulation else groups.get(data.group, data.group))
        case "paused":
            return str(data.owner)
        case "excluded":
            return f"{'no longer ' if data.reverted else ''}{data.reason}"
        case "promised" | "need_by":
            return str(data.due)
        case "merged":
            return str(data.into if of_simulation else subjects[data.into])
        case "child_linked":
            return str(data.parent if of_simulation else subjects[data.parent])
    return ""
