"""Is it the paper's function? Where each source's loss stands, from its verdicts, with the findings that say why."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from focalbench_suite.results.frames import Frames, Row, rows

STANDINGS = ("same", "fragile", "soft", "reduces", "different")  # from best to worst

# What the kinds of findings mean for "is it the same function?", the gravest first; and the kinds that are about what a
# source accepts, not about the function.
ABOUT_INPUTS = ("defaults", "dtype", "shape", "call", "ignore_label", "target_range")
MEANS = {
    "different": (
        "alpha", "gamma", "cross_entropy", "activation", "gradient", "label_smoothing", "background_index", "mutation",
        "state", "unexplained",
    ),
    "reduces": ("reduction", "normaliser"),
    "soft": ("soft_labels",),
    "fragile": ("nonfinite", "precision"),
}  # fmt: skip
GRAVITY = tuple(kind for kinds in MEANS.values() for kind in kinds)
# The kinds that explain a standing: who reduces before modulating has another function, too.
REASONS = MEANS | {"same": (), "different": MEANS["different"] + MEANS["reduces"] + MEANS["soft"]}

# What a verdict on a probe means by the probe's scope: `outside` of what the papers define, nothing.
DIFFERS = {"function": "different", "numerics": "fragile", "soft": "soft", "outside": "same"}
PLAIN_REDUCTIONS = ("none", "mean", "sum", "")
SMALL = 1e-4  # relative errors below it are rounding
ALIKE = 0.02  # two errors that differ by less are one function's


@dataclass
class Standing:
    """Where one source's loss stands beside the paper's, the verdict that put it there and the findings about it.

    `errors` holds the largest relative error of every probe of the function: its fingerprint.
    """

    loss: str
    adapter: str
    version: str
    standing: str
    reduction: str
    cell: str | None
    measured: str
    reasons: list[Row] = field(default_factory=list)
    errors: dict[tuple[str, ...], float] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The gravest finding in words, or the verdict's own where nothing was found out."""
        return self.reasons[0]["statement"] if self.reasons else self.measured

    def relation(self, other: Standing) -> str:
        """How two sources of a loss relate: equal | scaled | hard | unequal | unknown.

        They are one function where they are equally far from the paper's on every probe that both answered; `scaled`
        where they only reduce differently, `hard` where they agree for hard labels alone.
        """
        shared = self.errors.keys() & other.errors.keys()
        apart = [key for key in shared if not _alike(self.errors[key], other.errors[key])]
        if not shared:
            return "unknown"
        if any(scope != "soft" for scope, *_ in apart):
            return "unequal"
        plain = {self.reduction, other.reduction} <= set(PLAIN_REDUCTIONS)  # which users choose
        return "hard" if apart else "equal" if plain or self.reduction == other.reduction else "scaled"


def _alike(one: float, other: float) -> bool:
    return max(one, other) < SMALL or math.isclose(one, other, rel_tol=ALIKE)


def standings(frames: Frames) -> dict[str, list[Standing]]:
    """By loss, every source that could be asked, from best to worst; the focal loss first, then by their number."""
    findings = _grouped(rows(frames["findings"]))
    by_loss: dict[str, list[Standing]] = {}
    for key, measured in _grouped(rows(frames["agreement"])).items():
        answered = [row for row in measured if row["verdict"] not in ("unsupported", "error")]
        if answered:
            by_loss.setdefault(key[0], []).append(_standing(answered, sorted(findings.get(key, ()), key=gravity)))
    for members in by_loss.values():
        members.sort(key=lambda one: (STANDINGS.index(one.standing), one.adapter != "own", one.adapter))
    return dict(sorted(by_loss.items(), key=lambda item: (item[0] != "focal", -len(item[1]))))


def _grouped(members: list[Row]) -> dict[tuple[str, str], list[Row]]:
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in members:
        grouped.setdefault((row["loss"], row["adapter"]), []).append(row)
    return grouped


def _standing(answered: list[Row], findings: list[Row]) -> Standing:
    worst = max(answered, key=lambda row: STANDINGS.index(_shown_by(row)))
    standing = max((_shown_by(worst), *(_means(row) for row in findings)), key=STANDINGS.index)
    return Standing(
        worst["loss"],
        worst["adapter"],
        worst["version"] or "",
        standing,
        worst.get("reduction") or "",
        worst.get("cell"),
        _told(worst) if _shown_by(worst) == standing else "",
        [row for row in findings if row["kind"] in REASONS[standing]],
        _errors(answered),
    )


def _shown_by(row: Row) -> str:
    """The standing that one verdict alone would mean."""
    if _scope(row) == "outside":
        return "same"
    if row["verdict"] == "agrees_up_to_scale":
        return "reduces"
    if row["verdict"] == "differs":
        return DIFFERS[_scope(row)]
    return "fragile" if row["verdict"] == "nonfinite" or row.get("zeros") else "same"


def _scope(row: Row) -> str:
    return row.get("scope") or "function"  # a detector's terms have no probes


def _means(finding: Row) -> str:
    """The standing that one finding alone would mean; raises `KeyError` for a kind that nobody has placed."""
    if finding["kind"] in ABOUT_INPUTS:
        return "same"
    return {kind: name for name, kinds in MEANS.items() for kind in kinds}[finding["kind"]]


def _told(row: Row) -> str:
    """A verdict in words."""
    if row["verdict"] == "agrees" and not row.get("zeros"):
        return ""
    return f"{row['quantity']}, {row['probe']}, {row['dtype']}: {row['relation']}"


def _errors(answered: list[Row]) -> dict[tuple[str, ...], float]:
    """The relative error of each probe of the function, in the finest dtype that answered."""
    dtype = "float64" if any(row["dtype"] == "float64" for row in answered) else answered[0]["dtype"]
    return {
        (_scope(row), row.get("form") or "", row["probe"], row["quantity"]): row["max_rel_error"]
        for row in answered
        if row["dtype"] == dtype and row["max_rel_error"] is not None and _scope(row) in ("function", "soft")
    }


def gravity(finding: Row) -> int:
    """The place of a finding's kind among all kinds, the gravest first."""
    return GRAVITY.index(finding["kind"]) if finding["kind"] in GRAVITY else len(GRAVITY)
