"""The second article's way through Ultralytics, from a model's loss to the DFL of its positives, as it is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from focalbench_suite.suites.claims.claim import Claim, Shown, Source
from focalbench_suite.suites.claims.sources.article_2 import NAME

STRIDES, CLASSES, SIDE = (8, 16, 32), 2, 64
TERMS = ("box", "cls", "dfl")


def outputs(images: int = 2, seed: int = 0) -> list[Any]:
    """Random head outputs of each level, in float32, as the library makes its targets."""
    import torch

    random = torch.Generator().manual_seed(seed)
    shapes = [(images, 64 + CLASSES, SIDE // stride, SIDE // stride) for stride in STRIDES]
    return [torch.randn(shape, generator=random).requires_grad_() for shape in shapes]


def objects() -> tuple[list[Any], list[Any]]:
    """Boxes and labels of two images."""
    import torch

    boxes = [torch.tensor([[8.0, 8.0, 40.0, 48.0], [30.0, 4.0, 60.0, 30.0]]), torch.tensor([[5.0, 20.0, 50.0, 60.0]])]
    return boxes, [torch.tensor([1, 0]), torch.tensor([1])]


def nothing() -> tuple[list[Any], list[Any]]:
    """Two images without objects."""
    import torch

    return [torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.long)] * 2


def v8(label: str = "ultralytics", truth: Callable[[], Any] = objects) -> dict[str, Any]:
    """The terms of the criterion that an adapter asks, of the same outputs."""
    from focalbench_suite import adapters

    return adapters.find("v8_detection", label).call(outputs(), *truth(), strides=STRIDES, num_classes=CLASSES)


def end_to_end(label: str, **options: Any) -> dict[str, Any]:
    """The terms of an end-to-end criterion, of the same outputs of two branches."""
    from focalbench_suite import adapters

    call = adapters.find("end_to_end_detection", label).call
    return call(outputs(), outputs(seed=1), *objects(), strides=STRIDES, num_classes=CLASSES, **options)


def same(found: dict[str, Any], expected: dict[str, Any]) -> Shown:
    """Whether two criteria have the same terms, to float32's rounding."""
    figures = ", ".join(f"{name} {found[name].item():.6g} and {expected[name].item():.6g}" for name in expected)
    close = all(abs(found[name] - expected[name]) <= 1e-5 * abs(expected[name]) for name in expected)
    return Shown(close and list(found) == list(expected), figures)


def model(**head: Any) -> tuple[Any, dict[str, Any]]:
    """A small model of the installed library while training, and a batch of pictures with boxes."""
    import torch

    from focalbench_suite.adapters._ultralytics import batch_of

    built = _built(**head)
    built.criterion = None  # to be made anew
    torch.manual_seed(0)
    return built, batch_of(*objects(), SIDE, SIDE) | {"img": torch.rand(2, 3, SIDE, SIDE)}


@cache
def _built(**head: Any) -> Any:
    from focalbench_suite.adapters._ultralytics import small_model

    return small_model(CLASSES, **head).train()


def forward() -> Shown:
    """What a model's forward returns of a batch and of the pictures alone."""
    built, batch = model()
    of_batch, of_pictures = built(batch), built(batch["img"])
    loss = built.loss(batch)
    told = isinstance(of_batch, tuple) and of_batch[0].shape == (3,) and bool((of_batch[0] == loss[0]).all())
    figures = f"{type(of_batch).__name__} of {len(of_batch[0])} terms, {type(of_pictures).__name__}"
    return Shown(told and set(of_pictures) == {"boxes", "scores", "feats"}, figures)


def made_once() -> Shown:
    """The criterion of two calls, and the loss with predictions given and without."""
    built, batch = model()
    first, criterion = built.loss(batch)[0], built.criterion
    again = built.loss(batch, built.forward(batch["img"]))[0]
    return Shown(criterion is built.criterion and bool((first == again).all()), f"{first.sum():.6g}, {again.sum():.6g}")


def criterion_name(printed: str, **head: Any) -> Shown:
    name = type(model(**head)[0].init_criterion()).__name__
    return Shown(name == printed, name)


def takes_joined() -> Shown:
    """Whether the criterion takes boxes and classes of a level in one tensor, which it would have to split."""
    built, batch = model()
    try:
        loss, _ = built.init_criterion()(outputs(), batch)
    except Exception as error:  # what the library raises is the finding
        return Shown(False, f"one tensor a level raises {type(error).__name__}")
    return Shown(loss.shape == (3,), "one tensor a level is taken")


def handed_apart() -> Shown:
    """The channels of what a head gives, against 4 reg_max and the number of classes."""
    built, batch = model()
    found = built(batch["img"])
    channels = found["boxes"].shape[1], found["scores"].shape[1]
    return Shown(channels == (4 * built.model[-1].reg_max, CLASSES), f"{channels[0]} and {channels[1]} channels")


def times_batch() -> float:
    """The sum of what a batch of two returns over the sum of its terms."""
    built, batch = model()
    loss, items = built.loss(batch)
    return loss.sum().item() / sum(item.item() for item in items.values())


def boxes_alone() -> tuple[Any, ...]:
    """What the library's bbox_loss takes: three positives of 16 bins among eight anchors, and their boxes in cells."""
    import torch

    random = torch.Generator().manual_seed(0)
    points = torch.stack((torch.arange(8.0) + 0.5, torch.full((8,), 2.5)), dim=1)
    distribution = torch.randn(1, 8, 64, generator=random)
    predicted = torch.cat((points - 1.5, points + 2.0), dim=1)[None]
    targets = torch.cat((points - 1.25, points + 2.5), dim=1)[None]
    scores = torch.zeros(1, 8, CLASSES)
    scores[0, [1, 4, 6], [0, 1, 0]] = torch.tensor([0.9, 0.5, 0.7])
    return distribution, predicted, points, targets, scores, scores.sum(), scores.sum(-1) > 0


def bbox_loss() -> Shown:
    """The library's bbox_loss against our CIoU and DFL of the positives, weighted by their scores."""
    import torch

    from focalbench_suite.adapters._ultralytics import ensure_quiet
    from focalbench_suite.adapters.own import distribution_focal_loss, iou_loss

    ensure_quiet()
    from ultralytics.utils import loss

    distribution, predicted, points, targets, scores, total, positive = boxes_alone()
    found = loss.BboxLoss(16)(
        distribution, predicted, points, targets, scores, total, positive, torch.tensor([64.0, 64.0]), torch.ones(8, 1)
    )
    weight = scores.sum(-1)[positive]
    overlap = iou_loss(predicted[positive], targets[positive], kind="ciou", reduction="none")
    sides = torch.cat((points - targets[0, :, :2], targets[0, :, 2:] - points), dim=1)[positive[0]]
    dfl = distribution_focal_loss(distribution[positive].view(-1, 16), sides.view(-1), reduction="none")
    ours = ((overlap * weight).sum() / total, (dfl.view(-1, 4).mean(1) * weight).sum() / total)
    return same(dict(zip(("box", "dfl"), found, strict=True)), dict(zip(("box", "dfl"), ours, strict=True)))


def for_positives_alone() -> Shown:
    """How many anchors the DFL moves, and how many of the others: those that the box term moves are the positives."""
    import torch

    from focalbench_suite import adapters

    feats = outputs()
    terms = adapters.find("v8_detection", "ultralytics").call(feats, *objects(), strides=STRIDES, num_classes=CLASSES)

    def moved(term: str) -> Any:
        slopes = torch.autograd.grad(terms[term], feats, retain_graph=True)
        return torch.cat([slope[:, :64].abs().sum(1).flatten(1) for slope in slopes], dim=1) > 0

    dfl, box = moved("dfl"), moved("box")
    return Shown(bool((dfl == box).all()) and 0 < dfl.sum() < dfl.numel() / 2, f"{dfl.sum()} of {dfl.numel()} anchors")


def trained(loss: Callable[[Any, Any], Any]) -> Shown:
    """The loss of a box whose sides are the integrals of distributions, over 40 steps down its slope."""
    import torch

    from focalbench_suite.adapters.own import integral

    logits = torch.zeros(4, 16, dtype=torch.float64, requires_grad=True)
    target, centre = torch.tensor([[2.0, 3.0, 13.0, 9.5]], dtype=torch.float64), 7.0
    signs = torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64)
    course = []
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(40):
        optimizer.zero_grad()
        value = loss((centre + signs * integral(logits))[None], target).sum()
        value.backward()
        optimizer.step()
        course.append(value.item())
    return Shown(0 <= course[-1] < 0.1 * course[0], f"from {course[0]:.4g} to {course[-1]:.4g}")


def library_loss(name: str, label: str) -> Callable[[Any, Any], Any]:
    """A loss over pairs of boxes as an adapter asks it."""
    from focalbench_suite import adapters

    return adapters.find(name, label).elementwise


def our_iou(kind: str) -> Callable[[Any, Any], Any]:
    from focalbench_suite.adapters.own import iou_loss

    return partial(iou_loss, kind=kind, reduction="none")


PATH = (
    Claim(
        "YOLOv8 listings",
        "forward returns the loss of a dict and predicts otherwise",
        "isinstance(x, dict)",
        lambda read: forward(),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "the loss makes its criterion once and predicts from batch['img'] where it is given no predictions",
        "self.criterion, batch['img']",
        lambda read: made_once(),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "the criterion is E2EDetectLoss for an end-to-end head",
        "E2EDetectLoss",
        lambda read: criterion_name("E2EDetectLoss", end2end=True),
        loss="end_to_end_detection",
        conditions={"E2ELoss is read for E2EDetectLoss": lambda read: criterion_name("E2ELoss", end2end=True)},
    ),
    Claim(
        "YOLOv8 listings",
        "the criterion is v8DetectionLoss otherwise",
        "v8DetectionLoss",
        lambda read: criterion_name("v8DetectionLoss"),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "by way of the model's loss the terms are those of the criterion",
        "self.criterion(preds, batch)",
        lambda read: same(v8("ultralytics.model"), v8("own")),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "E2EDetectLoss is v8DetectionLoss of two branches, a box taking ten anchors and one",
        "E2EDetectLoss",
        lambda read: same(end_to_end("ultralytics.E2EDetectLoss"), end_to_end("own", weights=(1.0, 1.0), candidates=1)),
        loss="end_to_end_detection",
        note="the listing calls it; what it computes is the installed library's",
    ),
    Claim(
        "YOLOv8 listings",
        "by way of the model's loss an end-to-end head has the weighted terms of two branches",
        "self.criterion(preds, batch)",
        lambda read: same(end_to_end("ultralytics.model"), end_to_end("own")),
        loss="end_to_end_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "of a tuple of predictions the second is taken",
        "preds[1] if isinstance(preds, tuple)",
        lambda read: same(v8("ultralytics.tuple"), v8("own")),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "v8DetectionLoss splits the outputs into 4 × reg_max and the classes",
        "split((reg_max * 4, nc), 1)",
        lambda read: takes_joined(),
        loss="v8_detection",
        conditions={"the head does, which hands both over apart": lambda read: handed_apart()},
    ),
    Claim(
        "YOLOv8 listings",
        "the loss has three terms: box, cls, dfl",
        "3",
        lambda read: float(len(v8())) if tuple(v8()) == TERMS else float("nan"),
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "the terms are multiplied by the batch size, here 2",
        "batch size",
        lambda read: times_batch(),
        expected=2.0,
        tolerance=1e-5,
        loss="v8_detection",
    ),
    Claim(
        "YOLOv8 listings",
        "bbox_loss is given the distributions and gives the DFL, and the CIoU of the boxes",
        "bbox_loss",
        lambda read: bbox_loss(),
        loss="v8_detection",
    ),
    Claim(
        "DFL",
        "boxes are learnt from positive samples alone: the anchors that the DFL moves are those of the box term",
        "positive",
        lambda read: for_positives_alone(),
        loss="v8_detection",
    ),
    Claim(
        "DFL",
        "without a positive sample there is no DFL",
        "0",
        lambda read: v8(truth=nothing)["dfl"].item(),
        tolerance=0.0,
        loss="v8_detection",
    ),
    *(
        Claim(
            "regression",
            f"the expected side can be trained end to end with {printed}, as {whose} has it",
            printed,
            recompute,
            loss=loss,
        )
        for printed, loss, whose, recompute in (
            ("SmoothL1", "smooth_l1", "torch", lambda read: trained(library_loss("smooth_l1", "torch"))),
            ("IoU Loss", "iou", "Ultralytics", lambda read: trained(library_loss("iou", "ultralytics"))),
            ("IoU Loss", "iou", "this project", lambda read: trained(our_iou("iou"))),
            ("GIoU Loss", "giou", "torchvision", lambda read: trained(library_loss("giou", "torchvision"))),
            ("GIoU Loss", "giou", "this project", lambda read: trained(our_iou("giou"))),
        )
    ),
)


SOURCES = (Source(NAME, "articles", PATH),)
