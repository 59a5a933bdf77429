"""What one release was seen to do, as plain data that passes from the process that asked to the one that compares."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from focalbench_suite.results.findings import address

# place (constructor, call) -> parameter -> its default, None where it has none
Signature = dict[str, dict[str, str | None]]
READY, ABSENT, RAISES, BROKEN = "ready", "absent", "raises", "broken"


@dataclass(frozen=True)
class Said:
    """The answer to one question: numbers as nested lists, or the error."""

    value: Any = None
    gradient: Any = None
    dtype: str = ""
    error: str = ""
    unsupported: bool = False


@dataclass(frozen=True)
class Seen:
    """One loss in one release.

    `state` is ready, absent (this release has none), raises (whatever it is given) or broken (it cannot be imported or
    used here, so nothing is known); `reason` says why it is not ready. `without` names the packages whose ``__init__``
    was left out. `findings` are the explainer's, as plain data.
    """

    loss: str
    label: str
    state: str = READY
    reason: str = ""
    without: str = ""
    verdict: str = ""
    formula: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    signature: Signature = field(default_factory=dict)
    answers: dict[str, Said] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.state != BROKEN

    @property
    def addresses(self) -> list[str]:
        """The address of each finding, by which it is found again in another release."""
        return [address({"loss": self.loss, "adapter": self.label} | finding) for finding in self.findings]

    @property
    def key(self) -> tuple[str, str]:
        """The name of the loss and its label."""
        return self.loss, self.label


@dataclass(frozen=True)
class Observation:
    """One release: what was seen of its losses, or in `reason` why nothing could be."""

    version: str
    losses: list[Seen] = field(default_factory=list)
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether anything is known of at least one of its losses."""
        return any(seen.known for seen in self.losses)

    def find(self, key: tuple[str, str]) -> Seen | None:
        """The loss of that name and label."""
        return next((seen for seen in self.losses if seen.key == key), None)


def write(observation: Observation, file: Path) -> None:
    """Write an observation for `read`."""
    file.write_text(json.dumps(dataclasses.asdict(observation)))


def read(file: Path) -> Observation:
    """What `write` wrote."""
    plain = json.loads(file.read_text())
    losses = [
        Seen(**{**seen, "answers": {name: Said(**said) for name, said in seen["answers"].items()}})
        for seen in plain["losses"]
    ]
    return Observation(plain["version"], losses, plain["reason"])
