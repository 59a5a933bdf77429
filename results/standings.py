"""Is it the paper's function? Where each source's loss stands, from its verdicts, with the findings that say why."""

from __future__ import annotations

from dataclasses import dataclass, field

from results.frames import Frames, Row, rows

# What the kinds of findings mean for "is it the same function?", the gravest first. Kinds that are not here (defaults,
# dtype, shape, call, ignore_label, target_range) are about what a source accepts, not about the function.
OTHER_FUNCTION = (
    "alpha", "gamma", "cross_entropy", "activation", "gradient", "soft_labels", "label_smoothing", "background_index",
    "mutation", "state", "unexplained",
)  # fmt: skip
OTHER_REDUCTION = ("normaliser", "reduction")
BREAKS = ("nonfinite", "precision")
GRAVITY = (*OTHER_FUNCTION[:-1], "nonfinite", *OTHER_REDUCTION, "precision", "unexplained")

HARD = ("extreme", "saturated", "at the prior")  # probes of the numerics, not of the function
OUTSIDE = ("targets beyond", "beyond the bins", "below the bins", "no rows")  # where the papers define nothing
PLAIN_REDUCTIONS = ("none", "mean", "sum", "")

STANDINGS = ("same", "fragile", "reduces", "different")  # from best to worst
MEANS = {"fragile": BREAKS, "reduces": OTHER_REDUCTION, "different": OTHER_FUNCTION}
# The kinds that explain a standing: who reduces before modulating has another function, too.
REASONS = MEANS | {"same": (), "different": (*OTHER_FUNCTION, *OTHER_REDUCTION)}


@dataclass
class Standing:
    """Where one source's loss stands beside the paper's, the verdict that put it there and the findings about it."""

    loss: str
    adapter: str
    version: str
    standing: str
    reduction: str
    cell: str | None
    measured: str
    reasons: list[Row] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """The gravest finding in words, or the verdict's own where nothing was found out."""
        return self.reasons[0]["statement"] if self.reasons else self.measured

    @property
    def function(self) -> object:
        """What tells functions apart: the paper's is one, others are as different as their explanations."""
        if self.standing != "different":
            return "the paper's"
        return tuple(sorted((row["kind"], row["statement"]) for row in self.reasons)) or self.measured

    def reduces_like(self, other: Standing) -> bool:
        """Whether both give the same number, or each one of the plain reductions, which users choose."""
        return self.reduction == other.reduction or {self.reduction, other.reduction} <= set(PLAIN_REDUCTIONS)


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
    )


def _shown_by(row: Row) -> str:
    """The standing that one verdict alone would mean."""
    if row["probe"].startswith(OUTSIDE):
        return "same"
    numerics = row["probe"].startswith(HARD)
    if row["verdict"] == "agrees_up_to_scale":
        return "reduces"
    if row["verdict"] == "differs":
        return "fragile" if numerics else "different"
    return "fragile" if row["verdict"] == "nonfinite" or "exactly 0" in (row["relation"] or "") else "same"


def _means(finding: Row) -> str:
    """The standing that one finding alone would mean."""
    return next((name for name in STANDINGS[:0:-1] if finding["kind"] in MEANS[name]), "same")


def _told(row: Row) -> str:
    """A verdict in words."""
    if row["verdict"] == "agrees" and "exactly 0" not in row["relation"]:
        return ""
    return f"{row['quantity']}, {row['probe']}, {row['dtype']}: {row['relation']}"


def gravity(finding: Row) -> int:
    """The place of a finding's kind among all kinds, the gravest first."""
    return GRAVITY.index(finding["kind"]) if finding["kind"] in GRAVITY else len(GRAVITY)
