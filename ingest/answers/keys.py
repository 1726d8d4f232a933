"""What makes answers unreadable while they wait, and their ids unrecognisable: the keys of a secret file."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
LEAST_DIFFERENT_BYTES = 16
"""Of 32 random bytes about 30 differ; that fewer than 16 do, or that all can be typed, happens to nobody."""
MARK_BYTES = 16
BLOCK_BYTES = 1024
NO_TIME = 0
"""A token of Fernet says in the clear when it was made, to the second: ours all say the same."""
MEND = (
    "make one with\n"
    '    python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"\n'
    "and keep it in a file of its own that only crossdesk may read: without it the answers that wait are lost"
)


class BadKeys(ValueError):
    """There is no key for answers, or one that protects nobody. The message says how to make one, never what was there."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; {MEND}")


class Unopened(Exception):
    """It was sealed under none of these keys, or is damaged."""


class Keys:
    """``text``: a key of Fernet in each line. The first seals; all open: so a new one is put before those that were. Raises
    :class:`BadKeys`.
    """

    def __init__(self, text: str) -> None:
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not lines:
            raise BadKeys("there is no key for the answers that wait")
        secrets = [_secret(line, number) for number, line in lines]
        fernets = [Fernet(line) for _, line in lines]
        self._first, self._all = MultiFernet(fernets[:1]), MultiFernet(fernets)
        self._marking = [_marking(secret) for secret in secrets]

    def __repr__(self) -> str:
        return f"Keys({len(self._marking)})"  # never the keys

    def seal(self, record: bytes) -> bytes:
        """Its length tells only of how many kibibytes ``record`` is, which must not end with a blank."""
        blocks = -(-len(record) // BLOCK_BYTES)
        return self._first.encrypt_at_time(record.ljust(blocks * BLOCK_BYTES), NO_TIME)

    def open(self, sealed: bytes) -> bytes:
        """Raises :class:`Unopened`."""
        return _opened(self._all, sealed)

    def is_newest(self, sealed: bytes) -> bool:
        """Whether it was sealed under the first key."""
        try:
            _opened(self._first, sealed)
        except Unopened:
            return False
        return True

    def mark(self, event_id: str) -> bytes:
        """What the id is called here: without the first key nobody can say whose mark it is."""
        return _mark(self._marking[0], event_id)

    def marks(self, event_id: str) -> Sequence[bytes]:
        """What it is or was called, under each key."""
        return [_mark(key, event_id) for key in self._marking]


def _secret(line: str, number: int) -> bytes:
    """``Fernet`` would take any 32 bytes, also those that somebody typed, and pass over letters that are none of base64."""
    try:
        secret = urlsafe_b64decode(line)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES or len(line) != len(Fernet.generate_key()):
        raise BadKeys(f"key {number} for answers is not {KEY_BYTES} bytes in URL-safe base64")
    if len(set(secret)) < LEAST_DIFFERENT_BYTES or (secret.isascii() and secret.decode("ascii").isprintable()):
        raise BadKeys(f"key {number} for answers is not random: it can be guessed")
    return secret


def _marking(secret: bytes) -> bytes:
    """A key for another use than Fernet's: what one gives away does not help with the other."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"crossdesk: marks of answers").derive(secret)


def _mark(key: bytes, event_id: str) -> bytes:
    return hmac.digest(key, event_id.encode(), "sha256")[:MARK_BYTES]


def _opened(fernet: MultiFernet, sealed: bytes) -> bytes:
    try:
        return fernet.decrypt(sealed).rstrip(b" ")
    except InvalidToken:
        raise Unopened from None
