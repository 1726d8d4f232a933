"""How to reach the broker: the settings that every client of it gets, from the environment; secrets come from files.

CROSSDESK_KAFKA_BOOTSTRAP_SERVERS=kafka-1:9093,kafka-2:9093
CROSSDESK_KAFKA_SECURITY_PROTOCOL=SASL_SSL
CROSSDESK_KAFKA_SASL_MECHANISM=SCRAM-SHA-512
CROSSDESK_KAFKA_SASL_USERNAME=crossdesk
CROSSDESK_KAFKA_SASL_PASSWORD_FILE=/run/secrets/kafka
CROSSDESK_KAFKA_SSL_CAFILE=/etc/crossdesk/ca.pem
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from ingest.environment import BadSettings as BadSettings
from ingest.environment import read

ENVIRONMENT = "CROSSDESK_KAFKA_"
ANSWER_MS = 10_000
"""How long a broker may take until it first answers."""
PREFIX = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}"


class BrokerUnavailable(Exception):
    """It cannot be reached, or does not let us, or has not answered in time; the message says which and why."""


class BrokerSettings(BaseModel):
    """Each is a variable of the environment: its name in capitals behind :data:`ENVIRONMENT`. A secret may stand in a file, which
    the variable with ``_FILE`` behind it names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_password: SecretStr | None = None
    ssl_check_hostname: bool = True
    topic_prefix: str = "crossdesk"
    """Only checked here: it is part of the names of topics (``ingest.topics``)."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sasl = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if self.security_protocol.startswith("SASL") and None in sasl:
            raise ValueError(f"{self.security_protocol} wants SASL_MECHANISM, SASL_USERNAME and SASL_PASSWORD_FILE")
        if not self.security_protocol.startswith("SASL") and any(part is not None for part in sasl):
            raise ValueError(f"SASL_… is set, and SECURITY_PROTOCOL is {self.security_protocol}: SASL_SSL would use it")
        if not re.fullmatch(PREFIX, self.topic_prefix):
            raise ValueError("TOPIC_PREFIX is made of letters, digits, '-', '_' and '.', up to 200 of them")
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("SSL_CERTFILE and SSL_KEYFILE go together")
        for path in (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile):
            if path is not None and not path.is_file():
                raise ValueError(f"there is no file {path}")
        return self

    @property
    def unanswered(self) -> str:
        """What to say where nobody answers."""
        return f"no broker answers at {self.bootstrap_servers}; is {ENVIRONMENT}BOOTSTRAP_SERVERS right?"

    @property
    def client(self) -> dict[str, Any]:
        """The arguments of a client of kafka-python."""
        settings = self._of_both("kafka")
        if self.security_protocol.endswith("SSL"):
            settings |= {
                "ssl_check_hostname": self.ssl_check_hostname,
                "ssl_cafile": _text(self.ssl_cafile),
                "ssl_certfile": _text(self.ssl_certfile),
                "ssl_keyfile": _text(self.ssl_keyfile),
                "ssl_password": _revealed(self.ssl_password),
            }
        return settings

    @property
    def aiokafka(self) -> dict[str, Any]:
        """The arguments of a client of aiokafka. Raises :class:`BadSettings` where a certificate cannot be used."""
        settings = self._of_both("aiokafka")
        if self.security_protocol.endswith("SSL"):
            settings["ssl_context"] = self._ssl_context()
        return settings

    def _of_both(self, library: str) -> dict[str, Any]:
        """At the level DEBUG both say all that they send, passwords too: from here on nobody hears that."""
        logging.getLogger(library).setLevel(logging.INFO)
        settings: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
        }
        if self.sasl_mechanism is not None:
            settings |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": _revealed(self.sasl_password),
            }
        return settings

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=_text(self.ssl_cafile))
            context.check_hostname = self.ssl_check_hostname
            if self.ssl_certfile is not None:
                # Without a password of ours OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, _revealed(self.ssl_password) or "")
        except (ssl.SSLError, OSError) as error:
            files = ", ".join(str(file) for file in (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile) if file)
            raise BadSettings(f"{ENVIRONMENT}SSL_…: {files} cannot be used: {error}") from None
        return context


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def broker_settings(environment: Mapping[str, str]) -> BrokerSettings:
    """Raises :class:`BadSettings`."""
    return read(BrokerSettings, ENVIRONMENT, environment)
