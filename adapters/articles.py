"""Two published tutorials' listings, behaviour for behaviour (what they get wrong included), in this project's code.

The first is the "PyTorch Implementation" that closes a blog post on the focal loss of arXiv:1708.02002; the second an
article on the losses of GFL and YOLOv8 that prints older Ultralytics code: a focal loss and ``_df_loss``.
"""

from focalbench_suite.adapters import Adapter, Unsupported

adapter = Adapter("articles", release="listing")


@adapter.loss(
    "focal",
    variant="first",
    reductions=("none", "mean", "sum"),
    reduction="mean",
    defaults={"gamma": 2, "alpha": 0.25},
)
def first_focal(logits, targets, *, gamma, alpha, reduction):
    """A module around ``BCEWithLogitsLoss()``, whose default reduction turns the cross entropy into one number.

    That number, the mean over all elements, is then what each element's factors multiply. The module copies its
    ``reduction`` from that loss; the words other than ``mean`` need the attribute to be set by hand.
    """
    from torch import nn

    if alpha is None:
        raise Unsupported("the listing always weights by alpha")
    criterion = nn.BCEWithLogitsLoss()
    mean_cross_entropy = criterion(logits, targets)
    balance = alpha * targets + (1 - alpha) * (1 - targets)
    modulation = (targets - logits.sigmoid()).abs() ** gamma
    return _reduce(balance * modulation * mean_cross_entropy, reduction)


@adapter.loss("focal", variant="second", reduction="mean(1).sum()", defaults={"gamma": 1.5, "alpha": 0.25})
def second_focal(logits, targets, *, gamma, alpha):
    """Elementwise and as published, but averaged over classes and summed over rows."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    alpha = 0 if alpha is None else alpha  # at or below 0 the listing skips the weighting
    probability = logits.sigmoid()
    p_t = targets * probability + (1 - targets) * (1 - probability)
    loss = binary_cross_entropy_with_logits(logits, targets, reduction="none") * (1.0 - p_t) ** gamma
    if alpha > 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return loss.mean(1).sum()


@adapter.loss("distribution_focal", variant="second", reductions=("none",), reduction="mean(-1, keepdim=True)")
def second_distribution_focal(logits, targets, *, weight=None, reduction):
    """The bins on either side of the target, weighted by distance; the last bin's right neighbour does not exist.

    The mean runs over the last dimension of the targets, four sides a box where it was used, and is kept as a
    dimension. One side a row is one value a row.
    """
    if weight is not None:
        raise Unsupported("the listing takes no weight")
    if reduction == "none":
        return _second_df_loss(logits, targets.view(-1, 1)).squeeze(1)
    return _second_df_loss(logits, targets)


def _second_df_loss(distribution, target):
    from torch.nn.functional import cross_entropy

    left = target.long()
    right = left + 1
    weight_left = right - target
    weight_right = 1 - weight_left
    loss_left = cross_entropy(distribution, left.view(-1), reduction="none").view(left.shape)
    loss_right = cross_entropy(distribution, right.view(-1), reduction="none").view(left.shape)
    return (loss_left * weight_left + loss_right * weight_right).mean(-1, keepdim=True)


def _reduce(loss, reduction):
    return {"none": lambda: loss, "mean": loss.mean, "sum": loss.sum}[reduction]()
