"""rfdetr.models.criterion, Roboflow's RF-DETR: https://github.com/roboflow/rf-detr"""

from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported
from focalbench_suite.adapters._queries import targets_of

adapter = Adapter("rfdetr", distribution="rfdetr", modules=("rfdetr",))
DECLARED: dict[str, Any] = {"reduction": "mean(1).sum() / num_boxes", "defaults": {"gamma": 2, "alpha": 0.25}}


@adapter.loss("focal", origin="rfdetr.models.criterion:sigmoid_focal_loss", **DECLARED)
def focal(logits, targets, *, gamma, alpha):
    from rfdetr.models.criterion import sigmoid_focal_loss

    alpha = -1 if alpha is None else alpha  # a negative alpha turns the weighting off
    return sigmoid_focal_loss(logits, targets, num_boxes=1, alpha=alpha, gamma=gamma)


@adapter.loss("varifocal", origin="rfdetr.models.criterion:sigmoid_varifocal_loss", **DECLARED)
def varifocal(logits, targets, *, gamma, alpha):
    from rfdetr.models.criterion import sigmoid_varifocal_loss

    if alpha is None:
        raise Unsupported("sigmoid_varifocal_loss always weights negatives by alpha")
    return sigmoid_varifocal_loss(logits, targets, num_boxes=1, alpha=alpha, gamma=gamma)


@adapter.loss("rtdetr_head", origin="rfdetr.models.criterion:SetCriterion", reduction="terms")
def rtdetr_head(pred_boxes, pred_logits, boxes, labels, *, image_size):
    """With the settings of RF-DETR's training, for one group of queries, and its weights of the terms, 1, 5 and 2.

    The class term is another: a cross entropy whose positives should score p^0.25 IoU^0.75, and whose negatives weigh
    p².
    """
    from rfdetr.models.criterion import SetCriterion
    from rfdetr.models.matcher import HungarianMatcher

    weights = {"loss_ce": 1.0, "loss_bbox": 5.0, "loss_giou": 2.0}
    matcher = HungarianMatcher(cost_class=2, cost_bbox=5, cost_giou=2, focal_alpha=0.25)
    losses = ["labels", "boxes"]
    criterion = SetCriterion(pred_logits[0].shape[2], matcher, weights, 0.25, losses, ia_bce_loss=True)
    outputs = {"pred_logits": pred_logits[0], "pred_boxes": pred_boxes[0].sigmoid()}
    found = criterion(outputs, targets_of(boxes, labels, image_size))
    names = {"cls": "loss_ce", "bbox": "loss_bbox", "giou": "loss_giou"}
    return {term: weights[name] * found[name] for term, name in names.items()}
