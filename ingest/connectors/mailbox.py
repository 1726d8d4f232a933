"""A shared mailbox over IMAP, by the headers of its mails: a thread is a case. No body is ever fetched.

``ingest/mail/imap.py`` answers what is asked here::

    FOLDER   name, since_uid  {"uidvalidity": 7, "uidnext": 12, "messages": [...], "more": false}: the next mails with a higher UID
    THREADS  folders, ids     {"threads": [{"root": "<...>", "messages": [...]}]}: every whole thread in which a mail with one of
                              these Message-IDs is, with what the last answer to FOLDER had of it. Both are lists in JSON

A mail is dated by INTERNALDATE, when the mailbox received it: the Date header is the sender's clock. Message-IDs may carry
addresses, so that they leave as keyed hashes only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Struct, structs
from pydantic import BeforeValidator, Field

from ingest import event as e
from ingest.change import Change, Message, events
from ingest.changes import Meant
from ingest.connector import Api, Connector, Document, FromOutside, Page, Rejected, Tells, tells
from ingest.event import Actor, CreatedData, RoutedData, Unreadable
from ingest.identity import People
from ingest.reading import as_cursor, converted, decoded
from ingest.times import time_reader

LATEST = timedelta(minutes=1)
"""What was received within it may not be in its folder yet."""
DEEPEST_ORDER = 1 << 16
AUTOMATIC_PRECEDENCE = ("auto_reply", "bulk", "junk")
DAEMON = "mailer-daemon@"

_time = time_reader(("iso",), UTC)
_AFTER_SUBMITTED = re.compile(r"[;(\s]")


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
    auto_reply: str = ""
    list_id: str = ""
    has_unsubscribe: bool = False
    return_path: str | None = None

    @property
    def writers(self) -> frozenset[str]:
        return frozenset(one for one in (*self.from_, self.sender, *self.reply_to) if one)

    @property
    def content(self) -> bytes:
        """All but where it lies."""
        return msgspec.json.encode(structs.replace(self, folder="", uid=0, saved=None))

    def is_automatic(self, lists: frozenset[str]) -> bool:
        submitted = _AFTER_SUBMITTED.split(self.auto_submitted.strip().casefold(), maxsplit=1)[0]
        is_from_list = bool(self.list_id or self.has_unsubscribe) or self._has_automatic_precedence
        return (
            submitted not in ("", "no")
            or (is_from_list and self.list_id not in lists)
            or bool(self.auto_response_suppress.strip())
            or self.auto_reply.strip().casefold() not in ("", "no")
            or self.return_path == ""
            or any(one.startswith(DAEMON) for one in self.from_)
        )

    @property
    def _has_automatic_precedence(self) -> bool:
        return self.precedence.strip().casefold() in AUTOMATIC_PRECEDENCE


class Told(Struct, frozen=True):
    """``root``: the Message-ID of the mail with which the thread began, whether it is there or not."""

    root: str
    messages: tuple[Mail, ...]


class Place(Struct):
    uidvalidity: int = 0
    uid: int = 0


class Sent(Struct):
    """One mail, of which copies may lie in several folders: it is as the first that was received, done with the first that was
    moved there, and automatic if every copy says so: what passed over a mailing list was written all the same.
    """

    mail: Mail
    at: datetime
    done: datetime | None
    is_automatic: bool

    def with_copies(self, others: Iterable[Sent]) -> Sent:
        all_of_it = (self, *others)
        done = min((one.done for one in all_of_it if one.done is not None), default=None)
        return structs.replace(self, done=done, is_automatic=all(one.is_automatic for one in all_of_it))


class Mailbox(Connector):
    """``user`` logs in. ``team``: the addresses of those who serve, that of the mailbox among them, ``bots`` those of machines.
    ``group``: to whom its cases are routed. ``folders``: where mails arrive, and where sent ones lie. ``done``: into which whoever
    serves moves what is solved. ``lists``: the List-Id of mailing lists over which persons write to the team.
    """

    name: ClassVar[str] = "mailbox"
    tells: ClassVar[Tells] = tells("created routed replied noted bot_replied requester_replied solved reopened")
    user: Annotated[str, Field(min_length=1)]
    team: Annotated[Addresses, Field(min_length=1)]
    bots: Addresses = frozenset()
    group: Annotated[str, Field(min_length=1, max_length=512)]
    folders: tuple[str, ...] = ("INBOX", "Sent")
    done: frozenset[str] = frozenset()
    lists: Addresses = frozenset()

    @property
    def every_folder(self) -> tuple[str, ...]:
        """All that are read."""
        return (*dict.fromkeys(self.folders), *sorted(self.done - set(self.folders)))

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        """What :class:`ingest.mail.imap.ImapApi` is to be given by these names."""
        return {"user": self.user, "secret": secret}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        """By folder and UID: none is given twice while UIDVALIDITY stays. Of each new mail the whole thread is asked for."""
        places = decoded(cursor.encode(), dict[str, Place]) if cursor else {}
        for folder in self.every_folder:
            place = places.setdefault(folder, Place())
            more = True
            while more:
                found = _folder(api, folder, place)
                mails, more = found["messages"], found["more"]
                place.uid = max([place.uid, *(mail["uid"] for mail in mails)])
                if mails:
                    yield Page(_threads(api, self.every_folder, mails), as_cursor(places), None, True)
        yield Page([], as_cursor(places), now - LATEST, False)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        told = converted(document, Told)
        copies: dict[str, list[Sent]] = defaultdict(list)
        for mail in told.messages:
            try:
                one = self._readable(mail)
            except Unreadable as error:
                yield self._wrong(mail, error.reason)
            else:
                copies[mail.message_id].append(one)
        sent = []
        for first, *others in (sorted(some, key=lambda one: (one.at, one.mail.content)) for some in copies.values()):
            for one in others:
                if not one.mail.writers & first.mail.writers:
                    yield self._wrong(
                        one.mail, "somebody else sent a mail with its Message-ID before: nothing tells them apart"
                    )
            sent.append(first.with_copies(one for one in others if one.mail.writers & first.mail.writers))
        sent.sort(key=lambda one: (one.at, len(one.mail.references), one.mail.message_id))
        for change in Thread(self, told.root, people).changes(sent):
            yield from events(change, self.source)

    def _readable(self, mail: Mail) -> Sent:
        """Raises ``Unreadable``."""
        if not mail.message_id:
            raise Unreadable("a mail without Message-ID: nothing tells which it is once it is moved")
        if not mail.from_ and not mail.sender:
            raise Unreadable("a mail without From: nothing tells who wrote it")
        done = _time(mail.saved) if mail.saved and mail.folder in self.done else None
        return Sent(mail, _time(mail.received), done, mail.is_automatic(self.lists))

    def _wrong(self, mail: Mail, reason: str) -> Rejected:
        return Rejected(source=self.source, reason=reason, place=f"{mail.folder}:{mail.uid}")


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
        actor, who = self._writer(sent)
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

    def _writer(self, sent: Sent) -> tuple[Actor | None, str]:
        """None: a machine of somebody else, which neither asks nor answers. Whoever is under From wrote it; Sender has sent it for
        them, and is the person where a shared address wrote.
        """
        mail, team = sent.mail, self._mailbox.team
        if any(one in self._mailbox.bots for one in (mail.sender, *mail.from_)):
            return Actor.provider_bot, ""
        authors = mail.from_ or (mail.sender,)
        ours = next((one for one in authors if one in team), "")
        if sent.is_automatic:
            return (Actor.provider_bot if ours else None), ""
        if ours:
            who = mail.sender if mail.sender in team else ours
            return Actor.provider_human, self._people.person(who, who)
        return Actor.requester, self._people.person(authors[0], authors[0])

    def _reaches_outside(self, mail: Mail) -> bool:
        """Whether it goes to anybody who has asked; one that names no recipient may."""
        to = {*mail.to, *mail.cc}
        return not to or bool(to & self._outside)

    def _hidden(self, message_id: str) -> str:
        return self._people.identity.pseudonym(f"message|{message_id}", self._people.source)


def _reopened(is_open: bool) -> tuple[Meant, ...]:
    return () if is_open else ((e.Reopened, None),)


# -- asking
def _folder(api: Api, folder: str, place: Place) -> Any:
    """What comes behind the place; from the beginning where the server has numbered its mails anew, or has given out fewer numbers
    than we have read.
    """

    def asked() -> Any:
        return api.get("FOLDER", {"name": folder, "since_uid": str(place.uid)})

    found = asked()
    if place.uid and (found["uidvalidity"] != place.uidvalidity or place.uid >= found["uidnext"] > 0):
        place.uid = 0
        found = asked()
    place.uidvalidity = found["uidvalidity"]
    return found


def _threads(api: Api, folders: Sequence[str], mails: Sequence[Document]) -> list[Document]:
    """The whole threads of these mails, each once, and each mail that can be in none by itself."""
    ids = list(dict.fromkeys(mail["message_id"] for mail in mails if mail["message_id"]))
    query = {"folders": msgspec.json.encode(folders).decode(), "ids": msgspec.json.encode(ids).decode()}
    threads = api.get("THREADS", query)["threads"] if ids else []
    return [*threads, *({"root": "", "messages": [mail]} for mail in mails if not mail["message_id"])]
