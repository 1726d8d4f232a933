"""The lists of Freshservice's API, page by page, and of the users and groups what is asked for more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from ingest.connector import Api, Document, Refused

API = "/api/v2/"
PER_PAGE = 100
GONE = (404,)
NO_USER = (400, 404)
"""What is answered for the id of a workflow, which is no user's: that it is none, or that there is none."""


class Lists:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._users: dict[str, Document | None] = {}

    def tickets(self, kind: str, since: str, page: int) -> list[Document]:
        """Those that changed since, the first created first. The last page is the one that is empty."""
        query = {"updated_since": since, "order_type": "asc", "per_page": str(PER_PAGE), "page": str(page)}
        rows: list[Document] = self._api.get(f"{API}tickets", {"filter": kind, **query} if kind else query)["tickets"]
        return rows

    def ticket(self, number: str, row: Document | None = None) -> Document | None:
        """It and all that belongs to it; ``row`` is what a list has of it. None when there is no such ticket, or none any more."""
        path = f"tickets/{number}"
        answer = self.found(path, {"include": "related_tickets"})
        found = {**(row or {}), **(answer["ticket"] if answer else {})}
        if not found:
            return None
        shown = self.found(f"{path}/activities")
        activities = shown["activities"] if shown else []
        conversations = self.pages(f"{path}/conversations", "conversations", GONE)
        rating = self.found(f"{path}/csat_response") or {}
        said = "\n".join(
            str(part) for one in activities for part in (one.get("content"), *(one.get("sub_contents") or ()))
        )
        agents = {name: number for name, number in self.agents_by_name.items() if name in said}
        users = {found.get("requester_id"), *(one.get("user_id") for one in conversations)}
        users |= {(one.get("actor") or {}).get("id") for one in activities}
        named = sorted({str(user) for user in users if user} | {*agents.values()})
        return {
            "ticket": found,
            "activities": activities if shown else None,
            "conversations": conversations,
            "rating": rating.get("csat_response") or None,
            "users": {user: known for user in named if (known := self.user(user))},
            "groups": {name: number for name, number in self.groups_by_name.items() if name in said},
            "agents": agents,
        }

    def found(self, path: str, query: Mapping[str, str] = {}, absent: Sequence[int] = GONE) -> Any:
        """None when there is none such."""
        try:
            return self._api.get(API + path, query)
        except Refused as refused:
            if refused.status in absent:
                return None
            raise

    def pages(self, path: str, key: str, absent: Sequence[int] = ()) -> list[Document]:
        rows: list[Document] = []
        while True:
            query = {"per_page": str(PER_PAGE), "page": str(len(rows) // PER_PAGE + 1)}
            answer = self.found(path, query, absent)
            some = answer[key] if answer else []
            rows += some
            if len(some) < PER_PAGE:
                return rows

    def user(self, user: str) -> Document | None:
        """Whether it is an agent, and the e-mail address; None for who is no user (any more)."""
        if user not in self._users:
            agent = self._agents.get(user)
            if agent is not None:
                self._users[user] = {"agent": True, "email": agent.get("email")}
            else:
                requester = self.found(f"requesters/{user}", absent=NO_USER)
                email = requester and requester["requester"].get("primary_email")
                self._users[user] = {"agent": False, "email": email} if requester else None
        return self._users[user]

    @cached_property
    def _agents(self) -> dict[str, Document]:
        return {str(agent["id"]): agent for agent in self.pages("agents", "agents")}

    @cached_property
    def agents_by_name(self) -> dict[str, str]:
        """As activities name them."""
        agents = self._agents.items()
        return _by_name(
            (f"{agent.get('first_name') or ''} {agent.get('last_name') or ''}".strip(), user) for user, agent in agents
        )

    @cached_property
    def groups_by_name(self) -> dict[str, str]:
        return _by_name((str(group["name"]), str(group["id"])) for group in self.pages("groups", "groups"))


def _by_name(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A name that several have names none of them."""
    pairs = list(named)
    often = Counter(name for name, _ in pairs)
    return {name: number for name, number in pairs if name and often[name] == 1}
