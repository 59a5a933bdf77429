"""What each loss is asked: probes as data, one entry each.

A library can be right on a first call with gamma 2, alpha 0.25, hard labels and small logits, and wrong everywhere
else; each probe goes to one of the other places. Logits and targets are multiples of 1/16 (except at the prior) and so
are the same number in every dtype.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy

from focalbench_suite.adapters import CANONICAL

PRIOR = -4.59375  # the RetinaNet prior -log(99), on bfloat16's grid


SHOWN_BY_ROLE = {"power": "gamma", "balance": "alpha", "coefficient": "cross_entropy"}


@dataclass(frozen=True)
class ProbeCall:
    """One call: nested lists in canonical form, parameters, and whether the tensors are made non-contiguous.

    `power` is that of the modulating factor among the parameters, by which rounding errors grow; 0 where there is none.
    """

    logits: Any
    targets: Any
    parameters: dict[str, Any]
    strided: bool = False
    power: float = 0.0


@dataclass(frozen=True)
class Probe:
    """Cases that make one row of the table; `smoke` ones are part of the smallest profile.

    `varies` names the parameter that the cases vary. `shows` is the kind of difference that is seen where this probe
    shows something else than the usual one. `scope` says what a difference means: of the ``function``, of its
    ``numerics`` far from the easy logits, for ``soft`` labels, or ``outside`` of what the papers define.
    """

    name: str
    cases: tuple[ProbeCall, ...]
    smoke: bool = False
    varies: str | None = None
    shows: str | None = None
    scope: str = "function"


@dataclass(frozen=True)
class ProbeInputs:
    """Logits and targets of one shape, before the parameters are chosen."""

    logits: Any
    targets: Any
    strided: bool = False
    changes: dict[str, Any] = field(default_factory=dict)


def probes(loss: str, off: Mapping[str, None] = MappingProxyType({})) -> tuple[Probe, ...]:
    """Every probe of a loss, the usual one first; what the source has no parameter for is `off`."""
    found = PROBES[CANONICAL[loss].inputs](loss)
    return tuple(
        replace(probe, cases=tuple(replace(case, parameters={**case.parameters, **off}) for case in probe.cases))
        for probe in found
        if probe.varies not in off
    )


def _probe(loss: str, name: str, *inputs: ProbeInputs, **about: Any) -> Probe:
    return Probe(name, tuple(_case(loss, one) for one in inputs), **about)


def _case(loss: str, inputs: ProbeInputs) -> ProbeCall:
    parameters = CANONICAL[loss].recommended | inputs.changes
    power = CANONICAL[loss].of_role("power")
    return ProbeCall(
        inputs.logits, inputs.targets, parameters, inputs.strided, parameters[power.name] if power else 0.0
    )


def _varied(loss: str, inputs: ProbeInputs) -> list[Probe]:
    """The same inputs under every value of every parameter of the loss, row and class weights apart.

    Those have as many values as the batch has rows or classes, and probes of their own.
    """
    found = []
    for parameter in CANONICAL[loss].parameters:
        if parameter.role not in ("class_weights", "row_weights"):
            values = sorted({parameter.off, parameter.recommended, *parameter.varied} - {None})
            values = [None, *values] if parameter.off is None else values
            cases = [replace(inputs, changes={parameter.name: value}) for value in values]
            told = f"{'off' if values[0] is None else f'{values[0]:g}'} to {values[-1]:g}"
            power = parameter.role == "power"
            shows = SHOWN_BY_ROLE.get(parameter.role)
            found.append(
                _probe(loss, f"{parameter.name} {told}", *cases, smoke=power, varies=parameter.name, shows=shows)
            )
    return found


def _half_power(loss: str, inputs: ProbeInputs) -> list[Probe]:
    """Saturated logits under the power 1/2, whose derivative at 0 is infinite."""
    power = CANONICAL[loss].of_role("power")
    return (
        [_probe(loss, f"saturated, {power.name} 0.5", replace(inputs, changes={power.name: 0.5}), scope="numerics")]
        if power
        else []
    )


def _class_weights(loss: str, usual: ProbeInputs) -> list[Probe]:
    weights = CANONICAL[loss].of_role("class_weights")
    if weights is None:
        return []
    uniform = [replace(usual, changes={weights.name: (a,) * 4}) for a in (0.25, 0.5, 1.0)]
    different = [replace(usual, changes={weights.name: w}) for w in ((0.5, 1.0, 2.0, 0.25), (1.0, 0.0, 1.0, 3.0))]
    return [
        _probe(loss, "one weight for all classes", *uniform, varies=weights.name, shows="alpha"),
        _probe(loss, "class weights", *different, smoke=True, varies=weights.name, shows="alpha"),
    ]


def _row_weights(loss: str, usual: ProbeInputs) -> list[Probe]:
    weights = CANONICAL[loss].of_role("row_weights")
    different = {} if weights is None else {weights.name: (0.5, 1.0, 0.0, 2.0, 0.75)}
    return [_probe(loss, "row weights", replace(usual, changes=different), shows="normaliser")] if different else []


def _sixteenths(shape: tuple[int, ...], reach: float, seed: int) -> Any:
    """Logits in [-reach, reach] on a grid of 1/16, deterministic."""
    steps = numpy.random.default_rng(seed).integers(-int(16 * reach), int(16 * reach) + 1, shape)
    return (steps / 16).tolist()


def _one_hot(rows: int, classes: int, empty: tuple[int, ...] = ()) -> list[list[float]]:
    """Row i has class i modulo C; the rows in `empty` are background."""
    return [[float(j == i % classes and i not in empty) for j in range(classes)] for i in range(rows)]


MODERATE = ProbeInputs(_sixteenths((6, 4), 4, 1), _one_hot(6, 4, empty=(2, 5)))
EXTREMES = (-100.0, -64.0, -30.0, -16.5, 16.5, 30.0, 64.0, 100.0)
SATURATED = ProbeInputs([[x, -x] for x in EXTREMES], _one_hot(8, 2))


def _dense(loss: str) -> tuple[Probe, ...]:
    x, y = MODERATE.logits, MODERATE.targets
    soft = [[0.75 * v for v in row] for row in y]  # one quality a row, as label and score can carry it
    mixed = (numpy.random.default_rng(2).integers(0, 17, (6, 4)) / 16).tolist()
    multi = (numpy.random.default_rng(3).integers(0, 2, (6, 4)) * 1.0).tolist()
    prior = [[PRIOR + step / 32 for step in range(-2, 3)] for _ in range(7)]
    return (
        _probe(loss, "moderate", MODERATE, smoke=True),
        *_varied(loss, MODERATE),
        _probe(loss, "several classes a row", ProbeInputs(x, multi)),
        _probe(loss, "extreme logits", SATURATED, smoke=True, scope="numerics"),
        *_half_power(loss, SATURATED),
        _probe(
            loss,
            "at the prior",
            ProbeInputs(prior, _one_hot(7, 5, empty=(0, 2, 3, 5, 6))),
            smoke=True,
            scope="numerics",
        ),
        _probe(loss, "at the prior, no positives", ProbeInputs(prior, numpy.zeros((7, 5)).tolist()), scope="numerics"),
        _probe(loss, "one quality a row", ProbeInputs(x, soft), smoke=True, shows="soft_labels", scope="soft"),
        _probe(loss, "soft targets", ProbeInputs(x, mixed), smoke=True, shows="soft_labels", scope="soft"),
        _probe(
            loss,
            "targets beyond [0, 1]",
            ProbeInputs(x, [[-0.5, 0.0, 1.0, 1.5]] * 6),
            shows="target_range",
            scope="outside",
        ),
        _probe(loss, "one row", ProbeInputs(x[:1], y[:1]), shows="shape"),
        _probe(loss, "one class", ProbeInputs([[v] for v in x[0]], [[1.0], [0.0], [0.0], [1.0]]), shows="shape"),
        _probe(loss, "three dimensions", ProbeInputs(_sixteenths((2, 3, 4), 4, 4), [y[:3], y[3:]]), shows="shape"),
        _probe(loss, "a batch twice", MODERATE, ProbeInputs(x + x, y + y)),
        _probe(loss, "non-contiguous", replace(MODERATE, strided=True), shows="shape"),
        _probe(loss, "no rows", ProbeInputs(numpy.zeros((0, 4)), numpy.zeros((0, 4))), shows="shape", scope="outside"),
    )


def _index(loss: str) -> tuple[Probe, ...]:
    x, y = _sixteenths((6, 4), 4, 5), [0, 3, 1, 2, 3, 3]
    usual = ProbeInputs(x, y)
    saturated = ProbeInputs([[a, -a, 0.0] for a in EXTREMES], [0, 1, 0, 1, 0, 1, 0, 1])
    return (
        _probe(loss, "moderate", usual, smoke=True),
        *_varied(loss, usual),
        *_class_weights(loss, usual),
        _probe(loss, "extreme logits", saturated, smoke=True, scope="numerics"),
        *_half_power(loss, saturated),
        _probe(loss, "one row", ProbeInputs(x[:1], y[:1]), shows="shape"),
        _probe(loss, "two classes", ProbeInputs([row[:2] for row in x], [0, 1, 1, 0, 1, 1]), shows="shape"),
        _probe(loss, "one class", ProbeInputs([[v] for v in x[0]], [0, 0, 0, 0]), shows="shape"),
        _probe(loss, "a batch twice", usual, ProbeInputs(x + x, y + y)),
        _probe(loss, "non-contiguous", replace(usual, strided=True), shows="shape"),
        _probe(loss, "no rows", ProbeInputs(numpy.zeros((0, 4)), []), shows="shape", scope="outside"),
    )


def _bins(loss: str) -> tuple[Probe, ...]:
    x = _sixteenths((5, 17), 4, 6)
    between = [0.25, 3.5, 7.75, 12.0625, 14.5]
    usual = ProbeInputs(x, between)
    peaked = [[100.0 if j in (row, row + 1) else 0.0 for j in range(17)] for row in range(5)]
    return (
        _probe(loss, "between the bins", usual, smoke=True),
        *_varied(loss, usual),
        _probe(loss, "on the bins", ProbeInputs(x, [0.0, 1.0, 7.0, 11.0, 15.0]), smoke=True, shows="target_range"),
        _probe(loss, "on the last bin", ProbeInputs(x[:2], [16.0, 16.0]), smoke=True, shows="target_range"),
        _probe(loss, "just before the last bin", ProbeInputs(x[:2], [15.9375, 15.9375]), shows="target_range"),
        _probe(
            loss,
            "beyond the bins",
            ProbeInputs(x[:1], [17.5]),
            ProbeInputs(x[:1], [20.0]),
            shows="target_range",
            scope="outside",
        ),
        _probe(
            loss,
            "below the bins",
            ProbeInputs(x[:1], [-0.5]),
            ProbeInputs(x[:1], [-2.0]),
            shows="target_range",
            scope="outside",
        ),
        *_row_weights(loss, usual),
        _probe(loss, "extreme logits", ProbeInputs(peaked, [0.5, 1.0, 9.25, 3.75, 12.0]), smoke=True, scope="numerics"),
        _probe(loss, "two bins", ProbeInputs([row[:2] for row in x], [0.0, 0.25, 0.5, 0.75, 0.9375]), shows="shape"),
        _probe(loss, "one row", ProbeInputs(x[:1], between[:1]), shows="shape"),
        _probe(loss, "a batch twice", usual, ProbeInputs(x + x, between + between)),
        _probe(loss, "non-contiguous", replace(usual, strided=True), shows="shape"),
        _probe(loss, "no rows", ProbeInputs(numpy.zeros((0, 17)), []), shows="shape", scope="outside"),
    )


PROBES = {"dense": _dense, "index": _index, "bins": _bins}
