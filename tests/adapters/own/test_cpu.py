"""What the CPU's kernels take of the machine."""

import os
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
