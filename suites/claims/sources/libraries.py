"""What MMDetection, Ultralytics and torchvision document as their defaults, read from what is installed."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from results.papers import printed_tables, row
from suites.claims import installed
from suites.claims.claim import Claim, Shown, Source

GFL_CONFIG = "gfl/gfl_r50_fpn_1x_coco.py"
RETINANET_CONFIG = "_base_/models/retinanet_r50_fpn.py"
VFNET_CONFIG = "vfnet/vfnet_r50_fpn_1x_coco.py"
FAMILIES = ("retinanet", "atss", "gfl", "vfnet")
TORCHVISION_FILES = {
    "retinanet_resnet50_fpn": ("retinanet.py", 0),
    "retinanet_resnet50_fpn_v2": ("retinanet.py", 1),
    "fcos_resnet50_fpn": ("fcos.py", 0),
    "ssd300_vgg16": ("ssd.py", 0),
    "ssdlite320_mobilenet_v3_large": ("ssdlite.py", 0),
}


def dig(tree: Any, path: str) -> Any:
    """The value at a dotted path of nested dicts."""
    for key in path.split("."):
        tree = tree[key]
    return tree


def default(package: str, file: str, owner: str, argument: str, printed: str, loss: str) -> Claim:
    """A documented default argument."""
    return Claim(
        f"{owner}, arguments",
        f"the default of {argument}",
        printed,
        lambda read: _number_or_word(installed.defaults(package, file, owner)[argument], printed),
        loss,
    )


def setting(config: str, path: str, claim: str, printed: str, loss: str, place: str = "") -> Claim:
    """A value of one of MMDetection's configurations."""
    return Claim(
        place or f"configs/{config}",
        claim,
        printed,
        lambda read: _number_or_word(dig(installed.mmdet_config(config), path), printed),
        loss,
        tolerance=1e-12,
    )


def _number_or_word(value: Any, printed: str) -> float | Shown:
    return Shown(value == printed, value) if isinstance(value, str) else float(value)


def mmdet_default(file: str, owner: str, argument: str, printed: str, loss: str) -> Claim:
    return default("mmdet", f"models/{file}", owner, argument, printed, loss)


def eq8(claim: str, path: str, printed: str, loss: str) -> Claim:
    return setting(GFL_CONFIG, path, claim, printed, loss, place="GFL paper, eq. 8, against configs/gfl")


def gfl_inference(claim: str, path: str, printed: str) -> Claim:
    place = "GFL paper, inference, against configs/gfl"
    return setting(GFL_CONFIG, f"model.test_cfg.{path}", claim, printed, "generalized_focal", place)


def images_a_step() -> float:
    return float(installed.mmdet_config("_base_/schedules/schedule_1x.py")["auto_scale_lr"]["base_batch_size"])


def bias_probability(head: str, owner: str) -> float:
    """The prior with which a head's classification layer starts, by its constructor's source."""
    source = installed.source_of("mmdet", f"models/dense_heads/{head}.py", owner)
    return float(re.search(r"bias_prob=([\d.]+)", source)[1])


def zoo_as_printed() -> Shown:
    zoo = {name: ap for family in FAMILIES for name, ap in installed.mmdet_zoo(family).items()}
    rows = printed_tables()["mmdet-zoo"].rows
    wrong = [row["model"] for row in rows if zoo.get(row["model"]) != row["AP"]]
    return Shown(not wrong, f"{len(rows) - len(wrong)} of {len(rows)}" + (f", not {', '.join(wrong)}" if wrong else ""))


def torchvision_as_printed(model: str) -> float:
    """The box AP that torchvision's weights carry, by the source (the weights are not fetched)."""
    file, place = TORCHVISION_FILES[model]
    text = (installed.folder("torchvision") / "models" / "detection" / file).read_text(encoding="utf-8")
    return float(re.findall(r'"box_map": ([\d.]+)', text)[place])


@cache
def yolo(model: str, fused: bool = False) -> tuple[float, float]:
    """Millions of parameters and billions of operations at 640 px of a YOLOv8 model built from its configuration."""
    from adapters._ultralytics import ensure_quiet

    ensure_quiet()
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils.torch_utils import get_flops

    network = DetectionModel(f"{model.lower()}.yaml", verbose=False)
    network = network.fuse(verbose=False) if fused else network
    return sum(p.numel() for p in network.parameters()) / 1e6, get_flops(network, 640)


def yolo_claims(model: str, profile: str) -> tuple[Claim, ...]:
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
            profile=profile,
        ),
        Claim(
            place,
            f"operations of {model} at 640 px",
            f"{figures['flops_B']} B",
            lambda read: yolo(model)[1],
            "v8_detection",
            conditions={"the model is fused": lambda read: yolo(model, fused=True)[1]},
            profile=profile,
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


def objects_an_image() -> float:
    """How many objects an image YOLOv8's first bias of the classifier assumes, by the formula in its source."""
    source = installed.source_of("ultralytics", "nn/modules/head.py", "Detect.bias_init")
    return float(re.search(r"math\.log\(\s*([\d.]+) / self\.nc", source)[1])


MMDETECTION = (
    mmdet_default("losses/focal_loss.py", "FocalLoss", "gamma", "2.0", "focal"),
    mmdet_default("losses/focal_loss.py", "FocalLoss", "alpha", "0.25", "focal"),
    mmdet_default("losses/focal_loss.py", "FocalLoss", "reduction", "mean", "focal"),
    mmdet_default("losses/gfocal_loss.py", "QualityFocalLoss", "beta", "2.0", "quality_focal"),
    mmdet_default("losses/gfocal_loss.py", "QualityFocalLoss", "reduction", "mean", "quality_focal"),
    mmdet_default("losses/gfocal_loss.py", "QualityFocalLoss", "loss_weight", "1.0", "quality_focal"),
    mmdet_default("losses/gfocal_loss.py", "DistributionFocalLoss", "reduction", "mean", "distribution_focal"),
    mmdet_default("losses/gfocal_loss.py", "DistributionFocalLoss", "loss_weight", "1.0", "distribution_focal"),
    mmdet_default("losses/varifocal_loss.py", "VarifocalLoss", "alpha", "0.75", "varifocal"),
    mmdet_default("losses/varifocal_loss.py", "VarifocalLoss", "gamma", "2.0", "varifocal"),
    mmdet_default("dense_heads/gfl_head.py", "GFLHead", "reg_max", "16", "distribution_focal"),
    mmdet_default("dense_heads/gfl_head.py", "Integral", "reg_max", "16", "distribution_focal"),
    setting(GFL_CONFIG, "model.bbox_head.loss_cls.beta", "QFL's beta", "2.0", "quality_focal"),
    setting(RETINANET_CONFIG, "model.bbox_head.loss_cls.gamma", "RetinaNet's gamma", "2.0", "focal"),
    setting(RETINANET_CONFIG, "model.bbox_head.loss_cls.alpha", "RetinaNet's alpha", "0.25", "focal"),
    setting(VFNET_CONFIG, "model.bbox_head.loss_cls.alpha", "VFL's alpha", "0.75", "varifocal"),
    setting(VFNET_CONFIG, "model.bbox_head.loss_cls.gamma", "VFL's gamma", "2.0", "varifocal"),
    eq8("the weight of the quality focal loss", "model.bbox_head.loss_cls.loss_weight", "1.0", "quality_focal"),
    eq8("lambda_0, the weight of the GIoU loss", "model.bbox_head.loss_bbox.loss_weight", "2.0", "generalized_focal"),
    eq8("lambda_1, the weight of DFL, 1/4", "model.bbox_head.loss_dfl.loss_weight", "0.25", "distribution_focal"),
    eq8("n, the last bin", "model.bbox_head.reg_max", "16", "distribution_focal"),
    gfl_inference("score threshold", "score_thr", "0.05"),
    gfl_inference("candidates a level", "nms_pre", "1000"),
    gfl_inference("IoU threshold of the NMS", "nms.iou_threshold", "0.6"),
    gfl_inference("detections an image", "max_per_img", "100"),
    setting(
        GFL_CONFIG, "optim_wrapper.optimizer.lr", "learning rate", "0.01", "generalized_focal", "GFL paper, training"
    ),
    setting(
        "retinanet/retinanet_r50_fpn_1x_coco.py",
        "optim_wrapper.optimizer.lr",
        "learning rate",
        "0.01",
        "focal",
        "FL paper, section 4.1, against configs/retinanet",
    ),
    setting(
        "retinanet/retinanet_r50_fpn_1x_coco.py",
        "optim_wrapper.optimizer.weight_decay",
        "weight decay",
        "0.0001",
        "focal",
        "FL paper, section 4.1, against configs/retinanet",
    ),
    setting(
        "retinanet/retinanet_r50_fpn_1x_coco.py",
        "optim_wrapper.optimizer.momentum",
        "momentum",
        "0.9",
        "focal",
        "FL paper, section 4.1, against configs/retinanet",
    ),
    Claim(
        "FL paper, section 4.1, against configs/_base_",
        "90,000 iterations × 16 images over the 118,287 images of train2017, in the 12 epochs that 1x means",
        "12",
        lambda read: 90_000 * images_a_step() / (82_783 + 35_504),
    ),
    Claim(
        "FL paper, section 4.1, against configs/_base_",
        "anchors a location: 3 scales × 3 aspect ratios",
        "9",
        lambda read: float(
            dig(installed.mmdet_config(RETINANET_CONFIG), "model.bbox_head.anchor_generator.scales_per_octave")
            * len(dig(installed.mmdet_config(RETINANET_CONFIG), "model.bbox_head.anchor_generator.ratios"))
        ),
    ),
    Claim(
        "FL paper, section 5, against configs/_base_",
        "the smooth L1 loss on the boxes",
        "smooth L1",
        lambda read: Shown(
            (kind := dig(installed.mmdet_config(RETINANET_CONFIG), "model.bbox_head.loss_bbox.type")) == "SmoothL1Loss",
            kind,
        ),
        note="the paper trains boxes with smooth L1; MMDetection's RetinaNet differs there",
    ),
    *(
        Claim(
            "FL paper, section 4.1, against the heads",
            f"the prior pi of {owner}",
            "0.01",
            lambda read, head=head, owner=owner: bias_probability(head, owner),
            loss,
            tolerance=1e-12,
        )
        for head, owner, loss in (
            ("retina_head", "RetinaHead", "focal"),
            ("gfl_head", "GFLHead", "generalized_focal"),
            ("atss_head", "ATSSHead", "focal"),
            ("fcos_head", "FCOSHead", "focal"),
        )
    ),
    Claim(
        "model zoo, metafile.yml",
        "the box APs listed here are those of the installed metafiles",
        "16 of 16",
        lambda read: zoo_as_printed(),
        note="the figures are read, not trained again",
    ),
)

ULTRALYTICS = (
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
        "Detect",
        "the bins of a side are n + 1 with n = reg_max, as in the GFL paper",
        "17",
        lambda read: float(installed.defaults("ultralytics", "utils/loss.py", "DFLoss")["reg_max"]),
        "distribution_focal",
        conditions={
            "n is reg_max - 1": lambda read: float(
                installed.defaults("ultralytics", "utils/loss.py", "DFLoss")["reg_max"] + 1
            )
        },
        note="Ultralytics' reg_max counts the bins, MMDetection's names the last one",
    ),
    Claim(
        "Detect.bias_init, comment",
        "objects an image that the classifier's first bias assumes",
        "0.01",
        lambda read: objects_an_image(),
        "v8_detection",
        note="the comment beside the formula prints .01, the formula divides another number by classes and locations",
    ),
    *yolo_claims("YOLOv8n", "quick"),
    *(claim for size in "smlx" for claim in yolo_claims(f"YOLOv8{size}", "full")),
)

TORCHVISION = (
    default("torchvision", "ops/focal_loss.py", "sigmoid_focal_loss", "alpha", "0.25", "focal"),
    default("torchvision", "ops/focal_loss.py", "sigmoid_focal_loss", "gamma", "2", "focal"),
    default("torchvision", "ops/focal_loss.py", "sigmoid_focal_loss", "reduction", "none", "focal"),
    default(
        "torchvision",
        "models/detection/retinanet.py",
        "RetinaNetClassificationHead",
        "prior_probability",
        "0.01",
        "focal",
    ),
    *(
        Claim(
            "weights, box_map",
            f"the box AP that the weights of {model} carry",
            f"{row('torchvision-zoo', model=model)['AP']}",
            lambda read, model=model: torchvision_as_printed(model),
            note="read from the installed source, not evaluated",
        )
        for model in TORCHVISION_FILES
    ),
)

SOURCES = (
    Source("MMDetection 3.3.0", "mmdetection", MMDETECTION),
    Source("Ultralytics 8.4.190", "ultralytics", ULTRALYTICS),
    Source("torchvision 0.28", "torchvision", TORCHVISION),
)
