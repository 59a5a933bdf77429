"""Pages to link to: one a library, one a loss, one a finding with an address that lasts; and a finding as a bug report.

They are made of the committed tables, `results/reference/agreement` and `results/reference/history`. What the canon and
the adapters say of a loss is handed in as plain data (`About`), since this room knows neither.
"""

from __future__ import annotations

from focalbench_suite.results.site.bug_report import bug_report
from focalbench_suite.results.site.contents import About, Contents, Entry
from focalbench_suite.results.site.pages import write

__all__ = ["About", "Contents", "Entry", "bug_report", "write"]
