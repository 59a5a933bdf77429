"""What MMDetection documents as its defaults, beside what the papers it implements print."""

from __future__ import annotations

import re

from results.papers import printed_tables
from suites.claims import installed
from suites.claims.claim import Claim, Shown, Source
from suites.claims.documented import default, dig, number_or_word

GFL_CONFIG = "gfl/gfl_r50_fpn_1x_coco.py"
RETINANET_CONFIG = "_base_/models/retinanet_r50_fpn.py"
VFNET_CONFIG = "vfnet/vfnet_r50_fpn_1x_coco.py"
FAMILIES = ("retinanet", "atss", "gfl", "vfnet")


def setting(config: str, path: str, claim: str, printed: str, loss: str, place: str = "") -> Claim:
    """A value of one of MMDetection's configurations."""
    return Claim(
        place or f"configs/{config}",
        claim,
        printed,
        lambda read: number_or_word(dig(installed.mmdet_config(config), path), printed),
        loss,
        tolerance=1e-12,
    )


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


SOURCES = (Source("MMDetection 3.3.0", "mmdetection", MMDETECTION),)
