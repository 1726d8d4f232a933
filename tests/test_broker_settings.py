"""How to reach the broker, from the environment; and that no secret is ever said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.broker import BadSettings, broker_settings

SECRET = "correct-horse-battery"


def environment(**settings: object) -> dict[str, str]:
    return {"PATH": "/bin", **{f"CROSSDESK_KAFKA_{name.upper()}": str(value) for name, value in settings.items()}}


def test_without_settings_it_is_the_broker_of_a_trial() -> None:
    assert broker_settings(environment()).client == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "PLAINTEXT",
    }


def test_a_secured_broker_gets_all_that_is_set(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca", "cert", "key", "sasl", "ssl")}
    for file in files.values():
        file.write_text(SECRET + "\n")
    client = broker_settings(
        environment(
            bootstrap_servers="a:9093,b:9093",
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="crossdesk",
            sasl_password_file=files["sasl"],
            ssl_cafile=files["ca"],
            ssl_certfile=files["cert"],
            ssl_keyfile=files["key"],
            ssl_password_file=files["ssl"],
        )
    ).client
    assert client == {
        "bootstrap_servers": ["a:9093", "b:9093"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "crossdesk",
        "sasl_plain_password": SECRET,
        "ssl_check_hostname": True,
        "ssl_cafile": str(files["ca"]),
        "ssl_certfile": str(files["cert"]),
        "ssl_keyfile": str(files["key"]),
        "ssl_password": SECRET,
    }


SASL = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "crossdesk"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"servers": SECRET}, "CROSSDESK_KAFKA_SERVERS is not a setting; there are BOOTSTRAP_SERVERS"),
        ({"security_protocol": "TLS"}, "SECURITY_PROTOCOL: Input should be 'PLAINTEXT', 'SSL'"),
        (SASL, "SASL_SSL wants SASL_MECHANISM, SASL_USERNAME and SASL_PASSWORD_FILE"),
        ({"sasl_password": SECRET}, "SASL_… is set, and SECURITY_PROTOCOL is PLAINTEXT"),
        ({"ssl_certfile": "/dev/null"}, "SSL_CERTFILE and SSL_KEYFILE go together"),
        ({"ssl_cafile": "/nowhere/ca.pem"}, "there is no file /nowhere/ca.pem"),
        ({"sasl_password_file": "/nowhere/secret"}, "SASL_PASSWORD_FILE: cannot read /nowhere/secret: No such file"),
        ({"ssl_check_hostname": SECRET}, "SSL_CHECK_HOSTNAME: Input should be a valid boolean"),
    ],
)
def test_what_cannot_be_is_named_with_its_variable(settings: dict[str, str], said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        broker_settings(environment(**settings))
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None, "nor by what lies behind it"


def test_a_secret_is_not_shown_with_the_settings() -> None:
    settings = broker_settings(environment(**SASL, sasl_password=SECRET))
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.client["sasl_plain_password"] == SECRET
