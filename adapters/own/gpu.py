"""The backend of GPUs: launches the kernels of `triton_kernels` and `triton_rows`."""

from __future__ import annotations

import functools
import math
import struct
import sys
from typing import Any

import torch
import triton
from torch import Tensor

from . import triton_kernels as kernels
from . import triton_rows
from .loss_call import ROWS, SIGMOID, LossCall

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
MOST_COLUMNS = triton_rows.MOST_COLUMNS.value
SHORT = 2**31 - 2**20  # places below this fit into 32 bits, those of the last tile included
# Sizes of a program, which decide its speed and no result but the last digits of a sum. Programs are of one warp where
# they can be, since the threads of a program wait for each other where they look for positives or add up a row.
TILE = {torch.float32: 256, torch.bfloat16: 512, torch.float16: 512}  # elements: two loads of 16 bytes a thread
ELEMENT_WARPS = 1
NARROW, NARROW_WARPS = 96, 1  # columns of the widest row that one thread holds without running out of registers
WIDE_COLUMNS = 2048  # of a warp
AT_ONCE = 32  # programs of one warp that a multiprocessor holds; each takes what the ones before it left
BLOCK, WARPS = 2048, 4  # elements of a program that scales gradients, and its warps
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


def _programs(call: LossCall) -> int:
    """How many programs a kernel gets: one a tile or row, but no more than run at once."""
    tiles = triton.cdiv(call.logits.numel(), TILE[call.logits.dtype])
    if call.loss not in SIGMOID:
        tiles = triton.cdiv(_rows(call), 32 * NARROW_WARPS if call.classes <= NARROW else 1)
    return min(tiles, AT_ONCE * _multiprocessors(call.logits.device))


def _rows(call: LossCall) -> int:
    return call.logits.numel() // call.classes


@functools.cache
def _multiprocessors(device: torch.device) -> int:
    """Of a GPU; in Triton's interpreter, where tensors are on the CPU, enough for several programs to take turns."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


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
    shared = {
        "POWER": int(call.power) if call.power in (0, 2) else -1,
        "WANT": want,
        "DIVIDED": divisor is not None,
        "INCOMING_EACH": incoming is not None and incoming.dim() > 0,
        "LONG": call.logits.numel() > SHORT,
        "enable_fp_fusion": False,  # the kernels say where a multiply-add is rounded once
    }
    tensors = (incoming, divisor, out, gradient)
    if call.loss in SIGMOID:
        _launch_elements(call, tensors, scale, shared)
    else:
        _launch_rows(call, tensors, scale, shared)


def _launch_elements(call: LossCall, tensors: tuple[Tensor | None, ...], scale: float, shared: dict[str, Any]) -> None:
    tile = TILE[call.logits.dtype]
    kernels.sigmoid_kernel[(_programs(call),)](
        call.logits,
        call.targets,
        call.labels,
        *tensors,
        call.logits.numel(),
        call.classes,
        *_two_parts(call.power),
        *_two_parts(call.power / math.log(2)),
        call.positive,
        call.negative,
        scale,
        LOSS=SIGMOID.index(call.loss),
        LABELLED=call.labels is not None,
        SCORED=call.labels is not None and call.targets is not None,
        TILE=tile,
        NEAR=triton.next_power_of_2(tile // call.classes + 2),
        num_warps=ELEMENT_WARPS,
        **shared,
    )


def _launch_rows(call: LossCall, tensors: tuple[Tensor | None, ...], scale: float, shared: dict[str, Any]) -> None:
    arguments = (call.logits, call.targets, call.weights, *tensors, _rows(call), *_two_parts(call.power), scale)
    shared |= {
        "CLASSES": call.classes,
        "BINS": call.loss == "distribution_focal",
        "WEIGHTED": call.weights is not None,
    }
    grid = (_programs(call),)
    if call.classes <= NARROW:
        triton_rows.narrow_kernel[grid](*arguments, ROWS=32 * NARROW_WARPS, num_warps=NARROW_WARPS, **shared)
    else:
        warps = max(triton.next_power_of_2(call.classes) // WIDE_COLUMNS, 1)
        triton_rows.wide_kernel[grid](*arguments, LEAST=32 * warps, num_warps=warps, **shared)


def _two_parts(number: float) -> tuple[float, float]:
    """A number rounded to float32, as a kernel gets it, and what that lost."""
    rounded = struct.unpack("f", struct.pack("f", number))[0]
    return rounded, number - rounded
