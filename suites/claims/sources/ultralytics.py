"""What Ultralytics documents as its defaults, and the sizes of YOLOv8 that its documentation prints."""

from __future__ import annotations

from functools import cache

from focalbench_suite.results.papers import row
from focalbench_suite.suites.claims import installed
from focalbench_suite.suites.claims.claim import Claim, Shown, Source, based_on
from focalbench_suite.suites.claims.documented import default


@cache
def yolo(model: str, fused: bool = False) -> tuple[float, float]:
    """Millions of parameters and billions of operations at 640 px of a YOLOv8 model built from its configuration."""
    from focalbench_suite.adapters._ultralytics import ensure_quiet

    ensure_quiet()
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils.torch_utils import get_flops

    network = DetectionModel(f"{model.lower()}.yaml", verbose=False)
    network = network.fuse(verbose=False) if fused else network
    return sum(p.numel() for p in network.parameters()) / 1e6, get_flops(network, 640)


def yolo_claims(model: str) -> tuple[Claim, ...]:
    figures = row("yolov8-docs", model=model)
    place = "docs, Detection (COCO)"
    return (
        Claim(
            place,
            f"parameters of {model}",
            f"{figures['params_M']} M",
            lambda read: yolo(model)[0],
            "v8_detection",
            conditions={"the model is fused": lambda read: yolo(model, fused=True)[0]},
            profile="quick",
        ),
        Claim(
            place,
            f"operations of {model} at 640 px",
            f"{figures['flops_B']} B",
            lambda read: yolo(model)[1],
            "v8_detection",
            conditions={"the model is fused": lambda read: yolo(model, fused=True)[1]},
            profile="quick",
        ),
    )


def yolo_setting(name: str, claim: str, printed: str) -> Claim:
    return Claim(
        "cfg/default.yaml",
        claim,
        printed,
        lambda read: float(installed.ultralytics_settings()[name]),
        "v8_detection",
        tolerance=1e-12,
    )


def sides() -> Shown:
    """How many logits a side has in the box branch of a head that is built with its defaults."""
    from focalbench_suite.adapters._ultralytics import ensure_quiet

    ensure_quiet()
    from ultralytics.nn.modules.head import Detect

    head = Detect(nc=80, ch=(64,))
    bins = head.cv2[0][-1].out_channels // 4
    return Shown(bins == head.reg_max, f"{bins} logits a side with reg_max {head.reg_max}")


def objects_an_image() -> float:
    """How many objects an image YOLOv8's first bias of the classifier assumes, by the formula in its source."""
    source = installed.source_of("ultralytics", "nn/modules/head.py", "Detect.bias_init")
    return installed.number(r"math\.log\(\s*([\d.]+) / self\.nc", source)


READ = (
    default("ultralytics", "utils/loss.py", "FocalLoss", "gamma", "1.5", "focal"),
    default("ultralytics", "utils/loss.py", "FocalLoss", "alpha", "0.25", "focal"),
    default("ultralytics", "utils/loss.py", "VarifocalLoss", "gamma", "2.0", "varifocal"),
    default("ultralytics", "utils/loss.py", "VarifocalLoss", "alpha", "0.75", "varifocal"),
    default("ultralytics", "utils/loss.py", "DFLoss", "reg_max", "16", "distribution_focal"),
    default("ultralytics", "nn/modules/head.py", "Detect", "reg_max", "16", "distribution_focal"),
    yolo_setting("box", "the gain of the box loss", "7.5"),
    yolo_setting("cls", "the gain of the classification loss", "0.5"),
    yolo_setting("dfl", "the gain of the DFL", "1.5"),
    yolo_setting("imgsz", "the image size", "640"),
    yolo_setting("nbs", "the nominal batch size", "64"),
    yolo_setting("epochs", "the epochs of training", "100"),
    Claim(
        "Detect",
        "outputs an anchor, 80 classes: 4 sides × 16 bins + classes",
        "144",
        lambda read: 80 + 4.0 * installed.defaults("ultralytics", "nn/modules/head.py", "Detect")["reg_max"],
        "v8_detection",
    ),
    Claim(
        "Detect.bias_init, comment",
        "objects an image that the classifier's first bias assumes",
        "0.01",
        lambda read: objects_an_image(),
        "v8_detection",
        note="the comment beside the formula prints .01, the formula divides another number by classes and locations",
    ),
)

BUILT = (
    Claim(
        "Detect",
        "a side has reg_max bins (the GFL paper and MMDetection count n + 1 of them, n = reg_max)",
        "4 * reg_max",
        lambda read: sides(),
        "distribution_focal",
    ),
    *(claim for size in "nsmlx" for claim in yolo_claims(f"YOLOv8{size}")),
)


SOURCES = (Source("Ultralytics 8.4.190", "ultralytics", (*based_on("read", READ), *BUILT)),)
