"""A fake of Zendesk Support: the cursor export of tickets, audits, users, ratings, and webhooks of ticket events.

Its tickets cannot tell promises and children, and no merge is taken back: who would do so does not merge.
As https://developer.zendesk.com/api-reference/ describes it.
"""

from __future__ import annotations

import hmac
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox.company import Company
from deploy.sandbox.vendor import BOT_NAME, EXCLUDE, USER, Call, Vendor, answer, basic, encoded, iso
from deploy.sandbox.zendesk_history import BOT, USERS, History, Names

TICKETS, GROUPS, ORGANISATIONS, FORMS = 1_000, 3_000, 5_000, 7_000
LATEST = 60
"""What changed within so many seconds the export leaves out."""
KEPT = 2_048
NOT_FOUND = {"error": "RecordNotFound", "description": "Not found"}
HAPPENED = {
    "created": "created",
    "routed": "group_assignment_changed",
    "claimed": "agent_assignment_changed",
    "replied": "comment_added",
    "noted": "comment_added",
    "bot_replied": "comment_added",
    "requester_replied": "comment_added",
    "classified": "priority_changed",
    "merged": "merged",
    "deleted": "soft_deleted",
    "restored": "undeleted",
}


class Zendesk(Vendor):
    name: ClassVar[str] = "zendesk"

    def __init__(self, company: Company, page: int) -> None:
        super().__init__(company, page)
        self.settings = {"user": USER, "bots": [str(BOT)], "exclude": EXCLUDE}
        self._names = Names(self.group, self.unit, self.service, lambda case: TICKETS + case)
        self._told = lru_cache(KEPT)(self._tell)

    def subject(self, case: int) -> str:
        return str(TICKETS + case)

    def group(self, name: str) -> str:
        return str(GROUPS + self._groups[name])

    def unit(self, name: str) -> str:
        return str(ORGANISATIONS + self._units[name])

    def service(self, name: str) -> str:
        return str(FORMS + self._services[name])

    def knows(self, headers: Mapping[str, str], secret: str) -> bool:
        return headers.get("authorization") == basic(f"{USER}/token", secret)

    def routes(self) -> Sequence[Route]:
        return [
            self.route("/api/v2/incremental/tickets/cursor.json", self._export),
            self.route("/api/v2/tickets/{ticket:int}.json", self._ticket),
            self.route("/api/v2/tickets/{ticket:int}/audits.json", self._audits),
            self.route("/api/v2/users/show_many.json", self._users),
            self.route("/api/v2/satisfaction_ratings.json", self._ratings),
            self.route("/api/v2/groups/{group}.json", lambda request: self._called("group", request)),
            self.route("/api/v2/organizations/{group}.json", lambda request: self._called("organization", request)),
        ]

    # -- tickets
    def _tell(self, case: int, last: int) -> tuple[msgspec.Raw, list[msgspec.Raw]]:
        """The ticket and its audits, as of its last change."""
        deleted = self.company.deleted(case)
        history = History(self.company, case, self._names)
        ticket = history.ticket(last)
        if deleted:
            return encoded({**ticket, "status": "deleted", "updated_at": iso(deleted)}), []
        return encoded(ticket), [encoded(audit) for audit in history.audits]

    def _export(self, request: Request) -> Response:
        query = request.query_params
        try:
            given = query.get("cursor")
            since, after = _position(given) if given else (int(query["start_time"]), -1)
            size = self.size(query.get("per_page"), 1_000, 1_000)
        except (KeyError, ValueError):
            return answer({"error": "InvalidValue", "description": "no such start_time, cursor or per_page"}, 400)
        found: list[msgspec.Raw] = []
        end = True
        for at, case in self.company.changed(since, after):
            if at > self.company.now - LATEST:
                break
            if len(found) == size:
                end = False
                break
            found.append(self._told(case, at)[0])
            given = _cursor(at, case)
        path = f"{request.url.replace(query='')}?cursor={given}" if given else None
        told = {"tickets": found, "after_url": path, "after_cursor": given, "end_of_stream": end}
        return answer({**told, "before_url": None, "before_cursor": None})

    def _case(self, request: Request) -> int | None:
        """The number of what is asked for, unless it is gone."""
        case: int = request.path_params["ticket"] - TICKETS
        there = self.company.last(case) and not self.company.deleted(case)
        return case if there else None

    def _ticket(self, request: Request) -> Response:
        case = self._case(request)
        if case is None:
            return answer(NOT_FOUND, 404)
        return answer({"ticket": self._told(case, self.company.last(case))[0]})

    def _audits(self, request: Request) -> Response:
        case = self._case(request)
        if case is None:
            return answer(NOT_FOUND, 404)
        return self._list("audits", self._told(case, self.company.last(case))[1], request)

    # -- users, groups and ratings
    def _called(self, kind: str, request: Request) -> Response:
        group = request.path_params["group"]
        name = self.name_of(group, asks=kind == "organization")
        return answer({kind: {"id": int(group), "name": name}}) if name else answer(NOT_FOUND, 404)

    def _users(self, request: Request) -> Response:
        ids = [int(one) for one in request.query_params.get("ids", "").split(",") if one.isdigit()]
        users = [self._user(one) for one in ids[:100] if one == BOT or 0 < one - USERS <= len(self.company.people)]
        return answer({"users": users, "next_page": None, "previous_page": None, "count": len(users)})

    def _user(self, user: int) -> dict[str, Any]:
        if user == BOT:
            return {"id": BOT, "name": BOT_NAME, "email": "helping.hand@tidewell.example", "role": "agent"}
        person = self.company.people[user - USERS]
        role = "agent" if person.serves else "end-user"
        return {"id": user, "name": person.name, "email": person.email, "role": role, "active": True, "locale": "en-GB"}

    def _ratings(self, request: Request) -> Response:
        since = request.query_params.get("start_time", "")
        thanks = self.company.thanked(int(since) if since.isdigit() else 0)
        found = [self._rating(at, case) for at, case in thanks if not self.company.deleted(case)]
        return self._list("satisfaction_ratings", found, request)

    def _rating(self, at: int, case: int) -> dict[str, Any]:
        groups = [step.value for step in self.company.steps(case) if step.kind == "routed" and step.at <= at]
        group = int(self.group(groups[-1])) if groups and groups[-1] else None
        return {
            "id": 60_000_000 + case,
            "ticket_id": TICKETS + case,
            "requester_id": USERS + self.company.cases[case].requester,
            "group_id": group,
            "score": "good",
            "comment": "So kind of you.",
            "created_at": iso(at),
            "updated_at": iso(at),
        }

    def _list(self, name: str, found: Sequence[Any], request: Request) -> Response:
        """A page of it, by the cursors that lists have."""
        try:
            first = int(_opened(request.query_params.get("page[after]") or _sealed("0")))
            size = self.size(request.query_params.get("page[size]"), 100, 100)
        except ValueError:
            return answer({"errors": [{"code": "InvalidPaginationParameter", "title": "page is not valid"}]}, 400)
        end = first + size
        more = end < len(found)
        meta = {"has_more": more, "after_cursor": _sealed(str(end)) if more else None, "before_cursor": None}
        return answer({name: found[first:end], "meta": meta, "links": {"prev": None, "next": None}})

    # -- webhooks
    def call(self, case: int, at: int, secret: str, stamp: datetime) -> Call:
        kinds = [step.kind for step in self.company.steps(case) if step.at == at]
        kind = next((HAPPENED[kind] for kind in kinds if kind in HAPPENED), "status_changed")
        body = msgspec.json.encode(
            {
                "account_id": 1,
                "id": f"{case:08x}-{at:08x}",
                "type": f"zen:event-type:ticket.{kind}",
                "subject": f"zen:ticket:{TICKETS + case}",
                "time": iso(at),
                "zendesk_event_version": "2022-06-20",
                "detail": {"id": self.subject(case), "subject": "The lamp flickers", "updated_at": iso(at)},
                "event": {},
            }
        )
        signed_at = f"{stamp:%Y-%m-%dT%H:%M:%SZ}"
        code = b64encode(hmac.digest(secret.encode(), signed_at.encode() + body, "sha256")).decode()
        signature = {"x-zendesk-webhook-signature": code, "x-zendesk-webhook-signature-timestamp": signed_at}
        return Call({"content-type": "application/json", **signature}, body)


def _cursor(at: int, case: int) -> str:
    return _sealed(f"{at}.0||{TICKETS + case}|")


def _position(cursor: str) -> tuple[int, int]:
    """When, and the case after which. Raises ``ValueError``."""
    at, _, ticket, _ = _opened(cursor).split("|")
    return int(at.removesuffix(".0")), int(ticket) - TICKETS


def _sealed(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _opened(cursor: str) -> str:
    """Raises ``ValueError``."""
    return urlsafe_b64decode(cursor.encode()).decode()
