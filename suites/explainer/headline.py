"""The line that says what a function is, as the head of everything that was found."""

from __future__ import annotations

from collections.abc import Sequence

from focalbench_suite.suites.explainer.examples import Finding

FRAGILE = {  # kinds of findings as the head line says them
    "precision": "with lost digits",
    "nonfinite": "with NaN or infinity",
    "dtype": "not in every dtype",
    "shape": "not for every shape",
    "call": "not for every setting",
    "defaults": "not with its own defaults",
    "gradient": "with a kink",
    "target_range": "not for every target",
    "background_index": "not for every label",
    "ignore_label": "not for every label",
}


def head_line(loss: str, reduction: str, findings: Sequence[Finding]) -> str:
    """What the function is and how it reduces; hard and soft labels apart, the cause before its consequences."""
    name = loss.replace("_", " ") if loss.endswith("entropy") else f"the {loss.replace('_', ' ')} loss"
    reduced = f"; reduced by {reduction}" if reduction not in ("unknown", "none") else ""
    different, fragile = (
        list(dict.fromkeys(finding.kind for finding in findings if finding.severity == severity))
        for severity in ("different", "fragile")
    )
    if different == ["soft_labels"]:
        return f"{name} on hard labels, another function for soft ones{reduced}"
    if different:
        return f"not {name}: {', '.join(kind.replace('_', ' ') for kind in different)}{reduced}"
    told = dict.fromkeys(FRAGILE.get(kind, kind) for kind in fragile)
    but = f", but {' and '.join(told)}" if fragile else ""
    return f"{name}{but}{reduced}"
