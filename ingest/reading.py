"""Decoded JSON into what a connector reads of it: structs of its own that name each field, so that nothing else is ever read."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ingest.event import Unreadable

T = TypeVar("T")


def decoded(body: bytes, kind: type[T]) -> T:
    """From JSON; numbers may be text. Raises :class:`Unreadable`, which names the field but not what is in it."""
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_reason(error)) from None


def converted(document: Any, kind: type[T]) -> T:
    """The same from what is decoded already."""
    try:
        return msgspec.convert(document, kind, strict=False)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_reason(error)) from None


def as_cursor(position: Any) -> str:
    """How far a source has been read, as the text that is kept of it."""
    return msgspec.json.encode(position).decode()


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "no JSON" if isinstance(error, msgspec.DecodeError) else "no UTF-8"
