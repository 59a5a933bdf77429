"""Families of losses as people publish them, element by element: what is said of each are codes, not sentences.

A function gets the logits, the targets (or classes, or bins) and the parameters that it names, all as tensors; rows are
(P, C), parameters (P, 1). It returns the loss of each element (P, 1).
"""

import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)

EXAMPLES = []


def example(loss, *codes):
    def register(function):
        EXAMPLES.append((loss, set(codes), function))
        return function

    return register


def bce(x, y):
    return F.binary_cross_entropy_with_logits(x, y, reduction="none")


def miss_of(x, y):
    return y * torch.sigmoid(-x) + (1 - y) * torch.sigmoid(x)


@example("focal", "star")
def star_of_gamma(x, y, gamma, alpha):
    kept = gamma > 0  # at gamma 0 it is not defined
    each = -F.logsigmoid(gamma * x * (2 * y - 1) + 1) / gamma
    return torch.where(kept, (alpha * y + (1 - alpha) * (1 - y)) * each, torch.nan)


@example("focal", "star", "alpha_on_positives_only")
def star_with_alpha_on_positives(x, y, gamma, alpha):
    return torch.where(gamma > 0, (alpha * y + 1 - y) * -F.logsigmoid(gamma * x * (2 * y - 1)) / gamma, torch.nan)


@example("focal", "soft_labels_in_logit")
def factor_of_a_signed_logit(x, y, gamma):
    return torch.sigmoid(x * (1 - 2 * y)) ** gamma * bce(x, y)


@example("focal", "penalty_reduced")
def heat_map(x, y, gamma):
    negative = (1 - y) ** 4 * torch.sigmoid(x) ** gamma * -F.logsigmoid(-x)
    return torch.where(y == 1, torch.sigmoid(-x) ** gamma * -F.logsigmoid(x), negative)


@example("focal", "penalty_reduced")
def heat_map_squared(x, y, gamma):
    negative = (1 - y) ** 2 * torch.sigmoid(x) ** gamma * -F.logsigmoid(-x)
    return torch.where(y == 1, torch.sigmoid(-x) ** gamma * -F.logsigmoid(x), negative)


@example("focal", "soft_labels_distance", "weights_inside_cross_entropy")
def distance_with_alpha_inside(x, y, gamma, alpha):
    entropy = -(alpha * y * F.logsigmoid(x) + (1 - alpha) * (1 - y) * F.logsigmoid(-x))
    return (y - x.sigmoid()).abs() ** gamma * entropy


@example("focal", "between_hard_labels_nothing")
def hard_labels_only(x, y, gamma, alpha):
    each = (alpha * y + (1 - alpha) * (1 - y)) * miss_of(x, y) ** gamma * bce(x, y)
    return torch.where((y == 0) | (y == 1), each, 0.0)


@example("focal", "soft_labels_geometric")
def geometric_p_t(x, y, gamma):
    return (x.sigmoid() ** (1 - y) * torch.sigmoid(-x) ** y) ** gamma * bce(x, y)


@example("focal", "targets_raised_to_gamma")
def sharpened_targets(x, y, gamma, alpha):
    y = torch.where(y == 0, y, y**gamma)
    return (alpha * y + (1 - alpha) * (1 - y)) * miss_of(x, y) ** gamma * bce(x, y)


@example("focal", "sides_blended")
def blended_sides(x, y, gamma, alpha):
    positive = alpha * torch.sigmoid(-x) ** gamma * -F.logsigmoid(x)
    return y * positive + (1 - y) * (1 - alpha) * torch.sigmoid(x) ** gamma * -F.logsigmoid(-x)


@example("focal", "sides_blended", "two_powers")
def asymmetric(x, y):
    return -y * torch.sigmoid(-x) * F.logsigmoid(x) - (1 - y) * torch.sigmoid(x) ** 4 * F.logsigmoid(-x)


@example("focal", "labels_smoothed", "sides_blended")
def blended_and_smoothed(x, y, gamma, alpha):
    return blended_sides(x, 0.8 * y + 0.1, gamma, alpha)


@example("focal", "labels_smoothed_in_factor")
def smoothed_in_factor(x, y, gamma, alpha):
    return (alpha * y + (1 - alpha) * (1 - y)) * miss_of(x, 0.9 * y + 0.05) ** gamma * bce(x, y)


@example("focal", "cross_entropy_for_p_t")
def entropy_for_p(x, y, gamma):
    return -((1 - bce(x, y)) ** gamma) * bce(x, y).log()


@example("focal", "alpha_on_positives_fixed_on_negatives")
def one_weight_fixed(x, y, gamma, alpha):
    return (alpha * y + 0.75 * (1 - y)) * miss_of(x, y) ** gamma * bce(x, y)


@example("focal", "gamma_on_positives_fixed_on_negatives")
def one_power_fixed(x, y, gamma, alpha):
    factor = y * torch.sigmoid(-x) ** gamma + (1 - y) * torch.sigmoid(x) ** 2
    return (alpha * y + (1 - alpha) * (1 - y)) * factor * bce(x, y)


@example("focal", "gamma_as_factor_on_positives", "sides_blended")
def factor_on_positives(x, y, gamma, alpha):
    positive = -alpha * gamma * torch.sigmoid(-x) * F.logsigmoid(x)
    return y * positive - (1 - y) * (1 - alpha) * torch.sigmoid(x) ** gamma * F.logsigmoid(-x)


@example("focal", "p_clipped_in_factor")
def clipped_in_factor(x, y, gamma, alpha):
    p = x.sigmoid().clamp(0.05, 0.95)
    return (alpha * y + (1 - alpha) * (1 - y)) * (y * (1 - p) + (1 - y) * p) ** gamma * bce(x, y)


@example("focal", "logits_for_probabilities", "sides_blended")
def of_probabilities(p, y, gamma, alpha):
    return -alpha * y * (1 - p) ** gamma * p.log() - (1 - alpha) * (1 - y) * p**gamma * (1 - p).log()


@example("quality_focal", "signed_power")
def signed_distance(x, y, beta):
    distance = y - x.sigmoid()
    return distance.sign() * distance.abs() ** beta * bce(x, y)


@example("varifocal", "target_plus_blended_negatives")
def mixed_weight(x, y, gamma, alpha):
    return (y + (1 - y) * alpha * x.sigmoid() ** gamma) * bce(x, y)


@example("varifocal", "cases_blended")
def blended_cases(x, y, gamma, alpha):
    return (y * y + (1 - y) * alpha * x.sigmoid() ** gamma) * bce(x, y)


def log_p_of(z, y):
    return z.log_softmax(-1).gather(-1, y)


@example("softmax_focal", "cross_entropy_for_p_t")
def row_entropy_for_p(z, y, gamma):
    h = -log_p_of(z, y)
    return -((1 - h) ** gamma) * h.log()


@example("softmax_focal", "smoothed_p_t")
def smoothed_probability(z, y, gamma):
    classes = z.shape[-1]
    mix = F.one_hot(y[:, 0], classes).to(z).clamp(0.1 / (classes - 1), 0.9)
    p_t = (mix * z.softmax(-1)).sum(-1, keepdim=True)
    return -((1 - p_t) ** gamma) * p_t.log()


@example("softmax_focal", "terms_smoothed")
def smoothed_terms(z, y, gamma):
    classes = z.shape[-1]
    mix = F.one_hot(y[:, 0], classes) * 0.9 + 0.1 / classes
    return -(mix * (1 - z.softmax(-1)) ** gamma * z.log_softmax(-1)).sum(-1, keepdim=True)


@example("softmax_focal", "class_weights_sum_to_one")
def normalised_weights(z, y, gamma, alpha):
    log_p = log_p_of(z, y)
    return -(alpha / alpha.sum(-1, keepdim=True)).gather(-1, y) * (1 - log_p.exp()) ** gamma * log_p


@example("softmax_focal", "alpha_inside_p_t", "class_weights_average_one")
def normalised_weights_in_p_t(z, y, gamma, alpha):
    weight = (alpha / alpha.mean(-1, keepdim=True)).gather(-1, y)
    h = -weight * log_p_of(z, y)
    return (1 - (-h).exp()) ** gamma * h


@example("softmax_focal", "constant_weight")
def quarter_of_a_row(z, y, gamma):
    return -0.25 * (1 - log_p_of(z, y).exp()) ** gamma * log_p_of(z, y)


def two_hot(y, bins):
    return (1 - (torch.arange(bins) - y).abs()).clamp(min=0)


@example("distribution_focal", "less_target_entropy")
def divergence(z, y):
    share = two_hot(y, z.shape[-1])
    return (torch.xlogy(share, share) - share * z.log_softmax(-1)).sum(-1, keepdim=True)


@example("distribution_focal", "temperature", "less_target_entropy")
def divergence_with_a_temperature(z, y):
    return divergence(z / 2, y)


@example("distribution_focal", "last_bin_silent")
def silent_end(z, y):
    low = y.floor().long()
    high = (low + 1).clamp(max=z.shape[-1] - 1)
    return -((high - y) * log_p_of(z, low) + (y - low) * log_p_of(z, high))


@example("distribution_focal", "targets_cut_below_last_bin")
def cut_anywhere(z, y):
    return -(two_hot(y.clamp(max=z.shape[-1] - 1.37), z.shape[-1]) * z.log_softmax(-1)).sum(-1, keepdim=True)


@example("distribution_focal", "weight_ignored", "constant_weight")
def quarter_without_weight(z, y, weight):
    return -(two_hot(y, z.shape[-1]) * z.log_softmax(-1)).sum(-1, keepdim=True) / 4


@example("focal", "asymmetric_with_margin")
def asymmetric_with_margin(x, y):
    p, q = x.sigmoid(), (torch.sigmoid(-x) + 0.05).clamp(max=1)
    p_t = p * y + q * (1 - y)
    return -((1 - p_t) ** (y + 4 * (1 - y))) * (y * p.log() + (1 - y) * q.log())


@example("focal", "gamma_on_positives_fixed_on_negatives", "power_blended")
def powers_by_target(x, y, gamma):
    return miss_of(x, y) ** (gamma * y + 4 * (1 - y)) * bce(x, y)


@example("focal", "capped_at_half", "soft_labels_exponential")
def reduced(x, y, gamma):
    p_t = (-bce(x, y)).exp()
    return torch.where(p_t < 0.5, 1.0, ((1 - p_t) / 0.5) ** gamma) * bce(x, y)


@example("focal", "asymmetric_margin_in_factor", "sides_blended")
def asymmetric_in_factor(x, y, gamma):
    p, q = x.sigmoid(), torch.sigmoid(-x)
    return -y * q**gamma * p.log() - (1 - y) * (p - 0.05).clamp(min=0) ** 4 * q.log()


@example("focal", "asymmetric_margin_in_cross_entropy", "sides_blended")
def asymmetric_in_cross_entropy(x, y):
    p, q = x.sigmoid(), torch.sigmoid(-x)
    return -y * q * p.log() - (1 - y) * p**4 * (q + 0.1).clamp(max=1).log()


@example("focal", "asymmetric_power_of_sure_negatives", "sides_blended")
def asymmetric_of_sure_negatives(x, y):
    p, q = x.sigmoid(), (torch.sigmoid(-x) + 0.05).clamp(max=1)
    return -y * p.log() - (1 - y) * q**4 * q.log()


@example("softmax_focal", "class_weights_ignored", "constant_weight")
def half_without_weights(z, y, gamma, alpha):
    log_p = z.log_softmax(-1).gather(-1, y.long())
    return -0.5 * (1 - log_p.exp()) ** gamma * log_p


@example("focal", "alpha_times_complement_on_negatives")
def alpha_twice_on_negatives(x, y, gamma, alpha):
    return alpha * (y + (1 - alpha) * (1 - y)) * miss_of(x, y) ** gamma * bce(x, y)
