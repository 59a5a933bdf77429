"""The little language: what it computes is what it shows, and nothing but arithmetic gets in."""

import pytest
import torch

from focalbench_suite.suites.explainer.vocabulary.expression import FUNCTIONS, Expression, Namespace, put
from focalbench_suite.suites.explainer.vocabulary.option import Points, change, context, option
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import SIGMOID


def points(x, y, **parameters):
    def column(values):
        return None if values is None else torch.tensor(values, dtype=torch.float64).reshape(-1, 1)

    return Points(column(x), column(y), {name: column(value) for name, value in parameters.items()})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("miss**gamma", "(1-p_t)^gamma"),
        ("gamma*miss", "gamma (1-p_t)"),
        ("where(y > 0, y, alpha)", "(y if y > 0 else alpha)"),
        ("1 - hit**gamma", "1-p_t^gamma"),
        ("(1 - hit)**(gamma + 1)", "(1-p_t)^(gamma+1)"),
        ("-(a - b)", "-(a-b)"),
        ("a - (b - c)", "a-(b-c)"),
        ("a/(b*c)", "a/(b c)"),
        ("tanh(gamma*miss)", "tanh(gamma (1-p_t))"),
        ("abs(y - p)**2", "|y-p|^2"),
        ("2*3", "2 · 3"),
    ],
)
def test_an_expression_reads_as_people_write_it(text, shown):
    assert Expression(text, SIGMOID).formula == shown


def test_an_expression_computes_what_it_says():
    at = points([1.0, -2.0], [1.0, 0.25], gamma=[2.0, 0.5])
    p = torch.sigmoid(at.x)
    p_t = at.y * p + (1 - at.y) * (1 - p)
    torch.testing.assert_close(Expression("miss**gamma", SIGMOID)(at), (1 - p_t) ** at.parameters["gamma"])


def test_an_expression_over_a_parameter_that_is_off_is_one():
    at = points([1.0], [1.0], alpha=None)
    assert Expression("alpha**2", SIGMOID)(at).item() == 1.0
    assert Expression("miss*alpha_t", SIGMOID)(at).item() == pytest.approx(torch.sigmoid(at.x * -1).item())


@pytest.mark.parametrize(
    "text", ["x.shape", "[x]", "lambda: x", "x if y else x", "exp(x=1)", "x < y < p", "x[0]", "'x'"]
)
def test_what_is_no_arithmetic_is_refused(text):
    with pytest.raises(SyntaxError, match="cannot hold"):
        Expression(text, SIGMOID).value(points([1.0], [1.0]))


def test_a_function_that_the_language_does_not_have_is_refused():
    with pytest.raises(KeyError):
        Expression("__import__(x)", SIGMOID).value(points([1.0], [1.0]))
    assert "eval" not in FUNCTIONS


def test_what_is_put_in_a_place_keeps_its_brackets_and_leaves_no_ones():
    assert put("m**g", m="a + b", g="2*c") == "(a + b) ** (2 * c)"
    assert put("m**g", m="a", g="1") == "a"
    assert put("m**g*b", m="a", g="0", b="b") == "b"
    assert put("where(g == 0, 1, m)", g="2") == "m"


def test_a_quantity_is_computed_once_for_each_set_of_points_and_again_for_a_gradient():
    calls = []
    namespace = Namespace("counted", {"x": "x"}, {"p": ("p", "sigmoid(x)")}, lambda at: calls.append(1) or at.x)
    at = points([1.0], [1.0])
    at.x.requires_grad_()
    with torch.no_grad():
        Expression("p + p", namespace)(at)
    assert len(at.cache) == 1
    assert Expression("p", namespace)(at).requires_grad
    assert len(at.cache) == 2


def test_points_that_are_replaced_forget_what_was_computed_on_the_old_ones():
    at = points([1.0], [1.0], gamma=[2.0])
    before = Expression("p", SIGMOID)(at)
    seen = context(SIGMOID, {"x": "sigmoid(x)"}, change("activation", "sigmoid_twice")).apply(at)
    torch.testing.assert_close(Expression("p", SIGMOID)(seen), torch.sigmoid(before))


def test_equal_options_are_equal_keys():
    one, other = (option("miss**gamma", SIGMOID, change("gamma", "gamma_fixed", value=2.0)) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
