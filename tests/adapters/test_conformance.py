"""What every adapter that is found must hold to, whatever its library computes."""

import importlib
import inspect
import subprocess
import sys

import pytest
import torch

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, Loss, Unsupported, discover
from focalbench_suite.adapters._mmcv import ensure_ops
from focalbench_suite.adapters._ultralytics import ensure_quiet

ADAPTERS = discover()
READY = [adapter for adapter in ADAPTERS.values() if adapter.absence() is None]
LOSSES = [loss for adapter in READY for loss in adapter.losses]
SIMPLE = [loss for loss in LOSSES if loss.name not in adapters.CRITERIA]
DETECTORS = [loss for loss in LOSSES if loss.name in adapters.CRITERIA]
OPTIONAL = {"optax"}  # installed with an extra only
COMPILED = {"mmdetection.mmcv"}  # needs the full mmcv
N, C, BINS = 6, 4, 17

each_loss = pytest.mark.parametrize("loss", SIMPLE, ids=lambda loss: f"{loss.name}-{loss.label}")
each_detector = pytest.mark.parametrize("loss", DETECTORS, ids=lambda loss: f"{loss.name}-{loss.label}")


def inputs(loss: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and dense canonical targets that every library takes: hard labels, one class a row, some background.

    Of a loss over pairs, boxes and their targets, which overlap.
    """
    random = torch.Generator().manual_seed(1)
    form = CANONICAL[loss.name].inputs
    if form == "boxes":
        targets = torch.tensor([10.0, 20.0, 60.0, 50.0]).repeat(N, 1)
        return targets + 8 * torch.rand(N, 4, generator=random), targets
    logits = torch.randn(N, BINS if form == "bins" else C, generator=random)
    if form == "bins":
        return logits, torch.rand(N, generator=random) * (BINS - 2)
    label = torch.tensor([0, 1, 2, 3, 1, 0])
    if form == "index":
        return logits, label
    return logits, torch.nn.functional.one_hot(label, C).float() * torch.tensor([1, 1, 1, 1, 0, 0]).unsqueeze(1)


def answer(loss: Loss, call, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The library's answer with its own defaults, else with common parameters, else without alpha."""
    wanted = {name: loss.defaults.get(name, value) for name, value in CANONICAL[loss.name].recommended.items()}
    native = loss.native(targets, logits.shape[1])
    try:
        return call(logits, native, **wanted)
    except Unsupported:
        if loss.label in COMPILED and not ensure_ops():
            pytest.skip("the full mmcv is not installed")
        if "alpha" not in wanted:
            raise
        return call(logits, native, **(wanted | {"alpha": None}))


def scene(side: int = 128) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    boxes = [
        torch.tensor([[10.0, 12.0, 70.0, 80.0], [40.0, 40.0, 120.0, 110.0]]),
        torch.tensor([[5.0, 5.0, 60.0, 50.0]]),
    ]
    return boxes, [torch.tensor([1, 3]), torch.tensor([0])]


def test_importing_the_adapters_imports_no_measured_library():
    code = (
        "import sys; from focalbench_suite.adapters import discover; "
        "print(*[module for adapter in discover().values() for module in adapter.modules if module in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) <= {"torch"}  # which our own losses are made of


def test_all_but_the_optional_libraries_are_ready():
    assert {name for name, adapter in ADAPTERS.items() if adapter.absence() is not None} <= OPTIONAL


def test_one_file_is_one_adapter_of_that_name():
    for name, adapter in ADAPTERS.items():
        module = sys.modules.get(f"focalbench_suite.adapters.{name}") or importlib.import_module(
            f"focalbench_suite.adapters.{name}"
        )
        assert adapter.name == name
        assert module.__doc__


@pytest.mark.parametrize("adapter", READY, ids=lambda adapter: adapter.name)
def test_no_two_losses_of_an_adapter_share_name_and_label(adapter):
    labels = [(loss.name, loss.label) for loss in adapter.losses]
    assert labels
    assert len(set(labels)) == len(labels)
    assert all(loss.source == adapter.name for loss in adapter.losses)


@each_loss
def test_own_reduction_gives_finite_numbers_and_gradients(loss):
    logits, targets = inputs(loss)
    logits.requires_grad_()
    value = answer(loss, loss.reduced, logits, targets)
    assert value.isfinite().all()
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert gradient.shape == logits.shape
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@each_loss
def test_own_reduction_is_a_number_unless_declared_otherwise(loss):
    value = answer(loss, loss.reduced, *inputs(loss))
    if loss.reduction == "none":
        assert value.shape[0] == N
    else:
        assert value.numel() == 1


@each_loss
def test_a_value_per_element_or_row_or_a_plain_refusal(loss):
    logits, targets = inputs(loss)
    if not loss.has_elementwise:
        with pytest.raises(Unsupported, match="no value per element"):
            loss.elementwise(logits, loss.native(targets, logits.shape[1]))
        return
    value = answer(loss, loss.elementwise, logits, targets)
    shapes = {"dense": {(N, C), (N,)}, "index": {(N, C), (N,)}, "bins": {(N,)}, "boxes": {(N,), (N, 4)}}
    assert tuple(value.shape) in shapes[CANONICAL[loss.name].inputs]


@each_loss
def test_every_declared_reduction_is_the_librarys_word(loss):
    for word in loss.reductions:
        value = answer(
            loss, lambda *given, word=word, **names: loss.call(*given, reduction=word, **names), *inputs(loss)
        )
        assert value.isfinite().all()


@each_loss
def test_arguments_are_left_alone(loss):
    logits, targets = inputs(loss)
    before = logits.clone(), targets.clone()
    answer(loss, loss.reduced, logits, targets)
    torch.testing.assert_close((logits, targets), before, rtol=0, atol=0)


@each_loss
def test_a_second_call_gives_the_same(loss):
    first = answer(loss, loss.reduced, *inputs(loss))
    torch.testing.assert_close(answer(loss, loss.reduced, *inputs(loss)), first, rtol=0, atol=0)


def as_tensors(loss: Loss, parameters: dict) -> dict:
    """Class weights (C,), and row weights that are given for one row (N,)."""
    role = {parameter.name: parameter.role for parameter in CANONICAL[loss.name].parameters}
    return {
        name: torch.tensor(value * (N if role[name] == "row_weights" else 1)) if isinstance(value, tuple) else value
        for name, value in parameters.items()
    }


@each_loss
def test_every_setting_is_computed_or_refused_with_its_reason(loss):
    logits, targets = inputs(loss)
    native = loss.native(targets, logits.shape[1])
    for parameters in CANONICAL[loss.name].explained:
        try:
            value, refusal = loss.reduced(logits, native, **as_tensors(loss, parameters)), ""
        except Unsupported as reason:
            value, refusal = None, str(reason)
        assert isinstance(value, torch.Tensor) or len(refusal) > 15  # it says why


@each_loss
def test_a_parameter_that_a_library_has_none_of_is_refused(loss):
    logits, targets = inputs(loss)
    for name in loss.without:
        with pytest.raises(Unsupported):
            loss.reduced(logits, loss.native(targets, C), **{"gamma": 2.0, name: 0.25})


@pytest.mark.parametrize("labels", ["index", "label_score"])
def test_targets_that_do_not_fit_the_label_form_are_unsupported(labels):
    loss = Loss("focal", "any", call=None, labels=labels)
    with pytest.raises(Unsupported, match="one class a row"):
        loss.native(torch.tensor([[1.0, 1.0]]), 2)
    with pytest.raises(Unsupported, match="made of rows"):
        loss.native(torch.zeros(2, 3, 4), 4)
    with pytest.raises(Unsupported, match="negative"):
        loss.native(torch.tensor([[-1.0, 0.0]]), 2)


def test_index_targets_carry_no_soft_label_and_call_empty_rows_background():
    loss = Loss("focal", "any", call=None, labels="index")
    with pytest.raises(Unsupported, match="soft label"):
        loss.native(torch.tensor([[0.5, 0.0]]), 2)
    assert loss.native(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), 2).tolist() == [1, 2]


def test_label_and_score_targets_name_the_class_and_its_score():
    loss = Loss("quality_focal", "any", call=None, labels="label_score")
    label, score = loss.native(torch.tensor([[0.0, 0.75], [0.0, 0.0]]), 2)
    assert label.tolist() == [1, 2]
    assert score.tolist() == [0.75, 0.0]


SIGNATURES = [loss for loss in SIMPLE if loss.origin and loss.label not in COMPILED]
NO_DEFAULT_TO_DECLARE = {  # the library's default is that of another function than the canonical one
    ("keras", "alpha"),  # counts with apply_class_balancing=True only
    ("timm.poly", "gamma"),
    ("timm.poly", "alpha"),
    ("pytorch_toolbelt", "alpha"),
    ("monai", "alpha"),
}


@pytest.mark.parametrize("loss", SIGNATURES, ids=lambda loss: f"{loss.name}-{loss.label}")
def test_declared_defaults_are_those_of_the_installed_library(loss):
    ensure_ops()
    ensure_quiet()
    module, _, path = loss.origin.partition(":")
    library = importlib.import_module(module)
    for name in path.split("."):
        library = getattr(library, name)
    try:
        signature = inspect.signature(library).parameters
    except ValueError:  # torch.jit.script keeps no Python signature, but a schema
        schema = library.schema.arguments
        found = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    else:
        found = {name: each.default for name, each in signature.items() if each.default is not inspect.Parameter.empty}
    if loss.reductions and "reduction" in found:
        assert str(found["reduction"]) == loss.reduction
    for name in {"gamma", "alpha", "beta"} & found.keys():
        if (loss.label, name) in NO_DEFAULT_TO_DECLARE:
            continue
        expected = None if found[name] == -1 else found[name]  # -1 is how an alpha is turned off
        assert loss.defaults[name] == expected


@each_detector
def test_a_detector_loss_gives_its_terms_with_gradients(loss):
    boxes, labels = scene()
    torch.manual_seed(0)
    if loss.name == "v8_detection":
        outputs = [torch.randn(2, 64 + 5, 128 // stride, 128 // stride, requires_grad=True) for stride in (8, 16, 32)]
        terms = loss.call(outputs, boxes, labels, strides=(8, 16, 32), num_classes=5)
        assert list(terms) == ["box", "cls", "dfl"]
    elif loss.name == "end_to_end_detection":
        outputs, others = (
            [torch.randn(2, 4 + 5, 128 // stride, 128 // stride, requires_grad=True) for stride in (8, 16, 32)]
            for _ in range(2)
        )
        terms = loss.call(outputs, others, boxes, labels, strides=(8, 16, 32), num_classes=5, reg_max=1)
        assert list(terms) == ["box", "cls", "l1"]
    elif loss.name == "rtdetr_head":
        outputs, logits = ([torch.randn(2, 20, channels, requires_grad=True)] for channels in (4, 5))
        terms = loss.call(outputs, logits, boxes, labels, image_size=(128, 128))
        assert list(terms) == ["cls", "bbox", "giou"]
    elif CANONICAL[loss.name].inputs == "maps":
        channels = {"retinanet_head": (45, 36), "fcos_head": (5, 4, 1)}[loss.name]
        outputs, *more = (
            [(torch.randn(2, each, 128 // stride, 128 // stride) + 2).requires_grad_() for stride in (8, 16, 32)]
            for each in channels
        )
        terms = loss.call(outputs, *more, boxes, labels, image_size=(128, 128), strides=(8, 16, 32))
        assert list(terms) == ["cls", "bbox", "ctrness"][: len(channels)]
    else:
        strides = (8, 16, 32, 64, 128)
        outputs = [torch.randn(2, 5, 128 // stride, 128 // stride, requires_grad=True) for stride in strides]
        sides = [torch.randn(2, 68, 128 // stride, 128 // stride, requires_grad=True) for stride in strides]
        terms = loss.call(outputs, sides, boxes, labels, image_size=(128, 128), strides=strides)
        assert list(terms) == ["cls", "bbox", "dfl"]
    assert all(term.dim() == 0 and term > 0 for term in terms.values())
    assert torch.autograd.grad(sum(terms.values()), outputs[0])[0].abs().sum() > 0
