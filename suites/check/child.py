"""The user's code runs in a process of its own that does nothing but answer calls. Stage two of a check.

What the function prints, changes, breaks or never finishes touches no verdict: what its file prints goes to standard
error, what its calls print goes nowhere, a call that takes too long or all memory, or that ends the process, is a
sentence, and the process that explains has never run the code.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from focalbench_suite import adapters
from focalbench_suite.suites.check.binding import bound
from focalbench_suite.suites.check.calling import Binding, Bound, Options
from focalbench_suite.suites.check.form import Form
from focalbench_suite.suites.check.signature import CannotCall
from focalbench_suite.suites.explainer.calls import Answer, Call
from focalbench_suite.suites.explainer.here import Here, sentence

PATIENCE_S = 60.0  # a round of some hundred calls on a few numbers each takes less than a second
LEAVE_S = 5.0  # for a process whose end of the pipe is closed
REFUSED, RAISED = "refused", "raised"  # why a question has no answer
MEMORY_SHARE = 0.75  # of what the machine has, for the process that runs the code
METHOD = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"  # a fork has torch imported already


@dataclass(frozen=True)
class Asked:
    """What the child is about: a function, or where to find it, and how it is to be called."""

    reference: str | None
    function: Callable[..., Any] | None
    loss: str
    options: Options

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return self.reference or "the function"

    def load(self) -> Any:
        """The function itself; raises `LookupError`."""
        return adapters.load_object(self.reference or "") if self.function is None else self.function

    def bind(self, function: Any) -> Bound:
        """The bound function; raises `CannotCall`."""
        return bound(function, self.loss, self.options)

    def load_anew(self, form: Form) -> Bound:
        """The function of a module that has seen no call, bound as was found before; raises `LookupError`."""
        return bound(adapters.load_object(self.reference or "", anew=True), self.loss, self.options, form)


class Apart:
    """A process that answers over a pipe, as a context manager; it is ended when the context is left.

    `converse` is what it does with its end of the pipe, and `patience_s` how long it may take for an answer.
    """

    def __init__(self, converse: Callable[[Connection], None], patience_s: float) -> None:
        self._converse, self._patience_s = converse, patience_s

    def __enter__(self) -> Self:
        context: Any = multiprocessing.get_context(METHOD)
        self._mine, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._converse, theirs, self._mine), daemon=True)
        self._process.start()
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mine.close()
        with contextlib.suppress(OSError):  # it may have ended before it had a group of its own
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()

    def said(self, what: str) -> Any:
        """The next answer; raises `CannotCall` with a sentence about `what` it is where there is none."""
        try:
            if not self._mine.poll(self._patience_s):
                raise CannotCall(f"{what} did not end within {self._patience_s:.0f} s")
            cannot, told = self._mine.recv()
        except (EOFError, OSError):
            raise CannotCall(f"{what} ended the process: {self._death()}") from None
        if cannot:
            raise CannotCall(f"{what} raised {told}" if cannot == RAISED else told)
        return told

    def _death(self) -> str:
        self._process.join(LEAVE_S)
        code = self._process.exitcode
        if code is None:
            return "it answers no more"
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def ask_apart(question: Callable[[], Any], what: str, patience_s: float) -> Any:
    """The answer to one question, asked in a process of its own; raises `CannotCall` as `Apart.said` does."""
    with Apart(partial(_answer, question), patience_s) as process:
        return process.said(what)


def _answer(question: Callable[[], Any], talk: Connection) -> None:
    talk.send(_tried(question, os.getpid()))


class Child(Apart):
    """The process of a check: it binds the function, and then answers rounds of calls."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(partial(_converse, asked), PATIENCE_S)
        self.asked = asked
        self.rounds = 0

    def bind(self) -> tuple[Binding, bool]:
        """How the function is called, and whether it can be loaded anew; raises `CannotCall` with a sentence."""
        return self.said(f"loading {self.asked.name} or its first call")

    def ask(self, calls: Sequence[Call]) -> list[Answer]:
        """The answers to a round of calls; raises `CannotCall` where the process ends or takes too long."""
        self.rounds += 1
        with contextlib.suppress(OSError):  # a process that is gone says so where its answer is read
            self._mine.send(list(calls))
        return self.said(f"a call of {self.asked.name}")


def _serve(converse: Callable[[Connection], None], talk: Connection, other_end: Connection) -> None:
    """The child: answer until the other end closes, or there is nothing more to say."""
    os.setpgid(0, 0)  # what the function starts is ended together with this process
    other_end.close()  # a copy of it that is kept open here would hide that the process that asks is gone
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    faulthandler.disable()  # pytest's own: a crash is one sentence
    torch.set_num_threads(1)  # on calls of a few numbers each, threads wait for each other
    _limit_memory()
    with contextlib.suppress(EOFError, OSError):  # the other end has closed, or the function has closed this one
        converse(talk)
    os._exit(0)  # what the function left running or registered for the end is not waited for


def _limit_memory() -> None:
    """Beyond this an allocation raises, where else the kernel would end some process, not always the one that asks.

    Linux alone counts what a process has mapped to write to.
    """
    if sys.platform == "linux":
        import resource

        most = int(MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _converse(asked: Asked, talk: Connection) -> None:
    """Load, bind, then answer rounds."""
    home, process = Path.cwd(), os.getpid()
    cannot, loaded = _tried(lambda: _loaded(asked, home), process)
    if cannot:
        talk.send((cannot, loaded))
        return
    bound, fresh = loaded
    talk.send(("", (bound.binding, fresh is not None)))
    here = Here(bound, bound.raw, fresh, asked.options.device)
    while True:
        talk.send(_tried(partial(here, talk.recv()), process))


def _tried(question: Callable[[], Any], process: int) -> tuple[str, Any]:
    """Why a question cannot be answered, or nothing, and what is to be said."""
    try:
        found = "", question()
    except (LookupError, CannotCall) as error:
        found = REFUSED, str(error)
    except BaseException as error:  # a user's module and function may raise anything, KeyboardInterrupt among it
        found = RAISED, sentence(error).rstrip(": ")
    if os.getpid() != process:
        os._exit(0)  # a copy that the function made of this process must not answer, too
    return found


def _loaded(asked: Asked, home: Path) -> tuple[Bound, Callable[[], Bound] | None]:
    function = asked.load()
    _hush()  # what a file says when it is imported is shown, what a function says in hundreds of calls is not
    bound = asked.bind(function)
    return bound, _fresh(asked, home, bound)


def _hush() -> None:
    """From here on, standard output and warnings of this process go nowhere."""
    warnings.simplefilter("ignore")
    warnings.showwarning = _unsaid  # where the function has put a filter of its own
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.stdout = os.fdopen(nowhere, "w")


def _unsaid(*_told: Any, **_options: Any) -> None:
    """What stands in the place of the function that prints a warning."""


def _fresh(asked: Asked, home: Path, bound: Bound) -> Callable[[], Bound] | None:
    """What loads the function anew, where its module can be found by a name."""
    if asked.reference is None:
        return None

    def load() -> Bound:
        os.chdir(home)  # from where its name is read, wherever the function has gone
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has warned when it was loaded first
            return asked.load_anew(bound.form)

    try:
        return None if load().function is load().function else load
    except (LookupError, CannotCall):
        return None
