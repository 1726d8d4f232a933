"""All measures, found by looking into this folder: to add one, add its file."""

from importlib import import_module
from pkgutil import iter_modules

from streams.measure import Measure


def _found() -> tuple[type[Measure], ...]:
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return tuple(sorted(Measure.__subclasses__(), key=lambda m: m.name))


MEASURES: tuple[type[Measure], ...] = _found()
