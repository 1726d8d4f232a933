"""What the intake is told from outside: ``CROSSDESK_INGEST_…``."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from ingest.environment import BadSettings
from ingest.identity import Identity, WeakKey

ENVIRONMENT = "CROSSDESK_INGEST_"


class IngestSettings(BaseModel):
    """Each is a variable of the environment: its name in capitals behind :data:`ENVIRONMENT`. A secret stands in a file, which the
    variable with ``_FILE`` behind it names.

    ``sources``: the file sources.yaml. ``key``: of pseudonyms, ``key_id`` its name, ``aliases`` a CSV file of the columns native
    and own. ``answers``: where answers to surveys wait for the end of their week, encrypted with ``answers_key``.
    ``tls_certificate`` and ``tls_key``: of the port for webhooks; without them it is for a proxy on this machine.
    ``reconcile_hours``: how often each source is walked whole and compared with what was said of it; 0: never.
    ``rejected_limit``: with more unhandled ones the stage is not ready.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sources: Path = Path("sources.yaml")
    key: SecretStr | None = None
    key_id: str = "k1"
    aliases: Path | None = None
    answers: Path | None = None
    answers_key: SecretStr | None = None
    hooks_host: str = "127.0.0.1"
    hooks_port: int = Field(default=8921, ge=0, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=8922, ge=0, le=65535)
    reconcile_hours: float = Field(default=24.0, ge=0)
    rejected_limit: int = Field(default=1_000, ge=0)

    @model_validator(mode="after")
    def _together(self) -> Self:
        for one, other in (("tls_certificate", "tls_key"), ("answers", "answers_key")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one.upper()} and {other.upper()} go together")
        return self


def identity_of(settings: IngestSettings) -> Identity:
    """Raises :class:`ingest.environment.BadSettings`: without a key there is no pseudonym, and nothing is read."""
    variable = f"{ENVIRONMENT}KEY_FILE"
    if settings.key is None:
        raise BadSettings(
            f"{variable} is not set: it names the file with the key of pseudonyms, without which no person is read; make one\n"
            '    python -c "import secrets; print(secrets.token_hex(32))" > pseudonyms.key'
        )
    try:
        return Identity(settings.key.get_secret_value().encode(), settings.key_id, _aliases(settings.aliases))
    except WeakKey as error:
        raise BadSettings(f"{variable}: {error}") from None
    except ValueError as error:
        raise BadSettings(f"{ENVIRONMENT}KEY_ID or ALIASES: {error}") from None


def _aliases(path: Path | None) -> dict[str, str]:
    """Raises ``ValueError`` with the line."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8") from None
    aliases: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        native, comma, own = (part.strip() for part in line.partition(","))
        if not line.strip() or (number == 1 and (native, own) == ("native", "own")):
            continue
        if not (comma and native and own) or "," in own:
            raise ValueError(f"{path}:{number}: is not like native,own (helpdesk/4711,maria@example.com)")
        if aliases.setdefault(native, own) != own:
            raise ValueError(f"{path}:{number}: the same native id stands for another person above")
    return aliases
