"""What the commands that ask get from an installation on Kafka: answers of its store, and the records that were set aside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

from deploy import serve
from deploy.topic_reader import TopicReader
from ingest.broker import broker_settings
from ingest.environment import BadSettings, read
from sinks.clickhouse import connect
from sinks.settings import DSN_FORM, ENVIRONMENT, SinkSettings


def store_address() -> str:
    """Raises :class:`BadSettings`."""
    dsn = read(SinkSettings, ENVIRONMENT, os.environ).clickhouse_dsn
    if dsn is None:
        raise BadSettings(f"{ENVIRONMENT}CLICKHOUSE_DSN_FILE is not set; the file holds {DSN_FORM}")
    return dsn.get_secret_value()


def queried(sql: str) -> bytes:
    """As :func:`deploy.serve.queried`. Raises ``sinks.store.StoreError``, where a sink has chDB's folder open too."""
    with closing(connect(store_address())) as store:
        return serve.queried(store, sql)


def set_aside() -> Iterator[bytes]:
    """The records of ``crossdesk.rejected``: whoever measures anew sets the same ones aside again.

    Raises ``ingest.broker.BrokerUnavailable`` and ``ingest.topics.TopicsDiffer``.
    """
    with TopicReader(broker_settings(os.environ)) as reader:
        for _, record in reader.held("rejected"):
            if record.value is not None:
                yield record.value
