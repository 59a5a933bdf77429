"""What importing the libraries through their adapters does to the process, and what stands in for what is missing."""

import json
import os
import subprocess
import sys

import pytest
import torch

from focalbench_suite.adapters import _mmcv

QUIET = """
import json, os, socket, sys
def refuse(*arguments, **options): raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refuse
import torch
torch.set_num_threads(2)
from focalbench_suite.adapters import discover
(loss,) = [loss for loss in discover()["ultralytics"].losses if loss.name == "focal"]
value = loss.reduced(torch.zeros(1, 1), torch.ones(1, 1), gamma=0.0, alpha=None)
print(json.dumps([value.item(), torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), str(value)]))
"""


def test_ultralytics_comes_without_noise_network_settings_or_fewer_threads(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO_", "OMP_"))}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": os.getcwd()}
    (tmp_path / "tmp").mkdir()
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [pytest.approx(0.6931472), 2, None, "tensor(0.6931)"]
    assert not (tmp_path / ".config").exists()


@pytest.fixture
def stand_in():
    if _mmcv.ensure_ops():
        pytest.skip("the full mmcv is installed, there is no stand-in")
    return sys.modules["mmcv._ext"]


def test_missing_operators_say_what_to_install(stand_in):
    with pytest.raises(NotImplementedError, match="'ms_deform_attn_forward' is compiled code: install the full mmcv"):
        stand_in.ms_deform_attn_forward(1, key=2)


def test_what_is_asked_of_a_users_code_is_not_answered_by_ours(stand_in):
    program = (
        "from focalbench_suite.adapters import load_object\n"
        "import torch\n"
        "focal = load_object('mmcv.ops:sigmoid_focal_loss')\n"
        "try:\n"
        "    focal(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), 2.0, 0.25, None, 'none')\n"
        "except NotImplementedError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mmcv.ops 'sigmoid_focal_loss_forward' is compiled code")


def test_the_stand_in_is_a_module_that_can_be_looked_up(stand_in):
    import importlib.util

    assert importlib.util.find_spec("mmcv._ext").name == "mmcv._ext"
    assert not hasattr(stand_in, "__path__")


def test_suppression_works_and_knows_the_offset(stand_in):
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 4.0], [20.0, 20.0, 29.0, 29.0]])
    scores = torch.tensor([0.5, 0.9, 0.7])
    # the first two overlap by 36/81 = 0.444, and by 50/100 = 0.5 where a pixel counts as one wide
    assert nms(boxes, scores, 0.45)[1].tolist() == [1, 2, 0]
    assert nms(boxes, scores, 0.45, offset=1)[1].tolist() == [1, 2]


@pytest.mark.usefixtures("stand_in")
def test_the_focal_loss_of_class_indices_is_mmdetections_plain_form():
    from mmcv.ops import sigmoid_focal_loss
    from mmdet.models.losses import FocalLoss

    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    index = torch.tensor([0, 1, 2, 3, 3, 0, 2, 1])  # 3 is background
    compiled = sigmoid_focal_loss(logits, index, 1.5, 0.3, None, "none")
    plain = FocalLoss(gamma=1.5, alpha=0.3, reduction="none")(logits, index)
    torch.testing.assert_close(compiled, plain, rtol=0, atol=0)
    gradients = [torch.autograd.grad((loss * torch.arange(3)).sum(), logits)[0] for loss in (compiled, plain)]
    torch.testing.assert_close(*gradients)
