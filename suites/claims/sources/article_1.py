"""The first article, a blog post on the focal loss with a listing: every number and formula-like statement in it."""

from __future__ import annotations

import math
import re

from results import papers
from suites.claims import installed, own
from suites.claims.checks import PROBABILITIES, agree, falling
from suites.claims.claim import Claim, Shown, Source
from suites.claims.listings import batch, listing
from suites.claims.sources.focal_loss import anchors

NAME = "article 1"
BETWEEN = [0.01 * i for i in range(1, 100)]
LOST = "the formula is an image; what the paper prints"


def implied_p_t(p: float, y: float) -> float:
    """The p_t that our cross entropy implies."""
    return math.exp(-own.value("cross_entropy", p, y))


def implied_alpha_t(alpha: float, y: float) -> float:
    """The weight that our balanced cross entropy puts on the cross entropy."""
    return own.value("balanced_cross_entropy", 0.3, y, alpha=alpha) / own.value("cross_entropy", 0.3, y)


def year_and_month() -> tuple[int, int]:
    """When the paper came out, from its arXiv identifier."""
    year, month = re.search(r"(\d\d)(\d\d)\.\d+", papers.printed_tables()["fl-1a"].url).groups()
    return 2000 + int(year), int(month)


def background(loss: str) -> Shown:
    """10,000 background predictions against 10 objects, all as good as the article's example."""
    negatives, positives = 10_000 * own.value(loss, 0.02, 0.0), 10 * own.value(loss, 0.98, 1.0)
    return Shown(
        negatives > 100 * positives, f"{negatives:.1f} of 10,000 negatives against {positives:.3f} of 10 objects"
    )


def negatives_below_positives(alpha: float) -> Shown:
    positive = own.value("balanced_cross_entropy", 0.98, 1.0, alpha=alpha)
    negative = own.value("balanced_cross_entropy", 0.02, 0.0, alpha=alpha)
    return Shown(negative < positive / 2, f"alpha {alpha:g}: negative {negative:.4g}, positive {positive:.4g}")


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
    from adapters.own import focal_loss

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


def users_of_focal_loss() -> Shown:
    """Whether the installed YOLO and SSD losses call a focal loss, by their source."""
    sources = {
        "Ultralytics v8DetectionLoss": installed.source_of("ultralytics", "utils/loss.py", "v8DetectionLoss"),
        "torchvision SSD": installed.source_of("torchvision", "models/detection/ssd.py", "SSD"),
    }
    using = [name for name, text in sources.items() if re.search("focal", text, re.IGNORECASE)]
    return Shown(len(using) == len(sources), f"{' and '.join(using) or 'none'} of {' and '.join(sources)}")


INTRODUCTION = (
    Claim("introduction", "the year of the paper", "2017", lambda read: float(year_and_month()[0])),
    Claim(
        "introduction",
        "the paper came out late in 2017",
        "end of 2017",
        lambda read: Shown(year_and_month() >= (2017, 10), "{}-{:02d}".format(*year_and_month())),
        note="the year and month of its arXiv identifier",
    ),
    Claim(
        "introduction",
        "one-stage detectors such as YOLO and SSD use the focal loss to this day",
        "YOLO, SSD",
        lambda read: users_of_focal_loss(),
        note="of the installed libraries; RetinaNet and FCOS do",
    ),
)

CROSS_ENTROPY = (
    Claim(
        "part 1, first formula",
        "the binary cross entropy",
        "-log p if y = 1, -log(1 - p) otherwise",
        lambda read: agree(
            lambda p, y: -math.log(p if y else 1 - p),
            lambda p, y: own.value("cross_entropy", p, y),
            [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)],
        ),
        loss="cross_entropy",
        note=LOST,
    ),
    Claim("part 1", "-log(1)", "0", lambda read: -read.log(1.0), tolerance=0.0, loss="cross_entropy"),
    Claim(
        "part 1",
        "-log(0) is infinite: the loss grows without bound as p goes to 0",
        "infinity",
        lambda read: Shown(
            own.value("cross_entropy", 1e-300) > 690, f"{own.value('cross_entropy', 1e-300):.1f} at p = 1e-300"
        ),
        loss="cross_entropy",
    ),
    Claim(
        "part 1",
        "cross entropy punishes and never rewards: its least value over p and y",
        "0",
        lambda read: min(own.value("cross_entropy", p, y) for p in BETWEEN for y in (0.0, 1.0)),
        relation=">=",
        loss="cross_entropy",
    ),
    Claim(
        "part 1",
        "the better the model, the nearer p is to 1 for y = 1: the loss falls all the way",
        "p towards 1",
        lambda read: falling([own.value("cross_entropy", p, 1.0) for p in BETWEEN]),
        loss="cross_entropy",
    ),
    Claim(
        "part 1",
        "the better the model, the nearer p is to 0 otherwise: the loss falls all the way",
        "p towards 0",
        lambda read: falling([own.value("cross_entropy", p, 0.0) for p in reversed(BETWEEN)]),
        loss="cross_entropy",
    ),
    Claim(
        "part 1, list after the second formula",
        "p_t of y = 1",
        "p",
        lambda read: agree(lambda p: p, lambda p: implied_p_t(p, 1.0), PROBABILITIES),
        loss="cross_entropy",
    ),
    Claim(
        "part 1, list after the second formula",
        "p_t of the other label",
        "p - 1",
        lambda read: agree(lambda p: read.signed(p - 1), lambda p: implied_p_t(p, 0.0), PROBABILITIES),
        loss="cross_entropy",
        note="1 - p; the article's own numbers and its listing use 1 - p, too",
    ),
    Claim(
        "part 1, example",
        "cross entropy of a positive with p = 0.98",
        "0.00877",
        lambda read: read.loss("cross_entropy", 0.98, 1.0),
        loss="cross_entropy",
    ),
    Claim(
        "part 1, example",
        "cross entropy of a negative with p = 0.02",
        "0.00877",
        lambda read: read.loss("cross_entropy", 0.02, 0.0),
        loss="cross_entropy",
    ),
    Claim(
        "part 1, example",
        "the positive and the negative have the same loss: their difference",
        "0",
        lambda read: own.value("cross_entropy", 0.98, 1.0) - own.value("cross_entropy", 0.02, 0.0),
        tolerance=1e-15,
        loss="cross_entropy",
    ),
    Claim(
        "part 1, example",
        "the larger p_t the better: the loss falls with p_t",
        "falls",
        lambda read: falling([own.value("cross_entropy", p) for p in BETWEEN]),
        loss="cross_entropy",
    ),
    Claim(
        "part 1",
        "a detector makes thousands to tens of thousands of background predictions an image",
        "1,000 to 100,000",
        lambda read: Shown(
            anchors(640, 640, 1) >= 1_000 and anchors(600, 800) <= 100_000,
            f"{anchors(640, 640, 1)} locations at 640 × 640, {anchors(600, 800)} anchors of RetinaNet at 600 × 800",
        ),
    ),
    Claim(
        "part 1",
        "the loss of the background, summed, overwhelms that of the objects under cross entropy",
        "overwhelms",
        lambda read: background("cross_entropy"),
        loss="cross_entropy",
    ),
)

BALANCED = (
    Claim(
        "part 2, formula",
        "the balanced cross entropy",
        "-alpha_t log p_t",
        lambda read: agree(
            lambda p: -0.8 * math.log(p),
            lambda p: own.value("balanced_cross_entropy", p, 1.0, alpha=0.8),
            PROBABILITIES,
        ),
        loss="balanced_cross_entropy",
        note=LOST,
    ),
    Claim(
        "part 2, list",
        "alpha_t of y = 1",
        "alpha",
        lambda read: agree(lambda a: a, lambda a: implied_alpha_t(a, 1.0), (0.1, 0.25, 0.5, 0.8)),
        loss="balanced_cross_entropy",
    ),
    Claim(
        "part 2, list",
        "alpha_t of the other label",
        "alpha - 1",
        lambda read: agree(lambda a: read.signed(a - 1), lambda a: implied_alpha_t(a, 0.0), (0.1, 0.25, 0.5, 0.8)),
        loss="balanced_cross_entropy",
        note="1 - alpha; the article's own numbers and its listing use 1 - alpha, too",
    ),
    Claim(
        "part 2, example",
        "balanced cross entropy of a positive, p = 0.98, alpha 0.80",
        "0.007016",
        lambda read: read.loss("balanced_cross_entropy", 0.98, 1.0, alpha=0.8),
        loss="balanced_cross_entropy",
    ),
    Claim(
        "part 2, example",
        "balanced cross entropy of a negative, p = 0.02, alpha 0.80",
        "0.001754",
        lambda read: read.loss("balanced_cross_entropy", 0.02, 0.0, alpha=0.8),
        loss="balanced_cross_entropy",
    ),
    Claim(
        "part 2, example",
        "balancing makes the loss of a negative much smaller than that of a positive, alpha 0.80",
        "much smaller",
        lambda read: negatives_below_positives(0.8),
        loss="balanced_cross_entropy",
    ),
    Claim(
        "part 2, with the listing's default",
        "alpha_t makes the loss of a negative much smaller, with the alpha of 0.25 that the listing uses",
        "much smaller",
        lambda read: negatives_below_positives(0.25),
        loss="balanced_cross_entropy",
        conditions={"alpha is 0.80, as in the article's example": lambda read: negatives_below_positives(0.8)},
        note="0.25 weights negatives three times as much as positives",
    ),
    Claim(
        "part 2",
        "balanced cross entropy does not tell easy from hard: loss of p_t 0.2 over p_t 0.98 is that of cross entropy",
        "cannot tell",
        lambda read: agree(
            lambda a: own.value("cross_entropy", 0.2) / own.value("cross_entropy", 0.98),
            lambda a: (
                own.value("balanced_cross_entropy", 0.2, alpha=a) / own.value("balanced_cross_entropy", 0.98, alpha=a)
            ),
            (0.1, 0.25, 0.5, 0.8),
        ),
        loss="balanced_cross_entropy",
    ),
)

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
    ),
    Claim(
        "listing, comment",
        "pt is p for true, 1 - p for false",
        "p, 1 - p",
        lambda read: agree(
            lambda p, y: p if y else 1 - p, implied_p_t, [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)]
        ),
        note="the text above the listing prints p - 1",
    ),
    Claim(
        "listing",
        "the modulating factor |true - p|^gamma is (1 - p_t)^gamma for hard labels",
        "abs(true - p)",
        lambda read: agree(
            lambda p, y: abs(y - p),
            lambda p, y: 1 - implied_p_t(p, y),
            [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)],
        ),
    ),
    Claim(
        "listing, comment",
        "the balancing factor is alpha_t",
        "true α + (1 - true)(1 - α)",
        lambda read: agree(
            lambda a, y: y * a + (1 - y) * (1 - a),
            implied_alpha_t,
            [(a, y) for a in (0.1, 0.25, 0.5, 0.8) for y in (0.0, 1.0)],
        ),
    ),
    Claim(
        "listing, comment",
        "the minus is in the cross entropy already: its least value",
        "0",
        lambda read: min(own.value("cross_entropy", p, y) for p in BETWEEN for y in (0.0, 1.0)),
        relation=">=",
    ),
    Claim(
        "listing, comment",
        "the reduction copied from the cross entropy can be any of its words",
        "mean, sum, etc.",
        lambda read: reductions_on_offer(),
    ),
    listing_claim("mean", "loss.mean()"),
    listing_claim("sum", "loss.sum()"),
    listing_claim("none", "loss"),
)

SOURCES = (Source(NAME, "articles", (*INTRODUCTION, *CROSS_ENTROPY, *BALANCED, *FOCAL, *LISTING)),)
