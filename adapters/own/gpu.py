"""The backend of GPUs: launches the kernels of `triton_kernels` and `triton_rows`."""

from __future__ import annotations

import functools
import math
import struct
import sys
from typing import Any

import torch
from torch import Tensor

from . import triton_kernels as kernels
from . import triton_rows
from .loss_call import ROWS, SIGMOID, LossCall

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
MOST_COLUMNS = triton_rows.MOST_COLUMNS.value
SHORT = 2**31 - 2**20  # places below this fit into 32 bits, those of the last tile included
# Sizes that decide a kernel's speed and no result but the last digits of a sum, as they were fastest on an H200.
# Programs are of one warp where they can be, since the threads of a program wait for each other where they look for
# positives or add up a row.
TILE, HALF_DENSE_TILE = 256, 512  # elements
NARROW = 96  # columns of the widest row that one thread holds without running out of registers
THREADS = 32  # of a warp, each of which holds a narrow row
WIDE_COLUMNS = 2048  # of a warp
AT_ONCE = 16  # programs of a multiprocessor; each takes what the ones before it left
BLOCK, WARPS = 2048, 4  # elements that a program scales in a turn, and its warps
# A gradient of so few elements is scaled by torch: that reads and writes it all, but is launched in half the time.
FEW = 1 << 20


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
    value = torch.empty((), dtype=call.total_dtype, device=logits.device)
    want = kernels.TOTAL_AND_GRADIENT if with_gradient else kernels.TOTAL
    _launch(call, want.value, out=value, gradient=gradient, divisor=divisor, scale=scale)
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
    elements = gradient.numel()
    if elements <= FEW:
        gradient.mul_(incoming)
        return
    programs = min(_parts(elements, BLOCK), _multiprocessors(gradient.device) * AT_ONCE)
    kernels.scale_kernel[(programs,)](gradient, incoming, elements, LONG=elements > SHORT, BLOCK=BLOCK, num_warps=WARPS)


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
    launch = _launch_elements if call.loss in SIGMOID else _launch_rows
    most = _multiprocessors(call.logits.device) * AT_ONCE
    partial = done = None
    if want in (kernels.TOTAL.value, kernels.TOTAL_AND_GRADIENT.value):
        partial = torch.empty(most, dtype=torch.float32, device=call.logits.device)
        done = _done(call.logits.device)
    options = {
        "POWER": int(call.power) if call.power in (0, 2) else -1,
        "WANT": want,
        "DIVIDED": divisor is not None,
        "INCOMING_EACH": incoming is not None and incoming.dim() > 0,
        "LONG": call.logits.numel() > SHORT,
        "enable_fp_fusion": False,  # the kernels say where a multiply-add is rounded once
    }
    launch(call, (incoming, divisor, out, gradient, partial, done), scale, most, options)


def _launch_elements(
    call: LossCall, tensors: tuple[Tensor | None, ...], scale: float, most: int, options: dict[str, Any]
) -> None:
    elements = call.logits.numel()
    tile = TILE if call.labels is not None or call.logits.dtype == torch.float32 else HALF_DENSE_TILE
    kernels.sigmoid_kernel[(min(_parts(elements, tile), most),)](
        call.logits,
        call.targets,
        call.labels,
        *tensors,
        elements,
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
        NEAR=_power_of_2(tile // call.classes + 2),
        num_warps=1,
        **options,
    )


def _launch_rows(
    call: LossCall, tensors: tuple[Tensor | None, ...], scale: float, most: int, options: dict[str, Any]
) -> None:
    rows = call.logits.numel() // call.classes
    arguments = (call.logits, call.targets, call.weights, *tensors, rows, *_two_parts(call.power), scale)
    options |= {
        "CLASSES": call.classes,
        "BINS": call.loss == "distribution_focal",
        "WEIGHTED": call.weights is not None,
    }
    if call.classes <= NARROW:
        grid = (min(_parts(rows, THREADS), most),)
        triton_rows.narrow_kernel[grid](*arguments, ROWS=THREADS, num_warps=1, **options)
    else:
        warps = max(_power_of_2(call.classes) // WIDE_COLUMNS, 1)
        grid = (min(rows, most),)
        triton_rows.wide_kernel[grid](*arguments, LEAST=THREADS * warps, num_warps=warps, **options)


@functools.cache
def _multiprocessors(device: torch.device) -> int:
    """Of a GPU; in Triton's interpreter, where tensors are on the CPU, so few that programs take several turns."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


def _done(device: torch.device) -> Tensor:
    """A counter at 0, which a kernel leaves at 0: one a stream, whose launches wait for each other.

    A graph that is being captured gets its own, since its memory goes with it.
    """
    if device.type != "cuda" or torch.cuda.is_current_stream_capturing():
        return torch.zeros((), dtype=torch.int32, device=device)
    return _done_of_stream(device, torch.cuda.current_stream(device).cuda_stream)


@functools.cache
def _done_of_stream(device: torch.device, stream: int) -> Tensor:
    return torch.zeros((), dtype=torch.int32, device=device)


def _parts(whole: int, part: int) -> int:
    """How many parts it takes; Triton's own `cdiv` takes 10 µs a call."""
    return -(-whole // part)


def _power_of_2(number: int) -> int:
    """The next one; Triton's own takes 10 µs a call."""
    return 1 << (number - 1).bit_length()


def _two_parts(number: float) -> tuple[float, float]:
    """A number rounded to float32, as a kernel gets it, and what that lost."""
    rounded = struct.unpack("f", struct.pack("f", number))[0]
    return rounded, number - rounded
