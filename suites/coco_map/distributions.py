"""What a box's side may be, as the logits over bins that GFL's head works with (arXiv:2006.04388, table 2a).

GFL's head predicts any distribution over the bins. The paper compares it with two others, which are made here as logits
over the same bins, so that head, decoding and losses stay what they are: one number (Dirac's delta) and a normal
distribution. As with general bins, the mean lies within the bins and starts in their middle.
"""

from __future__ import annotations

import torch
from torch import Tensor

PARAMETERS = {"dirac": 1, "gaussian": 2}  # that the head predicts for a side
MIN_PROBABILITY = 1e-12  # of the bins beside a delta: keeps their logarithm finite


def bins(distribution: str, parameters: Tensor, n: int) -> Tensor:
    """Logits (B, 4 · (n + 1), H, W) over the bins 0 … n from the parameters (B, 4 · k, H, W) of each side.

    A delta between two bins is shared by them, the nearer one getting more, so that the mean is where the delta lies.
    A normal distribution has k = 2 parameters: its mean's, and the logarithm of its standard deviation over n / 4.
    """
    batch, _, height, width = parameters.shape
    location, *spread = parameters.reshape(batch, 4, PARAMETERS[distribution], height, width).split(1, dim=2)
    places = torch.arange(n + 1, dtype=parameters.dtype, device=parameters.device).reshape(1, 1, -1, 1, 1)
    distance = places - n * location.sigmoid()
    delta = (1 - distance.abs()).clamp(min=MIN_PROBABILITY).log()
    logits = -0.5 * (distance / (n / 4 * spread[0].exp())) ** 2 if spread else delta
    return logits.reshape(batch, 4 * (n + 1), height, width)
