"""The one name under which everything of the suite is imported.

The rooms stand at the top of the tree, where people look for them; here they are links. So `focalbench_suite.adapters`
is the folder `adapters`, and no room answers to a name of its own, which a user's project may have, too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["assert_loss"]


def assert_loss(
    function: Callable[..., Any] | str,
    loss: str,
    *,
    accept: str | Path | None = None,
    strict: bool = False,
    **options: Any,
) -> Any:
    """In a project's own tests: raise `AssertionError`, its message the explanation, unless `function` is the loss.

    `function` is a function, a module, a module class or ``FILE.py:NAME``; `loss` is a name such as ``focal``. `accept`
    is a file of accepted differences (YAML: code, why): a difference that is not in it fails, and so does an entry
    whose difference is gone. `strict` fails for a fragile loss, too. `options` are those of `suites.check.Options`:
    labels, inputs, classes, bins, reduction, and `given`, the arguments to pass in every call, by name. Returns
    the verdict.

    >>> import torch
    >>> from focalbench_suite.adapters.own import focal_loss
    >>> assert_loss(focal_loss, "focal").verdict
    'same'
    """
    __tracebackhide__ = True  # pytest shows the line of the project's test, not this one
    from focalbench_suite.suites.check.asserting import assert_loss as asserting  # importing the suite stays cheap

    return asserting(function, loss, accept=accept, strict=strict, **options)
