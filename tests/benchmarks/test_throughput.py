"""The throughput suite's quick cells under pytest-benchmark: ``pytest tests/benchmarks --benchmark-json=FILE``.

Kept out of the normal tests. ``run_all.py compare`` reads the files, against one another or against a run.
"""

from __future__ import annotations

import pytest
import torch

from focalbench_suite import suites
from focalbench_suite.adapters import Unsupported, find
from focalbench_suite.suites import Cell, Selection
from focalbench_suite.suites.throughput import clocks, plan
from focalbench_suite.suites.throughput.runner import Runner
from focalbench_suite.suites.throughput.subjects import timed_loss
from focalbench_suite.suites.throughput.workloads import WORKLOADS, canonical_inputs

ROUNDS = 5


def cells() -> list[Cell]:
    """Every cell of the quick profile whose library is there."""
    sources = suites.adapters_of(Selection())
    present = {loss.label for source in sources.values() if source.absence() is None for loss in source.losses}
    return [cell for task in plan(Selection()) for cell in task.cells if cell.adapter in present]


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward_backward"])
@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.loss}-{cell.adapter}-{cell.workload}")
def test_speed(benchmark, cell, backward):
    loss = find(cell.loss, cell.adapter)
    inputs = canonical_inputs(cell.loss, WORKLOADS[cell.workload], cell.dtype, cell.device, seed=0)
    try:
        runner = Runner(timed_loss(loss, cell.adapter, inputs), [inputs], cell.device, backward)
    except Unsupported as limit:
        pytest.skip(str(limit))
    name = "forward_backward" if backward else "forward"
    benchmark.extra_info.update(
        cell=f"{cell.key} {name}", device_name=clocks.device_name(cell.device), threads=torch.get_num_threads(),
        load=clocks.load_average(),
    )  # fmt: skip
    value = benchmark.pedantic(runner.run, setup=lambda: ((runner.ready(),), {}), rounds=ROUNDS, warmup_rounds=1)
    assert torch.isfinite(value)
