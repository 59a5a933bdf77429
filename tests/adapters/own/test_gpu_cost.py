"""The GPU's kernels do not grow: compiled for a GPU that is not here, their instructions are counted."""

import csv

import pytest

pytest.importorskip("triton", reason="Triton is made for Linux alone")

from focalbench_suite.adapters.own import gpu_cost

COUNTED = {(row["kernel"], row["dtype"]): row for row in csv.DictReader(gpu_cost.TABLE.open())}
CASES = list(gpu_cost.cases())
# Another release of Triton may count a little otherwise; an exponential that is computed twice costs 15.
SLACK = 3


def test_the_table_has_every_kernel_and_no_other():
    assert set(COUNTED) == {(case.name, case.dtype) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}, {case.dtype}")
def test_a_kernel_takes_no_more_instructions_than_the_table_says(case):
    counted, cost = COUNTED[case.name, case.dtype], gpu_cost.cost(case)
    assert cost.fewest <= float(counted["instructions"]) + SLACK
    assert cost.doubles == 0
    assert cost.stack <= int(counted["stack_bytes"])


def test_the_share_of_bandwidth_worked_by_hand():
    """2 schedulers' worth of 64 threads at 1 Hz: 128 instructions a second, so 4 an element leave 32 elements."""
    case = gpu_cost.Case("", "", None, {}, 1, bytes_an_element=10)
    card = gpu_cost.Card(multiprocessors=1, clock=1.0, bandwidth=640.0)
    assert gpu_cost.bandwidth(case, 4.0, card) == 0.5  # 64 elements' bytes a second, and 32 elements' instructions
    assert gpu_cost.bandwidth(case, 1.0, card) == 1.0
