"""The first article, a blog post on the focal loss: its introduction and its parts on cross entropy."""

from __future__ import annotations

import math
import re

from focalbench_suite.results import papers
from focalbench_suite.suites.claims import installed, own
from focalbench_suite.suites.claims.checks import PROBABILITIES, agree, falling
from focalbench_suite.suites.claims.claim import Claim, Shown, Source
from focalbench_suite.suites.claims.sources.focal_loss import anchors

NAME = "article 1"
BETWEEN = [0.01 * i for i in range(1, 100)]
LOST = "the formula is an image; what the paper prints"


def implied_p_t(p: float, y: float) -> float:
    """The p_t that our cross entropy implies."""
    return math.exp(-own.value("cross_entropy", p, y))


def probability_range() -> Shown:
    """The least and largest p that our cross entropy of a positive makes of logits from -500 to 500."""
    losses = own.of_logits("cross_entropy", [5.0 * i for i in range(-100, 101)], 1.0)
    low, high = math.exp(-max(losses)), math.exp(-min(losses))
    return Shown(0 <= low < 1e-200 and 0.999 < high <= 1, f"{low:.3g} to {high:g}")


def implied_alpha_t(alpha: float, y: float) -> float:
    """The weight that our balanced cross entropy puts on the cross entropy."""
    return own.value("balanced_cross_entropy", 0.3, y, alpha=alpha) / own.value("cross_entropy", 0.3, y)


CONFERENCE = (2017, 10)  # ICCV 2017, Venice, 22 to 29 October, where the paper was presented


def year_and_month() -> tuple[int, int]:
    """When the paper came out, from its arXiv identifier."""
    identifier = papers.printed_tables()["fl-1a"].url.rpartition("/")[2]  # its first four digits are year and month
    year, month = identifier[:2], identifier[2:4]
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


def users_of_focal_loss() -> Shown:
    """Whether the installed YOLO and SSD losses call a focal loss, by their source."""
    sources = {
        "Ultralytics v8DetectionLoss": installed.source_of("ultralytics", "utils/loss.py", "v8DetectionLoss"),
        "torchvision SSD": installed.source_of("torchvision", "models/detection/ssd.py", "SSD"),
    }
    using = [name for name, text in sources.items() if re.search("focal", text, re.IGNORECASE)]
    return Shown(len(using) == len(sources), f"{' and '.join(using) or 'none'} of {' and '.join(sources)}")


INTRODUCTION = (
    Claim("introduction", "the year of the paper", "2017", lambda read: float(year_and_month()[0]), basis="printed"),
    Claim(
        "introduction",
        "the paper came out late in 2017",
        "end of 2017",
        lambda read: Shown(year_and_month() >= (2017, 10), "{}-{:02d}".format(*year_and_month())),
        basis="printed",
        conditions={
            "its conference is meant": lambda read: Shown(CONFERENCE >= (2017, 10), "{}-{:02d}".format(*CONFERENCE))
        },
        note="the year and month of its arXiv identifier",
    ),
    Claim(
        "introduction",
        "one-stage detectors such as YOLO and SSD use the focal loss to this day",
        "YOLO, SSD",
        lambda read: users_of_focal_loss(),
        basis="read",
        note="of the installed libraries; RetinaNet and FCOS do",
    ),
    Claim(
        "reference",
        "the paper's number at arXiv",
        "1708.02002",
        lambda read: Shown((number := papers.printed_tables()["fl-1a"].url[-10:]) == "1708.02002", number),
        basis="printed",
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
    Claim(
        "part 1",
        "p is the output of a sigmoid, between 0 and 1",
        "0 to 1",
        lambda read: probability_range(),
        loss="cross_entropy",
    ),
    Claim(
        "part 1",
        "-log(1)",
        "0",
        lambda read: -read.log(1.0),
        tolerance=0.0,
        loss="cross_entropy",
        basis="arithmetic",
    ),
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
        "part 1, second formula",
        "with p_t the cross entropy is one formula for both labels",
        "-log p_t",
        lambda read: agree(
            lambda p, y: -math.log(p if y else 1 - p),
            lambda p, y: own.value("cross_entropy", p, y),
            [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)],
        ),
        loss="cross_entropy",
        note=LOST,
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
        basis="arithmetic",
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


SOURCES = (Source(NAME, "articles", (*INTRODUCTION, *CROSS_ENTROPY, *BALANCED)),)
