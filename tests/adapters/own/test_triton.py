"""The GPU's kernels without a GPU: run in Triton's interpreter, and compiled for real GPUs."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from focalbench_suite.adapters.own import readable
from tests.adapters.own.cases import calls

triton = pytest.importorskip("triton", reason="Triton is made for Linux alone")

CALLS = dict(calls())


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory):
    """What the kernels give, by the name of the call."""
    out = tmp_path_factory.mktemp("interpreted") / "results.pt"
    subprocess.run([sys.executable, "-m", "tests.adapters.own.interpreted", str(out)], check=True, capture_output=True)
    return torch.load(out)


def truth(call):
    """Losses and gradients of the readable form in float64, which is itself held to 60 digits."""
    logits = call.logits.double().requires_grad_()
    each = readable.evaluate(replace(call, logits=logits))
    return each.detach(), torch.autograd.grad(each.sum(), logits)[0]


def ulp_error(result, exact, least):
    """The largest error in units in the last place of float32, or of `least` for what is smaller."""
    _, exponent = torch.frexp(exact.abs().clamp(min=least))
    return ((result.double() - exact).abs() / torch.exp2(exponent.double() - 24)).max().item()


EXACT = [name for name, call in CALLS.items() if call.logits.dtype == torch.float32 and name != "none such"]


@pytest.mark.parametrize("name", EXACT)
def test_float32_is_as_accurate_as_promised(interpreted, name):
    each, slopes = truth(CALLS[name])
    # soft labels' losses and gradients cross zero, where their own last place is no measure
    crosses = any(word in name for word in ("soft", "distribution", "label_score"))
    most = 4 if CALLS[name].power <= 2 else 12
    least = 1e-2 if crosses and not name.startswith("softmax") else 1e-37
    assert ulp_error(interpreted[name]["each"], each, least) <= most
    assert ulp_error(interpreted[name]["gradient"], slopes, least) <= most


@pytest.mark.parametrize("name", [name for name in CALLS if name.startswith("float16")])
def test_half_precision_is_rounded_once(interpreted, name):
    each, slopes = truth(CALLS[name])
    for result, exact in ((interpreted[name]["each"], each), (interpreted[name]["gradient"], slopes)):
        _, exponent = torch.frexp(exact.abs().clamp(min=2.0**-14))
        assert ((result.double() - exact).abs() <= torch.exp2(exponent.double() - 11)).all()


@pytest.mark.parametrize("name", [name for name in CALLS if name != "none such"])
def test_every_way_to_ask_gives_the_same(interpreted, name):
    results, (each, _) = interpreted[name], truth(CALLS[name])
    count = each.numel()
    close = {"rtol": 1e-6 if results["each"].dtype == torch.float32 else 1e-3, "atol": 1e-7}
    for total in ("total", "total_by_divisor", "total_alone"):
        torch.testing.assert_close(results[total].double(), each.mean(), **close)
    torch.testing.assert_close(results["slopes"].double() * count, results["gradient"].double(), rtol=1e-3, atol=1e-4)
    assert torch.equal(results["total"], results["total_alone"])
    torch.testing.assert_close(results["slopes_by_divisor"], results["slopes"])
    torch.testing.assert_close(results["gradient_each"], 2 * results["gradient"])
    torch.testing.assert_close(results["scaled"], 3 * results["slopes"])


def test_a_class_that_is_none_gives_nan(interpreted):
    assert interpreted["none such"]["each"].isnan().all()


COMPILED = """
import sys
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from focalbench_suite.adapters.own import triton_kernels as kernels
from focalbench_suite.adapters.own import triton_rows as by_row

given = {"LOSS": 0, "POWER": -1, "WANT": 1, "LABELLED": True, "SCORED": True, "DIVIDED": True, "INCOMING_EACH": False,
         "BINS": True, "WEIGHTED": True, "ROWS": 32, "LEAST": 128, "CLASSES": 21, "LONG": True, "TILE": 256, "NEAR": 4,
         "BLOCK": 128}
integers = ("elements", "classes", "rows")
for kernel, dtype in ((kernels.sigmoid_kernel, "fp32"), (kernels.sigmoid_kernel, "bf16"),
                      (by_row.narrow_kernel, "fp32"), (by_row.wide_kernel, "bf16"), (kernels.scale_kernel, "fp16")):
    types = {"logits": "*" + dtype, "gradient": "*" + dtype, "labels": "*i64", "incoming": "*fp32", "out": "*fp32",
             "targets": "*fp32", "weights": "*fp32", "divisor": "*fp32", "partial": "*fp32", "done": "*i32"}
    constants = {name: given[name] for name in kernel.arg_names if name in given}
    signature = {name: "constexpr" if name in given else types.get(name, "i32" if name in integers else "fp32")
                 for name in kernel.arg_names}
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, signature=signature, constexprs=places)
    print(len(compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32)).asm["cubin"]) > 0)
"""


def test_the_kernels_compile_for_a_gpu():
    command = [sys.executable, "-c", COMPILED, "80"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True"] * 5
