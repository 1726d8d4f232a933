"""Settings from the environment: the variable of a field is its name in capitals behind the prefix of its stage. A secret may
stand in a file, which the variable with ``_FILE`` behind it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError

M = TypeVar("M", bound=BaseModel)


class BadSettings(ValueError):
    """The environment says what cannot be; the message names the variables, never what a secret is."""


def read(model: type[M], prefix: str, environment: Mapping[str, str]) -> M:
    """What is empty counts as not set. Raises :class:`BadSettings`, also where a variable with the prefix is no field."""
    given = {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix) and value
    }
    for secret in _secrets(model):
        file = given.pop(f"{secret}_file", None)
        if file is not None:
            given[secret] = content(Path(file), f"{prefix}{secret.upper()}_FILE")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        said = [_said(model, prefix, problem) for problem in error.errors(include_input=False)]
        raise BadSettings("; ".join(said)) from None


def _secrets(model: type[BaseModel]) -> list[str]:
    fields = model.model_fields.items()
    return [name for name, field in fields if SecretStr in (field.annotation, *get_args(field.annotation))]


def content(file: Path, of: str) -> str:
    """Of a small text file, without its last line end. Raises :class:`BadSettings`, which says what it is the file ``of``."""
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise BadSettings(f"{of}: cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{of}: {file} is no text in UTF-8") from None


def _said(model: type[BaseModel], prefix: str, problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        known = ", ".join(sorted(name.upper() for name in model.model_fields))
        return f"{prefix}{str(problem['loc'][0]).upper()} is not a setting; there are {known}"
    text = problem["msg"].removeprefix("Value error, ")
    return f"{prefix}{str(problem['loc'][0]).upper()}: {text}" if problem["loc"] else f"{prefix}…: {text}"
