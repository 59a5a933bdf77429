"""The losses imported twice in one process, as `adapters.own` and under the name of the installed wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[3] / "adapters" / "own"
PROGRAM = """
import importlib, sys
from importlib import import_module
import torch
from focalbench_suite.adapters._mmcv import ensure_ops

x, y = torch.linspace(-3, 3, 6).view(3, 2).requires_grad_(), torch.zeros(3, 2)
first, second = (import_module(name) for name in sys.argv[1:])
assert first.focal_loss is not second.focal_loss
for room in (first, second, first):
    for reduction in ("mean", "none"):
        torch.compiler.reset()
        compiled = torch.compile(room.focal_loss, fullgraph=True, backend="aot_eager")(x, y, reduction=reduction)
        eager = room.focal_loss(x, y, reduction=reduction)
        torch.testing.assert_close(compiled, eager)
        torch.testing.assert_close(*(torch.autograd.grad(loss.sum(), x)[0] for loss in (compiled, eager)))

ensure_ops()
import mmdet.models
from mmdet.registry import MODELS
for name in sys.argv[1:]:
    import_module(f"{name}.mmdetection")
    built = [MODELS.build({"type": f"focalbench.{loss}Loss"}) for loss in ("Focal", "Varifocal", "DistributionFocal")]
    assert {type(loss).__module__ for loss in built} == {f"{name}.mmdetection"}  # the last one imported
    torch.testing.assert_close(built[0](x, y), eager.mean())
"""


NAMES = ("focalbench_suite.adapters.own", "focalbench")


@pytest.mark.parametrize("order", [NAMES, NAMES[::-1]], ids=" ".join)
def test_both_compute_compile_and_register_in_either_order(order, tmp_path):
    shutil.copytree(ROOM, tmp_path / "focalbench", ignore=shutil.ignore_patterns("__pycache__"))
    place = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    run = subprocess.run([sys.executable, "-c", place + PROGRAM, *order], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
