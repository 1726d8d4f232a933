"""The commands that take something in and measure it here, or say it to Kafka: ``demo`` and ``replay``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from deploy import config_files, log_report, report, serve, truth_file
from deploy.ahead import reader
from deploy.command import Command, cases_option, folder_option, out, port_option, serve_option, whole_number
from deploy.config_cli import load, put_in_force
from deploy.demo import Demo
from deploy.embedded import Embedded
from deploy.folder import DATA, Stopped, opened, refuse_other_source
from deploy.history import PUBLISHED, started
from deploy.intake import bring_up_to_date, take_in
from deploy.left_out import reasons
from deploy.loose_norms import margins
from deploy.reading import Reading
from deploy.trend import weekly
from deploy.words import visible
from ingest import mapping
from ingest.broker import broker_settings
from ingest.connectors import LOGS
from ingest.files import read_text
from ingest.mapping import BadMapping
from ingest.simulation.generated import LEAST, MOST
from ingest.times import UnknownZone
from streams.configuration import Configuration
from streams.lint import COMPANY

LONGEST = """
SELECT case_id, measure FROM facts WHERE measure = 'acceptance' AND outcome = 'missed'
ORDER BY business_us DESC, case_id LIMIT 1
"""
STAGES = (
    ("What measures it, as many times as there are partitions at the most:", "streams"),
    ("Facts into ClickHouse; CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE says which:", "sink clickhouse"),
    ("The latest values for Prometheus:", "sink prometheus"),
)
"""What is started when events are on Kafka."""

kafka_option = click.option(
    "--kafka",
    is_flag=True,
    help="Say it to Kafka (see `crossdesk topics`) instead of measuring it here. --data then only holds the key of pseudonyms, "
    "and how far it was said.",
)
rate_option = click.option(
    "--rate",
    metavar="N",
    type=whole_number(1),
    help="With --kafka, for trials: no more records than that a second.  [default: as fast as the broker takes them]",
)


@click.command(cls=Command, short_help="Simulate a company and measure it.")
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
@kafka_option
@rate_option
@folder_option("Folder for it.  [default: ./data/demo-SEED-DAYS]")
@serve_option
@port_option
@cases_option
def demo(
    days: int,
    seed: int,
    departments: int | None,
    kafka: bool,
    rate: int | None,
    data: Path | None,
    serving: bool,
    port: int,
    cases: bool,
) -> None:
    """Simulate a company, measure it, and show how its departments served each other.

    The simulation knows what happened and writes it down beside the data: what was measured is compared with it.
    """
    simulated = Demo(seed, days, departments)
    if simulated.too_large:
        raise click.UsageError(simulated.too_large)
    folder = data or DATA / simulated.folder
    if _to_kafka(kafka, rate):
        _say_demo(simulated, folder, rate)
        return
    if serving:
        serve.check_port(port)
    with reader() as read, opened(folder) as embedded:
        refuse_other_source(embedded, simulated.name, folder)
        simulated.refuse_other_truth(folder)
        configuration = simulated.configuration()
        embedded.apply(configuration.files)
        take_in(embedded, simulated.name, read(simulated.source(folder)), _simulating(days, configuration), days)
        values = bring_up_to_date(embedded, history=True)
        assert embedded.store is not None
        click.echo()
        beside = report.Beside(
            weekly(embedded.store),
            margins(embedded.store),
            reasons(embedded.store, embedded.as_of or 0, report.WINDOW),
            embedded.morale(),
        )
        report.print_report(out, values, beside, configuration, started(embedded) or 0)
        comparison = truth_file.compare(embedded.store, simulated.truth(folder))
        report.print_comparison(out, comparison, folder / truth_file.TRUTH)
        _refuse_untrue(comparison, folder)
        _say_next(embedded, folder, data is not None)
        if serving:
            _serve(embedded, port, cases)


@click.command(cls=Command, short_help="Measure a log in a file.")
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
    help="Folder of company.yaml and norms.yaml.  [default: a trial, every group a department; with --kafka, what is in force]",
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
@kafka_option
@rate_option
@folder_option("Folder for it.  [default: ./data/NAME-OF-FILE]")
@serve_option
@port_option
@cases_option
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
    rate: int | None,
    data: Path | None,
    serving: bool,
    port: int,
    cases: bool,
) -> None:
    """Measure a log that exists: an export of ServiceNow's audit log, or any CSV or NDJSON with a mapping.

    The log is read in its own time: nothing in it sees its future. A replay that was interrupted goes on where it stopped
    when it is started again.

    \b
    crossdesk replay incident_event_log.csv --connector servicenow_log
    crossdesk replay tickets.csv --connector event_log --mapping tickets.yaml
    """
    folder = data or DATA / (file.name.strip(".").split(".")[0] or "log")
    with _refused_options(mapping_file if not zone else None):
        read_by = mapping.parse(read_text(mapping_file), place=str(mapping_file)) if mapping_file else None
        log = Reading.of(file, connector, read_by, zone)
    loaded = load(config) if config else None
    if _to_kafka(kafka, rate):
        _say_log(log, loaded, config, source, bots, folder, rate)
        return
    if serving:
        serve.check_port(port)
    with reader() as read, opened(folder) as embedded:
        old = embedded.configuration
        configuration, log = log.under(loaded.configuration if loaded else old, source, bots, folder)
        refuse_other_source(embedded, log.name, folder)
        begun = old if embedded.log.position(f"source:{log.name}") else None
        otherwise = (
            f"{folder} holds this log as measured under other company files or norms. To measure it anew, name another "
            f"folder with --data, or remove that one: rm -r {folder}"
        )
        put_in_force(embedded, configuration, loaded, config, begun_under=begun, otherwise=otherwise)
        take_in(embedded, log.name, read(log.records), f"Reading {file.name}")
        bring_up_to_date(embedded, history=history)
        _print_log(embedded, configuration, config, _at(folder, data is not None))
        _say_next(embedded, folder, data is not None)
        if serving:
            _serve(embedded, port, cases)


# -- to Kafka
def _to_kafka(kafka: bool, rate: int | None) -> bool:
    if rate and not kafka:
        raise click.UsageError("--rate is for what is said to Kafka: add --kafka, or leave it out")
    return kafka


def _say_demo(simulated: Demo, folder: Path, rate: int | None) -> None:
    from deploy.saying import Destination  # whoever needs no Kafka does not wait for it
    from deploy.settled import Settled

    with reader() as read, Settled(folder) as settled:
        destination = Destination.of(broker_settings(os.environ), make=True)
        simulated.refuse_other_truth(folder)
        configuration = simulated.configuration()
        if not settled.records(simulated.name, destination.topic):
            with destination.configurations() as configurations:
                configurations.apply(configuration.files)
        source, what = read(simulated.source(folder)), _simulating(simulated.days, configuration)
        destination.say(settled, simulated.name, source, what, days=simulated.days, rate=rate)
    click.echo("\nWhat to start next")
    for what, command in STAGES:
        click.echo(f"  {what}\n    crossdesk {command}")


def _say_log(
    log: Reading,
    loaded: config_files.Loaded | None,
    config: Path | None,
    source: str,
    bots: tuple[str, ...],
    folder: Path,
    rate: int | None,
) -> None:
    from deploy.saying import Destination
    from deploy.settled import Settled

    with reader() as read, Settled(folder) as settled:
        destination = Destination.of(broker_settings(os.environ))
        with destination.configurations() as configurations:
            newest = configurations.read().newest
            configuration, log = log.under(loaded.configuration if loaded else newest, source, bots, folder)
            settled.refuse_other_reading(log.name, destination.topic)
            begun = newest if settled.records(log.name, destination.topic) else None
            otherwise = (
                f"{log.file.name} has been said in part, and by now other company files or norms are in force than those in "
                f"{config}. Leave out --config, or put them in force first: crossdesk apply {config} --kafka"
            )
            put_in_force(configurations, configuration, loaded, config, begun_under=begun, otherwise=otherwise)
        destination.say(settled, log.name, read(log.records), f"Saying {log.file.name}", rate=rate)


@contextmanager
def _refused_options(mapping_file: Path | None) -> Iterator[None]:
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
def _simulating(days: int, configuration: Configuration) -> str:
    return f"Simulating {days} day{'s' if days > 1 else ''} of {configuration.files.company.organisation}"


def _print_log(embedded: Embedded, configuration: Configuration, config: Path | None, where: str) -> None:
    assert embedded.store is not None
    click.echo()
    hidden = configuration.hidden(embedded.as_of or 0)
    rows = [row for row in embedded.store.query(log_report.OF_THE_LOG).rows if row[0] not in hidden]
    log_report.print_log_report(out, rows, configuration)
    _warn(log_report.rejections(embedded.rejected(), where))
    if not configuration.company.each:
        file = str(config / COMPANY) if config else COMPANY
        _warn(log_report.unmapped(embedded.store.query(log_report.NAMED_GROUPS).rows, configuration, file))


def _refuse_untrue(found: truth_file.Comparison, folder: Path) -> None:
    if found.differ:
        raise Stopped(
            "what was measured is not what was simulated. If other company files were put in force in this folder, that "
            f"is why: remove it (rm -r {folder}) and start again. If not, it is a bug: please report it with this command"
        )


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        click.secho(visible(line), fg="yellow", err=True)


def _at(folder: Path, named: bool) -> str:
    """The option that leads others to the folder."""
    return f" --data {folder}" if named or folder.parent != DATA else ""


def _say_next(embedded: Embedded, folder: Path, named: bool) -> None:
    """Commands that work as printed, and what each shows."""
    where = _at(folder, named)
    click.echo("\nWhere to go next")
    published = ("Any value, day by day:", "query \"SELECT * FROM published WHERE period = 'day' LIMIT 9\"")
    for what, command in (
        ("Every interval behind one case:", f"explain {_example_case(embedded)}"),
        ("What became of all that was measured:", 'query "SELECT measure, outcome, count() FROM facts GROUP BY ALL"'),
        *([published] if embedded.log.position(PUBLISHED) else []),
    ):
        click.echo(f"  {what}\n    crossdesk {command}{where}")


def _example_case(embedded: Embedded) -> str:
    """The hand-over that waited longest, if any was late; else any case."""
    assert embedded.store is not None
    for sql in (LONGEST, "SELECT case_id FROM facts ORDER BY case_id LIMIT 1"):
        for row in embedded.store.query(sql).rows:
            return visible(" ".join(row))
    return "CASE"


def _serve(embedded: Embedded, port: int, cases: bool) -> None:
    def say(port: int) -> None:
        at = f"http://{serve.LOOPBACK}:{port}"
        if cases:
            token = embedded.folder / serve.NOTE
            click.echo(f"\nEvery case, drawn: {at}{serve.CASE}CASE    (the password is the token in {token})")
        click.echo(f"\nMetrics for Prometheus: {at}/metrics    (Ctrl-C stops)")

    serve.serve_until_stopped(embedded, port, say, cases=cases)
