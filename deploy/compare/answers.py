"""Files with what a vendor's API answered: one JSON value each, or one a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from deploy.folder import Stopped


def documents(paths: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object of the files, in order; lists are taken apart. Raises :class:`Stopped` for what is no JSON, or no object."""
    for path in paths:
        for value in _values(path):
            for one in value if isinstance(value, list) else [value]:
                if not isinstance(one, dict):
                    raise Stopped(
                        f"{path}: holds {one!r:.40}, which is no answer: save what the API answered, as it came"
                    )
                yield path, one


def _values(path: Path) -> list[Any]:
    content = path.read_bytes()
    try:
        return [msgspec.json.decode(content)]
    except msgspec.DecodeError as whole:
        lines = [line for line in content.splitlines() if line.strip()]
        try:
            if len(lines) > 1:
                return [msgspec.json.decode(line) for line in lines]
        except msgspec.DecodeError:
            pass
        raise Stopped(
            f"{path}: is no JSON ({whole}): save what the API answered, one answer a file or one a line"
        ) from None
