"""The user's code runs in a process of its own that does nothing but answer calls. Stage two of a check.

What the function prints, changes, breaks or never finishes touches no verdict: standard output goes to standard error,
a call that takes too long or ends the process is a sentence, and the process that explains has never run the code.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import torch

from focalbench_suite import adapters
from focalbench_suite.suites.check.binding import Binding, Bound, Form, Options
from focalbench_suite.suites.check.signature import CannotCall
from focalbench_suite.suites.explainer.calls import Answer, Call
from focalbench_suite.suites.explainer.here import Here, sentence

PATIENCE_S = 60.0  # a round of some hundred calls on a few numbers each takes less than a second
METHOD = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"  # a fork has torch imported already


@dataclass(frozen=True)
class Asked:
    """What the child is about: a function, or where to find it, and how it is to be called."""

    reference: str | None
    function: Callable[..., Any] | None
    loss: str
    options: Options

    def load(self, form: Form | None = None) -> Bound:
        """The bound function, its file loaded anew; raises `LookupError` or `CannotCall`."""
        function = self.function if self.function is not None else adapters.load_object(self.reference)
        return Bound(function, self.loss, self.options, form)


class Child:
    """The process, as a context manager; it is ended when the context is left."""

    def __init__(self, asked: Asked, patience_s: float = PATIENCE_S) -> None:
        self.asked, self.patience_s = asked, patience_s
        self.rounds = 0

    def __enter__(self) -> Child:
        context = multiprocessing.get_context(METHOD)
        self._mine, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self.asked, theirs), daemon=True)
        self._process.start()
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mine.close()
        self._process.kill()
        self._process.join()

    def bind(self) -> tuple[Binding, bool]:
        """How the function is called, and whether it can be loaded anew; raises `CannotCall` with a sentence."""
        word, told = self._said("binding")
        if word == "cannot":
            raise CannotCall(told)
        return told

    def ask(self, calls: Sequence[Call]) -> list[Answer]:
        """The answers to a round of calls; raises `CannotCall` where the process ends or takes too long."""
        self.rounds += 1
        self._mine.send(list(calls))
        word, told = self._said("a call")
        if word == "cannot":
            raise CannotCall(told)
        return told

    def _said(self, what: str) -> tuple[str, Any]:
        try:
            if not self._mine.poll(self.patience_s):
                raise CannotCall(f"{what} of the function did not end within {self.patience_s:.0f} s")
            return self._mine.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise CannotCall(f"{what} of the function ended the process: {_death(self._process.exitcode)}") from None


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"


def _serve(asked: Asked, talk: Connection) -> None:
    """The child: load, bind, then answer rounds until the other end closes."""
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    torch.set_num_threads(1)  # on calls of a few numbers each, threads wait for each other
    try:
        bound = asked.load()
    except (LookupError, CannotCall) as error:
        talk.send(("cannot", str(error)))
        return
    except BaseException as error:  # a user's module may raise anything while it is loaded
        talk.send(("cannot", sentence(error)))
        return
    fresh = _fresh(asked, bound.form)
    talk.send(("bound", (bound.binding, fresh is not None)))
    here = Here(bound, bound.raw, fresh)
    while True:
        try:
            calls = talk.recv()
        except EOFError:
            return
        try:
            talk.send(("answers", here(calls)))
        except BaseException as error:  # KeyboardInterrupt and its like, raised by the function itself
            talk.send(("cannot", f"a call of the function ends the process: {sentence(error)}"))
            return


def _fresh(asked: Asked, form: Form) -> Callable[[], Bound] | None:
    """What loads the function anew, without a call, where its file can be loaded alone."""
    if asked.reference is None:
        return None
    again = Asked(asked.reference, None, asked.loss, asked.options)
    try:
        again.load(form)
    except (LookupError, CannotCall):
        return None
    return lambda: again.load(form)
