"""How does a function want to be called? Stage one of a check: names are believed first, then forms are tried.

What is asked later is canonical: logits (N, C), targets in the form of the loss, parameters by their canonical names.
`Bound` turns such a call into the function's own, in the first `Form` that answers most of a few plain calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.adapters.canon import native_targets
from focalbench_suite.suites import oracle
from focalbench_suite.suites.check.form import (
    APART,
    BY_ROW,
    SHOWN,
    SIDES,
    TARGETS_SHOWN,
    TEXT,
    Form,
    Labels,
    Layout,
    laid_out,
    need_shown,
    of_elements,
    one_side,
)
from focalbench_suite.suites.check.signature import CannotCall, Inputs, Roles, as_pair, read_signature, weighed
from focalbench_suite.suites.explainer.here import sentence
from focalbench_suite.suites.explainer.questions import CLASS_COUNTS

IGNORED = -1  # the label of a row that does not count, where a function has none of its own
FOUR_SIDES = re.compile(r"[(\[][^()\[\]]*,\s*4\s*,[^()\[\]]*[)\]]")  # in a docstring: (N, 4, K)
TWO_COLUMNS = re.compile(r"[(\[]\s*\w+\s*,\s*2\s*[)\]]")  # (N, 2)
SCALE = 0.25  # a class weight of one number, to see what it weighs
ARRAYS = ("jax", "tensorflow", "keras", "mxnet", "paddle", "numpy")  # libraries of arrays, numpy last: all use it


@dataclass(frozen=True)
class Options:
    """What the user states because it cannot be found out; None where it is to be found out.

    `given` are arguments by name. `classes` and `bins` are the counts that the function is made for. `dtype` is the one
    to explain in, where that is not float64, and `device` where the tensors are.
    """

    labels: Labels | None = None
    inputs: Inputs | None = None
    classes: int | None = None
    bins: int | None = None
    reduction: str | None = None
    given: tuple[tuple[str, Any], ...] = ()
    dtype: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Binding:
    """What the next stages must know of the function: plain data, so that it can be sent from the child process.

    `accepts` are the canonical parameters that can be varied, `defaults` the function's own for them, `off` those of
    its values that turn a parameter off. `how` says in one line how it is called; `scales` are parameters that it takes
    as one number where the loss has one for each class, `class_shares` what `SCALE` then weighs the classes with.
    `classes` and `bins` are the counts to ask with.
    """

    accepts: frozenset[str]
    labels: Labels
    how: str
    defaults: dict[str, Any]
    off: dict[str, Any]
    scales: tuple[str, ...] = ()
    classes: int | None = None
    bins: int | None = None
    class_shares: tuple[float, ...] = ()


class Bound:
    """``bound(logits, targets, **canonical parameters)`` with canonical targets; `raw` takes targets in its own form.

    `options` are what the user states; with a `form` that was found before, none is tried. Raises `CannotCall`, with
    the wrapper to write, where no form gives a loss.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        loss: str,
        options: Options = Options(),
        form: Form | None = None,
    ) -> None:
        if not callable(function):
            raise CannotCall(f"{function!r} is not callable; name a function NAME(logits, targets, ...)")
        self.function, self.loss, self.options = function, loss, options
        self.roles = read_signature(function, loss, dict(options.given))
        if self.roles.unknown:
            raise CannotCall(_wrapper(function, loss, self.roles))
        self.classes = options.classes or _own_classes(function) or self._weighted_classes() or self.roles.own_classes
        if form is not None and form.labels in ("label_score", "sign_score"):
            self.roles = as_pair(self.roles)
        if form is not None and form.weighed:
            self.roles = weighed(self.roles)
        self.form = form or self._either()

    @property
    def bins(self) -> int | None:
        """The number of bins that the function is made for; None where any will do."""
        return self._bins_of(self.form)

    @property
    def accepts(self) -> frozenset[str]:
        """The canonical parameters that the function takes as the loss has them."""
        return frozenset(self.roles.canonical) - set(self.scales)

    @property
    def scales(self) -> tuple[str, ...]:
        """Class weights that the function takes as one number."""
        if self.form.class_weights != "number":
            return ()
        return tuple(p.name for p in CANONICAL[self.loss].parameters if p.role == "class_weights")

    @property
    def binding(self) -> Binding:
        """The description for the next stages."""
        defaults = {name: p.default for name, p in self.roles.canonical.items() if _plain(p.default)}
        off = {name: value for name, value in defaults.items() if name in self.accepts and _is_off(value)}
        by_row = CANONICAL[self.loss].inputs == "dense" and self.form.labels != "sign_score"
        labels = self.form.labels if by_row else "dense"
        return Binding(
            self.accepts, self.options.labels or labels, self.how, defaults, off, self.scales, self.classes, self.bins,
            self._class_shares(),
        )  # fmt: skip

    def __call__(self, logits: torch.Tensor, targets: Any, **parameters: Any) -> torch.Tensor:
        """Canonical logits and targets; raises whatever the function raises."""
        if CANONICAL[self.loss].inputs == "dense" and self.form.labels == "sign_score":
            targets = (targets > 0).long(), targets
        elif CANONICAL[self.loss].inputs == "dense" and self.form.labels in ("index", "label_score"):
            classes = logits.shape[-1]
            targets = native_targets(targets, classes, self.form.labels)
            if self.form.background_first:
                label, quality = targets
                targets = (label + 1) % (classes + 1), quality
        return self.raw(logits, targets, **parameters)

    def raw(self, logits: torch.Tensor, targets: Any, **parameters: Any) -> torch.Tensor:
        """Targets in the function's own form, class labels among them; raises whatever the function raises."""
        if self.roles.ignored is not None and torch.is_tensor(targets) and not targets.is_floating_point():
            targets = targets.masked_fill(targets == IGNORED, self.roles.ignored)
        try:
            out = _tensor(self._called(self.form, logits, targets, parameters)) / self.form.unit
            return one_side(out, len(logits), self.form) if self.form.layout in SIDES else out
        except SystemExit as end:
            raise RuntimeError(f"it ends the process: SystemExit({end.code!r})") from None

    def _class_shares(self) -> tuple[float, ...]:
        """What a class weight of one number weighs each class with: a scale weighs all of them alike."""
        if not self.scales:
            return ()
        classes, given = self.classes or 3, (self.roles.canonical[self.scales[0]].name, SCALE)
        weighted = Bound(self.function, self.loss, replace(self.options, given=(*self.options.given, given)), self.form)
        logits = torch.zeros(1, classes, dtype=torch.float64, device=self.options.device)
        try:
            asked = [torch.tensor([label], device=self.options.device) for label in range(classes)]
            unit = self.form.unit
            return tuple(float(weighted(logits, label).sum() / self(logits, label).sum()) * unit for label in asked)
        except Exception:  # a user's function may raise anything, which the explanation will say
            return ()

    # how the form is found

    def _either(self) -> Form:
        """The form; three tensors that are no two of elements with a mask are a class index and its quality.

        A function that gives no number without its optional weights is given them.
        """
        if (fixed := self._of_fixed_classes()) is not None:
            return fixed
        roles = self.roles
        readings = [roles]
        readings += [as_pair(roles)] if as_pair(roles).needed != roles.needed else []
        readings += [weighed(roles), replace(roles, weights=())] if roles.weights else []
        for self.roles in readings[:-1]:
            with contextlib.suppress(CannotCall):
                return replace(self._found(), weighed=bool(roles.weights and not self.roles.weights))
        self.roles = readings[-1]
        return self._found()

    def _of_fixed_classes(self) -> Form | None:
        """The plain form with the number of classes that the function is made for, where only that is answered."""
        if self.classes or CANONICAL[self.loss].inputs != "index":
            return None
        plain, dtypes = next(self._forms()), (torch.float64, torch.float32)
        if all(self._tried(plain, dtype)[2] for dtype in dtypes):
            for self.classes in CLASS_COUNTS:
                if any(self._tried(plain, dtype)[2] == "" for dtype in dtypes):
                    return plain
        self.classes = None
        return None

    def _found(self) -> Form:
        """The form in which most of a few plain calls are answered; another layout where the plain one never is.

        Where it is answered without being a loss of its targets, another layout that is one is what was meant.
        """
        first_error, undefined = "", None
        chosen: tuple[Form, torch.dtype] | None = None
        tries = itertools.product((torch.float64, torch.float32), _by_layout(self._forms()))
        for dtype, forms in tries:
            best, most = None, 0
            for form in forms:
                finite, answered, error = self._tried(form, dtype)
                first_error, undefined = first_error or error, undefined or (form if answered else None)
                if finite > most:
                    best, most = form, finite
                if not error:
                    break
            if best is not None and self._reads_targets(best, dtype):
                return self._settled(best, dtype)
            if best is not None and chosen is None:
                chosen = best, dtype
        if chosen is not None:
            return self._settled(*chosen)
        if undefined is not None and not self.roles.weights:
            return undefined  # it returns NaN whatever it is given, which the explanation will say
        said = first_error or "it takes no form that is known"
        if arrays := _other_arrays(self.function):
            said = f"it computes with {arrays}, and a check calls with torch's tensors; wrap it for them ({said})"
        raise CannotCall(f"no call of the function gives a loss: {said}")

    def _settled(self, form: Form, dtype: torch.dtype) -> Form:
        """The form with what only further calls tell."""
        first = form.labels == "label_score" and self._background_first(form, dtype)
        form = self._of_probabilities(self._of_all_bins(form, dtype), dtype)
        form = self._of_equal_weights(self._of_one_weight(form, dtype), dtype)
        return replace(form, sums_sides=self._adds(form, dtype), background_first=first)

    def _reads_targets(self, form: Form, dtype: torch.dtype) -> bool:
        """Whether a form's answers are those of a loss: broadcasting and indexing answer many a form by chance.

        A class index must matter, and two classes may be exchanged together with their labels. Where every element has
        a target, a row's gradient must change with its own, also where all rows together keep theirs.
        """
        self.form = form
        logits = torch.randn(3, self.classes or 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        logits = logits.to(self.options.device, dtype).requires_grad_()
        label = torch.tensor([1, 2, 1], device=logits.device)
        inputs, by_class = CANONICAL[self.loss].inputs, form.labels == "index"
        if inputs == "bins" or logits.shape[1] < 3 or not (inputs == "index" or by_class or form.labels == "dense"):
            return True
        usual = _usual(self.loss, logits)
        try:
            if inputs == "index":
                return not torch.equal(self(logits, label, **usual), self(logits, 3 - label, **usual))
            hot = torch.nn.functional.one_hot(label, logits.shape[1]).to(dtype)
            if by_class:
                exchanged = [0, 2, 1, *range(3, logits.shape[1])]
                one, other = self(logits, hot, **usual), self(logits[:, exchanged], hot[:, exchanged], **usual)
                return bool(torch.isclose(one.sum(), other.sum(), rtol=1e-5))
            one, other = (
                torch.autograd.grad(self(logits, hot[rows], **usual).sum(), logits)[0][0]
                for rows in ([0, 1, 2], [1, 0, 2])
            )
            return not torch.allclose(one, other, rtol=1e-5)
        except Exception:  # a user's function may raise anything, which the explanation will say
            return True

    def _of_probabilities(self, form: Form, dtype: torch.dtype) -> Form:
        """The form, or with probabilities where what lies beyond 0 and 1 is cut off and no name speaks of logits.

        A loss that forgets its sigmoid is the same function: the name and the cut say which of the two it is.
        """
        further = replace(form, inputs="probabilities")
        told = any("logit" in parameter.name.lower() for parameter in self.roles.data)
        if form.inputs != "logits" or self.options.inputs is not None or told:
            return form
        self.form = form
        answers = []
        for distance in (3.0, 30.0):
            logits = torch.tensor([[-distance, distance], [distance, -distance]], dtype=dtype)
            label = torch.tensor([1, 1])
            hot = torch.nn.functional.one_hot(label, 2).to(dtype)
            targets = {"dense": hot, "index": label}.get(CANONICAL[self.loss].inputs)
            if targets is None:
                return form
            given = (logits.to(self.options.device), targets.to(self.options.device))
            try:
                answers.append(self(*given, **_usual(self.loss, given[0])).sum())
            except Exception:  # a user's function may raise anything, which the explanation will say
                return form
        cut = bool(torch.isfinite(answers[0]) and answers[0] == answers[1])
        return further if cut and self._tried(further, dtype)[2] == "" else form

    def _of_one_weight(self, form: Form, dtype: torch.dtype) -> Form:
        """The form, or with a class weight of one number where that is the default and weights are not told by class.

        A number that multiplies takes a tensor, too: then a row is weighed with those of all classes.
        """
        one = replace(form, class_weights="number")
        place = self.roles.canonical.get(self._named("class_weights"))
        if form.class_weights != "tensor" or place is None or not isinstance(place.default, (int, float)):
            return form
        self.form = form
        row = torch.zeros(1, self.classes or 3, dtype=dtype, device=self.options.device)
        label, others = torch.tensor([0], device=row.device), torch.arange(1, row.shape[1] + 1, dtype=dtype)
        try:
            alike, apart = (
                self(row, label, **{self._named("class_weights"): weights.to(row.device)}).sum()
                for weights in (torch.ones_like(others), others)
            )
        except Exception:  # a user's function may raise anything, which the explanation will say
            return form
        return form if torch.isclose(alike, apart, rtol=1e-6) or self._tried(one, dtype)[2] else one

    def _of_equal_weights(self, form: Form, dtype: torch.dtype) -> Form:
        """The form, or with a class weight of a half where 1 leaves classes out: it weighs a class, the rest 1 - it."""
        if form.class_weights != "number" or self.roles.canonical[self._named("class_weights")].default is None:
            return form
        of_one, of_half = self._losses_by_class(form, dtype), self._losses_by_class(replace(form, unit=0.5), dtype)
        apart = min(of_one) == 0 < max(of_one) and 0 < max(of_half) <= min(of_half) * (1 + 1e-6)
        return replace(form, unit=0.5) if apart else form

    def _losses_by_class(self, form: Form, dtype: torch.dtype) -> list[float]:
        """The loss of a row of equal logits for every class."""
        self.form = form
        classes = self.classes or 3
        row, labels = torch.zeros(1, classes, dtype=dtype, device=self.options.device), range(classes)
        try:
            return [float(self(row, torch.tensor([label], device=row.device)).sum()) for label in labels]
        except Exception:  # a user's function may raise anything, which the explanation will say
            return [0.0]

    def _of_all_bins(self, form: Form, dtype: torch.dtype) -> Form:
        """The form, or with one bin more where only then a target on the last bin is answered.

        Where nothing in the function depends on the shape, this alone says that its count is the last bin's number.
        """
        further = replace(form, counts_to_last=True)
        if further not in self._forms() or form.counts_to_last or self._answers_last_bin(form, dtype):
            return form
        plain = self._tried(further, dtype)[2] == ""
        return further if plain and self._answers_last_bin(further, dtype) else form

    def _answers_last_bin(self, form: Form, dtype: torch.dtype) -> bool:
        self.form = form
        logits, targets = next(iter(_plain_calls(self.loss, self.classes, self.bins, dtype)))
        last = torch.full_like(targets, logits.shape[-1] - 1)
        try:
            out = self(logits, last, **_usual(self.loss, logits))
        except Exception:  # a user's function may raise anything, which the explanation will say
            return False
        return bool(torch.isfinite(out).all())

    def _adds(self, form: Form, dtype: torch.dtype) -> bool:
        """Whether the loss of two boxes is the sum of the losses of each, and that of a box the sum over its sides.

        A loss for each box may be the mean over its sides: the paper's loss of one side tells the two apart.
        """
        if form.layout not in SIDES:
            return False
        self.form = form
        logits, targets = next(iter(_plain_calls(self.loss, self.classes, self.bins, dtype)))
        one, other, both = (self(logits[rows], targets[rows], **_usual(self.loss, logits[rows]))
                            for rows in (slice(0, 1), slice(1, 2), slice(0, 2)))  # fmt: skip
        if both.numel() == 2:
            side = float(oracle.exact(self.loss, logits[:1], targets[:1])[0].high.sum())
            return bool(one.sum() > 2 * side)
        return bool(torch.isclose(one.sum() + other.sum(), both.sum(), rtol=1e-6))

    def _background_first(self, form: Form, dtype: torch.dtype) -> bool:
        """Whether label 1 raises the logit of the first class: a loss pulls up the class that a label names."""
        self.form = form
        logits = torch.zeros(2, self.classes or 3, dtype=dtype, device=self.options.device, requires_grad=True)
        if logits.shape[1] < 2:
            return False
        hot = torch.zeros_like(logits)
        hot[:, 1] = 1
        try:
            self(logits, hot, **_usual(self.loss, logits)).sum().backward()
        except Exception:  # a user's function may raise anything, which the explanation will say
            return False
        return logits.grad is not None and bool((logits.grad.argmin(dim=1) == 0).all())

    def _tried(self, form: Form, dtype: torch.dtype) -> tuple[int, int, str]:
        """How many of the plain calls give a finite loss and how many any loss, and the first error."""
        finite, answered, first_error = 0, 0, ""
        self.form = form
        for logits, targets in _plain_calls(self.loss, self.classes, self.bins, dtype):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    given = (logits.to(self.options.device, copy=True), targets.to(self.options.device, copy=True))
                    out = self(*given, **_usual(self.loss, given[0]))
            except Exception as error:  # a user's function may raise anything
                first_error = first_error or sentence(error) + _place(error)
                continue
            answered += 1
            if torch.isfinite(out).any():
                finite += 1
            else:
                first_error = first_error or "returns NaN"
        return finite, answered, first_error

    def _forms(self) -> Iterator[Form]:
        """Every form that is tried: names are believed, and of the rest few things are changed at once."""
        inputs, options, roles = CANONICAL[self.loss].inputs, self.options, self.roles
        orders = [False, True] if roles.swapped is None else [roles.swapped]
        given = [roles.inputs, "logits" if roles.inputs == "probabilities" else "probabilities"]
        if options.inputs is not None:
            given = [options.inputs]
        labels: list[Labels] = {
            "dense": ["dense", "index", "label_score"], "index": ["index", "one_hot"], "bins": ["dense"],
        }[inputs]  # fmt: skip
        if roles.pair:
            labels = ["label_score"]
        if options.labels is not None:
            labels = ["dense" if options.labels == "hard" else options.labels]
        # a mask or a quality beside the targets fits many a shape by chance
        pairs = not {"label", "positives", "quality", "quality_of_elements"}.isdisjoint(roles.needed.values())
        layouts: list[Layout] = {
            "dense": ["rows", "flat", "column", "maps", *([] if pairs else ["channel", "two_columns"])],
            "index": ["rows", "maps", "label_column", "label_maps"],
            "bins": [*SIDES, "rows"] if _tells(self.function, FOUR_SIDES) else ["rows", *SIDES],
        }[inputs]
        if inputs == "dense" and _tells(self.function, TWO_COLUMNS):
            layouts.sort(key=lambda layout: layout != "two_columns")
        weights = ["tensor", "list", "number"] if self._has_class_weights() else ["tensor"]
        if self._named("balance") in roles.canonical:
            weights = ["tensor", "pair"]
        elements = ["elements", "rows"] if "weight" in roles.needed.values() else ["elements"]
        counted = inputs == "bins" and ("bins" in roles.needed.values() or (roles.own_bins and not options.bins))
        counts = [False, True] if counted else [False]
        beyond = [False, True] if inputs == "dense" and "classes" in roles.needed.values() else [False]
        choices = itertools.product(layouts, labels, elements, weights, given, orders, counts, beyond)
        found = [
            Form(o, p, lay, of_elements(lab) if lay in ("flat", "column", "channel") else lab, w, e,
                 counts_to_last=last, counts_background=more)
            for lay, lab, e, w, p, o, last, more in choices
            if lay != "two_columns" or lab == "dense"
        ]  # fmt: skip
        plain = found[0]
        return iter(sorted(found, key=lambda form: (layouts.index(form.layout), _departures(form, plain))))

    def _bins_of(self, form: Form) -> int | None:
        own = self.roles.own_bins
        return self.options.bins or (own and own + form.counts_to_last)

    def _weighted_classes(self) -> int | None:
        """The number of classes that the function's own default weights are for."""
        weights = CANONICAL[self.loss].of_role("class_weights")
        place = self.roles.canonical.get(weights.name) if weights is not None else None
        several = place is not None and isinstance(place.default, (list, tuple)) and len(place.default) > 1
        return len(place.default) if place is not None and several else None

    def _has_class_weights(self) -> bool:
        return self._named("class_weights") in self.roles.canonical

    def _named(self, role: str) -> str:
        """The canonical name of the loss's parameter of this role; empty where it has none."""
        found = CANONICAL[self.loss].of_role(role)
        return "" if found is None else found.name

    # how a call is made

    def _called(self, form: Form, logits: torch.Tensor, targets: Any, parameters: dict[str, Any]) -> Any:
        classes = logits.shape[-1]
        given = self._parameters(form, parameters, logits) | dict(self.options.given)
        x, y = laid_out(form, CANONICAL[self.loss].inputs, logits, targets)
        given |= {name: self._needed(form, meant, x, y, classes) for name, meant in self.roles.needed.items()}
        if "quality" in self.roles.needed.values():
            y = y[0]  # the pair is given as two arguments
        if "label" in self.roles.needed.values():
            y = y[1]
        if "quality_of_elements" in self.roles.needed.values():
            y = (y > 0).to(x.dtype)  # the third of the tensors holds what the targets would
        made = {name: value for name, value in given.items() if name in self.roles.constructor}
        called = {name: value for name, value in given.items() if name not in made}
        if self.roles.reduction and self.options.reduction is not None:
            (made if "reduction" in self.roles.constructor else called)["reduction"] = self.options.reduction
        function = self.function(**made) if isinstance(self.function, type) else self.function
        return _by_kind(function, self.roles.call, (y, x) if form.swapped else (x, y), called)

    def _parameters(self, form: Form, parameters: dict[str, Any], logits: torch.Tensor) -> dict[str, Any]:
        """The canonical parameters under the function's names, class weights as it takes them for these logits."""
        weights = CANONICAL[self.loss].of_role("class_weights")
        found = {}
        for name, place in self.roles.canonical.items():
            value = parameters.get(name)
            if weights is not None and name == weights.name:
                if form.class_weights == "number" and place.default is None:
                    continue  # 1 is no weight in one function and leaves a class out in another; nothing given is none
                if value is None and (place.default is place.empty or form.class_weights == "number"):
                    value = torch.ones(logits.shape[-1], dtype=logits.dtype, device=logits.device)
                if value is None and name not in parameters:
                    continue
                value = form.unit if form.class_weights == "number" else _weights_as(form.class_weights, value)
            elif name not in parameters and place.default is not place.empty:
                continue
            elif name not in parameters:
                value = CANONICAL[self.loss][name].asked
            if name == self._named("balance") and form.class_weights == "pair" and value is not None:
                value = torch.tensor([1 - value, value], dtype=logits.dtype, device=logits.device)
            found[place.name] = value
        return found

    def _needed(self, form: Form, meant: str, x: torch.Tensor, y: Any, classes: int) -> Any:
        """What a parameter without a default is given."""
        if meant == "bins":
            return classes - form.counts_to_last
        if meant == "classes":
            return 2 if form.layout == "two_columns" else classes + form.counts_background
        if meant == "text":
            return TEXT
        if meant == "normaliser":
            return 1.0
        if meant == "settings":
            return None
        if meant == "cross_entropy":
            return torch.nn.BCEWithLogitsLoss()
        if meant in ("label", "quality"):
            return y[meant == "quality"]
        if meant == "quality_of_elements":
            return y
        if meant == "positives":
            return (y > 0).to(x.dtype)
        return torch.ones_like(x) if form.element_weight == "elements" else torch.ones(x.shape[:1], dtype=x.dtype)

    @property
    def how(self) -> str:
        """How it is called, in one line: which argument got what."""
        logits, target = (p.name for p in (self.roles.data[::-1] if self.form.swapped else self.roles.data))
        shapes = SHOWN[self.form.layout]
        inputs = CANONICAL[self.loss].inputs
        first = f"{logits} = {self.form.inputs} {shapes[0]}"
        dense = inputs == "dense" and self.form.labels == "dense"
        by_row = not dense and self.form.labels != "one_hot" and self.form.layout in ("rows", "maps")
        told = BY_ROW[self.form.layout] if by_row else shapes[1]
        form = "label_score_after_background" if self.form.background_first else self.form.labels
        meant = (APART if "quality" in self.roles.needed.values() else TARGETS_SHOWN)[form]
        if "label" in self.roles.needed.values():
            meant = "quality"
        if "quality_of_elements" in self.roles.needed.values():
            meant = "1 where targets > 0, else 0"
        second = f"{target} = {meant} {told}"
        parts = [second, first] if self.form.swapped else [first, second]
        parts += [
            p.name if p.name == name else f"{p.name} = {name}"
            for name, p in self.roles.canonical.items()
            if name in self.accepts
        ]
        if self.form.class_weights == "list":
            parts[-1] += " (a list: a tensor is refused)"
        if self.form.class_weights == "pair":
            parts = [f"{part} = [1-alpha, alpha]" if part == self._named("balance") else part for part in parts]
        parts += [f"{name} = {need_shown(meant, self.form)}" for name, meant in self.roles.needed.items()]
        parts += [f"{name} = {value!r}" for name, value in self.options.given]
        places = [self.roles.canonical[name] for name in self.scales]
        undone = "" if self.form.unit == 1 else f", and the loss divided by {self.form.unit:g}"
        given = (None if p.default is None else f"{self.form.unit:g}" for p in places)
        parts += [f"{p.name} = {one}, one number for all classes{undone}" for p, one in zip(places, given, strict=True)]
        return f"{_function_name(self.function)}({', '.join(parts)})"


def _function_name(function: Any) -> str:
    name = getattr(function, "name", None) if isinstance(function, torch.jit.ScriptFunction) else None
    return str(name or getattr(function, "__name__", type(function).__name__))


def _place(error: BaseException) -> str:
    """Where a function raised, in its own code: the file, the line and what stands there."""
    frames = traceback.extract_tb(error.__traceback__)
    calls = [i for i, frame in enumerate(frames) if frame.name == _by_kind.__name__ and frame.filename == __file__]
    own = [frame for frame in frames[calls[-1] + 1 :] if "site-packages" not in frame.filename] if calls else []
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno}: {own[-1].line})" if own and own[-1].line else ""


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


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (int, float, str, list, tuple)) or value is ...


def _is_off(value: Any) -> bool:
    """None, or a negative number: what signatures give for "off"."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0)


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


def _weights_as(form: str, value: Any) -> Any:
    if value is None:
        return None
    tensor = value if torch.is_tensor(value) else torch.as_tensor(value)
    return tensor.tolist() if form == "list" else tensor


def _by_kind(
    function: Any, parameters: tuple[inspect.Parameter, ...], data: tuple[Any, Any], named: dict[str, Any]
) -> Any:
    """The call itself: keyword-only data by name, positional-only parameters by place."""
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if any(p.kind is p.KEYWORD_ONLY for p in plain[:2]):
        return function(**{p.name: value for p, value in zip(plain[:2], data, strict=True)}, **named)
    positional = [named.pop(p.name) for p in plain[2:] if p.kind is p.POSITIONAL_ONLY and p.name in named]
    return function(*data, *positional, **named)


def _usual(loss: str, logits: torch.Tensor) -> dict[str, Any]:
    """The usual parameters, class weights for as many classes and row weights for as many rows as the logits have."""
    found: dict[str, Any] = {}
    for parameter in CANONICAL[loss].parameters:
        count = {"class_weights": logits.shape[-1], "row_weights": len(logits)}.get(parameter.role)
        value = parameter.asked
        if count is not None:
            several = tuple(itertools.islice(itertools.cycle(value), count))
            value = torch.tensor(several, dtype=logits.dtype, device=logits.device)
        found[parameter.name] = value
    return found


def _plain_calls(
    loss: str, classes: int | None, bins: int | None, dtype: torch.dtype
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A few calls of the plainest kind in several shapes, since a form that fits one by chance does not fit all."""
    inputs = CANONICAL[loss].inputs
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
    """A refusal that names the argument nobody can know, and the wrapper to paste."""
    name, missing = _function_name(function), ", ".join(roles.unknown)
    parameters = "".join(f", {p}={CANONICAL[loss][p].recommended!r}" for p in roles.canonical)
    passed = "".join(f", {place.name}={p}" for p, place in roles.canonical.items())
    filled = "".join(f", {one}=..." for one in roles.unknown)
    return (
        f"{name} needs {missing}, and nobody says what to give; set it (--set {roles.unknown[0]}=VALUE), or check a "
        f"wrapper: def wrapped(logits, targets{parameters}): return {name}(logits, targets{passed}{filled})"
    )


def _tensor(out: Any) -> torch.Tensor:
    """The loss among what was returned: the first of several."""
    if isinstance(out, dict):
        out = next(iter(out.values()), None)
    if isinstance(out, (tuple, list)):
        out = out[0]
    if isinstance(out, (int, float)):
        return torch.tensor(float(out), dtype=torch.float64)
    if not isinstance(out, torch.Tensor):
        raise TypeError(f"returned {type(out).__name__}, not a tensor")
    if not out.is_floating_point():
        raise TypeError(f"returned a tensor of {out.dtype}, not of floating point")
    return out


def with_reduction(options: Options, reduction: str | None) -> Options:
    """The same options, with a reduction that the function must have."""
    return replace(options, reduction=reduction)
