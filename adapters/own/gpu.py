"""The backend of GPUs: launches the kernels of `triton_kernels`."""

from __future__ import annotations

import struct
import sys

import torch
import triton
from torch import Tensor

from . import triton_kernels as kernels
from .loss_call import ROWS, SIGMOID, LossCall

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
# Sizes of a program, which decide its speed and no result but the last digits of a sum.
MOST_COLUMNS = 16384  # a program holds whole rows in registers, and compiles badly or not at all beyond this
BLOCK, WARPS = 2048, 4  # elements of a program, and its warps: 16 elements a thread
TILE = 2048  # elements of a program that takes rows, unless a row has more
TOTAL_BLOCK, TOTAL_WARPS = 4096, 8  # partial sums that the last program adds at once, and its warps


def widest_row(loss: str, dtype: torch.dtype) -> int:
    """The most logits in a row that these kernels take, 0 where there are none."""
    if dtype not in DTYPES:
        return 0
    return sys.maxsize if loss in SIGMOID else MOST_COLUMNS if loss in ROWS else 0


def takes(call: LossCall) -> bool:
    """Whether these kernels do this call."""
    return call.classes <= widest_row(call.loss, call.logits.dtype)


def total(call: LossCall, scale: float, divisor: Tensor | None, with_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """The sum of the losses times `scale` over `divisor`, and the gradient of that."""
    logits = call.logits
    gradient = torch.empty_like(logits) if with_gradient else None
    partial = torch.empty(_programs(call), dtype=torch.float32, device=logits.device)
    want = kernels.TOTAL_AND_GRADIENT if with_gradient else kernels.TOTAL
    _launch(call, want.value, out=partial, gradient=gradient, divisor=divisor, scale=scale)
    value = torch.empty((), dtype=call.total_dtype, device=logits.device)
    kernels.total_kernel[(1,)](
        partial,
        divisor,
        value,
        partial.numel(),
        scale,
        DIVIDED=divisor is not None,
        BLOCK=TOTAL_BLOCK,
        num_warps=TOTAL_WARPS,
    )
    return value, gradient


def each(call: LossCall) -> Tensor:
    """The loss of each element or row."""
    shape = call.logits.shape[:-1] if call.by_row else call.logits.shape
    out = torch.empty(shape, dtype=call.logits.dtype, device=call.logits.device)
    _launch(call, kernels.EACH.value, out=out)
    return out


def gradient(call: LossCall, incoming: Tensor, scale: float, divisor: Tensor | None) -> Tensor:
    """The gradient times `incoming` (one number, or one a loss) times `scale` over `divisor`."""
    gradient = torch.empty_like(call.logits)
    _launch(call, kernels.GRADIENT.value, gradient=gradient, incoming=incoming, divisor=divisor, scale=scale)
    return gradient


def multiply(gradient: Tensor, incoming: Tensor) -> None:
    """The gradient times one number, in place; the number stays on the device, so that nothing waits for it."""
    programs = triton.cdiv(gradient.numel(), BLOCK)
    kernels.scale_kernel[(programs,)](gradient, incoming, gradient.numel(), BLOCK=BLOCK, num_warps=WARPS)


def _columns(call: LossCall) -> int:
    return triton.next_power_of_2(call.logits.shape[-1])


def _programs(call: LossCall) -> int:
    if call.loss in SIGMOID:
        return triton.cdiv(call.logits.numel(), BLOCK)
    return triton.cdiv(call.logits.numel() // call.logits.shape[-1], max(TILE // _columns(call), 1))


def _launch(
    call: LossCall,
    want: int,
    out: Tensor | None = None,
    gradient: Tensor | None = None,
    incoming: Tensor | None = None,
    divisor: Tensor | None = None,
    scale: float = 1.0,
) -> None:
    """Launches the kernel of a call, which fills `out` and `gradient`, whichever it is asked for."""
    gamma = struct.unpack("f", struct.pack("f", call.power))[0]  # rounded to float32, as the kernel gets it
    shared = {
        "POWER": int(call.power) if call.power in (0, 2) else -1,
        "WANT": want,
        "DIVIDED": divisor is not None,
        "INCOMING_EACH": incoming is not None and incoming.dim() > 0,
    }
    if call.loss in SIGMOID:
        kernels.sigmoid_kernel[(_programs(call),)](
            call.logits,
            call.targets,
            call.labels,
            incoming,
            divisor,
            out,
            gradient,
            call.logits.numel(),
            call.classes,
            gamma,
            call.power - gamma,
            call.positive,
            call.negative,
            scale,
            LOSS=SIGMOID.index(call.loss),
            LABELLED=call.labels is not None,
            SCORED=call.labels is not None and call.targets is not None,
            BLOCK=BLOCK,
            num_warps=WARPS,
            **shared,
        )
    else:
        kernels.row_kernel[(_programs(call),)](
            call.logits,
            call.targets,
            call.weights,
            incoming,
            divisor,
            out,
            gradient,
            call.logits.numel() // call.classes,
            call.classes,
            gamma,
            call.power - gamma,
            scale,
            BINS=call.loss == "distribution_focal",
            WEIGHTED=call.weights is not None,
            ROWS=max(TILE // _columns(call), 1),
            COLUMNS=_columns(call),
            num_warps=WARPS,
            **shared,
        )
