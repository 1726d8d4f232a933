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

    def alias(self, native: str, source: str) -> str:
        """The organisation's identifier, where the table has one."""
        return self._aliases.get(_normal(f"{source}/{native}")) or self._aliases.get(_normal(native)) or ""

    def pseudonym(self, native: str, source: str) -> str:
        """The pseudonym of the person whom ``source`` calls ``native``; empty stays empty."""
        person = _normal(native)
        if not person:
            return ""
        known = self.alias(native, source) or person
        return self._hidden(known)

    def in_wave(self, pseudonym: str, wave: str) -> str:
        """Another pseudonym, good for one wave of answers: two waves of a person cannot be put together."""
        return self._hidden(f"{wave}\x1f{pseudonym}")

    def _hidden(self, text: str) -> str:
        return f"{self.key_id}:{hmac.digest(self._key, text.encode(), 'sha256').hex()[:HEX_DIGITS]}"


class People:
    """The persons of one source. ``known`` and ``unknown`` count who was told by the organisation's own identifier, and who only by
    the source's: the latter is another pseudonym in every source.
    """

    def __init__(self, identity: Identity, source: str) -> None:
        self.identity, self.source = identity, source
        self.known = self.unknown = 0

    def person(self, native: str, own: str = "") -> str:
        """The pseudonym of whom the source calls ``native``; ``own``: work e-mail or HR number, where the source shows it."""
        if not native and not own:
            return ""
        alias = self.identity.alias(native, self.source)
        if alias or own:
            self.known += 1
        else:
            self.unknown += 1
        return self.identity.pseudonym(alias or own or native, self.source)


def _normal(identifier: str) -> str:
    return unicodedata.normalize("NFC", identifier.strip().casefold())
