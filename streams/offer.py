"""What a department offers its colleagues and how to reach it, as norms files say it. No number depends on it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from streams.problems import Listed, Part, refuse

_LINK = re.compile(r"https?://[^\s<>\"]+")
_EMAIL = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+")


def _long(given: Any) -> Any:
    """``x`` is short for ``{name: x}``."""
    return [{"name": one} if isinstance(one, str) else one for one in given] if isinstance(given, list) else given


def _link(text: str) -> str:
    if not _LINK.fullmatch(text):
        raise refuse(f"'{text}' is no link", "write a whole address, such as https://helpdesk.example/it")
    return text


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise refuse(f"'{text}' is no e-mail address", "write one of the department's, such as it@example.org")
    return text


class Service(Part):
    """What colleagues can ask for. With the ``name`` that the source uses, it is known how many cases were of it."""

    name: Annotated[str, Field(min_length=1, max_length=512)]
    description: str = ""


class Contact(Part):
    """How to reach the department, never a person. ``best``: what to do first, in a sentence; ``meeting``: how to arrange one."""

    best: str = ""
    link: Annotated[str, AfterValidator(_link)] = ""
    email: Annotated[str, AfterValidator(_email)] = ""
    phone: str = ""
    meeting: str = ""


def _once(services: tuple[Service, ...]) -> tuple[Service, ...]:
    seen: set[str] = set()
    for service in services:
        if service.name.casefold() in seen:
            raise refuse(f"'{service.name}' is offered twice", "delete one")
        seen.add(service.name.casefold())
    return services


Services = Annotated[Listed[Service], BeforeValidator(_long), AfterValidator(_once)]
