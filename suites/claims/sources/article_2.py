"""The second article, on FL, QFL, DFL and how YOLOv8 uses them: its statements and the behaviour of its listings.

The article's formulas are images and lost in its text; where a claim rests on one, the note says so and what the
paper prints stands in its place.
"""

from __future__ import annotations

import math
from itertools import pairwise

from results import papers
from suites.claims import installed, own
from suites.claims.checks import PROBABILITIES, agree, falling
from suites.claims.claim import Claim, Shown, Source
from suites.claims.listings import batch, four_sides, listing
from suites.claims.sources import focal_loss as fl
from suites.claims.sources import generalized_focal_loss as gfl

NAME = "article 2"
LOST = "the formula is lost in the text; what the paper prints"
LABELS = [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)]
TASKS = ("nn/tasks.py", "DetectionModel.init_criterion")


def focal_listing(rows: int, classes: int = 4, gamma: float = 1.5, alpha: float = 0.25) -> float:
    logits, targets = batch(rows, classes)
    return listing("focal", "second").call(logits, targets, gamma=gamma, alpha=alpha).item()


def our_focal(rows: int, classes: int, reduction: str, gamma: float = 1.5, alpha: float | None = 0.25) -> float:
    from adapters.own import focal_loss

    logits, targets = batch(rows, classes)
    return focal_loss(logits, targets, gamma=gamma, alpha=alpha, reduction=reduction).item()


def equal(label: str, theirs: float, ours: float) -> Shown:
    return Shown(abs(theirs - ours) <= 1e-12 * abs(ours), f"{label}: listing {theirs:.6g}, ours {ours:.6g}")


def naive_and_combined() -> Shown:
    """Cross entropy of a float32 logit of -120 for a positive: sigmoid then logarithm, and both in one."""
    import torch

    from adapters.own import cross_entropy_loss

    x, one = torch.tensor([[-120.0]]), torch.tensor([[1.0]])
    naive, combined = -x.sigmoid().log().item(), cross_entropy_loss(x, one, reduction="sum").item()
    return Shown(math.isinf(naive) and combined == 120.0, f"apart: {naive:g}; combined: {combined:g}; exact: 120")


def classes_are_binary() -> Shown:
    """QFL of three classes against the sum of three binary losses."""
    import torch

    from adapters.own import quality_focal_loss

    logits, qualities = [-1.0, 0.5, 2.0], [0.0, 0.8, 0.0]
    whole = quality_focal_loss(torch.tensor([logits]), torch.tensor([qualities]), reduction="sum").item()
    parts = sum(
        own.value("quality_focal", 1 / (1 + math.exp(-x)), y, beta=2) for x, y in zip(logits, qualities, strict=True)
    )
    return Shown(abs(whole - parts) < 1e-6, f"together {whole:.6f}, one by one {parts:.6f}")


def spacing() -> Shown:
    """The distance between neighbouring bins as our integral decodes them."""
    ends = [own.expectation([1.0 if i == bin_ else 1e-300 for i in range(17)]) for bin_ in range(17)]
    steps = {round(later - earlier, 12) for earlier, later in pairwise(ends)}
    return Shown(all(step % 2 == 0 for step in steps), f"every step is {', '.join(f'{step:g}' for step in steps)}")


def evenly_spaced() -> Shown:
    steps = spacing().figures
    return Shown("," not in steps, steps)


def softmax_sum() -> float:
    import torch

    return torch.linspace(-3, 3, 17, dtype=torch.float64).softmax(0).sum().item()


def raised_bins() -> Shown:
    """Which bins a step along DFL's negative gradient raises, from a uniform distribution and the label 2.3."""
    slopes = own.gradient_of_distribution("distribution_focal", [1 / 8] * 8, 2.3)
    raised = [i for i, slope in enumerate(slopes) if slope < 0]
    return Shown(raised == [2, 3], f"label 2.3: bins {raised} rise, the others fall")


def weights_identity() -> float:
    """The largest distance between 1 - (tr - target) and target - tl, in float32 as in training."""
    import torch

    target = torch.linspace(0, 15.99, 2001)
    left = target.long()
    return ((1 - (left + 1 - target)) - (target - left)).abs().max().item()


def df_listing(boxes: int = 5):
    logits, sides = four_sides(boxes)
    return listing("distribution_focal", "second").reduced(logits, sides), logits, sides


def df_by_side() -> Shown:
    """The listing of one side a row against our DFL, row by row."""
    from adapters.own import distribution_focal_loss

    logits, sides = four_sides()
    theirs = listing("distribution_focal", "second").elementwise(logits, sides.view(-1))
    ours = distribution_focal_loss(logits, sides.view(-1), reduction="none")
    return Shown(bool(((theirs - ours).abs() <= 1e-12).all()), f"{len(theirs)} sides, sum {theirs.sum():.6f}")


def sides_added() -> Shown:
    """Whether the listing returns the sum of the left and right losses of a box's four sides."""
    from adapters.own import distribution_focal_loss

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
    """torch's cross entropy of a distribution and an integer bin against -log of the softmax at that bin."""
    import torch
    from torch.nn.functional import cross_entropy

    logits = torch.tensor([gfl.BOX], dtype=torch.float64).log()
    return agree(
        lambda i: -math.log(gfl.BOX[i]), lambda i: cross_entropy(logits, torch.tensor([i])).item(), range(len(gfl.BOX))
    )


def names_in(file: str, name: str, *words: str) -> Shown:
    """Whether the installed Ultralytics still has these words in a function's source."""
    source = installed.source_of("ultralytics", file, name)
    missing = [word for word in words if word not in source]
    return Shown(not missing, f"no {', '.join(missing)} in it now" if missing else f"{', '.join(words)}: still so")


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
)

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
        lambda read: softmax_sum(),
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
        "wr = 1 - wl = target - tl: the largest difference in float32, over 2001 labels",
        "0",
        lambda read: weights_identity(),
        tolerance=2**-20,
        loss="distribution_focal",
        note="both sides round differently: up to one unit in the last place of the label",
    ),
    Claim(
        "DFL listing",
        "target right is target left plus the width of a bin",
        "1",
        lambda read: own.expectation([1e-300, 1e-300, 1.0, 1e-300]) - own.expectation([1e-300, 1.0, 1e-300, 1e-300]),
        tolerance=1e-12,
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
    ),
)

YOLO = (
    Claim(
        "YOLOv8 listings",
        "forward returns the loss of a dict and predicts otherwise",
        "isinstance(x, dict)",
        lambda read: names_in("nn/tasks.py", "BaseModel.forward", "isinstance(x, dict)", "self.loss", "self.predict"),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "the criterion is E2EDetectLoss for an end-to-end head",
        "E2EDetectLoss",
        lambda read: names_in(*TASKS, "E2EDetectLoss"),
        loss="v8_detection",
        conditions={"E2ELoss is read for E2EDetectLoss": lambda read: names_in(*TASKS, "E2ELoss")},
    ),
    Claim(
        "YOLOv8 listings",
        "the criterion is v8DetectionLoss otherwise",
        "v8DetectionLoss",
        lambda read: names_in(*TASKS, "v8DetectionLoss"),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "v8DetectionLoss splits the outputs into 4 × reg_max and the classes in its __call__",
        "split((reg_max * 4, nc), 1)",
        lambda read: names_in("utils/loss.py", "v8DetectionLoss", "split", "self.reg_max * 4"),
        loss="v8_detection",
        note="the head now hands both over apart",
    ),
    Claim(
        "YOLOv8 listings",
        "the loss has three terms: box, cls, dfl",
        "3",
        lambda read: float(len(listing_terms())),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "the sum is multiplied by the batch size",
        "batch size",
        lambda read: names_in("utils/loss.py", "v8DetectionLoss.loss", "* batch_size"),
        loss="v8_detection",
    ),
)


def listing_terms() -> list[str]:
    """The terms that the installed v8DetectionLoss returns, by our adapter's call of it."""
    import torch

    import adapters

    torch.manual_seed(0)
    feats = [torch.randn(1, 64 + 2, side, side) for side in (8, 4, 2)]
    loss = next(loss for loss in adapters.discover()["ultralytics"].losses if loss.name == "v8_detection")
    boxes, labels = [torch.tensor([[8.0, 8.0, 40.0, 48.0]])], [torch.tensor([1])]
    return list(loss.call(feats, boxes, labels, strides=(8, 16, 32), num_classes=2))


SOURCES = (Source(NAME, "articles", (*FOCAL, *FOCAL_LISTING, *QFL, *DFL, *DFL_LISTING, *YOLO)),)
