"""How functions are written in public code, and that a check finds out how each is called."""

import numpy
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (as everybody writes it)

from focalbench_suite.suites.check import CannotCall, Options, check, identify
from focalbench_suite.suites.check.asserting import as_text


def quality_focal(cls_target, cls_logits, beta=2.0):
    entropy = F.binary_cross_entropy_with_logits(cls_logits, cls_target, reduction="none")
    return (entropy * (cls_target - cls_logits.sigmoid()).abs() ** beta).sum()


def of_two_arguments(pred, label, score, beta=2.0):
    """The pair (class index, quality) as two arguments; the index C is background."""
    classes = pred.shape[-1]
    targets = F.one_hot(label, classes + 1)[:, :classes] * score[:, None]
    return quality_focal(targets, pred, beta)


def after_background(pred, label, score, beta=2.0):
    """The same with label 0 for background and 1 … C for the classes, as the paper's authors publish it."""
    return of_two_arguments(pred, (label - 1) % (pred.shape[-1] + 1), score, beta)


class CalledItself(torch.nn.Module):
    """A module that is called by its own ``__call__``, as Ultralytics' distribution focal loss is."""

    def __call__(self, pred_dist, target):
        left = target.long()
        right = (left + 1).clamp(max=pred_dist.shape[-1] - 1)
        near = F.cross_entropy(pred_dist, left, reduction="none") * (left + 1 - target)
        return near + F.cross_entropy(pred_dist, right, reduction="none") * (target - left)


class WithoutSelf(torch.nn.Module):
    @staticmethod
    def forward(pred_score, gt_score, label, alpha=0.75, gamma=2.0):
        weight = alpha * pred_score.sigmoid() ** gamma * (1 - label) + gt_score * label
        return (F.binary_cross_entropy_with_logits(pred_score, gt_score, reduction="none") * weight).mean(1).sum()


def in_single_precision(logits, target, gamma=2.0, alpha=None):
    """Its class weights are made single, which torch does not multiply into double logits."""
    weight = None if alpha is None else alpha.float()
    entropy = F.cross_entropy(logits, target, reduction="none")
    weights = 1.0 if weight is None else weight[target]
    return (weights * (1 - (-entropy).exp()) ** gamma * entropy).mean() + 0 * F.cross_entropy(logits, target, weight)


class OfLabels(torch.nn.Module):
    def __init__(self, num_labels, gamma=2.0):
        super().__init__()
        self.num_labels, self.gamma = num_labels, gamma

    def forward(self, input, target):
        hot = F.one_hot(target, self.num_labels).to(input.dtype)
        logp = (input.log_softmax(-1) * hot).sum(-1)
        return (-((1 - logp.exp()) ** self.gamma) * logp).mean()


def weighed(logits, targets, pos_weight, gamma=2.0):
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=pos_weight)
    missed = targets * (-logits).sigmoid() + (1 - targets) * logits.sigmoid()
    return (missed**gamma * entropy).mean()


def over_lines(inputs, targets, num_lines, alpha=0.25, gamma=2.0):
    """Divided by the number of something that is in the picture."""
    p, entropy = inputs.sigmoid(), F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    missed = p * (1 - targets) + (1 - p) * targets
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * missed**gamma * entropy).sum() / num_lines


class OfLogProbabilities(torch.nn.Module):
    def __init__(self, alpha=None, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, log_probs, targets):
        logp = log_probs.gather(1, targets[:, None])[:, 0]
        weights = 1.0 if self.alpha is None else self.alpha[targets]
        return (-weights * (1 - logp.exp()) ** self.gamma * logp).mean()


class AsItWasMade(torch.nn.Module):
    """A gamma that is None in the call is the one that the module was made with."""

    def __init__(self, gamma=2.0, weight=None):
        super().__init__()
        self.gamma, self.entropy = gamma, torch.nn.CrossEntropyLoss(weight, reduction="none")

    def forward(self, input, target, gamma=None):
        missed = 1 - input.softmax(1).gather(1, target[:, None])[:, 0]
        return (missed ** (self.gamma if gamma is None else gamma) * self.entropy(input, target)).sum()


class WeightsBesideAlpha(torch.nn.Module):
    def __init__(self, class_weights, alpha=1.0, gamma=2.0):
        super().__init__()
        self.class_weights, self.alpha, self.gamma = class_weights, alpha, gamma

    def forward(self, logits, targets):
        entropy = F.cross_entropy(logits, targets, reduction="none")
        return (self.alpha * self.class_weights[targets] * (1 - (-entropy).exp()) ** self.gamma * entropy).mean()


def of_five_classes(logits, targets, gamma=2.0, alpha_weights=(1.0, 3.0, 6.0, 15.0, 35.0)):
    hot, logp = F.one_hot(targets, 5), logits.log_softmax(-1)
    logp = (logp * hot).sum(-1)
    weights = (torch.as_tensor(alpha_weights, dtype=logits.dtype) * hot).sum(-1)
    return (-weights * (1 - logp.exp()) ** gamma * logp).mean()


def side_by_side(logits, targets, reg_max):
    """The bins of the four sides of a box in one row; the mean over the sides."""
    rows, targets = logits.reshape(-1, reg_max + 1).log_softmax(-1), targets.reshape(-1)
    left = targets.long()
    near = rows.gather(1, left[:, None])[:, 0] * (left + 1 - targets)
    far = rows.gather(1, (left + 1).clamp(max=reg_max)[:, None])[:, 0] * (targets - left)
    return -(near + far).reshape(-1, 4).mean(1)


class OfThreeClasses(torch.nn.Module):
    """Three weights that are written in it."""

    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma, self.class_weights = gamma, torch.tensor([0.1, 2.0, 15.0])

    def forward(self, logits, target):
        missed = 1 - logits.softmax(1).gather(1, target[:, None])[:, 0]
        return (missed**self.gamma * F.cross_entropy(logits, target, self.class_weights, reduction="none")).mean()


class OfProject(torch.nn.Module):
    """The settings of the whole project come first, and nothing of them is used."""

    def __init__(self, cfg, gamma=2.0):
        super().__init__()
        self.cfg, self.gamma = cfg, gamma

    def forward(self, x, target):
        return in_single_precision(x, target, self.gamma)


def of_heat_map(pred, target, gamma=2.0, alpha=0.25):
    return as_in_keras(target, pred, gamma, alpha)


@pytest.mark.parametrize(
    ("function", "loss", "words"),
    [
        (over_lines, "focal", "num_lines = 1"),
        (OfLogProbabilities, "softmax_focal", "log_probs = log-probabilities (N, C)"),
        (AsItWasMade, "softmax_focal", "gamma, weight = alpha"),
        (WeightsBesideAlpha, "softmax_focal", "class_weights = alpha"),
        (of_five_classes, "softmax_focal", "alpha_weights = alpha"),
        (side_by_side, "distribution_focal", "reg_max = K-1"),
        (OfProject, "softmax_focal", "cfg = None"),
        (quality_focal, "quality_focal", "cls_target = targets (N, C), cls_logits = logits (N, C)"),
        (of_two_arguments, "quality_focal", "label = class index (N,), beta, score = quality (N,)"),
        (after_background, "quality_focal", "label = class index from 1, 0 for background (N,)"),
        (CalledItself, "distribution_focal", "pred_dist = logits (N, K), target = targets (N,)"),
        (WithoutSelf, "varifocal", "pred_score = logits (N, C), gt_score = targets (N, C)"),
        (in_single_precision, "softmax_focal", "target = class index (N,)"),
        (OfLabels, "softmax_focal", "num_labels = C"),
        (weighed, "focal", "pos_weight = ones (N, C)"),
    ],
)
def test_how_it_is_called_is_found_out(function, loss, words):
    verdict = check(function, loss)
    assert words in verdict.how
    assert verdict.verdict != "different", [finding.plain for finding in verdict.findings]


def as_in_keras(y_true, y_pred, gamma=2.0, alpha=0.25):
    hit = torch.where(y_true == 1, y_pred, torch.ones_like(y_pred)).clamp(1e-7, 1 - 1e-7)
    miss = torch.where(y_true == 0, y_pred, torch.zeros_like(y_pred)).clamp(1e-7, 1 - 1e-7)
    return -(alpha * (1 - hit) ** gamma * hit.log() + (1 - alpha) * miss**gamma * (1 - miss).log()).sum()


def of_logits(logits, targets, gamma=2.0, alpha=0.25):
    """The same of what it calls logits: it forgot its sigmoid."""
    return as_in_keras(targets, logits, gamma, alpha)


def test_what_keras_calls_its_probabilities_is_given_them_where_it_cuts_them_off():
    verdict = check(as_in_keras, "focal", Options(labels="hard"))
    assert "y_true = targets (N, C), y_pred = probabilities (N, C)" in verdict.how
    assert verdict.verdict != "different", [finding.plain for finding in verdict.findings]
    assert check(of_logits, "focal", Options(labels="hard")).verdict == "different"


def test_what_cuts_off_beyond_0_and_1_is_given_probabilities_unless_a_name_speaks_of_logits():
    assert "pred = probabilities (N, C)" in check(of_heat_map, "focal", Options(labels="hard")).how
    assert "logits = logits (N, C)" in check(of_logits, "focal", Options(labels="hard")).how


def of_class_one(logits, targets, alpha=0.25, gamma=2.0):
    """One number weighs class 1, and what is left of 1 every other class."""
    entropy = F.cross_entropy(logits, targets, reduction="none")
    return (torch.where(targets == 1, alpha, 1 - alpha) * (1 - (-entropy).exp()) ** gamma * entropy).mean()


def test_a_number_that_weighs_one_class_and_the_rest_is_told_apart_from_the_loss():
    verdict = check(of_class_one, "softmax_focal")
    assert verdict.formula == "mean of (1-p_t)^gamma · -log p_t"
    assert "alpha = 0.5, one number for all classes, and the loss divided by 0.5" in verdict.how
    weights = next(dict(one.change.values)["weights"] for one in verdict.findings if one.kind == "alpha")
    assert weights == pytest.approx((0.75, 0.25, 0.75))


def test_a_quarter_is_told_from_one_over_the_number_of_classes():
    def scaled(logits, targets, class_weights, alpha=0.25, gamma=2.0):
        return WeightsBesideAlpha(class_weights, alpha, gamma)(logits, targets)

    told = [finding.plain["statement"] for finding in check(scaled, "softmax_focal").findings]
    assert told[0] == "multiplies every loss by the constant 0.25"


def test_a_loss_of_class_indices_is_not_identified_as_one_of_soft_labels():
    def of_rows(logits, label, alpha=None, gamma=0):
        """It takes no label for background, and its alpha is a weight of each class."""
        hot = F.one_hot(label, logits.shape[1]).to(logits.dtype)
        weights = 1.0 if alpha is None else (alpha * hot).sum(1)
        entropy = F.binary_cross_entropy_with_logits(logits, hot, reduction="none")
        missed = (1 - hot) * logits.sigmoid() + hot * (-logits).sigmoid()
        return (weights * (missed**gamma * entropy).sum(1)).sum()

    assert identify(of_rows).loss == "focal"


class OneMeanOfFocal(torch.nn.Module):
    """Its name says focal, its labels and its cross entropy say which one."""

    def __init__(self, gamma=2, alpha=0.5, weight=None):
        super().__init__()
        self.gamma, self.alpha, self.weight = gamma, alpha, weight

    def forward(self, preds, labels):
        entropy = F.cross_entropy(preds, labels, weight=self.weight)
        return self.alpha * (1 - (-entropy).exp()) ** self.gamma * entropy


def test_a_loss_of_class_indices_is_identified_as_the_softmax_focal_loss():
    assert identify(OneMeanOfFocal).loss == "softmax_focal"


class OfTransposedLists(torch.nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, preds, targets):
        return sum((one - targets.transpose(1, 2)).sum() for one in preds)


def test_what_is_called_in_no_known_form_is_refused_with_a_wrapper_to_paste():
    with pytest.raises(CannotCall) as refused:
        check(OfTransposedLists, "focal")
    assert "def wrapped(logits, targets, gamma=2.0): return OfTransposedLists(gamma=gamma)(logits, targets)" in str(
        refused.value
    )


def test_a_function_of_three_classes_is_asked_with_three():
    verdict = check(OfThreeClasses, "softmax_focal")
    weights = next(finding for finding in verdict.findings if finding.kind == "alpha").plain["statement"]
    assert "0.1 at y = 0" in weights
    assert "15 at y = 2" in weights


def test_a_number_that_is_a_power_is_not_called_a_scale():
    def powered(logits, targets, gamma=2.0, alpha=1.0):
        entropy = F.cross_entropy(logits, targets, reduction="none")
        return ((1 - (-entropy).exp()) ** (alpha + 0 * gamma) * entropy).mean()

    told = [finding.plain["statement"] for finding in check(powered, "softmax_focal").findings]
    assert any("alpha is one number and no weight" in statement for statement in told)


def test_a_long_list_of_numbers_is_cut_where_it_is_shown():
    def barely_cut(logits, targets):
        targets = targets.clamp(max=logits.shape[1] - 1 - 1e-6)
        return CalledItself()(logits, targets).mean()

    verdict = check(barely_cut, "distribution_focal", Options(bins=16))
    assert "…]" in as_text(verdict)
    assert "…" not in verdict.plain["findings"][0]["expected"]


def test_a_label_that_no_comparison_meets_has_no_loss_but_what_a_clamp_leaves():
    told = [finding.plain["statement"] for finding in check(as_in_keras, "focal").findings]
    assert told[0] == "elements with a label between 0 and 1 have no loss"


def test_what_a_function_raises_is_told_with_its_line():
    def careless(logits, targets, gamma=2.0):
        assert logits.size == targets.size()
        return logits.sum()

    with pytest.raises(
        CannotCall, match=r"AssertionError: .*\(test_binding.py:\d+: assert logits.size == targets.size\("
    ):
        check(careless, "focal")


def test_arrays_of_another_library_are_named():
    with pytest.raises(CannotCall, match="computes with numpy, and a check calls with torch's tensors; wrap it"):
        check(numpy_alone(), "focal")


def numpy_alone():
    """A function of a module that imports numpy and no torch."""
    scope = {"np": numpy, "__name__": "elsewhere"}
    text = "def focal(logits, targets):\n    return np.sum(logits.astype(float) * targets)\n"
    exec(compile(text, "elsewhere.py", "exec"), scope)
    return scope["focal"]


def test_what_both_sides_are_clamped_to_is_told_of_both():
    def clamped(logits, targets, gamma=2.0, alpha=0.25):
        p = logits.sigmoid().clamp(1e-6, 1 - 1e-6)
        positive = alpha * (1 - p) ** gamma * -p.log()
        return (targets * positive + (1 - targets) * (1 - alpha) * p**gamma * -(1 - p).log()).mean()

    told = [finding.plain["statement"] for finding in check(clamped, "focal").findings]
    assert [one for one in told if "cut off" in one] == [
        "the loss of missed elements is cut off where |logit| passes 13.8 (an epsilon of 1e-06 in the logarithm, or "
        "clamped logits), with no gradient beyond"
    ]


def test_a_loss_that_turns_nan_at_both_targets_is_told_of_both():
    def powered(logits, targets, gamma=2.0, alpha=0.25):
        p = logits.sigmoid()
        missed = (targets * (1 - p) + (1 - targets) * p) ** gamma
        weight = alpha * targets + (1 - alpha) * (1 - targets)
        return (weight * missed * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()

    told = [finding.plain["statement"] for finding in check(powered, "focal").findings]
    assert any("is NaN" in one and "target 0" in one for one in told)
    assert any("at logit 17, target 1" in one for one in told)  # where 1 - sigmoid(x) is 0 in single precision


def of_triple(pred, target, beta=2.0):
    """The class index, the quality and a mask of the positives in one tuple."""
    label, score, positive = target
    hot = pred.new_zeros(pred.shape)
    hot[positive, label[positive]] = score[positive]
    return (
        (pred.sigmoid() - hot).abs() ** beta * F.binary_cross_entropy_with_logits(pred, hot, reduction="none")
    ).sum()


def of_levels(outputs, heat_maps, gamma=2.0):
    """Maps of several levels."""
    total = 0.0
    for x, y in zip(outputs, heat_maps, strict=True):
        if not isinstance(outputs, list) or x.dim() != 4:
            raise ValueError("a list of maps is wanted")
        miss = y * torch.sigmoid(-x) + (1 - y) * torch.sigmoid(x)
        total = total + (miss**gamma * F.binary_cross_entropy_with_logits(x, y, reduction="none")).sum()
    return total


@pytest.mark.parametrize(
    ("function", "loss", "told"),
    [
        (of_triple, "quality_focal", "target = the triple (class index, quality, which rows have a class)"),
        (of_levels, "focal", "outputs = logits (N, C, H, W) in a list, heat_maps = targets (N, C, H, W) in a list"),
    ],
)
def test_lists_and_triples_are_called_and_told(function, loss, told):
    verdict = check(function, loss)
    assert told in verdict.how, verdict.how
    assert verdict.verdict == "fragile", [finding.plain for finding in verdict.findings]


def from_one(out, label, gamma=2.0):
    """Class indices from 1 on, 0 for background."""
    hot = F.one_hot(label.clamp(min=0), out.shape[1] + 1)[:, 1:].to(out)
    miss = hot * torch.sigmoid(-out) + (1 - hot) * torch.sigmoid(out)
    loss = miss**gamma * F.binary_cross_entropy_with_logits(out, hot, reduction="none")
    return loss[label >= 0].sum()


def test_background_may_be_0_unless_it_is_stated_to_be_c():
    assert check(from_one, "focal").verdict == "fragile"
    stated = check(from_one, "focal", Options(labels="index"))
    assert stated.verdict == "different"
    assert "background_index" in {finding.kind for finding in stated.findings}


def own_label(meet):
    """A focal loss that names a label to ignore, and what it does with it."""

    def focal(logits, target, gamma=2.0, ignore_index=255):
        entropy = meet(logits, target, ignore_index)
        return ((1 - (-entropy).exp()) ** gamma * entropy).mean()

    return focal


def raised(logits, target, ignored):
    return F.cross_entropy(logits, target, reduction="none")


def taken_for_the_last(logits, target, ignored):
    return F.cross_entropy(logits, target.clamp(max=logits.shape[1] - 1), reduction="none")


def dropped(logits, target, ignored):
    return F.cross_entropy(logits[target != ignored], target[target != ignored], reduction="none")


@pytest.mark.parametrize(
    ("meet", "code", "severity"),
    [
        (raised, "own_label_refused", "fragile"),
        (taken_for_the_last, "own_label_counted", "fragile"),
        (dropped, "own_label_left_out", "note"),
    ],
)
def test_what_becomes_of_the_label_that_a_loss_names_itself_is_told(meet, code, severity):
    told = {finding.change.code: finding for finding in check(own_label(meet), "softmax_focal").findings}
    assert told[code].severity == severity
    assert dict(told[code].change.values)["label"] == 255


def of_dice_family(y_pred, y_true, gamma=2.0):
    """Made for probabilities and cut off nowhere: of logits it is no number."""
    log_p = y_true * y_pred.log() + (1 - y_true) * (1 - y_pred).log()
    return (-((1 - log_p.exp()) ** gamma) * log_p).sum()


def test_what_is_no_number_of_logits_is_given_probabilities():
    assert "y_pred = probabilities (N, C)" in check(of_dice_family, "focal", Options(labels="hard")).how


def by_effective_counts(logits, labels, effective_alphas, gamma=2.0):
    entropy = F.cross_entropy(logits, labels, reduction="none")
    return (effective_alphas[labels] * (1 - (-entropy).exp()) ** gamma * entropy).mean()


def scaled_by(pred, target, alpha, gamma):
    entropy = F.cross_entropy(pred, target, reduction="none")[:, None]
    return (alpha * (1 - (-entropy).exp()) ** gamma * entropy).mean()


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (by_effective_counts, "effective_alphas = alpha"),
        (scaled_by, "alpha = 1, one number for all classes"),
    ],
)
def test_an_alpha_without_a_default_is_weights_where_it_weighs_classes_apart(function, told):
    verdict = check(function, "softmax_focal")
    assert told in verdict.how
    assert verdict.verdict == "fragile"
