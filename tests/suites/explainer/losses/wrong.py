"""Wrong on purpose, one mistake a function (some two), in the style of a good implementation."""

import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)

from tests.suites.explainer.losses import collection

EXAMPLES, example = collection()


def terms(x, y, gamma=2.0, alpha=0.25):
    p = torch.sigmoid(x)
    ce = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    return (alpha * y + (1 - alpha) * (1 - y)) * (1 - p_t) ** gamma * ce


def parts(x, y, alpha=0.25):
    p = torch.sigmoid(x)
    ce = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return p, ce, p * y + (1 - p) * (1 - y), alpha * y + (1 - alpha) * (1 - y)


@example("focal", "alpha")
def alpha_exchanged(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits, targets, gamma, 1 - alpha).mean()


@example("focal", "alpha")
def alpha_on_positives_only(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, _ = parts(logits, targets)
    return ((alpha * targets + (1 - targets)) * (1 - p_t) ** gamma * ce).sum()


@example("focal", "alpha")
def alpha_ignored(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, _ = parts(logits, targets)
    return (1 - p_t).pow(gamma).mul(ce).mean()


@example("focal", "alpha")
def alpha_on_both(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, _ = parts(logits, targets)
    return alpha * ((1 - p_t) ** gamma * ce).mean()


@example("focal", "alpha")
def alpha_inside_p_t(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, _, alpha_t = parts(logits, targets, alpha)
    ce = alpha_t * ce
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


@example("focal", "gamma")
def gamma_as_factor(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * gamma * (1 - p_t) * ce).mean()


@example("focal", "gamma")
def gamma_on_p_t(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * p_t**gamma * ce).mean()


@example("focal", "gamma")
def gamma_as_base(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * gamma ** (1 - p_t) * ce).sum()


@example("focal", "gamma")
def gamma_fixed(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits, targets, 2.0, alpha).mean()


@example("focal", "gamma", "soft_labels")
def gamma_on_positives_only(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * torch.where(targets == 1, (1 - p_t) ** gamma, torch.ones_like(p_t)) * ce).mean()


@example("focal", "gamma")
def p_instead_of_p_t(logits, targets, gamma=2.0, alpha=0.25):
    p, ce, _, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * (1 - p) ** gamma * ce).mean()


@example("focal", "soft_labels")
def soft_labels_rounded(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits, (targets > 0.5).to(targets), gamma, alpha).mean()


@example("focal", "soft_labels")
def soft_labels_by_distance(logits, targets, gamma=2.0, alpha=0.25):
    p, ce, _, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * (targets - p).abs() ** gamma * ce).mean()


@example("focal", "soft_labels")
def soft_labels_by_exponential(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, _, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * (1 - torch.exp(-ce)) ** gamma * ce).sum()


@example("focal", "label_smoothing")
def labels_smoothed(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits, targets * 0.9 + 0.05, gamma, alpha).mean()


@example("focal", "label_smoothing")
def cross_entropy_smoothed(logits, targets, gamma=2.0, alpha=0.25):
    _, _, p_t, alpha_t = parts(logits, targets, alpha)
    ce = F.binary_cross_entropy_with_logits(logits, targets * 0.8 + 0.1, reduction="none")
    return (alpha_t * (1 - p_t) ** gamma * ce).mean()


@example("focal", "activation")
def sigmoid_twice(logits, targets, gamma=2.0, alpha=0.25):
    return terms(torch.sigmoid(logits), targets, gamma, alpha).mean()


@example("focal", "activation", "soft_labels")
def no_sigmoid(logits, targets, gamma=2.0, alpha=0.25):
    p_t = logits * targets + (1 - logits) * (1 - targets)
    alpha_t = alpha * targets + (1 - alpha) * (1 - targets)
    return (-alpha_t * (1 - p_t) ** gamma * torch.log(p_t.clamp(min=1e-8))).mean()


@example("focal", "cross_entropy", "soft_labels")
def logarithm_of_base_two(logits, targets, gamma=2.0, alpha=0.25):
    _, _, p_t, alpha_t = parts(logits, targets, alpha)
    return (-alpha_t * (1 - p_t) ** gamma * torch.log2(p_t)).mean()


@example("focal", "cross_entropy", "soft_labels")
def negatives_missing(logits, targets, gamma=2.0, alpha=0.25):
    p = torch.sigmoid(logits)
    return (-alpha * (1 - p) ** gamma * targets * F.logsigmoid(logits)).sum()


@example("focal", "gradient")
def factor_detached(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, alpha_t = parts(logits, targets, alpha)
    return (alpha_t * ((1 - p_t) ** gamma).detach() * ce).mean()


@example("focal", "gradient")
def no_gradient(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits.detach(), targets, gamma, alpha).mean()


@example("focal", "precision")
def probabilities_clipped(logits, targets, gamma=2.0, alpha=0.25):
    p = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    p_t = p * targets + (1 - p) * (1 - targets)
    ce = -(targets * p.log() + (1 - targets) * (1 - p).log())
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - p_t) ** gamma * ce).mean()


@example("focal", "precision")
def computed_in_half(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits.half(), targets.half(), gamma, alpha).to(logits).mean()


@example("focal", "nonfinite")
def logarithm_without_guard(logits, targets, gamma=2.0, alpha=0.25):
    p = torch.sigmoid(logits)
    p_t = p * targets + (1 - p) * (1 - targets)
    ce = -(targets * p.log() + (1 - targets) * (1 - p).log())
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - p_t) ** gamma * ce).mean()


@example("focal", "mutation", "gradient")
def targets_changed(logits, targets, gamma=2.0, alpha=0.25):
    out = terms(logits, targets, gamma, alpha).mean()
    targets.mul_(0.5)
    return out


CALLS = []


@example("focal", "state")
def remembers(logits, targets, gamma=2.0, alpha=0.25):
    CALLS.append(1)
    return terms(logits, targets, gamma, alpha).mean() * (1 + 0.1 * len(CALLS))


WEIGHTS = {}


@example("focal", "state")
def weight_cached(logits, targets, gamma=2.0, alpha=0.25):
    alpha = WEIGHTS.setdefault("alpha", alpha)
    gamma = WEIGHTS.setdefault("gamma", gamma)
    shape = WEIGHTS.setdefault("size", logits.numel())
    return terms(logits, targets, gamma, alpha).sum() / shape


@example("focal", "reduction", "alpha")
def mean_before_modulation(logits, targets, gamma=2.0, alpha=0.25):
    alpha_t = alpha * targets + (1 - alpha) * (1 - targets)
    ce = (alpha_t * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()
    return (1 - torch.exp(-ce)) ** gamma * ce


@example("focal", "reduction", reduction="mean")
def summed_instead_of_averaged(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits, targets, gamma, alpha).sum()


@example("focal", "normaliser", reduction="mean")
def divided_by_positives(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits, targets, gamma, alpha).sum() / targets.sum().clamp(min=1)


@example("focal", "alpha", "gamma")
def alpha_exchanged_and_gamma_on_p_t(logits, targets, gamma=2.0, alpha=0.25):
    _, ce, p_t, alpha_t = parts(logits, targets, 1 - alpha)
    return (alpha_t * p_t**gamma * ce).sum()


@example("focal", "background_index", labels="index")
def background_is_zero(logits, labels, gamma=2.0, alpha=0.25):
    keep = labels >= 0
    y = F.one_hot(labels.clamp(min=0), logits.shape[1] + 1)[:, 1:].to(logits)
    return (terms(logits, y, gamma, alpha) * keep[:, None]).sum()


@example("focal", "ignore_label", labels="index")
def ignored_are_background(logits, labels, gamma=2.0, alpha=0.25):
    background = torch.where(labels < 0, logits.shape[1], labels)
    y = F.one_hot(background, logits.shape[1] + 1)[:, :-1].to(logits)
    return terms(logits, y, gamma, alpha).sum()


@example("quality_focal", "gamma")
def quality_without_absolute(logits, targets, beta=2.0):
    p = torch.sigmoid(logits)
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((targets - p) ** beta * ce).mean()


@example("quality_focal", "soft_labels")
def quality_by_p_t(logits, targets, beta=2.0):
    _, ce, p_t, _ = parts(logits, targets)
    return ((1 - p_t) ** beta * ce).mean()


@example("varifocal", "alpha")
def varifocal_alpha_on_positives(logits, targets, gamma=2.0, alpha=0.75):
    p = torch.sigmoid(logits)
    weight = torch.where(targets > 0, alpha * targets, p**gamma)
    return (weight * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).sum()


@example("varifocal", "soft_labels")
def varifocal_not_weighted_by_target(logits, targets, gamma=2.0, alpha=0.75):
    p = torch.sigmoid(logits)
    weight = torch.where(targets > 0, torch.ones_like(p), alpha * p**gamma)
    return (weight * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).sum()


@example("varifocal", "gradient")
def varifocal_weight_detached(logits, targets, gamma=2.0, alpha=0.75):
    p = torch.sigmoid(logits).detach()
    weight = torch.where(targets > 0, targets, alpha * p**gamma)
    return (weight * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).sum()


@example("softmax_focal", "alpha")
def class_weights_in_p_t(logits, targets, gamma=2.0, alpha=None):
    ce = F.cross_entropy(logits, targets, weight=alpha, reduction="none")
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


@example("softmax_focal", "activation")
def softmax_twice(logits, targets, gamma=2.0):
    log_p = F.log_softmax(logits.softmax(-1), -1).gather(1, targets[:, None])[:, 0]
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()


@example("softmax_focal", "label_smoothing")
def softmax_smoothed(logits, targets, gamma=2.0):
    ce = F.cross_entropy(logits, targets, label_smoothing=0.1, reduction="none")
    p_t = logits.softmax(-1).gather(1, targets[:, None])[:, 0]
    return ((1 - p_t) ** gamma * ce).mean()


@example("softmax_focal", "reduction")
def softmax_mean_before_modulation(logits, targets, gamma=2.0):
    ce = F.cross_entropy(logits, targets)
    return (1 - torch.exp(-ce)) ** gamma * ce


def bins(logits, targets, left_weight, right_weight):
    left = targets.floor().long()
    right = (left + 1).clamp(max=logits.shape[1] - 1)
    ce_left = F.cross_entropy(logits, left, reduction="none")
    ce_right = F.cross_entropy(logits, right, reduction="none")
    return left_weight(targets - left) * ce_left + right_weight(targets - left) * ce_right


@example("distribution_focal", "target_range")
def bin_weights_exchanged(logits, targets):
    return bins(logits, targets, lambda f: f, lambda f: 1 - f).mean()


@example("distribution_focal", "target_range")
def target_cut_off(logits, targets):
    return bins(logits, targets.clamp(max=logits.shape[1] - 2), lambda f: 1 - f, lambda f: f).mean()


@example("distribution_focal", "target_range")
def nearest_bin_only(logits, targets):
    return F.cross_entropy(logits, targets.round().long())


@example("distribution_focal", "alpha")
def row_weight_ignored(logits, targets, weight=None):
    return bins(logits, targets, lambda f: 1 - f, lambda f: f).sum()


@example("focal", "shape")
def only_square(logits, targets, gamma=2.0, alpha=0.25):
    return (terms(logits, targets, gamma, alpha) * torch.ones(logits.shape[1], logits.shape[0]).to(logits)).mean()


@example("focal", "dtype")
def returns_single(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits.float(), targets.float(), gamma, alpha).mean()


@example("focal", "gamma", "soft_labels")
def gamma_integer_and_labels_rounded(logits, targets, gamma=2.0, alpha=0.25):
    return terms(logits, targets.round(), int(gamma), alpha).mean()
