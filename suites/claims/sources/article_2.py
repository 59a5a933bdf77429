"""The second article, on FL, QFL and DFL: its statements.

The article's formulas are images and lost in its text; where a claim rests on one, the note says so and what the
paper prints stands in its place.
"""

from __future__ import annotations

import math

from focalbench_suite.suites.claims import own
from focalbench_suite.suites.claims.checks import PROBABILITIES, agree, falling
from focalbench_suite.suites.claims.claim import Claim, Shown, Source
from focalbench_suite.suites.claims.sources import focal_loss as fl

NAME = "article 2"
LOST = "the formula is lost in the text; what the paper prints"
LABELS = [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)]


def naive_and_combined() -> Shown:
    """Cross entropy of a float32 logit of -120 for a positive: sigmoid then logarithm, and both in one."""
    import torch

    from focalbench_suite.adapters.own import cross_entropy_loss

    x, one = torch.tensor([[-120.0]]), torch.tensor([[1.0]])
    naive, combined = -x.sigmoid().log().item(), cross_entropy_loss(x, one, reduction="sum").item()
    return Shown(math.isinf(naive) and combined == 120.0, f"apart: {naive:g}; combined: {combined:g}; exact: 120")


FOCAL = (
    Claim(
        "focal loss",
        "the blue curve is the cross entropy (gamma 0)",
        "CE",
        lambda read: agree(lambda p: -math.log(p), lambda p: own.value("focal", p, gamma=0, alpha=None), PROBABILITIES),
    ),
    Claim(
        "focal loss",
        "even easily classified examples have a loss that is not small",
        "not small",
        lambda read: Shown(
            own.value("cross_entropy", 0.6) > 0.1 * own.value("cross_entropy", 0.5),
            f"{own.value('cross_entropy', 0.6):.3f} at p_t 0.6, {own.value('cross_entropy', 0.9):.3f} at 0.9",
        ),
        loss="cross_entropy",
    ),
    Claim("focal loss", "many small losses overwhelm the rare class", "overwhelm", lambda read: fl.overwhelms()),
    Claim(
        "focal loss",
        "the alpha-balanced cross entropy, a weight for class 1 and one for class -1",
        "-alpha_t log p_t",
        lambda read: agree(
            lambda p, y: -fl.p_t(0.25, y) * math.log(fl.p_t(p, y)),
            lambda p, y: own.value("balanced_cross_entropy", p, y, alpha=0.25),
            LABELS,
        ),
        loss="balanced_cross_entropy",
        note=LOST,
    ),
    Claim(
        "focal loss",
        "a modulating factor with a focusing parameter is added to the cross entropy",
        "-(1 - p_t)^gamma log p_t",
        lambda read: agree(
            lambda p, y: -((1 - fl.p_t(p, y)) ** 2) * math.log(fl.p_t(p, y)),
            lambda p, y: own.value("focal", p, y, gamma=2, alpha=None),
            LABELS,
        ),
        note=LOST,
    ),
    Claim(
        "focal loss",
        "for a misclassified example, p_t small, the factor is near 1 and the loss unaffected",
        "1",
        lambda read: 1 / fl.scaled_down(1e-6),
        tolerance=1e-5,
        note=LOST,
    ),
    Claim(
        "focal loss",
        "gamma smoothly adjusts the rate at which easy examples are down-weighted: factor at p_t 0.9 over gamma",
        "adjusts",
        lambda read: falling([1 / fl.scaled_down(0.9, 0.25 * step) for step in range(21)]),
    ),
    Claim(
        "focal loss",
        "the modulating factor extends the range in which an example receives low loss",
        "extends",
        lambda read: fl.low_loss_range(),
    ),
    Claim(
        "focal loss",
        "the example with p_t = 0.9 against cross entropy, gamma 2",
        "100 times lower",
        lambda read: fl.scaled_down(0.9),
        note="the numbers of the example are lost in the text; what the paper prints",
    ),
    Claim(
        "focal loss",
        "that raises the importance of correcting misclassified examples",
        "increases",
        lambda read: Shown(
            fl.scaled_down(0.9) > fl.scaled_down(0.1), f"{fl.scaled_down(0.9) / fl.scaled_down(0.1):.3g} times"
        ),
    ),
    Claim(
        "focal loss",
        "the alpha-balanced form is slightly more accurate than the one without",
        "slightly higher",
        command="mim train mmdet retinanet_r50_fpn_1x_coco --gpus 8 --cfg-options "
        "model.bbox_head.loss_cls.alpha=0.5 model.bbox_head.loss_cls.loss_weight=2.0",
        note="alpha 0.5 twice is no alpha",
    ),
    Claim(
        "focal loss",
        "sigmoid and loss in one step are numerically more stable (float32, logit -120, a positive)",
        "more stable",
        lambda read: naive_and_combined(),
        loss="cross_entropy",
    ),
    Claim(
        "initialisation",
        "a binary model starts with equal probability of either output",
        "0.5",
        lambda read: math.exp(-fl.start(0.0)),
        loss="cross_entropy",
    ),
    Claim(
        "initialisation",
        "the prior makes the estimate for the rare class low at the start",
        "pi",
        lambda read: agree(lambda pi: pi, lambda pi: 1 / (1 + math.exp(-fl.prior(pi))), (0.001, 0.01, 0.1)),
        loss="cross_entropy",
        note=LOST,
    ),
    Claim(
        "initialisation",
        "without it the loss of the frequent class dominates the total early in training",
        "dominates",
        lambda read: Shown(
            fl.start(0.0) > 10 * fl.start(fl.prior()),
            f"{fl.start(0.0):.4f} a negative without, {fl.start(fl.prior()):.4f} with pi = 0.01",
        ),
        loss="cross_entropy",
    ),
    fl.stability("initialisation"),
)


SOURCES = (Source(NAME, "articles", FOCAL),)
