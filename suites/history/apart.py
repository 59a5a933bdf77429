"""A release is asked in a process of its own: one can be imported after another, and none takes this one down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from focalbench_suite.installation import python_path
from focalbench_suite.suites.history.installing import NotInstalled, folder_of
from focalbench_suite.suites.history.library import Library
from focalbench_suite.suites.history.observation import ABSENT, Observation, Seen, read

PATIENCE_S = 300.0  # for the import and some thousand calls on a few numbers each, which take ten seconds
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # on so few numbers threads wait for each other
QUIET = {"PYTHONWARNINGS": "ignore", "PYTHONSAFEPATH": "1"}


def observe_release(library: Library, version: str, losses: tuple[str, ...]) -> Observation:
    """What a release does, or in `reason` why it could not be asked."""
    try:
        folder = folder_of(library.package, version)
    except NotInstalled as error:
        return Observation(version, reason=f"cannot be installed: {error}")
    return _asked(library, version, losses, folder)


def observe_folder(library: Library, folder: Path, losses: tuple[str, ...]) -> Observation:
    """What the package does that is imported from this folder."""
    return _asked(library, folder.name, losses, folder)


def observe_installed(library: Library, losses: tuple[str, ...]) -> Observation:
    """What the release does that the environment has."""
    return _asked(library, str(library.installed), losses, None)


def _asked(library: Library, version: str, losses: tuple[str, ...], folder: Path | None) -> Observation:
    if folder and (missing := _missing_package(library, folder)):
        asked = (loss for loss in library.adapter.losses if loss.name in losses)
        return Observation(version, [Seen(loss.name, loss.label, ABSENT, missing) for loss in asked])
    module = "focalbench_suite.suites.history.observing"
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "observation.json"
        command = [sys.executable, "-m", module, library.reference, str(file), *losses]
        path = {"PYTHONPATH": python_path(*([folder] if folder else []))}
        try:
            done = subprocess.run(
                command,
                env=os.environ | ONE_THREAD | QUIET | path,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Observation(version, reason=f"it did not answer within {PATIENCE_S:.0f} s")
        if file.is_file() and not done.returncode:
            return read(file)
        return Observation(version, reason=f"its process ended: {_death(done)}")


def _missing_package(library: Library, folder: Path) -> str:
    """Why nothing can be asked of a release without the library's own package, for which the environment's would stand.

    The first transformers, of another author, was called __transformers__.
    """
    for package in library.adapter.modules[:1]:
        if not (folder / package).is_dir() and not (folder / f"{package}.py").is_file():
            return f"it has no package {package}"
    return ""


def _death(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {done.returncode}"
