"""effdet.loss, EfficientDet's: https://github.com/rwightman/efficientdet-pytorch/blob/master/effdet/loss.py"""

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("effdet", distribution="effdet", modules=("effdet",))


@adapter.loss("focal", variant="legacy", origin="effdet.loss:focal_loss_legacy", reduction="none")
def focal_legacy(logits, targets, *, gamma, alpha):
    from effdet.loss import focal_loss_legacy

    return focal_loss_legacy(logits, targets, alpha=_alpha(alpha), gamma=gamma, normalizer=1.0)


@adapter.loss("focal", variant="new", origin="effdet.loss:new_focal_loss", reduction="none")
def focal_new(logits, targets, *, gamma, alpha):
    """With its default label smoothing of 0.01, on the cross entropy only."""
    from effdet.loss import new_focal_loss

    return new_focal_loss(logits, targets, alpha=_alpha(alpha), gamma=gamma, normalizer=1.0)


def _alpha(alpha):
    if alpha is None:
        raise Unsupported("effdet always weights by alpha")
    return alpha
