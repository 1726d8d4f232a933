"""From norms files and the store to the pages: one for each department that is large enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, partial

from deploy.norms_page.observed import MEASURES, Ask, Observed, Told
from deploy.norms_page.open_hours import hours_of
from deploy.norms_page.page import Contact, Line, Link, Page, Service, Share, Time, Turnaround, Written, file_of
from deploy.norms_page.promised import Found, entry_at, promises_of
from deploy.norms_page.reply import reply_text
from deploy.norms_page.waiting import KINDS as WAITED_FOR
from deploy.norms_page.waiting import line_of
from deploy.numbers import in_order
from ingest.event import instant as instant_of
from streams.configuration import Configuration
from streams.hidden import MIN_HEADCOUNT
from streams.norm_entry import FINISH, KINDS

AT_ONCE = 50
"""The store is asked about so many departments at a time."""


class NoPage(ValueError):
    """There is no such page; the message says where to look instead."""


class Pages:
    """All pages of an installation. ``now`` (UTC µs) counts where nothing has been measured."""

    def __init__(self, config: Configuration, ask: Ask, now: int) -> None:
        self.config, self.ask, self.told = config, ask, Told(ask)
        latest = self.told.as_of("")
        self.now = now if latest is None else latest
        self._asked: dict[str, Observed] = {}

    @cached_property
    def departments(self) -> list[str]:
        """In the order of the company file; where groups are departments, those that there are."""
        config = self.config
        if not config.company.each:
            return list(config.departments)
        known = {*config.departments, *config.norms.versions, *self.told.departments}
        return in_order({d for d in known if not d.startswith("_")}, config)

    @cached_property
    def hidden(self) -> Mapping[str, list[str]]:
        """Those without a page, each with the small ones for whose sake: nothing that was observed of them is told."""
        return self.config.hidden(self.now)

    def place(self, department: str) -> str | None:
        """Whose page tells of it: its own, or that of the nearest above it that has one. None: nobody's."""
        return next((d for d in reversed(self._line(department)) if d not in self.hidden), None)

    def made(self, department: str | None = None) -> list[Page]:
        """All pages; or the one of ``department``. Raises :class:`NoPage`."""
        chosen = self._chosen(department)
        known: dict[int, list[str]] = {}
        for one in chosen:
            if (as_of := self.told.as_of(one)) is not None:
                known.setdefault(as_of, []).append(one)
        for as_of, departments in known.items():
            for i in range(0, len(departments), AT_ONCE):
                together = departments[i : i + AT_ONCE]
                observed = Observed(self.ask, self.config, together, as_of)
                self._asked.update(dict.fromkeys(together, observed))
        return [self._page(one) for one in chosen]

    def _chosen(self, department: str | None) -> list[str]:
        if department is None:
            return [d for d in self.departments if d not in self.hidden]
        if department not in self.departments:
            raise NoPage(f"there is no department {department!r}: there are {', '.join(self.departments) or 'none'}")
        if (shown := self.place(department)) != department:
            where = f"it is on the page of {shown!r}" if shown else "what is above it has none, so no page tells of it"
            raise NoPage(f"{department!r} has no page, {self._why(department)}: {where}")
        return [department]

    def _why(self, department: str) -> str:
        small = self.hidden[department]
        if small[0] in self._line(department):
            return f"since {small[0]!r} has fewer than {MIN_HEADCOUNT} people"
        return f"or the numbers above it would give away those of {' and '.join(map(repr, small))}"

    def _page(self, department: str) -> Page:
        config, known = self.config, self.told.as_of(department)
        at = self.now if known is None else known
        observed = self._asked.get(department)
        judged = None if observed is None else observed.by_norm(department)
        found = list(promises_of(config, department, at, judged, self.hidden))
        written, above = self.written(department, at, found), self._above(department)
        turnaround = list(self._turnaround(department, found, observed))
        return Page(
            department=department,
            name=written.name,
            organisation=config.files.company.organisation,
            as_of=instant_of(at),
            since=None if observed is None else instant_of(observed.since),
            above=None if above is None else self.link(above),
            below=[self.link(d) for d in self.departments if self._above(d) == department and d not in self.hidden],
            small=[self.written(d, at) for d in self.departments if d in self.hidden and self.place(d) == department],
            services=written.services,
            contact=written.contact,
            hours=written.hours,
            turnaround=turnaround,
            lines=[] if observed is None else list(self._lines(department, observed)),
            honesty=Share.of(sum(f.met for f in found), sum(f.n for f in found))
            if judged is not None and found
            else None,
            coverage=self._coverage(department, observed),
            reply=reply_text(written, turnaround, at),
        )

    def written(self, department: str, at: int, found: list[Found] | None = None) -> Written:
        """What its norms say of it. ``found``: its promises with what was observed, where that may be told."""
        entry = entry_at(self.config, department, at)
        contact = None if entry is None else entry.contact
        if found is None:
            found = list(promises_of(self.config, department, at, None, self.hidden))
        return Written(
            department=department,
            name=self.config.name(department),
            services=[Service(s.name, s.description) for s in (() if entry is None else entry.services)],
            contact=None if contact is None else Contact(**contact.model_dump()),
            hours=hours_of(self.config, department, at),
            promised=[(one.kind, one.promised) for one in found],
        )

    def link(self, department: str) -> Link:
        return Link(department, self.config.name(department), file_of(department))

    def _turnaround(self, department: str, found: list[Found], observed: Observed | None) -> Iterator[Turnaround]:
        """Of each kind that is promised, or has happened."""
        for kind in KINDS:
            promised = [one.promised for one in found if one.kind == kind]
            told = partial(self.told.get, MEASURES.get(kind, kind), department=department)
            p50, p90 = (Time.told(told(ending)) for ending in ("p50_seconds", "p90_seconds"))
            if kind == FINISH and observed is not None:  # the measure's own indicators are of all that it holds
                survival = observed.durations(department, MEASURES[kind]).survival()
                p50, p90 = (Time.of(survival.percentile(share), survival.n) for share in (0.5, 0.9))
            if promised or (p50 is not None and p50.n):
                attainment = Share.told(told("attainment_ratio"))
                yield Turnaround(kind=kind, promised=promised, attainment=attainment, p50=p50, p90=p90)

    def _lines(self, department: str, observed: Observed) -> Iterator[Line]:
        for kind in WAITED_FOR:
            line = line_of(kind, department, self.told, observed, self.config.calendar(department))
            if line.waiting or line.ages:
                yield line

    def _coverage(self, department: str, observed: Observed | None) -> Share | None:
        """What those below it offer is offered by it too. None where nobody has written anything."""
        if observed is None:
            return None
        line = [d for d in self.departments if department in self._line(d)]
        entries = [entry for d in line if (entry := entry_at(self.config, d, observed.as_of)) is not None]
        offered = [service.name for entry in entries for service in entry.services]
        return observed.coverage(department, offered) if offered else None

    def _line(self, department: str) -> list[str]:
        return self.config.company.line(department, self.now)

    def _above(self, department: str) -> str | None:
        return next(iter(self._line(department)[-2:-1]), None)
