"""One way to call a loss: what its logits and targets become, and how that is written for people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from focalbench_suite.suites.check.signature import Inputs

# dense, hard, boolean, index, label_score, one_hot, two_hot, or sign_score, which is a pair for each element
Labels = str
Layout = str  # a key of SHOWN

SHOWN = {  # what logits and targets are in each layout, as people write shapes
    "rows": ("(N, C)", "(N, C)"),
    "flat": ("(N,)", "(N,)"),
    "column": ("(N, 1)", "(N, 1)"),
    "channel": ("(N, 1)", "(N,)"),
    "channel_maps": ("(N, 1, H, W)", "(N, H, W)"),
    "maps": ("(N, C, H, W)", "(N, C, H, W)"),
    "volumes": ("(N, C, D, H, W)", "(N, C, D, H, W)"),
    "sequences": ("(N, C, L)", "(N, C, L)"),
    "two_columns": ("0 and x (N, 2)", "(N,)"),
    "lists": ("(N, C) in a list", "(N, C) in a list"),
    "list_of_logits": ("(N, C) in a list", "(N, C)"),
    "lists_of_maps": ("(N, C, H, W) in a list", "(N, C, H, W) in a list"),
    "label_column": ("(N, C)", "(N, 1)"),
    "label_maps": ("(N, C, H, W)", "(N, 1, H, W)"),
    "sides": ("(N, 4, K)", "(N, 4)"),
    "side_rows": ("(4 N, K)", "(N, 4)"),
    "side_by_side": ("(N, 4 K)", "(N, 4)"),
    "batched_sides": ("(1, N, 4, K)", "(1, N, 4)"),
}
SIDES = ("sides", "side_rows", "side_by_side", "batched_sides")  # layouts of boxes
# layouts of a list, as of the levels of a pyramid, and that of its one tensor
LISTS = {"lists": "rows", "list_of_logits": "rows", "lists_of_maps": "maps"}
TEXT = "loss"  # for a name that a registry wants
REDUCTION = "mean"  # where one must be named, and the user names none
UNUSED = -100  # the label of rows that do not count, where one must be named: torch's own
AXES = {"maps": 2, "volumes": 3, "sequences": 1}  # how many of one element each follow (N, C)
CLASS_SIZE = 100  # how often every class occurs, where it must be said
# the targets where there is one for a row of logits
BY_ROW = {"rows": "(N,)", "maps": "(N, H, W)", "volumes": "(N, D, H, W)", "sequences": "(N, L)"}
WEIGHTED = {"rows": "(N,)", "channels": "(N, C)", "classes": "(C,)"}  # weights that are not of elements
TARGETS_SHOWN = {
    "dense": "targets",
    "hard": "targets of 0 and 1",
    "boolean": "targets as truth values",
    "index": "class index",
    "index_after_background": "class index from 1, 0 for background,",
    "label_score": "the pair (class index, quality)",
    "label_score_after_background": "the pair (class index from 1, 0 for background, and quality)",
    "one_hot": "one-hot targets",
    "two_hot": "targets as what each bin gets of them",
    "sign_score": "the pair (1 for a positive, 0 for a negative, and quality)",
    "label_score_mask": "the triple (class index, quality, which rows have a class)",
    "sign_score_mask": "the triple (1 for a positive, 0 for a negative, quality, and a mask of the positives)",
}
APART = {  # what the second of three tensors is where the third is the quality
    "label_score": "class index",
    "label_score_after_background": "class index from 1, 0 for background",
    "sign_score": "1 for a positive, 0 for a negative",
}


@dataclass(frozen=True)
class Form:
    """One way to call: the order, what the logits become, the layout, the targets' form, what weights are given as."""

    swapped: bool = False
    inputs: Inputs = "logits"
    layout: Layout = "rows"
    labels: Labels = "dense"
    class_weights: str = "tensor"  # or single, of float32; list; number; of two sides, number (as "tensor") or pair
    element_weight: str = "elements"  # or rows, channels (N, C) beside maps, classes (C,)
    sums_sides: bool = False
    background_first: bool = False  # label 0 is background and 1 … C are the classes
    unit: float = 1.0  # a class weight of one number that weighs all classes alike, by which the loss is divided
    counts_to_last: bool = False  # its count of bins is the number of the last one, K-1, as MMDetection's reg_max is
    counts_background: bool = False  # its count of classes is C+1
    mask_of_ones: bool = False  # its mask says what is valid, and not what is positive
    supplied: bool = False  # weights of elements and counts of classes that are None by default are given
    scored: bool = False  # so is the quality
    sizes_of_tensor: bool = False  # how often each class occurs is given as a tensor, and not as a list


def shown(form: Form, inputs: str) -> tuple[str, str]:
    """The shapes of logits and targets as people write them: K bins, and C classes."""
    logits, targets = SHOWN[form.layout]
    if inputs == "bins" and form.layout == "rows":
        logits = "(N, K)"
    return logits, logits if form.labels == "two_hot" else targets


def laid_out(form: Form, inputs: str, logits: torch.Tensor, targets: Any) -> tuple[Any, Any]:
    """Logits (N, C) and targets in the function's layout and form."""
    if form.labels in ("label_score_mask", "sign_score_mask"):
        x, (label, score) = laid_out(replace(form, labels=form.labels.removesuffix("_mask")), inputs, logits, targets)
        return x, (label, score, score > 0)
    x = logits
    if form.labels == "sign_score":
        sign, score = targets
        shape = {"flat": (-1,), "rows": x.shape}.get(form.layout, (-1, 1))
        x = _as_given(x, form.inputs, "dense")
        return x.reshape(shape), (sign.reshape(shape), score.reshape(shape))
    if form.layout == "two_columns":
        pairs = torch.stack([torch.zeros_like(x), x], dim=-1).reshape(-1, 2)
        return _as_given(pairs, form.inputs, "index"), targets.flatten()
    x = _as_given(x, form.inputs, inputs)
    if form.layout in LISTS:
        x, targets = laid_out(replace(form, layout=LISTS[form.layout]), "dense", x, targets)
        return [x], targets if form.layout == "list_of_logits" else [targets]
    if form.labels == "boolean":
        targets = targets > 0
    if form.labels == "two_hot":
        return _over_bins(form, x, targets)
    if inputs == "index" and form.labels == "one_hot":
        targets = torch.nn.functional.one_hot(targets, x.shape[-1]).to(x.dtype)
    if form.layout in AXES:
        several = targets if isinstance(targets, tuple) else (targets,)
        spread = [one.reshape(*one.shape, *[1] * AXES[form.layout]) for one in (x, *several)]
        return spread[0], tuple(spread[1:]) if isinstance(targets, tuple) else spread[1]
    if form.layout == "rows" or not torch.is_tensor(targets):
        return x, targets
    if form.layout == "label_column":
        return x, targets[:, None] if targets.dim() == 1 else targets
    if form.layout == "flat":
        return x.flatten(), targets.flatten()
    if form.layout == "channel_maps":
        return x.reshape(-1, 1, 1, 1), targets.reshape(-1, 1, 1)
    if form.layout in ("column", "channel"):
        return x.reshape(-1, 1), targets.reshape(-1, 1) if form.layout == "column" else targets.flatten()
    if form.layout == "label_maps":
        return x[:, :, None, None], targets[:, None, None, None]
    # every row stands for a box of four equal sides
    sides, four = x.repeat_interleave(4, dim=0), targets[:, None].expand(-1, 4)
    if form.layout == "sides":
        return sides.reshape(-1, 4, x.shape[-1]), four
    if form.layout == "batched_sides":
        return sides.reshape(1, -1, 4, x.shape[-1]), four[None]
    return sides.reshape(-1, 4 * x.shape[-1]) if form.layout == "side_by_side" else sides, four


def _over_bins(form: Form, x: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and, in their layout, what each bin gets of the targets: both neighbours share them."""
    left = targets.floor().clamp(0, x.shape[-1] - 2).long()
    right = (targets - left)[:, None]
    shares = torch.zeros_like(x).scatter(1, left[:, None], 1 - right).scatter(1, left[:, None] + 1, right)
    if form.layout == "rows":
        return x, shares
    plain = replace(form, labels="dense")
    return laid_out(plain, "bins", x, targets)[0], laid_out(plain, "bins", shares, targets)[0]


def _as_given(logits: torch.Tensor, given: Inputs, inputs: str) -> torch.Tensor:
    """What the function takes in the place of the logits, of elements that stand alone or of classes."""
    alone = inputs == "dense"
    if given == "probabilities":
        return logits.sigmoid() if alone else logits.softmax(-1)
    if given == "log-probabilities":
        return torch.nn.functional.logsigmoid(logits) if alone else logits.log_softmax(-1)
    return logits


def one_side(out: torch.Tensor, rows: int, form: Form) -> torch.Tensor:
    """What one of the four equal sides of each box gives; a sum over boxes counts each of them four times."""
    if out.numel() == 4 * rows:
        return out.reshape(rows, 4)[:, 0]
    return out / 4 if form.sums_sides else out


def of_elements(labels: Labels) -> Labels:
    """The form of the targets where every element stands alone: a class index says no more than positive or not."""
    return labels.replace("label_score", "sign_score")


def need_shown(meant: str, form: Form) -> str:
    """What a parameter that must be given is given, as people read it."""
    rows = BY_ROW.get(form.layout, "(N,)")
    elements = SHOWN[form.layout][0] if form.layout in AXES else "(N, C)"
    if meant == "label":
        return f"{APART['label_score_after_background' if form.background_first else form.labels]} {rows}"
    return {
        "classes": "C+1" if form.counts_background else "C", "bins": "K-1" if form.counts_to_last else "K",
        "class_sizes": f"{'a tensor' if form.sizes_of_tensor else 'a list'} of {CLASS_SIZE} for each class",
        "normaliser": "1", "settings": "None", "text": repr(TEXT), "reduction": repr(REDUCTION), "ignored": str(UNUSED),
        "cross_entropy": "BCEWithLogitsLoss()", "quality": f"quality {rows}",
        "positives": "ones (N, C)" if form.mask_of_ones else "targets > 0",
        "quality_of_elements": "targets (N, C)",
        "weight": f"ones {WEIGHTED.get(form.element_weight, elements)}",
    }[meant]  # fmt: skip
