"""What a head needs besides its losses: anchors out of its maps, a box side from its bins, the first bias."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import readable


def rows(maps: Sequence[Tensor], anchors: int = 1) -> Tensor:
    """The maps of a batch as rows, an anchor each, level by level and cell by cell.

    Args:
        maps: a level each, (B, anchors K, H, W).
        anchors: how many a cell has, whose channels stand one after the other.

    Returns (B, A, K), A anchors of all levels together, at least float32.

    >>> rows([torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]), torch.tensor([[[[5.0]], [[6.0]]]])]).tolist()
    [[[1.0, 3.0], [2.0, 4.0], [5.0, 6.0]]]
    """
    found = [level.unflatten(1, (anchors, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3) for level in maps]
    return torch.cat([each.to(torch.promote_types(each.dtype, torch.float32)) for each in found], dim=1)


def gather(
    levels: Sequence[Tensor],
    image: Tensor,
    anchor: Tensor,
    decode: Callable[[Tensor], Tensor] = lambda channels: channels,
) -> Tensor:
    """Picks some anchors out of the maps of a batch, and decodes their channels.

    The levels are never joined into one tensor, since only a few of their anchors are asked for.

    Args:
        levels: a level each, (B, K, A): K channels of A anchors. Anchors are counted through all levels.
        image, anchor: (P,) each, which anchor of which image.
        decode: from channels (P, K) to (P, ...); it is called once a level.

    Returns (P, ...), in the order of `anchor`.

    The second of two levels begins with anchor 2:

    >>> levels = [torch.tensor([[[10.0, 11.0]]]), torch.tensor([[[12.0]]])]
    >>> gather(levels, torch.tensor([0, 0]), torch.tensor([2, 0]))
    tensor([[12.],
            [10.]])
    """
    parts, places, start = [], [], 0
    for level in levels:
        here = ((anchor >= start) & (anchor < start + level.shape[2])).nonzero().squeeze(1)
        parts.append(decode(level[image[here], :, anchor[here] - start]))
        places.append(here)
        start += level.shape[2]
    return torch.cat(parts)[torch.cat(places).argsort()]


def integral(logits: Tensor) -> Tensor:
    """The expectation Σ_i i p_i of distributions over bins 0 … K-1, p their softmax  (arXiv:2006.04388 eq. 5).

    Args:
        logits: (..., K).

    Returns (...), in units of bins, in the logits' dtype.

    At even odds it is the middle bin:

    >>> integral(torch.zeros(5))
    tensor(2.)
    """
    return readable.integral(logits).to(logits.dtype)


def prior_bias(prior: float = 0.01) -> float:
    """The bias b = -log((1 - π)/π) with which every anchor starts at p = π  (arXiv:1708.02002 section 4.1).

    Raises `ValueError` for a prior outside (0, 1).

    One positive in a hundred is a bias of -log 99:

    >>> round(prior_bias(0.01), 4)
    -4.5951
    """
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}; it must be between 0 and 1")
    return math.log(prior) - math.log1p(-prior)
