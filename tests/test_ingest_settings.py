"""What the intake is told from outside: each mistake is named with its place and its mend, and no secret is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.sources_file import load
from ingest.connectors.zendesk.connector import Zendesk
from ingest.environment import BadSettings, read
from ingest.settings import ENVIRONMENT, IngestSettings, identity_of

KEY = "correct-horse-battery-staple-0123456789"

Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(text: str) -> Path:
        path = tmp_path / "sources.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def settings(folder: Path, key: str = KEY, **others: str) -> IngestSettings:
    (folder / "key").write_text(key + "\n")
    given = {"KEY_FILE": str(folder / "key")} | others
    return read(IngestSettings, ENVIRONMENT, {f"{ENVIRONMENT}{name}": value for name, value in given.items()})


def test_sources_become_connectors_with_their_settings(written: Written) -> None:
    path = written(
        "sources:\n"
        "  - name: helpdesk\n"
        "    connector: zendesk\n"
        "    url: https://tidewell.zendesk.com\n"
        "    secret_file: /run/secrets/zendesk\n"
        "    hook_secret_files: [/run/secrets/hook, /run/secrets/hook.next]\n"
        "    every: 90s\n"
        "    requests_per_minute: 200\n"
        "    settings: {user: crossdesk@example.com, bots: ['901']}\n"
    )
    (entry,) = load(path).sources
    assert entry.every.total_seconds() == 90
    assert entry.hook_secret_files == (Path("/run/secrets/hook"), Path("/run/secrets/hook.next"))
    connector = entry.built()
    assert isinstance(connector, Zendesk)
    assert (connector.source, connector.bots) == ("helpdesk", frozenset({"901"}))


ZENDESK = "sources:\n  - name: helpdesk\n    connector: zendesk\n    settings: {user: a@example.com}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources:\n  - {name: a, connector: zendisk}\n", r":2: .*no connector 'zendisk'; there are bamboohr, "),
        ("sources:\n  - {name: a, connector: zendesk}\n", r":2: .*settings\.user: .*docs/connectors/zendesk\.md"),
        (ZENDESK + "    url: https://a.example.com\n", r"url without secret_file: write what"),
        (ZENDESK + "    url: ftp://a.example.com\n    secret_file: s\n", r":5: sources\.url: "),
        (ZENDESK + "    every: 5\n", r":5: sources\.every: '5' is no span of time: write it like 30s, 5m or 1h"),
        (ZENDESK + "    every: 0s\n", r":5: sources\.every: "),
        (ZENDESK + "    evry: 5m\n", r":5: sources\.evry: "),
        (ZENDESK + ZENDESK.partition("\n")[2], r"two sources 'helpdesk'"),
        ("sources:\n  - {name: a/b, connector: cloudevents}\n", r":2: sources\.name: "),
        ("sources:\n  - name: a\n    connector: survey_file\n    hook_secret_files: [s]\n", r":2: "),
        (
            ZENDESK.replace("}", ", exclude: {probe: monitor}}"),
            r":2: .*settings\.exclude\.probe: 'monitor' is no reason: write test, monitoring, migrated",
        ),
        ("sources: [\n", r"is not YAML"),
        ("", r"is empty"),
    ],
)
def test_what_is_wrong_in_sources_is_said_with_its_line(written: Written, text: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        load(written(text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"cannot read .*nowhere\.yaml: No such file"):
        load(tmp_path / "nowhere.yaml")


def test_without_a_key_nothing_starts() -> None:
    with pytest.raises(BadSettings, match=r"(?s)KEY_FILE is not set: .*secrets\.token_hex"):
        identity_of(read(IngestSettings, ENVIRONMENT, {}))


def test_a_short_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="needs at least 16") as refused:
        identity_of(settings(tmp_path, "hunter2"))
    assert "hunter2" not in str(refused.value)


def test_an_alias_makes_one_person_of_two_names(tmp_path: Path) -> None:
    (tmp_path / "aliases.csv").write_text("native,own\nhelpdesk/4711,maria@example.com\n\n")
    identity = identity_of(settings(tmp_path, ALIASES=str(tmp_path / "aliases.csv")))
    assert identity.pseudonym("4711", "helpdesk") == identity.pseudonym("Maria@Example.com", "hr")
    assert identity.pseudonym("4711", "chat") != identity.pseudonym("4711", "helpdesk")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("helpdesk/1\n", r"aliases\.csv:1: is not like native,own"),
        ("a,b\na,c\n", r"aliases\.csv:2: the same native id"),
        ("a,b,c\n", r"aliases\.csv:1: is not like"),
    ],
)
def test_what_is_wrong_in_aliases_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "aliases.csv").write_text(text)
    with pytest.raises(BadSettings, match=said):
        identity_of(settings(tmp_path, ALIASES=str(tmp_path / "aliases.csv")))


@pytest.mark.parametrize("alone", ["TLS_CERTIFICATE", "TLS_KEY", "ANSWERS"])
def test_what_goes_together_is_named(tmp_path: Path, alone: str) -> None:
    with pytest.raises(BadSettings, match=rf"{alone.partition('_')[0]}.* go together"):
        settings(tmp_path, **{alone: "/somewhere"})
