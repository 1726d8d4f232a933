"""The local HTTP: a demo that is served, asked by Prometheus, by the other commands and by strangers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from deploy.serve import Address, PortTaken, Server, ask, check_port, running, write_private

ROOT = Path(__file__).parent.parent
DEMO = ["demo", "--days", "3", "--seed", "5", "--data", "d"]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


class Served(NamedTuple):
    folder: Path
    port: int
    address: Address


def start(at: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deploy.cli", *words]
    return subprocess.Popen(command, cwd=at, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said_port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"Metrics for Prometheus: http://127\.0\.0\.1:(\d+)/metrics", line):
            return int(found[1])
    raise AssertionError(process.communicate()[1])


def run(at: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", *words]
    done = subprocess.run(command, cwd=at, env=ENV, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    at = tmp_path_factory.mktemp("served")
    process = start(at, *DEMO, "--port", "0", "--cases")
    try:
        port = said_port(process)
        address = running(at / "d")
        assert address is not None
        yield Served(at / "d", port, address)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def got(url: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def debian(program: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is missing: `make test` installs it (Debian package prometheus)"
    return found


# -- Prometheus
def test_promtool_finds_nothing_in_the_metrics_of_a_demo(served: Served) -> None:
    status, body = got(f"http://127.0.0.1:{served.port}/metrics")
    assert status == 200
    assert 'crossdesk_first_response_attainment_ratio{department="it",window="28d"} ' in body
    command = [debian("promtool"), "check", "metrics"]
    checked = subprocess.run(command, input=body, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_real_prometheus_scrapes_a_demo(served: Served, tmp_path: Path) -> None:
    sql = (
        "SELECT value FROM indicators WHERE indicator = 'first_response_attainment_ratio' AND department = 'it'"
        " AND counterpart = '' AND window = '28d'"
    )
    ((value,),) = json.loads(ask(served.address, "/query", {"sql": sql}))["rows"]
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    jobs = [
        {
            "job_name": "crossdesk",
            "scrape_interval": "1s",
            "static_configs": [{"targets": [f"127.0.0.1:{served.port}"]}],
        }
    ]
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs}))  # JSON is YAML
    command = [
        debian("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--web.listen-address={listen}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
    ]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as prometheus:
        try:
            query = quote('crossdesk_first_response_attainment_ratio{department="it",window="28d"}')
            deadline = time.monotonic() + 60
            found: list[Any] = []
            while not found:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.2)
                try:
                    found = json.loads(got(f"http://{listen}/api/v1/query?query={query}")[1])["data"]["result"]
                except (OSError, ValueError, KeyError):
                    continue
            assert float(found[0]["value"][1]) == pytest.approx(value)
        finally:
            prometheus.terminate()


# -- the other commands
def test_query_and_explain_are_answered_by_the_process_that_serves(served: Served) -> None:
    at = served.folder.parent
    said = run(at, "query", "SELECT count() > 1000 AS many FROM facts", "--json", "--data", "d")
    assert (said.returncode, said.stdout) == (0, '{"many": 1}\n')
    said = run(at, "explain", "HD-100001", "waiting_provider", "--data", "d")
    assert said.returncode == 0
    assert "\nwaiting_provider · " in said.stdout
    plain = json.loads(run(at, "explain", "HD-100001", "--json", "--data", "d").stdout)
    assert plain["case"] == "helpdesk/HD-100001"
    assert (run(at, "rejected", "--data", "d").returncode, run(at, "rejected", "--data", "d").stdout) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("query", "SELEC"), "Only statements that read"),
        (("query", "SELECT outcom FROM facts"), "Maybe you meant"),
        (("explain", "NOCASE"), "there is no case 'NOCASE'"),
        (("explain", "HD-100001", "nothing"), "has no 'nothing'; it has "),
    ],
)
def test_what_it_cannot_answer_is_said_as_if_nobody_stood_between(
    words: tuple[str, ...], message: str, served: Served
) -> None:
    said = run(served.folder.parent, *words, "--data", "d")
    assert said.returncode == 1
    assert said.stderr.startswith("Error: ")
    assert message in said.stderr


@pytest.mark.parametrize("words", [("apply", str(ROOT / "deploy/example")), ("repair", "HD-100001"), tuple(DEMO[:5])])
def test_who_writes_must_wait_and_is_told_for_whom(words: tuple[str, ...], served: Served) -> None:
    more = ["--no-serve"] if words[0] == "demo" else []
    said = run(served.folder.parent, *words, *more, "--data", "d")
    assert said.returncode == 1
    assert f"d is served by process {served.address.pid}: stop it first" in said.stderr


# -- strangers
@pytest.mark.parametrize("path", ["/query", "/explain", "/rejected", "/hello", "/nothing"])
@pytest.mark.parametrize("token", ["", "Bearer wrong", "Bearer é"])
def test_questions_need_the_token(path: str, token: str, served: Served) -> None:
    status, body = got(f"http://127.0.0.1:{served.port}{path}", b'{"sql": "SELECT 1"}', Authorization=token)
    assert status == 401
    assert "token" in body


@pytest.mark.parametrize("body", [b"{", b"[1]", b"1", b'"x"', b"\xff", b"{}"])
def test_nonsense_with_the_token_is_refused_and_harms_nothing(body: bytes, served: Served) -> None:
    token = f"Bearer {served.address.token}"
    status, _ = got(f"http://127.0.0.1:{served.port}/query", body, Authorization=token)
    assert status == 400
    assert got(f"http://127.0.0.1:{served.port}/live") == (200, "ok\n")


def test_no_other_machine_can_ask(served: Served) -> None:
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    port = f"{served.port:04X}"
    assert re.findall(rf"^ *\d+: ([0-9A-F]+):{port} 0+:0000 ", listening, re.MULTILINE) == ["0100007F"]


def test_the_token_is_its_owners_alone(served: Served) -> None:
    note = served.folder / "serving.json"
    assert note.stat().st_mode & 0o777 == 0o600
    assert json.loads(note.read_text())["port"] == served.port


# -- single cases, for a browser
def basic(password: str) -> str:
    return "Basic " + b64encode(f"me:{password}".encode()).decode()


def test_a_case_is_drawn_for_a_browser_as_explain_draws_it(served: Served) -> None:
    done = run(served.folder.parent, "explain", "HD-100001", "--html", "case.html", "--data", "d")
    assert done.returncode == 0
    drawn = (served.folder.parent / "case.html").read_text(encoding="utf-8")
    assert "Case helpdesk/HD-100001, explained" in drawn
    for name in ("HD-100001", "helpdesk/HD-100001", "helpdesk%2FHD-100001", "HD-100001?from=mail"):
        for known in (f"Bearer {served.address.token}", basic(served.address.token)):
            url = f"http://127.0.0.1:{served.port}/explain/{name}"
            assert got(url, Authorization=known) == (200, drawn), name


def test_a_page_of_a_case_is_kept_by_nobody_and_fetches_nothing(served: Served) -> None:
    known = {"Authorization": basic(served.address.token)}
    asked = urllib.request.Request(f"http://127.0.0.1:{served.port}/explain/HD-100001", headers=known)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")


@pytest.mark.parametrize(("case", "message"), [("NOCASE", "there is no case 'NOCASE'"), ("", "there is no case ''")])
def test_a_case_that_is_not_there_is_not_found(case: str, message: str, served: Served) -> None:
    url = f"http://127.0.0.1:{served.port}/explain/{case}"
    status, said = got(url, Authorization=basic(served.address.token))
    assert (status, message in said) == (404, True)


@pytest.mark.parametrize("known", ["", "Bearer wrong", basic("wrong"), "Basic !", "Basic bWU=", basic("é")])
def test_a_case_needs_the_token_which_a_browser_asks_for(known: str, served: Served) -> None:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{served.port}/explain/HD-100001", headers={"Authorization": known}
    )
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(asked, timeout=20):
        pass
    with refused.value as error:
        assert error.code == 401
        assert error.headers["WWW-Authenticate"] == 'Basic realm="crossdesk"'
        assert b"token of the data folder" in error.read()


def test_no_case_is_drawn_unless_that_is_switched_on(tmp_path: Path) -> None:
    """Whoever may see indicators may not see cases for that."""
    server = Server(tmp_path, 0, lambda _: ("text/plain", b"metrics"), {})
    try:
        token = json.loads((tmp_path / "serving.json").read_text())["token"]
        at = f"http://127.0.0.1:{server.port}"
        for known in ("", basic(token), f"Bearer {token}"):
            status, said = got(f"{at}/explain/HD-100001", Authorization=known)
            assert (status, said) == (403, "single cases are not shown here: start it with --cases\n")
        assert got(f"{at}/metrics") == (200, "metrics")
    finally:
        server.close()


# -- the end of it
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_when_asked_to_and_takes_its_address_along(number: int, tmp_path: Path) -> None:
    process = start(tmp_path, "demo", "--days", "1", "--data", "d", "--port", "0")
    said_port(process)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in said
    assert not (tmp_path / "d" / "serving.json").exists()
    assert (
        run(tmp_path, "query", "SELECT count() > 0 AS some FROM facts", "--json", "--data", "d").stdout
        == '{"some": 1}\n'
    )


def test_what_a_dead_process_left_behind_is_ignored(tmp_path: Path) -> None:
    process = start(tmp_path, "demo", "--days", "1", "--data", "d", "--port", "0")
    said_port(process)
    process.kill()
    process.communicate()
    assert (tmp_path / "d" / "serving.json").exists()
    assert running(tmp_path / "d") is None
    assert run(tmp_path, "query", "SELECT 1 AS one", "--json", "--data", "d").stdout == '{"one": 1}\n'


def test_the_address_of_another_folder_is_not_ours(served: Served, tmp_path: Path) -> None:
    """A process id and a port come back; a token does not."""
    stale = {"pid": served.address.pid, "port": served.port, "token": "that of a dead process"}
    write_private(tmp_path / "serving.json", json.dumps(stale).encode())
    assert running(tmp_path) is None


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "port": 1, "token": ""}'])
def test_a_damaged_note_is_nobodys_address(note: str, tmp_path: Path) -> None:
    (tmp_path / "serving.json").write_text(note)
    assert running(tmp_path) is None


# -- ports
def test_a_port_in_use_is_said_before_the_work_begins(tmp_path: Path) -> None:
    with socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} cannot be used"):
            check_port(port)
        said = run(tmp_path, "demo", "--days", "400", "--data", "d", "--port", str(port))
    assert said.returncode == 1
    assert "name another with --port, or 0 for any free one" in said.stderr
    assert not (tmp_path / "d").exists()


def test_a_port_that_is_free_again_can_be_used_at_once() -> None:
    with socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    check_port(port)
