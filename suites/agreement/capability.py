"""What can a loss be used with? Each answer is tried, on the usual inputs, and the detail says what came of it.

A capability is a function that returns its detail, raises `Lacking` with the reason where the loss does something else
than it should, or lets through whatever the loss raises.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL, Loss, Unsupported
from focalbench_suite.suites import errors
from focalbench_suite.suites.agreement import measure
from focalbench_suite.suites.agreement.probes import ProbeCall, probes

NOT_MEASURED = "not measured in this profile"
SLOW = ("torch.compile",)  # some 0.3 s a loss; the full profile's
Row = dict[str, Any]


class Lacking(Exception):
    """The loss does not do this; the message says what it does instead."""


def tensors(loss: str, logits: Any, targets: Any, dtype: str, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (a leaf that requires its gradient) and targets; class indices are int64, all others have `dtype`."""
    kind = getattr(torch, dtype)
    index = CANONICAL[loss].inputs == "index"
    x = torch.tensor(numpy.asarray(logits), dtype=kind, device=device)
    y = torch.tensor(numpy.asarray(targets), dtype=torch.int64 if index else kind, device=device)
    return x.requires_grad_(), y


def prepared(parameters: dict[str, Any], dtype: str, device: str = "cpu") -> dict[str, Any]:
    """Parameters as a user passes them: class and row weights as tensors, numbers as they are."""
    kind = getattr(torch, dtype)
    return {
        name: torch.tensor(value, dtype=kind, device=device) if isinstance(value, (tuple, list)) else value
        for name, value in parameters.items()
    }


@dataclass(frozen=True)
class Bench:
    """A loss with its usual inputs on one device."""

    loss: Loss
    device: str

    @property
    def case(self) -> ProbeCall:
        return probes(self.loss.name, self.loss.off)[0].cases[0]

    def inputs(self, dtype: str = "float32", case: ProbeCall | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        case = case or self.case
        return tensors(self.loss.name, case.logits, case.targets, dtype, self.device)

    def native(self, logits: torch.Tensor, targets: torch.Tensor) -> Any:
        return self.loss.native(targets, logits.shape[-1])

    def call(self, logits: torch.Tensor, targets: torch.Tensor, case: ProbeCall | None = None) -> torch.Tensor:
        """The loss of canonical targets."""
        return self.bare(logits, self.native(logits, targets), case)

    def bare(self, logits: torch.Tensor, native: Any, case: ProbeCall | None = None) -> torch.Tensor:
        """The loss of native targets, so that nothing but the library's own code runs."""
        parameters = (case or self.case).parameters
        dtype = str(logits.dtype).removeprefix("torch.")
        return self.loss.reduced(logits, native, **prepared(parameters, dtype, self.device))


def rows(loss: Loss, device: str, profile: str) -> list[Row]:
    """One row a capability; where the loss cannot be called at all, each says so."""
    bench = Bench(loss, device)
    names = [name for name in CAPABILITIES if name != "CUDA graphs" or device == "cuda"]
    try:
        bench.call(*bench.inputs())
    except Exception as error:  # whatever a measured library raises is the detail
        return [{"capability": name, "supported": "no", "detail": measure.sentence(error)} for name in names]
    return [
        {"capability": name, "supported": None, "detail": NOT_MEASURED}
        if name in SLOW and profile != "full"
        else {"capability": name} | _without_refusal(tried(CAPABILITIES[name], bench))
        for name in names
    ]


def _without_refusal(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "refused"}


def tried(trial: Callable[[Bench], str], bench: Bench) -> Row:
    """Whether one capability is there, what came of trying it, and whether the adapter refused to try."""
    try:
        return {"supported": "yes", "detail": trial(bench), "refused": False}
    except Lacking as lack:
        return {"supported": "no", "detail": str(lack), "refused": False}
    except Exception as error:  # whatever a measured library raises is the detail
        return {"supported": "no", "detail": measure.sentence(error), "refused": isinstance(error, Unsupported)}


def _near(found: torch.Tensor, expected: torch.Tensor, dtype: str, what: str) -> None:
    """Raises `Lacking` where two results differ by more than rounding in `dtype`."""
    a, b = found.detach().double(), expected.detach().double()
    if a.shape != b.shape:
        raise Lacking(f"{what}: shape {tuple(a.shape)}, not {tuple(b.shape)}")
    if not torch.isfinite(a).all():
        raise Lacking(f"{what}: not finite")
    error = float((a - b).norm() / b.norm().clamp(min=1e-30))
    if error > 64 * errors.epsilon(dtype):
        raise Lacking(f"{what}: relative error {error:.2g}")


def _compiled(bench: Bench) -> str:
    """Traced whole, without a graph break; run by the eager backend, so that only the tracing is judged."""
    logits, targets = bench.inputs()
    native = bench.native(logits, targets)
    parameters = prepared(bench.case.parameters, "float32", bench.device)
    call: Callable[..., torch.Tensor] = functools.partial(bench.loss.reduced, **parameters)
    expected = call(logits, native)
    _leave_setup_untraced()
    torch._dynamo.reset()
    try:
        found = torch.compile(call, fullgraph=True, backend="eager")(logits, native)
    except torch._dynamo.exc.TorchDynamoException as error:
        raise Lacking(f"graph break: {_break(str(error))}") from None
    finally:
        torch._dynamo.reset()
    _near(found, expected, "float32", "compiled")
    return "one graph"


def _leave_setup_untraced() -> None:
    """What an adapter sets up once before it imports its library is not the library's code."""
    for module in [module for name, module in sys.modules.items() if name.startswith("focalbench_suite.adapters._")]:
        for name, function in vars(module).items():
            if name.startswith("ensure_"):
                torch._dynamo.assume_constant_result(inspect.unwrap(function))


def _break(message: str) -> str:
    """Dynamo's reason with the library's line, in one line."""
    reason = next(line.strip() for line in message.splitlines() if line.strip())
    lines = re.findall(r'site-packages/((?!torch/)[^"]+)", line (\d+)', message)
    return reason[:160] + (f" ({':'.join(lines[-1])})" if lines else "")


def _autocast(bench: Bench) -> str:
    kind = torch.bfloat16 if bench.device == "cpu" else torch.float16
    logits, targets = bench.inputs()
    with torch.autocast(bench.device, dtype=kind):
        out = bench.call(logits, targets)
        half = bench.call(logits.to(kind), targets)
    out.sum().backward()
    _near(out, bench.call(logits, targets), "float32", "float32 logits under autocast")
    _finite(half, f"{kind} logits")
    return f"returns {_dtype(out)}; of {str(kind).removeprefix('torch.')} logits {_dtype(half)}"


def _in(dtype: str) -> Callable[[Bench], str]:
    def supported(bench: Bench) -> str:
        logits, targets = bench.inputs(dtype)
        out = bench.call(logits, targets)
        _finite(out, "value")
        _finite(torch.autograd.grad(out.sum(), logits)[0], "gradient")
        wide = bench.call(logits.detach().double(), targets if targets.dtype == torch.int64 else targets.double())
        _near(out, wide, dtype, "against float64")
        return f"returns {_dtype(out)}"

    return supported


def _keeps_float64(bench: Bench) -> str:
    logits, targets = bench.inputs("float64")
    out = bench.call(logits, targets)
    if out.dtype != torch.float64:
        raise Lacking(f"returns {_dtype(out)}")
    expected = bench.call(*bench.inputs("float32"))
    if torch.equal(out.detach(), expected.detach().double()):
        raise Lacking("returns float64 that holds the float32 result")
    row = measure.rows(bench.loss, "float64", bench.device, smoke=True, asked_forms=("reduced",))[0]
    if row["rounding"] == "float32":
        raise Lacking("returns float64 that was computed in float32")
    return "returns float64"


def _double_backward(bench: Bench) -> str:
    logits, targets = bench.inputs("float64")
    (first,) = torch.autograd.grad(bench.call(logits, targets).sum(), logits, create_graph=True)
    if not first.requires_grad:
        raise Lacking("the gradient has no graph")
    direction = torch.linspace(-1, 2, first.numel(), dtype=first.dtype, device=first.device).reshape(first.shape)
    (second,) = torch.autograd.grad((first * direction).sum(), logits)
    step = 1e-5
    nudged = [
        torch.autograd.grad(bench.call(moved, targets).sum(), moved)[0]
        for moved in ((logits + sign * step * direction).detach().requires_grad_() for sign in (1, -1))
    ]
    _near(second, (nudged[0] - nudged[1]) / (2 * step), "float16", "against differences of the gradient")
    return "equals differences of the gradient"


def _vmap(bench: Bench) -> str:
    logits, targets = bench.inputs()
    many = torch.stack((logits, 2 * logits)).detach()
    found = torch.func.vmap(lambda one: bench.call(one, targets))(many)
    _near(found, torch.stack([bench.call(one, targets) for one in many]), "float32", "vmap")
    return "over a stack of logits"


def _empty(bench: Bench) -> str:
    case = _case(bench.loss.name, "no rows")
    logits, targets = bench.inputs(case=case)
    out = bench.call(logits, targets, case)
    _finite(out, "no rows")
    out.sum().backward()
    return f"returns {float(out.sum()):g}" if out.numel() else "returns nothing"


def _targets_as(kind: torch.dtype) -> Callable[[Bench], str]:
    def supported(bench: Bench) -> str:
        inputs = CANONICAL[bench.loss.name].inputs
        if kind == torch.bool and inputs != "dense":
            raise Lacking(f"{inputs} targets are not boolean")
        case = _case(bench.loss.name, "on the bins") if inputs == "bins" else bench.case
        logits, targets = bench.inputs(case=case)
        out = bench.call(logits, targets.to(kind), case)
        _near(out, bench.call(logits, targets, case), "float32", "against float targets")
        return "as float targets"

    return supported


def _case(loss: str, name: str) -> ProbeCall:
    return next(probe for probe in probes(loss) if probe.name == name).cases[0]


def _soft(bench: Bench) -> str:
    if CANONICAL[bench.loss.name].inputs != "dense":
        raise Lacking(f"{CANONICAL[bench.loss.name].inputs} targets are not soft")
    rows = measure.rows(bench.loss, "float32", bench.device, smoke=True, asked_forms=("reduced",))
    row = next(row for row in rows if row["probe"] == "soft targets")
    if row["verdict"] not in ("agrees", "agrees_up_to_scale"):
        raise Lacking(row["relation"])
    return "as the paper's formula continues"


def _non_contiguous(bench: Bench) -> str:
    logits, targets = bench.inputs()
    x, y = (torch.stack((tensor, tensor), dim=-1)[..., 0] for tensor in (logits.detach(), targets))
    _near(bench.call(x, y), bench.call(logits, targets), "float32", "strided")
    return "as contiguous input"


def _keeps_arguments(bench: Bench) -> str:
    """Tried on every probe, since a clamp in place shows only on what lies beyond it."""
    tried = 0
    for probe in probes(bench.loss.name):
        logits, targets = (tensor.detach() for tensor in bench.inputs(case=probe.cases[0]))
        before = logits.clone(), targets.clone()
        with contextlib.suppress(Exception):  # a probe that the loss refuses says nothing of this
            bench.call(logits, targets, probe.cases[0])
            tried += 1
        for name, now, then in zip(("logits", "targets"), (logits, targets), before, strict=True):
            if not torch.equal(now, then):
                raise Lacking(f"changes its {name} in place ({probe.name})")
    return f"logits and targets as before, in {tried} probes"


def _deterministic(bench: Bench) -> str:
    logits, targets = bench.inputs()
    seen = [_with_gradient(bench, logits, targets) for _ in range(3)]
    if any(not torch.equal(a, b) for one in seen[1:] for a, b in zip(seen[0], one, strict=True)):
        raise Lacking("three calls gave different bits")
    return "three calls, the same bits"


def _with_gradient(bench: Bench, logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    out = bench.call(logits, targets)
    return out.detach(), torch.autograd.grad(out.sum(), logits)[0]


def _cuda_graph(bench: Bench) -> str:
    logits, targets = bench.inputs()
    native = bench.native(logits, targets)
    expected = bench.bare(logits, native).detach()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream), torch.no_grad():
        for _ in range(3):  # what a library sets up on its first calls must not be captured
            bench.bare(logits, native)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        out = bench.bare(logits, native)
    graph.replay()
    _near(out, expected, "float32", "replayed")
    return "captured and replayed"


def _finite(tensor: torch.Tensor, what: str) -> None:
    if not torch.isfinite(tensor).all():
        raise Lacking(f"{what}: {numpy.unique(tensor.detach().double().cpu().numpy())[-1]}")


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


CAPABILITIES: dict[str, Callable[[Bench], str]] = {
    "torch.compile": _compiled,
    "autocast": _autocast,
    "float16": _in("float16"),
    "bfloat16": _in("bfloat16"),
    "keeps float64": _keeps_float64,
    "double backward": _double_backward,
    "vmap": _vmap,
    "empty input": _empty,
    "integer targets": _targets_as(torch.int64),
    "boolean targets": _targets_as(torch.bool),
    "soft labels": _soft,
    "non-contiguous input": _non_contiguous,
    "keeps its arguments": _keeps_arguments,
    "deterministic": _deterministic,
    "CUDA graphs": _cuda_graph,
}
