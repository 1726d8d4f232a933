"""How to reach the broker, from the environment; and that no secret is ever said."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

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
        ({"topic_prefix": "a b"}, "TOPIC_PREFIX is made of letters, digits, '-', '_' and '.'"),
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


# -- aiokafka's, which Faust hands on


def test_aiokafka_gets_the_same_without_settings() -> None:
    assert broker_settings(environment()).aiokafka == broker_settings(environment()).client


def test_aiokafka_gets_a_password_as_it_is_and_certificates_as_a_context(tmp_path: Path) -> None:
    authority = trustme.CA()
    ours = authority.issue_cert("crossdesk.example")
    ours.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "ours.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    files = {"ssl_certfile": tmp_path / "ours.pem", "ssl_keyfile": tmp_path / "ours.pem"}
    said = environment(
        **SASL, sasl_password=SECRET, ssl_cafile=tmp_path / "ca.pem", ssl_check_hostname="false", **files
    )
    client = broker_settings(said).aiokafka
    context = client.pop("ssl_context")
    assert client == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "crossdesk",
        "sasl_plain_password": SECRET,
    }
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
    assert context.get_ca_certs(binary_form=True) == [ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())]


@pytest.mark.parametrize("which", ["ssl_cafile", "ssl_keyfile"])
def test_a_certificate_that_is_none_is_named(which: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "good.pem"))
    (tmp_path / "bad.pem").write_text(SECRET)
    files = dict.fromkeys(("ssl_cafile", "ssl_certfile", "ssl_keyfile"), tmp_path / "good.pem")
    settings = broker_settings(environment(security_protocol="SSL", **files | {which: tmp_path / "bad.pem"}))
    with pytest.raises(BadSettings, match=r"CROSSDESK_KAFKA_SSL_…: .*bad\.pem.* cannot be used: ") as caught:
        settings.aiokafka  # noqa: B018  # it reads the files
    assert SECRET not in str(caught.value)


def test_a_key_whose_password_is_missing_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    ours = trustme.CA().issue_cert("crossdesk.example")
    key = load_pem_private_key(ours.private_key_pem.bytes(), None)
    hidden = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    (tmp_path / "key.pem").write_bytes(hidden)
    (tmp_path / "cert.pem").write_bytes(ours.cert_chain_pems[0].bytes())
    files = {"ssl_certfile": tmp_path / "cert.pem", "ssl_keyfile": tmp_path / "key.pem", "security_protocol": "SSL"}
    with pytest.raises(BadSettings, match=r"key\.pem cannot be used"):
        broker_settings(environment(**files)).aiokafka  # noqa: B018
    assert broker_settings(environment(**files, ssl_password=SECRET)).aiokafka["ssl_context"]
