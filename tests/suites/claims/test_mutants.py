"""Every claim that says it computes turns when what it computes is wrong; the others say that they read or compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from focalbench_suite import adapters
from focalbench_suite.adapters import own as losses
from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.adapters.own import boxes
from focalbench_suite.suites import claims
from focalbench_suite.suites.claims.claim import Claim, judge
from focalbench_suite.suites.claims.sources.article_2_path import CLASSES

OWN_LOSSES = sorted(name for name in vars(losses) if name.endswith("_loss"))
Loss = Callable[..., torch.Tensor]


def other_label(loss: Loss) -> Loss:
    """The loss with labels and qualities turned round; bins counted from the other end."""

    def mutant(logits, targets, **arguments):
        return loss(logits, logits.shape[-1] - 1 - targets if targets.ndim == 1 else 1 - targets, **arguments)

    return mutant


def another_factor(loss: Loss) -> Loss:
    """The loss times a factor that depends on the logits."""
    return lambda logits, targets, **arguments: loss(logits, targets, **arguments) * (1.7 + 0.3 * logits.sum().sin())


def constant(loss: Loss) -> Loss:
    """A loss that is always -7."""
    return lambda logits, targets, **arguments: 0 * loss(logits, targets, **arguments) - 7


def on_halved_logits(loss: Loss) -> Loss:
    """The loss of logits that are half as large."""
    return lambda logits, targets, **arguments: loss(logits / 2, targets, **arguments)


MUTATIONS = (constant, on_halved_logits, another_factor, other_label)


def own_mutants() -> Iterator[AbstractContextManager]:
    """Patches of all our losses at once, of what else of ours the claims compute with, and of each loss alone.

    The last are for claims that hold two of our losses against each other; all others have turned before.
    """
    mutants = [{name: mutate(getattr(losses, name)) for name in OWN_LOSSES} for mutate in MUTATIONS]
    for patches in mutants:
        yield mock.patch.multiple(losses, **patches)
    yield mock.patch.object(losses, "integral", lambda logits: 2 * logits.softmax(-1).sum(-1))
    yield mock.patch.object(losses, "prior_bias", return_value=1.0)
    yield mock.patch.object(boxes, "iou", return_value=torch.tensor(2.0))
    for patches in mutants:
        yield from (mock.patch.object(losses, name, mutant) for name, mutant in patches.items())


class Dice:
    """A criterion whose terms are random numbers, one for each call."""

    def __init__(self, model) -> None:
        self.dice = torch.Generator().manual_seed(0)

    def __call__(self, preds, batch):
        return torch.rand(3, generator=self.dice), {"box_loss": torch.ones(())}


def library_mutants() -> Iterator[AbstractContextManager]:
    """Patches of the listings and of what of the libraries is run."""
    found = adapters.find

    def minus_seven(name: str, label: str):
        loss = mock.Mock(wraps=found(name, label))
        for way in ("call", "reduced", "elementwise"):
            setattr(loss, way, lambda logits, targets, **arguments: 0 * logits.sum() - 7)
        loss.defaults = {"gamma": 7}
        return loss

    yield mock.patch.object(adapters, "find", minus_seven)
    yield mock.patch("fvcore.nn.sigmoid_focal_loss_star", lambda logits, *_, **__: -7 * logits)
    head = SimpleNamespace(cv2=[[SimpleNamespace(out_channels=64)]], reg_max=15)
    yield mock.patch("ultralytics.nn.modules.head.Detect", return_value=head)
    ensure_quiet()
    yield mock.patch.multiple("ultralytics.nn.tasks", v8DetectionLoss=Dice, E2ELoss=Dice)
    swapped = {"boxes": torch.zeros(2, CLASSES, 84), "scores": torch.zeros(2, 64, 84)}
    yield mock.patch("ultralytics.nn.modules.head.Detect.forward_head", return_value=swapped)


def turned(claim: Claim, source: str, verdict: str) -> bool:
    """Whether a claim has another verdict now, or can no longer be judged."""
    try:
        return judge(claim, source)["verdict"] != verdict
    except Exception:  # a claim that a wrong loss breaks has noticed it
        return True


def computed() -> dict[tuple[str, str, str, str], tuple[Claim, str]]:
    """The claims of a smoke run that say they compute, by what they say."""
    return {
        (source.name, claim.place, claim.claim, claim.printed): (claim, source.name)
        for source in claims.every_source()
        for claim in source.claims
        if claim.recompute and claim.basis == "computed" and claim.runs_in("smoke")
    }


def test_each_claim_that_computes_is_turned_by_a_wrong_product_or_listing():
    standing = computed()
    verdicts = {key: judge(claim, source)["verdict"] for key, (claim, source) in standing.items()}
    for mutant in (*library_mutants(), *own_mutants()):
        with mutant:
            standing = {key: found for key, found in standing.items() if not turned(*found, verdicts[key])}
    assert list(standing) == []


@pytest.mark.parametrize("basis", ["read", "printed", "arithmetic"])
def test_what_rests_on_no_loss_says_so_and_does_not_turn(basis):
    found = [
        (claim, source.name)
        for source in claims.every_source()
        for claim in source.claims
        if claim.recompute and claim.basis == basis
    ]
    verdicts = [judge(claim, source)["verdict"] for claim, source in found]
    patches = {name: constant(getattr(losses, name)) for name in OWN_LOSSES}
    with mock.patch.multiple(losses, **patches):
        assert found
        assert not any(turned(*one, verdict) for one, verdict in zip(found, verdicts, strict=True))
