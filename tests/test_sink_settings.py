"""What the sinks are told from the environment; and that no secret is ever said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.environment import BadSettings, read
from sinks.settings import ENVIRONMENT, SinkSettings

SECRET = "correct-horse"


def settings(**given: object) -> SinkSettings:
    environment = {f"CROSSDESK_SINKS_{name.upper()}": str(value) for name, value in given.items()}
    return read(SinkSettings, ENVIRONMENT, {"PATH": "/bin", **environment})


def test_unset_they_are_those_of_a_trial() -> None:
    found = settings()
    assert (found.batch_records, found.batch_seconds, found.generation) == (50_000, 1.0, 1)
    assert found.health_host == "127.0.0.1"
    assert found.clickhouse_dsn is None


def test_the_address_may_stand_in_a_file_because_it_holds_a_password(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text(f"clickhouse://crossdesk:{SECRET}@store:8443/\n")
    found = settings(clickhouse_dsn_file=file, batch_records=7)
    assert found.clickhouse_dsn is not None
    assert found.clickhouse_dsn.get_secret_value() == f"clickhouse://crossdesk:{SECRET}@store:8443/"
    assert found.batch_records == 7
    assert SECRET not in repr(found) + str(found) + found.model_dump_json()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batch_size": SECRET}, "CROSSDESK_SINKS_BATCH_SIZE is not a setting; there are BATCH_RECORDS, BATCH_SECONDS"),
        ({"batch_records": SECRET}, "CROSSDESK_SINKS_BATCH_RECORDS: Input should be a valid integer"),
        ({"batch_records": 0}, "CROSSDESK_SINKS_BATCH_RECORDS: Input should be greater than or equal to 1"),
        ({"instance": "a b"}, "CROSSDESK_SINKS_INSTANCE: String should match pattern"),
        (
            {"clickhouse_dsn": f"clickhouse://c:{SECRET}/x@store"},
            "CLICKHOUSE_DSN is not like clickhouse://user:password@",
        ),
        ({"clickhouse_dsn": f"clickhouse://c:7/{SECRET}@store"}, "in a password, write %2F for / and %40 for @"),
        ({"clickhouse_dsn": f"postgres://c:{SECRET}@store"}, "CLICKHOUSE_DSN is not like clickhouse://user:password@"),
        ({"clickhouse_dsn": f"chdb://{SECRET}/store"}, "CLICKHOUSE_DSN is not like clickhouse://user:password@"),
        ({"clickhouse_dsn_file": "/nowhere/dsn"}, "CLICKHOUSE_DSN_FILE: cannot read /nowhere/dsn: No such file"),
    ],
)
def test_what_cannot_be_is_named_with_its_variable_and_never_shown(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        settings(**given)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None, "nor by what lies behind it"
