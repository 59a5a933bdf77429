"""Imports Ultralytics without what comes with it: a settings file in the home directory, a notice, network look-ups."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path

QUIET = {
    "YOLO_CONFIG_DIR": str(Path(tempfile.gettempdir()) / "focalbench-ultralytics"),
    "YOLO_VERBOSE": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
}


@lru_cache
def ensure_quiet() -> None:
    """Prepare the first ``import ultralytics`` of this process; call it before that import.

    Environment variables that are already set keep their values. `OMP_NUM_THREADS`, which the import would set to 1 for
    this process and its children, and torch's way of printing stay as they are.
    """
    import torch

    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    import ultralytics  # noqa: F401

    torch.set_printoptions(profile="default")
    if threads is None:
        del os.environ["OMP_NUM_THREADS"]
