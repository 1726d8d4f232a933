"""A mailbox as :class:`ingest.connector.Api`: asked for folders and threads, it answers with the headers of their mails.

``ingest/connectors/mailbox.py`` says what is asked and answered. Folders are opened by EXAMINE and headers fetched by BODY.PEEK, so
that nothing changes, not even what counts as read; a body is never asked for, and the server searches nothing. At the first
question for threads it is asked once of all mails which others they name, later only of new ones.
"""

from __future__ import annotations

import binascii
import imaplib
import re
import ssl
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import msgspec

from ingest.api import SourceDown
from ingest.connector import Refused
from ingest.mail.header import FIELDS, THREADING, message_of, parent_of, parts, uid_of
from ingest.mail.index import MailIndex, key

TIMEOUT_SECONDS = 60.0
PORTS = {"imaps": 993, "imap": 143}
AT_ONCE = 500
SAID_AT_MOST = 200
UNAUTHORIZED, FORBIDDEN_METHOD, NOT_FOUND, BAD = 401, 405, 404, 400
SAVEDATE = "SAVEDATE"
PASSING = ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "EXPUNGEISSUED", "CONTACTADMIN")
"""Response codes (RFC 5530) of what time mends, or whoever runs the server: nothing is wrong with what we ask."""

_NOT_ASCII = re.compile(r"[^ -~]+|&")
_CODE = re.compile(r"\[([A-Z-]+)[^\]]*\]")


class _Opened(NamedTuple):
    uidvalidity: int
    uidnext: int
    """0 where the server does not tell."""
    mails: int


class ImapApi:
    """``url``: ``imaps://host`` for TLS from the start (port 993), ``imap://host`` for STARTTLS (143); never without TLS.
    ``ca_file``: of an authority of the organisation's own. Use it with ``with``; it connects when it is first asked, and once more
    when a connection broke.

    Raises ``ValueError`` for a wrong ``url`` or ``ca_file``; from ``get`` :class:`ingest.connector.Refused` for a login (401), a
    folder (404) or a question (400) that the server does not accept, and :class:`ingest.api.SourceDown` while it does not answer.
    """

    def __init__(self, url: str, *, user: str, secret: str, ca_file: Path | None = None) -> None:
        self._scheme, self._host, self._port = _address(url)
        self._user, self._secret = user, secret
        self._context = _context(ca_file)
        self._server: imaplib.IMAP4 | None = None
        self._is_new = False
        self._attributes = ""
        self._index = MailIndex()
        self._indexed: dict[str, tuple[int, int]] = {}
        """Of each folder its UIDVALIDITY and the highest UID that is in the index."""
        self._given: dict[tuple[str, int], dict[str, Any]] = {}
        """The last page of a folder: what left it since then was received all the same."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError, imaplib.IMAP4.error):
                server.logout()
            _hung_up(server)
        self._index.close()

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        try:
            return self._answered_once(path, query)
        except (OSError, imaplib.IMAP4.abort):
            self._dropped()
        try:
            return self._answered_once(path, query)
        except (OSError, imaplib.IMAP4.abort) as error:
            self._dropped()
            raise SourceDown(f"{self._where} broke off twice while it was asked for {path}: {_said(error)}") from None

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] = {}) -> Any:  # noqa: ARG002
        raise Refused(FORBIDDEN_METHOD, "a mailbox is only read")

    def _answered_once(self, path: str, query: Mapping[str, str]) -> Any:
        try:
            answer = self._answer(path, query)
            self._is_new = False
            return answer
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise Refused(BAD, f"{self._where} does not accept how it is asked for {path}: {_said(error)}") from None

    def _answer(self, path: str, query: Mapping[str, str]) -> Any:
        if path == "FOLDER":
            return self._folder(query["name"], int(query["since_uid"]))
        if path == "THREADS":
            folders, ids = (msgspec.json.decode(query[name], type=list[str]) for name in ("folders", "ids"))
            return {"threads": self._threads(folders, ids)}
        raise Refused(BAD, f"{path} is none of FOLDER, THREADS")

    # -- what is asked
    def _folder(self, name: str, since: int) -> dict[str, Any]:
        opened = self._examined(name)
        asked = self._after(name, opened, since, f"{self._attributes} {_header(FIELDS)}")
        last, messages = next(((last, mails) for last, mails in asked if mails), (opened.mails, []))
        self._of_this_life(name, opened)
        self._index.add(messages)
        self._given = {(name, one["uid"]): one for one in messages}
        return {
            "uidvalidity": opened.uidvalidity,
            "uidnext": opened.uidnext,
            "messages": messages,
            "more": last < opened.mails,
        }

    def _threads(self, folders: Sequence[str], ids: Sequence[str]) -> list[dict[str, Any]]:
        """Each thread in which any of ``ids`` is."""
        for folder in folders:
            self._catch_up(folder)
        asked: dict[int, list[str]] = defaultdict(list)
        for one, root in self._index.roots(ids).items():
            asked[root].append(one)
        places = {root: self._index.places(root) for root in asked}
        found = self._fetched({place for some in places.values() for place in some if place[0] in folders})
        threads = []
        for root, of in asked.items():
            messages = [found[place] for place in sorted(places[root]) if place in found]
            threads.append({"root": _name(root, messages, of), "messages": messages})
        return threads

    def _catch_up(self, folder: str) -> None:
        opened = self._examined(folder)
        since = self._of_this_life(folder, opened)
        for _, mails in self._after(folder, opened, since, f"UID INTERNALDATE {_header(THREADING)}"):
            self._index.add(mails)
            since = max([since, *(mail["uid"] for mail in mails)])
            self._indexed[folder] = opened.uidvalidity, since

    def _of_this_life(self, folder: str, opened: _Opened) -> int:
        """Up to which UID it is in the index; what was known of it under another UIDVALIDITY is not."""
        uidvalidity, uid = self._indexed.get(folder, (opened.uidvalidity, 0))
        if uidvalidity != opened.uidvalidity or uid >= opened.uidnext > 0:
            self._index.forget(folder)
            uid = 0
        self._indexed[folder] = opened.uidvalidity, uid
        return uid

    # -- the server
    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    def _connected(self) -> imaplib.IMAP4:
        if self._server is None:
            server = self._reached()
            try:
                self._log_in(server)
                _, capabilities = server.capability()  # there are more of them after login
            except BaseException:
                _hung_up(server)
                raise
            has_saved = SAVEDATE in capabilities[0].decode("latin-1").upper().split()
            self._attributes = f"UID INTERNALDATE {SAVEDATE}" if has_saved else "UID INTERNALDATE"
            self._server, self._is_new = server, True
        return self._server

    def _reached(self) -> imaplib.IMAP4:
        server: imaplib.IMAP4 | None = None
        try:
            if self._scheme == "imaps":
                return imaplib.IMAP4_SSL(self._host, self._port, ssl_context=self._context, timeout=TIMEOUT_SECONDS)
            server = imaplib.IMAP4(self._host, self._port, timeout=TIMEOUT_SECONDS)
            if "STARTTLS" in server.capabilities:
                server.starttls(self._context)
                return server
        except ssl.SSLCertVerificationError as error:
            why = f"shows a certificate that is not trusted ({error.verify_message}); is its authority in `ca_file`?"
        except ssl.SSLError as error:
            why = f"speaks no TLS ({error.reason}): imaps:// is for TLS from the start, imap:// for STARTTLS"
        except (OSError, imaplib.IMAP4.error) as error:
            why = f"cannot be reached: {_said(error)}"
        else:
            _hung_up(server)
            raise Refused(BAD, f"{self._where} offers no STARTTLS, and a password goes only through TLS: name imaps://")
        if server is not None:
            _hung_up(server)
        raise SourceDown(f"{self._where} {why}")

    def _log_in(self, server: imaplib.IMAP4) -> None:
        try:
            server.authenticate("PLAIN", lambda _: f"\0{self._user}\0{self._secret}".encode())
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            code = _code(error)
            if code in PASSING:
                raise SourceDown(f"{self._where} lets nobody in at the moment ({code})") from None
            if "AUTH=PLAIN" not in server.capabilities:
                reason = f"{self._where} takes no passwords (AUTH=PLAIN is not among what it offers)"
            else:
                reason = (
                    f"{self._where} does not let us in{f' ({code})' if code else ''}: is `user` right, and the password"
                )
                reason += " in `secret_file`?"
            raise Refused(UNAUTHORIZED, reason) from None

    def _dropped(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            _hung_up(server)

    def _examined(self, folder: str) -> _Opened:
        server = self._connected()
        answer, given = server.select(quoted(folder), readonly=True)
        if answer != "OK":
            self._passes(given)
            if not self._is_new:
                raise imaplib.IMAP4.abort(_said(given))  # a folder that was made anew is there for who comes anew
            raise Refused(
                NOT_FOUND, f"{self._where} shows us no folder {folder!r}: `folders` and `done` name them as it does"
            )

        def told(name: str) -> int:
            _, given = server.response(name)
            return int(given[0]) if given and given[0] else 0

        return _Opened(told("UIDVALIDITY"), told("UIDNEXT"), int(given[0] or 0))

    def _after(self, folder: str, opened: _Opened, since: int, what: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Page by page the mails with a higher UID, with the number up to which the folder has been read."""
        if opened.mails == 0 or since + 1 >= opened.uidnext > 0:
            return
        first = bisect_right(range(1, opened.mails + 1), since, key=self._uid)
        while first < opened.mails:
            last = min(first + AT_ONCE, opened.mails)
            mails = self._asked(folder, "FETCH", f"{first + 1}:{last}", what)
            yield last, sorted((mail for mail in mails if mail["uid"] > since), key=lambda mail: int(mail["uid"]))
            first = last

    def _uid(self, number: int) -> int:
        answer, given = self._connected().fetch(str(number), "(UID)")
        self._ok(answer, given, "FETCH")
        for part in given:
            uid = uid_of(part) if isinstance(part, bytes) else None
            if uid is not None:
                return uid
        raise imaplib.IMAP4.abort("a mail that was counted is not there any more")

    def _fetched(self, places: set[tuple[str, int]]) -> dict[tuple[str, int], dict[str, Any]]:
        """What of it is still there, or was given just now."""
        by_folder: dict[str, list[int]] = defaultdict(list)
        found = {place: self._given[place] for place in places if place in self._given}
        for folder, uid in sorted(places - found.keys()):
            by_folder[folder].append(uid)
        for folder, uids in by_folder.items():
            opened = self._examined(folder)
            if opened.uidvalidity != self._indexed[folder][0]:
                raise imaplib.IMAP4.abort("a folder was made anew while it was read")
            for first in range(0, len(uids), AT_ONCE):
                some = ",".join(map(str, uids[first : first + AT_ONCE]))
                for mail in self._asked(folder, "UID", some, f"{self._attributes} {_header(FIELDS)}"):
                    found[folder, mail["uid"]] = mail
        return found

    def _asked(self, folder: str, by: str, which: str, what: str) -> list[dict[str, Any]]:
        server = self._connected()
        answer, given = server.uid("FETCH", which, f"({what})") if by == "UID" else server.fetch(which, f"({what})")
        self._ok(answer, given, "FETCH")
        return [message_of(folder, *part) for part in parts(given) if uid_of(part[0]) is not None]

    def _ok(self, answer: str, given: Sequence[Any], command: str) -> None:
        if answer != "OK":
            self._passes(given)
            raise Refused(BAD, f"{self._where} does not accept {command}: {_said(given)}")

    def _passes(self, given: Sequence[Any]) -> None:
        """Raises :class:`ingest.api.SourceDown` where the server says that it is not for us to mend."""
        code = _code(given)
        if code in PASSING:
            raise SourceDown(f"{self._where} cannot answer at the moment ({code})")


def _address(url: str) -> tuple[str, str, int]:
    parsed = urlsplit(url)
    if parsed.scheme not in PORTS or not parsed.hostname or parsed.path not in ("", "/") or parsed.query:
        raise ValueError(
            "url of a mailbox: it is like imaps://mail.example.org, or imap://mail.example.org for STARTTLS"
        )
    if parsed.username is not None or parsed.password is not None:
        raise ValueError("url of a mailbox: the user belongs into the settings, and the password into secret_file")
    return parsed.scheme, parsed.hostname, parsed.port or PORTS[parsed.scheme]


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or "no certificate in PEM"
        raise ValueError(f"ca_file {ca_file}: {why}; it holds the certificate of who vouches for the server") from None


def _hung_up(server: imaplib.IMAP4) -> None:
    with suppress(OSError):  # that of a connection which is gone
        server.shutdown()


def _header(fields: str) -> str:
    return f"BODY.PEEK[HEADER.FIELDS ({fields})]"


def _name(root: int, messages: Sequence[Mapping[str, Any]], of: Sequence[str]) -> str:
    """The Message-ID of which only the key is known: some mail of its thread names it."""
    named = (name for one in messages for name in (one["message_id"], parent_of(one)))
    return next((name for name in (*named, *of) if key(name) == root), "")


def _code(given: Any) -> str:
    """``AUTHENTICATIONFAILED`` of a refusal: what stands there besides may name persons."""
    match = _CODE.search(_said(given).upper())
    return match[1] if match else ""


def _said(given: Any) -> str:
    """By the server or the system, to be shown."""
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        given = next((part for part in given if part), b"")
    return (given.decode("latin-1") if isinstance(given, bytes) else str(given))[:SAID_AT_MOST]


def quoted(folder: str) -> str:
    """Its name as IMAP writes it (RFC 3501, 5.1.3): what is not ASCII in a base64 of its own."""

    def encoded(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        digits = binascii.b2a_base64(match[0].encode("utf-16-be"), newline=False).decode()
        return f"&{digits.rstrip('=').replace('/', ',')}-"

    name = _NOT_ASCII.sub(encoded, folder).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}"'
