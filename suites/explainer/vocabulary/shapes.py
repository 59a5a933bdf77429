"""Shapes of the modulating factor other than 1-p_t to a power; which power, `parameters.py` varies."""

from __future__ import annotations

# code: the factor, from miss = 1-p_t, hit = p_t and the parameter g
SHAPES: dict[str, str] = {
    "gamma_on_p_t": "hit**g",
    "gamma_as_factor": "g*miss",
    "factor_zero_at_gamma_zero": "where(g == 0, 0, miss**g)",
    "gamma_as_base": "g**miss",
    "gamma_in_exponential": "exp(g*miss)",
    "gamma_in_exponential_of_p_t": "exp(-g*hit)",
    "one_minus_power_of_p_t": "1 - hit**g",
    "power_of_one_plus_p_t": "(1 + hit)**g",
    "power_of_one_plus_miss": "(1 + miss)**g",
    "one_plus_factor": "1 + miss**g",
    "one_minus_factor": "1 - miss**g",
    "gamma_added": "miss + g",
    "power_of_p_t_minus_one": "(hit - 1)**g",
    "divided_by_gamma": "miss/g",
    "power_of_logarithm": "(-log(hit))**g",
    "root_of_both_powers": "sqrt(miss**g + hit**g)",
    "both_powers_added": "hit**g + miss**g",
    "gamma_in_tanh": "tanh(g*miss)",
    "one_plus_gamma_as_factor": "1 + g*miss",
    "power_plus_miss": "miss**(g + miss)",
    "power_plus_p_t": "miss**(g + hit)",
    "power_times_miss": "miss**(g*miss)",
    "power_times_p_t": "miss**(g*hit)",
    "power_times_miss_detached": "miss**(g*detach(miss))",
    "power_times_p_t_detached": "miss**(g*detach(hit))",
    "power_of_product": "(hit*miss)**g",
    "power_of_p_t_doubled_beyond_half": "where(hit < 0.5, hit, 2*hit)**g",
    "capped_at_half": "where(hit < 0.5, 1, (2*miss)**g)",
}
SYMMETRIC = ("root_of_both_powers", "both_powers_added", "power_of_product")  # in p_t and 1-p_t
