"""BambooHR: employees who changed, each with the history of job and employment, and approved time off; webhooks are doorbells.

Read are ``/v1/employees/changed`` and its ``tables``, ``/v1/employees``, ``/v1/employees/{id}/tables`` and
``/v1/time_off/requests``, as https://documentation.bamboohr.com/reference describes them. All dates are days of the company's
zone, and may lie ahead.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from ingest.connector import (
    Api,
    Connector,
    Document,
    Doorbell,
    FromOutside,
    Hook,
    Page,
    Refused,
    Rejected,
    Tells,
    tells,
)
from ingest.event import Unreadable
from ingest.identity import People
from ingest.persons import absent
from ingest.reading import as_cursor, converted, decoded
from ingest.signatures import hex_of_hmac, recent, signed
from ingest.stays import Doubt, ZoneName, day_reader, events, next_day, placed
from ingest.times import time_reader, zone

OVERLAP = timedelta(minutes=5)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Before the source was there."""
LATE_APPROVAL = timedelta(days=31)
"""So long after its last day an absence that is approved late is still seen: requests have no time of change to ask by."""
AT_ONCE = 100
TABLES = ("jobInfo", "employmentStatus")
FIELDS = ("workEmail", "employeeNumber", "hireDate", "terminationDate")
NO_DATES = ("", "0000-00-00")
DELETED = "Deleted"
EMPLOYED = ("Full-Time", "Part-Time", "Contractor", "Intern", "Temporary", "Seasonal", "Furloughed")
LEFT = ("Terminated",)
NOT_ABSENT = ("requested", "denied", "declined", "canceled", "cancelled", "superceded", "superseded")

Status = Literal["employed", "left"]
EmployeeId = Annotated[int, Meta(ge=1, lt=1 << 53)]
_time = time_reader(("iso",), UTC)
_stamp = time_reader(("epoch_s", "iso"), UTC)


# -- what is read of an answer: nothing else
class Employee(Struct, frozen=True, rename="camel"):
    """What the key may not see comes empty, and is named in ``restricted``."""

    employee_id: EmployeeId
    work_email: str | None = None
    employee_number: int | str | None = None
    hire_date: str | None = None
    termination_date: str | None = None
    restricted: tuple[str, ...] = field(default=(), name="_restrictedFields")


class JobRow(Struct, frozen=True):
    """A column that the key may not see is left out."""

    date: str | None = None
    department: str | UnsetType | None = UNSET
    location: str | None = None


class StatusRow(Struct, frozen=True, rename="camel"):
    date: str | None = None
    employment_status: str | None = None


class Told(Struct, frozen=True, rename="camel"):
    """A person, and the rows of two tables, in any order."""

    employee: Employee
    job_info: tuple[JobRow, ...] = ()
    employment_status: tuple[StatusRow, ...] = ()


class RequestStatus(Struct, frozen=True):
    status: str


class Request(Struct, frozen=True):
    """``start`` and ``end`` are the first and the last day."""

    id: int | str
    start: str
    end: str
    status: RequestStatus


class Absence(Struct, frozen=True):
    absence: Request
    employee: Employee | None = None


class Unknown(Struct, frozen=True):
    id: EmployeeId
    deleted: bool = False


class Listed(Struct, frozen=True):
    id: EmployeeId


class Detail(Struct, frozen=True, rename="camel"):
    employee_id: EmployeeId


class Body(Struct, frozen=True):
    """Of an event-based webhook, or of a field-based one."""

    data: Detail | None = None
    employees: tuple[Listed, ...] = ()


class Cursor(Struct):
    """The latest change that was read, and the latest at the time when all absences had been read."""

    since: datetime = BEGINNING
    absences: datetime = BEGINNING


class BambooHR(Connector):
    """``identifier``: by which of them other sources know a person too. ``zone``: of all dates. ``statuses``: what further
    employment statuses mean, or the known ones in another way.
    """

    name: ClassVar[str] = "bamboohr"
    signs_time: ClassVar[bool] = True
    tells: ClassVar[Tells] = tells("joined moved left absent")
    identifier: Literal["workEmail", "employeeNumber"] = "workEmail"
    zone: ZoneName = "UTC"
    statuses: Mapping[str, Status] = {}

    @cached_property
    def _statuses(self) -> Mapping[str, Status]:
        known: dict[str, Status] = dict.fromkeys(map(_plain, EMPLOYED), "employed")
        known |= dict.fromkeys(map(_plain, LEFT), "left")
        return known | {_plain(name): status for name, status in self.statuses.items()}

    @cached_property
    def _day(self) -> Callable[[str], datetime]:
        return day_reader(("iso",), zone(self.zone))

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        """Without the second it answers in XML."""
        return {"authorization": "Basic " + b64encode(f"{secret}:x".encode()).decode(), "accept": "application/json"}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        yield from self._changed(api, at)
        yield from self._absences(api, at, now)
        at.absences = at.since
        yield Page([], as_cursor(at), now - OVERLAP, False)

    def _changed(self, api: Api, at: Cursor) -> Iterator[Page]:
        since = {"since": (at.since - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")}
        changed = _by_id(api.get("/v1/employees/changed", since))
        tables = {table: _by_id(api.get(f"/v1/employees/changed/tables/{table}", since)) for table in TABLES}
        last: dict[str, datetime] = {}
        for found in (changed, *tables.values()):
            for employee, one in found.items():
                stamp = one.get("lastChanged")  # those of before 2011 have none
                last[employee] = max(_time(stamp) if stamp else BEGINNING, last.get(employee, BEGINNING))
        for some in _parts(sorted(last, key=lambda employee: (last[employee], int(employee)))):
            gone = {employee for employee in some if changed.get(employee, {}).get("action") == DELETED}
            there = self._employees(api, [employee for employee in some if employee not in gone])
            documents: list[Document] = []
            for employee in some:
                if employee in there:
                    rows = {table: _rows(api, employee, table, tables[table]) for table in TABLES}
                    documents.append({"employee": there[employee], **rows})
                else:
                    documents.append({"unknown": {"id": employee, "deleted": employee in gone}})
            at.since = max(at.since, last[some[-1]])
            yield Page(documents, as_cursor(at), None, True)

    def _absences(self, api: Api, at: Cursor, now: datetime) -> Iterator[Page]:
        """Those that have begun: before that they are called off too often."""
        window = {
            "start": (at.absences - LATE_APPROVAL).date().isoformat(),
            "end": now.astimezone(zone(self.zone)).date().isoformat(),
        }
        requests = api.get("/v1/time_off/requests", {**window, "status": "approved"})
        of: dict[str, list[Document]] = {}
        for request in requests:
            of.setdefault(str(request["employeeId"]), []).append(request)
        for some in _parts(sorted(of)):
            there = self._employees(api, some)
            documents = [{"absence": one, "employee": there.get(employee)} for employee in some for one in of[employee]]
            yield Page(documents, as_cursor(at), None, True)

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        """The history of an employee. Absences come by polling alone: only there is known what has begun."""
        try:
            there = self._employees(api, [subject])
            rows = {table: _rows(api, subject, table, {}) for table in TABLES if there}
        except Refused as refused:
            if refused.status == 404:
                return ()
            raise
        return [{"employee": employee, **rows} for employee in there.values()]

    def _employees(self, api: Api, ids: Sequence[str]) -> dict[str, Document]:
        """At most ``AT_ONCE``, by id; without those whom the key may not see."""
        if not ids:
            return {}
        query = {"filter[ids]": ",".join(ids), "fields": ",".join(FIELDS), "page[limit]": str(AT_ONCE)}
        return {str(employee["employeeId"]): employee for employee in api.get("/v1/employees", query)["data"]}

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        stamp = hook.headers.get("x-bamboohr-timestamp", "")
        recent(stamp, _stamp, hook.at)
        signed(hook.headers.get("x-bamboohr-signature", ""), hook.body + stamp.encode(), secrets, hex_of_hmac)

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        try:
            body = decoded(hook.body, Body)
        except Unreadable as error:
            reason = "no JSON: choose JSON as the format of the webhook" if error.reason == "no JSON" else error.reason
            raise Unreadable(reason) from None
        named = [one.id for one in body.employees] + ([body.data.employee_id] if body.data else [])
        if not named:
            raise Unreadable("names no employee: neither data.employeeId nor employees")
        yield from (Doorbell(str(employee)) for employee in dict.fromkeys(named))

    # -- what it means
    def is_history(self, document: Document) -> bool:
        return "absence" not in document

    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        if "unknown" in document:
            raise self._unknown(converted(document["unknown"], Unknown))
        if "employees" in document:
            raise Unreadable("a directory tells where people are, but not since when: let the API key see 'jobInfo'")
        if "absence" in document:
            yield from self._absent(converted(document, Absence), people)
            return
        told = converted(document, Told)
        if str(told.employee.employee_id) in self.bots:
            return
        person, doubts = self._person(told.employee, people), list[Doubt]()
        places = self._places(told, doubts)
        employed = _employments(self._marks(told, doubts))
        yield from events(people, person, list(placed(employed, places)), doubts)

    def _unknown(self, unknown: Unknown) -> Unreadable:
        if unknown.deleted:
            reason = (
                "was deleted, which tells neither who it was nor since when: terminate employees, do not delete them"
            )
        else:
            reason = "may not be seen by the API key: give its user access to all employees"
        return Unreadable(reason, place=_place(unknown.id))

    def _person(self, employee: Employee, people: People) -> str:
        """Raises ``Unreadable``: for want of an identifier one person would be two, before and after it is filled in."""
        place = _place(employee.employee_id)
        if hidden := [name for name in FIELDS if name in employee.restricted]:
            raise Unreadable(f"the API key may not see {', '.join(hidden)}: give its user access to it", place=place)
        native = str(employee.employee_id)
        own = employee.work_email if self.identifier == "workEmail" else employee.employee_number
        own = str(own or "").strip()
        if not own and not people.identity.alias(native, people.source):
            raise Unreadable(f"has no {self.identifier}: fill it in, or name the person in the alias file", place=place)
        return people.person(native, own)

    def _marks(self, told: Told, doubts: list[Doubt]) -> Mapping[datetime, Status]:
        """From when on somebody is employed or has left: by the table, and by the two dates where it has no row of that day.
        Raises ``Unreadable``.
        """
        marks: dict[datetime, Status] = {}
        employee = told.employee
        for row in told.employment_status:
            place = _place(employee.employee_id, "employmentStatus", row.date)
            at, status = self._date(row.date, place), self._statuses.get(_plain(row.employment_status))
            if status is None:
                name = (row.employment_status or "").strip()
                reason = f"unknown employment status {name!r}: say under 'statuses' whether it means employed or left"
                doubts.append(Doubt(reason, place, at))
            elif marks.setdefault(at, status) != status:
                doubts.append(Doubt("another row of this day says the contrary: delete the wrong one", place, at))
        place = _place(employee.employee_id)
        if not _empty(employee.hire_date):
            marks.setdefault(self._date(employee.hire_date, place), "employed")
        if not _empty(employee.termination_date):
            marks.setdefault(self._date(employee.termination_date, place), "left")
        if not marks and not doubts:
            reason = "has neither a hire date nor an employment status: fill it in, or let the API key see it"
            raise Unreadable(reason, place=place)
        return marks

    def _places(self, told: Told, doubts: list[Doubt]) -> Mapping[datetime, tuple[str, str]]:
        """Department and location, from when on. Raises ``Unreadable``."""
        places: dict[datetime, tuple[str, str]] = {}
        for row in told.job_info:
            place = _place(told.employee.employee_id, "jobInfo", row.date)
            if row.department is UNSET:
                raise Unreadable("the API key may not see 'department': give its user access to it", place=place)
            at, there = self._date(row.date, place), ((row.department or "").strip(), (row.location or "").strip())
            if places.setdefault(at, there) != there:
                doubts.append(Doubt("another row of this day names another place: delete the wrong one", place, at))
        return places

    def _date(self, text: str | None, place: str) -> datetime:
        """Raises ``Unreadable``."""
        if text is None or _empty(text):
            raise Unreadable("has no date: fill it in", place=place)
        try:
            return self._day(text)
        except Unreadable as error:
            raise Unreadable(f"{error.reason}; correct the date", place=place) from None

    def _absent(self, told: Absence, people: People) -> Iterator[FromOutside]:
        """Raises ``Unreadable``. A part of a day counts as the day."""
        request, employee, place = told.absence, told.employee, f"time off request {told.absence.id}"
        status = request.status.status
        if status in NOT_ABSENT:
            return
        if status != "approved":
            raise Unreadable(
                f"unknown status {status!r} of a request: known are approved, {', '.join(NOT_ABSENT)}", place=place
            )
        if employee is None:
            raise Unreadable("is of somebody whom the API key may not see: give its user access to all", place=place)
        if str(employee.employee_id) in self.bots:
            return
        first, last = self._date(request.start, place), self._date(request.end, place)
        if last < first:
            raise Unreadable("ends before it begins: correct its dates", place=place)
        yield absent(people, self._person(employee, people), first, next_day(last, zone(self.zone)))


def _employments(marks: Mapping[datetime, Status]) -> Iterator[tuple[datetime, datetime | None]]:
    begun: datetime | None = None
    for at, status in sorted(marks.items()):
        if status == "employed":
            begun = begun or at
        elif begun is not None:
            yield begun, at
            begun = None
    if begun is not None:
        yield begun, None


def _place(employee: int, table: str = "", date: str | None = None) -> str:
    """Where to find it in the product."""
    return f"employee {employee}" + (f", {table} {date or 'without date'}" if table else "")


def _empty(date: str | None) -> bool:
    return date is None or date.strip() in NO_DATES


def _plain(name: str | None) -> str:
    return (name or "").strip().casefold()


def _by_id(answer: Document) -> Mapping[str, Document]:
    """Nobody is an empty list."""
    return answer.get("employees") or {}


def _rows(api: Api, employee: str, table: str, known: Mapping[str, Document]) -> Sequence[Document]:
    if employee in known:
        rows: Sequence[Document] = known[employee].get("rows") or []
    else:
        rows = api.get(f"/v1/employees/{employee}/tables/{table}")
    return rows


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE))
