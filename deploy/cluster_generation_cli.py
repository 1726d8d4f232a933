"""``crossdesk rebuild --kafka`` and ``crossdesk switch --kafka``: what is said while a generation is filled and changed over."""

from __future__ import annotations

import os

import click

from deploy.cluster_asked import store_address
from deploy.cluster_generation import Cluster
from deploy.generation import told
from deploy.intake import progress
from ingest.broker import broker_settings


def rebuild(drop: int | None, workers: int) -> None:
    cluster = _cluster()
    if drop is not None:
        cluster.drop(drop)
        click.echo(f"generation {drop} is not there any more")
        return
    current = cluster.current()
    generation = current + 1
    if workers and cluster.begun(generation):
        click.echo(
            f"Generation {generation} was begun already: going on with it. If measures have changed since, remove it first: "
            f"crossdesk rebuild --kafka --drop {generation}",
            err=True,
        )
    with progress(f"Measuring anew, as generation {generation}") as bar:
        cluster.fill(generation, workers, lambda what: bar(None, what))
        bar(None, "comparing")
        found = cluster.compare(current, generation)
        bar(1.0, "")
    for line in told(found):
        click.echo(line)
    click.echo(
        f"\nEverybody still reads generation {current}. What was still on its way while both were compared counts as different."
        f"\n  To keep generation {generation} up to date, start workers and a sink of it beside the others (where"
        f"\n  those run on this machine too, with CROSSDESK_…_HEALTH_PORT=0 for a port of their own):"
        f"\n    CROSSDESK_STREAMS_GENERATION={generation} crossdesk streams"
        f"\n    CROSSDESK_SINKS_GENERATION={generation} crossdesk sink clickhouse"
        f"\n  Then, to have everybody read it:\n    crossdesk switch --kafka {generation}"
        f"\n  To remove it:\n    crossdesk rebuild --kafka --drop {generation}"
    )


def switch(generation: int | None) -> None:
    cluster = _cluster()
    current = cluster.current()
    wanted = generation or current + 1
    if wanted == current == cluster.shown():
        click.echo(f"generation {wanted} is the current one already")
        return
    with progress(f"Waiting for generation {wanted}") as bar:
        cluster.switch(wanted, lambda what: bar(None, what))
        bar(1.0, "")
    click.echo(f"generation {wanted} is the current one; `crossdesk switch --kafka {current}` leads back")


def _cluster() -> Cluster:
    return Cluster(broker_settings(os.environ), store_address())
