"""What people have - a class built from a model, a function of head outputs, an adapter - behind one canonical call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from focalbench_suite.adapters import CANONICAL, Adapter, Loss, find, name_of
from focalbench_suite.adapters._ultralytics import batch_of, outputs_of, small_model
from focalbench_suite.adapters.torchvision import fcos_of, retinanet_of
from focalbench_suite.adapters.ultralytics import rtdetr_of
from focalbench_suite.suites.agreement.terms import REG_MAX, WITH_BINS
from focalbench_suite.suites.check.signature import CannotCall

Terms = dict[str, Tensor]
ORDER = {
    "v8_detection": ("box", "cls", "dfl"),
    "gfl_head": ("cls", "bbox", "dfl"),
    "end_to_end_detection": ("box", "cls", "dfl"),
    "retinanet_head": ("cls", "bbox"),
    "fcos_head": ("cls", "bbox", "ctrness"),
    "rtdetr_head": ("cls", "bbox", "giou"),
}
FROM_MODELS = ("v8_detection", "end_to_end_detection")  # whose criteria are classes that take a model
# criteria whose classes are those of a library: what calls one, and which class it is a subclass of
OF_CLASSES: dict[str, tuple[Callable[..., Any], str]] = {
    "retinanet_head": (retinanet_of, "RetinaNet"),
    "fcos_head": (fcos_of, "FCOS"),
    "rtdetr_head": (rtdetr_of, "RTDETRDetectionLoss"),
}
BRANCHES = ("one2many", "one2one")


def order_of(name: str, bins: int) -> tuple[str, ...]:
    """A criterion's terms; where one of bins has none, the last one is the distance of the sides."""
    return ORDER[name] if bins > 1 or name not in WITH_BINS else (*ORDER[name][:-1], "l1")


@dataclass(frozen=True)
class Criterion:
    """A whole loss as it is asked: how its call is `named`, and the modules that it holds and may never call."""

    loss: Loss
    named: str
    built: FromModel | None = None
    held: dict[str, bool] = field(default_factory=dict)  # by attribute, whether it was called

    @property
    def how(self) -> str:
        """How it is called, in a line; of a class this is known when it has been called."""
        outputs = "maps, as in releases before 8.4" if self.built and self.built.of_maps else "outputs"
        return self.named.replace("(outputs", f"({outputs}") if self.built else self.named

    @property
    def unused(self) -> list[str]:
        """The loss modules of its own that no call went through."""
        return sorted(name for name, called in self.held.items() if not called)


def criterion_of(found: Any, reference: str, name: str, given: Mapping[str, Any]) -> Criterion:
    """The loss `name` of what a reference names; raises `CannotCall` with a sentence for anything else.

    `given` are settings that a class is made with, or a function called with, by name.
    """
    label = name_of(reference)
    if isinstance(found, Adapter):
        if given:
            raise CannotCall(f"{reference} is an Adapter, whose calls are its own: leave --set out")
        losses = [loss for loss in found.losses if loss.name == name]
        if len(losses) != 1:
            raise CannotCall(f"{reference} has {len(losses)} losses {name}; name an adapter with one")
        return Criterion(_guarded(losses[0].call, losses[0].label, name), "its adapter")
    if isinstance(found, type) and name in OF_CLASSES:
        asked, base = OF_CLASSES[name]
        return Criterion(
            _guarded(partial(asked, partial(found, **given)), label, name), f"{label}, as a subclass of {base}"
        )
    if isinstance(found, type):
        if name not in FROM_MODELS:
            raise CannotCall(f"{reference} is a class; for {name}, give a function of head outputs or an Adapter")
        built = FromModel(found, given)
        made = ", ".join(["model", *(f"{key}={value!r}" for key, value in given.items())])
        return Criterion(_guarded(built, label, name), f"{label}({made})(outputs, batch)", built, built.held)
    if not callable(found):
        raise CannotCall(f"{reference} is a {type(found).__name__}; name a class, a function or an Adapter")
    taken = _parameters(found, reference)
    how = f"{label}({', '.join(taken)})"
    return Criterion(_guarded(partial(_of_named, partial(found, **given), taken), label, name), how)


def _parameters(function: Callable[..., Any], reference: str) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        raise CannotCall(f"{reference} tells no signature; wrap it in a function of head outputs") from None


def _of_named(function: Callable[..., Any], taken: Mapping[str, inspect.Parameter], *tensors: Any, **given: Any) -> Any:
    """A call with those of the settings that the signature has."""
    anything = any(each.kind is each.VAR_KEYWORD for each in taken.values())
    return function(*tensors, **{key: value for key, value in given.items() if anything or key in taken})


def _guarded(call: Callable[..., Any], label: str, name: str) -> Loss:
    """The call, whose terms are ours by name and whose arguments must be as they were."""

    def guarded(*tensors: Any, **settings: Any) -> Terms:
        before = [tensor.detach().clone() for tensor in _flat(tensors)]
        terms = _named(call(*tensors, **settings), order_of(name, settings.get("reg_max", REG_MAX)), label)
        if not all(map(_equal, before, _flat(tensors))):
            raise CannotCall(f"{label} changes its inputs; let it work on copies")
        return terms

    return Loss(name, label, guarded, reduction="terms", defaults=find(name, "own").defaults)


def _equal(before: Tensor, now: Tensor) -> bool:
    return torch.allclose(before, now, rtol=0, atol=0, equal_nan=True)


def _flat(tensors: Iterable[Any]) -> Iterator[Tensor]:
    for each in tensors:
        if isinstance(each, Tensor):
            yield each.detach()
        else:
            yield from _flat(each)


def _named(found: Any, order: tuple[str, ...], label: str) -> Terms:
    """Terms by our names, given by name, or in our order."""
    if isinstance(found, Mapping):
        by_name = {str(key).removeprefix("loss_").removesuffix("_loss"): value for key, value in found.items()}
        if set(order) <= set(by_name):
            return {term: _number(by_name[term], term, label) for term in order}
    elif isinstance(found, (tuple, list, Tensor)) and len(_listed(found)) == len(order):
        return {term: _number(value, term, label) for term, value in zip(order, _listed(found), strict=True)}
    told = ", ".join(found) if isinstance(found, Mapping) else type(found).__name__
    raise CannotCall(f"{label} returns {told or 'nothing'}; return the terms {', '.join(order)}, a dict or in order")


def _listed(found: Any) -> Sequence[Any]:
    return list(found.reshape(-1)) if isinstance(found, Tensor) else found


def _number(value: Any, term: str, label: str) -> Tensor:
    value = sum(value) if isinstance(value, (list, tuple)) else value
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise CannotCall(f"the term {term} of {label} is no tensor of one number")
    return value


class FromModel:
    """A class that is built from a model and called with its outputs and a batch, as ``v8DetectionLoss`` is.

    What it returns is its terms times the number of images, or their sum: then each term is asked for alone, by gains
    of which the others are 0.
    """

    def __init__(self, kind: type, given: Mapping[str, Any]) -> None:
        self.kind, self.given = kind, given
        self.of_maps = False  # whether it is given a list of maps, as releases before 8.4 gave it
        self.held: dict[str, bool] = {}
        self._made = lru_cache(self._make)  # a model for each setting

    def __call__(self, *given: Any, strides: Sequence[int], num_classes: int, reg_max: int) -> Any:
        """Head maps (of one branch or two), boxes and labels to terms, as an adapter's ``v8_detection``."""
        *branches, boxes, labels = given
        batch = batch_of(boxes, labels, *(side * strides[0] for side in branches[0][0].shape[2:]))
        head = {"end2end": True, "reg_max": reg_max} if len(branches) > 1 else {}

        def asked(gains: tuple[tuple[str, float], ...]) -> Tensor:
            outputs = [outputs_of(feats, reg_max) for feats in branches]
            kept = [{name: each[name].detach().clone() for name in ("boxes", "scores")} for each in outputs]
            whole = dict(zip(BRANCHES, outputs, strict=True)) if head else outputs[0]
            made = self._made(num_classes, gains, tuple(head.items()))
            maps = [list(feats) for feats in branches]
            found = self._answer(made, whole, dict(zip(BRANCHES, maps, strict=True)) if head else maps[0], batch)
            for before, now in zip(kept, outputs, strict=True):
                self._refuse_changes(before, now)
            loss = found[0] if isinstance(found, (tuple, list)) else found
            if not isinstance(loss, Tensor):
                raise CannotCall(f"{self.kind.__name__} returns a {type(loss).__name__}, no tensor of its terms")
            return loss / len(labels)

        before = {key: value.clone() for key, value in batch.items()}
        gains = dict(CANONICAL["v8_detection"]["gains"].recommended)
        found: Any = asked(tuple(gains.items()))
        if found.numel() == 1:
            found = [asked(tuple((each, gains[each] * (each == term)) for each in gains)) for term in gains]
        self._refuse_changes(before, batch)
        return found

    def _answer(self, made: Any, outputs: Any, maps: Any, batch: Mapping[str, Tensor]) -> Any:
        """What it returns of outputs by name, or else of the maps alone; raises what both raise."""
        if self.of_maps:
            return made(maps, dict(batch))
        try:
            return made(outputs, dict(batch))
        except CannotCall:
            raise
        except Exception as error:  # it may be of a release that knew no names
            try:
                found = made(maps, dict(batch))
            except Exception:
                raise error from None
            self.of_maps = True
            return found

    def _refuse_changes(self, before: Mapping[str, Tensor], now: Mapping[str, Any]) -> None:
        """Raises `CannotCall` where a tensor is not as it was; NaN is what it was where it was NaN."""
        if not all(_equal(then, now[key].detach()) for key, then in before.items()):
            raise CannotCall(f"{self.kind.__name__} changes its inputs; let it work on copies")

    def _make(self, num_classes: int, gains: tuple[tuple[str, float], ...], head: tuple[tuple[str, Any], ...]) -> Any:
        model = small_model(num_classes, **dict(head))
        for name, gain in gains:
            setattr(model.args, name, gain)
        made = self.kind(model, **self.given)
        if not callable(made):
            raise CannotCall(f"{self.kind.__name__}(model) is not callable; a criterion takes outputs and a batch")
        self._watch(made)
        return made

    def _watch(self, made: Any) -> None:
        """Notes which of the loss modules that the class holds are called."""
        for name, module in (vars(made) | vars(made).get("_modules", {})).items():
            if isinstance(module, torch.nn.Module) and not list(module.parameters()):
                self.held.setdefault(name, False)
                module.register_forward_hook(partial(self._note, name))

    def _note(self, name: str, *_: Any) -> None:
        self.held[name] = True
