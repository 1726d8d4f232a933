"""GLPI's API ``apirest.php`` in a session: lists in full, and a ticket with all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.connector import Api, Document, Refused
from ingest.connectors.glpi.case import Told
from ingest.event import Unreadable
from ingest.reading import converted

API = "/apirest.php/"
PARTS_AT_ONCE = 1000


class Session:
    """Its token goes with every request as a parameter, since the headers stay as they are."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._token = api.get(API + "initSession")["session_token"]
        self._emails: dict[str, str] = {}

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        return self._api.get(API + path, {"session_token": self._token, **query})

    def rows(self, path: str, query: Mapping[str, str] = {}) -> list[Document]:
        """All that a list of the API has."""
        rows: list[Document] = []
        while True:
            last = len(rows) + PARTS_AT_ONCE - 1
            some = self.get(path, {**query, "get_hateoas": "false", "range": f"{len(rows)}-{last}"})
            rows += some
            if len(some) < PARTS_AT_ONCE:
                return rows

    def ticket(self, number: str) -> Document | None:
        """A ticket and all that belongs to it. None when there is no such ticket, or none any more."""
        path = f"Ticket/{number}"
        try:
            ticket = self.get(path, {"get_hateoas": "false"})
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        document = {
            "ticket": ticket,
            "log": self.rows(f"{path}/Log"),
            "users": self.rows(f"{path}/Ticket_User"),
            "groups": self.rows(f"{path}/Group_Ticket"),
            "followups": self.rows(f"{path}/ITILFollowup"),
            "solutions": self.rows(f"{path}/ITILSolution"),
            "tasks": self.rows(f"{path}/TicketTask"),
            "links": self.rows("Ticket_Ticket", {"searchText[tickets_id_1]": f"^{number}$"}),
            "satisfaction": self.rows(f"{path}/TicketSatisfaction"),
        }
        try:
            named = sorted(converted(document, Told).named)
        except Unreadable:
            named = []  # what is wrong with it, says who reads it
        return {**document, "emails": {user: self._email(user) for user in named}}

    def _email(self, user: str) -> str:
        """Empty where there is none, or no such user any more."""
        if user not in self._emails:
            try:
                found = self.rows(f"User/{user}/UserEmail")
            except Refused as refused:
                if refused.status != 404:
                    raise
                found = []
            found.sort(key=lambda row: not row.get("is_default"))
            self._emails[user] = (found[0]["email"] if found else "") or ""
        return self._emails[user]
