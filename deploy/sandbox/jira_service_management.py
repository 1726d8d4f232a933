"""A fake of Jira Service Management in the Cloud: search by time and token, issues with changelog and comments, webhooks.

What is deleted is gone, and cannot be restored: whoever would restore it does not delete. As
https://developer.atlassian.com/cloud/jira/platform/rest/v3/ describes it.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import jira_history as history
from deploy.sandbox.company import Company
from deploy.sandbox.jira_history import History, Names, Raw
from deploy.sandbox.vendor import EXCLUDE, USER, Call, Vendor, answer, basic, encoded

ISSUES, TEAMS, ORGANISATIONS, REQUESTS = 20_000, 30_000, 500, 40
SHOWN_HISTORIES, SHOWN_COMMENTS = 40, 20
KEPT = 1_024
CHANNEL = "request.channel.type"
ROOT = "/rest/api/3"
NOT_FOUND = {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}}
_jql = re.compile(r"project in \(([^)]*)\)(?: AND updated >= (\d+))? ORDER BY updated ASC, key ASC")


class JiraServiceManagement(Vendor):
    name: ClassVar[str] = "jira_service_management"

    def __init__(self, company: Company, page: int) -> None:
        super().__init__(company, page)
        self.settings = {
            "user": USER,
            "projects": [history.PROJECT["key"]],
            "group": history.TEAM,
            "service": history.REQUEST,
            "requester_group": history.ORGANISATIONS,
            "due": history.NEEDED,
            "promise": history.PROMISE,
            "satisfaction": history.SATISFACTION,
            "satisfaction_date": history.SATISFACTION_DATE,
            "bots": [history.BOT["accountId"]],
            "exclude": EXCLUDE,
        }
        self._names = Names(self.group, self.unit, self.service, self.subject, _key)
        self._histories = lru_cache(KEPT)(lambda case, last: History(company, case, self._names, last))
        self._shown = lru_cache(KEPT)(self._show)

    def subject(self, case: int) -> str:
        return str(ISSUES + case)

    def group(self, name: str) -> str:
        return str(TEAMS + self._groups[name])

    def unit(self, name: str) -> str:
        return str(ORGANISATIONS + self._units[name])

    def service(self, name: str) -> str:
        return str(REQUESTS + self._services[name])

    def knows(self, headers: Mapping[str, str], secret: str) -> bool:
        return headers.get("authorization") in (basic(USER, secret), f"Bearer {secret}")

    def routes(self) -> Sequence[Route]:
        return [
            self.route(f"{ROOT}/search/jql", self._search),
            self.route(f"{ROOT}/issue/{{issue}}", self._issue),
            self.route(f"{ROOT}/issue/{{issue}}/changelog", self._changelog),
            self.route(f"{ROOT}/issue/{{issue}}/comment", self._comments),
            self.route(f"{ROOT}/status", lambda _: answer([history.status(name) for name in history.STATUSES])),
        ]

    # -- issues
    def _search(self, request: Request) -> Response:
        query = request.query_params
        asked = _jql.fullmatch(query.get("jql", ""))
        if asked is None or history.PROJECT["key"] not in re.findall(r"\w+", asked[1]):
            return _refused("no query that is known here")
        try:
            since, after = (
                _position(query["nextPageToken"]) if "nextPageToken" in query else (-(-int(asked[2] or 0) // 1_000), -1)
            )
            size = self.size(query.get("maxResults"), 50, 100)
        except ValueError:
            return _refused("no such nextPageToken or maxResults")
        found: list[msgspec.Raw] = []
        token = ""
        last = (0, 0)
        for at, case in self.company.changed(since, after):
            if self.company.deleted(case, for_good=True):
                continue
            if len(found) == size:
                token = _token(*last)
                break
            found.append(self._shown(case, at, query.get("fields", ""), query.get("properties", "")))
            last = (at, case)
        return answer({"issues": found, "isLast": not token, **({"nextPageToken": token} if token else {})})

    def _show(self, case: int, last: int, wanted: str, properties: str) -> msgspec.Raw:
        """``wanted`` fields, all of them unless named."""
        told = self._histories(case, last)
        comments = told.comments[:SHOWN_COMMENTS]
        shown = {"comments": comments, "maxResults": len(comments), "total": len(told.comments), "startAt": 0}
        fields: Raw = {**told.fields, "comment": shown}
        if wanted and wanted != "*all":
            fields = {name: fields[name] for name in wanted.split(",") if name in fields}
        entries = told.histories[: -SHOWN_HISTORIES - 1 : -1]
        return encoded(
            {
                "expand": "changelog",
                "id": self.subject(case),
                "key": _key(case),
                "fields": fields,
                "changelog": {
                    "startAt": 0,
                    "maxResults": len(entries),
                    "total": len(told.histories),
                    "histories": entries,
                },
                "properties": {CHANNEL: {"value": self.company.cases[case].channel}} if properties else {},
            }
        )

    def _case(self, request: Request) -> int | None:
        """The number of what is asked for by id or key, unless it is gone."""
        project, _, number = request.path_params["issue"].rpartition("-")
        if not number.isdigit() or project not in ("", history.PROJECT["key"]):
            return None
        case = int(number) - (1 if project else ISSUES)
        there = self.company.last(case) and not self.company.deleted(case, for_good=True)
        return case if there else None

    def _issue(self, request: Request) -> Response:
        case, query = self._case(request), request.query_params
        if case is None:
            return answer(NOT_FOUND, 404)
        last = self.company.last(case)
        return answer(self._shown(case, last, query.get("fields", ""), query.get("properties", "")))

    def _changelog(self, request: Request) -> Response:
        return self._list("values", "histories", request)

    def _comments(self, request: Request) -> Response:
        return self._list("comments", "comments", request)

    def _list(self, name: str, part: str, request: Request) -> Response:
        """A page of what belongs to an issue."""
        case, query = self._case(request), request.query_params
        if case is None:
            return answer(NOT_FOUND, 404)
        try:
            first, size = int(query.get("startAt", "0")), self.size(query.get("maxResults"), 50, 100)
        except ValueError:
            return _refused("no such startAt or maxResults")
        entries: list[Raw] = getattr(self._histories(case, self.company.last(case)), part)
        page = entries[first : first + size]
        return answer({"startAt": first, "maxResults": size, "total": len(entries), name: page})

    # -- webhooks
    def call(self, case: int, at: int, secret: str, stamp: datetime) -> Call:
        happened = [step for step in self.company.steps(case) if step.at == at]
        gone = next((step for step in happened if step.kind == "deleted"), None)
        name = "jira:issue_updated"
        by: Raw = history.AUTOMATION
        if gone is not None and self.company.deleted(case, for_good=True):
            name = "jira:issue_deleted"
            by = history.user(self.company, gone.who) if gone.who else by
        elif any(step.kind == "created" for step in happened):
            name = "jira:issue_created"
        reporter = history.user(self.company, self.company.cases[case].requester)
        told: dict[str, Any] = {
            "timestamp": at * 1_000 if name == "jira:issue_deleted" else int(stamp.timestamp() * 1_000),
            "webhookEvent": name,
            "user": by,
            "issue": {
                "id": self.subject(case),
                "key": _key(case),
                "fields": {"project": history.PROJECT, "reporter": reporter, "summary": "The lamp flickers"},
            },
        }
        body = msgspec.json.encode(told)
        code = hmac.digest(secret.encode(), body, "sha256").hex()
        return Call({"content-type": "application/json", "x-hub-signature": f"sha256={code}"}, body)


def _key(case: int) -> str:
    return f"{history.PROJECT['key']}-{case + 1}"


def _refused(reason: str) -> Response:
    return answer({"errorMessages": [reason], "errors": {}}, 400)


def _token(at: int, case: int) -> str:
    return urlsafe_b64encode(f"{at} {case}".encode()).decode()


def _position(token: str) -> tuple[int, int]:
    """When, and the case after which. Raises ``ValueError``."""
    at, case = urlsafe_b64decode(token.encode()).split()
    return int(at), int(case)
