"""What may stand in place of the modulating factor (1-p_t)^gamma."""

from __future__ import annotations

from focalbench_suite.adapters.canon import Canonical, Parameter
from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, change, option
from focalbench_suite.suites.explainer.vocabulary.parameters import departures, options_of, own_values, symbol
from focalbench_suite.suites.explainer.vocabulary.shapes import SHAPES, SYMMETRIC
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import ADDED, LIMITS, RULES, SIGMOID, blend, choose
from focalbench_suite.suites.explainer.vocabulary.sigmoid.weights import SIDES

# code: what stands for 1-p_t and for p_t; all are the same on hard labels
FAMILIES: dict[str, tuple[str, str]] = {
    "soft_labels_interpolated": ("miss", "hit"),
    "soft_labels_distance": ("abs(y - p)", "1 - abs(y - p)"),
    "soft_labels_exponential": ("1 - exp(-bce)", "exp(-bce)"),
    "soft_labels_geometric": ("p**(1 - y)*q**y", "exp(-bce)"),
    "soft_labels_in_logit": ("sigmoid(x*(1 - 2*y))", "sigmoid(x*(2*y - 1))"),
    **{f"soft_labels_by_rule {rule}": (choose(rule, "q", "p"), choose(rule, "p", "q")) for rule in RULES},
}
# families that swap p and 1-p by another rule, or keep their product: alike in a shape that is symmetric in both
ALIKE = ("soft_labels_geometric", *(f"soft_labels_by_rule {rule}" for rule in RULES[1:]))
# (kind, code): what is raised to the power, where it changes hard labels, too
BASES: dict[tuple[str, str], str] = {
    ("gamma", "distance_without_absolute"): "y - p",
    ("gamma", "distance_negated_without_absolute"): "p - y",
    ("gamma", "distance_cut_at_zero"): "max(y - p, 0)",
    ("gamma", "one_minus_p_for_both"): "q",
    ("gamma", "p_for_both"): "p",
    ("activation", "sigmoid_twice_in_factor"): "y*sigmoid(-p) + (1 - y)*sigmoid(p)",
    ("activation", "distance_to_logit"): "abs(y - x)",
    ("activation", "logits_for_probabilities_in_factor"): "y*(1 - x) + (1 - y)*x",
    ("cross_entropy", "cross_entropy_for_p_t_in_factor"): "1 - bce",
    ("cross_entropy", "squared_error"): "1 - exp(-(y - p)**2)",
    ("cross_entropy", "squared_error_of_logit"): "1 - exp(-(x - y)**2)",
}
# code: the factor where it keeps a sign, from which odd and fractional powers alike are free
SIGNED = {"signed_power": "sign(y - p)*abs(y - p)**g", "signed_power_of_p": "sign(p - y)*abs(y - p)**g"}
# the adaptive threshold focal loss of EFLNet (arXiv:2307.14723) as published, where a p_t of 0.5 is not above 0.5
ADAPTIVE = "where(hit > 0.5000001, (1.000001 - hit)**(-log(mean_hit)), (1.5 - hit)**(-log(hit)))"
POWERS_OF_EACH_SIDE = ((0, 4), (1, 4), (0, 2), (1, 2), (2, 4), (0, 1), (2, 1), (2, 3), (0, 3), (1, 3))
FIXED_POWERS = (0, 0.5, 1, 1.5, 2, 3, 4)  # of the side that does not follow gamma
SMOOTHED = (0.01, 0.05, 0.1, 0.2)
# (kind, code): the factor of a positive, where the paper modulates negatives alone with p^gamma
ON_POSITIVES: dict[tuple[str, str], tuple[str, str]] = {
    ("gamma", "positives_modulated_by_distance"): ("abs(y - p)**g", "p**g"),
    ("gamma", "positives_modulated_by_miss"): ("q**g", "p**g"),
    ("gamma", "positives_modulated_by_p"): ("p**g", "p**g"),
    ("gamma", "positives_modulated_instead"): ("p**g", "1"),
    ("gamma", "positives_modulated_instead_by_distance"): ("abs(y - p)**g", "1"),
    ("gamma", "positives_modulated_instead_by_miss"): ("q**g", "1"),
    ("gamma", "negatives_modulated_by_one_minus_p"): ("1", "q**g"),
    ("activation", "sigmoid_twice_in_factor"): ("1", "sigmoid(p)**g"),
    ("gamma", "distance_negated_without_absolute"): ("(p - y)**g", "p**g"),
    ("gamma", "distance_without_absolute"): ("(y - p)**g", "(-p)**g"),
}


def modulations(loss: Canonical, accepts: set[str]) -> list[Option]:
    """The paper's factor first, and everything that may stand in its place."""
    own = options_of(loss.made_of.modulation, SIGMOID, loss, accepts)
    power = loss.of_role("power")
    if power is None:
        return own + _of_none()
    for code, (miss, _) in FAMILIES.items():
        if put("m**g", m=miss, g=power.name) == put(loss.made_of.modulation):
            return own + _powers(power, code, accepts)
    return own + _on_negatives(power.name, symbol(power, accepts))


def _of_none() -> list[Option]:
    """A factor where there should be none."""
    return [
        option(put("miss**g", g=f"{power:g}"), SIGMOID, change("gamma", "modulated_by_power", value=power))
        for power in (0.5, 1, 1.5, 2)
    ]


def _family(code: str) -> Change:
    name, _, rule = code.partition(" ")
    return change("soft_labels", name, **({"rule": rule} if rule else {}))


def _powers(power: Parameter, own: str, accepts: set[str]) -> list[Option]:
    """Losses that modulate positives and negatives alike, with 1-p_t or what stands for it."""
    g = symbol(power, accepts)
    make = departures if power.name in accepts else own_values
    found = []
    for code, (miss, hit) in FAMILIES.items():
        soft = () if code == own else (_family(code),)
        found.append(option(put("m**g", m=miss, g=g), SIGMOID, *soft))
        for told, text in make(put("m**g", m=miss, g=power.name), power):
            found.append(option(text, SIGMOID, *soft, told))
        for shape, text in SHAPES.items():
            if shape in SYMMETRIC and code in ALIKE:
                continue
            told = change("gamma", shape, parameter=power.name)
            found.append(option(put(text, miss=miss, hit=hit, g=g), SIGMOID, *soft, told))
    found += [option(put("b**g", b=base, g=g), SIGMOID, change(*told)) for told, base in BASES.items()]
    found += [option(put(text, g=g), SIGMOID, change("gamma", code)) for code, text in SIGNED.items()]
    of_positives = put(choose("y > 0", "(y - p)**g", "p**g"), g=g)
    found.append(option(of_positives, SIGMOID, change("soft_labels", "soft_labels_distance_without_absolute")))
    miss = FAMILIES[own][0]
    of_negatives = put(choose("y > 0", "m**g", "q**g"), m=miss, g=g)
    found.append(option(of_negatives, SIGMOID, change("gamma", "negatives_modulated_by_one_minus_p")))
    found.append(option(ADAPTIVE, SIGMOID, change("gamma", "adaptive_threshold")))
    found += _of_one_side(power.name, g, miss) + _blended(g) + _two_powers(g) + _guarded(g, miss) + _smoothed(g)
    return found + _weighted(g) if "alpha" in accepts else found


def _of_one_side(name: str, g: str, miss: str) -> list[Option]:
    """The factor on one side only, or another shape on one side."""
    raised = put("m**g", m=miss, g=g)
    found = []
    for code, pair in {"positives_modulated_only": (raised, "1"), "negatives_modulated_only": ("1", raised)}.items():
        told = change("gamma", code)
        found.append(option(blend(*pair), SIGMOID, told))
        for rule in RULES:
            found.append(
                option(choose(rule, *pair), SIGMOID, told, change("soft_labels", "positives_by_rule", rule=rule))
            )
    factor = put("g*m", m=miss, g=g)
    for code, pair in {
        "gamma_as_factor_on_positives": (factor, raised),
        "gamma_as_factor_on_negatives": (raised, factor),
    }.items():
        found.append(option(blend(*pair), SIGMOID, change("gamma", code, parameter=name)))
    return found


def _blended(g: str) -> list[Option]:
    text = put("y*q**g + (1 - y)*p**g", g=g)
    return [option(text, SIGMOID, change("soft_labels", "powers_blended"))]


def _two_powers(g: str) -> list[Option]:
    """Positives and negatives with a power each, as asymmetric losses have them."""
    pairs = {("two_powers", one, zero): (f"{one:g}", f"{zero:g}") for one, zero in POWERS_OF_EACH_SIDE} | {
        (code, value, None): pair
        for value in FIXED_POWERS[1:]
        for code, pair in {
            "gamma_on_positives_fixed_on_negatives": (g, f"{value:g}"),
            "fixed_on_positives_gamma_on_negatives": (f"{value:g}", g),
        }.items()
    }
    found = []
    for (code, one, zero), (positive, negative) in pairs.items():
        values = {"value": one} if zero is None else {"positive": one, "negative": zero}
        told = change("gamma", code, **values)
        text = blend(put("q**g", g=positive), put("p**g", g=negative))
        found.append(option(text, SIGMOID, told))
        text = put("miss**(g)", g=blend(positive, negative))
        found.append(option(text, SIGMOID, told, change("soft_labels", "power_blended")))
    return found


def _weighted(g: str) -> list[Option]:
    """The class weight has entered p_t."""
    forms = {"alpha_inside_p_t": "(1 - exp(-w*bce))**g", "alpha_times_p_t": "(1 - w*hit)**g"}
    weights = {"alpha_t": "alpha_t"} | {code: blend(*pair) for code, pair in SIDES.items()}
    return [
        option(put(text, w=weight, g=g), SIGMOID, change("alpha", code, weight=weight_code))
        for code, text in forms.items()
        for weight_code, weight in weights.items()
    ]


def _guarded(g: str, miss: str) -> list[Option]:
    """An epsilon in the factor alone."""
    forms = {
        "epsilon_added_in_factor": "(m + e)**g",
        "epsilon_floors_factor": "max(m, e)**g",  # seen where a soft label is its own prediction
        "p_clipped_in_factor": "(y*clamp(q, e, 1 - e) + (1 - y)*clamp(p, e, 1 - e))**g",
    }
    return [
        option(put(text, m=miss, e=f"{e!r}", g=g), SIGMOID, change("precision", code, epsilon=e))
        for code, text in forms.items()
        for e in (LIMITS if code == "p_clipped_in_factor" else ADDED[1:])
    ]


def _smoothed(g: str) -> list[Option]:
    """Labels smoothed in p_t alone."""
    return [
        option(
            put("(t*q + (1 - t)*p)**g", t=f"{low!r} + {high - low!r}*y", g=g),
            SIGMOID,
            change("label_smoothing", "labels_smoothed_in_factor", one=high, zero=low),
        )
        for e in SMOOTHED
        for high, low in ((1 - e / 2, e / 2), (1 - e, e), (1 - e, 0.0))
    ]


def _on_negatives(name: str, g: str) -> list[Option]:
    """Losses that modulate negatives alone, with p^gamma: other shapes, and factors for positives."""
    found = [
        option(
            choose("y > 0", "1", put(text, miss="p", hit="q", g=g)),
            SIGMOID,
            change("gamma", shape, parameter=name),
        )
        for shape, text in SHAPES.items()
        if shape != "gamma_on_p_t"  # which is `negatives_modulated_by_one_minus_p`
    ]
    for told, pair in ON_POSITIVES.items():
        positive, negative = (put(text, g=g) for text in pair)
        found.append(option(choose("y > 0", positive, negative), SIGMOID, change(*told)))
    for rule in RULES:
        if rule != "y > 0":
            by_rule = change("soft_labels", "positives_by_rule", rule=rule)
            for positive in ("1", "abs(y - p)**g"):
                found.append(option(put(choose(rule, positive, "p**g"), g=g), SIGMOID, by_rule))
    return found
