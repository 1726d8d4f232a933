"""The command ``crossdesk``: it reads the command line and says what happened; the work is done elsewhere.

Longer than 400 lines because each command is here, with its options and all that it says.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from deploy import config_files, explain, log_report, report, serve, truth_file
from deploy.ahead import reader
from deploy.cluster_cli import publish, topics
from deploy.demo import Demo
from deploy.embedded import Embedded, Refused
from deploy.folder import (
    DATA,
    READ_AS,
    Stopped,
    ask_store,
    asked,
    digest,
    digest_of,
    exists,
    identity_of,
    log_of,
    newest,
    opened,
    refuse_other_source,
)
from deploy.history import PUBLISHED, started
from deploy.intake import bring_up_to_date, log_records, take_in
from deploy.log import LogError
from deploy.trend import weekly
from deploy.words import grid, visible
from ingest import event as e
from ingest import mapping
from ingest.broker import BadSettings, BrokerUnavailable
from ingest.connector import BadFile
from ingest.connectors import LOGS, build
from ingest.files import open_log, read_text
from ingest.identity import Identity
from ingest.mapping import BadMapping
from ingest.simulation.generated import LEAST, MOST
from ingest.times import UnknownZone
from ingest.times import zone as zone_named
from sinks.store import StoreError
from streams.cases import IncompatibleState
from streams.configuration import Configuration, trial_configuration
from streams.lint import COMPANY
from streams.problems import BadConfiguration, Problem, Severity

KNOWN = (
    Stopped,
    explain.NotThere,
    serve.PortTaken,
    LogError,
    StoreError,
    BadFile,
    BadMapping,
    BadConfiguration,
    Refused,
    IncompatibleState,
    ConnectionError,
    BadSettings,
    BrokerUnavailable,
)

LONGEST = """
SELECT case_id, measure FROM facts WHERE measure = 'acceptance' AND outcome = 'missed'
ORDER BY business_us DESC, case_id LIMIT 1
"""

out = Console(highlight=False)


class Command(click.Command):
    """A command whose known errors are one message and exit code 1; anything else is a bug and shows itself."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KNOWN as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{place}{error.strerror or error}") from error
        except KeyboardInterrupt:
            click.echo("\nStopped. What was taken in is kept; the same command goes on from there.", err=True)
            raise click.exceptions.Exit(130) from None


class Group(click.Group):
    command_class = Command


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option. What is no such number is refused with what to write."""
    mend = f"write {least} or more, such as 7" if most is None else f"write one from {least} to {most}"

    def converted(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is no whole number: {mend}") from None
        if number < least or (most is not None and number > most):
            raise click.BadParameter(f"{number} is too {'small' if number < least else 'large'}: {mend}")
        return number

    return converted


def folder_option(text: str) -> Callable[..., Any]:
    return click.option("--data", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False), help=text)


data_option = folder_option("Folder of the log and the store.  [default: the newest under ./data]")
serve_option = click.option(
    "--serve/--no-serve",
    "serving",
    default=True,
    help="Serve /metrics for Prometheus until Ctrl-C when done (the default).",
)
port_option = click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=8930,
    help="Where to serve; 0: any free port.  [default: 8930]",
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="crossdesk")
def main() -> None:
    """Measures how well the departments of one organisation serve each other.

    Start with `crossdesk demo`: a simulated company of a dozen departments in three levels. Then try it on a log of
    your own with `crossdesk replay`.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # ± and – on a terminal that has none


main.add_command(topics)


@main.command(short_help="Simulate a company and measure it.")
@click.option("--days", metavar="N", type=whole_number(1, 3650), default=120, help="How long.  [default: 120]")
@click.option(
    "--seed",
    metavar="N",
    type=whole_number(0),
    default=1,
    help="The same seed makes the same company life.  [default: 1]",
)
@click.option(
    "--departments",
    metavar="N",
    type=whole_number(LEAST, MOST),
    help=f"A company of so many, from {LEAST} to {MOST}.  [default: the example company]",
)
@folder_option("Folder for it.  [default: ./data/demo-SEED-DAYS]")
@serve_option
@port_option
def demo(days: int, seed: int, departments: int | None, data: Path | None, serving: bool, port: int) -> None:
    """Simulate a company, measure it, and show how its departments served each other.

    The simulation knows what happened and writes it down beside the data: what was measured is compared with it.
    """
    simulated = Demo(seed, days, departments)
    if simulated.too_large:
        raise click.UsageError(simulated.too_large)
    folder = data or DATA / simulated.folder
    if serving:
        serve.check_port(port)
    with reader() as read, opened(folder) as embedded:
        refuse_other_source(embedded, simulated.name, folder)
        simulated.refuse_other_truth(folder)
        configuration = simulated.configuration()
        embedded.apply(configuration.files)
        what = f"Simulating {days} day{'s' if days > 1 else ''} of {configuration.files.company.organisation}"
        take_in(embedded, simulated.name, read(simulated.source(folder)), what, days)
        values = bring_up_to_date(embedded, history=True)
        assert embedded.store is not None
        click.echo()
        report.print_report(out, values, weekly(embedded.store), configuration, started(embedded) or 0)
        comparison = truth_file.compare(embedded.store, simulated.truth(folder))
        report.print_comparison(out, comparison, folder / truth_file.TRUTH)
        refuse_untrue(comparison, folder)
        say_next(embedded, folder, data is not None)
        if serving:
            serve_it(embedded, port)


@main.command(short_help="Measure a log in a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--connector", required=True, type=click.Choice(sorted(LOGS)), help="What wrote the log.")
@click.option(
    "--mapping",
    "mapping_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="For event_log: which column means what.",
)
@click.option(
    "--config",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of company.yaml and norms.yaml.  [default: a trial, every group a department]",
)
@click.option(
    "--source",
    metavar="NAME",
    default="",
    help="Name of the source in company.yaml.  [default: the only one there, or the connector's]",
)
@click.option("--zone", metavar="ZONE", default="", help="Of times without one.  [default: UTC, or the mapping's]")
@click.option(
    "--bot",
    "bots",
    metavar="WHO",
    multiple=True,
    help="Who is a bot, as the log names it. May be repeated; those in company.yaml count too.",
)
@click.option(
    "--history",
    is_flag=True,
    help="Compute every day's values too, into the table published. It takes as long again, and more memory.",
)
@click.option(
    "--kafka",
    is_flag=True,
    help="Say it to Kafka (see `crossdesk topics`) instead of measuring it here. --data then only holds the key of pseudonyms.",
)
@folder_option("Folder for it.  [default: ./data/NAME-OF-FILE]")
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
    history: bool,
    kafka: bool,
    data: Path | None,
    serving: bool,
    port: int,
) -> None:
    """Measure a log that exists: an export of ServiceNow's audit log, or any CSV or NDJSON with a mapping.

    The log is read in its own time: nothing in it sees its future. A replay that was interrupted goes on where it stopped
    when it is started again.

    \b
    crossdesk replay incident_event_log.csv --connector servicenow_log
    crossdesk replay tickets.csv --connector event_log --mapping tickets.yaml
    """
    folder = data or DATA / (file.name.strip(".").split(".")[0] or "log")
    with refused_options(mapping_file if not zone else None):
        if zone:
            zone_named(zone)
        read_by = mapping.parse(read_text(mapping_file), place=str(mapping_file)) if mapping_file else None
        build(connector, connector, Identity(bytes(32), "k0"), mapping=read_by, zone=zone)
    loaded = load(config) if config else None
    with open_log(file):
        content = digest(file)
    if kafka:
        folder.mkdir(parents=True, exist_ok=True)
        configuration = loaded.configuration if loaded else None
        source = source_in(configuration, source, connector)
        everybody = [*bots, *(configuration.bots(source) if configuration else ())]
        said = partial(log_records, file, connector, source, identity_of(folder), read_by, zone, everybody)
        with reader() as read:
            publish(read(said), f"Saying {file.name}")
        return
    if serving:
        serve.check_port(port)
    with reader() as read, opened(folder) as embedded:
        configuration = loaded.configuration if loaded else embedded.configuration
        source = source_in(configuration, source, connector)
        configuration = configuration or trial_configuration(zone or (read_by.zone if read_by else "UTC"), [source])
        everybody = [*bots, *configuration.bots(source)]
        said = partial(log_records, file, connector, source, identity_of(folder), read_by, zone, everybody)
        how = digest_of(connector, source, zone, *sorted(everybody), repr(read_by))
        name = f"{file.name} ({connector} {content}{READ_AS}{how})"
        refuse_other_source(embedded, name, folder)
        put_in_force(embedded, configuration, loaded, config, name)
        take_in(embedded, name, read(said), f"Reading {file.name}")
        bring_up_to_date(embedded, history=history)
        print_log(embedded, configuration, config, at(folder, data is not None))
        say_next(embedded, folder, data is not None)
        if serving:
            serve_it(embedded, port)


@main.command(short_help="Check company.yaml and norms.yaml and put them in force.")
@click.argument("directory", metavar="FOLDER", type=click.Path(path_type=Path))
@data_option
def apply(directory: Path, data: Path | None) -> None:
    """Check company.yaml and norms.yaml in FOLDER and make them the next version.

    What was judged stays judged: a norm that is in force cannot be changed for the past.
    """
    loaded = load(directory)
    folder = data or newest()
    with opened(folder) as embedded:
        before = embedded.configuration
        version = apply_to(embedded, loaded.configuration, loaded, directory)
        embedded.fold()
        bring_up_to_date(embedded)
    same = before is not None and before.version == version
    click.echo(f"version {version} {'says the same and stays' if same else 'is'} in force in {folder}")


@main.command(name="explain", short_help="Show every interval behind the numbers of a case.")
@click.argument("case")
@click.argument("measure", default="")
@click.option(
    "--level",
    metavar="N",
    type=click.IntRange(0),
    help="Of the tree of departments, 0 for the top.  [default: the deepest]",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: instants and durations in microseconds.")
@data_option
def explain_command(case: str, measure: str, level: int | None, as_json: bool, data: Path | None) -> None:
    """Print every interval that makes the numbers of CASE (or of one MEASURE of it). They add up.

    \b
    crossdesk explain INC0000045
    crossdesk explain helpdesk/HD-100232 first_response
    """
    folder = data or newest()
    question = {"case": case, "measure": measure, "level": level, "json": as_json}
    answer = asked(folder, "/explain", question)
    if answer is None:
        with log_of(folder) as log:
            answer = explain.answer(log, question)
    click.echo(answer.decode(), nl=False)


@main.command(short_help="Ask the store in SQL.")
@click.argument("sql")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@data_option
def query(sql: str, as_json: bool, data: Path | None) -> None:
    """Ask the store in SQL (ClickHouse's). It only reads. There are the tables facts, indicators, published
    (history, day by day) and departments.

    \b
    crossdesk query "SELECT measure, outcome, count() FROM facts GROUP BY ALL"
    crossdesk query "SELECT * FROM indicators WHERE window = '28d'" --json
    """
    folder = data or newest()
    body = asked(folder, "/query", {"sql": sql})
    answer = json.loads(ask_store(folder, sql) if body is None else body)
    print_rows(answer["columns"], answer["rows"], as_json)


@main.command(short_help="List what could not be read.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row, with the record where it was kept.")
@data_option
def rejected(as_json: bool, data: Path | None) -> None:
    """List every row and record that could not be read, with its place and the reason."""
    folder = data or newest()
    body = asked(folder, "/rejected", {})
    if body is None:
        with log_of(folder) as log:
            body = serve.set_aside(log)
    for row in json.loads(body):
        place = row.get("place") or f"offset {row.get('offset')} of the log"
        case = f" (case {row['subject']})" if row.get("subject") else ""
        click.echo(json.dumps(row) if as_json else visible(f"{place}: {row['reason']}{case}"))


@main.command(short_help="Fold cases anew from all their records.")
@click.argument("cases", nargs=-1, required=True)
@data_option
def repair(cases: tuple[str, ...], data: Path | None) -> None:
    """Fold CASES anew from all their stored records, and mend the facts that differ.

    Late events need no repair: they are folded when they come, however late.
    """
    folder = data or newest()
    exists(folder)
    with opened(folder) as embedded:
        for case in [explain.case_named(embedded.log, case) for case in cases]:
            embedded.repair(case)
        bring_up_to_date(embedded)
    click.echo(f"{len(cases)} folded again")


@main.command(short_help="Print the JSON Schema of events.")
@click.argument("type", required=False)
def schema(type: str | None) -> None:
    """Print the JSON Schema of an event TYPE, or the names of all types."""
    schemas = e.json_schemas()
    if type is None:
        click.echo("\n".join(schemas))
    elif type not in schemas and e.TYPE_PREFIX + type not in schemas:
        raise click.UsageError(f"there is no event type {type!r}; `crossdesk schema` lists them")
    else:
        click.echo(json.dumps(schemas.get(type) or schemas[e.TYPE_PREFIX + type], indent=2))


# -- the configuration
def load(directory: Path) -> config_files.Loaded:
    """Problems name their file with its folder, so that an editor finds it."""
    try:
        loaded = config_files.load(directory)
    except BadConfiguration as error:
        raise BadConfiguration(in_folder(error.problems, directory)) from error
    show(in_folder(loaded.warnings, directory))
    return loaded


def in_folder(problems: Iterable[Problem], directory: Path) -> list[Problem]:
    return [p if p.file == str(directory) else replace(p, file=str(directory / p.file)) for p in problems]


def apply_to(
    embedded: Embedded, configuration: Configuration, loaded: config_files.Loaded | None, directory: Path | None
) -> int:
    def placed(problems: Iterable[Problem]) -> list[Problem]:
        return in_folder(loaded.located(problems), directory) if loaded and directory else list(problems)

    try:
        version, notes = embedded.apply(configuration.files)
    except Refused as refused:
        raise Stopped("\n".join(map(str, placed(refused.problems)))) from refused
    show(placed(notes))
    return version


def put_in_force(
    embedded: Embedded,
    configuration: Configuration,
    loaded: config_files.Loaded | None,
    directory: Path | None,
    name: str,
) -> None:
    """A log is measured under the files that were there when it began; others would judge only what comes after."""
    old, folder = embedded.configuration, embedded.folder
    if old is None or not embedded.log.position(f"source:{name}"):
        apply_to(embedded, configuration, loaded, directory)
    elif loaded and configuration.files.model_copy(update={"version": old.version}) != old.files:
        raise Stopped(
            f"{folder} holds this log as measured under other company files or norms. To measure it anew, name another "
            f"folder with --data, or remove that one: rm -r {folder}"
        )


def source_in(configuration: Configuration | None, source: str, connector: str) -> str:
    """The name under which the company file knows the log."""
    if configuration is None or configuration.company.each:
        named = sorted(configuration.sources) if configuration else []
    else:
        named = sorted(configuration.sources | {g.source for g in configuration.files.company.group_entries})
    if source in named or not named:
        return source or connector
    if not source and (len(named) == 1 or connector in named):
        return connector if connector in named else named[0]
    raise Stopped(
        f"the company file names no source {source or connector!r}: say --source {' or --source '.join(named)}, or add it"
    )


@contextmanager
def refused_options(mapping_file: Path | None) -> Iterator[None]:
    """What a connector says of its options. A zone may be the mapping's."""
    try:
        yield
    except BadMapping:
        raise
    except UnknownZone as error:
        raise click.UsageError(f"{mapping_file}: zone: {error}" if mapping_file else str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


# -- what is said
def print_log(embedded: Embedded, configuration: Configuration, config: Path | None, where: str) -> None:
    assert embedded.store is not None
    click.echo()
    log_report.print_log_report(out, embedded.store.query(log_report.OF_THE_LOG).rows, configuration)
    warn(log_report.rejections(embedded.rejected(), where))
    if not configuration.company.each:
        file = str(config / COMPANY) if config else COMPANY
        warn(log_report.unmapped(embedded.store.query(log_report.NAMED_GROUPS).rows, configuration, file))


def refuse_untrue(found: truth_file.Comparison, folder: Path) -> None:
    if found.differ:
        raise Stopped(
            "what was measured is not what was simulated. If other company files were put in force in this folder, that "
            f"is why: remove it (rm -r {folder}) and start again. If not, it is a bug: please report it with this command"
        )


def show(problems: Iterable[Problem]) -> None:
    for problem in problems:
        click.secho(str(problem), fg="yellow" if problem.severity is Severity.warning else "red", err=True)


def warn(lines: Iterable[str]) -> None:
    for line in lines:
        click.secho(visible(line), fg="yellow", err=True)


def at(folder: Path, named: bool) -> str:
    """The option that leads others to the folder."""
    return f" --data {folder}" if named or folder.parent != DATA else ""


def say_next(embedded: Embedded, folder: Path, named: bool) -> None:
    """Commands that work as printed, and what each shows."""
    where = at(folder, named)
    click.echo("\nWhere to go next")
    published = ("Any value, day by day:", "query \"SELECT * FROM published WHERE period = 'day' LIMIT 9\"")
    for what, command in (
        ("Every interval behind one case:", f"explain {example_case(embedded)}"),
        ("What became of all that was measured:", 'query "SELECT measure, outcome, count() FROM facts GROUP BY ALL"'),
        *([published] if embedded.log.position(PUBLISHED) else []),
    ):
        click.echo(f"  {what}\n    crossdesk {command}{where}")


def example_case(embedded: Embedded) -> str:
    """The hand-over that waited longest, if any was late; else any case."""
    assert embedded.store is not None
    for sql in (LONGEST, "SELECT case_id FROM facts ORDER BY case_id LIMIT 1"):
        for row in embedded.store.query(sql).rows:
            return visible(" ".join(row))
    return "CASE"


def print_rows(columns: list[str], rows: list[list[Any]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(json.dumps(dict(zip(columns, row, strict=True))))
        return
    for line in grid(columns, rows, out.width if out.is_terminal else None):
        click.echo(line)
    click.echo(f"{len(rows):,} row{'s' if len(rows) != 1 else ''}", err=True)


def serve_it(embedded: Embedded, port: int) -> None:
    def say(port: int) -> None:
        click.echo(f"\nMetrics for Prometheus: http://{serve.LOOPBACK}:{port}/metrics    (Ctrl-C stops)")

    serve.serve_until_stopped(embedded, port, say)


# What lives long here are large dicts of bytes: looking through them often finds nothing.
gc.set_threshold(50_000, 20, 50)

if __name__ == "__main__":
    main()
