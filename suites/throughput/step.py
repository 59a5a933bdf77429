"""The loss inside a real training step: what share of the step it is.

A RetinaNet of torchvision (ResNet-18 with an FPN, and its classification head) takes a step of SGD; each loss is put
into it in turn. The step without a loss starts the backward pass from a constant gradient, which costs nothing; what
the others take beyond it is the loss.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import torch

from focalbench_suite.suites.throughput import clocks
from focalbench_suite.suites.throughput.launch import refusal
from focalbench_suite.suites.throughput.subjects import Subject, subject
from focalbench_suite.suites.throughput.workloads import Workload, canonical_inputs

WITHOUT = "without"
LEAST_ROUNDS, WARM_UP = 5, 2


def measure_step(group: Any, seed: int, threads: int) -> dict[str, Any]:
    """Time steps with each of the group's losses and with none, interleaved: the report of one launch."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    workload: Workload = group.workload
    model, images = retinanet(workload, group.device)
    rows = model(images).shape[0]
    sized = Workload(workload.name, rows, workload.classes, workload.losses)
    inputs = canonical_inputs(group.loss, sized, group.dtype, group.device, seed)
    report, steps = {}, {WITHOUT: step(model, images, None, inputs)}
    for label, loss in group.losses.items():
        try:
            found = subject(loss, label, inputs)
            steps[label] = step(model, images, found, found.native(inputs))
            for _ in range(WARM_UP):
                steps[label]()
            report[label] = {"parameters": found.parameters, "ms": [], "without_ms": []}
        except Exception as error:  # the boundary to a measured library
            report[label] = refusal(error, group.dtype, label)
            steps.pop(label, None)
    steps[WITHOUT]()
    shuffle, deadline = random.Random(seed), time.perf_counter() + group.seconds
    done = 0
    while done < LEAST_ROUNDS or time.perf_counter() < deadline:
        samples = _round(steps, shuffle, group.device)
        for label in steps.keys() - {WITHOUT}:
            report[label]["ms"].append(samples[label])
            report[label]["without_ms"].append(samples[WITHOUT])
        done += 1
    return {"subjects": report, "rows": rows, "device_name": clocks.device_name(group.device), "threads": threads}


def _round(steps: dict[str, Callable], shuffle: random.Random, device: str) -> dict[str, float]:
    """Every step once in random order and once in the reverse (ABBA): the mean ms of each."""
    order = list(steps)
    shuffle.shuffle(order)
    samples: dict[str, float] = dict.fromkeys(order, 0.0)
    for label in [*order, *reversed(order)]:
        samples[label] += clocks.timed(steps[label], device)[1].ms / 2
    return samples


def step(model: torch.nn.Module, images: torch.Tensor, found: Subject | None, inputs: Any) -> Callable[[], None]:
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
