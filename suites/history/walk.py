"""A library's releases, looked at side by side on the machine's cores, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from focalbench_suite import adapters
from focalbench_suite.suites.explainer.vocabulary.option import Change
from focalbench_suite.suites.history.apart import observe_release
from focalbench_suite.suites.history.changes import Difference, Pair, differences
from focalbench_suite.suites.history.halving import next_releases
from focalbench_suite.suites.history.library import Library
from focalbench_suite.suites.history.observation import READY, Observation, Seen
from focalbench_suite.suites.history.releases import Release
from focalbench_suite.suites.worker import MOST_WORKERS, cores

Row = dict[str, Any]
FINDING = ("kind", "code", "severity", "statement", "example", "expected", "got")
NOTHING = Change("", "")
Told = Callable[[str, int, int], None]  # the release that has just been looked at, how many are done, of how many


def first_of_minors(releases: list[Release]) -> list[Release]:
    """The first release of every minor version, and the newest.

    >>> from packaging.version import Version
    >>> [str(one) for one in first_of_minors([Release(Version(v)) for v in ("1.0", "1.0.1", "1.1", "1.1.1")])]
    ['1.0', '1.1', '1.1.1']
    """
    minors = groupby(releases, key=lambda release: (release.version.epoch, release.version.release[:2]))
    firsts = [next(group) for _, group in minors]
    return [*firsts, *releases[-1:]] if releases[-1:] != firsts[-1:] else firsts


def choose(library: Library, versions: tuple[str, ...], since: str | None) -> list[Release]:
    """The releases to begin with; raises `ValueError` where one does not exist, `NoReleases` where none is known."""
    if versions:
        return sorted({library.release(version) for version in versions})
    if since:
        first = library.release(since)
        return [release for release in library.finished if release >= first] or [first]
    return first_of_minors(library.finished or library.known)


@dataclass
class History:
    """What was seen of a library's releases: `releases` are all that the index knows, in order."""

    library: Library
    losses: tuple[str, ...]
    releases: list[Release]
    seen: dict[str, Observation] = field(default_factory=dict)

    @property
    def looked_at(self) -> list[Release]:
        """The releases that were looked at, in order."""
        return [release for release in self.releases if str(release) in self.seen]

    def rows(self) -> Iterator[Row]:
        """The rows of `history.csv`: each release that was looked at, its losses, and what changed against the last."""
        last: dict[tuple[str, str], str] = {}
        for release in self.looked_at:
            observation = self.seen[str(release)]
            named = {"library": self.library.package, "version": str(release), "released": release.date}
            if observation.reason:
                yield named | _unknown("", self.library.reference, observation.reason)
            for seen in observation.losses:
                if not seen.known:
                    yield named | _unknown(seen.loss, seen.label, seen.reason)
                    continue
                yield named | self._row(seen, last.get(seen.key, ""), str(release))
                last[seen.key] = str(release)

    def findings(self) -> dict[tuple[str, str, str], list[Row]]:
        """The rows of `history_findings.csv` by version, loss and adapter: each finding in the newest that has it.

        So what a release has mended can still be read.
        """
        newest: dict[str, tuple[tuple[str, str, str], Row]] = {}
        for release in self.looked_at:
            for seen in self.seen[str(release)].losses:
                for address, finding in zip(seen.addresses, seen.findings, strict=True):
                    row = {name: finding[name] for name in FINDING} | {"address": address, "version": str(release)}
                    row |= {"library": self.library.package, "loss": seen.loss, "adapter": seen.label}
                    newest[address] = ((str(release), *seen.key), row)
        grouped: dict[tuple[str, str, str], list[Row]] = {}
        for key, row in newest.values():
            grouped.setdefault(key, []).append(row)
        return grouped

    def _row(self, seen: Seen, against: str, version: str) -> Row:
        before = self.seen[against].find(seen.key) if against else None
        changed = self.changes(before, seen, (against, version)) if before else []
        shown = next((one for one in changed if one.example and one.before), Difference(NOTHING, False))
        return {
            "loss": seen.loss,
            "adapter": seen.label,
            "verdict": seen.verdict if seen.state == READY else seen.state,
            "formula": seen.formula,
            "findings": " ".join(dict.fromkeys(seen.addresses)),
            "change": "; ".join(one.statement for one in changed),
            "kinds": " ".join(dict.fromkeys(one.kind for one in changed)),
            "example": shown.example,
            "before": shown.before,
            "after": shown.after,
            "dtype": shown.dtype,
            "codes": " ".join(dict.fromkeys(one.change.code for one in changed)),
            "unsafe": any(one.unsafe for one in changed),
            "against": against,
            "first": bool(changed) and self._adjacent(against, version),
            "note": "; ".join(part for part in (seen.reason, _left_out(seen.without)) if part),
        }

    def changes(self, before: Seen, after: Seen, versions: tuple[str, str]) -> list[Difference]:
        """What changed of one loss between two releases."""
        forms = tuple(form for form in self.library.adapter.forms if (form.name, form.label) == after.key)
        reference = self.library.reference if adapters.is_users(self.library.reference) else ""
        return differences(Pair(self.library.package, versions, before, after, forms, reference))

    def same(self, before: Observation, after: Observation) -> bool:
        """Whether no loss changed between two releases."""
        versions = (before.version, after.version)
        both = ((was, after.find(was.key)) for was in before.losses if was.known)
        return not any(self.changes(was, now, versions) for was, now in both if now and now.known)

    def _adjacent(self, before: str, after: str) -> bool:
        """Whether no release lies between the two: of one that was not, or could not be, asked nothing is known."""
        names = [str(release) for release in self.releases]
        return names.index(after) == names.index(before) + 1


def _unknown(loss: str, label: str, reason: str) -> Row:
    """A row without a verdict."""
    texts = ("verdict", "formula", "findings", "change", "kinds", "example", "before", "after", "dtype", "codes")
    empty = dict.fromkeys(texts, "")
    return {"loss": loss, "adapter": label} | empty | {"unsafe": False, "against": "", "first": False, "note": reason}


def _left_out(packages: str) -> str:
    return f"without the __init__ of {packages}" if packages else ""


def walk(library: Library, chosen: list[Release], losses: tuple[str, ...], told: Told) -> History:
    """Look at these releases, and at those between any two that differ until every change has its first release."""
    first = min(chosen)
    between = [one for one in library.finished if first <= one <= max(chosen)]
    history = History(library, losses, sorted({*between, *chosen}))
    wanted = [str(release) for release in chosen]
    with ThreadPoolExecutor(min(MOST_WORKERS, cores())) as pool:
        while wanted:
            already = len(history.seen)
            futures = {pool.submit(observe_release, library, version, losses): version for version in wanted}
            for future in as_completed(futures):
                history.seen[futures[future]] = future.result()
                told(futures[future], len(history.seen), already + len(futures))
            names = [str(release) for release in history.releases]
            usable = {name: one if one.usable else None for name, one in history.seen.items()}
            wanted = next_releases(names, usable, history.same)
    return history
