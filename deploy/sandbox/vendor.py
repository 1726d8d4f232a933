"""What every fake of a helpdesk brings: its addresses, what it knows a client by, its names for groups, its webhooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox.company import Company
from ingest.exclusion import Reason

USER = "reader@tidewell.example"
BOT_NAME = "Helping Hand"
EXCLUDE = {reason.value: reason.value for reason in Reason}
"""The label of what is excluded is its reason."""
_encode = msgspec.json.Encoder().encode


class Call(NamedTuple):
    """A webhook as it is sent."""

    headers: Mapping[str, str]
    body: bytes


class Vendor(ABC):
    """``page``: so many records a page has at most, where that is less than what the vendor gives.

    ``settings``: those of our connector, as far as they differ from its defaults.
    """

    name: ClassVar[str]
    settings: Mapping[str, Any]

    def __init__(self, company: Company, page: int) -> None:
        self.company, self.page = company, page
        plan = company.plan
        self._groups = _numbered(name for department in plan.departments for name in department.groups)
        self._units = _numbered(unit.name for unit in plan.units)
        self._services = _numbered(service.name for service in plan.services)

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """What it answers."""

    @abstractmethod
    def knows(self, headers: Mapping[str, str], secret: str) -> bool:
        """Whether the request is one of the user who may read."""

    @abstractmethod
    def subject(self, case: int) -> str:
        """Its id of the case."""

    @abstractmethod
    def group(self, name: str) -> str:
        """Its id of a group that works on cases. Raises KeyError."""

    @abstractmethod
    def unit(self, name: str) -> str:
        """Its id of a unit that asks. Raises KeyError."""

    @abstractmethod
    def service(self, name: str) -> str:
        """Its word for a service. Raises KeyError."""

    @abstractmethod
    def call(self, case: int, at: int, secret: str, stamp: datetime) -> Call | None:
        """The webhook that tells of what happened to the case in the second ``at``, signed at ``stamp``; None: it has none."""

    def name_of(self, group: str, *, asks: bool) -> str:
        """What a group is called that has this id; ``asks``: a unit. Empty: there is none such."""
        names, its = (self._units, self.unit) if asks else (self._groups, self.group)
        return next((name for name in names if its(name) == group), "")

    def route(self, path: str, handler: Callable[[Request], Response]) -> Route:
        """Answers are made at once, while the clock stands still."""

        async def endpoint(request: Request) -> Response:
            with self.company.lock:
                return handler(request)

        return Route(path, endpoint)

    def size(self, wanted: str | None, usual: int, most: int) -> int:
        """Of a page. Raises :class:`ValueError`."""
        size = min(int(wanted or usual), most)
        return min(size, self.page) if self.page else size


def answer(told: Any, status: int = 200) -> Response:
    return Response(_encode(told), status, media_type="application/json")


def encoded(told: Any) -> msgspec.Raw:
    """As a part of an :func:`answer`."""
    return msgspec.Raw(_encode(told))


def iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _numbered(names: Iterable[str]) -> Mapping[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}
