"""Compile the core: ``make native``. What is built carries the digest of its sources, and no other sources use it.

Twice: what is compiled first counts how often it goes each way while it folds a simulated company (``training.py``), and with
those counts gcc lays out the code that is used, which takes a sixth less time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import streams
from deploy.native.model import MODULES, STREAMS
from deploy.native.modules import generate

HERE = Path(__file__).parent
KEPT, COUNTING = "sources", "counting"
"""What is generated, and what is compiled first: kept, so that only what has changed is compiled again."""
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def write(out: Path) -> None:
    """The sources for Cython. What is as it was stays untouched."""
    texts = {Path("streams/__init__.py"): "", Path("streams/measures/__init__.py"): ""}
    for name, (pyx, pxd) in generate().items():
        place = Path(*name.split("."))
        texts |= {place.with_suffix(".pyx"): pyx, place.with_suffix(".pxd"): pxd}
    for suffix in (".pyx", ".pxd"):
        texts[Path("streams/packing").with_suffix(suffix)] = (HERE / f"packing{suffix}").read_text("utf-8")
    for place, text in texts.items():
        path = out / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


class Library(NamedTuple):
    """A module: its source for Cython, below ``out``."""

    source: Path
    out: Path

    @property
    def path(self) -> Path:
        """Of what is used in the end."""
        return self.source.with_suffix(SUFFIX)

    @property
    def counting(self) -> Path:
        """Of what counts."""
        return self.out.with_name(COUNTING) / self.path.relative_to(self.out)

    @property
    def counts(self) -> Path:
        """Where that writes them, as gcc names it after what it compiles to."""
        return self._whole.with_name(f"{self._whole.name}-{self.source.stem}.gcda")

    def learn(self, declared: float) -> None:
        """Compile it to count, where it has changed; ``declared``: when what others ask of modules last did."""
        if written(self.counting) < max(declared, written(self.source)):
            self.counts.unlink(missing_ok=True)
            cython = [sys.executable, "-m", "cython", "-3", "-I", str(self.out), str(self.source.relative_to(self.out))]
            run(*cython, "-o", str(self._c), cwd=self.out)
            self._compile(self.counting, "-fprofile-generate")

    def finish(self) -> None:
        """Compile it with what was counted."""
        if written(self.path) < written(self.counting):
            if not self.counts.exists():
                raise SystemExit(f"make native: nothing was counted in {self.source.stem}: no {self.counts}")
            self._compile(self.path, "-fprofile-use")

    @property
    def _c(self) -> Path:
        return self.source.with_suffix(".c")

    @property
    def _whole(self) -> Path:
        return self.path.with_suffix(".new")  # or half of one would stay, where it is interrupted

    def _compile(self, to: Path, *how: str) -> None:
        include = f"-I{sysconfig.get_path('include')}"
        every = ["-O2", "-fPIC", "-shared", "-fwrapv", "-w", include]
        run("gcc", *every, *how, str(self._c), "-o", str(self._whole), cwd=self.out)
        to.parent.mkdir(parents=True, exist_ok=True)
        self._whole.rename(to)


def put_package(folder: Path) -> None:
    """What is no module of its own among the libraries in ``folder``."""
    shutil.copy(STREAMS / "measures" / "__init__.py", folder / "streams" / "measures")


def written(path: Path) -> float:
    """When; 0.0 where it was not."""
    return path.stat().st_mtime if path.exists() else 0.0


def run(*command: str, cwd: Path) -> None:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"make native: {' '.join(command)}\n{ran.stdout}{ran.stderr}")


def main() -> None:
    if streams.COMPILED is not None:
        raise SystemExit(
            "make native: the core that is compiled cannot be its own source: set CROSSDESK_CORE=interpreted"
        )
    target = streams.built()
    if target.exists():
        print(f"{target} is up to date")
        return
    out = target.with_name(KEPT)
    write(out)
    declared = max(map(written, out.rglob("*.pxd")))
    names = ("streams.packing", *MODULES)
    libraries = [Library(out.joinpath(*name.split(".")).with_suffix(".pyx"), out) for name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda library: library.learn(declared), libraries))
        put_package(out.with_name(COUNTING))
        run(sys.executable, "-m", "deploy.native.training", str(out.with_name(COUNTING)), cwd=HERE.parents[1])
        list(pool.map(Library.finish, libraries))
    for old in target.parent.iterdir():
        if old.name not in (KEPT, COUNTING):
            shutil.rmtree(old)
    fresh = target.with_name(f"{target.name}.new")
    for library in libraries:
        place = fresh / library.path.relative_to(out)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library.path, place)
    put_package(fresh)
    fresh.rename(target)
    print(f"compiled the core: {target}")


if __name__ == "__main__":
    main()
