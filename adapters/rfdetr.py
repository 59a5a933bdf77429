"""rfdetr.models.criterion, Roboflow's RF-DETR: https://github.com/roboflow/rf-detr"""

from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported

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
