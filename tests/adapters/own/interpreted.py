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

ONE = torch.ones(())


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
