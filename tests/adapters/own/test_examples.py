"""Every public function and class has an example with a number that one can check by hand, and it gives that number."""

import doctest
import inspect
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from focalbench_suite.adapters import own
from focalbench_suite.adapters._mmcv import ensure_ops
from focalbench_suite.adapters._ultralytics import ensure_quiet

# Modules that no user imports; any other module of the room is public, and so is each name in it without an underscore.
INTERNAL = {
    "__init__",
    "adapter",
    "autograd",
    "backends",
    "loss_call",
    "checks",
    "cpu",
    "eager",
    "gpu",
    "gpu_cost",
    "operators",
    "polynomials",
    "readable",
    "task_aligned",
    "triton_arithmetic",
    "triton_kernels",
    "triton_rows",
}
ROOM = Path(own.__file__).parent
PUBLIC = sorted(path.stem for path in ROOM.glob("*.py") if path.stem not in INTERNAL)
NAMES = {"torch": torch, "partial": partial, "SimpleNamespace": SimpleNamespace, "focal_loss": own.focal_loss}


@pytest.fixture(scope="module", params=PUBLIC)
def module(request):
    ensure_ops()
    ensure_quiet()
    return import_module(f"focalbench_suite.adapters.own.{request.param}")


def public(module):
    """The functions and classes that a module defines and does not hide."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if own and not name.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
            yield name, value


def test_every_public_name_has_an_example_that_holds(module, capsys):
    found = list(public(module))
    assert found
    for name, value in found:
        (test,) = doctest.DocTestFinder(recurse=False).find(value, name, module, globs=vars(module) | NAMES)
        assert test.examples, f"{module.__name__}.{name} has no example"
        failed, _ = doctest.DocTestRunner().run(test, clear_globs=False)
        assert not failed, capsys.readouterr().out


def test_all_that_the_package_exports_is_defined_in_a_public_module():
    homes = {name: getattr(own, name).__module__.rpartition(".")[2] for name in own.__all__}
    assert set(homes.values()) <= set(PUBLIC), homes
