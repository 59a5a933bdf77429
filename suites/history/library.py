"""A library as the user names it, the adapter that calls its losses, and its releases."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, Adapter
from focalbench_suite.suites.history.releases import Release, nearest, releases_of


@dataclass(frozen=True)
class Library:
    """A library with a loss: `reference` finds its adapter again in another process."""

    reference: str
    adapter: Adapter

    @property
    def package(self) -> str:
        """The name under which it is installed."""
        return str(self.adapter.distribution)

    @property
    def installed(self) -> str | None:
        """The release that the environment has."""
        return self.adapter.version

    @property
    def losses(self) -> tuple[str, ...]:
        """The losses of logits that any release of it is asked for; boxes' and a whole detector's are not."""
        return tuple(dict.fromkeys(form.name for form in self.adapter.forms if CANONICAL[form.name].of_logits))

    @cached_property
    def known(self) -> list[Release]:
        """Every release that the index knows; raises `NoReleases`."""
        return releases_of(self.package)

    @property
    def finished(self) -> list[Release]:
        """The releases without candidates and other versions before a release."""
        return [release for release in self.known if not release.version.is_prerelease]

    def release(self, wanted: str) -> Release:
        """The release of that version; raises `ValueError` with the nearest ones where there is none."""
        try:
            return next(release for release in self.known if release.version == Version(wanted))
        except (StopIteration, InvalidVersion):
            near = ", ".join(map(str, nearest(wanted, self.known)))
            raise ValueError(f"{self.package} has no release {wanted}; the nearest are {near}") from None


def find_library(name: str) -> Library:
    """A library by the name of its adapter or of its package; raises `ValueError` with the nearest names.

    >>> find_library("segmentation-models-pytorch").reference
    'segmentation_models_pytorch'
    """
    if adapters.is_users(name):
        try:
            return _with_releases(name, adapters.load(name))
        except LookupError as error:
            raise ValueError(str(error)) from None
    found = adapters.discover()
    for reference, adapter in found.items():
        if canonicalize_name(name) in (canonicalize_name(reference), canonicalize_name(adapter.distribution or "")):
            return _with_releases(reference, adapter)
    choices = [reference for reference, adapter in found.items() if adapter.distribution]
    near = difflib.get_close_matches(name, choices, n=3) or choices
    raise ValueError(f"unknown library {name!r}; choose from {', '.join(near)}")


def _with_releases(reference: str, adapter: Adapter) -> Library:
    if adapter.distribution is None:
        raise ValueError(f"{reference} is no package of an index, so it has no releases")
    library = Library(reference, adapter)
    if not library.losses:
        raise ValueError(f"{reference} has no loss of logits")
    return library
