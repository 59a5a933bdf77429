"""Is my criterion that detector's loss, and which of its terms is another? Whole losses, as `check` asks single ones.

Three stages: `kinds` makes one canonical call of what people have, `class_term` reads what the class term computes off
its gradients, `checking` holds the terms against our own and gives the verdict.
"""

from focalbench_suite.suites.criterion.checking import CriterionVerdict, check_criterion

__all__ = ["CriterionVerdict", "check_criterion"]
