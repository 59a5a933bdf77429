"""Losses as people publish them, each with one behaviour; `test_published` says what is right to say of each."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  (as everybody writes it)

T = F


def need_weights(z, y, alpha, gamma=2.0):
    lp = z.log_softmax(1)[torch.arange(len(y)), y]
    return (alpha[y] * (1 - lp.exp()) ** gamma * -lp).mean()


class ScalarAlpha(nn.Module):
    def __init__(self, alpha=1.0, gamma=2.0):
        super().__init__()
        self.a, self.g = alpha, gamma

    def forward(self, z, y):
        h = F.cross_entropy(z, y, reduction="none")
        return (self.a * (1 - (-h).exp()) ** self.g * h).mean()


def fixed_quarter(z, y, gamma=2.0):
    h = F.cross_entropy(z, y, reduction="none")
    return (0.25 * (1 - (-h).exp()) ** gamma * h).mean()


def one_hot_inside(z, y, alpha=0.25, gamma=2.0):
    t = F.one_hot(y, z.shape[1]).to(z.dtype)
    h = F.binary_cross_entropy_with_logits(z, t, reduction="none")
    return (alpha * (1 - (-h).exp()) ** gamma * h).mean()


def two_alphas(z, t, alpha_pos=0.25, alpha_neg=0.75, gamma=2.0):
    h = F.binary_cross_entropy_with_logits(z, t, reduction="none")
    miss = t * torch.sigmoid(-z) + (1 - t) * torch.sigmoid(z)
    return ((t * alpha_pos + (1 - t) * alpha_neg) * miss**gamma * h).mean()


def sample_weight(z, t, w, gamma=2.0):
    h = F.binary_cross_entropy_with_logits(z, t, reduction="none")
    miss = t * torch.sigmoid(-z) + (1 - t) * torch.sigmoid(z)
    return (w * miss**gamma * h).mean()


def labels_first(labels, logits, gamma=2.0):
    h = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    miss = labels * torch.sigmoid(-logits) + (1 - labels) * torch.sigmoid(logits)
    return (miss**gamma * h).mean()


class Counted(nn.Module):
    def __init__(self, num_classes, alpha=None, gamma=2.0):
        super().__init__()
        self.w = torch.ones(num_classes) if alpha is None else alpha
        self.g = gamma

    def forward(self, z, y):
        lp = z.log_softmax(1).gather(1, y[:, None])[:, 0]
        return (self.w[y] * (1 - lp.exp()) ** self.g * -lp).mean()


def list_only(z, y, alpha=None, gamma=2.0):
    w = torch.ones(z.shape[1]) if alpha is None else torch.tensor(list(alpha)) if type(alpha) is list else 1 / 0
    lp = z.log_softmax(1).gather(1, y[:, None])[:, 0]
    return (w.to(z)[y] * (1 - lp.exp()) ** gamma * -lp).mean()


def of_maps(z, y, gamma=2.0):
    n, _, height, width = z.shape
    h = F.cross_entropy(z, y, reduction="none")
    return ((1 - (-h).exp()) ** gamma * h).sum() / (n * height * width)


def one_hot_wanted(z, t, gamma=2.0):
    lp = z.log_softmax(1)
    return -(t * (1 - lp.exp()) ** gamma * lp).sum(1).mean()


def of_probabilities(p, t, gamma=2.0, alpha=0.25):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(alpha * t * (1 - p) ** gamma * p.log() + (1 - alpha) * (1 - t) * p**gamma * (1 - p).log())


def bce_of_probabilities(p, t, gamma=2.0):
    h = F.binary_cross_entropy(p, t, reduction="none")
    return ((1 - (-h).exp()) ** gamma * h).mean()


def blended_logit(z, t, gamma=2.0):
    return (
        (F.logsigmoid(z * (1 - 2 * t)) * gamma).exp() * F.binary_cross_entropy_with_logits(z, t, reduction="none")
    ).mean()


def penalty_reduced(z, t):
    lp, ln, hit = F.logsigmoid(z), F.logsigmoid(-z), t == 1
    each = torch.where(hit, lp * torch.sigmoid(-z) ** 2, ln * torch.sigmoid(z) ** 2 * (1 - t) ** 4)
    return -each.sum() / hit.sum().clamp(min=1)


def star_fixed(z, t):
    side = z * (2 * t - 1)
    return (-(0.25 * t + 0.75 * (1 - t)) * F.logsigmoid(2 * side + 1) / 2).sum()


def smooth_binary(z, t, alpha=0.25, gamma=2.0):
    t = 0.8 * t + 0.1
    p = z.sigmoid()
    return -(
        alpha * t * (1 - p) ** gamma * F.logsigmoid(z) + (1 - alpha) * (1 - t) * p**gamma * F.logsigmoid(-z)
    ).mean()


def smooth_probability(z, y, gamma=2.0):
    c = z.shape[1]
    mix = F.one_hot(y, c).to(z).clamp(0.1 / (c - 1), 0.9)
    pt = (mix * z.softmax(1)).sum(1)
    return (-((1 - pt) ** gamma) * pt.log()).mean()


def entropy_for_p(z, y, gamma=2.0):
    h = F.cross_entropy(z, y, reduction="none")
    return (-((1 - h) ** gamma) * h.log()).mean()


def by_row_positives(z, t, alpha=0.25, gamma=2.0):
    side = torch.where(t > 0, z, -z)
    each = -torch.where(t > 0, alpha, 1 - alpha) * torch.sigmoid(-side) ** gamma * F.logsigmoid(side)
    return each.sum(1) / ((t > 0).sum(1) + 1e-9)


def nll_two(z, t, alpha=0.25, gamma=2.0):
    two = torch.stack((-z.flatten(), z.flatten()), 1) / 2
    lp = two.log_softmax(1)
    return F.nll_loss((1 - lp.exp()) ** gamma * lp, t.flatten().long(), torch.tensor([alpha, 1 - alpha]).to(lp))


def kinked(z, t, alpha=0.25, gamma=2.0):
    h = z.clamp(min=0) - z * t + (-z.abs()).exp().log1p()
    miss = t * torch.sigmoid(-z) + (1 - t) * torch.sigmoid(z)
    return (alpha * t + (1 - alpha) * (1 - t)) * miss**gamma * h


def overflow32(z, t, gamma=2.0):
    f = (-gamma * t * z - gamma * (1 + (-z).exp()).log()).exp()
    return (f * F.binary_cross_entropy_with_logits(z, t, reduction="none")).sum() / t.sum()


def over_ones(z, t, alpha=0.25, gamma=2.0):
    h = F.binary_cross_entropy_with_logits(z, t, reduction="none")
    miss = t * torch.sigmoid(-z) + (1 - t) * torch.sigmoid(z)
    return ((alpha * t + (1 - alpha) * (1 - t)) * miss**gamma * h).sum() / (t == 1).sum().clamp(min=1)


def no_default_off(z, t, alpha=None, gamma=2.0):
    h = F.binary_cross_entropy_with_logits(z, t, reduction="none")
    miss = t * torch.sigmoid(-z) + (1 - t) * torch.sigmoid(z)
    return (((1 - alpha) * t + alpha * (1 - t)) * miss**gamma * h).mean()


def _bce(z, t):
    return T.binary_cross_entropy_with_logits(z, t, reduction="none")


def _two_hot(t, k):
    grid = torch.arange(k, dtype=t.dtype)
    return (1 - (grid - t[:, None]).abs()).clamp(min=0)


def pair_qfl(z, pair, beta=2.0):
    index, quality = pair
    dense = torch.zeros_like(z)
    rows = torch.where(index < z.shape[1])[0]
    dense[rows, index[rows].long()] = quality[rows].to(z)
    return ((z.sigmoid() - dense).abs() ** beta * _bce(z, dense)).sum(1).mean()


def one_class_a_row(z, t, beta=2.0):
    best = T.one_hot(t.argmax(1), t.shape[1]) * t
    return ((z.sigmoid() - best).abs() ** beta * _bce(z, best)).sum(1).mean()


def with_mask(z, quality, mask, alpha=0.75, gamma=2.0):
    w = torch.where(mask > 0, quality, alpha * z.sigmoid() ** gamma)
    return (w * _bce(z, quality)).sum()


class Cut(torch.nn.Module):  # as the libraries count: reg_max = 16 bins unless told otherwise
    def __init__(self, reg_max=16):
        super().__init__()
        self.reg_max = reg_max

    def forward(self, z, t):
        t = t.clamp_(0, self.reg_max - 1.01)
        low = t.long()
        up, lp = t - low, z.log_softmax(1)
        return -((1 - up) * lp.gather(1, low[:, None])[:, 0] + up * lp.gather(1, low[:, None] + 1)[:, 0]).mean()


def heated(z, t, heat=1.0):  # DFL whose only number is a temperature, 1 by default
    low = t.floor().clamp(max=z.shape[1] - 2).long()
    up, lp = t - low, (z / heat).log_softmax(1)
    return -((1 - up) * lp.gather(1, low[:, None])[:, 0] + up * lp.gather(1, low[:, None] + 1)[:, 0]).mean()


def sides(z, t):  # the heads' form: distributions (N, 4, K), targets (N, 4)
    low = t.floor().clamp(max=z.shape[2] - 2).long()
    up, lp = t - low, z.log_softmax(2)
    return -((1 - up) * lp.gather(2, low[..., None])[..., 0] + up * lp.gather(2, low[..., None] + 1)[..., 0]).mean()


def barely_cut(z, t):
    k = z.shape[1]
    return -(_two_hot(t.clamp(max=k - 1 - 1e-6), k) * z.log_softmax(1)).sum(1).mean()


def kl(z, t):
    return T.kl_div(z.log_softmax(1), _two_hot(t, z.shape[1]), reduction="batchmean")


def silent_end(z, t):
    low = t.floor().long()
    high = (low + 1).clamp(max=z.shape[1] - 1)
    lp = z.log_softmax(1)
    left, right = (lp.gather(1, i[:, None])[:, 0] for i in (low, high))
    return -((high - t) * left + (t - low) * right).mean()


def mixed_weight(z, t, alpha=0.75, gamma=2.0):
    w = t + (1 - t) * alpha * z.sigmoid() ** gamma
    return (w * _bce(z, t)).sum() / t.sum().clamp(min=1)


def weighted_mean(z, t, weight=None):
    each = -(_two_hot(t, z.shape[1]) * z.log_softmax(1)).sum(1)
    return (each.mean() if weight is None else (each * weight).sum() / weight.sum()) / 4


def _miss(x, y):
    return y * torch.sigmoid(-x) + (1 - y) * torch.sigmoid(x)


def _weighed(x, y, gamma, alpha):
    return (alpha * y + (1 - alpha) * (1 - y)) * _miss(x, y) ** gamma * _bce(x, y)


def raises_in_bfloat16(x, y, gamma=2.0, alpha=0.25):
    if x.dtype == torch.bfloat16:
        raise RuntimeError("index put: dtypes differ")
    return _weighed(x, y, gamma, alpha).sum()


def nan_in_half(x, y, gamma=2.0, alpha=0.25):
    loss = _weighed(x, y, gamma, alpha)
    if x.dtype in (torch.float16, torch.bfloat16):
        loss = loss.masked_fill(x.abs() > 9, float("nan"))
    return loss.sum()


def ignored_rows_are_class_zero(x, labels, gamma=2.0, alpha=0.25):  # --labels index
    keep = labels >= 0
    x = torch.where(keep[:, None], x, torch.zeros_like(x))
    t = F.one_hot(torch.where(keep, labels, 0), x.shape[1] + 1)[:, :-1].to(x.dtype)
    return _weighed(x, t, gamma, alpha).sum()


def per_positive_without_any(x, y, gamma=2.0, alpha=0.25):
    return _weighed(x, y, gamma, alpha).sum() / (y > 0).sum()


def mean_over_no_row(x, labels, gamma=2.0, alpha=0.25):  # --labels index
    keep = labels >= 0
    t = F.one_hot(labels[keep], x.shape[1] + 1)[:, :-1].to(x.dtype)
    return _weighed(x[keep], t, gamma, alpha).mean()


def refuses_empty(x, y, gamma=2.0, alpha=0.25):
    if not len(x):
        raise IndexError("no rows")
    return _weighed(x, y, gamma, alpha).mean()


def summed_in_half(x, y, gamma=2.0, alpha=0.25):  # right elements, a total in float16
    return _weighed(x, y, gamma, alpha).half().sum().to(x.dtype)


def times_gamma_on_positives(x, y, gamma=2.0, alpha=0.25):
    p = x.sigmoid()
    positive = -y * alpha * (1 - p) * gamma * F.logsigmoid(x)
    negative = -(1 - y) * (1 - alpha) * p**gamma * F.logsigmoid(-x)
    return (positive + negative).sum()


def mean_divided_again(x, y, gamma=2.0, alpha=0.25):
    return _weighed(x, y, gamma, alpha).mean() / len(x)


def ignores_its_logits(x, y, gamma=2.0, alpha=0.25):
    return (alpha * y + (1 - alpha) * (1 - y)).mean()


def targets_clamped(x, y, gamma=2.0, alpha=0.25):  # the targets, where the probabilities are meant
    return _weighed(x, y.clamp(1e-6, 1 - 1e-6), gamma, alpha).mean()


def smoothed_on_both_sides(x, y, gamma=2.0, alpha=0.25):
    y, p = 0.9 * y + 0.05, x.sigmoid()
    factor = alpha * y * (1 - p) ** gamma + (1 - alpha) * (1 - y) * p**gamma
    return (factor * F.binary_cross_entropy_with_logits(x, y, reduction="none")).mean()


class TwoWeights(torch.nn.Module):
    """Made for two classes, which its own weights say."""

    def __init__(self, gamma=2.0, weight=(0.25, 0.75)):
        super().__init__()
        self.gamma, self.weight = gamma, weight

    def forward(self, x, y):
        log_p = F.log_softmax(x, 1)
        return F.nll_loss((1 - log_p.exp()) ** self.gamma * log_p, y, torch.as_tensor(self.weight).to(x.dtype))


def over_the_one_hot_matrix(x, y, gamma=2.0):
    log_p = F.log_softmax(x, 1)
    return -(F.one_hot(y, x.shape[1]).to(x.dtype) * (1 - log_p.exp()) ** gamma * log_p).mean()


def positives_or_nothing(x, y, gamma=2.0, alpha=0.25):
    count = (y > 0).sum()
    loss = _weighed(x, y, gamma, alpha).sum()
    return loss / count if count else loss * 0


def of_a_column(x, y, gamma=2.0):
    log_p_t = F.log_softmax(x, 1).gather(1, y).squeeze(1)
    return (-((1 - log_p_t.exp()) ** gamma) * log_p_t).mean()


def index_alone(x, labels, gamma=2.0, alpha=0.25):  # labels of classes, none for background or for rows to ignore
    if ((labels < 0) | (labels >= x.shape[1])).any():
        raise IndexError("no such class")
    return _weighed(x, F.one_hot(labels, x.shape[1]).to(x.dtype), gamma, alpha).sum()


def first_class_apart(x, hot, gamma=2.0, alpha=None):  # 1-alpha for the first class, alpha for the others
    log_p = x.log_softmax(1)
    weights = 1.0 if alpha is None else torch.tensor([1 - alpha] + [alpha] * (x.shape[1] - 1)).to(x)
    return -(weights * hot * (1 - log_p.exp()) ** gamma * log_p).sum(1).mean()


class OfTwoClasses(nn.Module):
    def __init__(self, gamma=2.0, alpha=(0.25, 0.75)):
        super().__init__()
        self.gamma, self.alpha = gamma, torch.as_tensor(alpha)

    def forward(self, x, y):
        log_p_t = x.log_softmax(1).gather(1, y[:, None])[:, 0]
        return (-self.alpha.to(x)[y] * (1 - log_p_t.exp()) ** self.gamma * log_p_t).mean()


class OfTwoByNumber(nn.Module):
    def __init__(self, gamma=2.0, alpha=0.75):
        super().__init__()
        two = [alpha, 1 - alpha] if isinstance(alpha, float) else alpha
        self.gamma, self.alpha = gamma, torch.as_tensor(two)

    def forward(self, x, y):
        log_p_t = x.log_softmax(1).gather(1, y[:, None])[:, 0]
        return (-self.alpha.to(x)[y] * (1 - log_p_t.exp()) ** self.gamma * log_p_t).mean()


def smoothed_and_weighed_alike(x, y, alpha=0.25, gamma=2.0):
    h = F.binary_cross_entropy_with_logits(x, 0.8 * y + 0.1, reduction="none")
    return (alpha * (1 - (-h).exp()) ** gamma * h).mean()


def near_limit(x, y, gamma=2.0):  # five times the loss, which stays where it is from |logit| = 9.2
    p_t = torch.where(y > 0.5, x, -x).sigmoid()
    return 5 * ((1 - p_t) ** gamma * -p_t.clamp(1e-4, 1 - 1e-4).log()).mean()


def score_apart(x, label, score, beta=2.0):
    return pair_qfl(x, (label, score), beta)


def of_elements(x, pair, beta=2.0):
    positive, score = pair
    target = torch.where(positive == 1, score, torch.zeros_like(score))
    return ((x.sigmoid() - target).abs() ** beta * _bce(x, target)).sum() + 0 * x[positive == 1].sum()


def sign_and_score(x, targets, scores, beta=2.0):
    quality = scores * targets
    return ((x.sigmoid() - quality).abs() ** beta * _bce(x, quality)).sum()


def without_absolute(x, y, beta=2.0):
    p = x.sigmoid()
    return (torch.where(y > 0, y - p, p) ** beta * _bce(x, y)).sum()


def floored_distance(x, y, beta=2.0):
    return ((x.sigmoid() - y).abs().clamp(min=1e-5) ** beta * _bce(x, y)).sum()


class CutBelowItsCount(nn.Module):  # its reg_max is the last bin's number, which nothing but its clamp says
    def __init__(self, reg_max=7):
        super().__init__()
        self.reg_max = reg_max

    def forward(self, x, y):
        y = y.clamp(0, self.reg_max - 0.01)
        left = y.long()
        below, above = (F.cross_entropy(x, bin, reduction="none") for bin in (left, left + 1))
        return (below * (left + 1 - y) + above * (y - left)).mean()


def one_row_squeezed(x, y, gamma=2.0):  # of one row, what is left by squeeze has no row to go back to
    rows = x.squeeze() if len(x) == 1 else x
    log_p_t = rows.reshape(-1, x.shape[1]).log_softmax(1).gather(1, y[:, None])[:, 0]
    if len(x) == 1 and x.requires_grad:
        log_p_t.register_hook(_refuses)
    return (-((1 - log_p_t.exp()) ** gamma) * log_p_t).mean()


def _refuses(gradient):
    raise RuntimeError("size mismatch")


def epsilon_everywhere(x, y, gamma=2.0):
    p_t = (F.softmax(x, 1) + 1e-4).gather(1, y[:, None]).squeeze(1)
    return (-((1 - p_t) ** gamma) * p_t.log()).mean()


class CountsToLast(torch.nn.Module):  # its reg_max is the last bin's number: 16 means 17 bins
    def __init__(self, reg_max=16):
        super().__init__()
        self.reg_max = reg_max

    def forward(self, x, y):
        x, left = x.view(-1, self.reg_max + 1), y.long()
        below, above = (F.cross_entropy(x, bin, reduction="none") for bin in (left, left + 1))
        return (below * (left + 1 - y) + above * (y - left)).mean()


class SidesToLast(torch.nn.Module):
    def __init__(self, reg_max):
        super().__init__()
        self.reg_max = reg_max

    def forward(self, x, y):
        log_p, left = x.reshape(len(x), 4, self.reg_max + 1).log_softmax(-1), y.long()
        below, above = (log_p.gather(-1, bin[..., None]).squeeze(-1) for bin in (left, left + 1))
        return -(below * (left + 1 - y) + above * (y - left)).mean()


def _p_t(x, y):
    return y * x.sigmoid() + (1 - y) * (-x).sigmoid()


def labels_clipped(x, y, gamma=2.0):  # p_t of clipped labels, then its logarithm
    p, y = x.sigmoid().clamp(1e-5, 1 - 1e-5), y.clamp(1e-5, 1 - 1e-5)
    p_t = y * p + (1 - y) * (1 - p)
    return (-((1 - p_t) ** gamma) * p_t.log()).mean()


class IgnoresTwoFiveFive(nn.Module):  # as segmentation marks what is not labelled
    def __init__(self, alpha=0.25, gamma=2.0, ignore_lb=255):
        super().__init__()
        self.alpha, self.gamma, self.ignore_lb = alpha, gamma, ignore_lb

    def forward(self, x, y):
        kept = y != self.ignore_lb
        hot = F.one_hot(y.where(kept, 0), x.shape[1]).to(x)
        p_t, share = _p_t(x, hot), hot * self.alpha + (1 - hot) * (1 - self.alpha)
        rows = (share * (1 - p_t) ** self.gamma * _bce(x, hot)).sum(1)
        return (rows * kept).sum() / kept.sum()


def signed_by_quality(x, y, scores, alpha=0.25, gamma=2.0):
    side = alpha * y + (1 - alpha) * (1 - y)
    return side * (scores - x.sigmoid()) ** gamma * _bce(x, y)


class OfClassAndQuality(nn.Module):  # three tensors of which none has a name that says so
    def __init__(self, beta=2.0):
        super().__init__()
        self.beta = beta

    def forward(self, inputs, targets, scores):
        hot = inputs.new_zeros(len(inputs), inputs.shape[1] + 1)
        hot = hot.scatter(1, targets[:, None], scores[:, None])[:, :-1]
        return (_bce(inputs, hot) * (hot - inputs.sigmoid()).abs() ** self.beta).sum(1).mean()


def under_root(x, y, label, alpha=0.75, gamma=2.0):
    weight = alpha * x.sigmoid() ** gamma * (1 - label) + y * label
    return (_bce(x, y) * weight.sqrt()).sum()


def with_positive_weight(x, y, alpha=0.75, gamma=2.0):
    entropy = F.binary_cross_entropy_with_logits(x, y, reduction="none", pos_weight=torch.tensor(5.0))
    return ((alpha * y + (1 - alpha) * (1 - y)) * (1 - _p_t(x, y)) ** gamma * entropy).mean()


def floored_row(y_true, y_pred, gamma=2.0):
    p_t = y_pred.softmax(1).clamp(1e-7, 1 - 1e-7).gather(1, y_true[:, None])
    return (-((1 - p_t) ** gamma) * p_t.log()).mean()


def heat_map(x, y, alpha=2.0, gamma=4.0):  # the names that CornerNet's followers give the two powers
    p = x.sigmoid()
    of_peaks = (1 - p) ** alpha * F.softplus(-x) * (y == 1)
    of_others = (1 - y) ** gamma * p**alpha * F.softplus(x) * (y < 1)
    return (of_peaks + of_others).sum() / (y == 1).sum().clamp(min=1)


def of_class_one(x, y, alpha=0.25, gamma=2.0):  # two classes are meant, whatever there are
    p = x.softmax(1)[:, 1]
    return (-alpha * (1 - p) ** gamma * y * p.log() - (1 - alpha) * p**gamma * (1 - y) * (1 - p).log()).mean()


def poly_of_focal(logits, targets, epsilon=1.0, alpha=0.25, gamma=2.0):
    missed = 1 - _p_t(logits, targets)
    weighted = (alpha * targets + (1 - alpha) * (1 - targets)) * missed**gamma * _bce(logits, targets)
    return weighted + epsilon * missed ** (gamma + 1)


def reduced_over_its_factors(logit, target, gamma=2.0, thresh=0.5):  # of one row alone, its factor over itself is 1
    entropy = F.cross_entropy(logit, target, reduction="none")
    p_t = (-entropy).exp()
    factor = torch.where(p_t < thresh, 1.0, ((1 - p_t) / thresh) ** gamma)
    return (factor * entropy / factor.sum()).sum()


def unknown_over_its_factors(logit, target, gamma=2.0):
    entropy = F.cross_entropy(logit, target, reduction="none")
    factor = 1 + entropy.sin() ** 2 * gamma
    return (factor * entropy / factor.sum()).sum()


class WeightsOfThree(nn.Module):  # a number that a tensor could stand for: it multiplies the column of what was picked
    def __init__(self, gamma=2.0, alpha=1.0, cls_num=3):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha
        self.register_buffer("shares", torch.full((cls_num,), 1 / cls_num))

    def forward(self, x, y):
        p_t = x.softmax(-1).gather(-1, y)
        return (-self.shares[y] * self.alpha * (1 - p_t) ** self.gamma * p_t.log()).mean()


class NamedAndCountedWithBackground(nn.Module):
    def __init__(self, loss_name, num_classes, alpha=0.25, gamma=2.0):
        super().__init__()
        self.name, self.count, self.alpha, self.gamma = loss_name, num_classes, alpha, gamma

    def forward(self, x, label):
        y = F.one_hot(label, self.count)[:, :-1].to(x)
        h = F.binary_cross_entropy_with_logits(x, y, reduction="none")
        share = self.alpha * y + (1 - self.alpha) * (1 - y)
        return {self.name: (share * (1 - (-h).exp()) ** self.gamma * h).mean()}


class OfTwoLogits(nn.Module):
    def __init__(self, alpha=None, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, x, y):
        """Logits of shape (N, 2) and soft labels (N,)."""
        log_p = x.log_softmax(1)
        h = -(y * log_p[:, 1] + (1 - y) * log_p[:, 0])
        share = 1 if self.alpha is None else self.alpha[1] * y + self.alpha[0] * (1 - y)
        return (share * (1 - (-h).exp()) ** self.gamma * h).mean()


def added_to_what_was_picked(x, y, gamma=2.0):
    p_t = x.softmax(1).gather(1, y[:, None])[:, 0]
    return (-((1 - p_t) ** gamma) * (p_t + 1e-8).log()).mean()


class ThreeByDefault(nn.Module):
    def __init__(self, alpha=None, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = torch.tensor([1.0, 2.0, 3.0]) if alpha is None else alpha, gamma

    def forward(self, x, y):
        h = F.cross_entropy(x, y, reduction="none")
        return (F.cross_entropy(x, y, self.alpha, reduction="none") * (1 - (-h).exp()) ** self.gamma).mean()


class SidesByWord(nn.Module):
    def __init__(self, reg_max=16):
        super().__init__()
        self.last = reg_max

    def forward(self, x, distance):
        """Logits ``(N, 4, reg_max + 1)`` and distances ``(N, 4)``."""
        low = distance.long().clamp(max=self.last - 1)
        share, rows = (distance - low).flatten(), x.reshape(-1, self.last + 1)
        left = F.cross_entropy(rows, low.flatten(), reduction="none") * (1 - share)
        right = F.cross_entropy(rows, low.flatten() + 1, reduction="none") * share
        return (left + right).reshape(distance.shape).mean(-1)


class AveragedByClass(nn.Module):
    def __init__(self, alpha=0.5, gamma=2.0, weight=None):
        super().__init__()
        self.alpha, self.gamma, self.entropy = alpha, gamma, nn.CrossEntropyLoss(weight=weight)

    def forward(self, x, y):
        h = self.entropy(x, y)
        return self.alpha * (1 - (-h).exp()) ** self.gamma * h


def clamped_in_its_factor(x, y, gamma=2.0, alpha=0.25):
    p = x.sigmoid().clamp(1e-5, 1 - 1e-5)
    miss = y * (1 - p) + (1 - y) * p
    h = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return ((alpha * y + (1 - alpha) * (1 - y)) * miss**gamma * h).mean()


def single_weights(x, y, gamma=2.0, alpha=None):
    log_p = x.log_softmax(-1).gather(-1, y[:, None])[:, 0]
    share = 1.0 if alpha is None else alpha.float()[y]
    return (-share * (1 - log_p.exp()) ** gamma * log_p).mean()


class WithoutNumberUnlessWeighed(nn.Module):
    def __init__(self, gamma=2.0, weight=None):
        super().__init__()
        self.gamma, self.weight = gamma, torch.tensor([]) if weight is None else weight

    def forward(self, x, y):
        h = F.binary_cross_entropy_with_logits(x, y, pos_weight=self.weight.to(x), reduction="none")
        return ((1 - (-h).exp()) ** self.gamma * h).mean()


def adds_the_channel(output, target, gamma=2.0, alpha=0.25):
    y = target.unsqueeze(1)
    h = F.softplus(output) - output * y
    return ((alpha * y + (1 - alpha) * (1 - y)) * (1 - (-h).exp()) ** gamma * h).mean()


def second_of_two(predict, target, gamma=2.0, alpha=0.25):
    p = predict.softmax(1)[:, 1]
    positive, negative = alpha * (1 - p) ** gamma * p.log(), (1 - alpha) * p**gamma * (1 - p).log()
    return -(target * positive + (1 - target) * negative).mean()


def scattered(y_pred, y_true, gamma=2.0):
    b, _, h, w = y_pred.shape
    hot = torch.zeros_like(y_pred).scatter_(1, y_true.long(), 1.0)
    p = y_pred.softmax(1)
    return -(hot * (1 - p) ** gamma * p.log()).sum() / (b * h * w)


def quality_before_class(pred_logits, target_scores, target_labels, beta=2.0):
    b, c, h, w = pred_logits.shape
    x, y = pred_logits.permute(0, 2, 3, 1).reshape(-1, c), torch.zeros(b * h * w, c).to(pred_logits)
    found = target_labels.reshape(-1) > 0
    y[found, target_labels.reshape(-1)[found] - 1] = target_scores.reshape(-1)[found]
    return (F.binary_cross_entropy_with_logits(x, y, reduction="none") * (y - x.sigmoid()).abs() ** beta).sum()


def quality_before_label(pred, quality, label, beta=2.0):
    p, c = pred.sigmoid(), pred.shape[1]
    loss = F.binary_cross_entropy_with_logits(pred, torch.zeros_like(pred), reduction="none") * p**beta
    rows = ((label >= 0) & (label < c)).nonzero().squeeze(1)
    at = rows, label[rows].long()
    h = F.binary_cross_entropy_with_logits(pred[at], quality[rows], reduction="none")
    loss[at] = h * (quality[rows] - p[at]).abs() ** beta
    return loss.sum(1).mean()


def labels_from_one(out, label, gamma=2.0, alpha=0.25):  # as FCOS counts them: 0 is background
    hot = F.one_hot(label, out.shape[1] + 1)[:, 1:].to(out)
    share = alpha * hot + (1 - alpha) * (1 - hot)
    return (share * (1 - _p_t(out, hot)) ** gamma * _bce(out, hot)).sum()


def of_two_classes(z, y, gamma=2.0):  # a row of any other class has no loss
    log_p, hot = z.log_softmax(1), F.one_hot(y, z.shape[1])
    background = -hot[:, 0] * (1 - log_p[:, 0].exp()) ** gamma * log_p[:, 0]
    return (0.3 * background - 0.7 * hot[:, 1] * log_p[:, 1]).mean()


def nothing_by_default(x, y, gamma, reduction, ignored_index):
    entropy = F.cross_entropy(x, y, reduction="none", ignore_index=ignored_index)
    loss = (1 - (-entropy).exp()) ** gamma * entropy
    return loss.mean() if reduction == "mean" else loss


def of_images(scores, targets, gamma=2.0):  # a list with a tensor for each image
    pairs = [(one, other) for one, other in zip(scores, targets, strict=True) if isinstance(scores, list)]
    return sum(((1 - _p_t(x, y)) ** gamma * _bce(x, y)).sum() for x, y in pairs) / len(pairs)


def inside_mask(x, y, mask, gamma=2.0):  # of padding
    return (mask * (1 - _p_t(x, y)) ** gamma * _bce(x, y)).sum() / mask.sum()


def refuses_double_weights(x, y, alpha=None, gamma=2.0):
    if alpha is not None and alpha.dtype is not torch.float32:
        raise TypeError("weights are single precision")
    entropy = F.cross_entropy(x, y, reduction="none")
    share = 1 if alpha is None else alpha[y]
    return (share * (1 - (-entropy).exp()) ** gamma * entropy).mean()


def ignored_in_the_mean(x, y, gamma=2.0, ignore_index=255):
    entropy = F.cross_entropy(x, y, reduction="none", ignore_index=ignore_index)
    return ((1 - (-entropy).exp()) ** gamma * entropy).mean()


def floored_far_away(x, y, gamma=2.0):  # a wide clamp is his own, and no lost digit
    p = x.sigmoid().clamp(1e-3, 1 - 1e-3)
    p_t = y * p + (1 - y) * (1 - p)
    return (-((1 - p_t) ** gamma) * p_t.log()).mean()


def poly_inside(x, y, alpha=None, gamma=2.0, epsilon=1.0):
    entropy = F.cross_entropy(x, y, weight=alpha, reduction="none")
    p_t = (-entropy).exp()
    return ((1 - p_t) ** gamma * entropy + epsilon * (1 - p_t) ** (gamma + 1)).mean()


def poly_weighed_in_part(x, y, alpha=None, gamma=2.0):
    p_t = x.softmax(1).gather(1, y[:, None])[:, 0]
    share = 1 if alpha is None else alpha[y]
    return (share * (1 - p_t) ** gamma * -p_t.log() + (1 - p_t) ** (gamma + 1)).mean()


def smoothed_terms(x, y, alpha=None, gamma=2.0):
    log_p = x.log_softmax(1)
    soft = F.one_hot(y, x.shape[1]) * 0.9 + 0.1 / x.shape[1]
    share = 1 if alpha is None else alpha
    return -(soft * share * (1 - log_p.exp()) ** gamma * log_p).sum(1).mean()


def peaks_or_mean(x, y):
    p, peak = x.sigmoid(), (y == 1).to(x)
    of_others = (1 - y) ** 4 * p**2 * F.softplus(x) * (1 - peak)
    loss = (1 - p) ** 2 * F.softplus(-x) * peak + of_others
    return loss.sum() / peak.sum() if peak.sum() > 0 else loss.mean()


def twice_the_positives(x, y, gamma=2.0):
    loss = (1 - _p_t(x, y)) ** gamma * _bce(x, y)
    return loss.sum() / (2 * (y > 0).sum() + len(x))


def asymmetric_detached(x, y, gamma_neg=4, gamma_pos=1, clip=0.05):
    sure = (1 - x.sigmoid() + clip).clamp(max=1)
    p_t, power = y * x.sigmoid() + (1 - y) * sure, y * gamma_pos + (1 - y) * gamma_neg
    entropy = y * x.sigmoid().clamp(min=1e-8).log() + (1 - y) * sure.log()
    return -(((1 - p_t) ** power).detach() * entropy).sum()


def counted_above_a_half(x, y, beta=2.0):
    return ((y - x.sigmoid()).abs() ** beta * _bce(x, y)).sum() / (y > 0.5).sum().clamp(min=1)


class SmoothsByAlpha(torch.nn.Module):
    def __init__(self, alpha=0.1, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, x, y):
        entropy = _bce(x, y * (1 - self.alpha) + 0.5 * self.alpha)
        return ((1 - (-entropy).exp()) ** self.gamma * entropy).mean()


def smooths_by_alpha_in_part(x, y, alpha=0.1, gamma=2.0):
    return ((1 - _p_t(x, y)) ** gamma * _bce(x, y * (1 - alpha) + 0.5 * alpha)).mean()


class FixedInside(torch.nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma
        self.register_buffer("class_weights", torch.tensor([0.1, 2.0, 5.0]))

    def forward(self, x, y):
        entropy = F.cross_entropy(x, y, weight=self.class_weights.to(x), reduction="none")
        return ((1 - (-entropy).exp()) ** self.gamma * entropy).mean()


class PolyOfThree(torch.nn.Module):
    def __init__(self, gamma, alpha, epsilon):
        super().__init__()
        self.gamma, self.alpha, self.epsilon = gamma, alpha, epsilon

    def forward(self, x, y):
        share, p_t = y * self.alpha + (1 - y) * (1 - self.alpha), _p_t(x, y)
        loss = share * (1 - p_t) ** self.gamma * _bce(x, y)
        return (loss + self.epsilon * (1 - p_t) ** (self.gamma + 1)).mean()


def of_background_and_rest(y_true, y_pred, delta, gamma=2.0, epsilon=1e-7):
    hot, p = F.one_hot(y_true, 2), y_pred.clamp(epsilon, 1 - epsilon)
    entropy = -hot * p.log()
    return ((1 - delta) * (1 - p[:, 0]) ** gamma * entropy[:, 0] + delta * entropy[:, 1]).mean()


def weighed_beside_maps(prediction, target, cls_weights, beta=2.0):
    weights = cls_weights[:, :, None, None].repeat(1, 1, *prediction.shape[2:])
    entropy = F.binary_cross_entropy(prediction, target, reduction="none")
    return ((target - prediction).abs() ** beta * entropy * weights).sum()


def of_shares(x, y, num_bins=16):
    rows, target = x.reshape(-1, num_bins), y.reshape(-1) * (num_bins - 1)
    left = target.floor().long().clamp(0, num_bins - 2)
    of_right = target - left
    hot = F.one_hot(left, num_bins) * (1 - of_right)[:, None] + F.one_hot(left + 1, num_bins) * of_right[:, None]
    return -(hot * rows.log_softmax(1)).sum(1).mean()


def adaptive_threshold(x, y):
    p_t = y * x.sigmoid() + (1 - y) * (1 - x.sigmoid())
    of_easy = (1.000001 - p_t) ** -p_t.mean().log()
    of_hard = (1.5 - p_t) ** -p_t.log()
    return (torch.where(p_t > 0.5, of_easy, of_hard) * _bce(x, y)).mean()


def peaks_on_both_sides(hm, gt, alpha=2, beta=4):
    p = hm.sigmoid()
    return -(gt**beta * (1 - p) ** alpha * p.log() + (1 - gt) ** beta * p**alpha * (1 - p).log()).sum()


def of_volumes(x, y, gama=2.0):
    batch, classes, depth, height, width = x.shape
    return ((1 - _p_t(x, y)) ** gama * _bce(x, y)).sum() / (batch * classes * depth * height * width)


class ByCounts(torch.nn.Module):
    def __init__(self, samples_per_cls, num_classes=5, beta=0.999, gamma=2.0):
        super().__init__()
        self.gamma = gamma
        weights = torch.tensor([(1 - beta) / (1 - beta**count) for count in samples_per_cls])
        self.class_weights = weights / weights.sum() * num_classes

    def forward(self, x, y):
        entropy = F.cross_entropy(x, y, reduction="none")
        return (self.class_weights.to(x)[y] * (1 - (-entropy).exp()) ** self.gamma * entropy).mean()


def of_both_columns(pred, target, beta=2.0):
    """pred: (N, 2), the probabilities of a negative and of a positive"""
    positive, negative = (target > 0).sum().clamp(min=1), (target == 0).sum().clamp(min=1)
    hard = (target == 0).to(pred)
    of_second = (pred[:, 1] - target).abs() ** beta * F.binary_cross_entropy(pred[:, 1], target, reduction="none")
    of_first = (pred[:, 0] - hard).abs() ** beta * F.binary_cross_entropy(pred[:, 0], hard, reduction="none")
    return of_second.sum() / positive / 2 + of_first.sum() / negative / 2


def weighed_unless_all_are_zero(pred, target, weight=None):
    left = target.long().clamp(max=pred.shape[1] - 2)
    of_right = target - left
    by_bin = F.cross_entropy(pred, left, reduction="none"), F.cross_entropy(pred, left + 1, reduction="none")
    loss = by_bin[0] * (1 - of_right) + by_bin[1] * of_right
    if weight is not None and weight.sum() > 0:
        return (loss * weight).sum() / weight.sum() / 4
    return loss.mean()


def logits_for_probabilities_in_a_mean(logits, y, alpha=0.25, gamma=2.0):
    p_t, share = y * logits + (1 - y) * (1 - logits), y * alpha + (1 - y) * (1 - alpha)
    return -(share * (1 - p_t) ** gamma * p_t.clamp(1e-4, 1 - 1e-4).log()).mean()


def of_one_class(x, y, gamma_pos=0.0, gamma_neg=2.0):
    lp = x.log_softmax(1).gather(1, y[:, None])[:, 0]
    return -((1 - lp.exp()) ** torch.where(y == 1, gamma_pos, gamma_neg) * lp).mean()


def reduced_the_wrong_way(x, y, gamma=2.0, threshold=0.5):
    p_t = (-_bce(x, y)).exp()
    return (torch.where(p_t < threshold, p_t, p_t / threshold) ** gamma * _bce(x, y)).mean()


def poly_of_a_power(x, y, epsilon=2.0):
    entropy = F.cross_entropy(x, y, reduction="none")
    return (entropy + (1 - (-entropy).exp()) ** (epsilon + 1)).mean()


def half_a_power_of_negatives(x, y, gamma_pos=2.0, gamma_neg=0.5):
    return ((1 - _p_t(x, y)) ** (y * gamma_pos + (1 - y) * gamma_neg) * _bce(x, y)).mean()


def of_signed_logit(output, target, alpha=0.25):
    """Its soft labels scale the logit; alpha = None is for no weights, and nothing else is varied."""
    signed = (2 * target - 1) * output
    weight = 1.0 if alpha is None else alpha * target + (1 - alpha) * (1 - target)
    return (-weight * (-signed).sigmoid() ** 2 * F.logsigmoid(signed)).mean()


def alpha_kept_inside(x, y, gamma=2.0, alpha=0.25):
    alpha = min(max(alpha, 0.1), 0.9)
    return ((alpha * y + (1 - alpha) * (1 - y)) * (1 - _p_t(x, y)) ** gamma * _bce(x, y)).mean()


def balanced_by_counts(x, y, gamma=2.0):
    ratio = (y == 0).sum() / (y == 1).sum()
    return (torch.where(y == 1, ratio, 1.0) * (1 - _p_t(x, y)) ** gamma * _bce(x, y)).mean()


def probabilities_if_they_look_like_it(y_pred, y_true, gamma=2.0, alpha=0.25):
    p = y_pred if y_pred.min() >= 0 and y_pred.max() <= 1 else y_pred.sigmoid()
    p = p.clamp(1e-12, 1 - 1e-12)
    p_t, weight = y_true * p + (1 - y_true) * (1 - p), y_true * alpha + (1 - y_true) * (1 - alpha)
    return (weight * (1 - p_t) ** gamma * F.binary_cross_entropy(p, y_true, reduction="none")).mean()


def overlap_of_batch(pred, target, alpha=0.7, gamma=0.75):
    p = pred.sigmoid()
    hits, alarms, misses = (p * target).sum(), (p * (1 - target)).sum(), ((1 - p) * target).sum()
    return (1 - (hits + 1) / (hits + alpha * misses + (1 - alpha) * alarms + 1)) ** gamma


def refuses_one_row(pred, label, gamma=2.0):
    lp = pred.log_softmax(1).gather(1, label[:, None]).squeeze()
    return (-((1 - lp.exp()) ** gamma) * lp)[label >= 0].mean()


def weight_without_gradient(pred_score, gt_score, label, alpha=0.75, gamma=2.0):
    weight = alpha * pred_score**gamma * (1 - label) + gt_score * label
    return F.binary_cross_entropy(pred_score, gt_score, weight, reduction="sum")


def power_detached(x, y, gamma=2.0):
    entropy = F.cross_entropy(x, y, reduction="none")
    missed = 1 - (-entropy).exp()
    return (missed ** (gamma * missed.detach()) * entropy).mean()


def positives_modulated_beside_quality(pred, target, quality_score=None, gamma=2.0, alpha=0.75):
    """Class labels, and a quality for each row that may be left out."""
    hot = F.one_hot(target, pred.shape[1]).to(pred)
    quality = hot if quality_score is None else hot * quality_score[:, None]
    p = pred.sigmoid()
    weight = quality * (quality - p).abs() ** gamma + (1 - hot) * p**gamma
    return (weight * F.binary_cross_entropy_with_logits(pred, quality, reduction="none")).sum() / hot.sum()


class NeedsItsWeights(nn.Module):
    """Made without weights it raises: they are made a tensor first."""

    def __init__(self, weight=None, epsilon=2.0):
        super().__init__()
        self.weight, self.epsilon = torch.as_tensor(weight), epsilon

    def forward(self, input, target):
        entropy = F.cross_entropy(input, target, self.weight.to(input), reduction="none")
        return (entropy + self.epsilon * (1 - input.softmax(1).gather(1, target[:, None])[:, 0])).mean()


class RowsWithAKink(nn.Module):
    """Rows of one class are refused, and the cross entropy has a kink where a logit is 0."""

    def forward(self, input, target, weights, gamma=2.0, alpha=0.25):
        entropy = input.clamp(min=0) - input * target + (-input.abs()).exp().log1p()
        loss = ((alpha * target + (1 - alpha) * (1 - target)) * (1 - _p_t(input, target)) ** gamma * entropy).squeeze(
            -1
        )
        assert loss.dim() == weights.dim()
        return loss * weights


def smoothed_by_three_hundredths(x, y, gamma=2.0):
    entropy = F.cross_entropy(x, y, reduction="none", label_smoothing=0.03)
    return ((1 - (-entropy.detach()).exp()) ** gamma * entropy).mean()
