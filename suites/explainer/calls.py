"""What a loss is asked and what it answers: plain numbers both ways, so that they can be recorded and sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

Numbers = Any  # nested lists of numbers


@dataclass(frozen=True)
class Call:
    """One call: logits, targets and parameters in canonical form, and how the function is called.

    `own_targets` passes the targets as they are, in the function's own label form. `backwards` is how often the
    gradient of the sum is taken through one graph. `turn` tells apart calls with the same input, which is how it is
    seen whether a function remembers; `anew` asks a function that has seen no other call.
    """

    logits: Numbers
    targets: Numbers
    parameters: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    own_targets: bool = False
    backwards: int = 1
    turn: int = 0
    anew: bool = False

    @property
    def key(self) -> str:
        """Equal for equal calls."""
        return repr((_plain(self.logits), _plain(self.targets), self.parameters, self.dtype, self.own_targets,
                     self.backwards, self.turn, self.anew))  # fmt: skip


def _plain(numbers: Numbers) -> Any:
    return numbers.tolist() if hasattr(numbers, "tolist") else numbers


@dataclass(frozen=True)
class Mutation:
    """An argument that a call changed, with its first changed element before and after."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Answer:
    """What came of a call: the output and the gradients of its sum to the logits, as float64 arrays, or the error.

    `output` is None where the call raised, `gradients` is empty where the output has no gradient or going back raised
    (then `backward_error` says what). `dtype` is the output's. `drew` says that random numbers were drawn, `switched`
    that torch's gradient mode or default dtype was another one afterwards.
    """

    output: numpy.ndarray | None = None
    gradients: tuple[numpy.ndarray, ...] = ()
    dtype: str = ""
    error: str = ""
    backward_error: str = ""
    unsupported: bool = False
    mutations: tuple[Mutation, ...] = ()
    drew: bool = False
    switched: bool = False

    @property
    def ok(self) -> bool:
        """Whether the call returned a tensor."""
        return not self.error

    @property
    def value(self) -> float:
        """The sum of the output; NaN where there is none."""
        return float("nan") if self.output is None else float(self.output.sum())

    @property
    def gradient(self) -> numpy.ndarray | None:
        """The gradient of the sum, where there is one."""
        return self.gradients[0] if self.gradients else None


Ask = Callable[[Sequence[Call]], list[Answer]]


class Remembered:
    """An `Ask` that never puts the same call twice; `answers` is the record, which can be explained again."""

    def __init__(self, ask: Ask, answers: dict[str, Answer] | None = None) -> None:
        self.ask, self.answers = ask, {} if answers is None else answers

    def __call__(self, calls: Sequence[Call]) -> list[Answer]:
        new = list({call.key: call for call in calls if call.key not in self.answers}.values())
        if new:
            self.answers |= {call.key: answer for call, answer in zip(new, self.ask(new), strict=True)}
        return [self.answers[call.key] for call in calls]

    def mutations(self) -> Iterator[tuple[str, Mutation]]:
        """Every change of an argument so far, with the key of its call."""
        return ((key, change) for key, answer in self.answers.items() for change in answer.mutations)


def ask_one(ask: Ask, call: Call) -> Answer:
    """The answer to one call."""
    return ask([call])[0]
