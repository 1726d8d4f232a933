"""What is wrong with a configuration, said so that whoever wrote it can mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

T = TypeVar("T")

Place = tuple[str | int, ...]
Listed = Annotated[tuple[T, ...], Field(strict=False)]
"""A list in a file."""


class Part(BaseModel):
    """What a configuration file is made of: exactly what is documented, and it does not change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Severity(StrEnum):
    error = "error"
    warning = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """``at`` is where in the file's tree, ``line`` (from 1) in its text: 0 until somebody who holds the text has looked.

    ``mend`` says what to do; it may be empty.
    """

    file: str
    line: int
    text: str
    mend: str = ""
    severity: Severity = Severity.error
    at: Place = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        warning = "warning: " if self.severity is Severity.warning else ""
        return f"{place}: {warning}{self.text}" + (f" – {self.mend}" if self.mend else "")


class BadConfiguration(ValueError):
    """Nothing was read or changed: mend what :attr:`problems` name and come again."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def refuse(text: str, mend: str = "") -> PydanticCustomError:
    """What a validator raises, so that the mend arrives in the :class:`Problem`."""
    return PydanticCustomError("crossdesk", "{text}", {"text": text, "mend": mend})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A mend, or nothing when nothing is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean '{by_lower[near[0]]}'?" if near else ""


def one_of(word: str, known: Sequence[str]) -> str:
    """A mend: the nearest, or what there is to choose from."""
    if nearest := did_you_mean(word, known):
        return nearest
    return f"known: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}" if known else ""
