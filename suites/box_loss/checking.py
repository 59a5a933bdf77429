"""What does a function of two boxes compute? Its values and slopes against the losses that are known.

First what it is: the loss that was asked for, a multiple of it, another one, a power or the logarithm of the IoU, or
none of these. Then where it breaks: boxes that nearly coincide, that are fractions of an image, that touch or have no
area, in float64 and in float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy
import torch

from focalbench_suite import adapters
from focalbench_suite.suites.agreement import pairs
from focalbench_suite.suites.box_loss.calling import NEAR, BoundBoxes, bound
from focalbench_suite.suites.check.calling import Options
from focalbench_suite.suites.check.checking import Verdict
from focalbench_suite.suites.check.child import ask_apart
from focalbench_suite.suites.check.signature import CannotCall
from focalbench_suite.suites.explainer.examples import Finding
from focalbench_suite.suites.explainer.here import sentence
from focalbench_suite.suites.explainer.vocabulary.option import Change, change
from focalbench_suite.suites.overlap_families import fitted, guarded
from focalbench_suite.suites.overlap_mistakes import misread, mistakes, powers
from focalbench_suite.suites.overlaps import KINDS, PairLoss, of_loss, values_and_slopes

PATIENCE_S = 120.0  # some hundred calls on a pair each, and the import of a library
PLAIN = ("overlapping", "one inside the other", "apart")  # the probes that say which loss it is
LOST = 1e-3  # of a value or a gradient: what is off by more has lost digits that a training may miss
STEEP = (
    1e-4  # of the norm of slopes: an epsilon of 1e-4 beside a distance of some pixels, of which the value is a square
)
SMALL_BOXES = "fractions of an image"  # the probe that shows an epsilon
SMALL = 1e-2  # of squared pixels: what boxes of pixels do not feel, and boxes that are fractions of an image do
CORNERS = 4  # coordinates of a box
LEAST = 1e-3  # values below this are held against it, as losses are of the order of 1
Numbers = numpy.ndarray


@dataclass(frozen=True)
class Answers:
    """Boxes and targets (n, 4) of the plain probes, with the function's values (n,) and slopes (n, 4) there."""

    boxes: Numbers
    targets: Numbers
    values: Numbers
    slopes: Numbers


def check_box_loss(reference: str | None, function: Any, loss: str, options: Options = Options()) -> Verdict:  # noqa: B008, frozen
    """Is what `reference` names (or `function` is) the loss over pairs of boxes `loss`?

    It runs in a process of its own. Of the options it heeds what is given by name and the reduction that it must have;
    raises `CannotCall` with one line for others, and where it cannot be asked.
    """
    if options != Options(reduction=options.reduction, given=options.given):
        raise CannotCall(f"{loss} is a loss over pairs of boxes: of the options it heeds --set and --reduction alone")
    what = reference or "the function"
    return ask_apart(partial(_checked, reference, function, loss, options), what, PATIENCE_S)


def _checked(reference: str | None, function: Any, loss: str, options: Options) -> Verdict:
    """In the child: load, bind and ask; raises `CannotCall` with one line."""
    found = adapters.load_object(reference or "") if function is None else function
    warnings.simplefilter("ignore")  # what a file says when it is imported is shown, what its calls say is not
    name = adapters.name_of(reference) if reference else str(getattr(found, "__name__", "it"))
    call = bound(found, name, loss, options.given)
    code = _code(reference, loss, options)
    findings = list(_explained(call, loss, code)) or list(_fragile(call, loss, code))
    findings += _side_effects(call, code)
    reduction = _reduction(call)
    if options.reduction not in (None, reduction):
        told = change("reduction", "box_reduction", wanted=options.reduction, reduction=reduction)
        findings.append(Finding(told, "different"))
    severities = {finding.severity for finding in findings}
    verdict = next((one for one in ("different", "fragile") if one in severities), "same")
    return Verdict(loss, verdict, reduction, "", call.how, findings=findings)


def _code(reference: str | None, loss: str, options: Options) -> str:
    """Python that binds the function to the name ``call``."""
    if reference is None:
        return (
            "from focalbench_suite.suites.box_loss.calling import bound\n"
            f"call = bound(your_function, 'it', {loss!r}, {options.given!r})"
        )
    stated = f", {options.given!r}" if options.given else ""
    return f"from focalbench_suite.suites.box_loss import bind\ncall = bind({reference!r}, {loss!r}{stated})"


def _asked(call: BoundBoxes, boxes: Any, targets: Any, dtype: str = "float64") -> tuple[Numbers, Numbers]:
    """Values (n,) and slopes (n, 4) to the predicted boxes; 0 where there is no gradient."""
    kind = getattr(torch, dtype)
    predicted = torch.tensor(boxes, dtype=kind, requires_grad=True)
    each = call(predicted, torch.tensor(targets, dtype=kind))
    slopes = torch.zeros_like(predicted)
    if each.requires_grad:
        (slopes,) = torch.autograd.grad(each.sum(), predicted)
    return each.detach().double().numpy(), slopes.double().numpy()


def _explained(call: BoundBoxes, loss: str, code: str) -> Iterator[Finding]:
    """What makes it another function, the simplest account that fits all plain pairs; nothing where it is the loss."""
    probes = [probe for probe in pairs.PROBES if probe.name in PLAIN]
    boxes, targets = (numpy.concatenate([getattr(probe, part) for probe in probes]) for part in ("boxes", "targets"))
    try:
        asked = Answers(boxes, targets, *_asked(call, boxes, targets))
    except Exception as error:  # a user's function may raise anything, in its backward pass, too
        raise CannotCall(f"{call.name} raised {sentence(error).rstrip(': ')}") from None
    told = _account(asked, loss)
    if told is not None:
        wrong = abs(asked.values - values_and_slopes(loss, boxes, targets)[0])
        wrong = wrong + abs(asked.slopes - values_and_slopes(loss, boxes, targets)[1]).sum(1)
        worst = int(numpy.nan_to_num(wrong, nan=numpy.inf).argmax())
        of_slopes = told.kind == "gradient"
        severity = "fragile" if told.kind == "precision" else "different"
        pair = boxes[worst].tolist(), targets[worst].tolist()
        yield _finding(told, severity, code, loss, *pair, call, of_slopes)


@numpy.errstate(all="ignore")  # a loss that is held against the function may have no number for a pair
def _account(asked: Answers, loss: str) -> Change | None:
    """The change that explains values and slopes; None for the loss itself."""
    kinds = (loss, *(kind for kind in KINDS if kind != loss))
    for kind in kinds:
        scale = _scale(asked, KINDS[kind][1])
        if kind == loss and scale is not None:
            return _of_scale(scale, loss)
        if scale is not None:
            if (loss, kind) == ("ciou", "ciou_through") and not _factor(scale):
                return change("gradient", "box_trade_off")
            return change("overlap", "other_overlap", other=_name(kind), wanted=_name(loss), factor=_factor(scale))
    return (
        next(filter(None, (_of_constant(asked, kind, loss) for kind in kinds)), None)
        or next(filter(None, (_of_mistake(asked, kind, loss) for kind in kinds)), None)
        or _of_overlap(asked, loss)
        or next(filter(None, (_of_weights(asked, kind, loss) for kind in kinds)), None)
        or _of_corners(asked, loss)
        or _of_family(asked, loss)
        or _of_values(asked, loss)
    )


def _of_constant(asked: Answers, kind: str, loss: str) -> Change | None:
    """A known loss with a constant beside its divisors."""
    for one in guarded(kind):
        if (scale := _scale(asked, one.loss)) is not None:
            told = {"constant": one.constant, "where": one.where, "factor": _factor(scale)}
            if kind == loss and not _factor(scale):
                return change("precision" if one.constant <= SMALL else "overlap", "box_added", **told)
            return change("overlap", "box_constant", other=_name(kind), wanted=_name(loss), **told)
    return None


def _of_family(asked: Answers, loss: str) -> Change | None:
    """A loss with numbers of its own, found from the values and held against the slopes, too."""
    values, boxes, targets = (torch.from_numpy(part) for part in (asked.values, asked.boxes, asked.targets))
    for one in fitted(values, boxes, targets):
        if _scale(asked, one.loss) is not None:
            return change("overlap", "box_family", told=one.told, wanted=_name(loss))
    return None


def _name(kind: str) -> str:
    return KINDS[kind][0]


def _scale(asked: Answers, known: PairLoss) -> float | None:
    """What the values and slopes are of those of a known loss, where that is one number."""
    values, slopes = of_loss(known, asked.boxes, asked.targets)
    scale = float(values @ asked.values / (values @ values))
    return scale if _near(asked.values, scale * values) and _near(asked.slopes, scale * slopes, STEEP) else None


def _factor(scale: float) -> str:
    """A scale in words before a loss; nothing where it is 1."""
    return "" if abs(scale - 1) <= NEAR else f"{scale:.4g} times "


def _of_scale(scale: float, loss: str) -> Change | None:
    if not _factor(scale):
        return None
    if loss == "smooth_l1" and abs(scale - 1 / CORNERS) <= NEAR:
        return change("normaliser", "box_mean_of_four")
    return change("normaliser", "box_scaled", scale=scale)


def _of_mistake(asked: Answers, kind: str, loss: str) -> Change | None:
    """One thing wrong in a loss of a kind, or each of its parts to a power."""
    for code, wrong in (*mistakes(kind), *misread(kind)):
        if (scale := _scale(asked, wrong)) is not None:
            instead = "" if kind == loss else f" in place of that of {_name(loss)}"
            return change("overlap", f"box_{code}", other=_name(kind), instead=instead, factor=_factor(scale))
    for power, way, raised in powers(kind):
        if (scale := _scale(asked, raised)) is not None:
            told = {"told": way, "other": _name(kind), "wanted": _name(loss), "factor": _factor(scale)}
            return change("overlap", "box_parts_of_power", power=power, **told)
    return None


def _of_weights(asked: Answers, kind: str, loss: str) -> Change | None:
    """A known loss times a power of the IoU, through which a gradient may flow."""
    overlap: Numbers = 1 - values_and_slopes("iou", asked.boxes, asked.targets)[0]
    values, meet = values_and_slopes(kind, asked.boxes, asked.targets)[0], overlap > 0
    logs = numpy.log(asked.values[meet] / values[meet])
    if not numpy.isfinite(logs).all() or numpy.ptp(logs) <= NEAR:
        return None
    power = numpy.polyfit(numpy.log(overlap[meet]), logs, 1)[0]
    for held in (True, False):
        if (scale := _scale(asked, partial(_weighted, kind, float(power), held))) is not None:
            told = {"other": _name(kind), "wanted": _name(loss), "factor": _factor(scale)}
            flows = "" if held else ", through which a gradient flows"
            return change("overlap", "box_weighted", power=float(f"{power:.4g}"), held=flows, **told)
    return None


def _weighted(kind: str, power: float, held: bool, boxes: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    overlap = 1 - KINDS["iou"][1](boxes, targets)
    return KINDS[kind][1](boxes, targets) * (overlap.detach() if held else overlap).clamp(min=0) ** power


def _of_corners(asked: Answers, loss: str) -> Change | None:
    """Smooth L1 of the corners with another beta, or Huber's loss with a delta, summed over coordinates or averaged."""
    away, slopes = abs(asked.boxes - asked.targets), abs(asked.slopes)
    steepest = float(slopes.max())
    if not steepest:
        return None
    flat = slopes < (1 - NEAR) * steepest  # there the loss is a square
    flat &= away > 0
    beta = float(numpy.median(away[flat] * steepest / slopes[flat])) if flat.any() else _beta(asked, away, steepest)
    if not 0 < beta < away.max():
        return None
    if (scale := _scale(asked, partial(_smooth, beta))) is None:
        return None
    instead = "the plain sum with beta 1" if loss == "smooth_l1" else f"the loss of {_name(loss)}"
    for over, share in (("summed over", 1.0), ("averaged over", 1 / CORNERS)):
        told = {"beta": float(f"{beta:.6g}"), "over": over, "wanted": instead}
        if abs(scale - share) <= NEAR:
            return change("overlap", "box_smooth", factor="", **told)
        if abs(scale - share * beta) <= NEAR * scale:
            return change("overlap", "box_huber", **told)
    return change("overlap", "box_smooth", factor=_factor(scale), **{**told, "over": "summed over"})


def _beta(asked: Answers, away: Numbers, steepest: float) -> float:
    """The beta of a smooth L1 loss whose slopes are all the steepest: what its values are less than the distances."""
    return float(numpy.median(2 * (away.sum(1) - asked.values / steepest) / (away > 0).sum(1)))


def _smooth(beta: float, boxes: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.smooth_l1_loss(boxes, targets, reduction="none", beta=beta).sum(1)


def _of_overlap(asked: Answers, loss: str) -> Change | None:
    """A logarithm or a power of the IoU; of pairs that do not overlap, of which these have no slope, only the value."""
    losses, of_iou = values_and_slopes("iou", asked.boxes, asked.targets)
    overlap: Numbers = 1 - losses
    meet = overlap > 0
    some, slopes, of_iou = asked.values[meet], asked.slopes[meet], of_iou[meet]
    if _near(some, -numpy.log(overlap[meet])) and _near(slopes, of_iou / overlap[meet][:, None]):
        return change("overlap", "box_logarithm", wanted=_name(loss))
    power = float(numpy.median(numpy.log1p(-some) / numpy.log(overlap[meet])))
    steeper = power * overlap[meet][:, None] ** (power - 1)
    if _near(asked.values, 1 - overlap**power) and _near(slopes, steeper * of_iou):
        return change("overlap", "box_power", power=power, wanted=_name(loss))
    return None


def _of_values(asked: Answers, loss: str) -> Change:
    """What is left: a known loss whose gradient is another, or nothing that is known, with the nearest."""
    known = {kind: values_and_slopes(kind, asked.boxes, asked.targets) for kind in (loss, *KINDS)}
    for kind, (values, slopes) in known.items():
        if _near(asked.values, values):
            if not asked.slopes.any():
                return change("gradient", "box_no_gradient", other=KINDS[kind][0])
            share = float(numpy.linalg.norm(asked.slopes - slopes) / numpy.linalg.norm(slopes))
            return change("gradient", "box_gradient", other=KINDS[kind][0], share=share)
    size = {kind: numpy.linalg.norm(values) for kind, (values, _) in known.items()}
    off = {kind: float(numpy.linalg.norm(asked.values - known[kind][0]) / size[kind]) for kind in known}
    nearest = min(off, key=lambda kind: off[kind])
    return change("unexplained", "box_unknown", nearest=KINDS[nearest][0], share=off[nearest])


def _near(found: Numbers, expected: Numbers, most: float = NEAR) -> bool:
    if not (numpy.isfinite(found).all() and numpy.isfinite(expected).all()):
        return False
    return bool(numpy.linalg.norm(found - expected) <= most * numpy.linalg.norm(expected))


def _fragile(call: BoundBoxes, loss: str, code: str) -> Iterator[Finding]:
    """Where the loss itself loses digits, has no number or raises: of each probe the first that shows it."""
    seen = set()
    for dtype in ("float64", "float32"):
        for probe in pairs.PROBES:
            if probe.name not in seen and (found := _broken(call, loss, probe, dtype)):
                told, worst, of_slopes = found
                told = _epsilon(call, loss, probe, told)
                seen.add(probe.name)
                boxes = list(probe.boxes[worst]), list(probe.targets[worst])
                yield _finding(told, "fragile", code, loss, *boxes, call, of_slopes, dtype)


def _epsilon(call: BoundBoxes, loss: str, probe: pairs.Boxes, told: Change) -> Change:
    """What is told of small boxes with its cause, where that is a constant beside a divisor."""
    if told.code != "box_precision" or probe.name != SMALL_BOXES:
        return told
    boxes, targets = numpy.array(probe.boxes), numpy.array(probe.targets)
    asked = Answers(boxes, targets, *_asked(call, boxes, targets))
    for one in guarded(loss):
        scale = _scale(asked, one.loss)
        if scale is not None and not _factor(scale):
            values = dict(told.values) | {"constant": one.constant, "where": one.where}
            return change("precision", "box_epsilon", **values)
    return told


def _broken(call: BoundBoxes, loss: str, probe: pairs.Boxes, dtype: str) -> tuple[Change, int, bool] | None:
    """What breaks for a probe, the pair that shows it most, and whether it is the gradient."""
    shown = {"probe": probe.name, "dtype": dtype}
    try:
        asked = _asked(call, probe.boxes, probe.targets, dtype)
    except Exception as error:  # that it raises is the finding
        return change("call", "box_raises", error=sentence(error).rstrip(": "), **shown), 0, False
    exact = values_and_slopes(loss, numpy.array(probe.boxes), numpy.array(probe.targets))
    for quantity, found, expected in zip(("value", "gradient"), asked, exact, strict=True):
        found, expected = found.reshape(len(found), -1), expected.reshape(len(found), -1)
        lost, of_slopes = ~numpy.isfinite(found).all(1), quantity == "gradient"
        if lost.any():
            return change("nonfinite", "box_nonfinite", quantity=quantity, **shown), int(lost.argmax()), of_slopes
        if of_slopes and not probe.smooth:
            continue  # there the formula has no gradient
        size = numpy.linalg.norm(expected, axis=1)
        with numpy.errstate(all="ignore"):  # where the gradient should be 0, its share is what it is, or no number
            share = numpy.linalg.norm(found - expected, axis=1) / (size if of_slopes else numpy.maximum(size, LEAST))
        if share.max() > LOST:
            told = change("precision", "box_precision", quantity=quantity, share=float(share.max()), **shown)
            return told, int(share.argmax()), of_slopes
    return None


def _finding(
    told: Change, severity: str, code: str, loss: str, box: list[float], target: list[float], call: BoundBoxes,
    of_slopes: bool, dtype: str = "float64",
) -> Finding:  # fmt: skip
    """A finding with one pair of boxes that shows it."""
    kind = getattr(torch, dtype)
    predicted = torch.tensor([box], dtype=kind, requires_grad=True)
    try:
        out = call(predicted, torch.tensor([target], dtype=kind))
        of_boxes = of_slopes and out.requires_grad
        got = repr(torch.autograd.grad(out.sum(), predicted)[0][0].tolist() if of_boxes else out.item())
    except Exception as error:  # that it raises is the finding
        got = sentence(error)
    exact = values_and_slopes(loss, numpy.array([box]), numpy.array([target]))
    expected = exact[1][0].tolist() if of_slopes else float(exact[0][0])
    part = "slopes[0].tolist()" if of_slopes else "values[0].item()"
    lines = (
        "import numpy, torch",
        "from focalbench_suite.suites.overlaps import values_and_slopes",
        code,
        f"boxes = torch.tensor([{box!r}], dtype=torch.{dtype}, requires_grad=True)",
        f"targets = torch.tensor([{target!r}], dtype=torch.{dtype})",
        f"values, slopes = values_and_slopes({loss!r}, numpy.array([{box!r}]), numpy.array([{target!r}]))",
        f'print("expected", {part})',
        "out = call(boxes, targets)",
        *(["out.sum().backward()"] if of_slopes else []),
        f'print("got", {"boxes.grad[0].tolist()" if of_slopes else "out.item()"})',
    )
    return Finding(told, severity, "\n".join(lines), repr(expected), got)


def _side_effects(call: BoundBoxes, code: str) -> Iterator[Finding]:
    """Arguments that are changed, and a dtype that is not kept."""
    probe = pairs.PROBES[0]
    boxes, targets = call.laid(*(torch.tensor(each, dtype=torch.float64) for each in (probe.boxes, probe.targets)))
    kept = boxes.clone(), targets.clone()
    with torch.no_grad():
        out = call.answer_to(boxes, targets)
    if not (torch.equal(kept[0], boxes) and torch.equal(kept[1], targets)):
        yield Finding(change("mutation", "box_changed"), "fragile")
    if out.dtype != torch.float64:
        yield Finding(change("dtype", "box_dtype", dtype=str(out.dtype).removeprefix("torch.")), "fragile")


def _reduction(call: BoundBoxes) -> str:
    """What it does with several pairs when nothing is said: none, mean or sum of its own values, or unknown."""
    probe = pairs.PROBES[0]
    boxes, targets = (torch.tensor(each, dtype=torch.float64) for each in (probe.boxes, probe.targets))
    with torch.no_grad():
        each, found = call(boxes, targets).double(), call.answer(boxes, targets).double()
    if call.form.overlap:
        return "none" if found.numel() == len(boxes) else "unknown"
    if found.numel() != 1:
        return "none"
    for name, expected in (("mean", each.mean()), ("sum", each.sum())):
        if abs(found.sum() - expected) <= NEAR * abs(expected):
            return name
    return "unknown"
