"""The suite about itself: it counts what its searches saw, says what it left out, and fails when it ran nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_histories(tally, sample, n):
    tally("histories", sample(1000, 10) + n)

def test_that_fails(tally):
    tally("histories", 500)
    assert False

@pytest.mark.full
def test_only_at_full_size(tally):
    tally("long histories", 1)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = full: long\naddopts = -ra -p no:cacheprovider\n")
    (tmp_path / "test_it.py").write_text(SUITE)
    return tmp_path


def run(suite: Path, *arguments: str, full: str = "") -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", *arguments]
    ran = subprocess.run(command, cwd=suite, env={"CROSSDESK_FULL": full}, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_was_searched_is_summed_over_all_workers(suite: Path, workers: str) -> None:
    code, said = run(suite, "-n", workers)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "          23 histories\n" in said
    assert "long histories" not in said
    assert "takes minutes: make test-full" in said


def test_at_full_size_nothing_is_left_out(suite: Path) -> None:
    code, said = run(suite, "--deselect", "test_it.py::test_that_fails", full="1")
    assert code == pytest.ExitCode.OK
    assert "       2,003 histories\n" in said
    assert "           1 long histories\n" in said


def test_a_run_that_skips_everything_fails(suite: Path) -> None:
    assert run(suite, "-k", "full_size")[0] == pytest.ExitCode.NO_TESTS_COLLECTED
    assert run(suite, "-k", "full_size", "--collect-only")[0] == pytest.ExitCode.OK
