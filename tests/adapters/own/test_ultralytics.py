"""Our criterion in Ultralytics' models, against their own on the same outputs and batch."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.adapters.own import focal_loss

BATCH = {
    "batch_idx": torch.tensor([0, 0, 2]),  # nothing in the second image
    "cls": torch.tensor([[1], [0], [2]]),
    "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.6], [0.2, 0.3, 0.2, 0.2], [0.6, 0.6, 0.5, 0.3]]),
}


@pytest.fixture(scope="module")
def model():
    ensure_quiet()
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    built = DetectionModel("yolov8n.yaml", nc=3, verbose=False)
    built.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    return built.train()


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def test_equals_ultralytics_own_criterion(model, images):
    from ultralytics.utils.loss import v8DetectionLoss

    from focalbench_suite.adapters.own.ultralytics import Criterion

    outputs = model(images)
    expected, expected_items = v8DetectionLoss(model)(outputs, BATCH)
    found, items = Criterion(model)(outputs, BATCH)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    assert list(items) == list(expected_items)
    for name, value in expected_items.items():
        torch.testing.assert_close(items[name], value, rtol=1e-5, atol=0)
        assert not items[name].requires_grad


def test_gradients_reach_every_parameter_that_theirs_reach(model, images):
    from ultralytics.utils.loss import v8DetectionLoss

    from focalbench_suite.adapters.own.ultralytics import Criterion

    outputs = model(images)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    wanted, found = (
        torch.autograd.grad(criterion(outputs, BATCH)[0].sum(), parameters, retain_graph=True, allow_unused=True)
        for criterion in (v8DetectionLoss(model), Criterion(model))
    )
    assert [each is None for each in found] == [each is None for each in wanted]
    scale = max(each.abs().max().item() for each in wanted if each is not None)
    for ours, theirs in zip(found, wanted, strict=True):
        if theirs is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6 * scale)


def test_validation_outputs_are_taken_too(model, images):
    from focalbench_suite.adapters.own.ultralytics import Criterion

    model.eval()
    try:
        outputs = model(images)
        assert isinstance(outputs, tuple)
        assert Criterion(model)(outputs, BATCH)[0].isfinite().all()
    finally:
        model.train()


def test_a_trainer_gives_its_model_our_criterion(model):
    ensure_quiet()
    from focalbench_suite.adapters.own.ultralytics import Criterion, Trainer

    class FocalTrainer(Trainer):
        classification = partial(focal_loss, gamma=1.5, alpha=0.25)

        def __init__(self):  # without reading a data set
            self.model, self.args = model, model.args
            self.data = {"nc": 3, "names": {0: "a", 1: "b", 2: "c"}}

    FocalTrainer().set_model_attributes()
    assert isinstance(model.criterion, Criterion)
    assert model.criterion.classification.keywords == {"gamma": 1.5, "alpha": 0.25}
    assert model.criterion.distribution.__name__ == "distribution_focal_loss"
