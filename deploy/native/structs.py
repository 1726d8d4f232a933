"""What msgspec gives a struct, written out for a class that C knows: to make, copy, compare, pack and unpack it."""

from __future__ import annotations

import types
import typing
from typing import Any

from msgspec import Raw, Struct

from deploy.native.model import STATES, Class, Model, default, is_constant

Reading = tuple[Any, ...]
"""How a value is read: what it is, and of what."""
ANY: Reading = ("any",)
NUMBERS = "n0, n1, n2, i0, i1, i2"


def reading(kind: Any, model: Model) -> Reading:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        some = [reading(a, model) for a in args if a is not type(None)]
        return ANY if len(some) != 1 else ("class", some[0][1], True) if some[0][0] == "class" else some[0]
    if origin in (tuple, list, dict):
        if origin is tuple and args[1:] != (Ellipsis,):
            return ANY
        inner = reading(args[1] if origin is dict else args[0], model)
        return ANY if inner == ANY and origin is not list else (origin.__name__, inner)
    if kind is Raw:
        return ("raw",)
    if isinstance(kind, type) and kind.__name__ in model.classes:
        return ("class", kind.__name__, False)
    return ("struct", kind) if isinstance(kind, type) and issubclass(kind, Struct) else ANY


def within(how: Reading, what: str) -> set[Any]:
    """The classes, or the structs of msgspec, that are read."""
    if how[0] == what:
        return {how[1]}
    return within(how[1], what) if len(how) > 1 and isinstance(how[1], tuple) else set()


def read(how: Reading, into: str, depth: int = 0) -> list[str]:
    """Statements."""
    n, i, one, many = (f"{letter}{depth}" for letter in "niom")
    match how:
        case ("any",):
            return [f"{into} = r.get()"]
        case ("raw",):
            return [f"{into} = Raw(r.slice())"]
        case ("struct", kind):
            return [f"{into} = _decode_{kind.__name__}(r.slice())"]
        case ("class", name, optional):
            make = [f"s_{name} = {name}.__new__({name})", f"s_{name}.unpack(r)", f"{into} = s_{name}"]
            return ["if r.nil():", f"    {into} = None", "else:", *(f"    {m}" for m in make)] if optional else make
        case ("dict", inner):
            each = [f"k{depth} = r.get()", *read(inner, one, depth + 1), f"{many}[k{depth}] = {one}"]
            return [
                *(f"{n} = r.mapping()", f"{many} = {{}}", f"for {i} in range({n}):"),
                *(f"    {line}" for line in each),
                f"{into} = {many}",
            ]
        case ("tuple" | "list" as kind, inner):
            each = [*read(inner, one, depth + 1), f"{many}.append({one})"]
            return [
                *(f"{n} = r.array()", f"{many} = []", f"for {i} in range({n}):"),
                *(f"    {line}" for line in each),
                f"{into} = " + (f"tuple({many})" if kind == "tuple" else many),
            ]
    raise TypeError(f"no way to read {how}")


def variables(hows: list[Reading]) -> list[str]:
    classes = sorted({name for how in hows for name in within(how, "class")})
    return [*(f"cdef {name} s_{name}" for name in classes), f"cdef Py_ssize_t {NUMBERS}"]


def written_out(one: Class, model: Model) -> list[str]:
    """The methods of a struct."""
    if one.name in STATES:
        return _lazy(one, model)
    names = [f.name for f in one.fields]
    heads = (f.name if (d := default(f)) is None else f"{f.name}={d if is_constant(f) else '_NOT'}" for f in one.fields)
    sets = [
        f"self.{f.name} = {f.name}"
        if default(f) is None or is_constant(f)
        else f"self.{f.name} = {default(f)} if {f.name} is _NOT else {f.name}"
        for f in one.fields
    ]
    return [
        f"__struct_fields__ = {tuple(names)!r}",
        *_method(f"def __init__(self, {', '.join(heads)})", sets),
        *_method(
            f"cpdef {model.root(one)} clone(self)",
            [
                f"cdef {one.name} other = {one.name}.__new__({one.name})",
                *(f"other.{name} = self.{name}" for name in names),
                "return other",
            ],
        ),
        *_method("def __copy__(self)", ["return self.clone()"]),
        *_comparing(one, names),
        *(_packing(one, model) if one.packed else ()),
    ]


def _method(head: str, body: list[str]) -> list[str]:
    return [f"{head}:", *(f"    {line}" for line in body)]


def _comparing(one: Class, names: list[str]) -> list[str]:
    shown = ", ".join(f"{name}={{self.{name}!r}}" for name in names)
    return [
        *_method(
            "def __eq__(self, other)",
            [
                "if type(other) is not type(self):",
                "    return NotImplemented",
                f"cdef {one.name} o = other",
                f"return {' and '.join(f'self.{name} == o.{name}' for name in names) or 'True'}",
            ],
        ),
        *_method("def __repr__(self)", [f'return f"{one.name}({shown})"']),
    ]


def _packing(one: Class, model: Model) -> list[str]:
    writes, reads, hows = [f"w.array({len(one.fields)})"], [], []
    for f in one.fields:
        how, kind, name = reading(f.type, model), model.field_type(one, f), f"self.{f.name}"
        hows.append(how)
        if how[0] == "class":
            writes += [f"if {name} is None:", "    w.byte(0xC0)", "else:"] if how[2] else ["if True:"]
            writes.append(f"    {name}.pack(w)")
        else:
            writes.append({"bint": "w.truth", "str": "w.put_text"}.get(kind, "w.put") + f"({name})")
        reads += [f"{name} = r.truth()"] if kind == "bint" else read(how, name)
    return [
        *_method("cdef int pack(self, Writer w) except -1", [*writes, "return 0"]),
        *_method("cdef int unpack(self, Reader r) except -1", [*variables(hows), *_fields(one), *reads, "return 0"]),
    ]


def _fields(one: Class) -> list[str]:
    return [
        f"if r.array() != {len(one.fields)}:",
        f"    raise Damaged('a {one.name} of another number of fields')",
    ]


def _lazy(one: Class, model: Model) -> list[str]:
    """A struct whose fields stay as they were packed until they are asked for: a record touches few of them."""
    out = [
        f"__struct_fields__ = {tuple(f.name for f in one.fields)!r}",
        *_method(
            f"def __init__(self, {', '.join(f'{f.name}=None' for f in one.fields)})",
            [f"self._{f.name} = {default(f)} if {f.name} is None else {f.name}" for f in one.fields],
        ),
        *_method(f"cpdef {one.name} clone(self)", ["raise NotImplementedError"]),
        *_comparing(one, [f.name for f in one.fields]),
    ]
    packs = [f"w.array({len(one.fields)})"]
    for i, f in enumerate(one.fields):
        how, name = reading(f.type, model), f.name
        get = [f"if self._{name} is None:", f"    self.read_{name}()", f"return self._{name}"]
        at = f"cdef Reader r = reader_at(self._held, self._at[{i}])"
        put = f"self._{name}.pack(w)" if how[0] == "class" else f"w.put(self._{name})"
        packs += [f"if self._{name} is None:", f"    w.slice(self._held, self._at[{i}], self._at[{i + 1}])"]
        packs += ["else:", f"    {put}"]
        out += [
            *_method(f"cdef {model.c_type(f.type)} get_{name}(self)", get),
            *_method(
                f"cdef int read_{name}(self) except -1",
                [*variables([how]), at, *read(how, f"self._{name}"), "return 0"],
            ),
            *("@property", *_method(f"def {name}(self)", [f"return self.get_{name}()"])),
            *(f"@{name}.setter", *_method(f"def {name}(self, value)", [f"self._{name} = value"])),
        ]
    each = [
        *_fields(one),
        *("self._held = r.held", "self._at[0] = r.place()", f"for i0 in range({len(one.fields)}):"),
        *("    r.skip()", "    self._at[i0 + 1] = r.place()", "return 0"),
    ]
    return [
        *out,
        *_method("cdef int pack(self, Writer w) except -1", [*packs, "return 0"]),
        *_method("cdef int unpack(self, Reader r) except -1", ["cdef Py_ssize_t i0", *each]),
    ]


def declarations(one: Class) -> list[str]:
    """Its fields and methods, for a ``.pxd``."""
    out = []
    if one.name in STATES:
        out += ["cdef bytes _held", f"cdef Py_ssize_t[{len(one.fields) + 1}] _at"]
        for name, kind in one.own.items():
            out += [f"cdef {kind} _{name}", f"cdef {kind} get_{name}(self)", f"cdef int read_{name}(self) except -1"]
    else:
        out += [f"cdef public {kind} {name}" for name, kind in one.own.items()]
    if one.is_struct and not one.base:
        out.append(f"cpdef {one.name} clone(self)")
    return out


def maker(one: Class, model: Model) -> tuple[str, list[str]]:
    """The head and the body of the function that makes one of its fields, in their order."""
    kinds = ((f"{model.field_type(one, f)} {f.name}").removeprefix("object ") for f in one.fields)
    mark = "_" if one.name in STATES else ""
    return f"cdef {one.name} new_{one.name}({', '.join(kinds)})", [
        f"cdef {one.name} o = {one.name}.__new__({one.name})",
        *(f"o.{mark}{f.name} = {f.name}" for f in one.fields),
        "return o",
    ]
