"""The losses as operators of torch, which torch.compile puts into its graph without looking inside."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .backends import backend_of
from .loss_call import LossCall

# The losses may be imported twice in one process, as `adapters.own` and as the wheel's `focalbench`: each registers
# operators under its own name, so that neither replaces the other's.
NAMESPACE = __package__.replace(".", "_")


def total(call: LossCall, scale: float, divisor: Tensor | None) -> Tensor:
    """The sum of the losses times `scale` over `divisor`."""
    # float16 gradients are computed in backward, as `autograd` says
    together = call.logits.requires_grad and call.logits.dtype != torch.float16
    return _total(*_flat(call), divisor, scale, together, call.total_dtype)[0]


def each(call: LossCall) -> Tensor:
    """The loss of each element or row."""
    return _each(*_flat(call))


def _flat(call: LossCall) -> tuple[Any, ...]:
    """A call as arguments of an operator, which takes no dataclass."""
    return call.logits.contiguous(), call.targets, call.labels, call.weights, call.loss, call.power, call.alpha


def _call(
    logits: Tensor,
    targets: Tensor | None,
    labels: Tensor | None,
    weights: Tensor | None,
    loss: str,
    power: float,
    alpha: float | None,
    result: torch.dtype | None = None,
) -> LossCall:
    return LossCall(loss, logits, targets, labels, weights, power, alpha, result)


@torch.library.custom_op(f"{NAMESPACE}::total", mutates_args=())
def _total(
    logits: Tensor,
    targets: Tensor | None,
    labels: Tensor | None,
    weights: Tensor | None,
    loss: str,
    power: float,
    alpha: float | None,
    divisor: Tensor | None,
    scale: float,
    together: bool,
    result: torch.dtype,
) -> tuple[Tensor, Tensor]:
    call = _call(logits, targets, labels, weights, loss, power, alpha, result)
    if logits.numel() == 0:
        return logits.new_zeros((), dtype=result), torch.empty_like(logits)
    value, gradient = backend_of(call).total(call, scale, divisor, together)
    return value, logits.new_empty(0) if gradient is None else gradient


@_total.register_fake
def _(
    logits: Tensor,
    targets: Tensor | None,
    labels: Tensor | None,
    weights: Tensor | None,
    loss: str,
    power: float,
    alpha: float | None,
    divisor: Tensor | None,
    scale: float,
    together: bool,
    result: torch.dtype,
) -> tuple[Tensor, Tensor]:
    return logits.new_empty((), dtype=result), torch.empty_like(logits) if together else logits.new_empty(0)


@torch.library.custom_op(f"{NAMESPACE}::each", mutates_args=())
def _each(
    logits: Tensor,
    targets: Tensor | None,
    labels: Tensor | None,
    weights: Tensor | None,
    loss: str,
    power: float,
    alpha: float | None,
) -> Tensor:
    call = _call(logits, targets, labels, weights, loss, power, alpha)
    return backend_of(call).each(call)


@_each.register_fake
def _(
    logits: Tensor,
    targets: Tensor | None,
    labels: Tensor | None,
    weights: Tensor | None,
    loss: str,
    power: float,
    alpha: float | None,
) -> Tensor:
    call = _call(logits, targets, labels, weights, loss, power, alpha)
    return logits.new_empty(logits.shape[:-1] if call.by_row else logits.shape)


@torch.library.custom_op(f"{NAMESPACE}::gradient", mutates_args=())
def _gradient(
    logits: Tensor,
    targets: Tensor | None,
    labels: Tensor | None,
    weights: Tensor | None,
    loss: str,
    power: float,
    alpha: float | None,
    incoming: Tensor,
    divisor: Tensor | None,
    scale: float,
) -> Tensor:
    call = _call(logits, targets, labels, weights, loss, power, alpha)
    if logits.numel() == 0:
        return torch.empty_like(logits)
    return backend_of(call).gradient(call, incoming, scale, divisor)


@_gradient.register_fake
def _(
    logits: Tensor,
    targets: Tensor | None,
    labels: Tensor | None,
    weights: Tensor | None,
    loss: str,
    power: float,
    alpha: float | None,
    incoming: Tensor,
    divisor: Tensor | None,
    scale: float,
) -> Tensor:
    return torch.empty_like(logits)


def _keep_total(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *call, divisor, scale, together, _ = inputs
    ctx.arguments, ctx.scale, ctx.together = call[4:], scale, together
    tensors = (output[1],) if together else (*call[:4], divisor)
    ctx.save_for_backward(*tensors)


def _total_backward(ctx: Any, incoming: Tensor, _unused: Tensor) -> tuple[Tensor | None, ...]:
    if ctx.together:
        gradient = ctx.saved_tensors[0] * incoming.to(ctx.saved_tensors[0].dtype)
    else:
        *tensors, divisor = ctx.saved_tensors
        gradient = _gradient(*tensors, *ctx.arguments, incoming, divisor, ctx.scale)
    return gradient, *(None,) * 10


def _keep_each(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.arguments = inputs[4:]
    ctx.save_for_backward(*inputs[:4])


def _each_backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, ...]:
    gradient = _gradient(*ctx.saved_tensors, *ctx.arguments, incoming.contiguous(), None, 1.0)
    return gradient, *(None,) * 6


_total.register_autograd(_total_backward, setup_context=_keep_total)
_each.register_autograd(_each_backward, setup_context=_keep_each)
