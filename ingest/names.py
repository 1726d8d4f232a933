"""What a source calls the groups whose ids stand in its events: asked when somebody is to read them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from ingest.connector import Refused

GONE = 404
_ID = re.compile(r"[\w-]+", re.ASCII)


class Asked(Protocol):
    """As much of :class:`ingest.connector.Api` as is needed."""

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any: ...


def name_at(api: Asked, path: str, group: str, query: Mapping[str, str] = {}) -> str:
    """The name in the answer for ``path``, in which ``{}`` stands for the group. Empty where there is none such, or none any more.
    Raises :class:`ingest.connector.Refused`.
    """
    if not _ID.fullmatch(group):
        return ""
    try:
        answer = api.get(path.format(group), query)
    except Refused as refused:
        if refused.status != GONE:
            raise
        return ""
    inner = [value for value in answer.values() if isinstance(value, dict)] if "name" not in answer else [answer]
    return str(inner[0].get("name") or "") if inner else ""
