"""Fixtures of more than one file."""

import pytest
import torch


@pytest.fixture
def double():
    """Ultralytics makes its sums and targets in torch's default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
