"""Focal Loss for Dense Object Detection, arXiv:1708.02002: formulas, figure 1, statements, the appendices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from focalbench_suite.suites.claims import own
from focalbench_suite.suites.claims.checks import PROBABILITIES, agree, falling
from focalbench_suite.suites.claims.claim import Claim, Shown, Source
from focalbench_suite.suites.claims.reading import Interpretation

NAME = "Focal Loss, arXiv:1708.02002"
BOTH_LABELS = [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)]
EASY = [0.5 + 0.01 * i for i in range(1, 50)]
HARD = [0.01 * i for i in range(1, 51)]


def p_t(p: float, y: float) -> float:
    """Equation 2."""
    return p if y == 1 else 1 - p


def scaled_down(p: float, gamma: float = 2.0) -> float:
    """How many times smaller than the cross entropy our focal loss is."""
    return own.value("cross_entropy", p) / own.value("focal", p, gamma=gamma, alpha=None)


def where_scaled_down(times: float, gamma: float = 2.0) -> float:
    """The p_t at which our focal loss is this many times smaller than the cross entropy, by bisection."""
    low, high = 0.0001, 0.9999
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if scaled_down(middle, gamma) < times else (low, middle)
    return low


def background_over_foreground(loss: str, **parameters: Any) -> float:
    """The summed loss of 100,000 easy negatives (p_t 0.9) over that of 100 hard positives (p_t 0.1)."""
    return 1000 * own.value(loss, 0.1, 0.0, **parameters) / own.value(loss, 0.1, 1.0, **parameters)


def low_loss_range() -> Shown:
    """From which p_t on the loss is below a tenth of what cross entropy has at p_t 0.5."""
    low = 0.1 * own.value("cross_entropy", 0.5)
    starts = [
        next(p for p in EASY if own.value("focal", p, gamma=gamma, alpha=None) < low) for gamma in (0, 0.5, 1, 2, 5)
    ]
    told = ", ".join(f"{start:.2f}" for start in starts)
    return Shown(falling(starts).holds, f"below {low:.4f} from p_t {told} for gamma 0, 0.5, 1, 2, 5")


def stability(place: str) -> Claim:
    """What the prior does to a training takes trainings."""
    return Claim(
        place,
        "the prior makes training more stable, with cross entropy and with focal loss",
        "more stable",
        loss="cross_entropy",
        command="uv run run_all.py --suite coco-map --coco COCO --schedule 1x --variant retinanet/cross_entropy "
        "--variant retinanet/cross_entropy_no_prior --variant retinanet/own --variant retinanet/own_no_prior",
    )


def overwhelms() -> Shown:
    entropy, focal = (
        background_over_foreground("cross_entropy"),
        background_over_foreground("focal", gamma=2, alpha=None),
    )
    figures = f"100,000 negatives at p_t 0.9 to 100 positives at 0.1: {entropy:.3g} times with CE, {focal:.3g} with FL"
    return Shown(entropy > 1 > focal, figures)


def prior(pi: float = 0.01) -> float:
    from focalbench_suite.adapters.own import prior_bias

    return prior_bias(pi)


def start(bias: float) -> float:
    """Our cross entropy of a negative whose logit is the bias."""
    return own.value("cross_entropy", 1 / (1 + math.exp(-bias)), 0.0)


def derivative(formula: Callable[[float, float], float], loss: str, **parameters: Any) -> Shown:
    """Appendix B: `formula(y, p_t)` with y = ±1 against our gradient to the logit."""

    def ours(x: float, y: float) -> float:
        return own.gradient(loss, x, (y + 1) / 2, **parameters)

    def printed(x: float, y: float) -> float:
        return formula(y, 1 / (1 + math.exp(-y * x)))

    return agree(printed, ours, [(x, y) for x in (-6.0, -2.0, -0.5, 0.0, 0.5, 2.0, 6.0) for y in (-1.0, 1.0)])


def star(x_t: float, gamma: float, beta: float) -> float:
    """FL* of appendix A: -log(p_t*) / gamma, p_t* = σ(gamma x_t + beta)."""
    return math.log1p(math.exp(-(gamma * x_t + beta))) / gamma


def star_derivative(gamma: float, beta: float) -> Shown:
    def printed(x: float) -> float:
        return 1 / (1 + math.exp(-(gamma * x + beta))) - 1

    def ours(x: float) -> float:
        import mpmath

        return float(mpmath.diff(lambda z: mpmath.log1p(mpmath.exp(-(gamma * z + beta))) / gamma, x))

    return agree(printed, ours, [-3.0, -1.0, 0.0, 1.0, 3.0])


def shipped_star() -> Shown:
    """fvcore's FL*, of which the paper's beta is no argument."""
    import torch
    from fvcore.nn import sigmoid_focal_loss_star

    def theirs(x: float) -> float:
        return sigmoid_focal_loss_star(torch.tensor([x]), torch.tensor([1.0]), gamma=4).item()

    points = (-3.0, -1.0, 0.0, 1.0, 3.0)
    far = max(abs(theirs(x) / star(x, 4, 0) - 1) for x in points)
    return Shown(far < 1e-6, f"within {far:.1g} at {len(points)} points, in float32")


def anchors(height: int, width: int, per_location: int = 9) -> int:
    """Anchors of P3 … P7 (strides 8 … 128) on one image."""
    return sum(per_location * math.ceil(height / s) * math.ceil(width / s) for s in (8, 16, 32, 64, 128))


def normalised(read: Interpretation) -> Shown:
    """Our focal loss of 1000 anchors with avg_factor = 7 against its sum over 7."""
    import torch

    from focalbench_suite.adapters.own import focal_loss

    logits = torch.linspace(-6, 6, 8000, dtype=torch.float64).reshape(1000, 8)
    targets = torch.zeros_like(logits)
    targets[:7, 0] = 1
    total = focal_loss(logits, targets, reduction="sum").item()
    ours = focal_loss(logits, targets, avg_factor=7).item()
    return Shown(abs(ours - total / 7) <= 1e-12 * ours, f"avg_factor=7: {ours:.6g}, sum / 7: {total / 7:.6g}")


def curve(gamma: float) -> Claim:
    return Claim(
        "figure 1",
        f"the curve for gamma {gamma:g}: loss over p_t",
        f"-(1 - p_t)^{gamma:g} log p_t",
        lambda read: agree(
            lambda p: -((1 - p) ** gamma) * math.log(p),
            lambda p: own.value("focal", p, gamma=gamma, alpha=None),
            [0.01 * i for i in range(1, 100)],
        ),
    )


FORMULAS = (
    Claim(
        "eq. 1",
        "the cross entropy of p and y",
        "-log p if y = 1, -log(1 - p) otherwise",
        lambda read: agree(
            lambda p, y: -math.log(p) if y == 1 else -math.log(1 - p),
            lambda p, y: own.value("cross_entropy", p, y),
            BOTH_LABELS,
        ),
        loss="cross_entropy",
    ),
    Claim(
        "eq. 2",
        "with p_t the cross entropy is one formula for both labels",
        "-log p_t; p_t = p if y = 1, 1 - p otherwise",
        lambda read: agree(
            lambda p, y: -math.log(p_t(p, y)), lambda p, y: own.value("cross_entropy", p, y), BOTH_LABELS
        ),
        loss="cross_entropy",
    ),
    Claim(
        "eq. 3",
        "the alpha-balanced cross entropy, alpha 0.25",
        "-alpha_t log p_t; alpha_t = alpha if y = 1, 1 - alpha otherwise",
        lambda read: agree(
            lambda p, y: -p_t(0.25, y) * math.log(p_t(p, y)),
            lambda p, y: own.value("balanced_cross_entropy", p, y, alpha=0.25),
            BOTH_LABELS,
        ),
        loss="balanced_cross_entropy",
    ),
    Claim(
        "eq. 4",
        "the focal loss, gamma 2",
        "-(1 - p_t)^gamma log p_t",
        lambda read: agree(
            lambda p, y: -((1 - p_t(p, y)) ** 2) * math.log(p_t(p, y)),
            lambda p, y: own.value("focal", p, y, gamma=2, alpha=None),
            BOTH_LABELS,
        ),
    ),
    Claim(
        "eq. 5",
        "the alpha-balanced focal loss, gamma 2, alpha 0.25",
        "-alpha_t (1 - p_t)^gamma log p_t",
        lambda read: agree(
            lambda p, y: -p_t(0.25, y) * (1 - p_t(p, y)) ** 2 * math.log(p_t(p, y)),
            lambda p, y: own.value("focal", p, y, gamma=2, alpha=0.25),
            BOTH_LABELS,
        ),
    ),
)

STATEMENTS = (
    Claim(
        "section 3",
        "cross entropy of well classified examples (p_t 0.6 and more) is not trivial next to that of p_t 0.5",
        "a loss with non-trivial magnitude",
        lambda read: Shown(
            own.value("cross_entropy", 0.6) > 0.1 * own.value("cross_entropy", 0.5),
            f"{own.value('cross_entropy', 0.6):.3f} at p_t 0.6, {own.value('cross_entropy', 0.9):.3f} at 0.9",
        ),
        loss="cross_entropy",
    ),
    Claim(
        "section 3",
        "summed over many easy examples, small losses overwhelm the rare class; the focal loss prevents it",
        "overwhelm",
        lambda read: overwhelms(),
    ),
    Claim(
        "section 3.2",
        "gamma = 0 is the cross entropy",
        "FL = CE at gamma = 0",
        lambda read: agree(
            lambda p, y: own.value("cross_entropy", p, y),
            lambda p, y: own.value("focal", p, y, gamma=0, alpha=None),
            BOTH_LABELS,
        ),
    ),
    Claim(
        "section 3.2",
        "the modulating factor of a misclassified example (p_t towards 0) is near 1",
        "1",
        lambda read: 1 / scaled_down(1e-6),
        tolerance=1e-5,
        note="at p_t = 1e-6, gamma 2",
    ),
    Claim(
        "section 3.2",
        "the modulating factor goes to 0 as p_t goes to 1",
        "0",
        lambda read: 1 / scaled_down(1 - 1e-6),
        tolerance=1e-5,
        note="at p_t = 1 - 1e-6, gamma 2",
    ),
    Claim(
        "section 3.2",
        "gamma 2: loss at p_t = 0.9 against cross entropy",
        "100 times lower",
        lambda read: scaled_down(0.9),
    ),
    Claim(
        "section 3.2",
        "gamma 2: the p_t at which the loss is 1000 times lower than cross entropy",
        "0.968",
        lambda read: where_scaled_down(1000),
    ),
    Claim(
        "section 3.2",
        "gamma 2: times lower than cross entropy at p_t = 0.968, taken as exact",
        "1000 times lower",
        lambda read: scaled_down(0.968),
        tolerance=50,
        note="the paper says approximately; 0.968 is rounded, 1000 lies within its last digit",
    ),
    Claim(
        "section 3.2",
        "gamma 2: a misclassified example (p_t up to 0.5) is scaled down by at most",
        "4 times",
        lambda read: max(scaled_down(p) for p in HARD),
        relation="<=",
    ),
    Claim(
        "section 3.2",
        "gamma 2: the bound for p_t up to 0.5 is reached",
        "4 times",
        lambda read: scaled_down(0.5),
        tolerance=1e-9,
    ),
    Claim(
        "section 3.2",
        "the modulating factor extends the range in which an example receives low loss",
        "extends",
        lambda read: low_loss_range(),
    ),
    Claim(
        "section 3.2",
        "misclassified examples gain in importance: loss of p_t 0.1 over p_t 0.9, FL against CE",
        "increases",
        lambda read: Shown(
            scaled_down(0.9) > scaled_down(0.1),
            f"{own.value('cross_entropy', 0.1) / own.value('cross_entropy', 0.9):.3g} times with CE, "
            f"{scaled_down(0.9) / scaled_down(0.1):.3g} times that with FL",
        ),
    ),
    Claim(
        "figure 1",
        "gamma > 0 reduces the relative loss of well classified examples (p_t > 0.5), the more so the larger gamma",
        "reduces",
        lambda read: falling(
            [
                own.value("focal", 0.75, gamma=g, alpha=None) / own.value("focal", 0.25, gamma=g, alpha=None)
                for g in (0, 0.5, 1, 2, 5)
            ]
        ),
    ),
    Claim(
        "section 3.3",
        "a model without a prior starts with equal probability for both classes",
        "0.5",
        lambda read: math.exp(-start(0.0)),
        loss="cross_entropy",
    ),
    stability("section 3.3"),
    Claim(
        "section 4.1",
        "the prior bias that starts every anchor at probability pi",
        "-log((1 - pi) / pi)",
        lambda read: agree(lambda pi: -math.log((1 - pi) / pi), prior, (0.001, 0.01, 0.1, 0.5)),
        loss="cross_entropy",
    ),
    Claim(
        "section 4.1",
        "with b every anchor starts as foreground with confidence pi",
        "0.01",
        lambda read: 1 / (1 + math.exp(-prior())),
        tolerance=1e-12,
        loss="cross_entropy",
    ),
    Claim(
        "section 4.1",
        "the prior keeps the many background anchors from a large loss in the first iteration",
        "prevents a large loss",
        lambda read: Shown(
            start(prior()) < start(0.0) / 10,
            f"{start(0.0):.5f} a negative with b = 0, {start(prior()):.5f} with pi = 0.01: "
            f"{start(0.0) / start(prior()):.1f} times less",
        ),
        loss="cross_entropy",
    ),
    Claim(
        "section 4.1",
        "the focal loss is normalised by the anchors assigned to a ground-truth box, not by all anchors",
        "sum / number of positives",
        normalised,
    ),
    Claim(
        "section 4.1",
        "anchors in an image of 600 × 800 pixels, 9 a location, levels P3 to P7",
        "100,000",
        lambda read: float(anchors(600, 800)),
        expected=100_000,
        tolerance=50_000,
        basis="arithmetic",
        note="the paper prints ~100k, one digit; the side that is not 600 differs from image to image",
    ),
    Claim(
        "section 4",
        "the largest anchor, 512 px at the scale 2^(2/3)",
        "813",
        lambda read: 512 * 2 ** (2 / 3),
        basis="arithmetic",
    ),
)

APPENDIX = (
    Claim(
        "appendix A",
        "FL* down-weights well classified examples (x_t > 0) as FL does, gamma 2 and beta 1, gamma 4 and beta 0",
        "assigns less loss than CE",
        lambda read: Shown(
            all(star(x, *form) < math.log1p(math.exp(-x)) for x in (0.5, 1.0, 2.0, 4.0) for form in ((2, 1), (4, 0))),
            f"at x_t = 2: CE {math.log1p(math.exp(-2.0)):.4f}, FL* {star(2, 2, 1):.4f} and {star(2, 4, 0):.4f}",
        ),
        basis="arithmetic",
    ),
    Claim(
        "appendix B",
        "derivative of the cross entropy to x",
        "y (p_t - 1)",
        lambda read: derivative(lambda y, p: y * (p - 1), "cross_entropy"),
        loss="cross_entropy",
    ),
    Claim(
        "appendix B",
        "derivative of the focal loss to x, gamma 2",
        "y (1 - p_t)^gamma (gamma p_t log p_t + p_t - 1)",
        lambda read: derivative(
            lambda y, p: y * (1 - p) ** 2 * (2 * p * math.log(p) + p - 1), "focal", gamma=2, alpha=None
        ),
    ),
    Claim(
        "appendix B",
        "derivative of FL* to x, gamma 2 and beta 1",
        "y (p_t* - 1)",
        lambda read: star_derivative(2, 1),
        basis="arithmetic",
        note="differentiated numerically; no library ships FL* with a beta",
    ),
)

SHIPPED = (
    Claim(
        "appendix A",
        "FL*, gamma 4 and beta 0, as fvcore ships it",
        "-log(p_t*) / gamma, p_t* = sigmoid(gamma x_t + beta)",
        lambda read: shipped_star(),
    ),
)

SOURCES = (
    Source(NAME, "own", (*FORMULAS, *(curve(gamma) for gamma in (0, 0.5, 1, 2, 5)), *STATEMENTS, *APPENDIX)),
    Source(NAME, "fvcore", SHIPPED),
)
