"""Losses of LibreYOLO's models: https://github.com/LibreYOLO/libreyolo"""

from focalbench_suite.adapters import Adapter, Unsupported
from focalbench_suite.adapters._queries import targets_of

adapter = Adapter("libreyolo", distribution="libreyolo", modules=("libreyolo",))


@adapter.loss(
    "quality_focal",
    variant="rtmdet",
    labels="label_score",
    background="last",
    origin="libreyolo.models.rtmdet.loss:QualityFocalLoss",
    reduction="sum(1).mean()",
    defaults={"beta": 2.0},
)
def quality_focal_rtmdet(logits, targets, *, beta):
    from libreyolo.models.rtmdet.loss import QualityFocalLoss

    return QualityFocalLoss(beta=beta)(logits, targets)


@adapter.loss(
    "distribution_focal",
    variant="picodet",
    origin="libreyolo.models.picodet.loss:DistributionFocalLoss",
    reduction="none",
)
def distribution_focal_picodet(logits, targets, *, weight=None):
    """With its default `loss_weight` of 0.25."""
    from libreyolo.models.picodet.loss import DistributionFocalLoss

    if weight is not None:
        raise Unsupported("PicoDet's DistributionFocalLoss takes no weight")
    return DistributionFocalLoss()(logits, targets)


@adapter.loss(
    "focal",
    variant="yolonas",
    origin="libreyolo.models.yolonas.loss:PPYoloELoss._focal_loss",
    reduction="sum()",
    defaults={"gamma": 2.0, "alpha": 0.25},
)
def focal_yolonas(logits, targets, *, gamma, alpha):
    from libreyolo.models.yolonas.loss import PPYoloELoss

    alpha = 0.0 if alpha is None else alpha  # only an alpha above 0 weights
    return PPYoloELoss._focal_loss(logits, targets, alpha=alpha, gamma=gamma)


@adapter.loss(
    "varifocal",
    variant="yolonas",
    origin="libreyolo.models.yolonas.loss:PPYoloELoss._varifocal_loss",
    reduction="sum()",
    defaults={"gamma": 2.0, "alpha": 0.75},
)
def varifocal_yolonas(logits, targets, *, gamma, alpha):
    from libreyolo.models.yolonas.loss import PPYoloELoss

    if alpha is None:
        raise Unsupported("YOLO-NAS's varifocal loss always weights negatives by alpha")
    label = (targets > 0).to(targets.dtype)
    return PPYoloELoss._varifocal_loss(logits, targets, label, alpha=alpha, gamma=gamma)


@adapter.loss("rtdetr_head", variant="rtdetr", origin="libreyolo.models.rtdetr.loss:RTDETRLoss", reduction="terms")
def rtdetr_head(pred_boxes, pred_logits, boxes, labels, *, image_size):
    """Its varifocal loss has gamma 2 and alpha 0.75, Ultralytics' 1.5 and 0.25."""
    from libreyolo.models.rtdetr.loss import RTDETRLoss

    outputs = {"pred_logits": pred_logits[0], "pred_boxes": pred_boxes[0].sigmoid()}
    found = RTDETRLoss(num_classes=pred_logits[0].shape[2])(outputs, targets_of(boxes, labels, image_size))
    return {"cls": found["loss_vfl"], "bbox": found["loss_bbox"], "giou": found["loss_giou"]}
