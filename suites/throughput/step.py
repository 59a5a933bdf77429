"""The loss inside a real training step: what share of the step it is.

A RetinaNet of torchvision (ResNet-18 with an FPN, and its classification head) takes a step of SGD; each loss is put
into it in turn. The step without a loss starts the backward pass from a constant gradient, which costs nothing; what
the others take beyond it is the loss.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from focalbench_suite.suites.throughput import clocks
from focalbench_suite.suites.throughput.launch import refused
from focalbench_suite.suites.throughput.rounds import Group
from focalbench_suite.suites.throughput.subjects import TimedLoss, timed_loss
from focalbench_suite.suites.throughput.workloads import Workload, canonical_inputs

WITHOUT = "without"
LEAST_ROUNDS, WARM_UP = 5, 2


@dataclass
class StepTimes:
    """The steps of one launch with one loss in them, in ms, and those without a loss of the same rounds.

    `reason` is empty where they were timed; `unsupported` says that the reason is a limit of the library.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    ms: list[float] = field(default_factory=list)
    without_ms: list[float] = field(default_factory=list)
    reason: str = ""
    unsupported: bool = False


@dataclass
class StepReport:
    """One launch: the steps with every label's loss in them."""

    subjects: dict[str, StepTimes]
    threads: int
    rows: int = 0
    device_name: str = ""


def time_steps(group: Group, seed: int, threads: int) -> StepReport:
    """Time steps with each of the group's losses and with none, interleaved: the report of one launch."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    workload: Workload = group.workload
    model, images = retinanet(workload, group.device)
    rows = model(images).shape[0]
    sized = Workload(workload.name, rows, workload.classes, workload.losses)
    inputs = canonical_inputs(group.loss, sized, group.dtype, group.device, seed)
    reports: dict[str, StepTimes] = {}
    steps = {WITHOUT: step(model, images, None, inputs)}
    for label, loss in group.losses.items():
        try:
            found = timed_loss(loss, label, inputs)
            steps[label] = step(model, images, found, found.native(inputs))
            for _ in range(WARM_UP):
                steps[label]()
            reports[label] = StepTimes(found.parameters)
        except Exception as error:  # the boundary to a measured library
            refusal = refused(error, group.dtype, label)
            reports[label] = StepTimes(reason=refusal.reason, unsupported=refusal.unsupported)
            steps.pop(label, None)
    steps[WITHOUT]()
    shuffle, deadline = random.Random(seed), time.perf_counter() + group.seconds
    done = 0
    while done < LEAST_ROUNDS or time.perf_counter() < deadline:
        samples = _round(steps, shuffle, group.device)
        for label in steps.keys() - {WITHOUT}:
            reports[label].ms.append(samples[label])
            reports[label].without_ms.append(samples[WITHOUT])
        done += 1
    return StepReport(reports, threads, rows, clocks.device_name(group.device))


def _round(steps: dict[str, Callable], shuffle: random.Random, device: str) -> dict[str, float]:
    """Every step once in random order and once in the reverse (ABBA): the mean ms of each."""
    order = list(steps)
    shuffle.shuffle(order)
    samples: dict[str, float] = dict.fromkeys(order, 0.0)
    for label in [*order, *reversed(order)]:
        samples[label] += clocks.timed(steps[label], device)[1].ms / 2
    return samples


def step(model: torch.nn.Module, images: torch.Tensor, found: TimedLoss | None, inputs: Any) -> Callable[[], None]:
    """One step of SGD as a closure; without a loss the logits get a constant gradient."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
    constant = torch.full_like(inputs.leaves[0], 1e-6)

    def run() -> None:
        optimizer.zero_grad()
        logits = model(images)
        if found is None:
            logits.backward(constant)
        else:
            inputs.arguments = (logits, *inputs.arguments[1:])
            found.value(inputs).backward()
        optimizer.step()

    return run


def retinanet(workload: Workload, device: str) -> tuple[torch.nn.Module, torch.Tensor]:
    """The network from images to classification logits (anchors, classes), and a batch of images."""
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.detection.retinanet import RetinaNetClassificationHead

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
            self.head = RetinaNetClassificationHead(self.backbone.out_channels, 9, workload.classes)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(list(self.backbone(images).values())).flatten(0, 1)

    images = torch.rand(workload.batch, 3, workload.image, workload.image, device=device)
    return Network().to(device), images
