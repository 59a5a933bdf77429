"""optax.losses.sigmoid_focal_loss, through JAX on the CPU: https://optax.readthedocs.io/en/latest/api/losses.html

Install it with the extra `jax`. JAX computes in float32 unless it is told otherwise; here float64 stays float64.
"""

from __future__ import annotations

from functools import lru_cache

from focalbench_suite.adapters import Adapter

adapter = Adapter("optax", distribution="optax", modules=("optax", "jax"), devices=("cpu",))


@adapter.loss(
    "focal", origin="optax.losses:sigmoid_focal_loss", reduction="none", defaults={"gamma": 2.0, "alpha": None}
)
def focal(logits, targets, *, gamma, alpha):
    return _through_jax()(logits, targets, gamma, alpha)


@lru_cache
def _through_jax():
    """The JAX function, compiled as JAX is used, as one of torch tensors with JAX's own gradient of the logits."""
    import jax
    import numpy
    import torch

    jax.config.update("jax_enable_x64", True)
    from optax.losses import sigmoid_focal_loss

    def to_jax(tensor):
        return jax.dlpack.from_dlpack(tensor.detach().contiguous())

    def to_torch(array):
        return torch.from_dlpack(array) if array.size else torch.from_numpy(numpy.array(array))

    @jax.jit
    def compute(x, y, gamma, alpha):
        return sigmoid_focal_loss(x, y, gamma=gamma, alpha=alpha)

    @jax.jit
    def pull_back(x, y, gamma, alpha, incoming):
        return jax.vjp(lambda x: compute(x, y, gamma, alpha), x)[1](incoming)[0]

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, logits, targets, gamma, alpha):
            ctx.arguments = to_jax(logits), to_jax(targets), gamma, alpha
            return to_torch(compute(*ctx.arguments))

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, incoming):
            return to_torch(pull_back(*ctx.arguments, to_jax(incoming))), None, None, None

    return Function.apply
