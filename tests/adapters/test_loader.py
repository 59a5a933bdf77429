"""Where adapters come from: files, installed entry points, what a user names; and what is said when one cannot."""

import sys
import textwrap

import pytest
import torch

from focalbench_suite.adapters import Adapter, Unsupported, discover, load, load_object

PLAIN = """
    from torch.nn.functional import binary_cross_entropy_with_logits as bce
    from scale import SCALE

    def focal(logits, targets, gamma=2.0):
        return SCALE * gamma * bce(logits, targets)

    def mine(logits, targets, reduction="sum"):
        return bce(logits, targets, reduction=reduction)

    class Half:
        def __init__(self, alpha=0.5):
            self.alpha = alpha

        def __call__(self, logits, targets):
            return self.alpha * bce(logits, targets)

    number = 3
"""
LOGITS, TARGETS = torch.zeros(2, 1), torch.tensor([[1.0], [0.0]])
LN2 = 0.6931471824645996  # in float32: the cross entropy of a logit of 0


@pytest.fixture
def file(tmp_path):
    (tmp_path / "scale.py").write_text("SCALE = 10")
    path = tmp_path / "my_losses.py"
    path.write_text(textwrap.dedent(PLAIN))
    return path


def test_a_function_in_a_file_becomes_an_adapter_of_the_loss_it_is_named_after(file):
    adapter = load(f"{file}:focal")
    (loss,) = adapter.losses
    assert (adapter.name, loss.name, adapter.absence()) == ("focal", "focal", None)
    assert loss.reduced(LOGITS, TARGETS, gamma=3.0, alpha=0.25).item() == pytest.approx(30 * LN2)


def test_another_loss_is_named_by_the_user(file):
    (loss,) = load(f"{file}:mine", "quality_focal").losses
    assert loss.reduction == "sum"
    assert loss.reduced(LOGITS, TARGETS, beta=2.0).item() == pytest.approx(2 * LN2)
    assert loss.elementwise(LOGITS, TARGETS, beta=2.0).shape == (2, 1)


def test_a_class_is_constructed_with_the_parameters_that_it_takes(file):
    (loss,) = load(f"{file}:Half", "focal").losses
    assert loss.reduced(LOGITS, TARGETS, gamma=2.0, alpha=0.25).item() == pytest.approx(0.25 * LN2)
    with pytest.raises(Unsupported, match="no value per element"):
        loss.elementwise(LOGITS, TARGETS, gamma=2.0, alpha=0.25)


def test_an_object_of_an_installed_module():
    assert load_object("focalbench_suite.adapters.torchvision:adapter").name == "torchvision"
    assert load("focalbench_suite.adapters.torchvision:adapter").name == "torchvision"
    (loss,) = load("torchvision.ops:sigmoid_focal_loss", "focal").losses
    assert loss.reduced(LOGITS, TARGETS, gamma=0.0, alpha=-1.0).flatten().tolist() == pytest.approx([LN2, LN2])


def test_an_adapter_in_a_file(tmp_path):
    path = tmp_path / "an_adapter.py"
    path.write_text("from focalbench_suite.adapters import Adapter\nadapter = Adapter('theirs')")
    assert load(f"{path}:adapter").name == "theirs"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nothing", "unknown adapter 'nothing'; choose from articles, "),
        ("no/such/file.py:loss", "no file 'no/such/file.py'; give FILE.py:NAME"),
        ("no_such_module:loss", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("{file}:absent", "my_losses.py has no 'absent'"),
        ("{file}:mine", "is a plain function: name its loss with --loss (cross_entropy, "),
        ("{broken}:loss", "broken.py cannot be imported: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_found_is_said_in_one_line(file, tmp_path, reference, said):
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    with pytest.raises(LookupError) as error:
        load(reference.format(file=file, broken=broken))
    assert said in error.value.args[0]
    assert "\n" not in error.value.args[0]


def test_what_is_no_function_is_said(file):
    with pytest.raises(LookupError, match="is a int; name an Adapter or a function"):
        load(f"{file}:number", "focal")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two packages that bring an adapter by entry point; the second cannot be imported."""
    (tmp_path / "good_losses.py").write_text("from focalbench_suite.adapters import Adapter\nadapter = Adapter('good')")
    (tmp_path / "bad_losses.py").write_text("import no_such_library")
    for name in ("good", "bad"):
        info = tmp_path / f"{name}_losses-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-losses\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[focalbench.adapters]\n{name} = {name}_losses:adapter\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_entry_points_join_and_a_broken_one_takes_nothing_down():
    found = discover()
    assert found["good"].absence() is None
    assert "bad_losses:adapter cannot be loaded: ModuleNotFoundError" in found["bad"].absence()
    assert "torchvision" in found


def test_an_adapter_that_cannot_be_used_says_why():
    assert Adapter("x", distribution="no-such-library").absence() == "no-such-library is not installed"
    assert Adapter("x", modules=("no_such_module",)).absence() == "module no_such_module is missing"
    assert Adapter("x", devices=("cpu",)).absence("cuda") == "x does not run on cuda"
    assert Adapter("x").absence("cuda") is None


def test_a_loss_must_be_canonical():
    with pytest.raises(ValueError, match="'dice' is no canonical loss; choose from cross_entropy"):
        Adapter("x").loss("dice")


def test_a_file_imports_its_project_from_the_folders_above(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    folder = tmp_path / "segmentation_losses_of_mine"
    folder.mkdir()
    (folder / "shapes.py").write_text("def flat(tensor):\n    return tensor.flatten()\n")
    file = folder / "focal_loss_of_mine.py"
    file.write_text("from segmentation_losses_of_mine.shapes import flat\n\ndef focal(x, y):\n    return flat(x - y)\n")
    assert load_object(f"{file}:focal")(torch.ones(2, 2), torch.zeros(2, 2)).shape == (4,)
