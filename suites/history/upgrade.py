"""Is an upgrade safe? Two releases of a library, loss by loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from focalbench_suite.suites.history.apart import observe_folder, observe_installed, observe_release
from focalbench_suite.suites.history.changes import Difference
from focalbench_suite.suites.history.library import Library
from focalbench_suite.suites.history.observation import READY, Observation, Seen
from focalbench_suite.suites.history.walk import History


@dataclass(frozen=True)
class Loss:
    """One loss before and after an upgrade; of an unknown one, `reason` says why."""

    name: str
    label: str
    before: str
    after: str
    reason: str = ""
    differences: list[Difference] = field(default_factory=list)

    @property
    def safe(self) -> bool:
        """Whether a user gets the same."""
        return not any(one.unsafe for one in self.differences)


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade would change; `reason` says why a release could not be asked at all."""

    library: str
    old: str
    new: str
    losses: list[Loss] = field(default_factory=list)
    reason: str = ""

    @property
    def safe(self) -> bool:
        """Whether every loss of which something is known stays as it is."""
        return all(loss.safe for loss in self.losses)

    @property
    def known(self) -> bool:
        """Whether both releases could be asked for every loss that one of them has."""
        return not self.reason and not any(loss.reason for loss in self.losses)

    @property
    def plain(self) -> dict[str, Any]:
        """Plain data, for a program that reads it."""
        losses = [
            {"loss": loss.name, "adapter": loss.label, "before": loss.before, "after": loss.after, "safe": loss.safe}
            | {"reason": loss.reason, "changes": [one.plain for one in loss.differences]}
            for loss in self.losses
        ]
        named = {"library": self.library, "old": self.old, "new": self.new}
        return named | {"safe": self.safe and self.known, "reason": self.reason, "losses": losses}


def upgrade(library: Library, new: str, old: str | None, losses: tuple[str, ...]) -> Upgrade:
    """Ask two releases and hold one against the other; `old` is the installed one where it is not given.

    `new` may be a folder from which the package is imported.

    Raises `ValueError` where a release does not exist, or nothing is installed to upgrade from.
    """
    folder = Path(new).resolve() if Path(new).is_dir() else None
    target = new if folder else str(library.release(new))
    if old is not None:
        before = observe_release(library, str(library.release(old)), losses)
    elif library.installed is not None:
        before = observe_installed(library, losses)
    else:
        raise ValueError(f"{library.package} is not installed; name the release to upgrade from with --from")
    after = observe_folder(library, folder, losses) if folder else observe_release(library, target, losses)
    for one in (before, after):
        if not one.usable:
            reason = one.reason or "; ".join(dict.fromkeys(seen.reason for seen in one.losses)) or "it has no such loss"
            return Upgrade(library.package, before.version, target, [], f"{library.package} {one.version} {reason}")
    return Upgrade(library.package, before.version, target, list(_compared(library, before, after)))


def _compared(library: Library, before: Observation, after: Observation) -> list[Loss]:
    history = History(library, (), [])
    keys = dict.fromkeys(seen.key for one in (before, after) for seen in one.losses)
    pairs = [(key, before.find(key), after.find(key)) for key in keys]
    return [_loss(history, key, was, now, (before.version, after.version)) for key, was, now in pairs]


def _loss(
    history: History, key: tuple[str, str], was: Seen | None, now: Seen | None, versions: tuple[str, str]
) -> Loss:
    if was is None or now is None or not (was.known and now.known):
        reason = "; ".join(seen.reason for seen in (was, now) if seen and not seen.known)
        return Loss(*key, _state(was), _state(now), reason or "one of the releases is not called for it")
    return Loss(*key, _state(was), _state(now), "", history.changes(was, now, versions))


def _state(seen: Seen | None) -> str:
    """The verdict on a loss, or why it has none."""
    if seen is None:
        return "absent"
    return seen.verdict if seen.state == READY else seen.state
