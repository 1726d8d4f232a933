"""Reads a directory of configuration: ``company.yaml``, and ``norms.yaml`` or ``norms/*.yaml``.

Everything that is wrong comes back at once, each with its line (:class:`streams.problems.BadConfiguration`).
All scalars are read as text, and the models make of it what it should be: no ``no`` becomes False, no 08:30 a number.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.reader import ReaderError

from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.lint import COMPANY, lint
from streams.norms import NormsFile
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
    documents: Mapping[str, yaml.Node]

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


class _Text(yaml.SafeLoader):
    """YAML in which all scalars are text, but for nothing (null)."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own
        first: [pair for pair in resolvers if pair[0] in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Reader:
    """Collects what is wrong while it reads. ``broken``: the (file, entry) that problems have been reported of."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.broken: set[tuple[str, Place]] = set()
        self.documents: dict[str, yaml.Node] = {}

    def read(self, directory: Path, name: str, model: type[M]) -> M | None:
        """The file as its model; if parts of it are wrong, without them; None if nothing can be made of it."""
        text = self._text(directory, name)
        data = None if text is None else self._data(name, text)
        if data is None:
            return None
        try:
            return model.model_validate(data)
        except ValidationError as error:
            problems = [_problem(name, model, data, details) for details in error.errors()]
        self.problems += problems
        self.broken |= {(name, problem.at[:2]) for problem in problems}
        return _rest(model, data, [problem.at for problem in problems])

    def follows(self, problem: Problem) -> bool:
        """May it come from what is broken already?"""
        warning = problem.severity is Severity.warning
        return (warning and bool(self.broken)) or (problem.file, problem.at[:2]) in self.broken

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
            loader = _Text(text)
            node = loader.get_single_node()
            data = None if node is None else loader.construct_document(node)
            loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
            self._refuse(
                name, line, f"is not YAML: {error.problem or error.context}", "look at colons, quotes, indents"
            )
            return None
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self._refuse(name, line, "is not text: it holds control characters", "save it as plain text")
            return None
        except (RecursionError, ValueError) as error:
            self._refuse(name, 0, f"is not YAML that can be read: {error}", "write it without tags and deep nesting")
            return None
        if node is None or data is None:
            self._refuse(name, 0, "is empty", "write what belongs there, or delete the file")
            return None
        self.documents[name] = node
        self.problems += _repeated_keys(name, node, set())
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


def _line(node: yaml.Node, place: Place) -> int:
    """Where a place stands: the line of its key or item, of the nearest above it if it is not in the file itself."""
    line = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            pairs = [(item, item) for item in node.value[part : part + 1]]
        else:
            continue
        if pairs:
            key, node = pairs[-1]
            line = key.start_mark.line
    return line + 1


def _located(problems: Iterable[Problem], documents: Mapping[str, yaml.Node]) -> list[Problem]:
    located = [
        replace(problem, line=_line(documents[problem.file], problem.at))
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


def _rest(model: type[M], data: Any, places: Iterable[Place]) -> M | None:
    """What can be checked further although some places are wrong: they are left out, or filled in where they are needed."""
    data = copy.deepcopy(data)
    try:
        for place in places:
            *above, key = place[: 1 + max(i for i, part in enumerate(place) if isinstance(part, str))]
            holder = _at(data, above)
            if holder is data and isinstance(data.get(key), list):
                return None  # a list of the wrong things: all that refers to them would look wrong
            holder.pop(key, None)
        for _ in range(2):
            try:
                return model.model_validate(data)
            except ValidationError as error:
                for details in error.errors():
                    *above, missing = details["loc"]
                    _at(data, _resolved(data, tuple(above)))[missing] = FILLERS[missing]
    except (LookupError, ValueError, TypeError, AttributeError):
        pass
    return None


def _at(data: Any, place: Iterable[str | int]) -> Any:
    for part in place:
        data = data[part]
    return data


def _repeated_keys(name: str, node: yaml.Node, seen: set[int]) -> list[Problem]:
    """YAML takes the last of two equal keys without a word."""
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return []
    seen.add(id(node))
    problems: list[Problem] = []
    keys: set[str] = set()
    for child in node.value:
        if isinstance(node, yaml.MappingNode):
            key, child = child
            if key.value in keys:
                problems.append(Problem(name, key.start_mark.line + 1, f"'{key.value}' is given twice", "delete one"))
            keys |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        problems += _repeated_keys(name, child, seen)
    return problems
