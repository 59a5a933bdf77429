"""Every entry of every vocabulary, turned into a loss, is explained as itself; so are pairs of entries."""

import itertools
import random

import numpy
import pytest
import torch

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.adapters.canon import Canonical, Factors, Parameter
from focalbench_suite.suites import oracle
from focalbench_suite.suites.explainer import questions, words
from focalbench_suite.suites.explainer.search import ONE, Search, Tolerance
from focalbench_suite.suites.explainer.vocabulary import bins, labels, reduction, sigmoid, softmax
from focalbench_suite.suites.explainer.vocabulary.option import Points, Semantics, change

ROOMS = {"dense": sigmoid, "index": softmax, "bins": bins}
EXPLAINED = [loss.name for loss in CANONICAL.values() if loss.factors]
FEW = 20  # calls with a number; fewer say nothing
EVERY = 30  # one of so many entries of two changes, each of which takes a search over pairs
SMOOTHING = [(0.9, 0.1), (1.0, 0.1)]

# Entries that single elements cannot tell from another one, which is told instead: (loss or "", code): the code that is
# told, "" for the paper's own. Batches tell some of them apart.
ALIKE = {
    # one element has one class, where e/C is e
    ("", "labels_smoothed_over_classes"): "labels_smoothed",
    ("", "labels_smoothed_over_classes_in_cross_entropy"): "labels_smoothed_in_cross_entropy",
    # values alone do not tell them apart: the gradient does, and logits beyond 0 and 1
    ("", "power_times_miss_detached"): "power_times_miss",
    ("", "power_times_p_t_detached"): "power_times_p_t",
    ("", "probabilities_by_range"): "logits_for_probabilities",
    # a quarter is 1/C in rows of four classes, which batches of three classes tell apart
    ("softmax_focal", "constant_weight"): "divided_by_classes",
    # without a factor beside it, what all factors see is what the cross entropy sees
    ("cross_entropy", "labels_smoothed"): "labels_smoothed_in_cross_entropy",
    ("cross_entropy", "labels_smoothed_over_classes"): "labels_smoothed_in_cross_entropy",
    ("cross_entropy", "soft_labels_read_as_hard"): "cross_entropy_by_rule",
    ("cross_entropy", "sigmoid_twice"): "cross_entropy_of_p_as_logit",
    ("balanced_cross_entropy", "sigmoid_twice"): "cross_entropy_of_p_as_logit",
    ("cross_entropy", "p_clipped"): "epsilon_clips_p",
    ("balanced_cross_entropy", "p_clipped"): "epsilon_clips_p",
    ("cross_entropy", "sides_blended"): "",  # the cross entropy is linear in its target
    ("balanced_cross_entropy", "logits_for_probabilities"): "cross_entropy_of_logits_as_probabilities",
    ("cross_entropy", "logits_for_probabilities"): "cross_entropy_of_logits_as_probabilities",
    ("balanced_cross_entropy", "sides_blended"): "weights_inside_cross_entropy",
    # sigmoid(-x) = 1 - sigmoid(x)
    ("cross_entropy", "labels_inverted"): "logits_negated",
    ("quality_focal", "labels_inverted"): "logits_negated",
    # without class weights a constant and 1/C are the same for four classes
    ("poly1", "divided_by_classes"): "constant_weight",
    # a hard label's 1-p_t is that small where the loss is smaller still; a soft label's |y-p| is 0 where it matters
    ("focal", "epsilon_floors_factor"): "",
    # smaller than the tolerance of values; where it matters, the gradient tells
    ("distribution_focal", "targets_cut_below_last_bin"): "",
}


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other take longer than these few numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def vocabulary(loss: Canonical, accepts: set[str]):
    more = {"smoothing": SMOOTHING} if loss.inputs == "dense" else {}
    return ROOMS[loss.inputs].vocabulary(loss, accepts, **more)


def asked(loss: Canonical, accepts: set[str], layout: str = "one") -> Points:
    asked = questions.Questions(loss.name)
    return questions.points(loss.name, asked.elements(asked.settings(accepts), layout))


def entries(known):
    """Every entry of a vocabulary alone, the paper's factors around it."""
    context, weight, modulation, entropy = (
        known.contexts[0], known.weights[0], known.modulations[0], known.entropies[0],
    )  # fmt: skip
    yield from (Semantics(one, weight, modulation, entropy) for one in known.contexts)
    yield from (Semantics(context, one, modulation, entropy) for one in known.weights)
    yield from (Semantics(context, weight, one, entropy) for one in known.modulations)
    yield from (Semantics(context, weight, modulation, one) for one in known.entropies)
    yield from (Semantics(context, weight, ONE, one) for one in known.wholes)
    yield from (Semantics(context, one, ONE, entropy) for one in known.joint)
    yield from (Semantics(context, ONE, modulation, one) for one in known.weighted)
    yield from (Semantics(context, ONE, ONE, one) for one in known.complete)


class Asked:
    """One vocabulary on one set of points, asked what the losses are that its own entries make."""

    def __init__(self, loss: Canonical, accepts: set[str], layout: str = "one"):
        self.known = vocabulary(loss, accepts)
        self.points = asked(loss, accepts, layout)
        self.among = Search(self.points, numpy.zeros(len(self.points.x)), self.known, Tolerance())

    def values(self, semantics: Semantics) -> numpy.ndarray:
        with torch.no_grad():
            return semantics.terms(self.points).sum(-1).numpy() + 0.0

    def explained(self, semantics: Semantics) -> list[Semantics] | None:
        """The simplest combinations that fit; None where the loss is one number or hardly ever a number."""
        values = self.values(semantics)
        finite = numpy.isfinite(values)
        if finite.sum() < FEW or numpy.ptp(values[finite]) == 0:
            return None
        among = self.among
        if finite.all():
            among.observed, among.screened = values, values[among.rows.numpy()]
        else:
            usable = self.points.take(torch.as_tensor(numpy.flatnonzero(finite)))
            among = Search(usable, values[finite], self.known, Tolerance())
        costs = range(len(semantics.changes) + 1)
        return next((found for cost in costs if (found := among.fits(cost))), [])


def told(semantics: Semantics) -> set[str]:
    return {one.code for one in semantics.changes}


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_entry_is_explained_as_itself(name):
    among = Asked(CANONICAL[name], set(CANONICAL[name].names))
    wrong = []
    for semantics in entries(among.known):
        if len(semantics.changes) > 1:
            continue
        found = among.explained(semantics)
        if found is None or (found and found[0].changes == semantics.changes):
            continue
        expected = {ALIKE.get((name, code), ALIKE.get(("", code), code)) for code in told(semantics)} - {""}
        if not found or expected == told(semantics) or told(found[0]) != expected:
            wrong.append((semantics.changes, found and found[0].changes))
    assert not wrong


def test_what_the_grid_calls_alike_is_there():
    codes = {(name, code) for name in EXPLAINED for code in _codes(CANONICAL[name])}
    assert {key for key in ALIKE if key[0]} <= codes
    assert {key[1] for key in ALIKE} <= {code for _, code in codes}


def test_the_softmax_over_classes_is_told_from_the_sigmoid_where_there_are_classes():
    among = Asked(CANONICAL["focal"], {"gamma", "alpha"}, "row")
    entry = next(s for s in entries(among.known) if told(s) == {"softmax_for_sigmoid"})
    assert told(among.explained(entry)[0]) == {"softmax_for_sigmoid"}


@pytest.mark.parametrize("name", ["focal", "quality_focal", "varifocal", "softmax_focal", "distribution_focal"])
def test_a_function_without_parameters_is_explained_by_the_values_that_it_uses(name):
    among = Asked(CANONICAL[name], set())
    own = ("gamma_of_its_own", "fixed_weights", "constant_weight", "star")
    for semantics in entries(among.known):
        if told(semantics) & set(own) and len(semantics.changes) == 1:
            assert among.explained(semantics)[0].changes == semantics.changes


@pytest.mark.parametrize("name", ["focal", "quality_focal", "varifocal", "softmax_focal", "distribution_focal"])
def test_pairs_of_entries_are_explained_as_both(name):
    """A sample of pairs in different factors, and of the entries that are two changes in one.

    Another pair may give the same values: then it is as good a reason.
    """
    among = Asked(CANONICAL[name], set(CANONICAL[name].names))
    double = [semantics for semantics in entries(among.known) if len(semantics.changes) > 1]
    for semantics in [*sample(among.known, 12), *double[::EVERY]]:
        found = among.explained(semantics)
        if found is None:
            continue
        assert found, semantics.changes
        assert len(found[0].changes) <= len(semantics.changes)
        numpy.testing.assert_allclose(among.values(found[0]), among.values(semantics), rtol=1e-5, atol=1e-12)


def sample(known, count):
    """Combinations of two single changes in two different factors, the same ones in every run."""
    chosen = random.Random(7)
    groups = {
        "context": known.contexts,
        "weight": known.weights,
        "modulation": known.modulations,
        "entropy": known.entropies,
    }
    changed = {name: [option for option in group if option.cost == 1] for name, group in groups.items()}
    pairs = [pair for pair in itertools.combinations(groups, 2) if all(changed[name] for name in pair)]
    for i in range(count if pairs else 0):
        pair = pairs[i % len(pairs)]
        parts = {name: group[0] for name, group in groups.items()}
        yield Semantics(**parts | {name: chosen.choice(changed[name]) for name in pair})


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_first_entry_is_the_papers_formula(name):
    loss = CANONICAL[name]
    asked = questions.Questions(name)
    calls = asked.elements(asked.settings(set(loss.names)))
    known, points = vocabulary(loss, set(loss.names)), questions.points(name, calls)
    paper = known.paper
    assert paper.changes == ()
    for i in range(0, len(calls), 3):
        call = calls[i]
        mine = points.take(torch.tensor([i]))
        exact = oracle.exact(name, call.logits, call.targets, **call.parameters)[0].high.sum()
        assert paper.terms(mine).sum().item() == pytest.approx(float(exact), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", EXPLAINED)
def test_entries_that_change_nothing_are_the_papers_formula_too(name):
    """Rules for bins without a change are the same loss; every other list has one entry without a change."""
    loss = CANONICAL[name]
    known, points = vocabulary(loss, set(loss.names)), asked(loss, set(loss.names))
    first, *others = known.contexts[:1] + [one for one in known.contexts[1:] if not one.changes]
    for other in others:
        seen = [Semantics(c, known.weights[0], known.modulations[0], known.entropies[0]).terms(points).sum(-1)
                for c in (first, other)]  # fmt: skip
        torch.testing.assert_close(*seen)
    for group in (known.weights, known.modulations, known.entropies):
        assert [one for one in group if not one.changes] == group[:1]


def _codes(loss: Canonical) -> set[str]:
    known = vocabulary(loss, set(loss.names)), vocabulary(loss, set())
    return {code for one in known for semantics in entries(one) for code in told(semantics)}


def every_code() -> set[str]:
    parameters = tuple(
        Parameter(role, role, recommended=0.5, off=1.0, varied=(0.25,)) for role in ("power", "balance", "coefficient")
    )
    every = Canonical("every", "dense", "", parameters, factors=Factors("balance*x", "miss**power", "coefficient*bce"))
    found = _codes(every) | {code for name in EXPLAINED for code in _codes(CANONICAL[name])}
    index = sigmoid.vocabulary(CANONICAL["focal"], {"gamma"}, labels="index")
    found |= {code for semantics in entries(index) for code in told(semantics)}
    found |= {one.code for mapping in labels.MAPS for one in mapping.changes}
    return found | {one.change.code for one in reduction.REDUCTIONS if one.change}


def test_every_code_has_a_sentence_and_every_sentence_a_code():
    """But for what is said of stages, of releases and of pairs of boxes, which no loss of logits is made of."""
    assert every_code() == set(words.TEMPLATES) - set(words.STAGES) - set(words.RELEASES) - set(words.BOXES)


def test_every_change_can_be_told():
    for name in EXPLAINED:
        loss = CANONICAL[name]
        for accepts in (set(loss.names), set()):
            for semantics in entries(vocabulary(loss, accepts)):
                for one in semantics.changes:
                    assert "{" not in words.sentence(one)
    for one in reduction.REDUCTIONS:
        assert one.change is None or words.sentence(one.change)


def test_a_sentence_is_filled_with_the_values_of_its_change():
    one = change("gamma", "gamma_of_its_own", parameter="beta", value=1.5, paper=2.0)
    assert words.sentence(one) == "takes no beta and uses 1.5, not the paper's 2"
    inside = change("alpha", "alpha_inside_p_t", weight="alpha_exchanged")
    assert words.sentence(inside).endswith("w = 1-alpha on positives, alpha on negatives")


def test_a_loss_with_a_parameter_of_a_new_name_has_its_departures():
    loss = CANONICAL["poly1"]
    codes = _codes(loss)
    assert {"coefficient_ignored", "coefficient_negated", "coefficient_doubled", "coefficient_complement"} <= codes
    assert {"coefficient_as_power", "coefficient_fixed", "coefficient_of_its_own"} <= codes


def test_the_formula_of_varifocal_says_what_is_computed():
    known = vocabulary(CANONICAL["varifocal"], {"gamma", "alpha"})
    formulas = {one.formula for one in known.modulations}
    assert "(1 if y > 0 else sigmoid(p)^gamma)" in formulas
    assert "(1 if y > 0 else tanh(gamma p))" in formulas
    assert not any("..." in formula for formula in formulas)


def test_a_blend_of_the_two_cases_heeds_alpha():
    among = Asked(CANONICAL["varifocal"], {"gamma", "alpha"})
    blend = next(s for s in entries(among.known) if told(s) == {"cases_blended"})
    values = among.values(blend)
    low = among.points.parameters["alpha"][:, 0].numpy() == 0.25
    negative = (among.points.y[:, 0] == 0).numpy()
    powers = among.points.parameters["gamma"][:, 0].numpy() == 2
    assert values[low & negative & powers].sum() < values[~low & negative & powers].sum()
