"""What is compared: a plain entry a variant, everything else about a run being equal.

`change` says what takes the place of the host's own loss. For an MMDetection host it holds entries of the shipped
``bbox_head`` configuration; for an Ultralytics host it is ``own`` (our criterion, with what of it differs) or ``bce``
(another adapter's loss for the class term). `set` is the smallest selection that a variant belongs to: ``core`` (every
profile), ``reference`` (the full profile) or ``papers`` (by ``--variant`` alone: the papers' ablations).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from focalbench_suite import adapters

MMDETECTION = ("retinanet", "atss", "gfl", "vfnet")
END_TO_END = ("yolov10n", "yolo26n")
ULTRALYTICS = ("yolov8n", "yolov8s", "yolo11n", "yolo11s", *END_TO_END)
HOSTS = MMDETECTION + ULTRALYTICS
PAPERS = {"fl": "arXiv:1708.02002", "gfl": "arXiv:2006.04388", "vfl": "arXiv:2008.13367"}


@dataclass(frozen=True)
class Variant:
    """One loss in one host. `reference` names the printed table that its AP stands beside, where there is one."""

    host: str
    name: str
    adapter: str
    loss: str
    change: Mapping[str, Any] = field(default_factory=dict)
    set: str = "papers"
    reference: str = ""


# The heads' initialisation without the prior of arXiv:1708.02002 section 4.1: p = 0.5 everywhere at the start.
NO_PRIOR = {"init_cfg": {"type": "Normal", "layer": "Conv2d", "std": 0.01}}
BEST_ALPHA = {0: 0.75, 0.1: 0.75, 0.2: 0.75, 0.5: 0.5, 1.0: 0.25, 2.0: 0.25, 5.0: 0.25}  # table 1b: alpha by gamma
FIRST = {"loss": "focal", "label": "articles.first", "parameters": {"gamma": 2.0, "alpha": 0.25}}
MEAN = {"loss": "focal", "label": "own", "parameters": {"gamma": 2.0, "alpha": 0.25}}
SECOND = {"loss": "focal", "label": "articles.second", "parameters": {"gamma": 1.5, "alpha": 0.25}}


def own(name: str, **parameters: Any) -> dict[str, Any]:
    """Our loss `name` as an entry of an MMDetection configuration."""
    return {"type": f"focalbench.{name}", **parameters}


def cls(loss: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A head with this classification loss, over sigmoid: without that word the heads add a background class."""
    return {"loss_cls": loss | {"use_sigmoid": True}, **more}


RETINANET = [
    Variant("retinanet", "library", "mmdetection", "focal", {}, "core"),
    Variant("retinanet", "own", "own", "focal", cls(own("FocalLoss", gamma=2.0, alpha=0.25)), "core"),
    Variant("retinanet", "article_1", "articles.first", "focal", cls({"type": "AdapterLoss", **FIRST}), "reference"),
    Variant("retinanet", "article_2", "articles.second", "focal", cls({"type": "AdapterLoss", **SECOND})),
    # The control of the listings: our focal loss, which is right, averaged over all anchors and classes as they are.
    Variant("retinanet", "focal_mean", "own", "focal", cls({"type": "AdapterLoss", **MEAN}), "reference"),
    Variant("retinanet", "cross_entropy", "own", "cross_entropy", cls(own("CrossEntropyLoss"))),
    Variant(
        "retinanet",
        "cross_entropy_no_prior",
        "own",
        "cross_entropy",
        cls(own("CrossEntropyLoss"), **NO_PRIOR),
        "reference",
        f"{PAPERS['fl']} section 5: diverges",
    ),
    Variant("retinanet", "own_no_prior", "own", "focal", cls(own("FocalLoss", gamma=2.0, alpha=0.25), **NO_PRIOR)),
    *(
        Variant(
            "retinanet",
            f"balanced_{alpha}",
            "own",
            "balanced_cross_entropy",
            cls(own("BalancedCrossEntropyLoss", alpha=alpha)),
            reference=f"{PAPERS['fl']} table 1a",
        )
        for alpha in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
    ),
    *(
        Variant(
            "retinanet",
            f"gamma_{gamma}",
            "own",
            "focal",
            cls(own("FocalLoss", gamma=float(gamma), alpha=alpha)),
            reference=f"{PAPERS['fl']} table 1b",
        )
        for gamma, alpha in BEST_ALPHA.items()
    ),
]

ATSS = [
    Variant("atss", "library", "mmdetection", "focal", reference=f"{PAPERS['gfl']} table 3: neither QFL nor DFL"),
    Variant("atss", "own", "own", "focal", cls(own("FocalLoss", gamma=2.0, alpha=0.25))),
]


def gfl(beta: float = 2.0, dfl_weight: float = 0.25, **head: Any) -> dict[str, Any]:
    """GFL's head with our losses."""
    quality = own("QualityFocalLoss", beta=beta, loss_weight=1.0)
    return cls(quality, loss_dfl=own("DistributionFocalLoss", loss_weight=dfl_weight), **head)


def shaped(distribution: str, **parts: Any) -> dict[str, Any]:
    """GFL's head with our losses, the side of a box being no general distribution."""
    return gfl(type="ShapedGFLHead", distribution=distribution, **parts)


BOXES = f"{PAPERS['gfl']} table 2a"
GFL = [
    Variant("gfl", "library", "mmdetection", "quality_focal", {}, "core"),
    Variant("gfl", "own", "own", "quality_focal", gfl(), "core"),
    Variant("gfl", "no_prior", "own", "quality_focal", gfl(init_cfg=NO_PRIOR["init_cfg"])),
    Variant("gfl", "no_dfl", "own", "quality_focal", gfl(dfl_weight=0.0), reference=f"{PAPERS['gfl']} table 3"),
    Variant("gfl", "dirac", "own", "quality_focal", shaped("dirac", dfl_weight=0.0), reference=BOXES),
    Variant("gfl", "gaussian", "own", "quality_focal", shaped("gaussian"), reference=BOXES),
    *(
        Variant("gfl", f"beta_{beta}", "own", "quality_focal", gfl(beta), reference=f"{PAPERS['gfl']} table 1c")
        for beta in (0.0, 1.0, 2.5, 4.0)
    ),
    *(
        Variant("gfl", f"n_{n}", "own", "quality_focal", gfl(reg_max=n), reference=f"{PAPERS['gfl']} table 2b")
        for n in (12, 14, 18)
    ),
]

VFNET = [
    Variant("vfnet", "library", "mmdetection", "varifocal"),
    Variant("vfnet", "own", "own", "varifocal", cls(own("VarifocalLoss", alpha=0.75, gamma=2.0))),
]


def yolo(host: str, smallest: str) -> list[Variant]:
    """The variants of one YOLO; `smallest` is the set of its two plain ones."""

    def ours(name: str, loss: str, function: str, **parameters: Any) -> Variant:
        entry = {"classification": {"function": function, "parameters": parameters}}
        return Variant(host, name, "own", loss, {"own": entry})

    return [
        Variant(host, "library", "ultralytics", "v8_detection", {}, smallest),
        Variant(host, "own", "own", "v8_detection", {"own": {}}, smallest),
        ours("qfl", "quality_focal", "quality_focal_loss", beta=2.0),
        ours("fl", "focal", "focal_loss", gamma=1.5, alpha=0.25),
        Variant(host, "article_1", "articles.first", "focal", {"bce": FIRST}),
        Variant(host, "article_2", "articles.second", "focal", {"bce": SECOND}),
    ]


def end_to_end(host: str) -> list[Variant]:
    """Library and own of a YOLO whose head has two branches."""
    return [
        Variant(host, "library", "ultralytics", "end_to_end_detection"),
        Variant(host, "own", "own", "end_to_end_detection", {"own": {}}),
    ]


VARIANTS = [
    *GFL,
    *RETINANET,
    *ATSS,
    *VFNET,
    *yolo("yolov8n", "core"),
    *(variant for host in ("yolov8s", "yolo11n", "yolo11s") for variant in yolo(host, "papers")),
    *(variant for host in END_TO_END for variant in end_to_end(host)),
]

SETS = {"smoke": ("core",), "quick": ("core",), "gpu": ("core",), "full": ("core", "reference")}
USERS = {  # where a user's loss goes, and the parameters that the host calls its own loss with
    "focal": ("retinanet", {"gamma": 2.0, "alpha": 0.25}),
    "cross_entropy": ("retinanet", {}),
    "balanced_cross_entropy": ("retinanet", {"alpha": 0.25}),
    "quality_focal": ("gfl", {"beta": 2.0}),
    "varifocal": ("vfnet", {"alpha": 0.75, "gamma": 2.0}),
}


def users(reference: str, loss: str | None, normalise: str | None = None) -> list[Variant]:
    """The variants of a user's ``FILE.py:NAME``: each of its losses in the host that trains with that loss.

    A focal or cross entropy loss also takes the place of YOLOv8n's cross entropy. With `normalise` as ``positives``, a
    mean is divided by the positives in place of the anchors.
    """
    variants = []
    for found in adapters.load(reference, loss).losses:
        if found.name in USERS:
            host, parameters = USERS[found.name]
            entry = {"loss": found.name, "label": found.label, "parameters": parameters, "reference": reference}
            entry |= {"normalise": normalise} if normalise else {}
            name = f"{found.label}_over_{normalise}" if normalise else found.label
            variants.append(Variant(host, name, reference, found.name, cls({"type": "AdapterLoss", **entry})))
            if host != "vfnet":
                variants.append(Variant("yolov8n", name, reference, found.name, {"bce": entry}))
    return variants
