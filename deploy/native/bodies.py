"""Functions of the core, as Cython is to have them: what can be called from C is, with arguments by position."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from deploy.native.model import ATTRIBUTES, KINDS, SLOTS, Class, Function, Model, default

NO_CLOSURE = frozenset(("tuple", "sorted", "set", "list", "dict", "min", "max", "sum"))
"""Which of a generator take all, whatever it says: a list will do. ``any`` and ``all`` stop early."""
CODEC = {
    "msgspec.msgpack.Encoder": "Encoder",
    "msgspec.msgpack.Decoder": "Decoder",
    "msgspec.structs.replace": "replaced",
}
OWN_CODEC = ("streams.row", "streams.history")
"""Where what is packed is written and read."""


class _Closures(ast.NodeVisitor):
    """What a function that C calls may not have."""

    found = False

    def generic_visit(self, node: ast.AST) -> None:
        kinds = (ast.Lambda, ast.GeneratorExp, ast.Yield, ast.YieldFrom, ast.FunctionDef)
        self.found = self.found or isinstance(node, kinds)
        super().generic_visit(node)


class Simpler(ast.NodeTransformer):
    """The same with fewer closures, with numbers instead of their names, and without what only type checkers need."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id="cast"), args=[_, value]):
                return value
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as every]) if name in NO_CLOSURE:
                node.args[0] = _list(every)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.GeneratorExp):
            node.value = _list(node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.GeneratorExp):
            node.value = _list(node.value)
        said = ast.unparse(node).replace("(", "").replace(")", "")
        return ast.parse(ATTRIBUTES[said]).body[0] if said in ATTRIBUTES else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "kinds" and node.attr in KINDS:
            return ast.Constant(KINDS[node.attr])
        return node


def _list(every: ast.GeneratorExp) -> ast.ListComp:
    return ast.ListComp(every.elt, every.generators)


def callable_from_c(node: ast.FunctionDef) -> bool:
    args = node.args
    if node.decorator_list or args.vararg or args.kwarg or node.name.startswith("__"):
        return False
    look = _Closures()
    for statement in node.body:
        look.visit(statement)
    return not look.found


def signature(node: ast.FunctionDef, model: Model, method: bool) -> Function:
    args = node.args
    named = args.args[1:] if method else args.args
    defaults: list[ast.expr | None] = [None] * (len(named) - len(args.defaults))
    defaults += [*args.defaults, *args.kw_defaults]
    return Function(
        node.name,
        [
            (one.arg, model.annotated(one.annotation), None if value is None else ast.unparse(value))
            for one, value in zip([*named, *args.kwonlyargs], defaults, strict=True)
        ],
        model.annotated(node.returns),
    )


class Bodies(ast.NodeTransformer):
    """What is in functions. ``known``: those of modules that can be called here from C, by name."""

    def __init__(self, model: Model, module: str, known: Mapping[str, Function]) -> None:
        self.model, self.module, self.known = model, module, known
        self.methods: dict[str, list[tuple[str, str | None]]] = {}
        for one in model.classes.values():
            for method in one.methods.values():
                self.methods[method.name] = [(name, value) for name, _, value in method.parameters]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return None if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class that stays one: its annotations are its fields."""
        node.body = [one if isinstance(one, ast.AnnAssign) else self.visit(one) for one in node.body]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node.func:
            case ast.Name(id=name) if name in self.model.classes and name not in SLOTS:
                return self.made(node, self.model.classes[name])
            case ast.Name(id=name) if name in self.known:
                by_position(node, [(each, value) for each, _, value in self.known[name].parameters])
            case ast.Attribute(attr="__copy__") as called:
                called.attr = "clone"
            case ast.Attribute(attr=name) as called:
                said = ast.unparse(called)
                if said in CODEC and (self.module in OWN_CODEC or said == "msgspec.structs.replace"):
                    node.func = ast.Name(CODEC[said])
                elif name in self.methods:
                    by_position(node, self.methods[name])
        return node

    def made(self, node: ast.Call, one: Class) -> ast.AST:
        """A new one of a class, with every field by its position."""
        fields = [(f.name, default(f)) for f in one.fields]
        if any(isinstance(a, ast.Starred) for a in node.args) or not by_position(node, fields):
            return node
        rest = fields[len(node.args) :]
        if any(value is None for _, value in rest):
            return node
        node.args += [self.visit(ast.parse(value or "", mode="eval").body) for _, value in rest]
        node.func = ast.Name(f"new_{one.name}")
        return node


def by_position(node: ast.Call, parameters: list[tuple[str, str | None]]) -> bool:
    """Put keywords where they belong, with defaults in gaps; says whether there are none any more."""
    given: dict[str | None, ast.expr] = {k.arg: k.value for k in node.keywords}
    if not given:
        return True
    if None in given or any(isinstance(a, ast.Starred) for a in node.args):
        return False
    args = list(node.args)
    for name, value in parameters[len(args) :]:
        if name in given:
            args.append(given.pop(name))
        elif not given or value is None:
            break
        else:
            args.append(ast.parse(value, mode="eval").body)
    if given:
        return False
    node.args, node.keywords = args, []
    return True


def function(node: ast.FunctionDef, known: Function | None, bodies: Bodies, owner: Class | None) -> str:
    """Its source; ``known``: how C calls it, if it can."""
    model = bodies.model
    types = {a.arg: model.annotated(a.annotation) for a in (*node.args.args, *node.args.kwonlyargs)}
    lines = [f"cdef {kind} {name}" for name, kind in _locals(node, model).items() if name not in types]
    for one in (*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg):
        if one is not None:
            one.annotation = None
    node.returns = None
    bodies.visit(node)
    text = ast.get_docstring(node, clean=False)
    body = node.body if text is None else node.body[1:]
    lines = [*([] if text is None else [repr(text)]), *lines, *map(unparsed, body)]
    if known is not None:
        head = known.head(owner is not None, declared=False)
    else:
        head = f"def {node.name}({_arguments(node.args, types, model)})"
    return "\n".join(
        (*(f"@{ast.unparse(d)}" for d in node.decorator_list), f"{head}:", indented(lines or ["pass"]), "")
    )


def _arguments(args: ast.arguments, types: Mapping[str, str], model: Model) -> str:
    """Where a class is named, C reads its fields."""
    named: list[Any] = [*args.args, *args.kwonlyargs]
    for one in named:
        if types[one.arg] in model.classes:
            one.arg = f"{types[one.arg]} {one.arg}"
    return ast.unparse(args)


def _locals(node: ast.FunctionDef, model: Model) -> dict[str, str]:
    """What its annotations say of variables."""
    found = {}
    for one in ast.walk(node):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            kind = model.annotated(one.annotation)
            if kind not in ("object", "bint"):
                found[one.target.id] = kind
    return found


def unparsed(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node))


def indented(parts: list[str]) -> str:
    return "\n".join(f"    {line}" if line else line for part in parts for line in part.split("\n"))
