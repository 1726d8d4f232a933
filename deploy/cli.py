"""The command ``crossdesk``: it reads the command line and says what happened; the work is done elsewhere.

Each family of commands has a file of its own: ``deploy/*_cli.py``.
"""

from __future__ import annotations

import gc
import sys

import click

from deploy.ask_cli import explain_case, query, schema
from deploy.command import Group
from deploy.compare_cli import compare
from deploy.config_cli import apply
from deploy.generation_cli import rebuild, switch
from deploy.ingest_cli import ingest
from deploy.measure_cli import demo, replay
from deploy.mend_cli import repair
from deploy.norms_cli import norms
from deploy.privacy_cli import privacy
from deploy.publish_cli import publish
from deploy.reconcile_cli import reconcile_command as reconcile
from deploy.rejected_cli import rejected
from deploy.reproduce_cli import reproduce
from deploy.sandbox_cli import sandbox
from deploy.sink_cli import sink
from deploy.streams_cli import streams
from deploy.topics_cli import topics
from deploy.unmapped_cli import unmapped


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


main.add_command(apply)
main.add_command(compare)
main.add_command(demo)
main.add_command(explain_case)
main.add_command(ingest)
main.add_command(norms)
main.add_command(privacy)
main.add_command(publish)
main.add_command(query)
main.add_command(rebuild)
main.add_command(reconcile)
main.add_command(rejected)
main.add_command(repair)
main.add_command(replay)
main.add_command(reproduce)
main.add_command(sandbox)
main.add_command(schema)
main.add_command(sink)
main.add_command(streams)
main.add_command(switch)
main.add_command(topics)
main.add_command(unmapped)

# What lives long here are large dicts of bytes: looking through them often finds nothing.
gc.set_threshold(50_000, 20, 50)

if __name__ == "__main__":
    main()
