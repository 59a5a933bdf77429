"""Verdicts and relations, on losses whose answer is known beforehand."""

from __future__ import annotations

import re

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from focalbench_suite.adapters import Adapter, find
from focalbench_suite.suites.agreement import measure


def paper(logits, targets, gamma, alpha):
    """The focal loss in log-space, per element."""
    entropy = -targets * logsigmoid(logits) - (1 - targets) * logsigmoid(-logits)
    miss = targets * torch.sigmoid(-logits) + (1 - targets) * torch.sigmoid(logits)
    alpha_t = 1.0 if alpha is None else alpha * targets + (1 - alpha) * (1 - targets)
    return alpha_t * miss**gamma * entropy


def rows_of(function, dtype="float64", **declared_as):
    adapter = Adapter("mine")
    adapter.loss("focal", **declared_as)(function)
    return {(row["probe"], row["quantity"]): row for row in measure.rows(adapter.losses[0], dtype, "cpu", smoke=False)}


REDUCTIONS = {
    "mean": (lambda loss: loss.mean(), "agrees", "= mean"),
    "sum": (lambda loss: loss.sum(), "agrees", "= sum"),
    "none": (lambda loss: loss, "agrees", "= the paper's values"),
    "rows": (lambda loss: loss.sum(1), "agrees", "= sum over dim 1"),
    "dim 1": (lambda loss: loss.mean(1).sum(), "agrees_up_to_scale", "0.25 x the paper's sum"),
    "batch": (lambda loss: loss.sum() / loss.shape[0], "agrees_up_to_scale", "sum / rows"),
    "half": (lambda loss: 0.5 * loss, "agrees_up_to_scale", "= 0.5 x the paper's"),
}


@pytest.mark.parametrize("name", list(REDUCTIONS))
@pytest.mark.parametrize("quantity", ["value", "gradient"])
def test_the_reduction_is_found(name, quantity):
    reduce, verdict, relation = REDUCTIONS[name]
    row = rows_of(lambda x, y, gamma, alpha: reduce(paper(x, y, gamma, alpha)))["moderate", quantity]
    assert row["verdict"] == verdict
    assert relation in row["relation"]


def test_a_division_by_the_positives_is_told_from_one_by_the_rows():
    found = rows_of(lambda x, y, gamma, alpha: paper(x, y, gamma, alpha).sum() / (y > 0).sum().clamp(min=1))
    assert found["a batch twice", "value"]["reduction"] == "sum / positives"


def test_exchanged_alpha_differs():
    found = rows_of(lambda x, y, gamma, alpha: paper(x, y, gamma, None if alpha is None else 1 - alpha).mean())
    assert found["moderate", "value"]["verdict"] == "differs"


def test_the_columns_of_errors_hold_the_largest_of_all_calls():
    def twice_for_positives(x, y, gamma, alpha):
        return torch.where(y == 1, 2.0, 1.0) * paper(x, y, gamma, alpha)

    row = rows_of(twice_for_positives)["moderate", "value"]
    assert row["max_rel_error"] == pytest.approx(1, rel=1e-6)
    assert row["max_abs_error"] > 0.01
    assert row["max_ulp"] > 2**51


@pytest.mark.parametrize(("kept", "told"), [(1, r"0 at \d+ of \d+ points"), (0, "0 where the paper has 0")])
def test_a_number_is_missing_where_more_than_half_of_them_are(kept, told):
    """Positives are a few of the points: without the others most are 0, without them one of them is shown."""
    row = rows_of(lambda x, y, gamma, alpha: paper(x, y, gamma, alpha) * (y == kept))["moderate", "value"]
    assert row["verdict"] == "differs"
    assert re.match(told, row["relation"]), row["relation"]


def test_a_source_without_alpha_is_asked_with_alpha_off():
    def no_alpha(logits, targets, gamma, alpha):
        assert alpha is None
        return paper(logits, targets, gamma, None).mean()

    found = rows_of(no_alpha, without=("alpha",))
    assert found["moderate", "value"]["verdict"] == "agrees"
    assert found["gamma 0 to 5", "value"]["cases"] == 6
    assert ("alpha off to 1", "value") not in found


def test_a_detached_factor_differs_in_the_gradient_only():
    def detached(x, y, gamma, alpha):
        entropy = paper(x, y, 0.0, alpha)
        return ((paper(x, y, gamma, alpha) / entropy).detach() * entropy).mean()

    found = rows_of(detached)
    assert found["moderate", "value"]["verdict"] == "agrees"
    assert found["moderate", "gradient"]["verdict"] == "differs"


def test_small_values_that_come_out_as_zero_do_not_agree():
    def lossy(x, y, gamma, alpha):
        loss = paper(x, y, gamma, alpha)
        return torch.where(loss < 1e-4, 0 * loss, loss)

    row = rows_of(lossy)["at the prior, no positives", "value"]
    assert row["verdict"] == "differs"
    assert row["relation"].startswith("0 at")


@pytest.mark.parametrize(("factor", "told"), [(1.5, "50%"), (1.02, "2%")])
def test_small_values_that_are_off_are_told_where_the_rest_hides_them(factor, told):
    def off(x, y, gamma, alpha):
        loss = paper(x, y, gamma, alpha)
        return torch.where(loss < 1e-14, factor * loss, loss)

    row = rows_of(off)["extreme logits", "value"]
    assert row["verdict"] == "agrees"
    assert re.search(rf"off by up to {told} at \d+ of 16 points", row["relation"])


def scattered(share):
    """The focal loss with an error of this share that no scale takes away, alike in value and gradient."""
    return lambda x, y, gamma, alpha: paper(x, y, gamma, alpha) * (1 + share * torch.sin(37 * x)).detach()


@pytest.mark.parametrize("quantity", ["value", "gradient"])
def test_three_thousandths_are_no_rounding(quantity):
    assert rows_of(scattered(0.003), "float32")["moderate", quantity]["verdict"] == "differs"


@pytest.mark.parametrize(("share", "verdict"), [(0.3, "differs"), (0.001, "agrees")])
def test_numbers_below_the_rounding_of_their_intermediates_are_judged_as_a_whole(share, verdict):
    row = rows_of(scattered(share), "float32")["at the prior, no positives", "value"]
    assert row["verdict"] == verdict


def test_nan_is_nonfinite():
    def naive(x, y, gamma, alpha):
        p = torch.sigmoid(x)
        return (-y * p.log() - (1 - y) * (1 - p).log()).mean()

    assert rows_of(naive, "float32")["extreme logits", "value"]["verdict"] == "nonfinite"


def test_float32_inside_is_told_in_float64():
    found = rows_of(lambda x, y, gamma, alpha: paper(x.float(), y.float(), gamma, alpha).double().mean())
    row = found["moderate", "value"]
    assert row["verdict"] == "agrees"
    assert row["relation"].endswith("to float32's rounding only")


def test_what_a_source_raises_is_an_error_with_its_reason():
    def square(x, y, gamma, alpha):
        if x.dim() != 2:
            raise ValueError("two dimensions, please")
        return paper(x, y, gamma, alpha).mean()

    row = rows_of(square)["three dimensions", "value"]
    assert (row["verdict"], row["relation"]) == ("error", "ValueError: two dimensions, please")


def test_out_of_range_targets_are_not_compared():
    row = rows_of(lambda x, y, gamma, alpha: paper(x, y, gamma, alpha).sum())["targets beyond [0, 1]", "value"]
    assert row["verdict"] == "unsupported"
    assert "the paper defines no value" in row["relation"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_our_own_losses_agree_everywhere(dtype):
    for name in ("cross_entropy", "balanced_cross_entropy", "focal", "quality_focal", "varifocal", "softmax_focal",
                 "distribution_focal"):  # fmt: skip
        rows = measure.rows(find(name, "own"), dtype, "cpu", smoke=True)
        assert {row["verdict"] for row in rows} == {"agrees"}, name


def test_the_first_article_differs_and_the_second_is_scaled():
    first = measure.rows(find("focal", "articles.first"), "float64", "cpu", smoke=True)
    second = measure.rows(find("focal", "articles.second"), "float64", "cpu", smoke=True)
    assert {row["verdict"] for row in first if row["probe"] == "moderate"} == {"differs"}
    moderate = next(row for row in second if row["probe"] == "moderate")
    assert moderate["verdict"] == "agrees_up_to_scale"
    assert moderate["relation"] == "= 0.25 x the paper's sum (mean over dim 1, then sum)"


def test_every_row_has_the_columns_that_others_read():
    def bce(x, y, gamma, alpha):
        return binary_cross_entropy_with_logits(x, y)

    columns = {"device", "dtype", "quantity", "probe", "points", "verdict", "relation"}
    columns |= {"max_ulp", "max_abs_error", "max_rel_error"}
    assert all(columns <= set(row) for row in rows_of(bce).values())
