"""The floor of a time, held against a function that does nothing but read: it depends on what else the machine does."""

import torch

from focalbench_suite.adapters import Loss
from focalbench_suite.suites.throughput import launch
from focalbench_suite.suites.throughput.rounds import Group
from focalbench_suite.suites.throughput.workloads import Workload


def reads(logits, targets, *, gamma, alpha):
    return logits.sum() + targets.sum()


def test_what_only_reads_its_inputs_is_no_faster_than_the_machine_can_read():
    workload, losses = Workload("test", 1 << 17, 8, ("focal",)), {"own": Loss("focal", "test", reads)}
    group = Group("focal", "cpu", "float32", workload, losses, seconds=0.05, least_rounds=2, most_rounds=4)
    report = launch.forked(launch.time_group, group, 0, torch.get_num_threads())
    least = min(report.subjects["own"].rounds["forward"].ms)
    assert report.subjects["own"].bytes["forward"] / least <= report.peak_bytes_per_ms
