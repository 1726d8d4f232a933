"""The folds. Where ``make native`` has compiled the sources as they are now, what is compiled is used instead of them."""

import hashlib
import os
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parent


def built() -> Path:
    """Where the compiled core of these sources is, or would be: its name is their digest, so that no other is ever used."""
    sources = sorted((*_HERE.glob("*.py"), *_HERE.glob("measures/*.py"), *_ROOT.glob("deploy/native/*.p*")))
    digest = hashlib.blake2b(f"{sys.version} {sys.platform}".encode(), digest_size=8)
    for source in sources:
        digest.update(f"\0{source.name}\0".encode() + source.read_bytes())
    return _ROOT / "build" / "native" / digest.hexdigest()


def _found() -> Path | None:
    if os.environ.get("CROSSDESK_CORE") == "interpreted" or not (_ROOT / "build" / "native").is_dir():
        return None
    folder = built()
    return folder if folder.is_dir() else None


COMPILED = _found()
"""The folder of the compiled core; None: the sources are interpreted."""
if COMPILED is not None:
    __path__.insert(0, str(COMPILED / "streams"))
