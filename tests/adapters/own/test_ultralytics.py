"""Our criterion in Ultralytics' models, against their own on the same outputs and batch."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.adapters.own import cross_entropy_loss, focal_loss
from focalbench_suite.adapters.own.end_to_end import branch_weights

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


@pytest.fixture
def weighted(model):
    """The model with class weights, as the library's trainer makes them under `cls_pw`."""
    model.class_weights = torch.tensor([0.25, 0.75, 2.0])
    yield model
    del model.class_weights


@pytest.mark.parametrize("classification", [cross_entropy_loss, partial(focal_loss, gamma=0.0, alpha=None)])
def test_class_weights_are_those_of_ultralytics(weighted, images, classification):
    from ultralytics.utils.loss import v8DetectionLoss

    from focalbench_suite.adapters.own.ultralytics import Criterion

    outputs = weighted(images)
    found, expected = (
        criterion(outputs, BATCH)[0] for criterion in (Criterion(weighted, classification), v8DetectionLoss(weighted))
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    ours, theirs = (torch.autograd.grad(loss[1], outputs["scores"], retain_graph=True) for loss in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    del weighted.class_weights
    plain = Criterion(weighted)(outputs, BATCH)[0]
    weighted.class_weights = torch.ones(3)
    assert plain[1].item() != pytest.approx(expected[1].item(), rel=0.01)
    assert plain[0] == found[0]


def test_class_weights_of_other_classes_are_refused(weighted, images):
    from focalbench_suite.adapters.own.ultralytics import Criterion

    weighted.class_weights = torch.ones(2)
    with pytest.raises(ValueError, match=r"class_weights holds a weight a class, \(3,\); this one is \(2,\)"):
        Criterion(weighted)(weighted(images), BATCH)


@pytest.mark.parametrize(
    ("file", "told"),
    [("yolov8n-seg.yaml", "mask_coefficient, proto"), ("yolov8n-obb.yaml", "angle"), ("yolov8n-pose.yaml", "kpts")],
)
def test_what_a_head_gives_besides_boxes_and_classes_is_refused_by_name(file, told, images):
    from ultralytics.nn.tasks import DetectionModel

    from focalbench_suite.adapters.own.ultralytics import Criterion

    other = DetectionModel(file, nc=3, verbose=False).train()
    other.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    with pytest.raises(ValueError, match=f"head also gives {told}, which this criterion does not train"):
        Criterion(other)(other(images), BATCH)


class Watched:
    """Notes under a name which attributes of an object are read."""

    def __init__(self, inner, name, read):
        vars(self).update(inner=inner, name=name, read=read)

    def __getattr__(self, attribute):
        self.read.add(f"{self.name}.{attribute}")
        return getattr(self.inner, attribute)


def test_every_setting_of_a_model_that_theirs_reads_ours_reads_or_takes_from_the_outputs(model, images):
    from ultralytics.utils.loss import v8DetectionLoss

    from focalbench_suite.adapters.own.ultralytics import Criterion

    outputs, read = model(images), {}
    for kind in (v8DetectionLoss, Criterion):
        seen = read.setdefault(kind, set())
        layers = [Watched(model.model[-1], "head", seen)]
        settings = SimpleNamespace(model=layers, args=Watched(model.args, "args", seen), parameters=model.parameters)
        settings.class_weights = None
        kind(Watched(settings, "model", seen))(outputs, BATCH)
    shapes = {"model.parameters", "head.nc", "head.reg_max"}  # the device, C and the bins are the outputs' own
    assert read[v8DetectionLoss] - read[Criterion] == shapes
    assert "model.class_weights" in read[Criterion]


@pytest.fixture(scope="module", params=["yolov10n.yaml", "yolo26n.yaml"])
def end_to_end(request):
    """A model of two branches in float64, YOLO26's with sides in place of distributions."""
    ensure_quiet()
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    built = DetectionModel(request.param, nc=3, verbose=False).double()
    built.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, epochs=4)
    return built.train()


EMPTY = {"batch_idx": torch.zeros(0), "cls": torch.zeros(0, 1), "bboxes": torch.zeros(0, 4)}
ONE = {name: values[:1] for name, values in BATCH.items()}


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("batch", [EMPTY, ONE, BATCH], ids=["no object", "one object", "several objects"])
@pytest.mark.parametrize("epoch", range(6))
def test_an_end_to_end_criterion_is_ultralytics_own_in_every_epoch(end_to_end, images, batch, epoch):
    from focalbench_suite.adapters.own.ultralytics import EndToEndCriterion, criterion_for

    batch = batch | {"bboxes": batch["bboxes"].double()}
    outputs = end_to_end(images.double())
    heads = [outputs[branch][part] for branch in ("one2many", "one2one") for part in ("boxes", "scores")]
    theirs, ours = end_to_end.init_criterion(), criterion_for(end_to_end)
    assert isinstance(ours, EndToEndCriterion)
    for _ in range(epoch):
        theirs.update()
        ours.update()
    (expected, expected_items), (found, items) = (criterion(outputs, batch) for criterion in (theirs, ours))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(items, expected_items, rtol=1e-12, atol=0)
    assert list(items) == list(expected_items)
    for term in range(3):
        wanted, given = (
            torch.autograd.grad(loss[term], heads, retain_graph=True, materialize_grads=True)
            for loss in (expected, found)
        )
        torch.testing.assert_close(given, wanted, rtol=1e-9, atol=1e-14)


@pytest.mark.usefixtures("double")
def test_class_weights_reach_both_branches(end_to_end, images):
    from focalbench_suite.adapters.own.ultralytics import criterion_for

    batch, outputs = BATCH | {"bboxes": BATCH["bboxes"].double()}, end_to_end(images.double())
    end_to_end.class_weights = torch.tensor([0.25, 0.75, 2.0])
    try:
        found, expected = (each(outputs, batch)[0] for each in (criterion_for(end_to_end), end_to_end.init_criterion()))
    finally:
        del end_to_end.class_weights
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_the_criterion_of_one_branch_refuses_two_and_names_the_other(end_to_end, images):
    from focalbench_suite.adapters.own.ultralytics import Criterion

    with pytest.raises(ValueError, match=r"head also gives one2many, one2one, .* take EndToEndCriterion"):
        Criterion(end_to_end)(end_to_end(images.double()), BATCH)


def test_a_trainer_goes_on_with_the_weights_of_its_epoch(end_to_end):
    from focalbench_suite.adapters.own.ultralytics import EndToEndCriterion, Trainer

    class Resumed(Trainer):
        def __init__(self):  # in its third epoch, without a checkpoint to read
            self.model, self.args, self.start_epoch, self.resume = end_to_end, end_to_end.args, 2, False

    theirs = end_to_end.init_criterion()
    theirs.updates = 1  # as the library's trainer goes on in the third epoch
    theirs.update()
    Resumed().resume_training(None)
    ours, end_to_end.criterion = end_to_end.criterion, None
    assert isinstance(ours, EndToEndCriterion)
    assert branch_weights(ours.updates, ours.epochs) == pytest.approx((theirs.o2m, theirs.o2o), rel=1e-15)


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


def test_cls_pw_reaches_our_criterion_through_the_trainer(model):
    import numpy as np

    from focalbench_suite.adapters.own.ultralytics import Trainer

    class Counted(Trainer):
        def __init__(self):  # without reading a data set
            self.model, self.device = model, torch.device("cpu")
            self.args = SimpleNamespace(**vars(model.args), cls_pw=1.0)
            self.data = {"nc": 3, "names": {0: "a", 1: "b", 2: "c"}}
            self.train_loader = SimpleNamespace(dataset=SimpleNamespace(labels=[{"cls": np.array([0, 0, 1, 1, 1, 2])}]))

    before = model.args
    trainer = Counted()
    trainer.set_model_attributes()
    trainer.set_class_weights()
    # the inverse frequencies 1/2, 1/3, 1 have the mean 11/18
    torch.testing.assert_close(model.criterion.class_weights.double(), torch.tensor([9, 6, 18]).double() / 11)
    del model.class_weights
    model.args, model.criterion = before, None
