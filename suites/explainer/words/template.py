"""What a sentence is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Values = dict[str, Any]  # what a code is told with
Template = str | Callable[[Values], str]  # a text with places for values, or what makes one of them
