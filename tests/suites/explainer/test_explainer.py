"""The explainer's honesty: wrong losses are named for what is wrong with them, right ones are left in peace."""

import json
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)
from mpmath import mp, mpf
from rich.console import Console

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.suites.check import CannotCall, Options, render
from focalbench_suite.suites.check import check as checked
from focalbench_suite.suites.explainer import questions
from focalbench_suite.suites.explainer.explain import KNOWN
from focalbench_suite.suites.explainer.formula import vocabulary_of
from tests.suites.explainer.losses import heldout, misread, right, unseen, wrong

WRONG = [*wrong.EXAMPLES, *heldout.EXAMPLES, *unseen.EXAMPLES, *misread.EXAMPLES]


def check(function, loss, **options):
    """The verdict as plain data."""
    return checked(function, loss, Options(**options)).plain


def name(example):
    return getattr(example.function, "__name__", "scripted")


@pytest.mark.parametrize("example", WRONG, ids=name)
def test_a_wrong_loss_is_named_for_what_is_wrong_with_it(example):
    verdict = check(example.function, example.loss, **example.options)
    different = {finding["kind"] for finding in verdict["findings"] if finding["severity"] == "different"}
    assert different <= set(example.kinds) <= {finding["kind"] for finding in verdict["findings"]}
    assert "unexplained" not in different
    slight = {"precision", "nonfinite", "dtype", "shape", "normaliser"}
    assert verdict["verdict"] == ("different" if different else "fragile")
    assert different or set(example.kinds) <= slight


@pytest.mark.parametrize("example", right.EXAMPLES, ids=name)
def test_a_right_loss_in_any_style_is_not_called_different(example):
    verdict = check(example.function, example.loss, **example.options)
    assert verdict["verdict"] in ("same", "fragile"), verdict["findings"]
    assert {f["kind"] for f in verdict["findings"]} <= {"precision", "nonfinite", "reduction", "normaliser"}


def test_log_space_is_the_same_and_bce_with_logits_is_fragile():
    by_name = {name(example): example for example in right.EXAMPLES}
    assert check(by_name["in_log_space"].function, "focal")["verdict"] == "same"
    fragile = check(by_name["plain"].function, "focal")
    assert fragile["verdict"] == "fragile"
    assert {f["kind"] for f in fragile["findings"]} == {"precision", "nonfinite"}


def test_the_formula_and_both_numbers_of_a_finding_are_those_of_the_function():
    verdict = check(wrong.gamma_as_factor, "focal")
    finding = next(f for f in verdict["findings"] if f["kind"] == "gamma")
    # gamma (1-p_t) instead of (1-p_t)^gamma, by hand at logit 1, target 1, gamma 2, alpha 0.25
    p = 1 / (1 + mp.exp(-1))
    assert float(finding["expected"]) == pytest.approx(float(mpf("0.25") * (1 - p) ** 2 * -mp.log(p)), rel=1e-12)
    assert float(finding["got"]) == pytest.approx(float(mpf("0.25") * 2 * (1 - p) * -mp.log(p)), rel=1e-12)
    assert verdict["formula"] == "mean of alpha_t · gamma (1-p_t) · BCE"


def test_an_example_can_be_pasted_and_prints_both_numbers():
    finding = next(f for f in check(wrong.alpha_exchanged, "focal")["findings"] if f["kind"] == "alpha")
    done = subprocess.run([sys.executable, "-c", finding["example"]], capture_output=True, text=True, check=True)
    printed = [float(word.strip("[],")) for word in done.stdout.split() if word[0] in "[0123456789"]
    assert printed == pytest.approx([float(finding["expected"]), float(finding["got"])], rel=1e-12)


@pytest.mark.parametrize("loss", KNOWN)
def test_the_vocabulary_s_own_formula_is_the_papers(loss):
    from focalbench_suite.suites import oracle

    asked = questions.Questions(loss)
    settings = asked.settings(set(CANONICAL[loss].names))
    calls = asked.elements(settings)
    model = vocabulary_of(loss, set(settings[0])).paper.terms(questions.points(loss, calls)).sum(-1)
    truth = [float(oracle.exact(loss, c.logits, c.targets, **c.parameters)[0].high.sum()) for c in calls]
    torch.testing.assert_close(model, torch.tensor(truth, dtype=torch.float64), rtol=1e-10, atol=1e-15)


def test_an_asked_for_reduction_is_a_difference_where_another_is_found():
    assert check(right.over_rows, "focal")["verdict"] == "fragile"
    verdict = check(right.over_rows, "focal", reduction="mean")
    assert verdict["verdict"] == "different"
    assert verdict["findings"][0]["kind"] == "reduction"


def test_the_answer_is_plain_data_and_can_be_shown(capsys):
    verdict = check(wrong.labels_smoothed, "focal")
    assert set(verdict) == {"loss", "verdict", "head", "reduction", "formula", "how", "findings"}
    assert all(
        set(f) == {"kind", "code", "values", "severity", "statement", "example", "expected", "got"}
        for f in json.loads(json.dumps(verdict))["findings"]
    )
    Console(file=sys.stdout, width=40).print(render(checked(wrong.labels_smoothed, "focal")), crop=False)
    shown = capsys.readouterr().out
    assert shown.startswith("different   not the focal loss: label")
    for finding in verdict["findings"]:  # whole lines, whatever the width, in their order
        assert f"\n{finding['example']}\n" in shown


def detached(logits, targets, gamma=2.0, alpha=0.25):
    p = logits.sigmoid().detach()
    factor = (p * (1 - targets) + (1 - p) * targets) ** gamma
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return (weight * factor * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).sum()


def test_a_gradient_that_is_another_s_is_not_said_to_lose_digits():
    findings = check(detached, "focal")["findings"]
    assert any(f["kind"] == "gradient" and "detached" in f["statement"] for f in findings)
    precision = [f["values"] for f in findings if f["kind"] == "precision"]
    assert precision
    assert all(values.get("quantity", "value") == "value" for values in precision)


def chatty(logits, targets):
    print("called")
    raise ValueError("give me a mask")


def test_a_function_that_cannot_be_called_says_why():
    with pytest.raises(CannotCall, match="give me a mask"):
        check(chatty, "focal")
    with pytest.raises(CannotCall, match="not callable"):
        check(3, "focal")
    with pytest.raises(CannotCall, match="check knows"):
        check(chatty, "no_such_loss")


def leaves(logits, targets):
    raise SystemExit(4)


def as_array(logits, targets):
    return logits.detach().numpy()


def whole_numbers(logits, targets):
    return (logits > 0).long().sum()


@pytest.mark.parametrize(
    ("function", "told"), [(leaves, "ends the process"), (as_array, "ndarray"), (whole_numbers, "torch.int64")]
)
def test_what_gives_no_loss_is_told(function, told):
    with pytest.raises(CannotCall, match=told):
        check(function, "focal")


def by_keyword(*, logits, targets, gamma=2.0, alpha=0.25):
    return right.plain(logits, targets, gamma, alpha).mean()


class WithoutForward:
    def __init__(self, gamma=2.0, alpha=0.25):
        self.gamma, self.alpha = gamma, alpha

    def __call__(self, logits, targets):
        return right.plain(logits, targets, self.gamma, self.alpha).sum()


@pytest.mark.parametrize("function", [by_keyword, WithoutForward])
def test_keyword_only_arguments_and_plain_classes_are_called(function):
    assert check(function, "focal")["verdict"] == "fragile"


def zeros(logits, targets, gamma=2.0, alpha=0.25):
    return logits.sum() * 0


def undefined(logits, targets, gamma=2.0, alpha=0.25):
    return logits.sum() * float("nan")


@pytest.mark.parametrize(("function", "kind"), [(zeros, "cross_entropy"), (undefined, "nonfinite")])
def test_what_says_nothing_is_not_explained_by_a_formula_that_fits_it(function, kind):
    verdict = check(function, "focal")
    assert (verdict["verdict"], verdict["formula"]) == ("different", "")
    assert [finding["kind"] for finding in verdict["findings"]] == [kind]


def babble(logits, targets, gamma=2.0, alpha=0.25):
    return torch.sin(3 * logits + alpha * gamma).sum()


def test_what_cannot_be_explained_is_called_unexplained_with_a_small_example():
    verdict = check(babble, "focal")
    finding = next(f for f in verdict["findings"] if f["kind"] == "unexplained")
    assert verdict["verdict"] == "different"
    assert float(finding["got"]) != pytest.approx(float(finding["expected"]), rel=1e-4)


def without_last_bin(pred, label):
    left = label.long()
    right = left + 1
    loss = F.cross_entropy(pred, left, reduction="none") * (right - label)
    return (loss + F.cross_entropy(pred, right, reduction="none") * (label - left)).mean()


def test_a_last_bin_that_raises_is_fragile():
    verdict = check(without_last_bin, "distribution_focal")
    assert verdict["verdict"] == "fragile"
    assert any(f["kind"] == "target_range" and "last bin" in f["statement"] for f in verdict["findings"])


def other_defaults(logits, targets, gamma=1.5, alpha=0.25):
    return right.plain(logits, targets, gamma, alpha).mean()


def test_defaults_of_its_own_are_told_and_make_no_difference():
    verdict = check(other_defaults, "focal")
    assert verdict["verdict"] == "fragile"
    assert [f["expected"] for f in verdict["findings"] if f["kind"] == "defaults"] == ["2"]
