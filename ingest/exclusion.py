"""Cases that count nowhere because of a label: tests, what monitoring opens, and what was brought along from another system. Pure.

Whoever runs a source says under ``exclude`` which labels mean that, and why; a case is excluded from when it has such a label until
it has none any more. Of several the one that is named first says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from ingest.connector import Connector
from ingest.event import ExcludedData


class Reason(StrEnum):
    """Why a label excludes."""

    test = "test"
    monitoring = "monitoring"
    migrated = "migrated"


def _known(given: object) -> object:
    if given not in list(Reason):
        raise ValueError(f"{given!r} is no reason: write {', '.join(Reason)}")
    return given


def _folded(given: Mapping[str, Reason]) -> Mapping[str, Reason]:
    """Some products keep a label as it is written, others in small letters: none has two that differ in nothing else."""
    found: dict[str, Reason] = {}
    for label, reason in given.items():
        if found.setdefault(_plain(label), reason) is not reason:
            raise ValueError(f"the label {label!r} stands there twice, with two reasons")
    return found


Label = Annotated[str, Field(max_length=512, pattern=r"\S")]
Exclude = Annotated[Mapping[Label, Annotated[Reason, BeforeValidator(_known)]], AfterValidator(_folded)]
"""Label -> reason."""


class Labelled(Connector):
    """A source whose cases have labels. ``exclude``: those that say that a case counts nowhere, and why."""

    exclude: Exclude = Field(default_factory=dict)

    def excluded(self, before: Iterable[str], after: Iterable[str]) -> ExcludedData | None:
        """What it means that a case had the labels ``before`` and has ``after`` now."""
        return turned(reason_of(before, self.exclude), reason_of(after, self.exclude))


def reason_of(labels: Iterable[str], exclude: Mapping[str, Reason]) -> Reason | None:
    """Why a case with these labels counts nowhere; None: it counts. ``exclude`` as :data:`Exclude` makes it."""
    there = {_plain(label) for label in labels}
    return next((reason for label, reason in exclude.items() if label in there), None)


def turned(before: Reason | None, after: Reason | None) -> ExcludedData | None:
    """None where nothing has changed."""
    if before is after:
        return None
    return ExcludedData(reason=str(after or before), reverted=after is None)


def _plain(label: str) -> str:
    return label.strip().casefold()
