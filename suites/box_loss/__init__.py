"""Is my loss over pairs of boxes that loss? Two stages: `calling` finds out how it is called, `checking` what it is."""

from focalbench_suite.suites.box_loss.calling import bind
from focalbench_suite.suites.box_loss.checking import check_box_loss

__all__ = ["bind", "check_box_loss"]
