"""The losses by themselves: a wheel that holds this room alone and runs where nothing of the benchmark is."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[3] / "adapters" / "own"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOM)]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("focalbench-*.whl")))


def test_it_holds_one_package_and_needs_torch_alone(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"focalbench"}
    assert {"focalbench/sigmoid_kernels.c", "focalbench/kernels.h", "focalbench/triton_rows.py"} <= set(
        wheel.namelist()
    )
    assert not {"focalbench/adapter.py", "focalbench/gpu_cost.py", "focalbench/polynomials.py"} & set(wheel.namelist())
    assert "focalbench/py.typed" in wheel.namelist()  # type checkers read the annotations of no package without it
    metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    needs = [line for line in wheel.read(metadata).decode().splitlines() if line.startswith("Requires-Dist")]
    assert needs == ["Requires-Dist: torch>=2.11"]


def test_it_computes_a_loss_from_a_clean_folder(wheel, tmp_path):
    wheel.extractall(tmp_path)
    program = (
        "import sys, torch, focalbench\n"
        "x = torch.zeros(4, 3, requires_grad=True); loss = focalbench.focal_loss(x, torch.tensor([0, 1, 2, 3]))\n"
        "loss.backward(); print(focalbench.__file__); print(loss.item())\n"
        "assert not any(name.partition('.')[0] == 'focalbench_suite' for name in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    place, loss = run.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    # 3 positives and 9 negatives at p = 1/2: CE is ln 2, (1 - p_t)^2 = 1/4
    assert float(loss) == pytest.approx((3 * 0.25 + 9 * 0.75) / 12 * 0.25 * 0.6931471805599453, rel=1e-7)
