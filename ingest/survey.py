"""The questions of a survey: which item of ours each asks, and where its scale begins and ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from ingest.event import Unreadable
from ingest.mapping import Part

BEST = 10
"""Of every item; the worst is 0."""

End = Annotated[int, Field(ge=-1000, le=1000)]


class Item(StrEnum):
    reliability = "reliability"
    responsiveness = "responsiveness"
    assurance = "assurance"
    empathy = "empathy"
    tangibles = "tangibles"
    communication = "communication"
    enps = "enps"


class Question(Part):
    """``worst`` and ``best``: the ends of its scale; the worst may be the greater number."""

    item: Item
    worst: End
    best: End

    @model_validator(mode="after")
    def _long(self) -> Self:
        if self.worst == self.best:
            raise ValueError("'worst' and 'best' are the same number")
        return self

    def score(self, given: float) -> int:
        """0 to 10; a half goes to the even number, so that both ends are treated alike. Raises ``Unreadable``."""
        least, most = sorted((self.worst, self.best))
        if not least <= given <= most:
            # what was answered is not repeated: a rejected answer is read by more eyes than an answer is
            raise Unreadable(f"{self.item} is answered outside {least} to {most}; mend its scale under 'items'")
        return round(BEST * (given - self.worst) / (self.best - self.worst))


Questions = Annotated[Mapping[str, Question], Field(min_length=1)]
"""By what the source calls them."""


def scores(answers: Iterable[tuple[Question, float]]) -> dict[str, int]:
    """Each item once. Raises ``Unreadable``."""
    found: dict[str, int] = {}
    for question, given in answers:
        if question.item in found:
            raise Unreadable(f"{question.item} is answered twice: name one question for it under 'items'")
        found[question.item.value] = question.score(given)
    return found
