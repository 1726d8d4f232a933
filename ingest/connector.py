"""CONTRACT: what a connector is. One source = one file in ``connectors/``, one fixture, one line in its ``__init__``.

A connector is pure: it gets lines or answers and yields records; who opens files and sockets is the shell around it. What a
source tells comes in documents, by every way in (a page of a poll, one case, a webhook), and ``parse`` alone says what they
mean: so the same change is the same event, however it came.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from ingest.event import (
    TYPE_PREFIX,
    TYPES,
    Answered,
    CaseEvent,
    FeedbackEvent,
    OpenPositions,
    PersonEvent,
    Rated,
    Unreadable,
    decode,
    encode,
)
from ingest.identity import People


class Rejected(Struct, frozen=True, kw_only=True):
    """A row or record that could not be read: ``place`` (file:line) tells where, ``subject`` which case, if known."""

    source: str
    reason: str
    place: str = ""
    subject: str = ""
    raw: str = ""


class BadFile(Exception):
    """Nothing of the file can be used: show ``reason`` and ``mend`` to who named the file."""

    def __init__(self, reason: str, mend: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {reason}; {mend}" if place else f"{reason}; {mend}")
        self.reason, self.mend, self.place = reason, mend, place

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return partial(type(self), place=self.place), (self.reason, self.mend)


class LogConnector(ABC):
    """A source that is a log in a file.

    ``source`` is the name of the source in events and in the company file.
    """

    name: ClassVar[str]
    source: str

    @abstractmethod
    def events(self, lines: Iterable[str], place: str) -> Iterator[CaseEvent | Rejected]:
        """Events of all cases, in any order. ``lines`` keep their line ends; ``place`` names the file in messages.

        Raises :class:`BadFile` when nothing of the file can be used (a missing column, an empty file).
        """


Document = Mapping[str, Any]
"""What :meth:`Connector.parse` reads: decoded JSON, or as much of it as the connector took over."""
FromOutside = CaseEvent | PersonEvent | OpenPositions | FeedbackEvent
_OF_PERSONS = PersonEvent | Answered | Rated


class Api(Protocol):
    """The source's own interface. The shell adds the address, the credentials, patience and the budget; it raises
    :class:`Refused` for what waiting does not mend.
    """

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        """The answer's JSON, decoded."""

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] = {}) -> Any:
        """The same, for a source that is asked by a body."""


class Refused(Exception):
    """The source answered ``status`` (400 to 499 but 429): show ``reason`` to who set it up. 404 of a single case: it is gone."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status, self.reason = status, reason


class Page(NamedTuple):
    """``cursor``: from where to go on, when all events of the page are acknowledged. ``until``: up to when everything of the source
    is in this page or one before it, None while that is not known. ``more``: the next is there already.
    """

    documents: Sequence[Document]
    cursor: str
    until: datetime | None
    more: bool


class Hook(NamedTuple):
    """A webhook as it came. ``headers`` by name in lower case."""

    headers: Mapping[str, str]
    body: bytes
    at: datetime


class Doorbell(NamedTuple):
    """A webhook that tells no more than that this case has changed: it is asked for."""

    subject: str


class Forged(Exception):
    """A webhook that is not the source's, or came too late: ``reason`` is a word of a closed list, for it is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Tells = frozenset[type[FromOutside]]


def tells(names: str) -> Tells:
    """Types of events by their names, with blanks between. Raises KeyError."""
    return frozenset(TYPES[TYPE_PREFIX + name] for name in names.split())  # type: ignore[misc]


class Connector(BaseModel, ABC):
    """A source with an API, webhooks, or both. Its fields are its settings; secrets are not among them.

    ``source`` is the name of the source in events and in the company file; ``bots``: the source's ids of actors who are no
    persons. ``tells``: the types of events that it can tell. ``signs_body``, ``signs_time``: what of a webhook a forger cannot
    change. What it has no use for it does not override: :func:`is_polled`, :func:`has_hooks`
    and :func:`reads_files` tell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    tells: ClassVar[Tells]
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = False
    source: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\x00]+$")]
    bots: frozenset[str] = frozenset()

    def parse(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        """The events of a document, and what cannot be read of it. Whatever is in it: raises nothing."""
        try:
            for made in self.means(document, people):
                yield made if isinstance(made, Rejected) else valid(made)
        except Unreadable as error:
            yield self._rejected(error)

    @abstractmethod
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        """What :meth:`parse` says, as far as it can be read; raises ``Unreadable`` where nothing more can be."""

    def is_history(self, document: Document) -> bool:  # noqa: ARG002 - of the sources that tell changes, no document is
        """Whether all is in it that the source has to say of where a person was, and since when: it replaces what was told before.
        Else it tells changes, and these are added.
        """
        return False

    def authorization(self, secret: str) -> Mapping[str, str]:
        """The headers by which the API knows us."""
        raise NotImplementedError

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        """The pages from ``cursor`` (empty: from the beginning) to what is there ``now``."""
        raise NotImplementedError

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        """All documents of one case: for a doorbell, and to compare. Empty: there is none such."""
        raise NotImplementedError

    def group_name(self, api: Api, group: str, *, asks: bool) -> str:
        """What a group is called whose id stands in events; ``asks``: one that requesters belong to. Empty: it has no name, or is
        gone. Only of a source that names its groups by ids.
        """
        raise NotImplementedError

    def filed(self, lines: Iterable[str], place: str) -> Iterator[Document | Rejected]:
        """The documents of a file; ``lines`` keep their ends. Raises :class:`BadFile` when nothing of it can be used."""
        raise NotImplementedError

    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        """Whether the source sent it, by one of ``secrets`` (several while they are being changed). Raises :class:`Forged`."""
        raise NotImplementedError

    def received(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """What a webhook that was verified tells, and what cannot be read of it. Whatever is in it: raises nothing."""
        try:
            yield from self.told_by(hook)
        except Unreadable as error:
            yield self._rejected(error)

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """What :meth:`received` says, as far as it can be read; raises ``Unreadable`` where nothing more can be."""
        raise NotImplementedError

    def _rejected(self, error: Unreadable) -> Rejected:
        return Rejected(source=self.source, reason=error.reason, place=error.place, subject=error.subject)


def valid(event: FromOutside) -> FromOutside:
    """As whoever reads it will find it. Raises ``Unreadable``: a name that is too long, a number that is too large; it tells the
    case, and never the person whom an event is about or who has answered.
    """
    try:
        decode(encode(event))
    except (Unreadable, ValueError, OverflowError) as error:
        subject = "" if isinstance(event, _OF_PERSONS) else event.subject
        raise Unreadable(str(error), subject=subject) from None
    return event


def is_polled(connector: type[Connector]) -> bool:
    return connector.fetch is not Connector.fetch


def has_hooks(connector: type[Connector]) -> bool:
    return connector.told_by is not Connector.told_by


def names_groups(connector: type[Connector]) -> bool:
    return connector.group_name is not Connector.group_name


def reads_files(connector: type[Connector]) -> bool:
    return connector.filed is not Connector.filed
