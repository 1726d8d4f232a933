"""Typeform: the responses to a survey, polled, and by webhooks as soon as they are submitted.

Read are ``/forms/{form}/responses`` and the webhook ``form_response``, as https://www.typeform.com/developers/ describes them:
numbers that were chosen on a scale, and the hidden fields that the settings name. What was written is never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Struct
from pydantic import Field

from ingest.connector import Api, Connector, Document, Doorbell, FromOutside, Hook, Page, Rejected, Tells, tells
from ingest.event import Answered, Unreadable
from ingest.feedback import answered
from ingest.identity import People
from ingest.reading import as_cursor, converted, decoded
from ingest.signatures import base64_of_hmac, signed
from ingest.survey import Question, Questions, scores
from ingest.times import time_reader

LATEST = timedelta(minutes=30)
"""What was submitted within it may be missing still."""
PAGE_SIZE = "1000"
COMPLETED = "completed"
SUBMITTED = "form_response"

Form = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_time = time_reader(("iso",), UTC)


# -- what is read of a response: nothing else
class Asked(Struct, frozen=True):
    """A question; an old webhook has its ``ref`` in the definition only."""

    id: str = ""
    ref: str | None = None


class Answer(Struct, frozen=True):
    field: Asked
    number: int | float | None = None


class Definition(Struct, frozen=True):
    fields: tuple[Asked, ...] = ()


class Response(Struct, frozen=True):
    submitted_at: str
    response_type: str = COMPLETED
    hidden: dict[str, str | int | None] | None = None
    answers: tuple[Answer, ...] | None = None
    definition: Definition = Definition()


class Told(Struct, frozen=True):
    form: str
    response: Response


class Submitted(Response, frozen=True):
    form_id: str = ""


class Body(Struct, frozen=True):
    event_type: str
    form_response: Submitted | None = None


class Walk(Struct):
    """Through the responses of a form, from the latest back to ``since`` (seconds since 1970; 0: all). ``before``: the token that
    was reached, empty between two walks; ``newest``: the time of the latest one that was ever seen.
    """

    since: int = 0
    before: str = ""
    newest: str = ""


class Typeform(Connector):
    """``forms``: the ids of the surveys. ``items``: the questions, by their refs. The others: the hidden fields that say who
    answers, of which department and site, about which department, and in which wave.
    """

    name: ClassVar[str] = "typeform"
    tells: ClassVar[Tells] = tells("answered")
    forms: Annotated[tuple[Form, ...], Field(min_length=1)]
    items: Questions
    person: str = "person"
    department: str = "department"
    site: str = "site"
    about: str = "about"
    wave: str = "wave"

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {secret}"}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        walks = msgspec.json.decode(cursor, type=dict[str, Walk]) if cursor else {}
        for form in self.forms:
            walk = walks.setdefault(form, Walk())
            if walk.before:
                yield from self._walk(api, form, walk, walks)
            yield from self._walk(api, form, walk, walks)
        yield Page((), as_cursor(walks), now - LATEST, False)

    def _walk(self, api: Api, form: str, walk: Walk, walks: Mapping[str, Walk]) -> Iterator[Page]:
        """To the page that is empty: how many are on a page is the source's choice."""
        while items := api.get(f"/forms/{form}/responses", _query(walk))["items"]:
            # reversed: of those of one second the last is the earliest
            walk.before = min(reversed(items), key=_submitted)["token"]
            walk.newest = max(walk.newest, *map(_submitted, items))
            yield Page([{"form": form, "response": item} for item in items], as_cursor(walks), None, True)
        walk.before = ""
        if walk.newest:
            walk.since = max(0, int((_time(walk.newest) - LATEST).timestamp()))

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        signed(hook.headers.get("typeform-signature", ""), hook.body, secrets, base64_of_hmac, prefix="sha256=")

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """The response, without what is not read."""
        body = decoded(hook.body, Body)
        response = body.form_response
        if body.event_type != SUBMITTED or response is None:
            raise Unreadable(
                f"{body.event_type[:40]!r} is no {SUBMITTED}: let the webhook send complete responses only"
            )
        named = (self.person, self.department, self.site, self.about, self.wave)
        hidden = {name: value for name, value in (response.hidden or {}).items() if name in named}
        plain = msgspec.to_builtins(msgspec.structs.replace(response, hidden=hidden))
        yield {"form": plain.pop("form_id"), "response": plain}

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        told = converted(document, Told)
        try:
            yield self._answered(told, people)
        except Unreadable as error:
            raise Unreadable(error.reason, place=f"form {told.form}") from None

    def _answered(self, told: Told, people: People) -> Answered:
        """Raises ``Unreadable``."""
        response = told.response
        if told.form not in self.forms:
            raise Unreadable("is a survey that nobody named: name it under 'forms'")
        if response.response_type != COMPLETED:
            raise Unreadable(f"{response.response_type!r} is no response that was completed: ask for those only")
        items = scores(self._numbers(response))
        if not items:
            raise Unreadable("answers none of the questions under 'items': are their refs those of the form?")
        hidden = response.hidden or {}
        person, department, site, about, wave = (
            _text(hidden.get(name)) for name in (self.person, self.department, self.site, self.about, self.wave)
        )
        if not person:
            raise Unreadable(f"says not who answers: the link to the survey needs the hidden field {self.person!r}")
        return answered(
            people,
            people.person(person, person),
            _time(response.submitted_at),
            items=items,
            wave=wave,
            about=about,
            department=department,
            site=site,
        )

    def _numbers(self, response: Response) -> Iterator[tuple[Question, float]]:
        refs = {asked.id: asked.ref for asked in response.definition.fields}
        for answer in response.answers or ():
            ref = answer.field.ref or refs.get(answer.field.id) or answer.field.id
            question = self.items.get(ref)
            if question is None:
                continue
            if answer.number is None:
                raise Unreadable(f"{question.item} is answered without a number: ask it on a scale, not in words")
            yield question, answer.number


def _query(walk: Walk) -> dict[str, str]:
    query = {"page_size": PAGE_SIZE, "response_type": COMPLETED}
    if walk.since:
        query["since"] = str(walk.since)
    if walk.before:
        query["before"] = walk.before
    return query


def _submitted(item: Document) -> str:
    """Always in UTC and to the second: its text has the order of time."""
    return str(item["submitted_at"])


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
