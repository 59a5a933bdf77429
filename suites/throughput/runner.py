"""One subject of a launch: called on the input set that was used longest ago, into poisoned memory, and watched."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence

import torch

from focalbench_suite.suites.throughput import clocks
from focalbench_suite.suites.throughput.subjects import TimedLoss
from focalbench_suite.suites.throughput.workloads import InputSet

WARM_UP = 4  # calls at most, where none is steady before
REPLAYS = 7  # of a graph, after one that is not counted
STEADY = 0.1  # a call within a tenth of the fastest so far ends the warming up


class Runner:
    """A subject, with or without its backward pass, on the next input set each time; sees that answers stay alike.

    `turn` counts the calls of all subjects that are timed together, and each call takes the next set. Where the sets
    together are larger than the cache, the next one is the one that was used longest ago and is not in it.
    """

    def __init__(
        self,
        found: TimedLoss,
        sets: Sequence[InputSet],
        device: str,
        backward: bool = False,
        turn: Iterator[int] | None = None,
    ) -> None:
        self.found, self.device, self.backward = found, device, backward
        self.sets = [found.native(inputs) for inputs in sets]
        self.turn = turn or itertools.count()
        self.answers: dict[int, float] = {}
        self.unsteady = ""

    def call(self, number: int | None = None) -> clocks.Sample:
        """Time a call on the next set, or on set `number`; outputs are poisoned before and read after it."""
        number = next(self.turn) % len(self.sets) if number is None else number
        inputs = self.ready(number)
        value, sample = clocks.timed(lambda: self.run(inputs), self.device)
        self.watch(number, value)
        return sample

    def ready(self, number: int = 0) -> InputSet:
        """An input set without gradients, and with NaN where the output is likely to go."""
        inputs = self.sets[number]
        for leaf in inputs.leaves:
            leaf.requires_grad_(self.backward)
            leaf.grad = None
            clocks.poison(leaf.numel(), leaf.dtype, self.device)
        return inputs

    def run(self, inputs: InputSet) -> torch.Tensor:
        """What is timed: the value, and its gradient where the pass asks for it."""
        if not self.backward:
            with torch.no_grad():
                return self.found.value(inputs)
        value = self.found.value(inputs)
        value.backward()
        return value.detach()

    def watch(self, number: int, value: torch.Tensor) -> None:
        """Note an answer that is not the one given before on the same inputs, and a gradient that is not finite."""
        inputs, answer = self.sets[number], float(value)
        expected = self.answers.setdefault(number, answer)
        if not math.isclose(answer, expected, rel_tol=1e-3, abs_tol=1e-6):
            self.unsteady = f"gave {answer} where it gave {expected} on the same input"
        if self.backward and not all(leaf.grad is not None and leaf.grad.sum().isfinite() for leaf in inputs.leaves):
            self.unsteady = "left a gradient that is missing or not finite"
        _forget(inputs)

    def expect(self) -> None:
        """Note what a compiled loss gave on the first set before it was compiled."""
        with torch.no_grad():
            self.answers[0] = float(self.found.eager.value(self.sets[0]))

    def warm_up(self) -> float:
        """Call until steady; returns the first call's seconds, compilation included."""
        started = time.perf_counter()
        self.call()
        first = time.perf_counter() - started
        best = math.inf
        for _ in range(WARM_UP):
            ms = self.call().ms
            if ms < best * (1 + STEADY) and best < math.inf:
                break
            best = min(best, ms)
        return first

    def again(self) -> None:
        """Call the first set that was answered once more, so that every subject has answered one of them twice."""
        self.call(next(iter(self.answers)))

    def replays(self) -> list[float]:
        """The ms of a call in each of several replays of a CUDA graph that calls every set once: the kernels alone.

        Raises `RuntimeError` where the loss cannot be captured, as one that waits for the device cannot.
        """
        inputs = [self.ready(number) for number in range(len(self.sets))]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # what is done once, such as making a library's handle, is not captured
            for one in inputs:
                self.run(one)
        torch.cuda.current_stream().wait_stream(side)
        _forget(*inputs)
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph):
                for one in inputs:
                    self.run(one)
            samples = [clocks.timed(graph.replay, self.device)[1].ms for _ in range(REPLAYS + 1)]
        finally:
            torch.cuda.set_stream(stream)  # a capture that fails leaves its own stream behind
            _forget(*inputs)
        return [ms / len(inputs) for ms in samples[1:]]

    def memory(self) -> int:
        """The peak of one call beyond its inputs, in bytes."""
        inputs = self.ready()
        return clocks.peak_extra_bytes(lambda: self.run(inputs), self.device)


def _forget(*sets: InputSet) -> None:
    """Let the gradients of these sets go."""
    for inputs in sets:
        for leaf in inputs.leaves:
            leaf.grad = None
