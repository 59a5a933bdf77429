"""torchvision.ops.sigmoid_focal_loss: https://docs.pytorch.org/vision/stable/generated/torchvision.ops.sigmoid_focal_loss.html"""

from focalbench_suite.adapters import Adapter

adapter = Adapter("torchvision", distribution="torchvision", modules=("torchvision",))


@adapter.loss(
    "focal",
    reductions=("none", "mean", "sum"),
    reduction="none",
    defaults={"gamma": 2.0, "alpha": 0.25},
)
def focal(logits, targets, *, gamma, alpha, reduction):
    from torchvision.ops import sigmoid_focal_loss

    alpha = -1 if alpha is None else alpha  # a negative alpha turns the weighting off
    return sigmoid_focal_loss(logits, targets, alpha=alpha, gamma=gamma, reduction=reduction)
