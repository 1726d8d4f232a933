"""The sources of an installation, as ``sources.yaml`` names them: which connector, where, how often, where secrets lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingest.connector import Connector, has_hooks, is_polled, reads_files
from ingest.connectors import CONNECTORS

_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: Any) -> Any:
    """``30s``, ``5m``, ``1h``, ``1d``. Raises ``ValueError``."""
    if not isinstance(text, str):
        return text
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of time: write it like 30s, 5m or 1h")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


Span = Annotated[timedelta, BeforeValidator(span)]


class SourceEntry(BaseModel):
    """``name``: as in events and in company.yaml. ``url``: where its API is; ``secret_file`` holds what it knows us by. ``folder``:
    where its files are put.

    ``hook_secret_files``: what its webhooks are signed with, several while they are being changed. ``every``: how often it is
    asked; ``requests_per_minute``: how much of its budget is ours. ``ca_file``: of an authority of the organisation's own.
    ``settings``: what the connector's page explains.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\x00]+$")]
    connector: str
    url: Annotated[str, Field(pattern=r"^((https?|imaps?)://[^\s?#]+)?$")] = ""
    folder: Path | None = None
    secret_file: Path | None = None
    hook_secret_files: tuple[Path, ...] = ()
    every: Annotated[Span, Field(ge=timedelta(seconds=1))] = timedelta(minutes=1)
    requests_per_minute: Annotated[float, Field(gt=0)] = 60.0
    ca_file: Path | None = None
    settings: dict[str, Any] = {}

    @model_validator(mode="after")
    def _usable(self) -> Self:
        kind = CONNECTORS.get(self.connector)
        if kind is None:
            raise ValueError(f"there is no connector {self.connector!r}; there are {', '.join(CONNECTORS)}")
        try:
            self.built()
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(map(str, ("settings", *first["loc"])))
            raise ValueError(
                f"{where}: {first['msg'].removeprefix('Value error, ')} (docs/connectors/{self.connector}.md)"
            ) from None
        if self.url and self.secret_file is None:
            raise ValueError("url without secret_file: write what its API knows us by into a file, and name it here")
        if self.url and not is_polled(kind):
            raise ValueError(f"{self.connector} has no API to ask: leave url away")
        if self.url.startswith("imap") != (self.connector == "mailbox") and self.url:
            raise ValueError("url: a mailbox has one like imaps://mail.example.com, all else https://…")
        if self.folder is not None and not reads_files(kind):
            raise ValueError(f"{self.connector} is read from no file: leave folder away")
        if self.hook_secret_files and not has_hooks(kind):
            raise ValueError(f"{self.connector} sends no webhooks: leave hook_secret_files away")
        return self

    def built(self) -> Connector:
        """Its connector."""
        return CONNECTORS[self.connector].model_validate({**self.settings, "source": self.name})


class SourcesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[SourceEntry, ...]

    @model_validator(mode="after")
    def _once(self) -> Self:
        twice = [*_twice(source.name for source in self.sources)]
        if twice:
            raise ValueError(f"there are two sources {twice[0]!r}: each has a name of its own")
        return self


def _twice(names: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)
