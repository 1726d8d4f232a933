"""Rows of ServiceNow by its Table API: values as they are stored, ids instead of names, times in UTC."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ingest.connector import Api, Document
from ingest.connectors.servicenow.record import MESSAGES, utc

OVERLAP = timedelta(minutes=5)
"""So late may become visible what was stamped earlier."""
PAGE = 50
"""The ids of so many fit into one query."""
ROWS = 1000
RECORD = ("sys_id", "sys_created_on", "sys_created_by", "sys_updated_on")
AUDIT = ("sys_id", "documentkey", "fieldname", "oldvalue", "newvalue", "user", "record_checkpoint", "sys_created_on")
JOURNAL = ("sys_id", "element_id", "element", "sys_created_on", "sys_created_by")
SLA = ("sys_id", "task", "sla", "stage", "sys_created_on", "original_breach_time", "end_time")
USER = ("sys_id", "user_name", "email", "active")
DELETION = ("sys_id", "documentkey", "sys_created_on")

Fields = Sequence[str]
Columns = Mapping[str, str]


def record(api: Api, table: str, columns: Columns, sys_id: str) -> Document:
    """Raises ``Refused`` (404) where there is none."""
    found: Document = api.get(f"/api/now/table/{table}/{sys_id}", _wanted((*RECORD, *columns.values())))["result"]
    return found


def changed(api: Api, table: str, columns: Columns, since: str) -> Iterator[list[Document]]:
    return _in_time(api, table, (*RECORD, *columns.values()), "sys_updated_on", since)


def deleted(api: Api, table: str, since: str) -> Iterator[list[Document]]:
    return _in_time(api, "sys_audit_delete", DELETION, "sys_created_on", since, f"tablename={table}^")


def deletions(api: Api, table: str, sys_id: str) -> list[Document]:
    """Of one record."""
    return _all(api, "sys_audit_delete", DELETION, f"tablename={table}^documentkey={sys_id}")


def documents(api: Api, rows: Sequence[Document], columns: Columns, promises: Collection[str]) -> list[Document]:
    """Of each record its audit, messages and SLAs of the definitions ``promises``, with the users who are named there."""
    ids = ",".join(row["sys_id"] for row in rows)
    audits = _all(api, "sys_audit", AUDIT, f"documentkeyIN{ids}^fieldnameIN{','.join(dict.fromkeys(columns.values()))}")
    journals = _all(api, "sys_journal_field", JOURNAL, f"element_idIN{ids}^elementIN{','.join(MESSAGES)}")
    wanted = f"taskIN{ids}^slaIN{','.join(sorted(promises))}"
    slas = _all(api, "task_sla", SLA, wanted) if promises else []
    found = [
        {
            "record": row,
            "audits": [one for one in audits if one["documentkey"] == row["sys_id"]],
            "journals": [one for one in journals if one["element_id"] == row["sys_id"]],
            "slas": [one for one in slas if _id(one["task"]) == row["sys_id"]],
        }
        for row in rows
    ]
    named = [_named(document, (columns["requester"], columns["assignee"])) for document in found]
    users = _users(api, sorted({name for names in named for name in names}))
    return [
        {**document, "users": [user for user in users if names & {user["sys_id"], user["user_name"]}]}
        for document, names in zip(found, named, strict=True)
    ]


def _named(document: Document, persons: Fields) -> set[str]:
    """The users of a record, by name or id."""
    record = document["record"]
    named = {record["sys_created_by"], *(_id(record.get(column)) for column in persons)}
    for audit in document["audits"]:
        named.add(audit["user"])
        if audit["fieldname"] in persons:
            named |= {audit["oldvalue"], audit["newvalue"]}
    named |= {journal["sys_created_by"] for journal in document["journals"]}
    # what an encoded query is made of cannot be asked for in one
    return {name for name in named if name and not {"^", ","} & set(name)}


def _users(api: Api, named: Sequence[str]) -> list[Document]:
    """By name or id; ``serves``: is a member of some group."""
    found: list[Document] = []
    for first in range(0, len(named), PAGE):
        some = ",".join(named[first : first + PAGE])
        found += _all(api, "sys_user", USER, f"sys_idIN{some}^ORuser_nameIN{some}")
    users = {user["sys_id"]: user for user in found}
    ids, members = list(users), set()
    for first in range(0, len(ids), PAGE):
        where = f"userIN{','.join(ids[first : first + PAGE])}"
        members |= {_id(one["user"]) for one in _all(api, "sys_user_grmember", ("sys_id", "user"), where)}
    return [{**user, "serves": user["sys_id"] in members} for user in users.values()]


def _in_time(api: Api, table: str, fields: Fields, by: str, since: str, where: str = "") -> Iterator[list[Document]]:
    """Pages in the order of the time ``by`` and the id, again from shortly before ``since``. Only an empty one is the last: rows
    that the user must not see are missing from the others. ``where``: an encoded query, with a ``^`` behind it.
    """
    query = where + (f"{by}>={utc(since) - OVERLAP:%Y-%m-%d %H:%M:%S}^" if since else "")
    while rows := _rows(api, table, fields, f"{query}ORDERBY{by}^ORDERBYsys_id", PAGE):
        yield rows
        at, last = rows[-1][by], rows[-1]["sys_id"]
        query = f"{where}{by}>{at}^NQ{where}{by}={at}^sys_id>{last}^"


def _all(api: Api, table: str, fields: Fields, where: str) -> list[Document]:
    """All rows of an encoded query, of a table that the user sees all of."""
    found: list[Document] = []
    after = ""
    while True:
        rows = _rows(api, table, fields, f"{where}{after}^ORDERBYsys_id", ROWS)
        found += rows
        if len(rows) < ROWS:
            return found
        after = f"^sys_id>{rows[-1]['sys_id']}"


def _rows(api: Api, table: str, fields: Fields, query: str, limit: int) -> list[Document]:
    wanted = {"sysparm_query": query, "sysparm_limit": str(limit), "sysparm_no_count": "true"}
    rows: list[Document] = api.get(f"/api/now/table/{table}", {**_wanted(fields), **wanted})["result"]
    return rows


def _id(reference: Any) -> str:
    """Its id, whether or not its link came along."""
    return str((reference.get("value") if isinstance(reference, dict) else reference) or "")


def _wanted(fields: Fields) -> dict[str, str]:
    return {
        "sysparm_fields": ",".join(dict.fromkeys(fields)),
        "sysparm_display_value": "false",
        "sysparm_exclude_reference_link": "true",
    }
