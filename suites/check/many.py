"""Many functions at once, side by side on the machine's cores, each with a verdict or the reason why it has none."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from focalbench_suite.suites.check.calling import Options
from focalbench_suite.suites.check.checking import Verdict, check
from focalbench_suite.suites.check.child import METHOD
from focalbench_suite.suites.check.identify import identify
from focalbench_suite.suites.check.signature import CannotCall

NEAR_NONE = "near no loss of the canon"


def check_many(
    references: Sequence[str],
    loss: str | None,
    options: Options = Options(),  # noqa: B008, frozen
) -> Iterator[tuple[str, Verdict | str]]:
    """The references with their verdicts, or why there is none, as they come.

    Without a `loss` each is identified.
    """
    if len(references) == 1:
        yield references[0], one(references[0], loss, options)
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    context = multiprocessing.get_context(METHOD)
    with ProcessPoolExecutor(min(cores, len(references)), mp_context=context) as pool:
        futures = {pool.submit(one, reference, loss, options): reference for reference in references}
        for future in as_completed(futures):
            yield futures[future], future.result()


def one(reference: str, loss: str | None, options: Options) -> Verdict | str:
    """A verdict, or the sentence that says why there is none."""
    try:
        return (check(reference, loss, options) if loss else identify(reference, options)) or NEAR_NONE
    except (LookupError, CannotCall) as error:
        return str(error)
