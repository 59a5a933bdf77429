"""The backend of CPUs: `sigmoid_kernels.c` and `row_kernels.c`, compiled by the system's C compiler on first use.

Each dtype is a library of its own in the user's cache folder. Its name holds a hash of the sources, the flags and the
processor, so that it is compiled once a machine and again after a change. Where there is no compiler, one warning says
so, and the readable form is used.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor

from .loss_call import ROWS, SIGMOID, LossCall

DTYPES = {torch.float32: "FLOAT32", torch.float64: "FLOAT64", torch.bfloat16: "BFLOAT16", torch.float16: "FLOAT16"}
SOURCES = [Path(__file__).with_name(name) for name in ("sigmoid_kernels.c", "row_kernels.c")]
HEADER = Path(__file__).with_name("kernels.h")
SEAL = ".sha256"  # of the file beside a compiled library: its checksum and name, as sha256sum writes them
PRIVATE = 0o700  # nobody else may put a library there for this user to run
# Loops are vectorised only where operations set no errno and trap on nothing.
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
# These are for speed, and not every compiler knows them; jump threading would put branches into the loops.
OPTIONAL = ("-fopenmp", "-mprefer-vector-width=512", "-fno-thread-jumps")
PER_THREAD = 16384  # one more thread for each so many elements: with fewer, starting it takes longer than it saves


def widest_row(loss: str, dtype: torch.dtype) -> int:
    """The most logits in a row that these kernels take, 0 where there are none; compiles them if need be."""
    known = loss in SIGMOID + ROWS and dtype in DTYPES and _library(DTYPES[dtype]) is not None
    return sys.maxsize if known else 0


def takes(call: LossCall) -> bool:
    """Whether these kernels do this call. A fake tensor has no data that they could read."""
    return call.logits.data_ptr() != 0 and widest_row(call.loss, call.logits.dtype) > 0


def total(call: LossCall, scale: float, divisor: Tensor | None, with_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """The sum of the losses times `scale` over `divisor`, and the gradient of that."""
    scale = scale if divisor is None else scale / _number(divisor)
    gradient = torch.empty_like(call.logits) if with_gradient else None
    value = _run(call, gradient, slopes=with_gradient, scale=scale)
    return torch.scalar_tensor(value * scale, dtype=call.total_dtype), gradient


def each(call: LossCall) -> Tensor:
    """The loss of each element or row."""
    out = call.logits.new_empty(call.logits.shape[:-1] if call.by_row else call.logits.shape)
    _run(call, out)
    return out


def gradient(call: LossCall, incoming: Tensor, scale: float, divisor: Tensor | None) -> Tensor:
    """The gradient times `incoming` (one number, or one a loss) times `scale` over `divisor`."""
    scale = scale if divisor is None else scale / _number(divisor)
    out = torch.empty_like(call.logits)
    if incoming.dim() == 0:
        _run(call, out, slopes=True, scale=scale * float(incoming))
    else:
        _run(call, out, slopes=True, scale=scale, incoming=incoming)
    return out


def multiply(gradient: Tensor, incoming: Tensor) -> None:
    """The gradient times one number, in place."""
    if float(incoming) != 1:
        gradient.mul_(incoming)


def _number(divisor: Tensor) -> float:
    """What the sum is divided by: float32's eps at least, as on every device."""
    return max(float(divisor), torch.finfo(torch.float32).eps)


def _run(
    call: LossCall, out: Tensor | None, slopes: bool = False, scale: float = 1.0, incoming: Tensor | None = None
) -> float:
    """The sum of the losses.

    Fills `out`, where there is one, with the losses, or with `slopes` with their derivatives, times `scale` and, where
    there are some, the gradients `incoming`, one a loss.
    """
    logits = call.logits
    library = _library(DTYPES[logits.dtype])
    threads = max(min(torch.get_num_threads(), logits.numel() // PER_THREAD), 1)
    places = _address(incoming), slopes, _address(out), threads
    if call.by_row:
        return library.row_losses(
            call.loss == "distribution_focal",
            logits.data_ptr(),
            call.targets.data_ptr(),
            _address(call.weights),
            logits.numel() // call.classes,
            call.classes,
            call.power,
            scale,
            *places,
        )
    return library.sigmoid_losses(
        SIGMOID.index(call.loss),
        logits.data_ptr(),
        _address(call.targets),
        call.labels is None and call.targets.dtype != logits.dtype,
        _address(call.labels),
        logits.numel(),
        call.classes,
        call.power,
        call.positive,
        call.negative,
        scale,
        *places,
    )


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@functools.cache
def _library(dtype: str) -> ctypes.CDLL | None:
    """The kernels for logits of this dtype, or None where they cannot be compiled."""
    path = _cache() / f"kernels-{dtype.lower()}-{_fingerprint()}.so"
    try:
        if not _is_as_compiled(path):
            damaged = path.exists()
            _compile(dtype, path)
            if damaged:
                warnings.warn(f"{path} was not as it was compiled; it is compiled anew", stacklevel=2)
        library = ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = _complaint(error.stderr) if isinstance(error, subprocess.CalledProcessError) else error
        warnings.warn(f"the fast CPU losses cannot be compiled, so slower ones are used: {reason}", stacklevel=2)
        return None
    pointer, long, integer, double = ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_double
    sizes, places = [long, long], [pointer, integer, pointer, integer]
    library.sigmoid_losses.argtypes = [integer, pointer, pointer, integer, pointer, *sizes, *4 * [double], *places]
    library.row_losses.argtypes = [integer, *3 * [pointer], *sizes, double, double, *places]
    library.sigmoid_losses.restype = library.row_losses.restype = double
    return library


def _complaint(said: str) -> str:
    """The line of a compiler's output that names the error."""
    lines = said.strip().splitlines() or ["the compiler said nothing"]
    return next((line for line in lines if "error" in line.lower()), lines[-1])


def _is_as_compiled(path: Path) -> bool:
    """Whether a library of ours is there, with the checksum that was written beside it under its own name.

    A library that is cut short, of another dtype or of another user must not be loaded: it would end the process, or do
    as that user likes.
    """
    seal = path.with_suffix(SEAL)
    if not (path.is_file() and seal.is_file()) or not (_is_ours(path) and _is_ours(path.parent)):
        return False
    return seal.read_bytes() == _seal(path.name, path.read_bytes())


def _is_ours(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


def _seal(name: str, content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()


def _compile(dtype: str, path: Path) -> None:
    try:
        compiler, *arguments = shlex.split(os.environ.get("CC", "")) or ["cc"]
    except ValueError as error:
        raise OSError(f"CC={os.environ['CC']} is no command: {error}") from None
    if (found := shutil.which(compiler)) is None:
        raise OSError("there is no C compiler (cc); install one, or name it in CC")
    path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    if not _is_ours(path.parent):
        raise OSError(f"{path.parent} is another user's; name a folder of your own in XDG_CACHE_HOME")
    path.parent.chmod(PRIVATE)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder, path.name)
        command = [found, *arguments, *FLAGS, f"-D{dtype}", *map(str, SOURCES), "-o", str(built)]
        run = functools.partial(subprocess.run, capture_output=True, text=True)
        if run([*command, *OPTIONAL]).returncode:
            run(command, check=True)
        seal = Path(folder, "seal")
        seal.write_bytes(_seal(path.name, built.read_bytes()))
        os.replace(built, path)  # no process ever sees half a file, even when several compile
        os.replace(seal, path.with_suffix(SEAL))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "focalbench")


@functools.cache
def _fingerprint() -> str:
    processor = platform.machine() + platform.processor()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor += "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    text = (
        "".join(path.read_text() for path in (HEADER, *SOURCES))
        + " ".join(FLAGS + OPTIONAL)
        + os.environ.get("CC", "cc")
        + processor
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]
