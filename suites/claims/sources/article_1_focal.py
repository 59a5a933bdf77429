"""The first article, its part on the focal loss and its listing."""

from __future__ import annotations

import math

from focalbench_suite.results import papers
from focalbench_suite.suites.claims import own
from focalbench_suite.suites.claims.checks import PROBABILITIES, agree, falling
from focalbench_suite.suites.claims.claim import Claim, Shown, Source
from focalbench_suite.suites.claims.listings import alpha_factor, batch, listing, modulating_factor, of_one_logit
from focalbench_suite.suites.claims.sources.article_1 import BETWEEN, LOST, NAME


def focal(p: float, gamma: float) -> float:
    return own.value("focal", p, gamma=gamma, alpha=None)


def hard_over_easy(gamma: float) -> float:
    return focal(0.2, gamma) / focal(0.98, gamma)


def below_cross_entropy() -> Shown:
    shares = [focal(p, g) / own.value("cross_entropy", p) for p in BETWEEN for g in (0.5, 1, 2, 5)]
    return Shown(max(shares) < 1, f"FL is {min(shares):.2g} to {max(shares):.3f} of CE")


def best_gamma() -> float:
    return float(max(papers.printed_tables()["fl-1b"].rows, key=lambda row: row["AP"])["gamma"])


def focal_over_balanced() -> Shown:
    focal_ap, balanced = papers.row("fl-1b", gamma=2.0)["AP"], papers.row("fl-1b", gamma=0)["AP"]
    return Shown(focal_ap > balanced, f"{focal_ap} AP against {balanced} in the paper's table 1b")


def listing_against_ours(rows: int, classes: int, reduction: str) -> Shown:
    """The listing and our focal loss of the same batch, gamma 2 and alpha 0.25, under one reduction."""
    from focalbench_suite.adapters.own import focal_loss

    logits, targets = batch(rows, classes)
    theirs = listing("focal", "first").call(logits, targets, gamma=2, alpha=0.25, reduction=reduction)
    ours = focal_loss(logits, targets, gamma=2, alpha=0.25, reduction=reduction)
    close = bool(((theirs - ours).abs() <= 1e-12 * ours.abs()).all())
    return Shown(close, f"{rows} × {classes} logits: listing {theirs.sum():.6g}, FL {ours.sum():.6g}")


def listing_claim(reduction: str, line: str) -> Claim:
    return Claim(
        "listing",
        f"the listing is the alpha-balanced focal loss, reduction {reduction}",
        line,
        lambda read: listing_against_ours(8, 4, reduction),
        conditions={"the batch holds a single logit": lambda read: listing_against_ours(1, 1, reduction)},
        note="BCEWithLogitsLoss() at its default averages before the factors are multiplied in",
    )


def reductions_on_offer() -> Shown:
    from torch import nn

    word = nn.BCEWithLogitsLoss().reduction
    return Shown(word != "mean", f"always {word!r}: the cross entropy is built with its default")


FOCAL = (
    Claim(
        "part 3, figure",
        "the curve gamma = 0 is the cross entropy",
        "CE",
        lambda read: agree(lambda p: own.value("cross_entropy", p), lambda p: focal(p, 0), BETWEEN),
    ),
    Claim(
        "part 3, figure",
        "the curves of the focal loss lie below that of the cross entropy",
        "below",
        lambda read: below_cross_entropy(),
    ),
    Claim(
        "part 3, figure",
        "relative to cross entropy the loss falls steeply as the probability rises, gamma 2",
        "steeply",
        lambda read: falling([focal(p, 2) / own.value("cross_entropy", p) for p in BETWEEN]),
    ),
    Claim(
        "part 3, figure",
        "high probability means low loss, low probability a comparatively large one, gamma 2",
        "falls",
        lambda read: falling([focal(p, 2) for p in BETWEEN]),
    ),
    Claim(
        "part 3",
        "the one term that the focal loss adds to the cross entropy, gamma 2",
        "-(1 - p_t)^gamma",
        lambda read: agree(
            lambda p: read.signed(-((1 - p) ** 2)) * own.value("cross_entropy", p),
            lambda p: focal(p, 2),
            PROBABILITIES,
        ),
        note="the minus belongs to the logarithm and is in the cross entropy already",
    ),
    Claim(
        "part 3",
        "gamma sets the gap between easy and hard: loss of p_t 0.98 over p_t 0.2 falls as gamma grows",
        "adjusts",
        lambda read: falling([1 / hard_over_easy(gamma) for gamma in (0, 0.5, 1, 2, 5)]),
    ),
    Claim(
        "part 3",
        "the gamma that did best in the paper's experiments",
        "2",
        lambda read: best_gamma(),
        basis="printed",
        note="of the seven printed in table 1b",
    ),
    Claim(
        "part 3, example",
        "focal loss at p_t = 0.98, gamma 2",
        "0.000003508",
        lambda read: read.loss("focal", 0.98, gamma=2, alpha=None),
    ),
    Claim(
        "part 3, example",
        "focal loss at p_t = 0.2, gamma 2",
        "0.44734",
        lambda read: read.loss("focal", 0.2, gamma=2, alpha=None),
    ),
    Claim(
        "part 3",
        "the focal loss took one-stage detectors to a higher accuracy than before (balanced cross entropy)",
        "higher",
        lambda read: focal_over_balanced(),
        basis="printed",
    ),
    Claim(
        "part 3",
        "adding alpha_t to the focal loss gave a little more accuracy",
        "a little higher",
        command="mim train mmdet retinanet_r50_fpn_1x_coco --gpus 8 --cfg-options "
        "model.bbox_head.loss_cls.alpha=0.5 model.bbox_head.loss_cls.loss_weight=2.0",
        note="alpha 0.5 twice is no alpha; the paper prints -0.4 AP for alpha 0.5 instead of 0.25",
    ),
    Claim(
        "part 3, last formula",
        "the final form",
        "-alpha_t (1 - p_t)^gamma log p_t",
        lambda read: agree(
            lambda p: -0.25 * (1 - p) ** 2 * math.log(p),
            lambda p: own.value("focal", p, gamma=2, alpha=0.25),
            PROBABILITIES,
        ),
        note=LOST,
    ),
)


LISTING = (
    Claim(
        "listing",
        "its defaults are the best pair of the paper's table 1b",
        "gamma=2, alpha=0.25",
        lambda read: Shown(
            dict(listing("focal", "first").defaults)
            == {key: papers.row("fl-1b", AP=34.0)[key] for key in ("gamma", "alpha")},
            ", ".join(f"{key}={value:g}" for key, value in listing("focal", "first").defaults.items()),
        ),
        basis="printed",
    ),
    Claim(
        "listing, comment",
        "pt is p for true, 1 - p for false",
        "p, 1 - p",
        lambda read: agree(
            lambda p, y: p if y else 1 - p,
            lambda p, y: 1 - modulating_factor("first", p, y),
            [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)],
        ),
        note="the text above the listing prints p - 1",
    ),
    Claim(
        "listing",
        "the modulating factor |true - p|^gamma is (1 - p_t)^gamma for hard labels",
        "abs(true - p)",
        lambda read: agree(
            lambda p, y: abs(y - p),
            lambda p, y: modulating_factor("first", p, y),
            [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)],
        ),
    ),
    Claim(
        "listing, comment",
        "the balancing factor is alpha_t",
        "true α + (1 - true)(1 - α)",
        lambda read: agree(
            lambda a, y: y * a + (1 - y) * (1 - a),
            lambda a, y: alpha_factor("first", a, y),
            [(a, y) for a in (0.1, 0.25, 0.5, 0.8) for y in (0.0, 1.0)],
        ),
    ),
    Claim(
        "listing, comment",
        "the minus is in the cross entropy already: its least value",
        "0",
        lambda read: min(of_one_logit("first", p, y) for p in BETWEEN for y in (0.0, 1.0)),
        relation=">=",
    ),
    Claim(
        "listing, comment",
        "the reduction copied from the cross entropy can be any of its words",
        "mean, sum, etc.",
        lambda read: reductions_on_offer(),
        basis="read",
        note="its constructor takes no reduction; the branches sum and none need the attribute set afterwards",
    ),
    listing_claim("mean", "loss.mean()"),
    listing_claim("sum", "loss.sum()"),
    listing_claim("none", "loss"),
)


SOURCES = (Source(NAME, "articles", (*FOCAL, *LISTING)),)
