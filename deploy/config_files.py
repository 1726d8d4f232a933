"""Reads a directory of configuration: ``company.yaml``, and ``norms.yaml`` or ``norms/*.yaml``.

Everything that is wrong comes back at once, each with its line (:class:`streams.problems.BadConfiguration`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from deploy.yaml_text import NotYaml, Tree, line_of, parse, repeated_keys
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.lint import COMPANY, lint
from streams.norm_entry import NormsFile
from streams.problems import BadConfiguration, Place, Problem, Severity, did_you_mean, one_of

NORMS, NORMS_FOLDER = "norms.yaml", "norms"
LARGEST_BYTES = 4 << 20
FILLERS: Mapping[Any, Any] = {
    **dict.fromkeys(("organisation", "id", "name", "department", "source", "group", "person", "who"), "?"),
    "zone": "UTC",
    "hours": "always",
    "groups": [],
}

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Loaded:
    """A directory that was read; ``documents`` are the trees of its files, for their lines."""

    configuration: Configuration
    warnings: tuple[Problem, ...]
    documents: Mapping[str, Tree]

    def located(self, problems: Iterable[Problem]) -> list[Problem]:
        """The same problems with their lines, in the order of the files."""
        return _located(problems, self.documents)


def load(directory: Path, version: int = 1) -> Loaded:
    """Raises :class:`BadConfiguration` with everything that was found, warnings too."""
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise BadConfiguration([Problem(str(directory), 0, what, f"name the directory that holds {COMPANY}")])
    reader = _Reader()
    company = reader.read(directory, COMPANY, CompanyFile)
    names = _norms_files(directory)
    norms = {name: file for name in names if (file := reader.read(directory, name, NormsFile)) is not None}
    problems = reader.problems + list(_strays(directory))
    if company is not None:
        problems += [problem for problem in lint(company, norms) if not reader.follows(problem)]
    problems = _located(problems, reader.documents)
    if company is None or any(p.severity is Severity.error for p in problems):
        raise BadConfiguration(problems)
    files = Files(version=version, company=company, norms=norms)
    return Loaded(Configuration(files), tuple(problems), reader.documents)


def _norms_files(directory: Path) -> list[str]:
    folder = directory / NORMS_FOLDER
    inside = sorted(f"{NORMS_FOLDER}/{p.name}" for p in folder.glob("*") if p.suffix in (".yaml", ".yml"))
    return [NORMS, *inside] if (directory / NORMS).exists() else inside


def _strays(directory: Path) -> Iterator[Problem]:
    for path in sorted(directory.glob("*")):
        if path.suffix in (".yaml", ".yml") and path.name not in (COMPANY, NORMS):
            mend = did_you_mean(path.name, (COMPANY, NORMS)) or f"move it to {NORMS_FOLDER}/ if it holds norms"
            yield Problem(path.name, 0, "is not read", mend, Severity.warning)


class _Reader:
    """Collects what is wrong while it reads. ``broken``: the (file, entry) that problems have been reported of."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.broken: set[tuple[str, Place]] = set()
        self.documents: dict[str, Tree] = {}

    def read(self, directory: Path, name: str, model: type[M]) -> M | None:
        """The file as its model; if parts of it are wrong, without them; None if nothing can be made of it."""
        text = self._text(directory, name)
        data = None if text is None else self._data(name, text)
        if data is None:
            return None
        try:
            return model.model_validate(data)
        except ValidationError as error:
            broken = error
        problems = [_problem(name, model, data, details) for details in broken.errors()]
        self.problems += problems
        self.broken |= {(name, problem.at[:2]) for problem in problems}
        return _rest(model, data, broken)

    def follows(self, problem: Problem) -> bool:
        """May it come from what is broken already?"""
        warning = problem.severity is Severity.warning
        return (warning and bool(self.problems)) or (problem.file, problem.at[:2]) in self.broken

    def _text(self, directory: Path, name: str) -> str | None:
        try:
            content = (directory / name).read_bytes()
        except FileNotFoundError:
            self._refuse(name, 0, "is missing", f"create {directory / name}")
            return None
        except OSError as error:
            self._refuse(name, 0, f"cannot be read: {error.strerror}", "")
            return None
        if len(content) > LARGEST_BYTES:
            self._refuse(name, 0, "is larger than 4 MiB", f"split norms into {NORMS_FOLDER}/")
            return None
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._refuse(name, content.count(b"\n", 0, error.start) + 1, "is not text in UTF-8", "save it as UTF-8")
            return None

    def _data(self, name: str, text: str) -> Any:
        try:
            tree, data = parse(text)
        except NotYaml as error:
            self._refuse(name, error.line, error.text, error.mend)
            return None
        self.documents[name] = tree
        for line, key in repeated_keys(tree, set()):
            self._refuse(name, line, f"'{key}' is given twice", "delete one")
        return data

    def _refuse(self, name: str, line: int, text: str, mend: str) -> None:
        self.problems.append(Problem(name, line, text, mend))


def _problem(name: str, model: type[BaseModel], data: Any, details: Any) -> Problem:
    """One error of pydantic in our words."""
    loc: Place = details["loc"]
    at = _resolved(data, loc)
    key = next((part for part in reversed(at) if isinstance(part, str) and part.isidentifier()), name)
    context = details.get("ctx", {})
    match details["type"]:
        case "crossdesk":
            return Problem(name, 0, context["text"], context["mend"], at=at)
        case "extra_forbidden":
            return Problem(name, 0, f"unknown key '{loc[-1]}'", one_of(str(loc[-1]), _keys(model, loc[:-1])), at=at)
        case "missing":
            return Problem(name, 0, f"'{loc[-1]}' is missing", f"add `{loc[-1]}:`", at=at)
        case _ if details["input"] is None:
            return Problem(name, 0, f"'{key}' is empty", "write its value or delete the key", at=at)
        case "model_type" | "dict_type":
            return Problem(name, 0, f"'{key}' is not made of `key: value`", "write keys with values", at=at)
        case "tuple_type" | "list_type":
            return Problem(name, 0, f"'{key}' is not a list", "write [one, another] or lines with dashes", at=at)
        case "string_type":
            return Problem(name, 0, f"'{key}' is not a text", "write one value there", at=at)
        case _:
            message = details["msg"].replace("Input should be", "should be")
            return Problem(name, 0, f"'{key}' {message}, not '{details['input']}'", at=at)


def _keys(model: type[BaseModel], at: Place) -> list[str]:
    """The keys that may stand at a place of a file."""
    for part in at:
        if field := model.model_fields.get(str(part)):
            model = next(_models(field.annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _located(problems: Iterable[Problem], documents: Mapping[str, Tree]) -> list[Problem]:
    located = [
        replace(problem, line=line_of(documents[problem.file], problem.at))
        if not problem.line and problem.file in documents
        else problem
        for problem in problems
    ]
    return sorted(dict.fromkeys(located), key=lambda problem: (problem.file, problem.line))


def _resolved(data: Any, loc: Place) -> Place:
    """The parts that are in the data: models add tags of unions and name keys that are missing."""
    found: list[str | int] = []
    for part in loc:
        known = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        if part in known:
            found.append(part)
            data = data[part]
    return tuple(found)


def _rest(model: type[M], data: Any, error: ValidationError) -> M | None:
    """What can be checked further although parts are wrong: they are left out, or filled in where they are needed."""
    data = copy.deepcopy(data)
    for _ in range(3):
        missing = [details["loc"] for details in error.errors() if details["type"] == "missing"]
        wrong = {_key(_resolved(data, details["loc"])) for details in error.errors() if details["type"] != "missing"}
        for place in sorted(wrong, key=len, reverse=True):
            if not place or (len(place) == 1 and isinstance(data[place[0]], list)):
                return None  # all that refers to a list of the wrong things would look wrong
            _at(data, place[:-1]).pop(place[-1], None)
        for *above, key in missing:
            _at(data, _resolved(data, tuple(above)))[key] = FILLERS.get(key)
        try:
            return model.model_validate(data)
        except ValidationError as again:
            error = again
    return None


def _key(place: Place) -> Place:
    """The key of a mapping that holds the place."""
    while place and isinstance(place[-1], int):
        place = place[:-1]
    return place


def _at(data: Any, place: Iterable[str | int]) -> Any:
    for part in place:
        data = data[part]
    return data
