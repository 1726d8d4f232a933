"""A real Prometheus (Debian's), for tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy.kafka.broker import free_port


def debian(program: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is missing: `make test` installs it (Debian package prometheus)"
    return found


@contextmanager
def prometheus(folder: Path, targets: Sequence[str], every: str = "100ms") -> Iterator[str]:
    """Scrapes all ``targets``; it answers at what is given."""
    address = f"127.0.0.1:{free_port()}"
    config = folder / "prometheus.yml"
    scrape = {
        "job_name": "crossdesk",
        "scrape_interval": every,
        "scrape_timeout": every,
        "static_configs": [{"targets": list(targets)}],
    }
    config.write_text(json.dumps({"scrape_configs": [scrape]}))  # JSON is YAML
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                debian("prometheus"),
                f"--config.file={config}",
                f"--web.listen-address={address}",
                f"--storage.tsdb.path={folder / 'data'}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            yield address
        finally:
            server.terminate()
            server.wait(20)


def asked(address: str, query: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/query?query={quote(query)}", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found
    except OSError:
        return []
