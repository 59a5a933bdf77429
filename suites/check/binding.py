"""How does a function want to be called? Stage one of a check: names are believed first, then forms are tried.

`bound` finds the `Form` in which most of a few plain calls are answered. Every step takes a function bound in some form
and returns it bound in the same or in another one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites import oracle
from focalbench_suite.suites.check.calling import Bound, Options, function_name, place_of, usual
from focalbench_suite.suites.check.form import LISTS, SIDES, Form, Labels, Layout, of_elements
from focalbench_suite.suites.check.signature import (
    CLASS_WEIGHTS,
    CannotCall,
    Roles,
    as_pair,
    mentions,
    read_signature,
    scored,
    supplied,
    usual_values,
)
from focalbench_suite.suites.explainer.here import sentence
from focalbench_suite.suites.explainer.questions import CLASS_COUNTS

FOUR_SIDES = re.compile(r"[(\[][^()\[\]]*,\s*4\s*,[^()\[\]]*[)\]]")  # in a docstring: (N, 4, K)
SHAPES_TOLD = {  # what documentation says of a layout other than the plain one
    "maps": re.compile(r"[(\[]\s*(N|B|batch\w*)\s*,\s*(C|\w*class\w*)\s*,\s*(H|height)\s*,\s*(W|width)\s*[)\]]", re.I),
    "side_by_side": re.compile(r"[(\[]\s*\w+\s*,\s*4\s*\*\s*\(?\w+"),  # (N, 4 * K)
}
TWO_COLUMNS = re.compile(r"[(\[]\s*\w+\s*,\s*2\s*[)\]]")  # (N, 2)
PAIRS = ("label_score", "label_score_mask")  # a label and its quality, alone or with which of them have a class
VALID = ("mask", "masks", "valid", "valid_mask")  # which may mark the positives, or what is not padding
OF_LOGITS = ("sigmoid", "logit", "softmax", "softplus", "exp")  # in names that a function of logits uses
EPSILON = 1e-6  # of a loss: less than what a loss of another kind of input differs by
ARRAYS = ("jax", "tensorflow", "keras", "mxnet", "paddle", "numpy")  # libraries of arrays, numpy last: all use it


def bound(
    function: Callable[..., Any],
    loss: str,
    options: Options = Options(),  # noqa: B008, frozen
    form: Form | None = None,
) -> Bound:
    """The function behind the canonical call.

    `options` are what the user states; with a `form` that was found before, none is tried. Raises `CannotCall`, with
    the wrapper to write, where no form gives a loss.
    """
    if not callable(function):
        raise CannotCall(f"{function!r} is not callable; name a function NAME(logits, targets, ...)")
    roles = read_signature(function, loss, dict(options.given))
    if usual := usual_values(roles.unknown, function_name(function), options.device):
        options = replace(options, given=(*options.given, *usual.items()))
        roles = read_signature(function, loss, dict(options.given))
    if roles.unknown:
        raise CannotCall(
            f"{function_name(function)} needs {', '.join(roles.unknown)}, and nobody says what to give; set it "
            f"(--set {roles.unknown[0]}=VALUE), or check a wrapper: {_wrapper(function, loss, roles)}"
        )
    classes = options.classes or _own_classes(function) or _weighted_classes(loss, roles) or roles.own_classes
    if form is None:
        plain = Bound(function, loss, options, roles, classes)
        return _of_fixed_classes(plain) or _in_some_reading(plain)
    if form.scored:
        roles = scored(roles)
    if form.labels in ("label_score", "sign_score"):
        roles = as_pair(roles)
    if form.supplied:
        roles = supplied(roles)
    return Bound(function, loss, options, roles, classes, form)


def _in_some_reading(plain: Bound) -> Bound:
    """Bound in the form that is found; three tensors that are no two of elements with a mask are a class index and its
    quality.

    An optional quality is given where that is taken, and what else is optional where no number comes without it.
    """
    roles = plain.roles
    readings = []
    for one in ([scored(roles)] if roles.scores else []) + [roles]:
        readings += [one] if as_pair(one).needed == one.needed else [one, as_pair(one)]
    readings += [supplied(roles), replace(roles, optional={})] if roles.optional else []
    for reading in readings[:-1]:
        with contextlib.suppress(CannotCall):
            found = _found(replace(plain, roles=reading))
            given = bool(roles.optional and not reading.optional)
            return _in(found, supplied=given, scored=reading.scores != roles.scores)
    return _found(replace(plain, roles=readings[-1]))


def _of_fixed_classes(plain: Bound) -> Bound | None:
    """Bound in the plain form with the number of classes that it is made for, where only that is answered."""
    if plain.classes or CANONICAL[plain.loss].inputs != "index":
        return None
    plain, dtypes = replace(plain, form=next(_forms(plain))), (torch.float64, torch.float32)
    if all(_tried(plain, dtype)[2] for dtype in dtypes):
        for classes in CLASS_COUNTS:
            made = replace(plain, classes=classes)
            answering = [dtype for dtype in dtypes if _tried(made, dtype)[2] == ""]
            if answering:
                return _settled(made, answering[0])
    return None


def _in(bound: Bound, **changes: Any) -> Bound:
    """The same function in another form."""
    return replace(bound, form=replace(bound.form, **changes))


def _found(plain: Bound) -> Bound:
    """Bound in the form in which most of a few plain calls are answered; another layout where the plain one never is.

    Where it is answered without being a loss of its targets, another layout that is one is what was meant.
    """
    first_error, undefined = "", None
    chosen: tuple[Bound, torch.dtype] | None = None
    plain_layout = next(_forms(plain)).layout  # another that is no loss of its targets is answered by chance
    tries = itertools.product((torch.float64, torch.float32), _by_layout(_forms(plain)))
    for dtype, forms in tries:
        best, most = None, 0
        for one in (replace(plain, form=form) for form in forms):
            finite, answered, error = _tried(one, dtype)
            first_error, undefined = first_error or error, undefined or (one if answered > finite == 0 else None)
            if finite > most:
                best, most = one, finite
            if not error and _reads_targets(one := _after_background(one, dtype), dtype):
                return _settled(*_by_index(one, dtype, forms))
        if best is not None and _reads_targets(best := _after_background(best, dtype), dtype):
            return _settled(best, dtype)
        if best is not None and chosen is None and best.form.layout == plain_layout:
            chosen = best, dtype
    if chosen is not None:
        return _settled(*chosen)
    if undefined is not None and not plain.roles.optional:
        return undefined  # it returns NaN whatever it is given, which the explanation will say
    said = first_error or "where it is answered, rows are not told apart by their targets"
    if arrays := _other_arrays(plain.function):
        said = f"it computes with {arrays}, and a check calls with torch's tensors; wrap it for them ({said})"
    raise CannotCall(
        f"no call of the function gives a loss: {said}; if it takes something else, check a wrapper: "
        f"{_wrapper(plain.function, plain.loss, plain.roles)}"
    )


def _by_index(bound: Bound, dtype: torch.dtype, forms: list[Form]) -> tuple[Bound, torch.dtype]:
    """The form, or a class index in single precision where one-hot targets are what double takes.

    Torch's cross entropy takes weights of another precision beside one-hot targets alone.
    """
    if bound.form.labels == "one_hot" and dtype == torch.float64:
        for form in forms:
            one = replace(bound, form=form)
            if form.labels == "index" and _tried(one, torch.float32)[2] == "":
                return one, torch.float32
    return bound, dtype


def _settled(bound: Bound, dtype: torch.dtype) -> Bound:
    """The form with what only further calls tell."""
    bound = _of_two_classes(_of_valid_elements(bound, dtype), dtype)
    bound = _of_probabilities(_of_all_bins(bound, dtype), dtype)
    bound = _of_equal_weights(_of_one_weight(bound, dtype), dtype)
    return _in(bound, sums_sides=_adds(bound, dtype))


def _reads_targets(bound: Bound, dtype: torch.dtype) -> bool:
    """Whether a form's answers are those of a loss: broadcasting and indexing answer many a form by chance.

    A class index must matter, and two classes may be exchanged together with their labels. Where every element has
    a target, a row's gradient must change with its own, also where all rows together keep theirs.
    """
    logits = torch.randn(3, bound.classes or 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits = logits.to(bound.options.device, dtype).requires_grad_()
    label = torch.tensor([1, 2, 1], device=logits.device)
    inputs, by_class = CANONICAL[bound.loss].inputs, bound.form.labels == "index"
    if inputs == "bins" or logits.shape[1] < 3 or not (inputs == "index" or by_class or bound.form.labels == "dense"):
        return True
    given = usual(bound.loss, logits)
    try:
        if inputs == "index":
            return not torch.equal(bound(logits, label, **given), bound(logits, 3 - label, **given))
        hot = torch.nn.functional.one_hot(label, logits.shape[1]).to(dtype)
        if by_class:
            exchanged = [0, 2, 1, *range(3, logits.shape[1])]
            one, other = bound(logits, hot, **given), bound(logits[:, exchanged], hot[:, exchanged], **given)
            return bool(torch.isclose(one.sum(), other.sum(), rtol=1e-5))
        one, other = (
            torch.autograd.grad(bound(logits, hot[rows], **given).sum(), logits)[0][0]
            for rows in ([0, 1, 2], [1, 0, 2])
        )
        return not torch.allclose(one, other, rtol=1e-5)
    except Exception:  # a user's function may raise anything, which the explanation will say
        return True


def _of_valid_elements(bound: Bound, dtype: torch.dtype) -> Bound:
    """The form, or with a mask of ones: one that marked the positives would leave negatives without a loss."""
    masked = any(meant == "positives" and name in VALID for name, meant in bound.roles.needed.items())
    if not masked or CANONICAL[bound.loss].inputs != "dense" or bound.form.labels not in ("dense", "boolean"):
        return bound
    valid = _in(bound, mask_of_ones=True)
    logits = torch.full((2, bound.classes or 3), 0.5, dtype=dtype, device=bound.options.device)
    try:
        marked, all_of_them = (one(logits, 0 * logits, **usual(one.loss, logits)).abs().sum() for one in (bound, valid))
    except Exception:  # a user's function may raise anything, which the explanation will say
        return bound
    return valid if not marked > 0 and all_of_them > 0 else bound  # nothing, or nothing over none


def _of_two_classes(bound: Bound, dtype: torch.dtype) -> Bound:
    """The same for two classes, where rows of any other class have no loss."""
    if bound.classes or CANONICAL[bound.loss].inputs != "index":
        return bound
    logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    logits = logits.to(bound.options.device, dtype)
    try:
        first, second, others = (
            bound(logits, torch.tensor(labels, device=logits.device), **usual(bound.loss, logits)).abs().sum()
            for labels in ([0, 0], [1, 1], [2, 3])
        )
    except Exception:  # a user's function may raise anything, which the explanation will say
        return bound
    return replace(bound, classes=2) if others == 0 < min(first, second) else bound


def _of_probabilities(bound: Bound, dtype: torch.dtype) -> Bound:
    """The form, or with probabilities where no name speaks of logits and what lies beyond 0 and 1 is no loss.

    It is cut off there, or no number, or below 0. A loss that forgets its sigmoid is the same function: the name and
    this say which of the two it is.
    """
    further = _in(bound, inputs="probabilities")
    told = any("logit" in parameter.name.lower() for parameter in bound.roles.data)
    if bound.form.inputs != "logits" or bound.options.inputs is not None or told:
        return bound
    given, probable = _costs(bound, dtype), _costs(further, dtype)
    if len(given) < 3 or len(probable) < 3:
        return bound
    zero = -EPSILON * given[0]  # an epsilon added to p_t makes the surest loss negative, which is no sign of this
    rises = given[2] > given[1] and not mentions(bound.function, OF_LOGITS)  # as smoothed labels make it, too
    beyond = given[1] == given[2] or rises or not all(cost >= zero for cost in given)  # NaN is no loss, either
    return further if beyond and _falls(probable) and _tried(further, dtype)[2] == "" else bound


def _costs(bound: Bound, dtype: torch.dtype) -> list[float]:
    """The loss of two rows whose logits are right by 0.5, by 3 and by 30; nothing where it raises."""
    label = torch.tensor([1, 0], device=bound.options.device)
    hot = torch.nn.functional.one_hot(label, bound.classes or 2).to(dtype)
    targets = {"dense": hot, "index": label}.get(CANONICAL[bound.loss].inputs)
    if targets is None:
        return []
    costs = []
    for distance in (0.5, 3.0, 30.0):
        logits = (2 * hot - 1) * distance
        try:
            costs.append(float(bound(logits, targets, **usual(bound.loss, logits)).sum()))
        except Exception:  # a user's function may raise anything, which the explanation will say
            return []
    return costs


def _falls(costs: list[float]) -> bool:
    """Whether these are the costs of ever better logits: at no time more, at last less, and never below 0."""
    return all(map(math.isfinite, costs)) and costs[0] >= costs[1] >= costs[2] >= 0 and costs[0] > costs[2]


def _of_one_weight(bound: Bound, dtype: torch.dtype) -> Bound:
    """The form, or with a class weight of one number where nothing says several and weights are not told by class.

    A number that multiplies takes a tensor, too: then a row is weighed with those of all classes.
    """
    one, name = _in(bound, class_weights="number"), bound.named("class_weights")
    place = bound.roles.canonical.get(name)
    if bound.form.class_weights != "tensor" or place is None:
        return bound
    unsaid = place.default is place.empty and place.name not in CLASS_WEIGHTS
    if not (unsaid or isinstance(place.default, (int, float))):
        return bound
    others = torch.arange(1, (bound.classes or 3) + 1, dtype=dtype, device=bound.options.device)
    alike, apart = (bound.losses_by_class(dtype, [0], **{name: given}) for given in (torch.ones_like(others), others))
    told = not (alike and apart) or math.isclose(alike[0], apart[0], rel_tol=1e-6, abs_tol=1e-8)
    return bound if told or _tried(one, dtype)[2] else one


def _of_equal_weights(bound: Bound, dtype: torch.dtype) -> Bound:
    """The form, or with a class weight of a half where 1 leaves classes out: it weighs a class, the rest 1 - it."""
    if bound.form.class_weights != "number" or bound.roles.canonical[bound.named("class_weights")].default is None:
        return bound
    half, labels = _in(bound, unit=0.5), range(bound.classes or 3)
    of_one, of_half = bound.losses_by_class(dtype, labels), half.losses_by_class(dtype, labels)
    if not (of_one and of_half):
        return bound
    apart = min(of_one) == 0 < max(of_one) and 0 < max(of_half) <= min(of_half) * (1 + 1e-6)
    return half if apart else bound


def _of_all_bins(bound: Bound, dtype: torch.dtype) -> Bound:
    """The form, or with one bin more where only then a target on the last bin is answered.

    Where nothing in the function depends on the shape, this alone says that its count is the last bin's number.
    """
    further = _in(bound, counts_to_last=True)
    if further.form not in _forms(bound) or bound.form.counts_to_last or _answers_last_bin(bound, dtype):
        return bound
    plain = _tried(further, dtype)[2] == ""
    return further if plain and _answers_last_bin(further, dtype) else bound


def _answers_last_bin(bound: Bound, dtype: torch.dtype) -> bool:
    logits, targets = next(iter(_plain_calls(bound, dtype)))
    last = torch.full_like(targets, logits.shape[-1] - 1)
    try:
        out = bound(logits, last, **usual(bound.loss, logits))
    except Exception:  # a user's function may raise anything, which the explanation will say
        return False
    return bool(torch.isfinite(out).all())


def _adds(bound: Bound, dtype: torch.dtype) -> bool:
    """Whether the loss of two boxes is the sum of the losses of each, and that of a box the sum over its sides.

    A loss for each box may be the mean over its sides: the paper's loss of one side tells the two apart.
    """
    if bound.form.layout not in SIDES:
        return False
    logits, targets = next(iter(_plain_calls(bound, dtype)))
    one, other, both = (bound(logits[rows], targets[rows], **usual(bound.loss, logits[rows]))
                        for rows in (slice(0, 1), slice(1, 2), slice(0, 2)))  # fmt: skip
    if both.numel() == 2:
        side = float(oracle.exact(bound.loss, logits[:1], targets[:1])[0].high.sum())
        return bool(one.sum() > 2 * side)
    return bool(torch.isclose(one.sum() + other.sum(), both.sum(), rtol=1e-6))


def _after_background(bound: Bound, dtype: torch.dtype) -> Bound:
    """The form, or with labels from 1 on where label 1 raises the logit of the first class: a loss pulls up the class
    that a label names.
    """
    logits = torch.zeros(2, bound.classes or 3, dtype=dtype, device=bound.options.device, requires_grad=True)
    stated = bound.options.labels == "index"  # C is background, which is what it is held against
    by_row = CANONICAL[bound.loss].inputs == "dense" and bound.form.labels in ("index", *PAIRS) and not stated
    if logits.shape[1] < 2 or not by_row:
        return bound
    hot = torch.zeros_like(logits)
    hot[:, 1] = 1
    try:
        bound(logits, hot, **usual(bound.loss, logits)).sum().backward()
    except Exception:  # a user's function may raise anything, which the explanation will say
        return bound
    slopes = logits.grad
    first = slopes is not None and bool((slopes[:, :1] < slopes[:, 1:]).all())
    return _in(bound, background_first=True) if first else bound


def _tried(bound: Bound, dtype: torch.dtype) -> tuple[int, int, str]:
    """How many of the plain calls give a finite loss and how many any loss, and the first error."""
    finite, answered, first_error = 0, 0, ""
    for logits, targets in _plain_calls(bound, dtype):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                device = bound.options.device
                given = (logits.to(device, copy=True), targets.to(device, copy=True))
                out = bound(*given, **usual(bound.loss, given[0]))
        except Exception as error:  # a user's function may raise anything
            first_error = first_error or sentence(error) + place_of(error)
            continue
        answered += 1
        if torch.isfinite(out).any():
            finite += 1
        else:
            first_error = first_error or "returns NaN"
    return finite, answered, first_error


def _forms(bound: Bound) -> Iterator[Form]:
    """Every form that is tried: names are believed, and of the rest few things are changed at once."""
    inputs, options, roles = CANONICAL[bound.loss].inputs, bound.options, bound.roles
    orders = [False, True] if roles.swapped is None else [roles.swapped]
    given = [roles.inputs, "logits" if roles.inputs == "probabilities" else "probabilities"]
    if options.inputs is not None:
        given = [options.inputs]
    # a mask or a quality beside the targets fits many a shape by chance
    pairs = not {"label", "positives", "quality", "quality_of_elements"}.isdisjoint(roles.needed.values())
    labels: list[Labels] = {
        "dense": ["dense", "index", *PAIRS, "boolean"], "index": ["index", "one_hot"], "bins": ["dense", "two_hot"],
    }[inputs]  # fmt: skip
    if roles.pair:
        labels = ["label_score"] if pairs else list(PAIRS)
    if options.labels is not None:
        labels = ["dense" if options.labels == "hard" else options.labels]
    layouts: list[Layout] = {
        "dense": [
            "rows",
            "flat",
            "column",
            "maps",
            *([] if pairs else ["channel", "channel_maps", "two_columns", *LISTS]),
            "volumes",
            "sequences",
        ],
        "index": ["rows", "maps", "label_column", "label_maps", "volumes", "sequences"],
        "bins": [*SIDES, "rows"] if _tells(bound.function, FOUR_SIDES) else ["rows", *SIDES],
    }[inputs]
    if inputs == "dense" and _tells(bound.function, TWO_COLUMNS):
        layouts.sort(key=lambda layout: layout != "two_columns")
    for layout, shape in SHAPES_TOLD.items():
        if layout in layouts and _tells(bound.function, shape):
            layouts = [layout, *(one for one in layouts if one != layout)]
    weights = ["tensor", "single", "list", "number"] if bound.named("class_weights") in roles.canonical else ["tensor"]
    if bound.named("balance") in roles.canonical:
        weights = ["tensor", "pair"]
    elements = ["elements", "rows"] if "weight" in roles.needed.values() else ["elements"]
    if any(meant == "weight" and name in CLASS_WEIGHTS for name, meant in roles.needed.items()):
        elements += ["channels", "classes"]
    counted = inputs == "bins" and ("bins" in roles.needed.values() or (roles.own_bins and not options.bins))
    counts = [False, True] if counted else [False]
    sizes = [False, True] if "class_sizes" in roles.needed.values() else [False]
    beyond = [False, True] if inputs == "dense" and "classes" in roles.needed.values() else [False]
    choices = itertools.product(layouts, labels, elements, weights, given, orders, counts, beyond, sizes)
    found = [
        Form(o, p, lay, of_elements(lab) if lay in ("flat", "column", "channel") else lab, w, e,
             counts_to_last=last, counts_background=more, sizes_of_tensor=tensor)
        for lay, lab, e, w, p, o, last, more, tensor in choices
        if lay not in ("two_columns", "channel_maps", *LISTS) or lab in ("dense", "boolean")
    ]  # fmt: skip
    plain = found[0]
    return iter(sorted(found, key=lambda form: (layouts.index(form.layout), _departures(form, plain))))


def _weighted_classes(loss: str, roles: Roles) -> int | None:
    """The number of classes that the function's own default weights are for."""
    weights = CANONICAL[loss].of_role("class_weights")
    place = roles.canonical.get(weights.name) if weights is not None else None
    default = None if place is None else place.default
    return len(default) if isinstance(default, (list, tuple)) and len(default) > 1 else None


def _other_arrays(function: Any) -> str | None:
    """The library whose arrays a function takes, where its module knows no torch."""
    inner = getattr(function, "__wrapped__", function)
    names = vars(sys.modules[inner.__module__]) if getattr(inner, "__module__", None) in sys.modules else {}
    names = getattr(inner, "__globals__", names)
    modules = {value.__name__.partition(".")[0] for value in names.values() if inspect.ismodule(value)}
    return None if "torch" in modules else next((name for name in ARRAYS if name in modules), None)


def _by_layout(forms: Iterator[Form]) -> list[list[Form]]:
    return [list(group) for _, group in itertools.groupby(forms, key=lambda form: form.layout)]


def _departures(form: Form, plain: Form) -> int:
    return sum(a != b for a, b in zip(dataclasses.astuple(form), dataclasses.astuple(plain), strict=True))


def _tells(function: Any, shape: re.Pattern[str]) -> bool:
    """Whether its documentation speaks of such a shape."""
    told = (getattr(function, name, None) for name in ("__doc__", "forward", "__call__"))
    texts = (one if isinstance(one, str) else getattr(one, "__doc__", None) for one in told)
    return any(shape.search(text) for text in texts if text)


def _own_classes(function: Any) -> int | None:
    """The number of classes of a module that was made with a weight for each."""
    if not isinstance(function, torch.nn.Module):
        return None
    tensors = [*dict(function.named_buffers()).values(), *(v for v in vars(function).values() if torch.is_tensor(v))]
    counts = {len(tensor) for tensor in tensors if tensor.dim() == 1 and len(tensor) > 1}
    return counts.pop() if len(counts) == 1 else None


def _plain_calls(bound: Bound, dtype: torch.dtype) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A few calls of the plainest kind in several shapes, since a form that fits one by chance does not fit all."""
    inputs, classes, bins = CANONICAL[bound.loss].inputs, bound.classes, bound.bins
    random = torch.Generator().manual_seed(0)
    if inputs == "bins":
        # rows that no function can take for boxes of four sides
        for rows, columns in ((5, bins or 6), (7, bins or 9), (3, bins or 5)):
            yield (
                torch.randn(rows, columns, generator=random, dtype=torch.float64).to(dtype),
                torch.linspace(0.25, columns - 2.25, rows, dtype=dtype),
            )
        return
    for rows, columns in ((3, classes or 4), (5, classes or 2), (3, classes or 3)):
        logits = torch.randn(rows, columns, generator=random, dtype=torch.float64).to(dtype)
        label = torch.arange(rows) % columns
        if inputs == "index":
            yield logits, label
        else:
            hot = torch.nn.functional.one_hot(label, columns).to(dtype)
            if rows == columns:
                hot[-1] = 0  # a row of background, which labels say by an index that not every function takes
            yield logits, hot


def _wrapper(function: Any, loss: str, roles: Roles) -> str:
    """The wrapper to paste, in which only what nobody can know is left open."""
    parameters = "".join(f", {p}={CANONICAL[loss][p].recommended!r}" for p in roles.canonical)
    given = {place.name: p for p, place in roles.canonical.items()} | dict.fromkeys(roles.unknown, "...")
    made = [f"{name}={value}" for name, value in given.items() if name in roles.constructor]
    called = [f"{name}={value}" for name, value in given.items() if name not in roles.constructor]
    data = ["targets", "logits"] if roles.swapped else ["logits", "targets"]
    of_class = f"({', '.join(made)})" if isinstance(function, type) else ""
    call = f"{function_name(function)}{of_class}({', '.join([*data, *called])})"
    return f"def wrapped(logits, targets{parameters}): return {call}"
