"""A simulated company as its own files describe it to crossdesk: ``company.yaml`` and ``norms.yaml``, as plain data."""

from __future__ import annotations

from datetime import date
from typing import Any

from ingest.simulation.opening import Office
from ingest.simulation.parts import Company, Department
from ingest.simulation.world import SOURCE


def company_file(company: Company) -> dict[str, Any]:
    """What ``company.yaml`` holds."""
    office = company.office
    return {
        "organisation": company.name,
        "zone": office.zone,
        "hours": dict(office.hours),
        "holidays": office.country,
        "sources": [SOURCE],
        "departments": [_division(company, d.id, d.name, d.parent) for d in company.divisions],
        "groups": _groups(company),
        **({"people": [_person(*entry) for entry in company.people]} if company.people else {}),
    }


def norms_file(company: Company) -> dict[str, Any]:
    """What ``norms.yaml`` holds: each version of a department's hours and promises whole."""
    offices = {unit.name: unit.office for unit in company.units}
    entries = [entry for d in company.departments for entry in _versions(d, offices[d.unit])]
    entries += [{"department": d.id, **_hours(d.office, None)} for d in company.divisions if d.office]
    return {"norms": entries}


def _division(company: Company, id: str, name: str, parent: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": id, "name": name}
    if parent:
        entry["parent"] = parent
    zones = {d.id: d.office.zone for d in company.divisions if d.office}
    offices = {unit.name: unit.office for unit in company.units}
    zones |= {d.id: offices[d.unit].zone for d in company.departments}
    if id in zones:
        entry["zone"] = zones[id]
        entry["head_count"] = sum(unit.heads for unit in company.units if unit.department == id)
    return entry


def _groups(company: Company) -> list[dict[str, Any]]:
    """Of each department those that work on cases, then the units of those who ask."""
    entries: list[dict[str, Any]] = []
    for division in company.divisions:
        names = [g for d in company.departments if d.id == division.id for g in d.groups]
        names += [unit.name for unit in company.units if unit.department == division.id]
        entries += [{"source": SOURCE, "group": name, "department": division.id} for name in dict.fromkeys(names)]
    entries += [
        {"source": SOURCE, "group": group, "department": department, "since": since.isoformat()}
        for since, group, department in company.moves
    ]
    return entries


def _person(who: str, department: str, since: date | None) -> dict[str, Any]:
    return {"person": who, "department": department} | ({"since": since.isoformat()} if since else {})


def _versions(department: Department, office: Office) -> list[dict[str, Any]]:
    days = {norm.since for norm in department.norms} | {since for since, _ in office.later}
    entries = []
    for day in sorted(days, key=lambda day: day or date.min):
        norm = [n for n in department.norms if (n.since or date.min) <= (day or date.min)][-1]
        entry: dict[str, Any] = {"department": department.id}
        if day is not None:
            entry["valid_from"] = day.isoformat()
        entry |= _hours(office, day)
        for kind in ("first_response", "next_response", "resolution"):
            some = [{"priority": priority, "target": t} for priority, t in norm.priorities.get(kind, {}).items()]
            entry[kind] = [getattr(norm, kind), *some] if some else getattr(norm, kind)
        entry["acceptance"] = dict(norm.acceptance)
        if norm.finish:
            entry["finish"] = dict(norm.finish)
        entries.append(entry)
    return entries


def _hours(office: Office, day: date | None) -> dict[str, Any]:
    hours = office.hours
    for since, later in office.later:
        if day is not None and since <= day:
            hours = later
    entry: dict[str, Any] = {"zone": office.zone, "hours": dict(hours), "holidays": office.country}
    if office.closures:
        entry["closures"] = [f"{first}..{last}" for first, last in office.closures]
    if office.half_days:
        entry["half_days"] = {day.isoformat(): times for day, times in office.half_days.items()}
    return entry
