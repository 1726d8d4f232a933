"""A shared mailbox over IMAP, by the headers of its mails: a thread is a case. No body is ever fetched.

``ingest/imap.py`` answers what is asked here::

    FOLDER   name, since_uid  {"uidvalidity": 7, "messages": [...], "more": false}: the next mails with a higher UID
    MESSAGE  id               {"message": {...}}, or null: the mail with this Message-ID
    THREAD   id               {"messages": [...]}: it, those that name it under References or In-Reply-To, and answers to them

A mail is dated by INTERNALDATE, when the mailbox received it: the Date header is the sender's clock. Message-IDs may carry
addresses, so that they leave as keyed hashes only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Struct
from pydantic import BeforeValidator, Field

from ingest import event as e
from ingest.change import Change, Message, events
from ingest.changes import Meant
from ingest.connector import Api, Connector, Document, FromOutside, Page, Rejected, Tells, tells
from ingest.event import Actor, CreatedData, RoutedData
from ingest.identity import People
from ingest.reading import converted
from ingest.times import time_reader

LATEST = timedelta(minutes=1)
"""What was received within it may not be in its folder yet."""
DEEPEST = 100
"""So many mails back a thread is followed where mails name only the one before."""
DEEPEST_ORDER = 1 << 16
AUTOMATIC_PRECEDENCE = ("auto_reply", "bulk", "junk")
DAEMON = "mailer-daemon@"

_time = time_reader(("iso",), UTC)


def _addresses(given: Any) -> Any:
    return (
        frozenset(one.strip().casefold() for one in given)
        if isinstance(given, list | tuple | set | frozenset)
        else given
    )


Addresses = Annotated[frozenset[str], BeforeValidator(_addresses)]


# -- what is read of a mail: nothing else
class Mail(Struct, frozen=True):
    """``received`` is INTERNALDATE; ``saved`` (RFC 8514, where the server has it) when it came into this folder. Addresses in lower
    case, without names; ids with their angle brackets; other headers as they are.
    """

    folder: str
    uid: int
    received: str
    message_id: str = ""
    saved: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    sender: str = ""
    from_: tuple[str, ...] = msgspec.field(default=(), name="from")
    reply_to: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    auto_submitted: str = ""
    precedence: str = ""
    auto_response_suppress: str = ""
    return_path: str | None = None

    @property
    def is_automatic(self) -> bool:
        submitted = self.auto_submitted.partition(";")[0].strip().casefold()
        return (
            submitted not in ("", "no")
            or self.precedence.strip().casefold() in AUTOMATIC_PRECEDENCE
            or bool(self.auto_response_suppress.strip())
            or self.return_path == ""
            or any(one.startswith(DAEMON) for one in self.from_)
        )


class Told(Struct, frozen=True):
    """``root``: the Message-ID of the mail with which the thread began, whether it is there or not."""

    root: str
    messages: tuple[Mail, ...]


class Place(Struct):
    uidvalidity: int = 0
    uid: int = 0


class Sent(Struct):
    """One mail, of which copies may lie in several folders: received with the first, done with the first that was moved there."""

    mail: Mail
    at: datetime
    done: datetime | None


class Mailbox(Connector):
    """``user`` logs in. ``team``: the addresses of those who serve, that of the mailbox among them, ``bots`` those of machines.
    ``group``: to whom its cases are routed. ``folders``: where mails arrive, and where sent ones lie. ``done``: into which whoever
    serves moves what is solved.
    """

    name: ClassVar[str] = "mailbox"
    tells: ClassVar[Tells] = tells("created routed replied noted bot_replied requester_replied solved reopened")
    user: Annotated[str, Field(min_length=1)]
    team: Annotated[Addresses, Field(min_length=1)]
    bots: Addresses = frozenset()
    group: Annotated[str, Field(min_length=1, max_length=512)]
    folders: tuple[str, ...] = ("INBOX", "Sent")
    done: frozenset[str] = frozenset()

    @property
    def every_folder(self) -> tuple[str, ...]:
        """All that are read."""
        return (*self.folders, *sorted(self.done - set(self.folders)))

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        """For LOGIN."""
        return {"user": self.user, "password": secret}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        """By folder and UID: none is given twice while UIDVALIDITY stays. Of each new mail the whole thread is asked for."""
        places = msgspec.json.decode(cursor, type=dict[str, Place]) if cursor else {}
        for folder in self.every_folder:
            place = places.setdefault(folder, Place())
            more = True
            while more:
                found = _folder(api, folder, place.uid)
                if found["uidvalidity"] != place.uidvalidity:
                    if place.uid:
                        found = _folder(api, folder, 0)
                    place.uidvalidity, place.uid = found["uidvalidity"], 0
                mails = found["messages"]
                more = bool(found["more"] and mails)
                place.uid = max([place.uid, *(mail["uid"] for mail in mails)])
                if mails:
                    yield Page(_threads(api, mails), msgspec.json.encode(places).decode(), None, True)
        yield Page([], msgspec.json.encode(places).decode(), now - LATEST, False)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        told = converted(document, Told)
        readable = []
        for mail in told.messages:
            if reason := _wrong(mail):
                yield Rejected(source=self.source, reason=reason, place=f"{mail.folder}:{mail.uid}")
            else:
                readable.append(mail)
        for change in Thread(self, told.root, people).changes(self._sent(readable)):
            yield from events(change, self.source)

    def _sent(self, mails: Iterable[Mail]) -> list[Sent]:
        """Each once, as they came. Raises ``Unreadable``."""
        found: dict[str, Sent] = {}
        for mail in mails:
            at = _time(mail.received)
            done = _time(mail.saved) if mail.saved and mail.folder in self.done else None
            one = found.setdefault(mail.message_id, Sent(mail, at, done))
            one.at = min(one.at, at)
            one.done = min((then for then in (one.done, done) if then is not None), default=None)
        return sorted(found.values(), key=lambda one: (one.at, len(one.mail.references), one.mail.message_id))


class Thread:
    """One thread, mail by mail. It is a case from the first mail on that somebody sent who does not serve."""

    def __init__(self, mailbox: Mailbox, root: str, people: People) -> None:
        self._mailbox, self._people = mailbox, people
        self._subject = self._hidden(root)
        self._outside: set[str] = set()
        self._asked = False
        self._waiting: dict[str, datetime | None] = {}

    def changes(self, mails: Iterable[Sent]) -> Iterator[Change]:
        for sent in mails:
            yield from self._moved_until(sent.at)
            if (change := self._mail(sent)) is not None:
                yield change
        yield from self._moved_until(None)

    def _mail(self, sent: Sent) -> Change | None:
        mail = sent.mail
        actor, who = self._writer(mail)
        if actor is None or (actor is not Actor.requester and not self._asked):
            return None
        change = Change(
            subject=self._subject,
            native=self._hidden(mail.message_id),
            time=sent.at,
            order=min(len(mail.references), DEEPEST_ORDER),
            actor=actor,
            who=who,
        )
        if actor is not Actor.requester:
            change.message = Message.public if self._reaches_outside(mail) else Message.internal
            return change
        self._outside.update({*mail.from_, *mail.reply_to, *mail.to, *mail.cc} - self._mailbox.team)
        if not self._asked:
            self._asked = True
            change.created = CreatedData(requester=who, channel="email")
            change.routed = RoutedData(group=self._mailbox.group)
        else:
            change.message = Message.public
            change.further = _reopened(bool(self._waiting))
        self._waiting[mail.message_id] = sent.done
        return change

    def _moved_until(self, until: datetime | None) -> Iterator[Change]:
        """Solved is a thread when the last of what was asked in it is moved; what was asked after it was, opens it again."""
        if not self._waiting or None in self._waiting.values():
            return
        last = max(self._waiting, key=lambda one: (self._waiting[one], one))
        at = self._waiting[last]
        if at is None or (until is not None and at > until):
            return
        self._waiting.clear()
        yield Change(
            subject=self._subject,
            native=f"{self._hidden(last)}|done",
            time=at,
            actor=Actor.provider_human,
            further=((e.Solved, None),),
        )

    def _writer(self, mail: Mail) -> tuple[Actor | None, str]:
        """None: a machine of somebody else, which neither asks nor answers."""
        names = [one for one in (mail.sender, *mail.from_) if one]
        if any(one in self._mailbox.bots for one in names):
            return Actor.provider_bot, ""
        ours = next((one for one in names if one in self._mailbox.team), "")
        if mail.is_automatic:
            return (Actor.provider_bot if ours else None), ""
        if ours:
            return Actor.provider_human, self._people.person(ours, ours)
        writer = mail.from_[0] if mail.from_ else mail.sender
        return Actor.requester, self._people.person(writer, writer)

    def _reaches_outside(self, mail: Mail) -> bool:
        """Whether it goes to anybody who has asked; one that names no recipient may."""
        to = {*mail.to, *mail.cc}
        return not to or bool(to & self._outside)

    def _hidden(self, message_id: str) -> str:
        return self._people.identity.pseudonym(f"message|{message_id}", self._people.source)


def _wrong(mail: Mail) -> str:
    if not mail.message_id:
        return "a mail without Message-ID: nothing tells which it is once it is moved"
    return "" if mail.from_ or mail.sender else "a mail without From: nothing tells who wrote it"


def _reopened(is_open: bool) -> tuple[Meant, ...]:
    return () if is_open else ((e.Reopened, None),)


# -- asking
def _folder(api: Api, folder: str, uid: int) -> Any:
    return api.get("FOLDER", {"name": folder, "since_uid": str(uid)})


def _threads(api: Api, mails: Iterable[Document]) -> list[Document]:
    """The whole threads of these mails, each once."""
    known = {mail["message_id"]: mail for mail in mails if mail.get("message_id")}
    found: dict[str, dict[tuple[str, int], Document]] = {}
    for mail in mails:
        way = _way_to_root(api, mail, known)
        root = way[-1]
        thread = found.get(root)
        if thread is None:
            whole = api.get("THREAD", {"id": root})["messages"] if root else []
            thread = found[root] = {(one["folder"], one["uid"]): one for one in whole}
        for one in (mail, *(known[name] for name in way if name in known)):
            thread[one["folder"], one["uid"]] = one
    return [{"root": root, "messages": list(thread.values())} for root, thread in found.items()]


def _way_to_root(api: Api, mail: Document, known: dict[str, Document]) -> list[str]:
    """The ids from a mail back to the one with which its thread began: by References, or from one to the one before."""
    way = [mail.get("message_id") or ""]
    while len(way) < DEEPEST:
        if mail.get("references"):
            return [*way, mail["references"][0]]
        before = next(iter(mail.get("in_reply_to") or ()), "")
        if not before or before in way:
            return way
        way.append(before)
        if before not in known:
            answer = api.get("MESSAGE", {"id": before})["message"]
            if answer is None:
                return way
            known[before] = answer
        mail = known[before]
    return way
