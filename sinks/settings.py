"""What the sinks are told from outside: ``CROSSDESK_SINKS_…``."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

ENVIRONMENT = "CROSSDESK_SINKS_"
DSN_FORM = "clickhouse://user:password@host:8123/ or chdb:///path"


class SinkSettings(BaseModel):
    """Each is a variable of the environment: its name in capitals behind :data:`ENVIRONMENT`.

    ``generation``: of what is stored; Prometheus is shown the current one. ``clickhouse_dsn`` may stand in a file, since it holds a
    password. A batch is written when it holds ``batch_records``, or ``batch_seconds`` after its first record came. ``instance``:
    a name that a process keeps when it is started again: its partitions wait for it then, and nothing is assigned anew.
    ``health_port``: unless set, that of the command. A process is not ready that has lag and has not moved for
    ``stuck_seconds``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    generation: int = Field(default=1, ge=1)
    clickhouse_dsn: SecretStr | None = None
    batch_records: int = Field(default=50_000, ge=1)
    batch_seconds: float = Field(default=1.0, ge=0, le=60)
    instance: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    session_seconds: float = Field(default=10.0, ge=6)
    health_host: str = "127.0.0.1"
    health_port: int | None = Field(default=None, ge=0, le=65535)
    stuck_seconds: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _dsn(self) -> Self:
        """What is wrong with it is said without it: a password with a '/' in it would be taken for a port and shown."""
        if self.clickhouse_dsn is not None:
            try:
                address = urlsplit(self.clickhouse_dsn.get_secret_value())
                known = (address.scheme == "chdb" and not address.netloc and len(address.path) > 1) or (
                    address.scheme == "clickhouse" and bool(address.hostname) and "@" not in address.path
                )
                _ = address.port
            except ValueError:
                known = False
            if not known:
                raise ValueError(f"CLICKHOUSE_DSN is not like {DSN_FORM}; in a password, write %2F for / and %40 for @")
        return self
