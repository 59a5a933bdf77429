"""Which releases a package has, and of which day, as the index knows that uv installs from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import platformdirs
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

NEAREST = 3  # releases that are named in place of one that does not exist
PATIENCE_S = 30.0  # for one page of an index


class NoReleases(Exception):
    """The index cannot be asked, or knows no such package; the message is one line."""


@dataclass(frozen=True, order=True)
class Release:
    """One release of a package; `date` is the day of its first file, empty where the index does not tell."""

    version: Version
    date: str = field(default="", compare=False)

    def __str__(self) -> str:
        return str(self.version)


@dataclass(frozen=True)
class Sources:
    """Where uv looks for packages: indexes by their address, and folders of files."""

    indexes: tuple[str, ...]
    folders: tuple[Path, ...]


def releases_of(package: str, sources: Sources | None = None) -> list[Release]:
    """Every release of a package that has not been taken back, the oldest first; raises `NoReleases`."""
    sources = sources or configured_sources()
    found: dict[Version, str] = {}
    for version, date in _files(package, sources):
        dates = [known for known in (found.get(version), date) if known]
        found[version] = min(dates, default="")
    if not found:
        raise NoReleases(f"no index that uv is told of has a release of {package}")
    return sorted(Release(version, date) for version, date in found.items())


def nearest(wanted: str, releases: list[Release]) -> list[Release]:
    """The releases around one that does not exist; the last ones where it is no version at all.

    >>> known = [Release(Version(f"0.{minor}.0")) for minor in range(10)]
    >>> [str(release) for release in nearest("0.4.7", known)]
    ['0.3.0', '0.4.0', '0.5.0']
    """
    try:
        version = Version(wanted)
    except InvalidVersion:
        return releases[-NEAREST:]
    above = sum(release.version < version for release in releases)
    start = max(0, min(above - 2, len(releases) - NEAREST))
    return releases[start : start + NEAREST]


def configured_sources() -> Sources:
    """What uv is told, by the environment first, then by its file of settings; else its usual index."""
    settings = _settings()
    folders = _listed("UV_FIND_LINKS", ",") or tuple(settings.get("find-links", ()))
    if os.environ.get("UV_OFFLINE", "").lower() in ("1", "true") or settings.get("no-index") or settings.get("offline"):
        return Sources((), tuple(map(_folder, folders)))
    named = settings.get("index", [])
    usual = [one["url"] for one in named if one.get("default")]
    first = _listed("UV_DEFAULT_INDEX", " ") or _listed("UV_INDEX_URL", " ") or usual or [settings.get("index-url")]
    more = [*_listed("UV_INDEX", " "), *_listed("UV_EXTRA_INDEX_URL", " "), *settings.get("extra-index-url", ())]
    more += [one["url"] for one in named if not one.get("default")]
    return Sources(
        tuple(one.rpartition("=")[2] for one in (*more, first[0] or _usual_index())), tuple(map(_folder, folders))
    )


def _settings() -> dict[str, Any]:
    """The settings that uv reads for the user."""
    file = Path(os.environ.get("UV_CONFIG_FILE") or platformdirs.user_config_path("uv") / "uv.toml")
    return tomllib.loads(file.read_text()) if file.is_file() else {}


def _listed(variable: str, separator: str) -> tuple[str, ...]:
    return tuple(part for part in os.environ.get(variable, "").split(separator) if part)


def _usual_index() -> str:
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    return PYPI_SIMPLE_ENDPOINT


def _folder(place: str) -> Path:
    return Path(url2pathname(urlsplit(place).path)) if place.startswith("file:") else Path(place)


def _files(package: str, sources: Sources) -> Iterator[tuple[Version, str]]:
    """The version of each file of a package, with the day on which it was uploaded."""
    for folder in sources.folders:
        yield from _in_folder(package, folder)
    for index in sources.indexes:
        if index.startswith("file:"):
            yield from _in_folder(package, _folder(index) / canonicalize_name(package))
        else:
            yield from _in_index(package, index)


def _in_folder(package: str, folder: Path) -> Iterator[tuple[Version, str]]:
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            if file.suffix == ".whl":
                name, version = parse_wheel_filename(file.name)[:2]
            else:
                name, version = parse_sdist_filename(file.name)
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            continue  # a folder may hold anything
        if name == canonicalize_name(package):
            yield version, ""


def _in_index(package: str, index: str) -> Iterator[tuple[Version, str]]:
    from pypi_simple import NoSuchProjectError, PyPISimple, UnexpectedRepoVersionWarning, UnsupportedContentTypeError
    from requests import RequestException

    try:
        with PyPISimple(index) as client:
            files = client.get_project_page(package, timeout=PATIENCE_S).packages
    except NoSuchProjectError:
        return
    except (RequestException, UnsupportedContentTypeError, UnexpectedRepoVersionWarning, ValueError) as error:
        raise NoReleases(f"the package index cannot be asked for {package}: {type(error).__name__}") from None
    for file in files:
        if file.version is None or file.is_yanked:
            continue
        try:
            yield Version(file.version), _day(file.upload_time)
        except InvalidVersion:  # of the time before versions had rules
            continue


def _day(time: datetime | None) -> str:
    return "" if time is None else time.date().isoformat()
