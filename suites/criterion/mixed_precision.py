"""What becomes of a criterion in a training of mixed precision: outputs in bfloat16, boxes in float32, under autocast.

It decides nothing, as the libraries' own criteria lose digits there: it is told, of those terms that are ours in
float32.
"""

from __future__ import annotations

from dataclasses import replace

import numpy
import torch

from focalbench_suite.adapters import Loss, find
from focalbench_suite.suites.agreement import terms
from focalbench_suite.suites.explainer.here import sentence


def in_bfloat16(loss: Loss, name: str, scenes: tuple[terms.GroundTruth, ...], same: list[str]) -> str:
    """What the terms `same` of a criterion `name` are there, in words; nothing where there are none."""
    worst: dict[str, tuple[float, str]] = {}  # of each term how far off it is, as a share of its size, and where
    for scene in scenes if same else ():
        given = terms.inputs_of(name, scene, "bfloat16", "bfloat16")
        given = replace(given, boxes=[boxes.float() for boxes in given.boxes])  # exact: bfloat16 has these numbers
        ours = terms.inputs_of(name, scene, "bfloat16", "float64").terms(find(name, "own").call)
        try:
            with torch.autocast("cpu", torch.bfloat16):
                theirs = given.terms(loss.call)
        except Exception as error:  # a user's code may raise anything, which is the answer
            return f"it raises {sentence(error).rstrip(': ')}"
        for term in [term for term in same if term in ours]:
            off = max(map(_off, theirs[term], ours[term]))
            worst[term] = max(worst.get(term, (0.0, "")), (off, scene.name))
    return _told(worst)


def _off(got: numpy.ndarray, exact: numpy.ndarray) -> float:
    """How far numbers are off as a share of their size, 0 where that is by roundings alone."""
    if terms.near(got, exact, "bfloat16"):
        return 0.0
    off = float(numpy.linalg.norm(got - exact)) / (float(numpy.linalg.norm(exact)) or 1.0)
    return off if numpy.isfinite(off) else numpy.inf


def _told(worst: dict[str, tuple[float, str]]) -> str:
    other = [
        f"{term} {f'off by {off:.2g} of its size' if off < numpy.inf else 'NaN or infinite'} with {where}"
        for term, (off, where) in worst.items()
        if off
    ]
    alike = [term for term, (off, _) in worst.items() if not off]
    return "; ".join([*other, *([f"{', '.join(alike)} the same, to its rounding"] if alike else [])])
