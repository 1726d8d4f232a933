"""Files that hold what a vendor's API answered, and what is said when they do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec

from streams.problems import BadConfiguration, Problem

LARGEST_BYTES = 64 << 20

T = TypeVar("T")


class Answer(NamedTuple):
    """``file``: whom to name when it is wrong. ``name``: what it is called in the file, or the file's own name."""

    file: str
    name: str
    body: Any

    def read(self, kind: type[T], path: str) -> T:
        """As the structs of a vendor. ``path``: where the API gives it. Raises :class:`BadConfiguration`."""
        try:
            return msgspec.convert(self.body, kind)
        except (msgspec.ValidationError, RecursionError) as error:
            refuse(self.place, f"is not as documented: {error}", f"give what GET {path} answers, as it comes")

    @property
    def place(self) -> str:
        return self.file if self.name == self.file else f"{self.file}, {self.name!r}"


def refuse(file: str, text: str, mend: str) -> NoReturn:
    raise BadConfiguration([Problem(file, 0, text, mend)])


def answers(paths: Iterable[Path], known: Callable[[Any], bool], wanted: str) -> list[Answer]:
    """All of them: a file is an answer, or an object of answers by name. ``wanted``: what to give, for messages.

    Raises :class:`BadConfiguration`, or OSError of a file that cannot be read.
    """
    return [answer for path in paths for answer in _of_file(path, known, wanted)]


def of_kind(found: Iterable[Answer], keys: Collection[str]) -> Iterator[tuple[Answer, str]]:
    """Those whose body is an object with one of the keys, and which."""
    for answer in found:
        for key in keys:
            if isinstance(answer.body, dict) and isinstance(answer.body.get(key), list):
                yield answer, key


def called(name_or_id: str, *names: str) -> bool:
    return name_or_id.strip().casefold() in {name.casefold() for name in names}


def as_json(value: Any) -> str:
    """A part of an answer in the vendor's own words, on one line."""
    return json.dumps(value, ensure_ascii=False)


def _of_file(path: Path, known: Callable[[Any], bool], wanted: str) -> Iterator[Answer]:
    file = str(path)
    if path.stat().st_size > LARGEST_BYTES:
        refuse(file, "is larger than 64 MiB", f"give {wanted}, nothing else")
    try:
        body = msgspec.json.decode(path.read_bytes())
    except RecursionError:
        refuse(file, "is nested too deeply", f"give {wanted}, as they come")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        refuse(file, f"is not JSON: {error}", f"give {wanted}, as they come")
    if known(body):
        yield Answer(file, file, body)
        return
    if not isinstance(body, dict) or not body:
        refuse(file, "is no answer that is known", f"give {wanted}, or an object of them by name")
    if "error" in body or "errorMessages" in body:
        said = as_json(body.get("error", body.get("errorMessages")))
        refuse(file, f"is a refusal, not an answer: {said}", "ask again as an administrator")
    for name, part in body.items():
        if not known(part):
            refuse(file, f"{name!r} is no answer that is known", f"give {wanted}, or an object of them by name")
        yield Answer(file, name, part)
