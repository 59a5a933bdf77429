"""Import a loss's module; where the rest of its package cannot be imported here, without that rest.

An old release often fails in a part that has nothing to do with its losses: it wants a package that is not installed,
or a function that torch no longer has. Then the packages around the module are put in place without running their
``__init__``, the outermost first and no more of them than needed.
"""

from __future__ import annotations

import importlib
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from focalbench_suite.suites.explainer.here import sentence

# the place of a file on this machine, which Python adds to the error of an import
PLACE = re.compile(r" \((?:/|[A-Za-z]:\\)[^)]*\)")


class Missing(Exception):
    """This release has no such loss; the message is one line."""


class Broken(Exception):
    """The module of a loss cannot be imported here, with or without its package; the message is one line."""


def load(origin: str, own: tuple[str, ...] = ()) -> tuple[Any, str]:
    """The object that ``module:NAME`` names, and which packages' ``__init__`` had to be left out (mostly none).

    `own` are the library's packages; of another's, which may keep lists of what was imported, no ``__init__`` is left
    out.

    >>> load("math:gamma")[1], load("json.decoder:JSONDecoder.decode")[0].__name__
    ('', 'decode')
    >>> load("json:no_such_loss")
    Traceback (most recent call last):
    focalbench_suite.suites.history.importing.Missing: json has no no_such_loss
    """
    name, _, attributes = origin.partition(":")
    module, without = _imported(name, own)
    found: Any = module
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise Missing(f"{name} has no {attributes}") from None
        except Exception as error:  # a package that imports its parts when they are asked for
            raise Broken(f"{name} cannot be imported: {_reason(error)}") from None
    return found, without


def _imported(name: str, own: tuple[str, ...]) -> tuple[ModuleType, str]:
    """A module, and those of the packages around it that were put in place without their ``__init__``."""
    packages = [name.rsplit(".", depth)[0] for depth in range(name.count("."), 0, -1)]
    reasons = []
    for depth in range(len(packages) + 1 if name.partition(".")[0] in own else 1):
        if depth:
            _put_bare(packages[:depth])
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a package may raise anything while it is imported
            if isinstance(error, ModuleNotFoundError) and error.name in (*packages, name):
                raise Missing(f"it has no module {error.name}") from None
            reasons.append(_reason(error))
        else:
            return module, ", ".join(package for package in packages if _is_bare(package))
    if len(reasons) > 1:
        _forget(packages[0])
    raise Broken(f"{name} cannot be imported: {reasons[0]}")


def _reason(error: BaseException) -> str:
    return PLACE.sub("", sentence(error))


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _put_bare(packages: list[str]) -> None:
    """Packages that are found where they are and whose ``__init__`` has not run."""
    _forget(packages[0])
    path, parent = None, None
    for package in packages:
        found = PathFinder.find_spec(package, path)
        if found is None or found.submodule_search_locations is None:
            raise Missing(f"it has no package {package}")
        path = list(found.submodule_search_locations)
        bare = ModuleType(package)
        bare.__path__ = path
        bare.__spec__ = ModuleSpec(package, None, is_package=True)
        bare.__spec__.submodule_search_locations = path
        sys.modules[package] = bare
        if parent is not None:
            setattr(parent, package.rpartition(".")[2], bare)
        parent = bare


def _is_bare(package: str) -> bool:
    specification = getattr(sys.modules.get(package), "__spec__", None)
    return specification is not None and specification.loader is None and not specification.origin
