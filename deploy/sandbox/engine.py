"""One engine for all fakes: a company, a clock, the server in a thread of its own, and webhooks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers

from deploy.sandbox.company import Company, configuration
from deploy.sandbox.faults import Faults, Gate
from deploy.sandbox.jira_service_management import JiraServiceManagement
from deploy.sandbox.people import People
from deploy.sandbox.servicenow import ServiceNow
from deploy.sandbox.vendor import Call, Vendor
from deploy.sandbox.zendesk import Zendesk
from ingest.connectors.simulated import START

VENDORS: Mapping[str, type[Vendor]] = {vendor.name: vendor for vendor in (Zendesk, ServiceNow, JiraServiceManagement)}
PATIENCE = 30.0


class Sent(NamedTuple):
    """``changes`` that happened, ``calls`` that were made of them; of these ``refused``: answered by nobody, or not by 2xx."""

    changes: int
    calls: int
    refused: int
    dropped: int


class Sandbox:
    """A fake of ``vendor`` that tells of a simulated company, from ``start`` on for ``days`` days.

    ``at``: what its clock shows at first; nothing given: the end of the last day, when all is there. ``clock``: the clock it
    follows, instead of one that stands still until :meth:`advance`. ``page``: so many records a page has at most (0: as many as
    the vendor gives). A vendor's ``secret`` is what its API knows a client by, ``hook_secret`` what it signs webhooks with. In
    a ``with`` statement it is served on 127.0.0.1 at ``url``; ``port`` 0: any free one.
    """

    def __init__(
        self,
        vendor: str,
        *,
        seed: int = 1,
        days: int = 14,
        start: date = START,
        cases_per_day: float | None = None,
        departments: int | None = None,
        at: datetime | None = None,
        clock: Callable[[], datetime] | None = None,
        page: int = 0,
        port: int = 0,
        source: str = "",
        secret: str = "",
        hook_secret: str = "",
        faults: Faults | None = None,
    ) -> None:
        """Raises ``KeyError`` for a vendor that there is no fake of, ``ValueError`` for a company that there is none of."""
        kind = VENDORS[vendor]
        self.data = Company(seed, days, start=start, cases_per_day=cases_per_day, departments=departments)
        self.vendor = kind(self.data, page)
        self.source = source or vendor
        self.secret = secret or _made_up(f"secret {vendor} {seed}")
        self.hook_secret = hook_secret or _made_up(f"hook secret {vendor} {seed}")
        self.faults = faults or Faults(seed=seed)
        end = datetime.combine(start + timedelta(days=days), time(), UTC)
        self._clock, self._now = clock, at or end
        self._told = self._moved()
        self._late: list[Call] = []
        self._port = port
        self.gate = Gate(Starlette(routes=list(self.vendor.routes())), self.faults, self._knows)

    # -- the clock
    @property
    def now(self) -> datetime:
        return self._clock() if self._clock else self._now

    def advance(self, delta: timedelta) -> None:
        """What happens meanwhile is there from now on."""
        self._now += delta
        self._moved()

    def _moved(self) -> int:
        """In seconds since 1970."""
        now = int(self.now.timestamp())
        with self.data.lock:
            self.data.move(now)
        return now

    # -- for whoever connects to it
    @property
    def settings(self) -> dict[str, Any]:
        """Of our connector."""
        return {"source": self.source, **self.vendor.settings}

    @property
    def people(self) -> People:
        return self.data.people

    def company(self, pseudonym: Callable[[str], str]) -> dict[str, Any]:
        """``company.yaml``, with groups and units as the vendor names them. ``pseudonym``: of an e-mail address."""
        return configuration(self.data, self.source, self.vendor.group, self.vendor.unit, pseudonym)

    def renew(self) -> None:
        """A new secret, for one that has expired."""
        self.secret = _made_up(f"another than {self.secret}")
        self.gate.expired = False

    def _knows(self, headers: Headers) -> bool:
        if self._clock:
            self._moved()
        return self.vendor.knows(headers, self.secret)

    # -- webhooks
    def hooks(self, stamp: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Call]:
        """Those of all that has happened since they were last asked for, as they would be sent. ``stamp``: when they are signed."""
        since, until = self._told, self._moved()
        self._told = until
        with self.data.lock:
            changes = list(self.data.changes(since, until))
        for at, case in changes:
            with self.data.lock:
                call = self.vendor.call(case, at, self.hook_secret, stamp())
            if call is not None:
                yield call

    def send_hooks(self, url: str) -> Sent:
        """Sends those of all that has happened since, each once and in order but for the faults that are set."""
        late, self._late = self._late, []
        changes = calls = refused = dropped = 0
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:

            def send(call: Call) -> None:
                nonlocal calls, refused
                calls += 1
                try:
                    refused += not client.post(url, content=call.body, headers=dict(call.headers)).is_success
                except httpx.TransportError:
                    refused += 1

            for call in self.hooks():
                changes += 1
                fault = self.faults.hook()
                if fault == "drop":
                    dropped += 1
                elif fault == "late":
                    late.append(call)
                else:
                    for _ in range(2 if fault == "double" else 1):
                        send(call)
            for call in late:
                send(call)
        return Sent(changes, calls, refused, dropped)

    # -- the server
    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", self._port))
        # what is accepted inherits it: head and body of an answer are two packets, and the second waits for nobody
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        config = uvicorn.Config(
            self.gate, lifespan="off", ws="none", access_log=False, log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name=f"sandbox {self.vendor.name}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def _made_up(seed: str) -> str:
    return blake2b(seed.encode(), digest_size=20).hexdigest()
