"""The second article, its listings of older Ultralytics code: what they do, and whether it still is so."""

from __future__ import annotations

import math
from typing import Any

from focalbench_suite.suites.claims import installed
from focalbench_suite.suites.claims.checks import agree
from focalbench_suite.suites.claims.claim import Claim, Shown, Source
from focalbench_suite.suites.claims.listings import alpha_factor, batch, four_sides, listing, modulating_factor
from focalbench_suite.suites.claims.sources import generalized_focal_loss as gfl
from focalbench_suite.suites.claims.sources.article_2 import LABELS, NAME


def focal_listing(rows: int, classes: int = 4, gamma: float = 1.5, alpha: float = 0.25) -> float:
    logits, targets = batch(rows, classes)
    return listing("focal", "second").call(logits, targets, gamma=gamma, alpha=alpha).item()


def our_focal(rows: int, classes: int, reduction: str, gamma: float = 1.5, alpha: float | None = 0.25) -> float:
    from focalbench_suite.adapters.own import focal_loss

    logits, targets = batch(rows, classes)
    return focal_loss(logits, targets, gamma=gamma, alpha=alpha, reduction=reduction).item()


def equal(label: str, theirs: float, ours: float) -> Shown:
    return Shown(abs(theirs - ours) <= 1e-12 * abs(ours), f"{label}: listing {theirs:.6g}, ours {ours:.6g}")


def bin_weights(label: float) -> list[float]:
    """The weight that the DFL listing gives each of 17 bins: of a sum of weighted logarithms of a softmax whose weights
    add up to 1, the gradient to a logit is its softmax less its weight."""
    import torch

    logits = torch.linspace(-1, 1, 17, dtype=torch.float64).view(1, 17).requires_grad_()
    loss = listing("distribution_focal", "second").elementwise(logits, torch.tensor([label], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    return (logits.softmax(1) - gradient)[0].tolist()


def weighted_bins(label: float) -> list[int]:
    """The bins that the DFL listing gives a weight, lowest first."""
    return [i for i, weight in enumerate(bin_weights(label)) if abs(weight) > 1e-12]


def weights_identity() -> float:
    """The largest distance of the right bin's weight from target - tl, and of the left one's from 1 less that."""
    labels = [0.1 * i for i in range(160)]
    pairs = [(label, bin_weights(label)[int(label) :][:2]) for label in labels]
    return max(max(abs(right - label % 1), abs(left - 1 + label % 1)) for label, (left, right) in pairs)


def left_bins() -> Shown:
    """The lower bin that the listing weights, of labels on and between the bins, against the floor."""
    labels = (0.0, 0.3, 2.999, 3.0, 14.99)
    bins = [weighted_bins(label)[0] for label in labels]
    return Shown(bins == [math.floor(label) for label in labels], f"{bins} of {list(labels)}")


def bin_to_the_right() -> float:
    """How far the second bin that the listing weights lies from the first."""
    left, right = weighted_bins(2.3)
    return float(right - left)


def df_listing(boxes: int = 5) -> tuple[Any, Any, Any]:
    logits, sides = four_sides(boxes)
    return listing("distribution_focal", "second").reduced(logits, sides), logits, sides


def df_by_side() -> Shown:
    """The listing of one side a row against our DFL, row by row."""
    from focalbench_suite.adapters.own import distribution_focal_loss

    logits, sides = four_sides()
    theirs = listing("distribution_focal", "second").elementwise(logits, sides.view(-1))
    ours = distribution_focal_loss(logits, sides.view(-1), reduction="none")
    return Shown(bool(((theirs - ours).abs() <= 1e-12).all()), f"{len(theirs)} sides, sum {theirs.sum():.6f}")


def sides_added() -> Shown:
    """Whether the listing returns the sum of the left and right losses of a box's four sides."""
    from focalbench_suite.adapters.own import distribution_focal_loss

    theirs, logits, sides = df_listing()
    ours = distribution_focal_loss(logits, sides.view(-1), reduction="none").view(sides.shape).sum(-1, keepdim=True)
    close = bool(((theirs - ours).abs() <= 1e-12).all())
    return Shown(close, f"the sum over four sides is {(ours / theirs).mean():.6g} times what is returned")


def one_side_added() -> Shown:
    shown = df_by_side()
    return Shown(shown.holds, f"left + right on {shown.figures}")


def last_bin() -> Shown:
    """The listing with the label on the last bin, of which the paper's range makes part."""
    import torch

    logits = torch.zeros(1, 8, dtype=torch.float64)
    try:
        value = listing("distribution_focal", "second").elementwise(logits, torch.tensor([7.0], dtype=torch.float64))
    except IndexError as error:
        return Shown(False, f"label 7 of bins 0 … 7: IndexError: {error}")
    return Shown(abs(value.item() - math.log(8)) < 1e-9, f"label 7 of bins 0 … 7: {value.item():.6g}")


def just_below_the_last_bin() -> Shown:
    import torch

    logits = torch.zeros(1, 8, dtype=torch.float64)
    value = listing("distribution_focal", "second").elementwise(logits, torch.tensor([6.99], dtype=torch.float64))
    return Shown(abs(value.item() - math.log(8)) < 1e-9, f"label 6.99: {value.item():.6g}, as it should be")


def entropy_of_bin() -> Shown:
    """The listing of a label on a bin, where the other bin has no weight, against -log of the softmax at that bin."""
    import torch

    logits = torch.tensor([gfl.BOX], dtype=torch.float64).log()

    def theirs(i: int) -> float:
        label = torch.tensor([float(i)], dtype=torch.float64)
        return listing("distribution_focal", "second").elementwise(logits, label).item()

    return agree(lambda i: -math.log(gfl.BOX[i]), theirs, range(len(gfl.BOX) - 1))


def names_in(file: str, name: str, *words: str) -> Shown:
    """Whether the installed Ultralytics still has these words in a function's source."""
    source = installed.source_of("ultralytics", file, name)
    missing = [word for word in words if word not in source]
    return Shown(not missing, f"no {', '.join(missing)} in it now" if missing else f"{', '.join(words)}: still so")


FOCAL_LISTING = (
    Claim(
        "focal listing",
        "its defaults are those of the installed Ultralytics FocalLoss",
        "gamma=1.5, alpha=0.25",
        lambda read: Shown(
            dict(listing("focal", "second").defaults)
            == installed.defaults("ultralytics", "utils/loss.py", "FocalLoss"),
            ", ".join(
                f"{name}={value:g}"
                for name, value in installed.defaults("ultralytics", "utils/loss.py", "FocalLoss").items()
            ),
        ),
        basis="read",
    ),
    Claim(
        "focal listing",
        "p_t of both labels",
        "label p + (1 - label)(1 - p)",
        lambda read: agree(
            lambda p, y: y * p + (1 - y) * (1 - p), lambda p, y: 1 - modulating_factor("second", p, y), LABELS
        ),
    ),
    Claim(
        "focal listing",
        "the alpha factor of both labels",
        "label α + (1 - label)(1 - α)",
        lambda read: agree(
            lambda a, y: y * a + (1 - y) * (1 - a),
            lambda a, y: alpha_factor("second", a, y),
            [(a, y) for a in (0.1, 0.25, 0.5, 0.8) for y in (0.0, 1.0)],
        ),
    ),
    Claim(
        "focal listing",
        "one logit: the listing is the alpha-balanced focal loss",
        "alpha_t (1 - p_t)^gamma CE",
        lambda read: equal("1 × 1", focal_listing(1, 1), our_focal(1, 1, "sum")),
    ),
    Claim(
        "focal listing",
        "it averages over classes and sums over rows: 8 × 4 logits, our sum over the number of classes",
        "loss.mean(1).sum()",
        lambda read: equal("8 × 4", focal_listing(8), our_focal(8, 4, "sum") / 4),
    ),
    Claim(
        "focal listing",
        "alpha only counts where it is above 0: alpha 0 is the focal loss without alpha",
        "if alpha > 0",
        lambda read: equal("alpha=0", focal_listing(8, alpha=0.0), our_focal(8, 4, "sum", alpha=None) / 4),
    ),
    Claim(
        "focal listing",
        "gamma 0 and alpha 0 leave the cross entropy",
        "gamma=0",
        lambda read: equal("gamma=0", focal_listing(8, gamma=0, alpha=0), our_focal(8, 4, "sum", 0, None) / 4),
    ),
)


DFL_LISTING = (
    Claim(
        "DFL listing",
        "one side: the listing is the DFL of the paper, labels inside the range",
        "cross_entropy × wl + cross_entropy × wr",
        lambda read: df_by_side(),
        loss="distribution_focal",
    ),
    Claim(
        "DFL listing",
        "cross_entropy of the distribution and tl is -log of its softmax at tl",
        "F.cross_entropy(pred_dist, tl)",
        lambda read: entropy_of_bin(),
        loss="distribution_focal",
    ),
    Claim(
        "DFL listing",
        "wr = 1 - wl = target - tl: the largest difference, over 160 labels",
        "0",
        lambda read: weights_identity(),
        tolerance=1e-12,
        loss="distribution_focal",
    ),
    Claim(
        "DFL listing",
        "target left is the bin at the label or the next below",
        "target.long()",
        lambda read: left_bins(),
        loss="distribution_focal",
    ),
    Claim(
        "DFL listing",
        "target right is target left plus the width of a bin",
        "1",
        lambda read: bin_to_the_right(),
        tolerance=0.0,
        loss="distribution_focal",
    ),
    Claim(
        "DFL listing, docstring",
        "it returns the sum of the left and right losses, of boxes with four sides",
        "sum",
        lambda read: sides_added(),
        loss="distribution_focal",
        conditions={"a row is one side": lambda read: one_side_added()},
        note="the mean over the four sides follows",
    ),
    Claim(
        "DFL listing",
        "it averages over the sides and keeps the dimension: (5, 4) labels give",
        "(5, 1)",
        lambda read: Shown(df_listing()[0].shape == (5, 1), str(tuple(df_listing()[0].shape))),
        loss="distribution_focal",
    ),
    Claim(
        "DFL listing",
        "it takes every label of the range, the last bin included",
        "y_0 … y_n",
        lambda read: last_bin(),
        loss="distribution_focal",
        conditions={"the label is first clamped below the last bin": lambda read: just_below_the_last_bin()},
        note="the listing does not clamp; the installed Ultralytics does",
    ),
    Claim(
        "DFL listing, docstring",
        "the installed DFLoss still weights the same two bins",
        "tl, tr, wl, wr",
        lambda read: names_in("utils/loss.py", "DFLoss.__call__", "tl", "tr", "wl", "wr", ".mean(-1, keepdim=True)"),
        loss="distribution_focal",
        basis="read",
    ),
    Claim(
        "DFL listing, docstring",
        "the installed DFLoss still cites this paper",
        "ieeexplore.ieee.org/document/9792391",
        lambda read: names_in("utils/loss.py", "DFLoss", "9792391"),
        loss="distribution_focal",
        conditions={"the preprint is the paper": lambda read: names_in("utils/loss.py", "DFLoss", "2006.04388")},
        basis="read",
    ),
)


SOURCES = (Source(NAME, "articles", (*FOCAL_LISTING, *DFL_LISTING)),)
