"""What is read of a mail: of its header the fields of :data:`FIELDS`, and what the server knows of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.parser import HeaderParser
from email.policy import compat32
from email.utils import getaddresses
from typing import Any

THREADING = "Message-ID In-Reply-To References"
FIELDS = (
    f"{THREADING} From Sender Reply-To To Cc Auto-Submitted Precedence X-Auto-Response-Suppress"
    " X-Autoreply X-Autorespond List-Id List-Unsubscribe Return-Path"
)

_ID = re.compile(r"<[^<>]+>")
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_PLAIN = re.compile(r"(?:[\w .'=?-]*<)?([\w.+'=-]+@[\w.-]+)>?", re.ASCII)
_ATTRIBUTE = re.compile(rb'\b(UID|INTERNALDATE|SAVEDATE) (?:"([^"]*)"|(\d+)|NIL)')
_INSTANT = "%d-%b-%Y %H:%M:%S %z"


def parts(given: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Attributes and header of each mail of an answer to FETCH, as imaplib gives it: attributes stand before the header and may go
    on behind it. One that says nothing of a header, as that a mail was just read by somebody, is not meant for us.
    """
    before: tuple[bytes, bytes] | None = None
    for part in given:
        if isinstance(part, tuple):
            if before is not None:
                yield before
            before = part[0], part[1]
        elif isinstance(part, bytes) and before is not None:
            yield before[0] + part, before[1]
            before = None
        elif isinstance(part, bytes) and b"BODY[" in part:
            yield part, b""  # an empty header need not be told as text of its own
    if before is not None:
        yield before


def uid_of(attributes: bytes) -> int | None:
    return next((int(number) for name, _, number in _ATTRIBUTE.findall(attributes) if name == b"UID" and number), None)


def message_of(folder: str, attributes: bytes, header: bytes) -> dict[str, Any]:
    """What ``ingest/connectors/mailbox.py`` reads of a mail. Whatever is in the header: raises nothing. An instant that cannot be
    understood is left as it is.
    """
    known = {name: text or number for name, text, number in _ATTRIBUTE.findall(attributes)}
    fields = HeaderParser(policy=compat32).parsestr(_text(header))

    def texts(name: str) -> list[str]:
        return [str(value) for value in fields.get_all(name, [])]

    def ids(name: str) -> list[str]:
        return _ID.findall("".join(" ".join(texts(name)).split()))

    def addresses(name: str) -> list[str]:
        return _addresses(texts(name))

    def one(name: str) -> str:
        return next(iter(texts(name)), "").strip()

    returned, saved = texts("Return-Path"), known.get(b"SAVEDATE")
    return {
        "folder": folder,
        "uid": int(known[b"UID"]),
        "received": _instant(known.get(b"INTERNALDATE", b"")),
        "saved": _instant(saved) if saved else None,
        "message_id": next(iter(ids("Message-ID")), "") or _bare(one("Message-ID")),
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
        "auto_reply": one("X-Autoreply") or one("X-Autorespond"),
        "list_id": next(iter(ids("List-Id")), one("List-Id")).strip("<>").casefold(),
        "has_unsubscribe": bool(texts("List-Unsubscribe")),
        "return_path": returned[0].strip().strip("<>") if returned else None,
    }


def parent_of(message: Mapping[str, Any]) -> str:
    """The mail with which its thread began as far as it tells, or that before it; empty, where it begins one."""
    named = (*message["references"][:1], *message["in_reply_to"][:1])
    return next((one for one in named if one != message["message_id"]), "")


def _addresses(texts: list[str]) -> list[str]:
    if all(plain := [_plain(text) for text in texts]):
        return plain
    try:
        found = [address.casefold() for _, address in getaddresses(texts)]
    except (IndexError, RecursionError, ValueError):
        return []  # the standard library trips over some, as comments within comments without end
    return [address for address in found if _ADDRESS.fullmatch(address)]


def _plain(text: str) -> str:
    """The address of what is nothing but one, behind a simple name perhaps, as nearly all are; else empty."""
    match = _PLAIN.fullmatch(text.strip())
    return match[1].casefold() if match and ("<" in text) == (">" in text) else ""


def _text(header: bytes) -> str:
    """Two that differ stay different, also where they are in no encoding that is known."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")


def _bare(given: str) -> str:
    """Who answers puts the brackets around it that its writer forgot."""
    return f"<{given}>" if given and not set(given) & set("<> \t\r\n") else ""


def _instant(text: bytes) -> str:
    """`` 1-Mar-2026 09:00:00 +0100`` in UTC."""
    said = text.decode("latin-1").strip()
    try:
        return datetime.strptime(said, _INSTANT).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return said
