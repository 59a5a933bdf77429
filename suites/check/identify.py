"""What is it? Every loss of the canon is tried quickly, and the nearest is checked in full."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.check.calling import Binding, Options
from focalbench_suite.suites.check.checking import Verdict, check, reference_of
from focalbench_suite.suites.check.child import Asked, Child
from focalbench_suite.suites.check.signature import CannotCall
from focalbench_suite.suites.explainer.explain import KNOWN, CannotAnswer, changes_needed

# Changes that say that nothing is known of the function: it is not this loss with something else.
FAR = {
    "unexplained", "logits_ignored", "constant", "never_finite", "rest_is_no_cross_entropy", "equal_in_part",
    "explained_in_part", "equal_without_factor_only", "probability_as_measured", "factor_as_measured",
}  # fmt: skip


# what people call the losses of soft labels, which on hard labels alone are others with fewer parameters
CALLED = {"quality_focal": ("quality", "qfl", "qfocal"), "varifocal": ("varifocal", "vari_focal", "vfl")}


def identify(function: Callable[..., Any] | str, options: Options = Options()) -> Verdict | None:  # noqa: B008, frozen
    """The verdict for the loss of the canon that the function is nearest to; None where it is near to none.

    Raises `CannotCall` where it cannot be called as any of them.
    """
    asked: list[Distance] = []
    refusals = []
    for loss in KNOWN:
        try:
            asked.append(_distance(function, loss, options))
        except CannotCall as refusal:
            refusals.append(str(refusal))
    if len(refusals) == len(KNOWN):
        raise CannotCall(refusals[0])
    near = [one for one in asked if one.changes < math.inf]
    most = max((one.taken for one in near), default=0)
    name = _name(function).lower()

    def order(one: Distance) -> tuple:
        called = any(word in name for word in CALLED.get(one.loss, ()))
        return one.changes + most - one.taken, not called, one.soft_in_name_alone, one.lacking, -one.parameters

    for one in sorted(near, key=order):
        return check(function, one.loss, options)
    named = [loss for loss in KNOWN if loss.partition("_")[0] in name]
    if "focal" in named:
        named.insert(0 if any(one.by_class for one in asked) else len(named), "softmax_focal")
    for loss in named:  # it may need more changes than were tried, but it says what it is
        verdict = check(function, loss, options)
        if not any(finding.change.code in FAR for finding in verdict.findings):
            return verdict
    return None


def _name(function: Callable[..., Any] | str) -> str:
    return function.rpartition(":")[2] if isinstance(function, str) else getattr(function, "__name__", "")


@dataclass(frozen=True)
class Distance:
    """How far a function is from a loss.

    `changes` are those that its single elements need, infinite where they are too many; `by_class` says that it takes a
    class index. Of the loss's `parameters` the function has `taken`, as they are
    or as one number, and lacks `lacking`: a parameter that another loss would take is a change, too, and of two losses
    that are equally near the one with more parameters says more.
    """

    loss: str
    changes: float
    taken: int
    parameters: int
    by_class: bool

    @property
    def lacking(self) -> int:
        return self.parameters - self.taken

    @property
    def soft_in_name_alone(self) -> bool:
        """Whether a loss that is made for soft labels is this one on hard labels alone."""
        return CANONICAL[self.loss].soft and self.changes % 1 > 0


def _distance(function: Callable[..., Any] | str, loss: str, options: Options) -> Distance:
    """The distance; raises `CannotCall` where it cannot be asked as this loss."""
    reference = function if isinstance(function, str) else reference_of(function)
    with Child(Asked(reference, None if isinstance(function, str) else function, loss, options)) as child:
        binding, _ = child.bind()
        by_class = binding.labels == "index"
        changes, labels, columns = math.inf, binding.labels, _columns(loss, binding)
        try:
            # a class index is no soft label, and on hard ones such a loss is another with fewer parameters
            if not (CANONICAL[loss].soft and by_class):
                changes = changes_needed(loss, child.ask, set(binding.accepts), labels, columns)
        except CannotAnswer as error:
            raise CannotCall(str(error)) from None
    taken = len(binding.accepts) + len(binding.scales)
    return Distance(loss, changes, taken, len(CANONICAL[loss].parameters), by_class)


def _columns(loss: str, binding: Binding) -> int | None:
    return binding.bins if CANONICAL[loss].inputs == "bins" else binding.classes
