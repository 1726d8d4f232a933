"""What a worker of the streams is told from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

ENVIRONMENT = "CROSSDESK_STREAMS_"
CASES, DEPARTMENTS, SEALING = "cases", "departments", "sealing"
AGENTS = frozenset({CASES, DEPARTMENTS, SEALING})


class Topics(BaseModel):
    """What they are called on the broker; ``partitions``: of those that do not have one (``ingest.topics``)."""

    model_config = ConfigDict(frozen=True)

    events: str
    config: str
    facts: str
    pairs: str
    indicators: str
    rejected: str
    feedback: str
    sealed: str
    cases_state: str
    departments_state: str
    partitions: int = Field(ge=1)


class Settings(BaseModel):
    """Each is a variable of the environment: its name in capitals behind :data:`ENVIRONMENT`.

    ``generation``: what it works on (DESIGN 5.13). ``instance``: a name that a worker keeps when it is started again: then its
    partitions wait for it, for ``session_seconds``, and nothing is assigned anew. ``agents``: which of the folds it runs.
    ``batch_records``: the most that are fetched and folded at once. ``tell_seconds``: how often indicators are told anew.
    A worker is not ready that has lag and has not moved for ``stuck_seconds``; after twice as long it ends, to be started again.
    Nor is one that has set aside more than ``rejected_limit`` records that nobody has handled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    generation: int = Field(default=1, ge=1)
    instance: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    agents: frozenset[str] = AGENTS
    batch_records: int = Field(default=4_000, ge=1, le=100_000)
    session_seconds: float = Field(default=8.0, ge=6, le=300)
    tell_seconds: float = Field(default=0.5, ge=0.05, le=60)
    stuck_seconds: float = Field(default=60.0, ge=10)
    rejected_limit: int = Field(default=1_000, ge=0)
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=8931, ge=0, le=65535)

    @field_validator("agents", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        named = frozenset(value.split(",")) if isinstance(value, str) else value
        if not named or not named <= AGENTS:
            raise ValueError(f"write some of {', '.join(sorted(AGENTS))}, with a comma between")
        return named


class Worker(NamedTuple):
    """All that a worker is made of. ``client``: the arguments of a client of aiokafka; ``group``: of consumers, the same for all
    workers of an installation and generation.
    """

    settings: Settings
    topics: Topics
    group: str
    client: Mapping[str, Any]
