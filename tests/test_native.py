"""The compiled core (``make native``) says the same bytes as the interpreted one, and each reads the other's state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import streams

TESTS = Path(__file__).parent
CORES = ("interpreted", "compiled")
built = pytest.mark.skipif(not streams.built().is_dir(), reason="the core is not compiled: make native")


def folded(core: str, out: Path, before: Path | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "core", "" if before is None else str(before), str(out)]
    where = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", "CROSSDESK_CORE": core}
    ran = subprocess.run(command, env=where, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [core]
    told: dict[str, Any] = json.loads(out.read_text())
    return told


@built
def test_both_cores_say_the_same_and_read_each_others_state(tmp_path: Path) -> None:
    first = {core: folded(core, tmp_path / core) for core in CORES}
    assert first["compiled"] == first["interpreted"]
    assert first["compiled"]["records"] > 1_000
    second = [
        folded(core, tmp_path / f"{core} after {other}", tmp_path / other)
        for core, other in zip(CORES, reversed(CORES), strict=True)
    ]
    assert second[0] == second[1]
    assert second[0]["records"] > 1_000
    assert second[0]["said"] != first["compiled"]["said"]


def test_what_is_compiled_is_named_by_its_sources(tmp_path: Path) -> None:
    """A change of a source, or of how it is compiled, and what was built before is used no more."""
    for part in ("streams", "deploy/native"):
        for path in (TESTS.parent / part).rglob("*.p*"):
            if path.suffix != ".pyc" and path.is_file():
                copy = tmp_path / path.relative_to(TESTS.parent)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    ask = "import streams; folder = streams.built(); print(folder, streams.COMPILED == folder)"

    def asked(**more: str) -> tuple[Path, bool]:
        where = {**os.environ, "PYTHONPATH": str(tmp_path), **more}
        ran = subprocess.run(
            [sys.executable, "-c", ask], env=where, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        named, used = ran.stdout.split()
        return Path(named), used == "True"

    folder, used = asked(CROSSDESK_CORE="")
    assert folder.parent == tmp_path / "build" / "native"
    assert not used
    folder.mkdir(parents=True)
    assert asked(CROSSDESK_CORE="") == (folder, True)
    assert asked(CROSSDESK_CORE="interpreted") == (folder, False)
    for changed in ("streams/measures/silence.py", "streams/clock.py", "deploy/native/packing.pyx"):
        path = tmp_path / changed
        text = path.read_text("utf-8")
        path.write_text(text + "\n# another\n", "utf-8")
        other, used = asked(CROSSDESK_CORE="")
        assert other != folder
        assert not used
        path.write_text(text, "utf-8")
    assert asked(CROSSDESK_CORE="") == (folder, True)
