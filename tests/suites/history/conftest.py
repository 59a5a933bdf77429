"""Releases of kornia that change its focal loss; uv is told of their folder and of no index."""

import pytest

from tests.suites.history import wheels


@pytest.fixture(scope="session")
def releases(tmp_path_factory):
    """Right up to 1.2, alpha exchanged from 1.3 on; 1.5 fails when it is imported, 1.6 in a part that no loss needs.

    0.1 is another project's, without a package of that name.
    """
    folder = tmp_path_factory.mktemp("releases")
    for version in ("1.0", "1.2"):
        wheels.kornia(folder, version, wheels.RIGHT)
    wheels.kornia(folder, "1.1", wheels.REORDERED)
    for version in ("1.3", "1.4"):
        wheels.kornia(folder, version, wheels.EXCHANGED)
    wheels.kornia(folder, "1.5", "raise RuntimeError('no such torch')")
    wheels.kornia(folder, "1.6", wheels.EXCHANGED, package="import a_package_that_nobody_has")
    wheels.wheel(folder, "kornia", "0.1", {"something_else.py": ""})
    (folder / "notes.txt").write_text("no wheel")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def without_network(monkeypatch, releases, cache):
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(releases))
    monkeypatch.setenv("FOCALBENCH_CACHE", str(cache))
