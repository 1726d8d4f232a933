"""Modules of the core as Cython has them: a ``.pyx`` and a ``.pxd`` for each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from deploy.native.bodies import Bodies, Simpler, callable_from_c, function, indented, signature, unparsed
from deploy.native.model import FOLD, METHODS, MODULES, STATES, STREAMS, Class, Function, Model, imported
from deploy.native.model import MEASURES as MEASURES_IN
from deploy.native.structs import declarations, maker, reading, within, written_out
from streams.measures import MEASURES

DIRECTIVES = "language_level=3, nonecheck=True, annotation_typing=False, auto_pickle=False, binding=False"
PACKING = "from streams.packing cimport Packed, Writer, Reader, Encoder, Decoder, reader_at"
POOLED = frozenset(("Context", "Picture", "Touch", "History"))
"""Made for every record, and no part of the state: their memory is kept for the next."""
TRACKED = frozenset(("Calendar", "Touch", "History"))
"""What the collector of garbage looks at. Nothing else can be part of a circle."""
CHECKED = f"""
if [measure.name for measure in MEASURES] != {[m.name for m in MEASURES]} or any(
    not measure.__module__.startswith("{MEASURES_IN}.") for measure in MEASURES
):
    raise ImportError("the compiled core knows no other measures: set CROSSDESK_CORE=interpreted")
"""
MADE_BEFORE = ("_states", "_one")
"""Functions of the fold that make :data:`STATES`, which are classes here."""


def generate() -> dict[str, tuple[str, str]]:
    """The sources of each module. The modules must be those that are interpreted: their classes tell what they look like."""
    model, trees = Model(), {}
    for name in MODULES:
        path = STREAMS.parent.joinpath(*name.split(".")).with_suffix(".py")
        trees[name] = Simpler().visit(ast.parse(path.read_text("utf-8")))
        model.collect_classes(name, trees[name])
    model.find_types()
    for name, tree in trees.items():
        _find_functions(name, tree, model)
    return {name: _Module(name, tree, model).sources() for name, tree in trees.items()}


def _find_functions(name: str, tree: ast.Module, model: Model) -> None:
    model.functions[name] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name not in MADE_BEFORE and callable_from_c(node):
            model.functions[name][node.name] = signature(node, model, method=False)
        elif isinstance(node, ast.ClassDef) and node.name in model.classes:
            methods = model.classes[node.name].methods
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and callable_from_c(one):
                    methods[one.name] = signature(one, model, method=True)


class _Module:
    def __init__(self, name: str, tree: ast.Module, model: Model) -> None:
        self.name, self.tree, self.model = name, tree, model
        self.own = [one for one in model.classes.values() if one.module == name]
        self.imports: dict[str, set[str]] = {}
        self.bodies = Bodies(model, name, self._known())
        called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        self.values = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called}
        """Names that stand for themselves: functions among them are objects of Python."""

    def _known(self) -> dict[str, Function]:
        functions = self.model.functions
        known = dict(functions[self.name])
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in functions:
                theirs = functions[node.module]
                known |= {alias.name: theirs[alias.name] for alias in node.names if alias.name in theirs}
        return known

    def sources(self) -> tuple[str, str]:
        """The ``.pyx`` and the ``.pxd``."""
        pxd = "\n".join(self._declared())
        body = [part for node in self.tree.body for part in self._translated(node)]
        for one in self.own:
            if one.is_struct:
                made, lines = maker(one, self.model)
                body += [f"{made}:", indented(lines)]
        pyx = "\n".join(body)
        for text in (pyx, pxd):
            self._import_what(text)
        cimports = [
            f"from {module} cimport {', '.join(sorted(names))}" for module, names in sorted(self.imports.items())
        ]
        head = [
            f"# cython: {DIRECTIVES}",
            *("cimport cython", PACKING, *cimports),
            *("from msgspec import Raw", "from streams.packing import Damaged, replaced", "_NOT = object()"),
        ]
        theirs = self._classes_in(pxd)
        need = sorted(f"from {one.module} cimport {one.name}" for one in theirs if one.module != self.name)
        decoders = self._decoders(pyx)
        return "\n".join((*head, decoders[0], pyx, decoders[1], "")), "\n".join((PACKING, *need, pxd, ""))

    # -- declarations
    def _declared(self) -> list[str]:
        out: list[str] = []
        for one in self.own:
            new = [m for m in one.methods.values() if not self.model.inherited(one, m.name)]
            lines = [
                *declarations(one),
                *METHODS.get(one.name, ()),
                *(m.head(True, declared=True) for m in new),
            ]
            out += [self._head(one), indented(lines or ["pass"])]
            if one.is_struct:
                out.append(maker(one, self.model)[0])
        return [*out, *(f.head(False, declared=True) for f in self.model.functions[self.name].values())]

    def _head(self, one: Class) -> str:
        base = one.base or ("Packed" if one.packed else "")
        return f"cdef class {one.name}" + (f"({base}):" if base else ":")

    # -- what the module does
    def _translated(self, node: ast.stmt) -> Iterable[str]:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.ImportFrom(module="__future__"):
                return []
            case ast.ImportFrom(module=str(module)) if module in self.model.functions:
                return self._imported(node, module)
            case ast.FunctionDef(name="_states") if self.name == FOLD:
                return []
            case ast.FunctionDef(name="_one") if self.name == FOLD:
                return [CHECKED, *(self._class(self.model.classes[name], []) for name in STATES)]
            case ast.FunctionDef(name=name):
                return [function(node, self.model.functions[self.name].get(name), self.bodies, None)]
            case ast.ClassDef(name=name) if name in self.model.classes:
                one = self.model.classes[name]
                return [self._class(one, [part for each in node.body for part in self._member(one, each)])]
            case ast.Assign(targets=[ast.Name(id=name)]) if self.name == FOLD and name in STATES:
                return []
            case ast.Assign(targets=[ast.Name(id="FORMAT")]) if self.name == FOLD:
                return [f"FORMAT = {imported(FOLD).FORMAT}"]
        found = self.bodies.visit(node)
        return [] if found is None else [unparsed(found)]

    def _imported(self, node: ast.ImportFrom, module: str) -> list[str]:
        rest = []
        for alias in node.names:
            if alias.name in self.model.functions[module] and alias.name not in self.values:
                self.imports.setdefault(module, set()).add(alias.name)
            elif alias.name not in self.model.classes:
                rest.append(alias)
        node.names = rest
        return [ast.unparse(node)] if rest else []

    def _member(self, one: Class, node: ast.stmt) -> list[str]:
        match node:
            case ast.FunctionDef(name=name):
                return [function(node, one.methods.get(name), self.bodies, one)]
            case ast.Assign(targets=[ast.Name(id=name)]) if name != "__slots__":
                return [ast.unparse(node)]
            case ast.AnnAssign(annotation=said, value=ast.expr() as value) if "ClassVar" in ast.unparse(said):
                return [f"{ast.unparse(node.target)} = {ast.unparse(value)}"]
        return []

    def _class(self, one: Class, members: list[str]) -> str:
        marks = [] if one.name in TRACKED else ["@cython.no_gc"]
        marks += ["@cython.freelist(32)"] if one.name in POOLED else []
        more = METHODS.get(one.name, {}).items()
        doc = repr(self._doc(one))
        lines = [doc, *members, *(f"{head}:\n{body}" for head, body in more)]
        lines += written_out(one, self.model) if one.is_struct else []
        return "\n".join((*marks, self._head(one), indented(lines), ""))

    def _doc(self, one: Class) -> str:
        return getattr(imported(one.module), one.name).__doc__ or ""

    # -- what it needs of others
    def _classes_in(self, text: str) -> list[Class]:
        """Those that are named outside of strings, and not as an attribute."""
        text = re.sub(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", "", text)
        names = set(re.findall(r"(?<![.\w])(?:new_)?([A-Za-z_]\w*)", text))
        return [self.model.classes[name] for name in sorted(names & self.model.classes.keys())]

    def _import_what(self, text: str) -> None:
        for one in self._classes_in(text):
            if one.module != self.name:
                make = {f"new_{one.name}"} if f"new_{one.name}(" in text else set()
                self.imports.setdefault(one.module, set()).update({one.name} | make)

    def _decoders(self, pyx: str) -> tuple[str, str]:
        """Of structs that msgspec reads: of other modules, and of this one."""
        fields = [f for one in self.own if one.packed for f in one.fields]
        kinds = {kind for f in fields for kind in within(reading(f.type, self.model), "struct")}
        before, after = ["import msgspec as _msgspec"], []
        for kind in sorted(kinds, key=lambda kind: kind.__name__):
            make = f"_decode_{kind.__name__} = _msgspec.msgpack.Decoder({kind.__name__}).decode"
            if f"class {kind.__name__}" in pyx:
                after.append(make)
            else:
                before += [f"from {kind.__module__} import {kind.__name__}", make]
        return "\n".join(before), "\n".join(after)
