"""Compile the core: ``make native``. What is built carries the digest of its sources, and no other sources use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import streams
from deploy.native.model import MODULES, STREAMS
from deploy.native.modules import generate

HERE = Path(__file__).parent
KEPT = "sources"
"""What is generated, and compiled to C: kept, so that only what has changed is compiled again."""


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


def compiled(source: Path, out: Path, declared: float) -> Path:
    """The library of one module; ``declared``: when what others ask of modules last changed."""
    c, library = source.with_suffix(".c"), source.with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))
    if not library.exists() or library.stat().st_mtime < max(declared, source.stat().st_mtime):
        run(sys.executable, "-m", "cython", "-3", "-I", str(out), str(source.relative_to(out)), "-o", str(c), cwd=out)
        include = f"-I{sysconfig.get_path('include')}"
        whole = library.with_suffix(".new")  # or half of one would stay, where it is interrupted
        run("gcc", "-O2", "-fPIC", "-shared", "-fwrapv", "-w", include, str(c), "-o", str(whole), cwd=out)
        whole.rename(library)
    return library


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
    out = target.parent / KEPT
    write(out)
    declared = max(path.stat().st_mtime for path in out.rglob("*.pxd"))
    sources = [out.joinpath(*name.split(".")).with_suffix(".pyx") for name in ("streams.packing", *MODULES)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        libraries = list(pool.map(lambda source: compiled(source, out, declared), sources))
    for old in target.parent.iterdir():
        if old.name != KEPT:
            shutil.rmtree(old)
    fresh = target.with_name(f"{target.name}.new")
    for library in libraries:
        place = fresh / library.relative_to(out)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    shutil.copy(STREAMS / "measures" / "__init__.py", fresh / "streams" / "measures")
    fresh.rename(target)
    print(f"compiled the core: {target}")


if __name__ == "__main__":
    main()
