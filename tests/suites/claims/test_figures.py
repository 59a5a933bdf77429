"""The figures' data against points worked out by hand from the papers' formulas."""

import math

import pytest

from focalbench_suite.suites.claims.figures import FIGURES, figures
from focalbench_suite.suites.claims.sources import focal_loss, generalized_focal_loss


def series(source, loss, title_part):
    (figure,) = (figure for figure in figures(source, loss) if title_part in figure["title"])
    return {line["name"]: dict(zip(line["x"], line["y"], strict=True)) for line in figure["series"]}


def test_figure_1_of_the_focal_loss_paper():
    curves = series(focal_loss.NAME, "focal", "figure 1")
    assert list(curves) == ["gamma 0", "gamma 0.5", "gamma 1", "gamma 2", "gamma 5"]
    assert curves["gamma 0"][0.5] == pytest.approx(math.log(2), rel=1e-5)
    assert curves["gamma 2"][0.9] == pytest.approx(0.01 * -math.log(0.9), rel=1e-5)


def test_figure_6_of_the_focal_loss_paper():
    slopes = series(focal_loss.NAME, "focal", "figure 6")
    assert slopes["gamma 0"][0.0] == pytest.approx(-0.5, rel=1e-5)  # p_t - 1
    # (1 - p_t)^gamma (gamma p_t log p_t + p_t - 1) at p_t = 1/2
    assert slopes["gamma 2"][0.0] == pytest.approx(0.25 * (math.log(0.5) - 0.5), rel=1e-5)


def test_figure_5a_of_the_gfl_paper():
    curves = series(generalized_focal_loss.NAME, "quality_focal", "figure 5a")
    assert curves["beta 2"][0.5] == 0
    assert curves["beta 2"][0.25] == pytest.approx(0.0625 * -0.5 * math.log(0.25 * 0.75), rel=1e-5)


def test_distributions_of_one_integral_have_different_losses():
    names = list(series(generalized_focal_loss.NAME, "distribution_focal", "DFL and the integral"))
    # two bins: the entropy of 0.7 and 0.3, which is DFL's least
    assert names[0] == f"two bins: integral 6.3, DFL {-0.7 * math.log(0.7) - 0.3 * math.log(0.3):.3g}"
    assert all("integral 6.3" in name for name in names)


def test_a_source_without_figures_has_none():
    assert figures("article 1", "focal") == []
    assert all(drawn() for draws in FIGURES.values() for drawn in draws)
