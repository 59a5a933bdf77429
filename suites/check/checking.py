"""One function from its name to its verdict: the stages of a check in order."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, CRITERIA
from focalbench_suite.suites.check.binding import bound
from focalbench_suite.suites.check.calling import SCALE, Binding, Bound, Options
from focalbench_suite.suites.check.child import Asked, Child
from focalbench_suite.suites.check.signature import CannotCall
from focalbench_suite.suites.explainer import CannotAnswer, explain
from focalbench_suite.suites.explainer.calls import Remembered
from focalbench_suite.suites.explainer.examples import Finding
from focalbench_suite.suites.explainer.explain import KNOWN
from focalbench_suite.suites.explainer.headline import head_line
from focalbench_suite.suites.explainer.vocabulary.option import change


@dataclass(frozen=True)
class Verdict:
    """What is said of one function: `verdict` is same | fragile | different.

    `head` says it in a line for people, `how` how the function was called, with the canonical parameters `accepts`.
    """

    loss: str
    verdict: str
    reduction: str
    formula: str
    how: str
    accepts: frozenset[str] = frozenset()
    findings: list[Finding] = field(default_factory=list)

    @property
    def head(self) -> str:
        """What the function is and how it reduces, in a line."""
        return head_line(self.loss, self.reduction, self.findings)

    @property
    def plain(self) -> dict[str, Any]:
        """Plain data, for a program that reads it."""
        names = ("loss", "verdict", "head", "reduction", "formula", "how")
        return {name: getattr(self, name) for name in names} | {"findings": [one.plain for one in self.findings]}


def check(function: Callable[..., Any] | str, loss: str, options: Options = Options()) -> Verdict:  # noqa: B008, frozen
    """Is `function` (or what ``FILE.py:NAME`` names) the loss that it should be?

    It is called as its names and a few trials say; `options` state what cannot be found out. With a reduction among
    them, that is the one it must have; else the one it has is reported. Raises `CannotCall` with the reason where it
    cannot be asked.
    """
    reference = function if isinstance(function, str) else reference_of(function)
    given = None if isinstance(function, str) else function
    if loss in CRITERIA:
        from focalbench_suite.suites.criterion import check_criterion  # which builds on this room

        return check_criterion(reference, given, loss, options)
    if loss in CANONICAL and CANONICAL[loss].inputs == "boxes":
        from focalbench_suite.suites.box_loss import check_box_loss  # which builds on this room

        return check_box_loss(reference, given, loss, options)
    if loss not in KNOWN:
        raise CannotCall(f"check knows {', '.join(KNOWN)}, not {loss}")
    if options.labels in ("index", "label_score", "hard") and CANONICAL[loss].inputs != "dense":
        raise CannotCall(
            f"--labels {options.labels} is for losses of dense targets; {loss} takes {CANONICAL[loss].inputs}"
        )
    if options.device == "cuda" and not torch.cuda.is_available():
        raise CannotCall("--device cuda: torch sees no CUDA device here; use --device cpu")
    with Child(Asked(reference, given, loss, options)) as child:
        binding, fresh = child.bind()
        ask = Remembered(child.ask)
        try:
            found = explain(
                loss,
                ask,
                code_of(reference, loss, options),
                accepts=set(binding.accepts),
                labels=binding.labels,
                reduction=options.reduction,
                fresh=fresh,
                off=binding.off,
                dtype=options.dtype,
                ignored=binding.ignored,
                columns=binding.bins if CANONICAL[loss].inputs == "bins" else binding.classes,
            )
        except CannotAnswer as error:
            raise CannotCall(f"no call of the function gives a loss: {error}") from None
    findings = [*found.findings, *_defaults(loss, binding, _renamed(loss, found.findings))]
    return Verdict(loss, found.verdict, found.reduction, found.formula, binding.how, binding.accepts, findings)


def bind(reference: str, loss: str, options: Options = Options()) -> Bound:  # noqa: B008, frozen
    """The function that ``FILE.py:NAME`` or ``package.module:NAME`` names, behind the canonical call."""
    return bound(adapters.load_object(reference), loss, options)


def _renamed(loss: str, findings: Iterable[Finding]) -> set[str]:
    """The parameters that mean something else than the paper's."""
    codes = {finding.change.code for finding in findings}
    if not codes.isdisjoint(("heat_map", "heat_map_blended", "overlap_loss")):
        return set(CANONICAL[loss].names)
    return {"alpha"} if any(code.startswith(("alpha_smooths", "alpha_takes")) for code in codes) else set()


def _defaults(loss: str, binding: Binding, renamed: set[str]) -> Iterator[Finding]:
    """Defaults that are not the paper's: notes, since every call of a check names its parameters."""
    for name in binding.scales:
        told = change("alpha", "weights_are_one_number", parameter=name)
        weights = binding.class_shares
        if not weights and binding.defaults.get(name) is None:
            continue  # no number is taken either
        if not all(map(math.isfinite, weights)):
            continue  # a class has no loss at the logits that were asked, so nothing says what the number does
        if weights and max(weights) - min(weights) > 1e-6:
            told = change("alpha", "number_weighs_classes", parameter=name, value=SCALE, weights=weights)
        elif weights and abs(weights[0] - SCALE) > 1e-6:
            told = change("alpha", "number_is_no_weight", parameter=name, value=SCALE, factor=weights[0])
        yield Finding(told, "note")
    for name in binding.supplied:
        yield Finding(change("defaults", "default_gives_no_loss", parameter=name), "note")
    for parameter in CANONICAL[loss].parameters:
        default = binding.defaults.get(parameter.name)
        number = isinstance(default, (int, float)) and not isinstance(default, bool) and default >= 0
        if parameter.name in renamed or not number:
            continue
        if parameter.recommended is not None and default not in (parameter.recommended, parameter.absent):
            told = change("defaults", "default", parameter=parameter.name, value=default, paper=parameter.recommended)
            yield Finding(told, "note", "", f"{parameter.recommended:g}", f"{default:g}")


def reference_of(function: Any) -> str | None:
    """``FILE.py:NAME`` of a function that stands at the top of a file, relative to here where it can be."""
    function = getattr(function, "_torchdynamo_inline", function)  # what torch.jit.script was given
    name = getattr(function, "__qualname__", "")
    with contextlib.suppress(TypeError):
        file = inspect.getsourcefile(function)
        if file and name.isidentifier():
            path = Path(file)
            with contextlib.suppress(ValueError):
                path = path.relative_to(Path.cwd())
            return f"{path}:{name}"
    return None


def code_of(reference: str | None, loss: str, options: Options) -> str:
    """Python that binds the function to the name ``call``, for the examples."""
    stated = "" if options == Options() else f", {options!r}"
    names = "bind" if options == Options() else "Options, bind"
    if reference is None:
        stated_in = "" if options == Options() else "from focalbench_suite.suites.check import Options\n"
        return (
            f"{stated_in}from focalbench_suite.suites.check.binding import bound\n"
            f"call = bound(your_function, {loss!r}{stated})"
        )
    return f"from focalbench_suite.suites.check import {names}\ncall = bind({reference!r}, {loss!r}{stated})"
