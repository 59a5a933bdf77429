"""ultralytics.utils.loss: https://docs.ultralytics.com/reference/utils/loss/ (AGPL-3.0: imported, never copied)."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported
from focalbench_suite.adapters._ultralytics import batch_of, ensure_quiet, outputs_of

adapter = Adapter("ultralytics", distribution="ultralytics", modules=("ultralytics",))
GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}  # of ultralytics/cfg/default.yaml


IN_CALL = "8.3.116"  # until then gamma and alpha are arguments of the call, from then on of the constructor
FOCAL: dict[str, Any] = {
    "origin": "ultralytics.utils.loss:FocalLoss",
    "reduction": "mean(1).sum()",
    "defaults": {"gamma": 1.5, "alpha": 0.25},
}
VARIFOCAL: dict[str, Any] = {
    "origin": "ultralytics.utils.loss:VarifocalLoss",
    "reduction": "mean(1).sum()",
    "defaults": {"gamma": 2.0, "alpha": 0.75},
}


@adapter.loss("focal", until=IN_CALL, **FOCAL)
def focal_in_call(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.utils.loss import FocalLoss

    return FocalLoss()(logits, targets, gamma=gamma, alpha=0.0 if alpha is None else alpha)


@adapter.loss("focal", since=IN_CALL, **FOCAL)
def focal(logits, targets, *, gamma, alpha):
    alpha = 0.0 if alpha is None else alpha  # only an alpha above 0 weights
    return _focal(gamma, alpha, logits.dtype, logits.device)(logits, targets)


@lru_cache
def _focal(gamma, alpha, dtype, device):
    """One module for each dtype and device, since it keeps alpha in those of its last call."""
    ensure_quiet()
    from ultralytics.utils.loss import FocalLoss

    return FocalLoss(gamma=gamma, alpha=alpha)


@adapter.loss("varifocal", until=IN_CALL, **VARIFOCAL)
def varifocal_in_call(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.utils.loss import VarifocalLoss

    if alpha is None:
        raise Unsupported("VarifocalLoss always weights negatives by alpha")
    return VarifocalLoss()(logits, targets, (targets > 0).to(targets.dtype), gamma=gamma, alpha=alpha)


@adapter.loss("varifocal", since=IN_CALL, **VARIFOCAL)
def varifocal(logits, targets, *, gamma, alpha):
    ensure_quiet()
    from ultralytics.utils.loss import VarifocalLoss

    if alpha is None:
        raise Unsupported("VarifocalLoss always weights negatives by alpha")
    return VarifocalLoss(gamma=gamma, alpha=alpha)(logits, targets, (targets > 0).to(targets.dtype))


@adapter.loss(
    "distribution_focal",
    origin="ultralytics.utils.loss:DFLoss",
    reductions=("none",),
    reduction="mean(-1, keepdim=True)",
)
def distribution_focal(logits, targets, *, weight=None, reduction):
    """Ultralytics' `reg_max` is the number of bins. The mean runs over the last dimension of the targets."""
    ensure_quiet()
    from ultralytics.utils.loss import DFLoss

    if weight is not None:
        raise Unsupported("DFLoss takes no weight")
    criterion = DFLoss(reg_max=logits.shape[1])
    if reduction == "none":
        return criterion(logits, targets.view(-1, 1)).squeeze(1)  # one side a row
    return criterion(logits, targets)


@adapter.loss(
    "v8_detection", origin="ultralytics.utils.loss:v8DetectionLoss", reduction="terms", defaults={"gains": GAINS}
)
def v8_detection(feats, boxes, labels, *, strides, num_classes, reg_max=16, gains=GAINS):
    """Terms box, cls, dfl with their gains, before Ultralytics multiplies them by the number of images.

    `feats` (B, 4 reg_max + num_classes, H, W) a level; `boxes` (G, 4) xyxy in pixels and `labels` (G,) an image.
    """
    criterion = _v8_criterion(tuple(strides), num_classes, reg_max, tuple(gains.items()), feats[0].device)
    batch = batch_of(boxes, labels, *(side * strides[0] for side in feats[0].shape[2:]))
    predictions = outputs_of(feats, reg_max)
    terms = criterion.get_assigned_targets_and_loss(predictions, batch)[1]
    return dict(zip(("box", "cls", "dfl"), terms, strict=True))


@lru_cache
def _v8_criterion(strides, num_classes, reg_max, gains, device):
    """The criterion reads four things of a model; this model has only those."""
    import torch

    ensure_quiet()
    from ultralytics.utils.loss import v8DetectionLoss

    head = SimpleNamespace(
        stride=torch.tensor(strides, dtype=torch.float, device=device), nc=num_classes, reg_max=reg_max
    )
    parameter = torch.zeros(1, device=device)
    model = SimpleNamespace(parameters=lambda: iter([parameter]), args=SimpleNamespace(**dict(gains)), model=[head])
    return v8DetectionLoss(model)
