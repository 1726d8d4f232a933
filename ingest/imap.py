"""A mailbox as :class:`ingest.connector.Api`: asked for folders, mails and threads, it answers with their headers.

``ingest/connectors/mailbox.py`` says what is asked and answered. Folders are opened by EXAMINE and headers fetched by BODY.PEEK, so
that nothing changes, not even what counts as read; a body is never asked for. A connection that broke is made anew once; what lasts
comes out as ``OSError`` or ``imaplib.IMAP4.abort``.
"""

from __future__ import annotations

import binascii
import imaplib
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses
from typing import Any, Self

from ingest.connector import Refused

TIMEOUT_SECONDS = 60.0
TLS_PORT = 993
AT_ONCE = 500
IDS_AT_ONCE = 20
"""In one search: a line of a command may not be long."""
UNAUTHORIZED, FORBIDDEN_METHOD, NOT_FOUND, BAD = 401, 405, 404, 400
FIELDS = " ".join(
    (
        "Message-ID In-Reply-To References From Sender Reply-To To Cc",
        "Auto-Submitted Precedence X-Auto-Response-Suppress Return-Path",
    )
)
SAVEDATE = "SAVEDATE"

_ID = re.compile(r"<[^<>]+>")
_SEARCHABLE = re.compile(r"[!#-\[\]-~]{1,900}")
"""In quotes it is one string: no quote, no backslash, nothing that ends a line."""
_ATTRIBUTE = re.compile(rb'(UID|INTERNALDATE|SAVEDATE) (?:"([^"]*)"|(\d+)|NIL)')
_NOT_ASCII = re.compile(r"[^ -~]+|&")


class ImapApi:
    """``login`` is what the connector's ``authorization`` says. Use it with ``with``.

    Raises :class:`ingest.connector.Refused` from ``get`` for a login (401) or a folder (404) that the server does not accept.
    """

    def __init__(
        self,
        host: str,
        login: Mapping[str, str],
        folders: Sequence[str],
        *,
        port: int = TLS_PORT,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, self._login, self._folders = host, port, login, folders
        self._context = context or ssl.create_default_context()
        self._server: imaplib.IMAP4_SSL | None = None
        self._attributes = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            try:
                server.logout()
            except (OSError, imaplib.IMAP4.error):
                server.shutdown()

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        try:
            return self._answer(path, query)
        except (OSError, imaplib.IMAP4.abort):
            if self._server is None:
                raise  # it could not even be reached
            self._server = None
            return self._answer(path, query)

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] = {}) -> Any:  # noqa: ARG002
        raise Refused(FORBIDDEN_METHOD, "a mailbox is only read")

    def _answer(self, path: str, query: Mapping[str, str]) -> Any:
        if path == "FOLDER":
            return self._folder(query["name"], int(query["since_uid"]))
        if path == "MESSAGE":
            return {"message": next(iter(self._found([query["id"]], "Message-ID")), None)}
        if path == "THREAD":
            return {"messages": self._thread(query["id"])}
        raise Refused(BAD, f"{path} is none of FOLDER, MESSAGE, THREAD")

    def _folder(self, name: str, since: int) -> dict[str, Any]:
        uidvalidity = self._examine(name)
        higher = [
            uid for uid in self._search(f"UID {since + 1}:*") if uid > since
        ]  # * is the last, whatever stands before it
        messages = self._headers(name, higher[:AT_ONCE])
        return {"uidvalidity": uidvalidity, "messages": messages, "more": len(higher) > AT_ONCE}

    def _thread(self, root: str) -> list[dict[str, Any]]:
        """Mails that name only the one before are found by asking for answers to those that were found."""
        found: dict[tuple[str, int], dict[str, Any]] = {}
        asked: set[str] = set()
        more = self._found([root], "Message-ID", "References", "In-Reply-To")
        while more:
            found |= {(one["folder"], one["uid"]): one for one in more}
            ids = {one["message_id"] for one in more if one["message_id"]} - asked - {root}
            asked |= ids
            answers = self._found(sorted(ids), "In-Reply-To")
            more = [one for one in answers if (one["folder"], one["uid"]) not in found]
        return list(found.values())

    def _found(self, ids: Sequence[str], *headers: str) -> list[dict[str, Any]]:
        """In every folder, by what stands in any of the headers. An id that cannot stand in a search is found nowhere."""
        wanted = [f'HEADER {header} "{one}"' for one in ids if _SEARCHABLE.fullmatch(one) for header in headers]
        found = []
        for folder in self._folders if wanted else ():
            self._examine(folder)
            for first in range(0, len(wanted), IDS_AT_ONCE):
                some = wanted[first : first + IDS_AT_ONCE]
                found += self._headers(folder, self._search("OR " * (len(some) - 1) + " ".join(some)))
        return found

    # -- the server
    def _connected(self) -> imaplib.IMAP4_SSL:
        if self._server is None:
            server = imaplib.IMAP4_SSL(self._host, self._port, ssl_context=self._context, timeout=TIMEOUT_SECONDS)
            try:
                server.login(self._login["user"], self._login["password"])
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error:
                server.shutdown()
                raise Refused(UNAUTHORIZED, f"{self._host} does not let {self._login['user']} in") from None
            _, capabilities = server.capability()  # there are more of them after login
            has_saved = SAVEDATE in capabilities[0].decode().upper().split()
            self._attributes = f"UID INTERNALDATE {SAVEDATE}" if has_saved else "UID INTERNALDATE"
            self._server = server
        return self._server

    def _examine(self, folder: str) -> int:
        """Its UIDVALIDITY."""
        server = self._connected()
        answer, _ = server.select(quoted(folder), readonly=True)
        if answer != "OK":
            raise Refused(NOT_FOUND, f"{self._host} has no folder {folder!r} for {self._login['user']}")
        _, given = server.response("UIDVALIDITY")
        return int(given[0]) if given and given[0] else 0

    def _search(self, where: str) -> list[int]:
        answer, given = self._connected().uid("SEARCH", where)
        _ok(answer, given, "SEARCH")
        return sorted(int(uid) for line in given if line for uid in line.split())

    def _headers(self, folder: str, uids: Sequence[int]) -> list[dict[str, Any]]:
        """In the order of their UIDs."""
        server, found = self._connected(), []
        for first in range(0, len(uids), AT_ONCE):
            some = ",".join(map(str, uids[first : first + AT_ONCE]))
            answer, given = server.uid("FETCH", some, f"({self._attributes} BODY.PEEK[HEADER.FIELDS ({FIELDS})])")
            _ok(answer, given, "FETCH")
            found += [message_of(folder, attributes, header) for attributes, header in _parts(given)]
        return sorted(found, key=lambda message: int(message["uid"]))


def _ok(answer: str, given: Any, command: str) -> None:
    if answer != "OK":
        raise Refused(BAD, f"{command}: {given!r}"[:200])


def _parts(given: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Attributes and header of each mail: attributes stand before the literal and may go on behind it."""
    before: tuple[bytes, bytes] | None = None
    for part in given:
        if isinstance(part, tuple):
            if before is not None:
                yield before
            before = part[0], part[1]
        elif isinstance(part, bytes) and before is not None:
            yield before[0] + part, before[1]
            before = None
    if before is not None:
        yield before


def message_of(folder: str, attributes: bytes, header: bytes) -> dict[str, Any]:
    """What ``ingest/connectors/mailbox.py`` reads of a mail."""
    known = {name: text or number for name, text, number in _ATTRIBUTE.findall(attributes)}
    fields = BytesHeaderParser(policy=compat32).parsebytes(header)

    def texts(name: str) -> list[str]:
        return [str(value) for value in fields.get_all(name, [])]

    def ids(name: str) -> list[str]:
        return _ID.findall("".join(" ".join(texts(name)).split()))

    def addresses(name: str) -> list[str]:
        return [address.casefold() for _, address in getaddresses(texts(name)) if address]

    def one(name: str) -> str:
        return next(iter(texts(name)), "").strip()

    returned = texts("Return-Path")
    return {
        "folder": folder,
        "uid": int(known[b"UID"]),
        "received": _instant(known[b"INTERNALDATE"]),
        "saved": _instant(known[b"SAVEDATE"]) if known.get(b"SAVEDATE") else None,
        "message_id": next(iter(ids("Message-ID")), ""),
        "in_reply_to": ids("In-Reply-To"),
        "references": ids("References"),
        "from": addresses("From"),
        "sender": next(iter(addresses("Sender")), ""),
        "reply_to": addresses("Reply-To"),
        "to": addresses("To"),
        "cc": addresses("Cc"),
        "auto_submitted": one("Auto-Submitted"),
        "precedence": one("Precedence"),
        "auto_response_suppress": one("X-Auto-Response-Suppress"),
        "return_path": returned[0].strip().strip("<>") if returned else None,
    }


def _instant(text: bytes) -> str:
    """`` 1-Mar-2026 09:00:00 +0100`` in UTC."""
    return datetime.strptime(text.decode().strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC).isoformat()


def quoted(folder: str) -> str:
    """Its name as IMAP writes it (RFC 3501, 5.1.3): what is not ASCII in a base64 of its own."""

    def encoded(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        digits = binascii.b2a_base64(match[0].encode("utf-16-be"), newline=False).decode()
        return f"&{digits.rstrip('=').replace('/', ',')}-"

    name = _NOT_ASCII.sub(encoded, folder).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}"'
