"""balanced_loss.losses.focal_loss: https://pypi.org/project/balanced-loss/"""

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("balanced_loss", distribution="balanced-loss", modules=("balanced_loss",))


@adapter.loss(
    "focal",
    origin="balanced_loss.losses:focal_loss",
    reduction="sum() / labels.sum()",
    defaults={"gamma": 2, "alpha": None},
    without=("alpha",),
)
def focal(logits, targets, *, gamma, alpha):
    from balanced_loss.losses import focal_loss

    if alpha is not None:
        raise Unsupported("its alpha weights examples, not positives against negatives")
    return focal_loss(logits, targets, gamma=gamma)
