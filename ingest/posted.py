"""Webhooks of senders that the organisation itself sets up: how they are signed is a setting. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.connector import Connector, Forged, Hook
from ingest.signatures import base64_of_hmac, hex_of_hmac, recent, signed, token
from ingest.times import time_reader

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]

_stamp = time_reader(("epoch_s", "epoch_ms", "iso"), UTC)


class Scheme(StrEnum):
    hmac_sha256_hex = "hmac_sha256_hex"
    hmac_sha256_base64 = "hmac_sha256_base64"
    token = "token"


_CODES = {Scheme.hmac_sha256_hex: hex_of_hmac, Scheme.hmac_sha256_base64: base64_of_hmac}


class Signature(BaseModel):
    """In ``header`` stands ``prefix``, then the code of what is signed or, as ``token``, the secret itself.

    ``timestamp_header``: when it was signed, in seconds or milliseconds since 1970 or as ISO 8601. Signed is then that text,
    ``separator``, and what would be signed without.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    header: HeaderName
    scheme: Scheme
    prefix: str = ""
    timestamp_header: HeaderName | None = None
    separator: str = "."

    @model_validator(mode="after")
    def _time_is_signed(self) -> Self:
        if self.scheme is Scheme.token and self.timestamp_header:
            raise ValueError("a token signs no time: leave out 'timestamp_header', or choose an hmac scheme")
        return self

    def check(self, hook: Hook, message: bytes, secrets: Sequence[str]) -> None:
        """Raises :class:`Forged`."""
        given = hook.headers.get(self.header.lower(), "")
        if self.scheme is Scheme.token:
            if given and not given.startswith(self.prefix):
                raise Forged("signature")
            token(given.removeprefix(self.prefix), secrets)
        elif self.timestamp_header is None:
            signed(given, message, secrets, _CODES[self.scheme], self.prefix)
        else:
            stamp = hook.headers.get(self.timestamp_header.lower(), "")
            signed(given, (stamp + self.separator).encode() + message, secrets, _CODES[self.scheme], self.prefix)
            recent(stamp, _stamp, hook.at)


class Posted(Connector):
    """``signature``: by what a webhook is known to be the sender's."""

    signature: Signature

    @property
    def signs_body(self) -> bool:  # type: ignore[override]  # a setting decides it
        return self.signature.scheme is not Scheme.token

    @property
    def signs_time(self) -> bool:  # type: ignore[override]
        return self.signature.timestamp_header is not None

    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        self.signature.check(hook, self.signed_part(hook), secrets)

    def signed_part(self, hook: Hook) -> bytes:
        return hook.body
