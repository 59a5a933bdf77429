"""Saves what the GPU's kernels give in Triton's interpreter: ``python -m tests.adapters.own.interpreted OUT``.

The interpreter is chosen when Triton is imported, so that this is a process of its own.
"""

import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch
from triton.runtime import interpreter

from focalbench_suite.adapters.own import gpu
from tests.adapters.own.cases import calls


def fused(self, x, y, z):
    """A multiply-add that rounds once, as a GPU's does; the interpreter's own rounds twice."""
    exact = x.data.astype(np.float64) * y.data.astype(np.float64) + z.data.astype(np.float64)
    return interpreter.TensorHandle(exact.astype(z.data.dtype), z.dtype.scalar)


interpreter.InterpreterBuilder.create_fma = fused

# The instructions that the kernels write in assembly, each with the largest error that the PTX manual allows it, up and
# down by turns: what the kernels give must not depend on luck here. 2^x of an integer is exact.
ULP = 2.0**-23
APPROXIMATE = {
    "rcp.approx.ftz.f32": lambda x, turn: 1 / x * (1 + turn * ULP / 2),
    "ex2.approx.ftz.f32": lambda x, turn: np.exp2(x) * np.where(x == np.rint(x), 1, 1 + turn * 2 * ULP),
    "lg2.approx.ftz.f32": lambda x, turn: np.log2(x) + turn * 2.0**-22,
}


def assembly(self, text, constraints, values, types, pure, pack):
    """An approximate instruction of the special-function unit."""
    x = values[0].data.astype(np.float64)
    turn = np.where(values[0].data.view(np.int32) & 1, 1.0, -1.0)
    with np.errstate(all="ignore"):
        result = APPROXIMATE[text.split()[0]](x, turn)
    result = np.where(np.abs(result) < np.finfo(np.float32).tiny, 0.0, result).astype(np.float32)
    return Result(interpreter.TensorHandle(result, values[0].dtype.scalar))


class Result:
    """What an inline assembly gives, as the interpreter's caller takes it."""

    def __init__(self, handle):
        self.handle = handle

    def get_result(self, number):
        return self.handle


interpreter.InterpreterBuilder.create_inline_asm = assembly

ONE = torch.ones(())
gpu.FEW = 0  # so that the kernel scales these gradients, too, which are too few for it


def everything(call, count):
    """Each result that these kernels can be asked for."""
    total, slopes = gpu.total(call, 1 / count, None, with_gradient=True)
    again, slopes_again = gpu.total(call, 1.0, torch.tensor(float(count)), with_gradient=True)
    each = gpu.each(call)
    scaled = slopes.clone()
    gpu.multiply(scaled, torch.tensor(3.0))
    return {
        "each": each,
        "total": total,
        "total_by_divisor": again,
        "total_alone": gpu.total(call, 1 / count, None, with_gradient=False)[0],
        "gradient": gpu.gradient(call, ONE, 1.0, None),
        "gradient_each": gpu.gradient(call, torch.full(each.shape, 2.0), 1.0, None),
        "slopes": slopes,
        "slopes_by_divisor": slopes_again,
        "scaled": scaled,
    }


if __name__ == "__main__":
    results = {}
    for name, call in calls():
        count = call.logits.shape[0] if call.by_row else call.logits.numel()
        results[name] = everything(call, count)
    torch.save(results, sys.argv[1])
