"""Is my loss that loss? Four stages, data between them: `binding`, `child` (ask), the explainer, `show` (tell)."""

from focalbench_suite.suites.check.accepting import BadFile, read_accepted
from focalbench_suite.suites.check.asserting import assert_loss, objections
from focalbench_suite.suites.check.calling import Options
from focalbench_suite.suites.check.checking import bind, check
from focalbench_suite.suites.check.identify import identify
from focalbench_suite.suites.check.many import check_many
from focalbench_suite.suites.check.show import render, table
from focalbench_suite.suites.check.signature import CannotCall

__all__ = [
    "BadFile",
    "CannotCall",
    "Options",
    "assert_loss",
    "bind",
    "check",
    "check_many",
    "identify",
    "objections",
    "read_accepted",
    "render",
    "table",
]
