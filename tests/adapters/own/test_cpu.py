"""What the CPU's kernels take of the machine."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(not LARGE_PAGES.exists() or "[never]" in LARGE_PAGES.read_text(), reason="no large pages here")
def test_a_large_gradient_is_not_faulted_in_small_pages():
    program = (
        "import resource, torch; from adapters.own import focal_loss\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "x, labels = torch.zeros(100_000, 80, requires_grad=True), torch.zeros(100_000, dtype=torch.long)\n"
        "torch.autograd.grad(focal_loss(x, labels), x); before = faults()\n"
        "torch.autograd.grad(focal_loss(x, labels), x); print(faults() - before)"
    )
    fresh = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}  # large tensors never reuse memory
    run = subprocess.run([sys.executable, "-c", program], env=fresh, capture_output=True, text=True, check=True)
    small_pages = 100_000 * 80 * 4 // os.sysconf("SC_PAGE_SIZE")
    assert int(run.stdout) < small_pages / 4


TAMPERED = """
import os, shutil, warnings
from pathlib import Path
import torch
from focalbench_suite.adapters.own import cpu, focal_loss, readable

def said(dtype):
    cpu._library.cache_clear()
    x, y = torch.linspace(-9, 9, 50, dtype=dtype), torch.linspace(0, 1, 50, dtype=dtype)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.testing.assert_close(focal_loss(x, y), readable.focal(x, y, 2.0, 0.25).mean().to(dtype))
    return [str(one.message) for one in seen]

print(said(torch.float32))
(library,) = Path(os.environ["XDG_CACHE_HOME"], "focalbench").glob("*.so")
cut = library.with_suffix(".cut")
cut.write_bytes(library.read_bytes()[:5000])
os.replace(cut, library)  # the whole one stays mapped
print([line.partition(" is not ")[2] for line in said(torch.float32)])
for file in (library, library.with_suffix(".sha256")):
    shutil.copy(file, str(file).replace("float32", "float64"))
print([line.partition(" is not ")[2] for line in said(torch.float64)], said(torch.float64))
print(oct(library.parent.stat().st_mode & 0o777))
"""


def test_a_library_that_is_not_as_compiled_is_compiled_anew_with_one_notice(tmp_path):
    environment = os.environ | {"CC": "cc -m64" if platform.machine() == "x86_64" else "cc -O2"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", TAMPERED], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    anew = "['as it was compiled; it is compiled anew']"
    assert run.stdout.splitlines() == ["[]", anew, f"{anew} []", "0o700"]
