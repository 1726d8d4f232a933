"""Whether a webhook is from whom it says: codes over its raw body, compared in constant time, and not of yesterday."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ingest.connector import Forged
from ingest.event import Unreadable

REPLAY_WINDOW = timedelta(minutes=5)

Code = Callable[[bytes, bytes], str]
"""Of a key and a message, as the header has it."""


def base64_of_hmac(key: bytes, message: bytes) -> str:
    return b64encode(hmac.digest(key, message, "sha256")).decode()


def hex_of_hmac(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha256").hex()


def signed(given: str, message: bytes, secrets: Sequence[str], code: Code, prefix: str = "") -> None:
    """Whether ``given`` is the code of the message by one of the secrets. Raises :class:`Forged`."""
    if not given:
        raise Forged("unsigned")
    found = [
        hmac.compare_digest(given.encode(), (prefix + code(secret.encode(), message)).encode()) for secret in secrets
    ]
    if not any(found):
        raise Forged("signature")


def token(given: str, secrets: Sequence[str]) -> None:
    """Whether a header is one of the secrets, where a source has no better. Raises :class:`Forged`."""
    if not given:
        raise Forged("unsigned")
    found = [
        hmac.compare_digest(given.encode(), secret.encode()) for secret in secrets
    ]  # all of them: in constant time
    if not any(found):
        raise Forged("signature")


def recent(stamp: str, read: Callable[[str], datetime], now: datetime) -> None:
    """Whether it was signed within :data:`REPLAY_WINDOW` of ``now``. Raises :class:`Forged`."""
    try:
        at = read(stamp)
    except Unreadable:
        raise Forged("time") from None
    if abs(now - at) > REPLAY_WINDOW:
        raise Forged("expired")
