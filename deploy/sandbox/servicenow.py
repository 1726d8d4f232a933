"""A fake of ServiceNow: the Table API with encoded queries and pages by key, and the webhook of a business rule.

As https://www.servicenow.com/docs describes it; what is deleted and restored leaves no row of ``sys_audit_delete``.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import ClassVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox.company import Company
from deploy.sandbox.encoded_query import Query, UnknownQuery
from deploy.sandbox.servicenow_history import BOT_USER, History, Names, Row, digest, moment
from deploy.sandbox.vendor import Call, Vendor, answer, basic

LOGIN = "reader"
BOT = digest("user helping hand")
DEFINITION = digest("SLA definition")
MOST = 10_000
KEPT, KEPT_USERS = 1_024, 65_536
ROWS_OF = {"sys_audit": "documentkey", "sys_journal_field": "element_id", "task_sla": "task"}
"""Tables of what belongs to records, and the column that says to which."""
GROUPS = {"cmn_department": True, "sys_user_group": False}
"""Whether those ask."""
_NUMBERED = re.compile(r"[a-z.]+(\d+)")


class ServiceNow(Vendor):
    name: ClassVar[str] = "servicenow"

    def __init__(self, company: Company, page: int) -> None:
        super().__init__(company, page)
        self.settings = {"user": LOGIN, "bots": [BOT], "promises": [DEFINITION]}
        self._names = Names(self.subject, self.group, self.unit, self.service, self._user_name, _person, DEFINITION)
        self._user = lru_cache(KEPT_USERS)(self._find_user)
        self._told = lru_cache(KEPT)(lambda case, last: History(company, case, self._names, last))

    def subject(self, case: int) -> str:
        """In the order in which they came."""
        return f"{case:08x}" + digest(f"incident {case}", 24)

    def group(self, name: str) -> str:
        return digest(f"group {self._groups[name]}")

    def unit(self, name: str) -> str:
        return digest(f"department {self._units[name]}")

    def service(self, name: str) -> str:
        return f"category_{self._services[name]}"

    def knows(self, headers: Mapping[str, str], secret: str) -> bool:
        return headers.get("authorization") == basic(LOGIN, secret) or headers.get("x-sn-apikey") == secret

    def routes(self) -> Sequence[Route]:
        return [
            self.route("/api/now/table/{table}/{sys_id}", self._record),
            self.route("/api/now/table/{table}", self._table),
        ]

    def _user_name(self, number: int) -> str:
        return self.company.people[number].email.partition("@")[0]

    # -- the Table API
    def _record(self, request: Request) -> Response:
        row = self._row(request.path_params["table"], request.path_params["sys_id"])
        if not row:
            return answer({"error": {"message": "No Record found", "detail": ""}, "status": "failure"}, 404)
        return answer({"result": _shown(row, _fields(request))})

    def _row(self, table: str, sys_id: str) -> Row:
        """Empty: there is none such."""
        if table in GROUPS:
            name = self.name_of(sys_id, asks=GROUPS[table])
            return {"sys_id": sys_id, "name": name} if name else {}
        case = self._case(sys_id) if table == "incident" else None
        return {} if case is None else self._told(case, self.company.last(case)).record

    def _table(self, request: Request) -> Response:
        parameters = request.query_params
        table = request.path_params["table"]
        try:
            query = Query.read(parameters.get("sysparm_query", ""))
            limit = min(int(parameters.get("sysparm_limit", MOST)), MOST)
            fields = _fields(request)
            rows = self._rows(table, query, limit)
            return answer({"result": [_shown(row, fields) for row in rows]})
        except KeyError:
            reason = f"Invalid table {table}"
        except UnknownQuery as error:
            reason = str(error)
        except ValueError:
            reason = "Invalid sysparm_limit"
        return answer({"error": {"message": reason, "detail": ""}, "status": "failure"}, 400)

    def _rows(self, table: str, query: Query, limit: int) -> Sequence[Row]:
        """Raises ``KeyError`` for a table that is not there, :class:`UnknownQuery`."""
        paged = min(limit, self.page) if self.page else limit
        found: Iterable[Row]
        match table:
            case "incident":
                _must_be_ordered(query, ("sys_updated_on", "sys_id"))
                return list(islice(self._changed(query), paged))
            case "sys_audit_delete":
                found = (self._deletion(at, case) for at, case in self.company.deletions(0))
                return sorted(filter(query.holds, found), key=_by(query.order))[:paged]
            case "sys_user":
                rows = map(self._user, {*query.named("sys_id"), *query.named("user_name")})
                found = filter(None, rows)
            case "sys_user_grmember":
                found = (self._membership(number) for number in self._numbers(query.named("user")))
            case _:
                found = self._of_records(table, query.named(ROWS_OF[table]))
        return sorted(filter(query.holds, found), key=_by(query.order))[:limit]

    def _changed(self, query: Query) -> Iterator[Row]:
        """Incidents, the one that changed last at the end."""
        least = query.least("sys_updated_on")
        since = int(datetime.fromisoformat(least).replace(tzinfo=UTC).timestamp()) if least else 0
        for at, case in self.company.changed(since):
            head = {"sys_updated_on": moment(at), "sys_id": self.subject(case)}
            if query.holds(head) and not self.company.deleted(case):
                yield self._told(case, at).record

    def _of_records(self, table: str, records: Iterator[str]) -> Iterator[Row]:
        for case in map(self._case, records):
            if case is None:
                continue
            told = self._told(case, self.company.last(case))
            yield from {"sys_audit": told.audits, "sys_journal_field": told.journals}.get(table, told.slas.values())

    def _case(self, sys_id: str) -> int | None:
        """The number of what is asked for, unless it is gone."""
        try:
            case = int(sys_id[:8], 16)
        except ValueError:
            return None
        there = self.company.last(case) and self.subject(case) == sys_id and not self.company.deleted(case)
        return case if there else None

    def _deletion(self, at: int, case: int) -> Row:
        return {
            "sys_id": digest(f"deletion {case} {at}"),
            "documentkey": self.subject(case),
            "tablename": "incident",
            "display_value": f"INC{case + 1:07}",
            "sys_created_on": moment(at),
        }

    def _find_user(self, name: str) -> Row:
        """By name or id; empty: there is none."""
        if name in (BOT_USER, BOT):
            return {"sys_id": BOT, "user_name": BOT_USER, "email": "", "active": "true"}
        number = next(self._numbers((name,)), 0)
        if not number:
            return {}
        person, user_name = self.company.people[number], self._user_name(number)
        return {
            "sys_id": _person(number),
            "user_name": user_name,
            "name": person.name,
            "email": person.email,
            "active": "true",
        }

    def _numbers(self, names: Iterable[str]) -> Iterator[int]:
        """Of people, by name or id."""
        for name in names:
            found = _NUMBERED.fullmatch(name)
            number = int(found[1]) if found else int(name[:8], 16) if re.fullmatch("[0-9a-f]{32}", name) else 0
            if 0 < number <= len(self.company.people) and name in (_person(number), self._user_name(number)):
                yield number

    def _membership(self, number: int) -> Row:
        serves = self.company.people[number].serves
        return {"sys_id": digest(f"member {number}"), "user": _person(number) if serves else ""}

    # -- webhooks
    def call(self, case: int, at: int, secret: str, stamp: datetime) -> Call:  # noqa: ARG002 - of a record it tells no more
        body = msgspec.json.encode({"sys_id": self.subject(case)})
        signed_at = moment(int(stamp.timestamp()))
        code = b64encode(hmac.digest(secret.encode(), signed_at.encode() + body, "sha256")).decode()
        signature = {"x-crossdesk-timestamp": signed_at, "x-crossdesk-signature": code}
        return Call({"content-type": "application/json", **signature}, body)


@lru_cache(KEPT_USERS)
def _person(number: int) -> str:
    return f"{number:08x}" + digest(f"person {number}", 24)


def _fields(request: Request) -> Sequence[str]:
    return [one for one in request.query_params.get("sysparm_fields", "").split(",") if one]


def _shown(row: Row, fields: Sequence[str]) -> Row:
    return {field: row[field] for field in fields if field in row} if fields else row


def _by(order: Sequence[str]) -> Callable[[Row], list[str]]:
    return lambda row: [row[column] for column in order]


def _must_be_ordered(query: Query, order: Sequence[str]) -> None:
    """Raises :class:`UnknownQuery`."""
    if query.order != order:
        raise UnknownQuery(f"incidents come in the order of {' and '.join(order)} only")
