"""How often a comparison of detectors is wrong: coverage and error rates by simulation, where the truth is known.

    uv run python -m tests.error_rates

AP of a pair of trainings is made of what the loss is worth, what the seed does, what all seeds do on an image, and what
a seed does on an image alone, each normal. Writes ``results/reference/error_rates``, in a few minutes of one core.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

from focalbench_suite.results.pairs import LEVEL, MARGIN
from focalbench_suite.results.statistics import (
    confidence_of_a_look,
    equivalence,
    looks,
    seeds_and_images,
    wilson,
)

OUT = Path(__file__).resolve().parents[1] / "results" / "reference" / "error_rates"
TRIALS, IMAGES, DRAWS = 2000, 60, 100
SPREADS = (0.002, 0.005, 0.01)  # between the seeds of a pair: on real pictures it was 0.001 to 0.004
OF_IMAGES = (0.0, 0.3, 1.0)  # an image's effect on all seeds, as a share of the spread that it is to the mean of 60
ALONE = (0.0, 0.5)  # the share of a seed's variance that it owes to single images
TRUTHS = (0.0, MARGIN / 2, MARGIN, 2 * MARGIN)
FIXED, MOST = (2, 5, 10, 20), 40


def pairs(seeds: int, truth: float, spread: float, of_images: float, alone: float, random: np.random.Generator):
    """AP differences (seeds, 1 + draws) of a made-up pair, on the images and on draws of them."""
    shared = random.normal(0, of_images * spread * IMAGES**0.5, IMAGES)
    single = random.normal(0, (alone * IMAGES) ** 0.5 * spread, (seeds, IMAGES))
    whole = random.normal(0, (1 - alone) ** 0.5 * spread, (seeds, 1))
    draws = random.multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=DRAWS) / IMAGES
    effects = truth + shared + single + whole
    return np.hstack([effects.mean(axis=1, keepdims=True), effects @ draws.T])


def fixed(seeds: int, *case: float, random: np.random.Generator) -> tuple[bool, str, int]:
    """Whether the interval of so many seeds holds the truth, the verdict, and the seeds that it took."""
    interval = seeds_and_images(pairs(seeds, *case, random), IMAGES).interval()
    return interval.low <= case[0] <= interval.high, equivalence(interval, MARGIN), seeds


def until_decided(most: int, *case: float, random: np.random.Generator) -> tuple[bool, str, int]:
    """The same of seeds that are added until it is decided; held are the intervals of all looks."""
    stages, held = looks(most), True
    differences = pairs(most, *case, random)
    for count in stages:
        interval = seeds_and_images(differences[:count], IMAGES).interval(confidence_of_a_look(len(stages), LEVEL))
        held &= interval.low <= case[0] <= interval.high
        if (verdict := equivalence(interval, MARGIN)) != "undecided":
            break
    return held, verdict, count


def rates() -> Iterator[dict[str, Any]]:
    """A row for each design and each truth."""
    designs = [(f"{seeds} seeds", fixed, seeds) for seeds in FIXED] + [(f"until decided, {MOST}", until_decided, MOST)]
    cases = list(itertools.product(designs, TRUTHS, SPREADS, OF_IMAGES, ALONE))
    for place, ((design, simulate, seeds), *case) in enumerate(track(cases, "simulations")):
        random = np.random.default_rng(place)
        ends = [simulate(seeds, *case, random=random) for _ in range(TRIALS)]
        held, verdicts, taken = zip(*ends, strict=True)
        truth, spread, of_images, alone = case
        wrong = {"different"} if truth == 0 else {"equivalent"} if truth >= MARGIN else set()
        errors = wilson(sum(verdict in wrong for verdict in verdicts), TRIALS)
        yield {
            "design": design,
            "truth": truth,
            "spread_of_seeds": spread,
            "spread_of_images": of_images * spread,
            "of_single_images": alone,
            "trials": TRIALS,
            "interval_holds_truth": np.mean(held),
            "equivalent": verdicts.count("equivalent") / TRIALS,
            "different": verdicts.count("different") / TRIALS,
            "wrong": errors.center if wrong else None,
            "wrong_at_most": errors.high if wrong else None,
            "mean_seeds": np.mean(taken),
        }


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rates()).round(4).to_csv(OUT / "ap_differences.csv", index=False)
