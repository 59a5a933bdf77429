"""Which module does a call: the kernels of its device, or the readable form where there are none for it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from types import ModuleType

from . import cpu, plain
from .call import Call


def backend_of(call: Call) -> ModuleType:
    """The module with `total`, `each`, `gradient` and `multiply` for this call."""
    device = call.logits.device.type
    if call.logits.numel() == 0:
        return plain
    if device == "cpu" and cpu.takes(call):
        return cpu
    if device == "cuda" and (gpu := _gpu()) is not None and gpu.takes(call):
        return gpu
    return plain


@functools.cache
def _gpu() -> ModuleType | None:
    if importlib.util.find_spec("triton") is None:
        return None
    return importlib.import_module(".gpu", __package__)
