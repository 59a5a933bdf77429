"""What a comparison found, how it is told, and the exit status that it deserves."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from focalbench_suite.results.printing import without_html

FINE, REGRESSION, FAILED = 0, 1, 3
WORDS = {  # kind of change -> how it is headed, in the order of the report
    "regressed": "Regressions",
    "crashed": "Crashed: measured before, not now",
    "vanished": "Vanished: no longer there, which is not a pass",
    "undecided": "Undecided",
    "improved": "Improved",
    "repaired": "Repaired: failed before",
    "appeared": "Appeared",
}
ALARMS = ("regressed", "crashed", "vanished")  # told in full; of the others, a reader wants to know that they are there
SHOWN = 10


@dataclass(frozen=True)
class RunChange:
    """One thing that is not as it was; `kind` is a key of `WORDS`."""

    kind: str
    table: str
    key: str
    detail: str


@dataclass
class Comparison:
    """What changed between two runs; `same` counts by table what did not.

    `undecidable` is a sentence that says why no time could be compared; empty where some were, or there were none.
    """

    changes: list[RunChange] = field(default_factory=list)
    same: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    undecidable: str = ""

    def of(self, kind: str) -> list[RunChange]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    @property
    def regressions(self) -> list[RunChange]:
        """What got worse; neither crashes nor missing rows."""
        return self.of("regressed")

    @property
    def exit_status(self) -> int:
        """1 where something got worse, 3 where something crashed or is missing, else 0."""
        if self.regressions:
            return REGRESSION
        return FAILED if self.of("crashed") or self.of("vanished") else FINE

    @property
    def markdown(self) -> str:
        """The comparison for a reader, worst first."""
        verdict = {
            FINE: self.undecidable or "Nothing got worse.",
            REGRESSION: f"{len(self.regressions)} regression{'s' * (len(self.regressions) > 1)}.",
        }
        lines = [
            "# Comparison",
            "",
            verdict.get(self.exit_status, "Nothing measured got worse, but something is missing."),
        ]
        lines += ["", self.undecidable] if self.undecidable and self.exit_status != FINE else []
        lines += ["", "Unchanged: " + (", ".join(f"{table} {n}" for table, n in self.same.items()) or "nothing") + "."]
        lines += map(without_html, self.notes)
        for kind, heading in WORDS.items():
            if changes := self.of(kind):
                lines += ["", f"## {heading} ({len(changes)})", "", "| table | what | detail |", "|---|---|---|"]
                shown = changes if kind in ALARMS else changes[:SHOWN]
                lines += [f"| {c.table} | {_cell(c.key)} | {_cell(c.detail)} |" for c in shown]
                lines += ["", f"and {len(changes) - SHOWN} more."] if len(shown) < len(changes) else []
        return "\n".join(lines) + "\n"

    @property
    def plain(self) -> dict[str, Any]:
        """The comparison as plain data, for programs."""
        return {
            "exit_status": self.exit_status,
            "undecidable": self.undecidable,
            "same": dict(self.same),
            "notes": self.notes,
            "changes": [asdict(change) for change in self.changes],
        }


def _cell(text: str) -> str:
    return " ".join(without_html(text).replace("|", "\\|").split())
