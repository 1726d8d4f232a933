"""The laws of the tree, read from its sources: who may import whom, what is pure, how long a file may be.

Each law is a function from one file to its breaches, and stands beside a snippet that breaks it: so it can be seen to fail.
"""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent

# -- the laws

MAY_IMPORT = {
    "ingest": ("ingest",),
    "streams": ("streams", "ingest.event"),
    "sinks": ("sinks", "ingest.event", "streams.fact", "streams.indicators", "streams.morale", "streams.sealed"),
    "dashboards": ("dashboards", "streams.indicators", "sinks.schema"),
    "deploy": ("deploy", "dashboards", "sinks", "streams", "ingest"),
}

ONLY_IN = {
    "kafka": (
        "ingest/publish.py",
        "sinks/consumer.py",
        "deploy/groups.py",
        "deploy/topics.py",
        "deploy/topic_reader.py",
    ),
    "faust": (
        "streams/app.py",
        "streams/changelog.py",
        "streams/recovery.py",
        "streams/stages.py",
        "streams/transport.py",
    ),
    "aiokafka": (
        "streams/app.py",
        "streams/followed.py",
        "streams/sealing_stage.py",
        "streams/stages.py",
        "streams/transport.py",
    ),
    "clickhouse_connect": ("sinks/clickhouse.py",),
    "prometheus_client": ("sinks/prometheus.py", "*/__main__.py"),
    "chdb": ("deploy/*.py",),
}

IMPORTS_BY_NAME = ("streams/measures/__init__.py", "deploy/native/model.py")
"""May import what no import statement names, or every other law would be easy to get around."""

PURE = (
    "streams/*.py",
    "ingest/*.py",
    "ingest/answers/*.py",
    "ingest/connectors/*.py",
    "ingest/connectors/*/*.py",
    "ingest/mail/*.py",
    "ingest/simulation/*.py",
    "ingest/webhooks/*.py",
)
SHELL = (
    "ingest/answers/keys.py",
    "ingest/answers/store.py",
    "ingest/api.py",
    "ingest/broker.py",
    "ingest/environment.py",
    "ingest/files.py",
    "ingest/inbox.py",
    "ingest/mail/imap.py",
    "ingest/mail/index.py",
    "ingest/polling.py",
    "ingest/publish.py",
    "ingest/replay.py",
    "ingest/settings.py",
    "ingest/topics.py",
    "ingest/webhooks/app.py",
    "ingest/webhooks/committing.py",
    "ingest/webhooks/serving.py",
    "streams/app.py",
    "streams/sealing_stage.py",
    "streams/stages.py",
    "streams/changelog.py",
    "streams/configurations.py",
    "streams/followed.py",
    "streams/recovery.py",
    "streams/settings.py",
    "streams/told.py",
    "streams/transport.py",
)
"""What is not pure among those: it talks with the world outside, or is set up by it."""
CHOOSES = "streams/__init__.py"
"""Is imported with every module beside it and gives them nothing: it finds what is compiled of them."""

WITHOUT_IO = {
    "__future__", "abc", "array", "base64", "binascii", "bisect", "cmath", "collections", "contextlib", "copy",
    "csv", "dataclasses", "datetime", "decimal", "difflib", "email", "enum", "fractions", "functools", "graphlib", "hashlib",
    "heapq", "hmac", "importlib", "itertools", "json", "keyword", "math", "msgspec", "numbers", "operator",
    "pathlib", "pkgutil", "pydantic", "pydantic_core", "random", "re", "statistics", "string", "struct", "textwrap",
    "types", "typing", "typing_extensions", "unicodedata", "uuid", "warnings", "yaml", "zlib", "zoneinfo",
    "holidays",
}  # fmt: skip
"""All that a pure file may import besides pure files of ours. Of some of them only a part is pure: see IMPURE."""

IMPURE = {
    "open", "print", "input", "eval", "exec", "__import__", "breakpoint", "pathlib.Path.cwd", "pathlib.Path.home",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "uuid.uuid1", "uuid.uuid4", "random.SystemRandom",
}  # fmt: skip
IMPURE_METHODS = {
    "open", "read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "glob", "rglob", "exists", "is_file",
    "is_dir", "stat", "touch", "mkdir", "unlink",
}  # fmt: skip

LINES = 400
REASON = f"Longer than {LINES} lines because"

# -- one file


class Source(NamedTuple):
    path: str
    """From the root of the repository."""
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)


class Breach(NamedTuple):
    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


class Import(NamedTuple):
    line: int
    name: str
    """In full: ``from a import b`` imports ``a.b``."""
    known_as: str


def imports(source: Source) -> Iterator[Import]:
    """All of them, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield Import(node.lineno, alias.name, alias.asname or top)
        elif isinstance(node, ast.ImportFrom):
            here = source.path.split("/")[: -node.level] if node.level else []
            module = ".".join([*here, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(node.lineno, f"{module}.{alias.name}", alias.asname or alias.name)


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def any_match(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def is_pure(path: str) -> bool:
    return any_match(path, PURE) and not any_match(path, SHELL) and path != CHOOSES


# -- the breaches of each law in one file


def stages(source: Source) -> Iterator[Breach]:
    """Imports follow the data backwards, and only to contracts."""
    stage = source.path.partition("/")[0]
    for imported in imports(source):
        ours = imported.name.partition(".")[0] in MAY_IMPORT
        if ours and not any(within(imported.name, allowed) for allowed in MAY_IMPORT[stage]):
            yield Breach(source.path, imported.line, f"{stage} may not import {imported.name}")


def third_parties(source: Source) -> Iterator[Breach]:
    """What talks to the outside world is imported in one place."""
    for imported in imports(source):
        for package, places in ONLY_IN.items():
            if within(imported.name, package) and not any_match(source.path, places):
                yield Breach(source.path, imported.line, f"{package} may only be imported in {' and '.join(places)}")


def imports_by_name(source: Source) -> Iterator[Breach]:
    """``importlib.resources`` imports nothing: it reads a package's files."""
    if any_match(source.path, IMPORTS_BY_NAME):
        return
    for imported in imports(source):
        dynamic = within(imported.name, "importlib") or within(imported.name, "pkgutil")
        if dynamic and not within(imported.name, "importlib.resources"):
            yield Breach(source.path, imported.line, f"{imported.name} is for {' and '.join(IMPORTS_BY_NAME)} only")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == "__import__":
            yield Breach(source.path, node.lineno, "__import__ hides what is imported")


def purity(source: Source) -> Iterator[Breach]:
    """A pure file does no I/O, reads no clock, throws no dice but those it is given, and has nobody do it."""
    if not is_pure(source.path):
        return
    names = {}
    for imported in imports(source):
        names[imported.known_as] = imported.name
        if not may_be_imported_by_pure_files(imported.name):
            yield Breach(source.path, imported.line, f"a pure file may not import {imported.name}")
    for node in ast.walk(source.tree):
        what = impure(node, names)
        if what:
            yield Breach(source.path, getattr(node, "lineno", 0), f"a pure file may not use {what}")


def may_be_imported_by_pure_files(name: str) -> bool:
    top, *rest = name.split(".")
    if top not in MAY_IMPORT:
        return top in WITHOUT_IO and not within(name, "importlib.resources")
    modules = ["/".join([top, *rest[:n]]) for n in range(len(rest) + 1)]
    files = [module + end for module in modules for end in (".py", "/__init__.py")]
    return any(any_match(file, PURE) for file in files) and not any(any_match(file, SHELL) for file in files)


def impure(node: ast.AST, names: dict[str, str]) -> str | None:
    if isinstance(node, ast.Call):
        function = dotted(node.func, names)
        if function == "random.Random" and not (node.args or node.keywords):
            return "random.Random() without a seed"
        if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
            return f".{node.func.attr}()"
        if function in IMPURE:
            return f"{function}()"
    elif isinstance(node, ast.Attribute | ast.Name):
        name = dotted(node, names)
        if "." in name and name in IMPURE:
            return name
        if within(name, "random") and name not in {"random", "random.Random"} and not name.startswith("random.Random."):
            return f"{name}, which has no seed"
    return None


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """``dt.now`` after ``from datetime import datetime as dt`` is ``datetime.datetime.now``; what is no name is empty."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = dotted(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return ""


def length(source: Source) -> Iterator[Breach]:
    """A file that wants to grow further has two subjects, or says why not."""
    lines = source.text.count("\n")
    if lines > LINES and REASON not in (ast.get_docstring(source.tree) or ""):
        yield Breach(source.path, LINES, f'has {lines} lines, and its docstring does not say "{REASON} …"')


LAWS: tuple[Callable[[Source], Iterator[Breach]], ...] = (stages, third_parties, imports_by_name, purity, length)

# -- the tree keeps them


def sources() -> Iterator[Source]:
    for stage in MAY_IMPORT:
        for path in sorted((ROOT / stage).rglob("*.py")):
            yield Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_source_file_keeps_the_law(law: Callable[[Source], Iterator[Breach]]) -> None:
    breaches = [str(breach) for source in sources() for breach in law(source)]
    assert not breaches, "\n" + "\n".join(breaches)


def test_no_stage_has_escaped_the_laws() -> None:
    read = {source.path.partition("/")[0] for source in sources()}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    folders = {package.removesuffix("*") for package in packages}
    assert folders <= MAY_IMPORT.keys()
    assert {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests"} <= read
    assert read >= {"ingest", "streams", "sinks", "deploy"}
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} <= folders


def test_what_is_named_as_pure_is_there() -> None:
    paths = [source.path for source in sources()]
    assert [pattern for pattern in PURE if not any(fnmatch(path, pattern) for path in paths)] == []
    assert sum(map(is_pure, paths)) > 30


# -- and each law can be broken

NO_BUSINESS_IN_THE_CORE = [
    "os",
    "io",
    "socket",
    "sqlite3",
    "subprocess",
    "time",
    "threading",
    "logging",
    "sys",
    "asyncio",
]

BROKEN = [
    (stages, "ingest/files.py", "from streams.fact import Fact", "streams.fact.Fact"),
    (stages, "ingest/files.py", "def f():\n    import sinks.store", "sinks.store"),
    (stages, "ingest/connectors/zendesk/connector.py", "from deploy import cli", "deploy.cli"),
    (stages, "streams/fold.py", "from ingest.identity import Identity", "ingest.identity.Identity"),
    (stages, "streams/fold.py", "from ingest import files", "ingest.files"),
    (stages, "streams/fold.py", "import ingest", "import ingest"),
    (stages, "streams/fold.py", "from ingest import *", "ingest.*"),
    (stages, "streams/fold.py", "import ingest.events", "ingest.events"),
    (stages, "streams/fold.py", "if TYPE_CHECKING:\n    from sinks.store import Store", "sinks.store.Store"),
    (stages, "streams/measures/silence.py", "from ...ingest.mapping import parse", "ingest.mapping.parse"),
    (stages, "sinks/store.py", "from streams.cases import Cases", "streams.cases.Cases"),
    (stages, "sinks/store.py", "from dashboards import panels", "dashboards.panels"),
    (stages, "dashboards/panels.py", "from streams.fact import Fact", "streams.fact.Fact"),
    (stages, "dashboards/panels.py", "import deploy.log", "deploy.log"),
    (third_parties, "streams/transport.py", "from kafka.errors import KafkaError", "kafka"),
    (third_parties, "streams/cases.py", "import faust", "faust"),
    (third_parties, "sinks/consumer.py", "from aiokafka import AIOKafkaConsumer", "aiokafka"),
    (third_parties, "deploy/serve.py", "def f():\n    import clickhouse_connect.driver", "clickhouse_connect"),
    (third_parties, "streams/app.py", "from prometheus_client import Gauge", "prometheus_client"),
    (third_parties, "sinks/clickhouse.py", "import chdb", "chdb"),
    (imports_by_name, "streams/fold.py", "from importlib import import_module", "importlib"),
    (imports_by_name, "deploy/cli.py", "import importlib.util", "importlib.util"),
    (imports_by_name, "ingest/connectors/__init__.py", "import pkgutil", "pkgutil"),
    (imports_by_name, "ingest/files.py", "__import__('sinks')", "__import__"),
    *((purity, "streams/fold.py", f"import {module}", module) for module in NO_BUSINESS_IN_THE_CORE),
    (purity, "ingest/connectors/zendesk/connector.py", "def f():\n    from urllib import request", "urllib.request"),
    (purity, "streams/hours.py", "from importlib import resources", "importlib.resources"),
    (purity, "streams/hours.py", "open('hours')", "open()"),
    (purity, "streams/hours.py", "print(1)", "print()"),
    (purity, "ingest/mapping.py", "from pathlib import Path\nPath('a').open()", ".open()"),
    (purity, "ingest/mapping.py", "def f(path):\n    return path.read_text()", ".read_text()"),
    (purity, "ingest/mapping.py", "from ingest.files import read_text\nread_text(1)", "ingest.files.read_text"),
    (purity, "ingest/connectors/zendesk/connector.py", "from ingest import publish", "ingest.publish"),
    (purity, "streams/cases.py", "from streams import transport", "streams.transport"),
    (purity, "streams/cases.py", "from streams.app import app", "streams.app.app"),
    (purity, "streams/cases.py", "from datetime import datetime, UTC\ndatetime.now(UTC)", "datetime.datetime.now"),
    (purity, "streams/cases.py", "import datetime as d\nd.datetime.utcnow()", "datetime.datetime.utcnow"),
    (purity, "streams/cases.py", "from datetime import datetime as dt\nfield(default_factory=dt.now)", "datetime.now"),
    (purity, "ingest/simulation/story.py", "from datetime import date\ndate.today()", "datetime.date.today"),
    (purity, "ingest/simulation/story.py", "import random\nrandom.random()", "random.random"),
    (purity, "ingest/simulation/story.py", "from random import choice\nchoice([1])", "random.choice"),
    (purity, "ingest/simulation/story.py", "from random import Random\nRandom()", "without a seed"),
    (purity, "ingest/identity.py", "from uuid import uuid4\nuuid4()", "uuid.uuid4"),
    (length, "streams/cases.py", '"""Long."""\n' + "a = 1\n" * LINES, "has 401 lines"),
]


@pytest.mark.parametrize(("law", "path", "text", "named"), BROKEN)
def test_a_breach_is_found_and_named(
    law: Callable[[Source], Iterator[Breach]], path: str, text: str, named: str
) -> None:
    breaches = list(law(Source(path, text)))
    assert breaches
    assert any(named in breach.what for breach in breaches)


ALLOWED = [
    ("streams/timeline.py", "from ingest import event as e\nfrom ingest.event import Created\nimport ingest.event"),
    ("sinks/columns.py", "from streams.fact import Fact\nfrom streams.indicators import BY_NAME"),
    ("sinks/migrations.py", "from importlib import resources"),
    ("sinks/consumer.py", "import kafka, os, time, logging"),
    ("sinks/__main__.py", "from prometheus_client import start_http_server"),
    ("dashboards/panels.py", "from streams.indicators import INDICATORS"),
    ("deploy/embedded.py", "import chdb, sqlite3\nfrom streams.cases import Cases\nfrom ingest.files import open_log"),
    ("streams/app.py", "import faust, os\nprint(open('a'))"),
    ("streams/measures/__init__.py", "from importlib import import_module\nfrom pkgutil import iter_modules"),
    ("ingest/simulation/world.py", "from random import Random\ndice: Random = Random(7)\ndice.random()\nRandom(x=1)"),
    ("ingest/simulation/story.py", "def f(case, now):\n    case.random(); case.now(); return now.date()"),
    ("streams/opening.py", "open: bool\ncalendar.open_at(1)\nschedule.open"),
    ("streams/cases.py", f'"""All of a case.\n\n{REASON} it is one loop.\n"""\n' + "a = 1\n" * LINES),
]


@pytest.mark.parametrize(("path", "text"), ALLOWED)
def test_what_is_allowed_is_no_breach(path: str, text: str) -> None:
    assert [str(breach) for law in LAWS for breach in law(Source(path, text))] == []


# -- the repository


def test_naive_datetimes_are_a_lint_error() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "DTZ" in lint["select"]
    excused = [*lint.get("ignore", []), *chain.from_iterable(lint.get("per-file-ignores", {}).values())]
    assert [code for code in excused if code.startswith("DTZ")] == []


HERE = tuple(f"/{folder}/" for folder in ("work", "root", "farm", "opt/wheels"))
HOSTS = ["pypi org", "files pythonhosted org", "registry npmjs org", "repo maven apache org", "repo1 maven org"]
HOSTS += ["proxy golang org", "static crates io", "index crates io", "deb debian org"]
REGISTRIES = tuple(host.replace(" ", ".") for host in HOSTS)


def hosts_and_paths(content: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(content.splitlines(), 1):
        for word in HERE + REGISTRIES:
            if word in line:
                yield number, word


def test_nothing_names_a_path_of_this_machine_or_a_package_registry() -> None:
    """Also in files that git does not know yet, if it does not ignore them."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: what belongs to the repository is not known")
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, capture_output=True, check=True).stdout.decode().split("\0")
    files = [ROOT / name for name in names if name and (ROOT / name).is_file()]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in files
        for number, word in hosts_and_paths(path.read_text("utf-8", errors="replace"))
    ]
    assert len(files) > 50
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("word", HERE + REGISTRIES)
def test_a_path_of_a_machine_or_a_registry_is_found(word: str) -> None:
    assert list(hosts_and_paths(f"one\n--find https:{word}simple\n")) == [(2, word)]
    assert not list(hosts_and_paths("/home/work /worked/ pypi https://www.apache.org/licenses/ requirements/run.txt"))
