"""The vendor's own schedules, where somebody hands them in: a norms file, as `crossdesk norms import` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from deploy.folder import Stopped
from deploy.yaml_text import NotYaml, parse
from streams.company import Company
from streams.hours import Calendar
from streams.norm_entry import NormsFile
from streams.norms import Norms

MEND = "hand in a norms file with the vendor's hours, as `crossdesk norms import` writes it"


def read(path: Path) -> NormsFile:
    """Raises :class:`Stopped`."""
    try:
        return NormsFile.model_validate(parse(path.read_text("utf-8"))[1])
    except NotYaml as error:
        raise Stopped(f"{path}:{error.line}: {error.text}; {error.mend}") from None
    except UnicodeDecodeError:
        raise Stopped(f"{path}: is not text in UTF-8; {MEND}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Stopped(f"{path}: {place}: {first['msg']}; {MEND}") from None


def calendars(file: NormsFile, company: Company) -> Mapping[str, Calendar]:
    """By department; where an entry says nothing of hours or zone, the company's."""
    norms = Norms(company, [file])
    return {department: norms.calendar(department) for department in norms.versions}
