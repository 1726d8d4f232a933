"""The folder of the pages: what is written into it, and what an earlier run has left there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from deploy.norms_page.html import GENERATOR, index_html, page_html
from deploy.norms_page.page import INDEX, Page, file_of

MARK = f'<meta name="generator" content="{GENERATOR}">'


def write_pages(folder: Path, pages: Sequence[Page], organisation: str, *, all_of_them: bool) -> None:
    """``all_of_them``: with the list of all, and without pages of an earlier run that there are no more. Each file is whole, or as
    it was before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages:
        name = file_of(page.department)
        _write(folder / f"{name}.json", page_json(page))
        _write(folder / f"{name}.html", page_html(page).encode())
    if all_of_them:
        _write(folder / f"{INDEX}.html", index_html(organisation, pages).encode())
        _remove_others(folder, {INDEX, *(file_of(page.department) for page in pages)})


def page_json(page: Page) -> bytes:
    return msgspec.json.format(msgspec.json.encode(page), indent=2) + b"\n"


def _remove_others(folder: Path, kept: set[str]) -> None:
    """A department that is too small by now must not stay there. What is not ours stays."""
    for html in sorted(folder.glob("*.html")):
        if html.stem not in kept and MARK in html.read_text(encoding="utf-8", errors="replace")[:2000]:
            html.with_suffix(".json").unlink(missing_ok=True)
            html.unlink()


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)
