"""A real broker that wants TLS and a password: the settings reach every client, and no secret is ever said."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from selectors import DefaultSelector
from typing import TypeVar

import pytest
import trustme
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from on_kafka import Installation, Process, ended, folded

from deploy.ahead import prepare
from deploy.kafka.broker import Broker
from deploy.topics import Topics
from ingest import topics as declared
from ingest.broker import BrokerSettings, BrokerUnavailable, broker_settings
from ingest.connectors.simulated import simulate
from ingest.publish import Publisher

SECRET = "correct-horse-battery"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"

Settings = Callable[..., BrokerSettings]
Result = TypeVar("Result")


def run(client: Coroutine[object, object, Result]) -> Result:
    """Its result, once its connections are gone: aiokafka begins the farewell of TLS and does not wait for its end."""
    selector = DefaultSelector()

    async def ended() -> Result:
        result = await client
        while len(selector.get_map()) > 1:  # the loop's own one
            await asyncio.sleep(0.01)
        return result

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        return runner.run(asyncio.wait_for(ended(), 30))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("secured")
    issued, store, trusted = authority.issue_cert("127.0.0.1"), folder / "broker.pem", folder / "ca.pem"
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    store.write_bytes(pem + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(str(trusted))
    properties = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(trusted),
        "listener.name.secured.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.secured.plain.sasl.jaas.config": f'{LOGIN} user_crossdesk="{SECRET}";',
    }
    with Broker(folder / "kafka", properties=properties, secured="SASL_SSL") as broker:
        yield broker


@pytest.fixture
def environment(secured: Broker, authority: trustme.CA, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """As a stage finds it, with secrets in files."""

    def said(password: str = SECRET, ca: trustme.CA = authority, **others: str) -> dict[str, str]:
        ours = authority.issue_cert("crossdesk.example")
        ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        (tmp_path / "password").write_text(password + "\n")
        environment = {
            "bootstrap_servers": f"127.0.0.1:{secured.secured_port}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "crossdesk",
            "sasl_password_file": str(tmp_path / "password"),
            "ssl_cafile": str(tmp_path / "ca.pem"),
            "ssl_certfile": str(tmp_path / "cert.pem"),
            "ssl_keyfile": str(tmp_path / "key.pem"),
        } | others
        return {f"CROSSDESK_KAFKA_{k.upper()}": v for k, v in environment.items() if v}

    return said


@pytest.fixture
def settings(environment: Callable[..., dict[str, str]]) -> Settings:
    return lambda **others: broker_settings(environment(**others))


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is refused tries again until then."""
    monkeypatch.setattr("deploy.topics.ANSWER_MS", 1_000)
    monkeypatch.setattr("ingest.publish.ANSWER_MS", 1_000)


def test_topics_and_events_pass_through_tls_and_a_password(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        with Topics(settings(), list(declared.topics()), 2) as found:
            found.apply()
            assert found.differences() == []
        with Publisher(settings()) as publisher:
            publisher.say("events", "desk/C1", b"{}")
            publisher.settle()
    assert caplog.records
    assert SECRET not in caplog.text


def test_aiokafka_reads_what_kafka_python_has_said_through_tls_and_a_password(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Compressed, too: both sides know how."""
    with Topics(settings(), list(declared.topics()), 2) as found:
        found.apply()
    value = b"much the same " * 5_000
    with Publisher(settings()) as publisher:
        publisher.say("events", "desk/aiokafka", value)
        publisher.settle()

    async def read() -> bytes:
        reader = AIOKafkaConsumer(declared.name("events"), **settings().aiokafka, auto_offset_reset="earliest")
        async with reader:
            while True:
                record = await asyncio.wait_for(reader.getone(), 20)
                if record.key == b"desk/aiokafka":
                    return bytes(record.value)

    with caplog.at_level(logging.DEBUG):
        assert run(read()) == value
    assert caplog.records
    assert SECRET not in caplog.text
    assert base64.b64encode(SECRET.encode()).decode() not in caplog.text


def test_aiokafka_would_say_the_password_if_it_were_heard(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Why its level is set: where this fails, that need not be any more."""
    client = settings().aiokafka

    async def connect() -> None:
        async with AIOKafkaProducer(**client):
            pass

    with caplog.at_level(logging.DEBUG, "aiokafka"):
        run(connect())
    assert SECRET in caplog.text


WRONG = "wrong-donkey-battery"


@pytest.mark.usefixtures("soon")
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # kafka-python's, over its own socket
@pytest.mark.parametrize("client", [lambda s: Topics(s, []), Publisher], ids=["topics", "publisher"])
@pytest.mark.parametrize("what", ["password", "authority", "certificate", "protocol"])
def test_who_may_not_in_is_told_so_without_a_secret(
    settings: Settings, client: Callable[[BrokerSettings], object], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused = {
        "password": lambda: settings(password=WRONG),
        "authority": lambda: settings(ca=trustme.CA()),
        "certificate": lambda: settings(ssl_certfile="", ssl_keyfile=""),
        "protocol": lambda: BrokerSettings(bootstrap_servers=settings().bootstrap_servers),
    }[what]()
    with caplog.at_level(logging.DEBUG), pytest.raises(BrokerUnavailable, match="no broker answers at 127") as caught:
        client(refused)
    said = caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert SECRET not in said
    assert WRONG not in said


def test_stages_work_through_tls_and_a_password_and_say_no_secret(
    secured: Broker,
    environment: Callable[..., dict[str, str]],
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(declared, "PREFIX", prefix)
    installation = Installation(secured, prefix, 2)
    installation.configure()
    records = [prepare(record) for record in simulate(1, 2)]
    installation.say(records)
    ports = {"CROSSDESK_STREAMS_HEALTH_PORT": "0", "CROSSDESK_SINKS_HEALTH_PORT": "0"}
    through = {**installation.environment, **environment(), **ports}
    stages = [
        Process(["streams"], through, tmp_path / "streams.log"),
        Process(["sink", "prometheus"], through, tmp_path / "prometheus.log"),
    ]
    with ended(*stages):
        installation.drain()
        for stage in stages:
            stage.wait_until_ready()
    assert installation.facts() == folded(records)
    for stage in stages:
        assert SECRET not in stage.said()
        assert base64.b64encode(SECRET.encode()).decode() not in stage.said()
