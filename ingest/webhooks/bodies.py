"""What a body may be before anybody reads it: its content type, its size when it is unpacked, how deeply it is nested. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from itertools import accumulate

from ingest.webhooks.replies import Reason, Refusal

MAX_BODY_BYTES = 1 << 20
MAX_DEPTH = 64
GZIP = 16 + zlib.MAX_WBITS

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKETS = b"[{]}"
_OTHERS = bytes(sorted(set(range(256)) - set(_BRACKETS)))
_STEPS = bytes.maketrans(_BRACKETS, b"\x01\x01\xff\xff")
"""As signed numbers: one down into it, or one up again."""


def check_content_type(headers: Mapping[str, str]) -> None:
    """Raises :class:`Refusal` for what is no JSON. A CloudEvent without data, whose attributes are headers, may name none."""
    given = headers.get("content-type")
    if given is None and headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    media_type = (given or "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not re.fullmatch(r"application/[a-z0-9.-]+\+json", media_type):
        raise Refusal(Reason.content_type)


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """As its content encoding says. Raises :class:`Refusal`; what is too large is not unpacked further than to know that."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Refusal(Reason.encoding)
    stream = zlib.decompressobj(GZIP)
    try:
        content = stream.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise Refusal(Reason.gzip) from None
    if len(content) > MAX_BODY_BYTES:
        raise Refusal(Reason.size)
    if not stream.eof or stream.unused_data:
        raise Refusal(Reason.gzip)
    return content


def too_deep(body: bytes) -> bool:
    """Whether it is nested more than :data:`MAX_DEPTH` deep, if it is JSON. Nothing is called for each level."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    steps = _STRING.sub(b"", body).translate(_STEPS, _OTHERS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > MAX_DEPTH
