"""The command ``crossdesk``: it only reads the command line and says what happened; the work is done elsewhere."""

from __future__ import annotations

import gc
import hashlib
import json
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy import config_files
from deploy.embedded import Embedded, Refused
from deploy.explain import Explanation, explain, lines, to_json
from deploy.log import LogError
from deploy.report import OF_THE_LOG, print_log_report, print_report
from deploy.serve import Server, ask, running, write_private
from ingest import event as e
from ingest import mapping
from ingest.connectors import LOGS, build
from ingest.connectors.simulated import simulate
from ingest.files import BadFile
from ingest.identity import Identity
from ingest.mapping import BadMapping
from ingest.replay import replay as replay_file
from sinks.clickhouse import ClickHouse, connect
from sinks.prometheus import Exporter, Pair
from sinks.store import StoreError
from streams.cases import IncompatibleState
from streams.configuration import trial_configuration
from streams.problems import BadConfiguration, Severity

EXAMPLE = Path(__file__).parent / "example"
DATA = Path("data")


class NotThere(ValueError):
    """What somebody asked for does not exist."""


KNOWN = (
    NotThere,
    LogError,
    StoreError,
    BadFile,
    BadMapping,
    BadConfiguration,
    Refused,
    IncompatibleState,
    ConnectionError,
)

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)


class Command(click.Command):
    """A command whose known errors are one message and exit code 1; anything else is a bug and shows itself."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KNOWN as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{place}") from error


class Group(click.Group):
    command_class = Command


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the log and the store. Default: the newest under ./data.",
)
serve_option = click.option(
    "--serve/--no-serve", default=True, help="Serve /metrics for Prometheus until Ctrl-C when done (the default)."
)
port_option = click.option("--port", type=click.IntRange(0, 65535), default=8930, help="Where; 0 for any free port.")


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="crossdesk")
def main() -> None:
    """Measures how well the departments of one organisation serve each other.

    Start with `crossdesk demo`: a simulated company of twelve departments in three levels. Then try it on a log of your own with
    `crossdesk replay`.
    """


@main.command()
@click.option(
    "--days", type=click.IntRange(1, 3650), default=120, show_default=True, help="How long the company is simulated."
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed makes the same company life."
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Folder for it. Default: ./data/demo-SEED-DAYS."
)
@serve_option
@port_option
def demo(days: int, seed: int, data: Path | None, serve: bool, port: int) -> None:
    """Simulate a company, measure it, and show how its departments served each other."""
    folder = data or DATA / f"demo-{seed}-{days}"
    name = f"simulated seed {seed}, {days} days"
    with opened(folder) as embedded:
        refuse_other_source(embedded, name, folder)
        loaded = config_files.load(EXAMPLE)
        embedded.apply(loaded.configuration.files)
        records = simulate(seed, days)
        with progress(f"Simulating {days} days of {loaded.configuration.files.company.organisation}") as bar:
            begin: float | None = None
            for count in embedded.accept(name, watched := Watched(records)):
                if watched.now is not None:
                    begin = begin or watched.now
                    bar(min(1.0, (watched.now - begin) / 86400 / days), f"{count:,} records")
            bar(1.0, "storing")
            embedded.flush()
        values = embedded.indicators()
        if embedded.store is not None:
            embedded.store.write_indicators(values)
        out.print()
        print_report(out, values, loaded.configuration, "28d")
        say_next(folder)
        if serve:
            serve_until_stopped(embedded, port)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--connector", required=True, type=click.Choice(sorted(LOGS)), help="What wrote the log.")
@click.option(
    "--mapping", "mapping_file", type=click.Path(path_type=Path), help="For event_log: which column means what."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Folder of company.yaml and norms.yaml. Default: a trial, every group a department.",
)
@click.option("--source", default="", help="Name of the source in the company file. Default: the connector's.")
@click.option(
    "--zone", default="", help="Zone of times without one, such as Europe/Berlin. Default: UTC, or the mapping's."
)
@click.option(
    "--bot",
    "bots",
    multiple=True,
    help="Who is a bot, as the log names it. May be repeated; bots in the company file count too.",
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Folder for it. Default: ./data/NAME-OF-FILE."
)
@serve_option
@port_option
def replay(
    file: Path,
    connector: str,
    mapping_file: Path | None,
    config: Path | None,
    source: str,
    zone: str,
    bots: tuple[str, ...],
    data: Path | None,
    serve: bool,
    port: int,
) -> None:
    """Measure a log that exists: an export of ServiceNow's audit log, or any CSV or NDJSON with a mapping.

    The log is read in its own time: nothing in it sees its future. A replay that was interrupted goes on where it stopped
    when it is started again.

    \b
    crossdesk replay incident_event_log.csv --connector servicenow_log
    crossdesk replay tickets.ndjson --connector event_log --mapping tickets.yaml --config company/
    """
    folder = data or DATA / file.name.split(".")[0]
    source = source or connector
    loaded = config_files.load(config) if config else None
    configuration = loaded.configuration if loaded else trial_configuration(zone or "UTC", [source])
    show(loaded.warnings if loaded else ())
    try:
        log = build(
            connector,
            source,
            identity_of(folder),
            mapping=mapping.load(mapping_file) if mapping_file else None,
            zone=zone,
            bots=[*bots, *configuration.bots(source)],
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with opened(folder) as embedded:
        name = f"{connector} {digest(file)}"
        refuse_other_source(embedded, name, folder)
        _, notes = embedded.apply(configuration.files)
        show(notes)
        with progress(f"Reading {file.name}") as bar:
            for count in embedded.accept(name, replay_file(log, file, settle=timedelta(0))):
                bar(None, f"{count:,} records")
            embedded.flush()
        if embedded.store is not None:
            embedded.store.write_indicators(embedded.indicators())
            out.print()
            print_log_report(out, embedded.store.query(OF_THE_LOG).rows, configuration)
        report_rejected(embedded)
        say_next(folder)
        if serve:
            serve_until_stopped(embedded, port)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@data_option
def apply(directory: Path, data: Path | None) -> None:
    """Check company.yaml and norms.yaml in DIRECTORY and make them the next version.

    What was judged stays judged: a norm that is in force cannot be changed for the past.
    """
    loaded = config_files.load(directory)
    show(loaded.warnings)
    folder = data or newest()
    with opened(folder, store=False) as embedded:
        try:
            version, notes = embedded.apply(loaded.configuration.files)
        except Refused as refused:
            raise click.ClickException("\n".join(map(str, loaded.located(refused.problems)))) from refused
        show(loaded.located(notes))
        embedded.fold()
    out.print(f"version {version} is in force in {folder}")


@main.command(name="explain")
@click.argument("case")
@click.argument("measure", default="")
@click.option(
    "--level", type=click.IntRange(0), help="Of the tree of departments, 0 for the top. Default: the deepest."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@data_option
def explain_command(case: str, measure: str, level: int | None, as_json: bool, data: Path | None) -> None:
    """Print every interval that makes the numbers of CASE (or of one MEASURE of it). They add up.

    \b
    crossdesk explain INC0000045
    crossdesk explain helpdesk/C1 first_response
    """
    folder = data or newest()
    question = {"case": case, "measure": measure, "level": level}
    address = running(folder)
    if address is not None:
        answer = ask_running(folder, "/explain", question | {"json": as_json})
        click.echo(answer.decode(), nl=False)
        return
    with opened(folder, store=False) as embedded:
        click.echo(explained(embedded, question | {"json": as_json}).decode(), nl=False)


@main.command()
@click.argument("sql")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@data_option
def query(sql: str, as_json: bool, data: Path | None) -> None:
    """Ask the store in SQL (ClickHouse's). It only reads.

    \b
    crossdesk query "SELECT measure, outcome, count() FROM facts GROUP BY ALL ORDER BY ALL"
    crossdesk query "SELECT * FROM indicators WHERE window = '28d'" --json
    """
    folder = data or newest()
    if running(folder) is not None:
        answer = json.loads(ask_running(folder, "/query", {"sql": sql}))
    else:
        answer = json.loads(queried(open_store(folder), sql))
    if as_json:
        for row in answer["rows"]:
            click.echo(json.dumps(dict(zip(answer["columns"], row, strict=True))))
        return
    table = Table(*answer["columns"])
    for row in answer["rows"]:
        table.add_row(*("" if value is None else str(value) for value in row))
    out.print(table)
    out.print(f"{len(answer['rows'])} rows")


@main.command()
@click.argument("cases", nargs=-1, required=True)
@data_option
def repair(cases: tuple[str, ...], data: Path | None) -> None:
    """Fold CASES anew from all their stored records, and mend the facts that differ.

    Late events need no repair: they are folded when they come, however late.
    """
    with opened(data or newest()) as embedded:
        for case in cases:
            embedded.repair(the_case(embedded, case))
        embedded.flush()
    out.print(f"{len(cases)} folded again")


@main.command()
@click.argument("type", required=False)
def schema(type: str | None) -> None:
    """Print the JSON Schema of an event TYPE, or the names of all types."""
    schemas = e.json_schemas()
    if type is None:
        out.print("\n".join(schemas))
    elif type not in schemas and e.TYPE_PREFIX + type not in schemas:
        raise click.UsageError(f"there is no event type {type!r}; `crossdesk schema` lists them")
    else:
        click.echo(json.dumps(schemas.get(type) or schemas[e.TYPE_PREFIX + type], indent=2))


# -- what the commands share
class Watched:
    """Records on their way, and how far in time they are (``now``, seconds since 1970)."""

    def __init__(self, records: Iterator[e.Record]) -> None:
        self.records = records
        self.now: float | None = None

    def __iter__(self) -> Iterator[e.Record]:
        for record in self.records:
            self.now = record.time.timestamp()
            yield record


@contextmanager
def opened(folder: Path, *, store: bool = True) -> Iterator[Embedded]:
    with Embedded(folder, store=store) as embedded:
        yield embedded


def open_store(folder: Path) -> ClickHouse:
    if not (folder / "store").is_dir():
        raise click.ClickException(f"{folder} holds no store: `crossdesk demo` or `crossdesk replay` makes one")
    return connect(f"chdb://{(folder / 'store').resolve()}")


def newest() -> Path:
    """The folder that was written last."""
    logs = sorted(DATA.glob("*/log.sqlite3"), key=lambda p: p.stat().st_mtime)
    if not logs:
        raise click.UsageError("there is no data under ./data yet: name a folder with --data, or run `crossdesk demo`")
    return logs[-1].parent


def refuse_other_source(embedded: Embedded, name: str, folder: Path) -> None:
    others = [s for s in embedded.sources() if s != name]
    if others:
        raise click.ClickException(
            f"{folder} already holds {others[0]!r}: name another folder with --data, or delete it"
        )


def identity_of(folder: Path) -> Identity:
    """The key of the pseudonyms lies beside the data: who loses it cannot tell persons apart from the past."""
    path = folder / "identity.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(32).encode())
    return Identity(bytes.fromhex(path.read_text().strip()), "k1")


def digest(file: Path) -> str:
    """Names the content of a file."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except FileNotFoundError:
        raise BadFile("does not exist", "check the path", place=str(file)) from None
    except IsADirectoryError:
        raise BadFile("is a directory", "name the file inside it", place=str(file)) from None


@contextmanager
def progress(what: str) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(what, total=None, note="")

        def update(share: float | None, note: str) -> None:
            if share is not None:
                bar.update(task, total=1.0, completed=share, note=note)
            else:
                bar.update(task, note=note)

        yield update
        bar.update(task, total=1.0, completed=1.0)


def show(problems: Any) -> None:
    for problem in problems:
        err.print(str(problem), style="yellow" if problem.severity is Severity.warning else "red", markup=False)


def report_rejected(embedded: Embedded) -> None:
    reasons = embedded.rejected()
    for reason, (count, example) in sorted(reasons.items()):
        err.print(f"{count:,} not read: {reason} (first: {example})", style="yellow", markup=False)


def say_next(folder: Path) -> None:
    where = "" if folder.parent == DATA else f" --data {folder}"
    out.print("Ask further, also while this runs:")
    out.print(
        f'  crossdesk query "SELECT measure, outcome, count() FROM facts GROUP BY ALL ORDER BY ALL"{where}',
        markup=False,
    )
    out.print(f"  crossdesk explain CASE{where}      a CASE is any case_id of the facts", markup=False)


def explained(embedded: Embedded, question: dict[str, Any]) -> bytes:
    """The answer to `explain`; ``ValueError`` when the case is not there."""
    case, measure = str(question["case"]), str(question.get("measure") or "")
    keys = embedded.log.keys_like(case, 10)
    if len(keys) != 1:
        raise ValueError(f"there is no case {case}" if not keys else f"which case: {', '.join(keys)}?")
    explanation: Explanation = embedded_explanation(embedded, keys[0], measure, question.get("level"))
    if measure and not explanation.facts:
        known = sorted(
            {x.fact.measure for x in embedded_explanation(embedded, keys[0], "", question.get("level")).facts}
        )
        raise ValueError(f"{keys[0]} has no {measure}; it has {', '.join(known)}")
    if question.get("json"):
        return to_json(explanation) + b"\n"
    return ("\n".join(lines(explanation)) + "\n").encode()


def the_case(embedded: Embedded, name: str) -> str:
    """The one case of that name, with or without its source. Raises :class:`NotThere`."""
    keys = embedded.log.keys_like(name, 10)
    if len(keys) != 1:
        raise NotThere(f"there is no case {name}" if not keys else f"which case: {', '.join(keys)}?")
    return keys[0]


def embedded_explanation(embedded: Embedded, case: str, measure: str, level: int | None) -> Explanation:
    configuration, now = embedded.configuration, embedded.watermark(case)
    if configuration is None or now is None:
        raise NotThere("nothing has been folded yet")
    if level is not None and level >= configuration.levels:
        raise NotThere(f"the tree has levels 0 to {configuration.levels - 1}")
    records = [r.value for r in embedded.log.of_key("events", case)]
    return explain(case, records, configuration, now, measure, level)


def queried(store: ClickHouse, sql: str) -> bytes:
    result = store.query(sql)
    return json.dumps({"columns": result.columns, "rows": result.rows}, default=_plain).encode()


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def ask_running(folder: Path, path: str, question: dict[str, Any]) -> bytes:
    address = running(folder)
    assert address is not None
    try:
        return ask(address, path, question)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def serve_until_stopped(embedded: Embedded, port: int) -> None:
    """Answer Prometheus and the other commands until Ctrl-C or SIGTERM."""
    exporter = Exporter()
    configuration = embedded.configuration
    values = embedded.indicators()
    if configuration is not None:
        exporter.retain(
            {v.department for v in values}, [Pair(v.counterpart, v.department) for v in values if v.counterpart]
        )
    exporter.update(values)
    lock, stop = threading.Lock(), threading.Event()

    def answer_query(question: dict[str, Any]) -> bytes:
        with lock:
            try:
                if embedded.store is None:
                    raise ValueError("this process has no store")
                return queried(embedded.store, str(question["sql"]))
            except StoreError as error:
                raise ValueError(str(error)) from error

    def answer_explain(question: dict[str, Any]) -> bytes:
        with lock:
            return explained(embedded, question)

    try:
        server = Server(embedded.folder, port, exporter.render, {"/query": answer_query, "/explain": answer_explain})
    except OSError as error:
        raise click.ClickException(
            f"port {port} cannot be used ({error.strerror}): name another with --port, or 0"
        ) from error
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    out.print(f"Metrics for Prometheus: http://127.0.0.1:{server.port}/metrics    (Ctrl-C stops)")
    stop.wait()
    server.close()


# What lives long here are large dicts of bytes: looking through them often finds nothing.
gc.set_threshold(50_000, 20, 50)

if __name__ == "__main__":
    main()
