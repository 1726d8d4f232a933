"""The sources that are there, one line each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Protocol

from ingest.connector import Connector, LogConnector
from ingest.connectors.bamboohr import BambooHR
from ingest.connectors.bonusly import Bonusly
from ingest.connectors.cloudevents import CloudEvents
from ingest.connectors.event_log import EventLog
from ingest.connectors.external_scores import ExternalScores
from ingest.connectors.freshservice.connector import Freshservice
from ingest.connectors.glpi.connector import Glpi
from ingest.connectors.hr_file import HrFile
from ingest.connectors.http_json import HttpJson
from ingest.connectors.jira_service_management.connector import JiraServiceManagement
from ingest.connectors.mailbox import Mailbox
from ingest.connectors.servicenow.connector import ServiceNow
from ingest.connectors.servicenow_log import ServiceNowLog
from ingest.connectors.survey_file import SurveyFile
from ingest.connectors.typeform import Typeform
from ingest.connectors.zammad.connector import Zammad
from ingest.connectors.zendesk.connector import Zendesk
from ingest.identity import Identity
from ingest.mapping import LogMapping


class LogFactory(Protocol):
    """How a log connector is made: all take the same, and refuse what they have no use for."""

    def __call__(
        self, source: str, identity: Identity, *, mapping: LogMapping | None, zone: str, bots: Collection[str]
    ) -> LogConnector: ...


LOGS: Mapping[str, LogFactory] = {
    "event_log": EventLog,
    "servicenow_log": ServiceNowLog,
}
"""Sources that are a log in a file, by the name that is used in settings and on the command line."""

CONNECTORS: Mapping[str, type[Connector]] = {
    "bamboohr": BambooHR,
    "bonusly": Bonusly,
    "cloudevents": CloudEvents,
    "external_scores": ExternalScores,
    "freshservice": Freshservice,
    "glpi": Glpi,
    "hr_file": HrFile,
    "http_json": HttpJson,
    "jira_service_management": JiraServiceManagement,
    "mailbox": Mailbox,
    "servicenow": ServiceNow,
    "survey_file": SurveyFile,
    "typeform": Typeform,
    "zammad": Zammad,
    "zendesk": Zendesk,
}
"""Sources with an API, webhooks, or both."""


def build(
    name: str,
    source: str,
    identity: Identity,
    *,
    mapping: LogMapping | None = None,
    zone: str = "",
    bots: Collection[str] = (),
) -> LogConnector:
    """The connector ``name`` for the source ``source``; ``mapping`` from ``ingest.mapping.load``.

    Raises ``ValueError`` for a name that is not there, a mapping too few or too many, a zone that is unknown.
    """
    if name not in LOGS:
        close = get_close_matches(name, LOGS, 1)
        raise ValueError(
            f"no log connector {name!r}; "
            + (f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(LOGS)}")
        )
    return LOGS[name](source, identity, mapping=mapping, zone=zone, bots=bots)
