"""Persons become pseudonyms here, and nowhere later.

native id → the organisation's own identifier (work e-mail, HR number; an alias table where a source hides it) → HMAC
under a key that has an id: one person is one pseudonym in all sources, and without the key it cannot be computed.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping

MIN_KEY_BYTES = 16
HEX_DIGITS = 32


class WeakKey(ValueError):
    """The key for pseudonyms is too short to protect anybody: make a new one."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"the key for pseudonyms has {length} bytes and needs at least {MIN_KEY_BYTES}; make one with\n"
            '    python -c "import secrets; print(secrets.token_hex(32))"\n'
            "and keep it: with another key the same person gets another pseudonym"
        )


class Identity:
    """Turns native ids into pseudonyms ``<key id>:<hex>``.

    ``aliases`` maps a source's native id to the organisation's identifier: ``"<source>/<native>"`` holds for one source,
    ``"<native>"`` for all. ``key_id`` tells pseudonyms of an older key from those of this one.
    """

    def __init__(self, key: bytes, key_id: str, aliases: Mapping[str, str] | None = None) -> None:
        """Raises :class:`WeakKey` for a short key, ``ValueError`` for an unusable id or contradicting aliases."""
        if len(key) < MIN_KEY_BYTES:
            raise WeakKey(len(key))
        if not key_id or ":" in key_id or key_id != key_id.strip():
            raise ValueError(
                f"key id {key_id!r}: must be a word without ':', it is the part of a pseudonym before the ':'"
            )
        self.key_id = key_id
        self._key = key
        self._aliases: dict[str, str] = {}
        for native, known in (aliases or {}).items():
            if self._aliases.setdefault(_normal(native), _normal(known)) != _normal(known):
                raise ValueError(f"aliases: {native!r} stands for two persons")

    def __repr__(self) -> str:
        return f"Identity(key_id={self.key_id!r})"  # never the key

    def pseudonym(self, native: str, source: str) -> str:
        """The pseudonym of the person whom ``source`` calls ``native``; empty stays empty."""
        person = _normal(native)
        if not person:
            return ""
        known = self._aliases.get(_normal(f"{source}/{native}")) or self._aliases.get(person) or person
        return f"{self.key_id}:{hmac.digest(self._key, known.encode(), 'sha256').hex()[:HEX_DIGITS]}"


def _normal(identifier: str) -> str:
    return unicodedata.normalize("NFC", identifier.strip().casefold())
