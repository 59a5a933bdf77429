"""The processes of one training: torchrun starts them and says in the environment which of them this one is."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from typing import Any


def rank() -> int:
    """This process's number; the first, 0, is the one that records."""
    return int(os.environ.get("RANK", 0))


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def on_this_machine() -> int:
    """How many of them share this machine's processors."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def join(device: str) -> None:
    """Form the group of the processes, once for all trainings: torchrun has no second meeting place."""
    if count() == 1:
        return
    import torch
    from torch import distributed

    if not distributed.is_initialized():
        if device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
        atexit.register(distributed.destroy_process_group)  # gloo's threads abort a process that ends with the group


def mean(values: Mapping[str, float]) -> dict[str, float]:
    """Each value's mean over the processes, the same in all of them."""
    if count() == 1:
        return dict(values)
    import torch
    from torch import distributed

    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    total = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
    distributed.all_reduce(total)
    return dict(zip(values, (total / count()).tolist(), strict=True))


def gathered(items: list[Any]) -> list[Any]:
    """The items of all processes, in the first; none in the others."""
    if count() == 1:
        return items
    from torch import distributed

    parts: list[list[Any]] = [[] for _ in range(count())]
    distributed.gather_object(items, parts if rank() == 0 else None)
    return [item for part in parts for item in part]
