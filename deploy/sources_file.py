"""Reads ``sources.yaml``: what is wrong there comes back with its line."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from deploy.yaml_text import NotYaml, line_of, parse
from ingest.environment import BadSettings
from ingest.sources import SourcesFile


def load(path: Path) -> SourcesFile:
    """Raises :class:`ingest.environment.BadSettings` with a line for each problem."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{path} is not text in UTF-8") from None
    try:
        tree, data = parse(text)
    except NotYaml as error:
        raise BadSettings(f"{path}:{error.line}: {error}; {error.mend}") from None
    try:
        return SourcesFile.model_validate(data)
    except ValidationError as error:
        said = []
        for problem in error.errors(include_input=False):
            what = ".".join(str(part) for part in problem["loc"] if isinstance(part, str))
            text = problem["msg"].removeprefix("Value error, ")
            said.append(f"{path}:{line_of(tree, problem['loc'])}: {what}{': ' if what else ''}{text}")
        raise BadSettings("\n".join(said)) from None
