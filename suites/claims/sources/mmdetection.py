"""What MMDetection documents as its defaults, beside what the papers it implements print."""

from __future__ import annotations

import re

from focalbench_suite.results.papers import printed_tables
from focalbench_suite.suites.claims import installed
from focalbench_suite.suites.claims.claim import Claim, Shown, Source, based_on
from focalbench_suite.suites.claims.documented import default, dig, number_or_word

GFL_CONFIG = "gfl/gfl_r50_fpn_1x_coco.py"
RETINANET_CONFIG = "_base_/models/retinanet_r50_fpn.py"
VFNET_CONFIG = "vfnet/vfnet_r50_fpn_1x_coco.py"
EQ8 = "GFL paper, eq. 8, against configs/gfl"
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
    return setting(GFL_CONFIG, path, claim, printed, loss, place=EQ8)


def gfl_inference(claim: str, path: str, printed: str) -> Claim:
    place = "GFL paper, inference, against configs/gfl"
    return setting(GFL_CONFIG, f"model.test_cfg.{path}", claim, printed, "generalized_focal", place)


def images_a_step() -> float:
    return float(installed.mmdet_config("_base_/schedules/schedule_1x.py")["auto_scale_lr"]["base_batch_size"])


def bias_probability(head: str, owner: str) -> float:
    """The prior with which a head's classification layer starts, by its constructor's source."""
    source = installed.source_of("mmdet", f"models/dense_heads/{head}.py", owner)
    return installed.number(r"bias_prob=([\d.]+)", source)


def box_terms() -> str:
    """The source of the part of MMDetection's GFLHead that weights and averages its box and DFL terms."""
    return installed.source_of("mmdet", "models/dense_heads/gfl_head.py", "GFLHead.loss_by_feat_single")


def found_in(source: str, *words: str) -> Shown:
    """Whether all of these words stand in a source."""
    missing = [word for word in words if word not in source]
    return Shown(not missing, f"no {', '.join(missing)}" if missing else ", ".join(words))


def divisor() -> Shown:
    """What the box and DFL terms are divided by."""
    weighted = "weight_targets.sum()" in box_terms()
    return Shown(not weighted, f"the sum of the {'weights' if weighted else 'positives'}")


def dfl_weight(averaged: bool) -> float:
    """lambda_1: the weight of DFL, of the mean over the sides or of their sum."""
    weight = dig(installed.mmdet_config(GFL_CONFIG), "model.bbox_head.loss_dfl.loss_weight")
    return weight if averaged else weight / float(re.findall(r"avg_factor=([\d.]+)", box_terms())[1])


def drops(iterations: int) -> float:
    """In 90,000 iterations that are 12 epochs: the epoch of this iteration, as MMDetection rounds it."""
    milestones = installed.mmdet_config("_base_/schedules/schedule_1x.py")["param_scheduler"][1]["milestones"]
    return float(min(milestones, key=lambda epoch: abs(epoch - 12 * iterations / 90_000)))


def whole_epoch(iterations: int) -> Shown:
    """Whether MMDetection's epoch is the one nearest to the printed iteration."""
    return Shown(drops(iterations) == round(12 * iterations / 90_000), f"epoch {drops(iterations):g}")


def augmentations() -> Shown:
    pipeline = installed.mmdet_config("_base_/datasets/coco_detection.py")["train_pipeline"]
    random = [step["type"] for step in pipeline if step["type"].startswith("Random")]
    return Shown(random == ["RandomFlip"], ", ".join(random))


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
    setting(GFL_CONFIG, "model.bbox_head.loss_bbox.type", "L_B", "GIoULoss", "generalized_focal", EQ8),
    Claim(
        EQ8,
        "lambda_1 is the mean over the four sides: the weight of their summed DFL",
        "1/4",
        lambda read: dfl_weight(averaged=False),
        "distribution_focal",
        expected=0.25,
        conditions={"L_D is already the mean over the four sides": lambda read: dfl_weight(averaged=True)},
        note="GFLHead divides by 4 and weighs with 0.25",
    ),
    Claim(
        EQ8,
        "the estimated quality weights L_B and L_D, too",
        "weighted by the score",
        lambda read: found_in(box_terms(), "weight_targets = cls_score.detach().sigmoid()", "weight=weight_targets"),
        "generalized_focal",
    ),
    Claim(
        EQ8,
        "L_B and L_D are divided by the number of positives",
        "1 / N_pos",
        lambda read: divisor(),
        "generalized_focal",
        note="the weights are scores below 1, so that the box terms weigh more than eq. 8 prints",
    ),
    gfl_inference("score threshold", "score_thr", "0.05"),
    gfl_inference("candidates a level", "nms_pre", "1000"),
    gfl_inference("IoU threshold of the NMS", "nms.iou_threshold", "0.6"),
    gfl_inference("detections an image", "max_per_img", "100"),
    Claim(
        "GFL paper, inference, against the heads",
        "the score is multiplied by no quality: GFLHead gives scores and boxes alone",
        "cls_score, bbox_pred",
        lambda read: found_in(
            installed.source_of("mmdet", "models/dense_heads/gfl_head.py", "GFLHead.forward_single"),
            "return cls_score, bbox_pred",
        ),
        "generalized_focal",
    ),
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
        "8 GPUs × 2 images: images a step",
        "16",
        lambda read: images_a_step(),
    ),
    *(
        Claim(
            "FL paper, section 4.1, against configs/_base_",
            f"the learning rate is divided by 10 at {iterations:,} of 90,000 iterations: of 12 epochs, after",
            f"{12 * iterations / 90_000:.1f}",
            lambda read, iterations=iterations: drops(iterations),
            conditions={"only whole epochs count": lambda read, iterations=iterations: whole_epoch(iterations)},
            note="MMDetection counts whole epochs",
        )
        for iterations in (60_000, 80_000)
    ),
    Claim(
        "FL paper, section 4.1, against configs/_base_",
        "horizontal flips are the only augmentation",
        "horizontal flip",
        lambda read: augmentations(),
    ),
    Claim(
        "FL paper, section 4.1, against the heads",
        "new convolutions start from a Gaussian with sigma",
        "0.01",
        lambda read: installed.number(
            r"std=([\d.]+)", installed.source_of("mmdet", "models/dense_heads/retina_head.py", "RetinaHead")
        ),
        tolerance=1e-12,
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


SOURCES = (Source("MMDetection 3.3.0", "mmdetection", based_on("read", MMDETECTION)),)
