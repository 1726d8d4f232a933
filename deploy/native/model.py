"""What is known of the core before it is written anew: its classes, their fields with C types, and what can be called from C."""

from __future__ import annotations

import ast
import importlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import streams
from streams import kinds, measures

STREAMS = Path(streams.__file__).parent
MEASURES = "streams.measures"
FOLD = "streams.fold"
MODULES = (
    *(f"streams.{name}" for name in ("fact", "effects", "hours", "timeline", "picture", "clock", "measure", "breach")),
    *(f"{MEASURES}.{path.stem}" for path in sorted(Path(measures.__path__[0]).glob("*.py")) if path.stem != "__init__"),
    *(f"streams.{name}" for name in ("fold", "history", "row", "touch", "cases")),
)
"""What is compiled, in an order in which each comes after what it needs."""

AS_THEY_ARE = frozenset(
    ("RowStart", "Meta", "_Last", "Segment", "Timed", "Fact", "Facts", "WatermarkPassed", "ConfigPassed")
)
"""Structs that msgspec reads and writes, and that no step asks for anything."""
STATES = ("WholeStates", "LevelStates")
"""Made of the measures when :mod:`streams.fold` is imported. What they hold stays packed until it is asked for."""
SLOTS: Mapping[str, Mapping[str, str]] = {
    "Context": {
        **dict.fromkeys(("config", "now", "version", "wake", "freed"), "object"),
        "case_id": "str",
        "source": "str",
        "levels": "tuple",
        "case": "Case",
        "pictures": "dict",
        "early": "bint",
        "_paths": "dict",
        "_calendars": "dict",
    },
    "History": {
        "_get": "object",
        "_put": "object",
        "version": "object",
        "case_id": "str",
        "log": "Log",
        "obsolete": "dict",
    },
    "Touch": {
        "awaits": "object",
        "cases": "object",
        "now": "object",
        "case_id": "str",
        "source": "str",
        "history": "History",
        "row": "Row",
        "said": "dict",
        "touched": "bint",
    },
    "Calendar": {
        **dict.fromkeys(("_from", "_until", "_origin_day", "_years"), "object"),
        **dict.fromkeys(("_base", "_cumulative", "_day_bounds", "_days", "_ends", "_openings", "_starts"), "list"),
        "_always": "bint",
        "_last_due": "tuple",
    },
}
"""Plain classes with ``__slots__``, and the C types of these."""
INTEGERS = frozenset((("Moment", "kind"), ("Moment", "actor"), ("Moment", "relation")))
"""Fields that hold small numbers. All others may grow beyond 64 bits, or say None."""
METHODS: Mapping[str, Mapping[str, str]] = {
    "Context": {
        "cpdef tuple path(self, str department, at)": (
            "    found = self._paths.get(department)\n"
            "    return self.config.path(department, at) if found is None else found"
        ),
        "cpdef Calendar calendar(self, str department)": (
            "    found = self._calendars.get(department)\n"
            "    return self.config.calendar(department) if found is None else found"
        ),
    }
}
"""What an attribute calls for the interpreter, and C calls by itself."""
ATTRIBUTES = {
    "self.levels, self.path, self.calendar = config.every_level, config.path, config.calendar": (
        "self.levels, self._paths, self._calendars = config.every_level, config.lasting, config.norms.calendars"
    )
}
"""Statements of the source that set those, and what they become."""
KINDS: Mapping[str, int] = {name: number for number, name in kinds.NAMES.items()}


@dataclass
class Function:
    """One that C can call: its parameters with their C types and defaults."""

    name: str
    parameters: list[tuple[str, str, str | None]]
    returns: str

    def head(self, method: bool, *, declared: bool) -> str:
        """``declared``: in a ``.pxd``, where defaults are not told."""
        found = ["self"] if method else []
        for name, kind, default in self.parameters:
            end = "" if default is None else "=*" if declared else f"={default}"
            found.append(f"{kind} {name}{end}".removeprefix("object "))
        return f"cpdef {self.returns} {self.name}({', '.join(found)})".replace("cpdef object ", "cpdef ")


@dataclass
class Class:
    """One that becomes an extension type. ``packed``: it is part of the state, a msgpack array."""

    name: str
    module: str
    base: str | None = None
    packed: bool = False
    fields: list[Any] = field(default_factory=list)
    """Of a struct, as msgspec tells them, with those of its base."""
    own: dict[str, str] = field(default_factory=dict)
    """The C types of those that its base has not."""
    methods: dict[str, Function] = field(default_factory=dict)

    @property
    def is_struct(self) -> bool:
        return self.name not in SLOTS


@dataclass
class Model:
    """All that is compiled. ``aliases``: names of types, such as ``Levels``."""

    classes: dict[str, Class] = field(default_factory=dict)
    functions: dict[str, dict[str, Function]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def field_type(self, owner: Class, of: Any) -> str:
        return "int" if (owner.name, of.name) in INTEGERS else self.c_type(of.type)

    def c_type(self, kind: Any) -> str:
        """The C type of what a field holds."""
        origin, args = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            some = [a for a in args if a is not type(None)]
            return "object" if len(some) != 1 or some[0] is bool else self.c_type(some[0])
        if origin in (tuple, list, dict):
            return str(origin.__name__)
        if isinstance(kind, type) and kind.__name__ in self.classes:
            return kind.__name__
        return {bool: "bint", str: "str", bytes: "bytes"}.get(kind, "object")

    def annotated(self, node: ast.expr | None) -> str:
        """The C type that an annotation of the source says."""
        match node:
            case ast.Constant(value=str(text)):
                return self.annotated(ast.parse(text, mode="eval").body)
            case ast.Name(id=name):
                if name in ("str", "bytes", "tuple", "list", "dict"):
                    return name
                return "bint" if name == "bool" else name if name in self.classes else self.aliases.get(name, "object")
            case ast.Subscript(value=ast.Name(id="tuple" | "list" | "dict" as name)):
                return name
            case ast.BinOp(left=left, right=ast.Constant(value=None)):
                found = self.annotated(left)
                return "object" if found == "bint" else found
        return "object"

    def root(self, one: Class) -> str:
        """Its base, or the base of that."""
        while one.base:
            one = self.classes[one.base]
        return one.name

    def inherited(self, one: Class, method: str) -> bool:
        while one.base:
            one = self.classes[one.base]
            if method in one.methods:
                return True
        return False

    def collect_classes(self, name: str, tree: ast.Module) -> None:
        """The classes of a module, and the names of its types."""
        module = imported(name)
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=alias)], value=ast.Subscript() as value):
                    if (found := self.annotated(value)) != "object":
                        self.aliases[alias] = found
                case ast.ClassDef(name=found) if found not in AS_THEY_ARE:
                    self._collect(getattr(module, found), name)
        for found in STATES if name == FOLD else ():
            self._collect(getattr(module, found), name)

    def _collect(self, kind: Any, module: str) -> None:
        if issubclass(kind, Struct):
            base = kind.__mro__[1].__name__
            one = Class(kind.__name__, module, base if base in self.classes else None)
            one.packed, one.fields = bool(kind.__struct_config__.array_like), list(msgspec.structs.fields(kind))
            self.classes[one.name] = one
        elif kind.__name__ in SLOTS:
            self.classes[kind.__name__] = Class(kind.__name__, module, own=dict(SLOTS[kind.__name__]))

    def find_types(self) -> None:
        """Once all classes are known."""
        for one in self.classes.values():
            if one.is_struct:
                told = {f.name for f in self.classes[one.base].fields} if one.base else set()
                one.own = {f.name: self.field_type(one, f) for f in one.fields if f.name not in told}


def imported(module: str) -> Any:
    return importlib.import_module(module)


def default(of: Any) -> str | None:
    """What makes the default of a field; None: it has none."""
    if of.default is not msgspec.NODEFAULT:
        return f"Raw({bytes(of.default)!r})" if isinstance(of.default, msgspec.Raw) else repr(of.default)
    make = of.default_factory
    if make is msgspec.NODEFAULT:
        return None
    if make in (list, dict):
        return repr(make())
    return f"[{make.args[0].__name__}()]" if isinstance(make, partial) else f"{make.__name__}()"


def is_constant(of: Any) -> bool:
    """Whether its default is one value that all may share."""
    return of.default is not msgspec.NODEFAULT and not isinstance(of.default, msgspec.Raw)
