"""``python -m deploy.kafka start``: a broker for trials, in the background. ``stop`` ends it, ``status`` says where it is."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deploy.kafka.broker import VERSION, Broker, BrokerError

FOLDER = Path("data/kafka")
PORT = 9092


@click.command(help=__doc__)
@click.argument("action", type=click.Choice(["start", "stop", "status"]))
@click.option("--data", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Its folder.")
@click.option("--port", default=PORT, show_default=True, help="Where it listens, on this machine only.")
@click.option("--version", default=VERSION, show_default=True, help="Which Kafka: Maven fetches it once.")
def main(action: str, data: Path, port: int, version: str) -> None:
    broker = Broker(data, port=port if action == "start" else 0, version=version)
    try:
        if action == "start":
            broker.start()
            click.echo(f"Kafka {version} answers at {broker.address}; its data is in {data}")
            if port != PORT:
                click.echo(f"For everything that uses it: export CROSSDESK_KAFKA_BOOTSTRAP_SERVERS={broker.address}")
            click.echo(f"Stop it: python -m deploy.kafka stop --data {data}")
        elif action == "stop":
            running = broker.pid() is not None
            broker.stop()
            click.echo("stopped" if running else f"no broker runs in {data}")
        elif broker.pid() is None:
            click.echo(f"no broker runs in {data}")
            sys.exit(1)
        else:
            click.echo(f"process {broker.pid()} at {broker.address}")
    except BrokerError as error:
        click.echo(f"kafka: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
