"""Losses to be explained: wrong on purpose (with the kinds of finding they must lead to), and right in many styles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """A function, the loss it should be, the kinds that its findings must include, and how it is called."""

    function: Callable[..., Any]
    loss: str
    kinds: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def collection() -> tuple[list[Example], Callable[..., Callable]]:
    """A list and the decorator that puts functions on it: ``@example("focal", "alpha", labels="index")``."""
    examples: list[Example] = []

    def example(loss: str, *kinds: str, **options: Any) -> Callable[[Callable], Callable]:
        def add(function: Callable) -> Callable:
            examples.append(Example(function, loss, kinds, options))
            return function

        return add

    return examples, example
