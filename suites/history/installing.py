"""A release in a folder of its own, beside the environment: installed once, kept in the user's cache.

A folder has its final name only when all of it is there, so nothing half-installed is ever used.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import platformdirs
from filelock import FileLock

PATIENCE_S = 600.0  # some releases are built from their source


class NotInstalled(Exception):
    """A release cannot be installed here; the message is one line."""


def cache() -> Path:
    """Where releases are kept."""
    return Path(os.environ.get("FOCALBENCH_CACHE") or platformdirs.user_cache_dir("focalbench")) / "releases"


def folder_of(package: str, version: str) -> Path:
    """The folder from which this release is imported, installed now where it is not there; raises `NotInstalled`."""
    place = cache() / f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}" / f"{package}-{version}"
    if place.is_dir():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not place.is_dir():
                _install(package, version, place)
    except OSError as error:
        raise NotInstalled(f"{place.parent} cannot be written: {error.strerror}") from None
    return place


def _install(package: str, version: str, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="unfinished-") as unfinished:
        target = Path(unfinished) / "release"
        command = [_uv(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(target), "--no-deps"]
        try:
            done = subprocess.run(
                [*command, f"{package}=={version}"],
                cwd=unfinished,  # a project's own settings in the current folder are none of the release's
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotInstalled(f"its installation did not end within {PATIENCE_S:.0f} s") from None
        if done.returncode or not target.is_dir():
            raise NotInstalled(_reason(done.stderr))
        target.rename(place)


def _uv() -> str:
    """The program uv: the installed package's own, or the one on the path."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        if found := shutil.which("uv"):
            return found
        raise NotInstalled("there is no uv here to install it: pip install uv") from None


def _reason(said: str) -> str:
    """What uv said, as one line: its first sentence and the deepest cause.

    >>> _reason("error: Failed to build `a==1`\\n  cause: it failed\\n  cause: ModuleNotFoundError: no cv2\\n")
    'uv: Failed to build `a==1`: ModuleNotFoundError: no cv2'
    """
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines() if line.strip()]
    told = [re.sub(r"^(error|cause|hint)?[\s:×╰─▶├│]*", "", line) for line in lines]
    errors = [line for line in lines if re.match(r"\w*(Error|Exception)\b", line)]
    causes = [text for line, text in zip(lines, told, strict=True) if line.startswith("cause:")]
    first = told[0] if told else "it said nothing"
    last = (errors or causes or [""])[-1]
    last = last.removeprefix("cause:").strip()
    return f"uv: {first}" + (f": {last}" if last and last not in first else "")
