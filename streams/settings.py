"""What a worker of the streams is told from outside."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

CASES, DEPARTMENTS = "cases", "departments"


class Topics(BaseModel):
    """What they are called on the broker; ``partitions``: of each but ``config``."""

    model_config = ConfigDict(frozen=True)

    events: str
    config: str
    facts: str
    indicators: str
    rejected: str
    cases_state: str
    departments_state: str
    partitions: int = Field(ge=1)


class Broker(BaseModel):
    """How a client of aiokafka reaches it."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    servers: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    ssl_context: ssl.SSLContext | None = None
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = Field(default="", repr=False)

    @property
    def client(self) -> Mapping[str, Any]:
        """The arguments of a client."""
        sasl = {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
        }
        return {
            "bootstrap_servers": list(self.servers),
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context,
            **(sasl if self.sasl_mechanism else {}),
        }


class Settings(BaseModel):
    """Of one worker. ``group``: of consumers, the same for all workers of an installation and generation. ``instance``: a name that a
    worker keeps when it is started again: then its partitions wait for it (``session_seconds``) and nothing is assigned anew.
    """

    model_config = ConfigDict(frozen=True)

    broker: Broker
    topics: Topics
    group: str
    instance: str = ""
    agents: frozenset[str] = frozenset({CASES, DEPARTMENTS})
    most_records: int = Field(default=4_000, ge=1)
    session_seconds: float = Field(default=8.0, ge=3)
    tell_seconds: float = Field(default=0.5, ge=0)
    """How often indicators are told anew, at the most."""
