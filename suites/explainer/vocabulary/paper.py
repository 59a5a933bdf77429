"""What the vocabulary needs to know of a loss: its factors as the paper writes them, and what its parameters are for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """A parameter of a loss.

    Its role is power (gamma), balance (alpha of positives and negatives), class_weights, row_weights or scale (a factor
    of one term). `recommended` is the paper's value. `off` is the value that takes its effect away; None where it is
    left out altogether. A function that lacks the parameter may use either and still be the paper's.
    """

    name: str
    role: str
    recommended: float | None
    off: float | None = None


@dataclass(frozen=True)
class Factors:
    """The loss of one element is weight x modulation x entropy, each an expression over the quantities of its form."""

    weight: str
    modulation: str
    entropy: str


@dataclass(frozen=True)
class Paper:
    """One loss as its paper has it."""

    factors: Factors
    parameters: tuple[Parameter, ...] = ()

    def of_role(self, role: str) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.role == role), None)


ALPHA = Parameter("alpha", "balance", 0.25)

PAPERS: dict[str, Paper] = {
    "cross_entropy": Paper(Factors("1", "1", "bce")),
    "balanced_cross_entropy": Paper(Factors("alpha_t", "1", "bce"), (ALPHA,)),
    "focal": Paper(Factors("alpha_t", "miss**gamma", "bce"), (Parameter("gamma", "power", 2.0, 0.0), ALPHA)),
    "quality_focal": Paper(Factors("1", "abs(y - p)**beta", "bce"), (Parameter("beta", "power", 2.0, 0.0),)),
    "varifocal": Paper(
        Factors("where(y > 0, y, alpha)", "where(y > 0, 1, p**gamma)", "bce"),
        (Parameter("gamma", "power", 2.0, 0.0), Parameter("alpha", "balance", 0.75, 1.0)),
    ),
    "softmax_focal": Paper(
        Factors("alpha_y", "miss**gamma", "-log_p_y"),
        (Parameter("gamma", "power", 2.0, 0.0), Parameter("alpha", "class_weights", None)),
    ),
    "distribution_focal": Paper(Factors("weight", "parts", "-log_S"), (Parameter("weight", "row_weights", None),)),
}
