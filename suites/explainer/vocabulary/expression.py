"""A tiny language in which a factor of a loss is written once, for the computer and for people.

``Expression("miss**gamma", SIGMOID)`` computes its value from `Points` and prints ``(1-p_t)^gamma``. The syntax is
Python's, read by `ast` and turned into nested functions: nothing but the operators, functions and names below is
understood, and no text is ever evaluated as code. A name is a quantity of the namespace (itself an expression, computed
once for each set of points), a field of the points, or a parameter of the loss.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Protocol

import torch
from torch.nn import functional

Tensor = torch.Tensor
Value = Any  # a tensor, or a number that is broadcast to the shape of the elements


class Scope(Protocol):
    """What an expression is evaluated on. A parameter is None where the user has turned it off."""

    @property
    def parameters(self) -> Mapping[str, Tensor | None]: ...

    @property
    def cache(self) -> dict: ...


@dataclass(frozen=True, eq=False)
class Namespace:
    """The names that expressions over one form of inputs may use.

    `quantities` maps a name to what people read and to its definition; `fields` are attributes of the points, by name
    and with what people read; `element` has the shape of one loss per element.
    """

    name: str
    fields: Mapping[str, str] = field(repr=False)
    quantities: Mapping[str, tuple[str, str]] = field(repr=False)
    element: Callable[[Any], Tensor] = field(repr=False)
    compiled: dict[str, Callable[[Any], Value]] = field(default_factory=dict, repr=False)

    def shown(self, name: str) -> str:
        """What people read for a name; a parameter is called by its own name."""
        if name in self.quantities:
            return self.quantities[name][0]
        return self.fields.get(name, name)

    def is_parameter(self, name: str) -> bool:
        return name not in self.quantities and name not in self.fields


@dataclass(frozen=True)
class Expression:
    """One expression over one namespace. It is off, and its value is 1, where a parameter that it names is off."""

    text: str
    namespace: Namespace

    @cached_property
    def formula(self) -> str:
        """The expression as people write it."""
        return show(self.text, self.namespace)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The loss's parameters that it names, itself or through a quantity."""
        return parameters(self.text, self.namespace)

    def value(self, scope: Scope) -> Value:
        """What it comes to; a plain number where it names nothing that varies."""
        named = (name for name in names(self.text) if self.namespace.is_parameter(name))
        if any(scope.parameters[name] is None for name in named):
            return 1.0
        if self.text not in self.namespace.compiled:
            self.namespace.compiled[self.text] = _closure(_parsed(self.text), self.namespace)
        return self.namespace.compiled[self.text](scope)

    def __call__(self, scope: Scope) -> Tensor:
        """Its value for each element."""
        value, element = self.value(scope), self.namespace.element(scope)
        if (
            isinstance(value, Tensor)
            and value.is_floating_point()
            and value.dim() == element.dim()
            and (value.shape[-1] >= element.shape[-1])
        ):
            return value
        return value * torch.ones_like(element)


@cache
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@cache
def names(text: str) -> frozenset[str]:
    """All names of an expression but those of functions."""
    tree = _parsed(text)
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in called)


def parameters(text: str, namespace: Namespace) -> frozenset[str]:
    """The names that are the loss's own parameters, also inside the quantities that are named."""
    found: set[str] = set()
    for name in names(text):
        if name in namespace.quantities:
            found |= parameters(namespace.quantities[name][1], namespace)
        elif namespace.is_parameter(name):
            found.add(name)
    return frozenset(found)


def put(text: str, **replaced: str) -> str:
    """The expression with other expressions in place of some names, written in one normal way."""
    return _put(text, tuple(sorted(replaced.items())))


@cache
def _put(text: str, replaced: tuple[tuple[str, str], ...]) -> str:
    return ast.unparse(_Rewrite({name: _parsed(other) for name, other in replaced}).visit(ast.parse(text, mode="eval")))


class _Rewrite(ast.NodeTransformer):
    """Replaces names, and leaves out factors and powers of 1, and choices, that this decides."""

    def __init__(self, replaced: Mapping[str, ast.expr]) -> None:
        self.replaced = replaced

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.replaced.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        arguments = [self.visit(argument) for argument in node.args]
        if ast.unparse(node.func) == "where" and isinstance(arguments[0], ast.Compare):
            sides = _number(arguments[0].left), _number(arguments[0].comparators[0])
            if None not in sides:  # a choice that a number has decided
                return arguments[1] if OPERATORS[type(arguments[0].ops[0])](*sides) else arguments[2]
        return ast.Call(node.func, arguments, [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Pow) and _number(right) == 0:
            return ast.Constant(1)
        if isinstance(node.op, (ast.Pow, ast.Mult, ast.Div)) and _number(right) == 1:
            return left
        if isinstance(node.op, ast.Mult) and _number(left) == 1:
            return right
        return ast.BinOp(left, node.op, right)


def _number(node: ast.expr) -> float | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) else None


# Computing: every node becomes a function of the scope.

OPERATORS: dict[type, Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}


def _closure(node: ast.expr, namespace: Namespace) -> Callable[[Any], Value]:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        number = node.value
        return lambda scope: number
    if isinstance(node, ast.Name):
        return _named(node.id, namespace)
    if isinstance(node, ast.UnaryOp):
        return _applied(OPERATORS[type(node.op)], [node.operand], namespace)
    if isinstance(node, ast.BinOp):
        return _applied(OPERATORS[type(node.op)], [node.left, node.right], namespace)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _applied(OPERATORS[type(node.ops[0])], [node.left, node.comparators[0]], namespace)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _applied(FUNCTIONS[node.func.id], node.args, namespace)
    raise SyntaxError(f"an expression cannot hold {ast.unparse(node)}")


def _named(name: str, namespace: Namespace) -> Callable[[Any], Value]:
    if name in namespace.fields:
        return operator.attrgetter(name)
    if name not in namespace.quantities:
        return lambda scope: scope.parameters[name]
    definition = Expression(namespace.quantities[name][1], namespace)

    def quantity(scope: Scope) -> Value:
        key = (name, torch.is_grad_enabled())  # a value without its graph is of no use for a gradient
        if key not in scope.cache:
            scope.cache[key] = definition.value(scope)
        return scope.cache[key]

    return quantity


def _applied(function: Callable[..., Value], arguments: list[ast.expr], namespace: Namespace) -> Callable[[Any], Value]:
    inner = [_closure(argument, namespace) for argument in arguments]
    return lambda scope: function(*(argument(scope) for argument in inner))


def _of_tensors(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of torch that also takes plain numbers."""
    return lambda *arguments: function(*(torch.as_tensor(argument, dtype=torch.float64) for argument in arguments))


def _where(condition: Tensor, one: Value, other: Value) -> Tensor:
    one, other = (torch.as_tensor(value, dtype=torch.float64) for value in (one, other))
    return torch.where(condition, one, other)


def _at(row: Tensor, index: Tensor) -> Tensor:
    """The entries of a row at its indices."""
    return row.gather(-1, index.long())


def _hardest(terms: Tensor, share: float) -> Tensor:
    """The largest losses: this share of all, at least one."""
    return terms.flatten().topk(max(1, int(terms.numel() * share))).values


def _pairs(one: Tensor, other: Tensor) -> Tensor:
    """Rows (N,) against a column (N, 1): what broadcasting makes of them by mistake. NaN where there are columns."""
    return one[:, None] * other[None, :] if one.dim() == 1 else one.sum() * torch.nan


def _columns(reduce: Callable[..., Tensor], dim: int) -> Callable[[Tensor], Tensor]:
    """A reduction over one axis of a batch (N, C); NaN where a batch has one axis only."""
    return lambda batch: reduce(batch, dim) if batch.dim() > 1 else batch.sum() * torch.nan


FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{
        name: _of_tensors(getattr(torch, name))
        for name in (
            "log",
            "log1p",
            "exp",
            "sqrt",
            "abs",
            "tanh",
            "sigmoid",
            "logit",
            "trunc",
            "floor",
            "round",
            "ceil",
            "sign",
            "relu",
        )
    },
    "min": _of_tensors(torch.minimum),
    "max": _of_tensors(torch.maximum),
    "clamp": _of_tensors(torch.clamp),
    "xlogy": _of_tensors(torch.special.xlogy),
    "softplus": lambda value: functional.softplus(value, threshold=50),
    "where": _where,
    # over the classes or bins of a row
    "softmax": lambda row: row.softmax(-1),
    "log_softmax": lambda row: row.log_softmax(-1),
    "sum_c": lambda row: row.sum(-1, keepdim=True),
    "mean_c": lambda row: row.mean(-1, keepdim=True),
    "max_c": lambda row: row.amax(-1, keepdim=True),
    "argmax_c": lambda row: row.argmax(-1, keepdim=True),
    "count_c": lambda row: row.shape[-1],
    "index_c": lambda row: torch.arange(row.shape[-1], dtype=row.dtype),
    "one_hot": lambda row, index: torch.zeros_like(row).scatter(-1, index, 1.0),
    "at": _at,
    "pair": lambda left, right: torch.cat(torch.broadcast_tensors(*map(torch.as_tensor, (left, right))), -1),
    # over a batch
    "sum": lambda batch: batch.sum(),
    "mean": lambda batch: batch.mean(),
    "median": lambda batch: batch.median(),
    "largest": lambda batch: batch.max(),
    "count": lambda condition: condition.to(torch.float64).sum(),
    "size": lambda batch: float(batch.numel()),
    "rows": lambda batch: float(len(batch)),
    "sum_rows": _columns(torch.sum, -1),
    "mean_rows": _columns(torch.mean, -1),
    "sum_columns": _columns(torch.sum, 0),
    "mean_columns": _columns(torch.mean, 0),
    "first_row": lambda batch: batch[:1],
    "any_rows": lambda batch: batch.reshape(len(batch), -1).any(-1),
    "detach": lambda value: value.detach(),
    "hardest": _hardest,
    "pairs": _pairs,
}


# Showing: every node becomes its text and how tightly it binds.

CHOICE, SUM, PRODUCT, POWER, ATOM = range(5)
SIGNS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: " mod ",
    ast.BitOr: " or ",
    ast.BitAnd: " and ",
}
COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!="}


@cache
def show(text: str, namespace: Namespace) -> str:
    """The expression in the papers' own words and signs."""
    return _shown(_parsed(text), namespace)[0]


@cache
def show_factor(text: str, namespace: Namespace) -> str:
    """The same, in brackets where it could not stand in a product without."""
    return _inside(_parsed(text), namespace, PRODUCT)


def _shown(node: ast.expr, namespace: Namespace) -> tuple[str, int]:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return f"{node.value:g}", ATOM
    if isinstance(node, ast.Name):
        told = namespace.shown(node.id)
        return told, SUM if "-" in ENCLOSED.sub("", told) else ATOM
    if isinstance(node, ast.UnaryOp):
        return f"-{_inside(node.operand, namespace, PRODUCT)}", PRODUCT
    if isinstance(node, ast.Compare):
        left, right = (_inside(side, namespace, SUM) for side in (node.left, node.comparators[0]))
        return f"{left} {COMPARED[type(node.ops[0])]} {right}", CHOICE
    if isinstance(node, ast.BinOp):
        return _binary(node, namespace)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _called(node.func.id, node.args, namespace)
    raise SyntaxError(f"an expression cannot hold {ast.unparse(node)}")


def _inside(node: ast.expr, namespace: Namespace, least: int) -> str:
    told, binds = _shown(node, namespace)
    return told if binds >= least else f"({told})"


def _binary(node: ast.BinOp, namespace: Namespace) -> tuple[str, int]:
    if isinstance(node.op, ast.Pow):
        return f"{_inside(node.left, namespace, ATOM)}^{_inside(node.right, namespace, ATOM)}", POWER
    if isinstance(node.op, ast.Mult):
        left, right = _inside(node.left, namespace, PRODUCT), _inside(node.right, namespace, PRODUCT + 1)
        return f"{left}{' · ' if right[0].isdigit() else ' '}{right}", PRODUCT
    if isinstance(node.op, ast.Div):
        return f"{_inside(node.left, namespace, PRODUCT)}/{_inside(node.right, namespace, PRODUCT + 1)}", PRODUCT
    if isinstance(node.op, (ast.BitOr, ast.BitAnd)):
        return f"{_shown(node.left, namespace)[0]}{SIGNS[type(node.op)]}{_shown(node.right, namespace)[0]}", CHOICE
    left, right = _inside(node.left, namespace, SUM), _inside(node.right, namespace, SUM + isinstance(node.op, ast.Sub))
    sign = SIGNS[type(node.op)]
    return f"{left} {sign} {right}" if " " in left + right else f"{left}{sign}{right}", SUM


ENCLOSED = re.compile(r"\([^()]*\)|\[[^]]*\]|\|[^|]*\|")
BRACKETS = {
    "abs": "|{}|",
    "at": "{}[{}]",
    "where": "({1} if {0} else {2})",
    "pair": "[{}, {}]",
    "clamp": "{} clipped to [{}, {}]",
    "hardest": "hardest {1:} of {0}",
}


def _called(name: str, given: list[ast.expr], namespace: Namespace) -> tuple[str, int]:
    arguments = [_shown(argument, namespace)[0] for argument in given]
    if name in BRACKETS:
        told = BRACKETS[name].format(*arguments)
        return told, CHOICE if name in ("clamp", "hardest") else ATOM
    return f"{name.replace('_c', '').replace('_', ' ')}({', '.join(arguments)})", ATOM
