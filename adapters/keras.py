"""keras.losses on the torch backend: https://keras.io/api/losses/probabilistic_losses/"""

import os
import sys
from typing import Any

from focalbench_suite.adapters import Adapter, Unsupported


def choose_torch() -> None:
    """The backend is read once, by the import."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"


adapter = Adapter("keras", distribution="keras", modules=("keras",), prepare=choose_torch)
CHOICES: dict[str, Any] = {"reductions": ("none", "sum", "sum_over_batch_size"), "reduction": "sum_over_batch_size"}


@adapter.loss(
    "focal",
    origin="keras.losses:BinaryFocalCrossentropy",
    defaults={"gamma": 2.0, "alpha": None},  # its alpha of 0.25 counts only with apply_class_balancing=True
    **CHOICES,
)
def focal(logits, targets, *, gamma, alpha, reduction):
    """It averages over the last axis before it reduces: a value per element is that of a last axis of length one."""
    keras = _keras()
    balance = {} if alpha is None else {"apply_class_balancing": True, "alpha": alpha}
    loss = keras.losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, reduction=reduction, **balance)
    with keras.device(logits.device.type):
        return loss(targets[..., None], logits[..., None]) if reduction == "none" else loss(targets, logits)


@adapter.loss(
    "softmax_focal",
    labels="index",
    origin="keras.losses:CategoricalFocalCrossentropy",
    defaults={"gamma": 2.0, "alpha": 0.25},  # one number weights all classes alike
    **CHOICES,
)
def softmax_focal(logits, targets, *, gamma, alpha, reduction):
    from torch.nn.functional import one_hot

    keras = _keras()
    alpha = 1.0 if alpha is None else alpha
    loss = keras.losses.CategoricalFocalCrossentropy(alpha=alpha, gamma=gamma, from_logits=True, reduction=reduction)
    with keras.device(logits.device.type):
        return loss(one_hot(targets, logits.shape[1]), logits)


def _keras():
    choose_torch()
    import keras

    if keras.backend.backend() != "torch":
        raise Unsupported(f"keras was imported with its {keras.backend.backend()} backend")
    return keras
