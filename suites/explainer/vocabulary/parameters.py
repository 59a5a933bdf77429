"""What may happen to any parameter of any loss: something else is put in its place in the paper's expression."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from focalbench_suite.adapters.canon import Canonical, Parameter
from focalbench_suite.suites.explainer.vocabulary.expression import Namespace, names, put
from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, change, option

ROLES = {  # role: (the beginning of the codes, the kind of the changes)
    "power": ("gamma", "gamma"),
    "balance": ("alpha", "alpha"),
    "class_weights": ("alpha", "alpha"),
    "row_weights": ("weight", "alpha"),
    "coefficient": ("coefficient", "cross_entropy"),
}

ANY = {  # what may stand in the place of a parameter g, whatever its role
    "doubled": "2*g",
    "halved": "g/2",
    "squared": "g**2",
    "complement": "1 - g",
    "negated": "-g",
    "inverted": "1/g",
    "plus_one": "g + 1",
}
POWER = {  # and of one that is an exponent
    "minus_one": "g - 1",
    "truncated": "trunc(g)",
    "rounded": "round(g)",
    "rounded_up": "ceil(g)",
    "zero_means_two": "where(g == 0, 2, g)",
}
AT_LEAST, AT_MOST = (0.5, 1, 2), (1, 2, 3)  # limits that people put to gamma
FIXED = {  # values that people use whatever the parameter is
    "power": (1, 1.5, 2, 3, 0.5),
    "balance": (0.25, 0.5, 0.75),
    "coefficient": (1, 2, -1, 0.5),
}


def departures(text: str, parameter: Parameter) -> Iterator[tuple[Change, str]]:
    """Every change of one parameter in an expression, and the expression that it makes."""
    if parameter.name not in names(text):
        return
    prefix, kind = ROLES[parameter.role]

    def changed(deed: str, other: str, **values: float) -> tuple[Change, str]:
        told = change(kind, f"{prefix}_{deed}", parameter=parameter.name, **values)
        return told, put(text, **{parameter.name: put(other, g=parameter.name)})

    if parameter.off is not None:
        yield changed("ignored", f"{parameter.off:g}")
    for value in FIXED.get(parameter.role, ()):
        if value != parameter.off:
            yield changed("fixed", f"{value:g}", value=value)
    power = parameter.role == "power"
    for deed, other in (ANY | POWER if power else ANY).items():
        yield changed(deed, other)
    if power:
        for value in AT_LEAST:
            yield changed("at_least", f"max(g, {value})", value=value)
        for value in AT_MOST:
            yield changed("at_most", f"min(g, {value})", value=value)
    turned = _turned(text, parameter.name)
    if turned is not None:
        deed = "as_factor" if power else "as_power"
        yield change(kind, f"{prefix}_{deed}", parameter=parameter.name), turned


def symbol(parameter: Parameter, accepts: set[str]) -> str:
    """How a parameter stands in an expression: by name, or as the value that a function without it should use."""
    return parameter.name if parameter.name in accepts else f"{parameter.absent:g}"


def own_values(text: str, parameter: Parameter) -> Iterator[tuple[Change, str]]:
    """What a function that lacks the parameter may use in its place, other than the paper's value."""
    prefix, kind = ROLES[parameter.role]
    values = {"power": (0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5), "coefficient": (0, -1, 0.5, 1, 2, 3)}.get(parameter.role, ())
    for value in values if parameter.name in names(text) else ():
        if value != parameter.absent:
            told = change(kind, f"{prefix}_of_its_own", parameter=parameter.name, value=value, paper=parameter.absent)
            yield told, put(text, **{parameter.name: f"{value:g}"})


class _Turn(ast.NodeTransformer):
    """An exponent becomes a factor, and a factor an exponent."""

    def __init__(self, name: str) -> None:
        self.name, self.done = name, False

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.op, ast.Pow) and self._is(node.right):
            self.done = True
            return ast.BinOp(node.right, ast.Mult(), node.left)
        if isinstance(node.op, ast.Mult) and (self._is(node.left) or self._is(node.right)):
            self.done = True
            return ast.BinOp(
                *((node.right, ast.Pow(), node.left) if self._is(node.left) else (node.left, ast.Pow(), node.right))
            )
        self.generic_visit(node)
        return node

    def _is(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self.name


def _turned(text: str, name: str) -> str | None:
    turn = _Turn(name)
    turned = ast.unparse(turn.visit(ast.parse(text, mode="eval")))
    return turned if turn.done else None


def distinct(options: list[Option]) -> list[Option]:
    """Each expression once, in the place and with the changes of its cheapest entry."""
    cheapest: dict = {}
    for entry in options:
        if entry.apply not in cheapest or entry.cost < cheapest[entry.apply].cost:
            cheapest[entry.apply] = entry
    return [entry for entry in options if cheapest[entry.apply] is entry]


def options_of(text: str, namespace: Namespace, loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's factor, and everything that its parameters alone can make of it."""
    absent = {p.name: symbol(p, accepts) for p in loss.parameters if p.absent is not None}
    found = [option(put(text, **absent), namespace)]
    for parameter in loss.parameters:
        others = put(text, **{name: value for name, value in absent.items() if name != parameter.name})
        make = departures if parameter.name in accepts else own_values
        found += [option(other, namespace, told) for told, other in make(others, parameter)]
    return found
