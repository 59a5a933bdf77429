"""The second article, its part on QFL and DFL."""

from __future__ import annotations

import math
from itertools import pairwise

from focalbench_suite.results import papers
from focalbench_suite.suites.claims import own
from focalbench_suite.suites.claims.checks import PROBABILITIES, agree, falling
from focalbench_suite.suites.claims.claim import Claim, Shown, Source
from focalbench_suite.suites.claims.sources import generalized_focal_loss as gfl
from focalbench_suite.suites.claims.sources.article_2 import LOST, NAME


def classes_are_binary() -> Shown:
    """QFL of three classes against the sum of three binary losses."""
    import torch

    from focalbench_suite.adapters.own import quality_focal_loss

    logits, qualities = [-1.0, 0.5, 2.0], [0.0, 0.8, 0.0]
    whole = quality_focal_loss(torch.tensor([logits]), torch.tensor([qualities]), reduction="sum").item()
    parts = sum(
        own.value("quality_focal", 1 / (1 + math.exp(-x)), y, beta=2) for x, y in zip(logits, qualities, strict=True)
    )
    return Shown(abs(whole - parts) < 1e-6, f"together {whole:.6f}, one by one {parts:.6f}")


def qualities() -> Shown:
    """The least and the largest IoU of our boxes, from apart to the same."""
    import torch

    from focalbench_suite.adapters.own.boxes import iou

    box = torch.tensor([[0.0, 0.0, 8.0, 8.0]], dtype=torch.float64)
    found = [iou(box, box + shift).item() for shift in (0.0, 2.0, 4.0, 8.0, 20.0)]
    return Shown(min(found) == 0.0 and max(found) == 1.0, ", ".join(f"{quality:.3g}" for quality in found))


def spacing() -> Shown:
    """The distance between neighbouring bins as our integral decodes them."""
    ends = [own.expectation([1.0 if i == bin_ else 1e-300 for i in range(17)]) for bin_ in range(17)]
    steps = {round(later - earlier, 12) for earlier, later in pairwise(ends)}
    return Shown(all(step % 2 == 0 for step in steps), f"every step is {', '.join(f'{step:g}' for step in steps)}")


def evenly_spaced() -> Shown:
    steps = spacing().figures
    return Shown("," not in steps, steps)


def sum_of_bins() -> float:
    """The probabilities of all bins that our DFL implies, exp(-DFL) of a label on each, together."""
    losses = [own.of_distribution("distribution_focal", gfl.BOX, float(i)) for i in range(len(gfl.BOX))]
    return sum(math.exp(-loss) for loss in losses)


def raised_bins() -> Shown:
    """Which bins a step along DFL's negative gradient raises, from a uniform distribution and the label 2.3."""
    slopes = own.gradient_of_distribution("distribution_focal", [1 / 8] * 8, 2.3)
    raised = [i for i, slope in enumerate(slopes) if slope < 0]
    return Shown(raised == [2, 3], f"label 2.3: bins {raised} rise, the others fall")


QFL = (
    Claim(
        "GFL, review of FL",
        "the focal loss is a cross entropy part times a dynamic scaling factor",
        "(1 - p_t)^gamma × -log p_t",
        lambda read: agree(
            lambda p: (1 - p) ** 2 * own.value("cross_entropy", p),
            lambda p: own.value("focal", p, gamma=2, alpha=None),
            PROBABILITIES,
        ),
        note=LOST,
    ),
    Claim(
        "GFL, review of FL",
        "the scaling factor down-weights easy examples by itself: its value falls with p_t, gamma 2",
        "down-weights",
        lambda read: falling([own.value("focal", p, gamma=2, alpha=None) / gfl.entropy(p, 1.0) for p in gfl.GRID]),
    ),
    Claim(
        "QFL",
        "the quality of a positive is the IoU of its box, between 0 and 1",
        "0 to 1",
        lambda read: qualities(),
        loss="quality_focal",
        note=LOST,
    ),
    Claim(
        "QFL",
        "both parts together: the Quality Focal Loss, beta 2",
        "-|y - s|^beta ((1 - y) log(1 - s) + y log s)",
        lambda read: agree(
            lambda p, y: abs(y - p) ** 2 * gfl.entropy(p, y),
            lambda p, y: own.value("quality_focal", p, y, beta=2),
            [(p, y) for p in PROBABILITIES for y in gfl.QUALITIES],
        ),
        loss="quality_focal",
        note=LOST,
    ),
    Claim(
        "QFL",
        "beta smoothly sets the rate of down-weighting: factor at estimate 0.6 of quality 0.5 over beta",
        "smoothly",
        lambda read: falling(
            [own.value("quality_focal", 0.6, 0.5, beta=0.25 * step) / gfl.entropy(0.6, 0.5) for step in range(17)]
        ),
        loss="quality_focal",
    ),
    Claim(
        "QFL",
        "negatives have quality 0: QFL is then the focal loss of a negative",
        "y = 0",
        lambda read: agree(
            lambda p: own.value("focal", p, 0.0, gamma=2, alpha=None),
            lambda p: own.value("quality_focal", p, 0.0, beta=2),
            PROBABILITIES,
        ),
        loss="quality_focal",
    ),
    Claim(
        "QFL",
        "several classes are as many binary losses over sigmoids",
        "multiple binary",
        lambda read: classes_are_binary(),
        loss="quality_focal",
    ),
    Claim(
        "QFL",
        "the cross entropy part in its complete form, for a label between 0 and 1",
        "-((1 - y) log(1 - s) + y log s)",
        lambda read: agree(
            gfl.entropy,
            lambda p, y: own.value("quality_focal", p, y, beta=0),
            [(p, y) for p in PROBABILITIES for y in gfl.QUALITIES],
        ),
        loss="quality_focal",
        note=LOST,
    ),
    Claim(
        "QFL",
        "the scaling factor is the absolute distance to the label, to the power beta",
        "|y - s|^beta",
        lambda read: agree(
            lambda p, y: abs(y - p) ** 2,
            lambda p, y: own.value("quality_focal", p, y, beta=2) / gfl.entropy(p, y),
            [(p, y) for p in PROBABILITIES for y in gfl.QUALITIES],
        ),
        loss="quality_focal",
        note=LOST,
    ),
    Claim(
        "QFL",
        "the absolute value keeps the loss from being negative",
        "0",
        lambda read: min(own.value("quality_focal", p, y, beta=1) for p in gfl.GRID for y in gfl.QUALITIES),
        relation=">=",
        loss="quality_focal",
    ),
    Claim(
        "QFL",
        "the global minimum of QFL is where the estimate is the label",
        "s = y",
        lambda read: gfl.qfl_minimum(2),
        loss="quality_focal",
        note=LOST,
    ),
    Claim(
        "QFL",
        "as the estimate becomes accurate the factor goes to 0 and the loss is down-weighted",
        "0",
        lambda read: own.value("quality_focal", 0.5001, 0.5, beta=2) / gfl.entropy(0.5001, 0.5),
        tolerance=1e-6,
        loss="quality_focal",
        note=LOST,
    ),
    Claim(
        "QFL",
        "beta that did best in the paper's experiments",
        "2",
        lambda read: float(max(papers.printed_tables()["gfl-1c"].rows, key=lambda row: row["AP"])["beta"]),
        basis="printed",
        loss="quality_focal",
        note="of the five printed in table 1c; the article's value is lost in the text",
    ),
)


DFL = (
    Claim(
        "DFL",
        "a Dirac delta decodes to its own place, by the integral",
        "y",
        lambda read: max(abs(own.expectation([1.0 if i == y else 1e-300 for i in range(8)]) - y) for y in range(8)),
        expected=0.0,
        tolerance=1e-12,
        loss="distribution_focal",
        note=LOST,
    ),
    Claim(
        "DFL",
        "the range is cut into an even-numbered interval",
        "even number (of 1)",
        lambda read: spacing(),
        loss="distribution_focal",
        conditions={"even is read as equally spaced": lambda read: evenly_spaced()},
    ),
    Claim(
        "DFL",
        "the probabilities of the bins sum to",
        "1",
        lambda read: sum_of_bins(),
        tolerance=1e-12,
        loss="distribution_focal",
        note=LOST,
    ),
    Claim(
        "DFL",
        "a softmax of n + 1 units spans the range from y_0 to y_n: the last of 17 bins, n = 16, decodes to",
        "16",
        lambda read: own.expectation([*[1e-300] * 16, 1.0]),
        tolerance=1e-12,
        loss="distribution_focal",
        note=LOST,
    ),
    Claim(
        "DFL",
        "the estimate is the sum of the bins weighted with their probabilities",
        "sum of P(y_i) y_i",
        lambda read: agree(
            lambda shift: sum(i * p for i, p in enumerate(gfl.BOX[shift:] + gfl.BOX[:shift])),
            lambda shift: own.expectation(gfl.BOX[shift:] + gfl.BOX[:shift]),
            range(8),
        ),
        loss="distribution_focal",
        note=LOST,
    ),
    Claim(
        "DFL",
        "infinitely many distributions have the same integral; a compact one is more precise",
        "infinite",
        lambda read: gfl.same_integral(),
        loss="distribution_focal",
    ),
    Claim(
        "DFL",
        "DFL is the complete cross entropy of the two bins nearest to the label",
        "-((y_r - y) log S_l + (y - y_l) log S_r)",
        lambda read: agree(
            lambda y: gfl.printed_dfl(gfl.BOX, y),
            lambda y: own.of_distribution("distribution_focal", gfl.BOX, y),
            gfl.SIDES,
        ),
        loss="distribution_focal",
        note=LOST,
    ),
    Claim(
        "DFL",
        "it raises the probabilities of the two bins around the label",
        "y_i and y_i+1",
        lambda read: raised_bins(),
        loss="distribution_focal",
    ),
    Claim(
        "DFL",
        "the global minimum of DFL",
        "S_l = y_r - y, S_r = y - y_l",
        lambda read: gfl.dfl_minimum(),
        loss="distribution_focal",
        note=LOST,
    ),
    Claim(
        "DFL",
        "the estimate at the minimum comes infinitely close to the label: largest distance over six labels",
        "0",
        lambda read: gfl.integral_of_optimum(),
        tolerance=1e-9,
        loss="distribution_focal",
    ),
)


SOURCES = (Source(NAME, "articles", (*QFL, *DFL)),)
