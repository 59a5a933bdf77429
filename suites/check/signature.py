"""What a function's signature says: which parameter is which, by the names that people give them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.adapters.canon import Parameter

LOGITS = (
    "logits", "logit", "input", "inputs", "x", "z", "pred", "preds", "prediction", "predictions", "y_pred", "ypred",
    "y_hat", "output", "outputs", "out", "score", "scores", "pred_score", "pred_scores", "pred_dist", "cls_score",
    "cls_pred", "cls_preds", "cls_logits", "pred_logits", "y_logits", "src_logits", "predict",
)  # fmt: skip
PROBABILITIES = ("p", "prob", "probs", "proba", "probas", "probability", "probabilities", "y_prob", "pred_prob")
LOG_PROBABILITIES = (
    "log_p", "logp", "log_prob", "log_probs", "logprobs", "log_probabilities", "log_softmax", "log_pred", "log_preds",
)  # fmt: skip
TARGETS = (
    "targets", "target", "labels", "label", "y", "t", "gt", "gts", "y_true", "ytrue", "true", "truth", "ground_truth",
    "gt_score", "gt_scores", "gt_labels", "cls_target", "cls_targets", "cls_label", "cls_labels",
    "quality", "qualities", "teacher", "annotations",
)  # fmt: skip
Inputs = str  # what a function takes in the place of logits: a key of these
INPUT_NAMES: dict[Inputs, tuple[str, ...]] = {
    "logits": LOGITS,
    "probabilities": PROBABILITIES,
    "log-probabilities": LOG_PROBABILITIES,
}
PAIRS = ("pair", "target_pair", "label_and_score", "label_score")
WEIGHTS = (  # of elements or rows
    "weight", "weights", "w", "sample_weight", "sample_weights", "row_weight", "row_weights", "element_weight",
    "element_weights", "label_weight", "label_weights", "bbox_weight", "target_weight", "weight_mask", "loss_weights",
)  # fmt: skip
POSITIVES = (
    "mask", "masks", "pos_mask", "positive", "positives", "fg_mask", "pos", "is_positive", "label", "labels", "valid",
    "valid_mask",
)  # fmt: skip
QUALITIES = (
    "score", "scores", "quality", "qualities", "quality_score", "quality_scores", "gt_score", "gt_scores",
    "target_score", "target_scores", "quality_target", "quality_targets", "target_quality",
    "iou", "ious", "iou_target", "iou_targets", "target_iou", "target_ious",
)  # fmt: skip
CLASS_LABELS = (
    "label", "labels", "target_label", "target_labels", "gt_label", "gt_labels", "cls_label", "cls_labels",
    "class_label", "class_labels", "class_ids", "cls_ids",
)  # fmt: skip
NORMALISERS = ("avg_factor", "normalizer", "normaliser", "n_pos", "npos")
COUNTED = ("num_", "n_")  # what is counted, boxes or masks or lines, is a normaliser, unless it is classes or bins
NUMBER, CLASS = "(n|num|number|count)", "(class|classes|cls|labels|categories)"
CLASS_COUNT_NAME = re.compile(f"{NUMBER}_?(of_)?{CLASS}|{CLASS}_?{NUMBER}|classes|nc|C")  # in a name, nothing but this
TEXTS = ("loss_name", "name")  # what a project's registry calls a loss
SETTINGS = ("cfg", "config", "opt", "opts", "hparams", "hyp")  # of a whole project, of which a loss may need nothing
CLASS_SIZES = (  # how often each class occurs, which weighs it
    "samples_per_cls", "samples_per_class", "num_samples_per_class", "n_samples_per_class", "num_per_cls",
    "num_per_class", "img_num_per_cls", "cls_num_list", "class_num_list", "class_counts", "cls_counts",
    "counts_per_class", "class_sizes", "class_freq", "class_frequencies",
)  # fmt: skip
BIN_COUNTS = ("reg_max", "num_bins", "n_bins", "bins", "K", "max_bin")
CROSS_ENTROPIES = ("loss_fcn", "loss_fn", "bce", "criterion", "loss_func", "base_loss", "ce", "loss")
CLASS_WEIGHTS = (
    "class_weights",
    "class_weight",
    "cls_weight",
    "cls_weights",
    "weight",
    "weights",
    "alphas",
    "alpha_weights",
)
USUAL: dict[str, Any] = {  # what is given for other parameters without a default; a call says so
    "eps": 1e-7, "epsilon": 1e-7, "label_smoothing": 0.0, "smoothing": 0.0, "temperature": 1.0, "loss_weight": 1.0,
    "size_average": True, "delta": 0.7,  # the unified focal loss's share of positives
}  # fmt: skip
OF_POLY = 1.0  # the epsilon of a poly loss, which is a coefficient
ALIASES = {  # role -> names under which functions take such a parameter, beside its canonical one
    "power": ("gamma", "gama", "focal_gamma", "focusing", "focusing_parameter", "focal_power", "beta", "b", "g",
              "power", "exponent", "γ", "β"),
    "balance": ("alpha", "focal_alpha", "alpha_pos", "pos_alpha", "balance", "balance_param", "a", "α"),
    "class_weights": ("alpha", *CLASS_WEIGHTS, "a", "α"),
    "row_weights": WEIGHTS,
    "coefficient": ("epsilon", "eps", "e", "poly_epsilon", "ε"),
    "terms": (),
}  # fmt: skip
OF_CLASS_SIZES = ("beta", "cb_beta")  # beside how often each class occurs: of their effective numbers, and no power
# parts of names of numbers that mean something else than a canonical parameter
OTHER_PARTS = (
    "weight", "offset", "coef", "shift", "bias", "clip", "thresh", "max_", "min_", "step", "momentum",
    "_max", "_min", "ratio",
)  # fmt: skip
OTHER = {  # and whole names of such numbers
    "eps", "epsilon", "reduction", "avg_factor", "label_smoothing", "smoothing", "smooth",
    "from_logits", "size_average", "reduce", "normalize", "normalized", "threshold", "temperature", "heat", "dim",
    "scale", "background", "loss_weight", "pos_weight", "alpha_neg", "gamma_neg", "clip", "delta", "tau", "T",
    "iou_weighted", "use_sigmoid", "activated", "with_logits", "weight_decay", "margin", "device",
    *WEIGHTS, *NORMALISERS, *BIN_COUNTS, *SETTINGS, *CLASS_SIZES,
}  # fmt: skip


class CannotCall(Exception):
    """The function cannot be called as a loss; the message says why."""


@dataclass(frozen=True)
class Roles:
    """The parameters of a function by what they are for.

    `data` are the two tensors in the function's own order, `swapped` says that the targets come first, by their names.
    `canonical` maps the loss's parameters to the function's. `needed` are the other parameters that have no default,
    by what they must be given: ``weight``, ``class_sizes``, ``settings``, ``text``, ``reduction``, ``ignored``,
    ``positives``, ``normaliser``, ``classes``, ``bins``, ``cross_entropy``, ``quality``, the second half of a pair
    whose first is the second of `data`, ``label``, its first half where the second of `data` is the quality, or
    ``quality_of_elements``, the targets themselves where the second of `data` only says which elements are positive.
    `own_bins` and `own_classes` are counts that the function has a default for. `optional` are those that are None by
    default, weights of elements and counts of classes, by what they would be given, and `scores` names of qualities
    that are None by default. `constructor` holds the names that a
    class takes when it is made, `reduction` says that the word ``reduction`` is one of its parameters. `ignored` is the
    class label of its own for rows that do not count.
    """

    data: tuple[inspect.Parameter, inspect.Parameter]
    swapped: bool | None
    inputs: Inputs
    pair: bool
    canonical: dict[str, inspect.Parameter] = field(default_factory=dict)
    needed: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    counts: dict[str, str] = field(default_factory=dict)
    own_classes: int | None = None
    own_bins: int | None = None
    optional: dict[str, str] = field(default_factory=dict)
    scores: tuple[str, ...] = ()
    constructor: frozenset[str] = frozenset()
    call: tuple[inspect.Parameter, ...] = ()
    reduction: bool = False
    reduction_default: Any = None
    ignored: int | None = None


def parameters_of(function: Callable[..., Any]) -> tuple[list[inspect.Parameter], list[inspect.Parameter]]:
    """What a class takes when it is made (nothing for a function) and what is called takes."""
    if isinstance(function, type):
        own = "forward" if _calls_forward(function) else "__call__"
        static = isinstance(inspect.getattr_static(function, own), staticmethod)
        made = [] if inspect.getattr_static(function, "__init__") is torch.nn.Module.__init__ else _signature(function)
        return made, _signature(getattr(function, own))[0 if static else 1 :]
    return [], _signature(function)


def _calls_forward(function: type) -> bool:
    """Whether an instance of this class, when called, is torch's module, which calls its ``forward``."""
    return hasattr(function, "forward") and function.__call__ in (torch.nn.Module.__call__, object.__call__)


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Parameters of a function, a module, a module class or a scripted function."""
    if isinstance(function, torch.jit.ScriptFunction):
        return [_scripted(argument) for argument in function.schema.arguments]  # type: ignore[attr-defined]
    try:
        told = function.forward if isinstance(function, torch.nn.Module) else function
        return list(inspect.signature(told).parameters.values())
    except (TypeError, ValueError):
        raise CannotCall(f"{function!r} tells no signature; wrap it in a function NAME(logits, targets, ...)") from None


def _scripted(argument: Any) -> inspect.Parameter:
    default = argument.default_value if argument.has_default_value() else inspect.Parameter.empty
    return inspect.Parameter(argument.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


def mentions(function: Callable[..., Any], parts: tuple[str, ...]) -> bool:
    """Whether the code of a function or class, or of what it calls by name, uses a name with one of these parts.

    What shows no code may use any.
    """
    codes = [one.__code__ for one in _own_functions(function)]
    called = [one.__globals__.get(name) for one in _own_functions(function) for name in one.__code__.co_names]
    codes += [one.__code__ for one in called if inspect.isfunction(one)]
    return not codes or any(part in name for code in codes for name in code.co_names for part in parts)


def _own_functions(function: Any) -> list[FunctionType]:
    """A function itself, or those of a class."""
    owner = function if inspect.isfunction(function) else function if isinstance(function, type) else type(function)
    return [owner] if inspect.isfunction(owner) else [one for one in vars(owner).values() if inspect.isfunction(one)]


def read_signature(function: Callable[..., Any], loss: str, given: dict[str, Any]) -> Roles:
    """The roles of a function's parameters; `given` are those that the user sets. Raises `CannotCall`."""
    made, called = parameters_of(function)
    plain = [p for p in called if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(plain) < 2:
        raise CannotCall(f"{_name(function)} takes {len(plain)} arguments; a loss takes logits and targets")
    data = (plain[0], plain[1])
    made_names = {p.name for p in made}
    called_too = [p for p in plain[2:] if not (p.name in made_names and p.default is None)]  # None: as it was made
    rest = [p for p in [*made, *called_too] if p.name not in given]
    named = {p.name: p for p in rest}
    sized = any(p.name in CLASS_SIZES for p in rest)
    free_for_canonical = [p for p in rest if not (sized and p.name in OF_CLASS_SIZES)]
    canonical = _canonical(loss, free_for_canonical, any(p.kind is p.VAR_KEYWORD for p in [*made, *called]))
    free = {name: p for name, p in named.items() if p not in canonical.values()}
    counts = {name: "classes" for name in free if CLASS_COUNT_NAME.fullmatch(name)}
    counts |= {name: "bins" for name in free if name in BIN_COUNTS and CANONICAL[loss].inputs == "bins"}
    required = [
        name for name, p in free.items() if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    needed = {name: meant for name in required if (meant := _needed(name, counts, name in made_names))}
    if CANONICAL[loss].inputs == "dense":
        found = [name for name in required if name in QUALITIES and name not in needed][:1]
        second = _inputs(data)[1].name
        labels = [name for name in required if name in CLASS_LABELS and name not in needed][:1]
        if second in QUALITIES and labels and CANONICAL[loss].soft:
            needed |= {labels[0]: "label"}
        elif second in (*POSITIVES, *CLASS_LABELS):
            needed |= dict.fromkeys(found, "quality")
        elif CANONICAL[loss].soft:
            needed |= dict.fromkeys(found, "quality_of_elements")
    own = {meant: free[name].default for name, meant in counts.items() if _is_count(free[name].default)}
    reduction = named.get("reduction")
    return Roles(
        data,
        _swapped(data),
        next((inputs for inputs, names in INPUT_NAMES.items() if _inputs(data)[0].name.lower() in names), "logits"),
        any(p.name in PAIRS for p in data) or not {"quality", "label"}.isdisjoint(needed.values()),
        canonical,
        needed,
        tuple(name for name in required if name not in needed),
        {name: meant for name, meant in counts.items() if name in needed},
        own.get("classes"),
        own.get("bins"),
        _optional(free, counts),
        tuple(name for name in free if name in QUALITIES and free[name].default is None)
        if CANONICAL[loss].soft
        else (),
        frozenset(made_names),
        tuple(called),
        reduction is not None,
        None if reduction is None else reduction.default,
        next((p.default for p in rest if _of_ignored(p.name) and type(p.default) is int), None),
    )


def usual_values(unknown: tuple[str, ...], function: str, device: str) -> dict[str, Any]:
    """What is usual for those of the unknown parameters for which anything is."""
    usual = USUAL | {"device": device} | ({"eps": OF_POLY, "epsilon": OF_POLY} if "poly" in function.lower() else {})
    return {name: usual[name] for name in unknown if name in usual}


def _optional(free: dict[str, inspect.Parameter], counts: dict[str, str]) -> dict[str, str]:
    """What would be given for weights of elements and counts of classes that are None by default."""
    silent = [name for name, p in free.items() if p.default is None]
    weights = {name: "weight" for name in silent if name in (*WEIGHTS, "pos_weight")}
    return weights | {name: "classes" for name in silent if counts.get(name) == "classes"}


def supplied(roles: Roles) -> Roles:
    """The same roles where what is None by default must be given, for a function that raises without it."""
    return replace(roles, needed=roles.needed | roles.optional, optional={})


def scored(roles: Roles) -> Roles:
    """The same roles where the quality that is None by default is given."""
    return replace(roles, needed=roles.needed | dict.fromkeys(roles.scores, "quality_of_elements"), scores=())


def as_pair(roles: Roles) -> Roles:
    """The same roles where two of the tensors are the class of each row and its quality, and not of each element."""
    by_row = {"quality_of_elements": "quality", "positives": "label"}
    needed = {name: by_row.get(meant, meant) for name, meant in roles.needed.items()}
    return replace(roles, pair=True, needed=needed)


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _of_ignored(name: str) -> bool:
    """Whether a parameter says which label is ignored: ``ignore_index``, ``ignore_lb``, ``ignored_label`` ..."""
    return name.lower().startswith("ignore")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


def _needed(name: str, counts: dict[str, str], made: bool) -> str | None:
    """What a parameter without a default must be given, by its name; None where nobody knows."""
    if name in counts:
        return counts[name]
    if made and name in CROSS_ENTROPIES:
        return "cross_entropy"
    for meant, names in (
        ("class_sizes", CLASS_SIZES),
        ("settings", SETTINGS),
        ("text", TEXTS),
        ("normaliser", NORMALISERS),
        ("weight", (*WEIGHTS, *CLASS_WEIGHTS, "pos_weight")),
        ("positives", POSITIVES),
        ("reduction", ("reduction",)),
    ):
        if name in names:
            return meant
    if _of_ignored(name):
        return "ignored"
    return "normaliser" if name.startswith(COUNTED) else None


def _swapped(data: tuple[inspect.Parameter, inspect.Parameter]) -> bool | None:
    """Whether the names say that the targets come first; None where they say nothing."""
    first, second = (p.name.lower() for p in data)
    inputs = {name for names in INPUT_NAMES.values() for name in names}
    if first in TARGETS and second in inputs:
        return True
    return False if first in inputs or second in (*TARGETS, *PAIRS) else None


def _inputs(data: tuple[inspect.Parameter, inspect.Parameter]) -> tuple[inspect.Parameter, inspect.Parameter]:
    return data[::-1] if _swapped(data) else data


def _canonical(loss: str, free: list[inspect.Parameter], anything: bool) -> dict[str, inspect.Parameter]:
    """Canonical parameter -> the function's: equal names first, then known names, then, for numbers, by position."""
    wanted = CANONICAL[loss].parameters
    places: dict[str, inspect.Parameter] = {}
    by_name = {p.name: p for p in free}
    for parameter in wanted:
        own = [p for p in free if p.name in CLASS_WEIGHTS and _fits(parameter, p) and not _is_number(p)]
        if parameter.role == "class_weights" and own and _is_number(by_name.get(parameter.name)):
            places[parameter.name] = own[0]  # class weights of their own beside an alpha that is one number
        elif parameter.name in by_name and _fits(parameter, by_name[parameter.name]):
            places[parameter.name] = by_name[parameter.name]
    for parameter in wanted:
        for alias in ALIASES[parameter.role] if parameter.name not in places else ():
            match = [p for p in free if p.name == alias and p not in places.values() and _fits(parameter, p)]
            if match:
                places[parameter.name] = match[0]
                break
        if parameter.role == "class_weights" and parameter.name not in places:
            given = next((p for p in free if p.default is p.empty and _of_class_weights(p.name)), None)
            places |= {} if given is None else {parameter.name: given}
    unknown = [p for p in free if p not in places.values() and _takes_number(p)]
    for parameter in wanted:
        if parameter.name not in places and parameter.is_number and unknown:
            places[parameter.name] = unknown.pop(0)
    if anything and not places:
        places = {p.name: inspect.Parameter(p.name, inspect.Parameter.KEYWORD_ONLY) for p in wanted}
    return {parameter.name: places[parameter.name] for parameter in wanted if parameter.name in places}


def _of_class_weights(name: str) -> bool:
    """Whether a name speaks of class weights: ``effective_alphas``, ``weights_per_class`` ..."""
    return "alphas" in name or ("weight" in name and ("class" in name or "cls" in name))


def _fits(parameter: Parameter, place: inspect.Parameter) -> bool:
    """Whether a default of this type can stand for the parameter: a string or a truth value is something else."""
    return place.default is place.empty or not isinstance(place.default, (str, bool))


def _is_number(parameter: inspect.Parameter | None) -> bool:
    value = None if parameter is None else parameter.default
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _takes_number(parameter: inspect.Parameter) -> bool:
    """Whether a parameter of an unknown name may be meant for a number such as gamma."""
    if (
        parameter.name in OTHER
        or CLASS_COUNT_NAME.fullmatch(parameter.name)
        or "smooth" in parameter.name
        or _of_ignored(parameter.name)
        or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ):
        return False
    if parameter.default is parameter.empty:
        return parameter.name not in (*POSITIVES, *QUALITIES, *CROSS_ENTROPIES)
    return _is_number(parameter) and not any(part in parameter.name for part in OTHER_PARTS)
