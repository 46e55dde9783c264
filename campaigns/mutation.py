"""One small error at a time, put into a module's syntax tree: what a test that looks should see."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
SILENT = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)  # a sentence's words are no matter here
TYPES = ("annotation", "returns", "decorator_list", "bases", "type_params")
UNTOLD = ("__repr__", "__all__")


@dataclass(frozen=True)
class Mutant:
    """A module with one error. line: where. what: the change, in words."""

    line: int
    what: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """All of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = []
    for number, (node, _) in enumerate(places(tree)):
        for turn, what in enumerate(changes(node)):
            other = copy.deepcopy(tree)
            place, parent = list(places(other))[number]
            done = apply(place, turn)
            if done is not place:
                replace(parent, place, done)
            found.append(Mutant(line_of(node), what, ast.unparse(ast.fix_missing_locations(other))))
    return found


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every node in which an error may be put, with its parent."""
    for name, value in ast.iter_fields(tree):
        if name in TYPES:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, SILENT) or untold(child) or is_text(child):
                continue
            yield child, tree
            yield from places(child)


def untold(node: ast.AST) -> bool:
    """Whether a node is about names and representations alone."""
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id in UNTOLD for target in node.targets)
    return isinstance(node, ast.FunctionDef) and node.name in UNTOLD


def is_text(node: ast.AST) -> bool:
    """Whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def changes(node: ast.AST) -> list[str]:
    """The errors that a node can have, in words."""
    if isinstance(node, ast.Compare):
        return [f"{type(op).__name__} -> {COMPARED[type(op)].__name__}" for op in node.ops]
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in COMPUTED:
        return [f"{type(node.op).__name__} -> {COMPUTED[type(node.op)].__name__}"]
    if isinstance(node, ast.BoolOp):
        return ["and -> or" if isinstance(node.op, ast.And) else "or -> and"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        return [f"{type(node.op).__name__} dropped"]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        return [f"{node.value} -> {altered(node.value)}"]
    if isinstance(node, ast.Return) and node.value is not None and not nothing(node.value):
        return ["return None"]
    if isinstance(node, ast.If | ast.IfExp):
        return ["condition turned"]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
        return ["call dropped"]
    return []


def apply(node: ast.AST, turn: int) -> ast.AST:
    """A node with its error of that number; the same one where it was changed in place."""
    made: Any = node
    if isinstance(node, ast.Compare):
        node.ops[turn] = COMPARED[type(node.ops[turn])]()
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = COMPUTED[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.UnaryOp):
        made = node.operand
    elif isinstance(node, ast.Constant):
        node.value = altered(cast(float, node.value))
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(None)
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:
        made = ast.Pass()
    return cast(ast.AST, made)


def altered(value: float) -> float:
    """Another number."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else (value * 2 or 1.0)


def nothing(node: ast.AST) -> bool:
    """Whether an expression is None."""
    return isinstance(node, ast.Constant) and node.value is None


def replace(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put another node in the place of one."""
    for name, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, name, new)
        elif isinstance(value, list):
            value[:] = [new if one is old else one for one in value]


def line_of(node: ast.AST) -> int:
    """Where a node stands."""
    return int(getattr(node, "lineno", 0))
