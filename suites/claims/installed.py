"""What installed libraries say in their own files: default arguments, configurations, source. Nothing is imported."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml


class NotInstalled(LookupError):
    """A library that a claim is about is missing here."""


@cache
def folder(package: str) -> Path:
    """Where a package is installed; raises `NotInstalled` where it is not."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NotInstalled(f"{package} is not installed")
    return Path(found.submodule_search_locations[0])


@cache
def source_of(package: str, file: str, name: str) -> str:
    """The source of a function, class or method (``Class.method``) in a package's file."""
    text = (folder(package) / file).read_text(encoding="utf-8")
    return ast.get_source_segment(text, _definition(package, file, name)) or ""


def number(pattern: str, source: str) -> float:
    """The number that the one group of `pattern` finds in a source; raises `ValueError` where it finds none."""
    found = re.search(pattern, source)
    if found is None:
        raise ValueError(f"nothing like {pattern!r} in the source")
    return float(found[1])


@cache
def defaults(package: str, file: str, name: str) -> dict[str, Any]:
    """The default arguments of a function, or of a class's constructor, that are literals."""
    node = _definition(package, file, name)
    if isinstance(node, ast.ClassDef):
        node = next(part for part in node.body if getattr(part, "name", "") == "__init__")
    names = [argument.arg for argument in node.args.args]
    pairs = zip(names[len(names) - len(node.args.defaults) :], node.args.defaults, strict=True)
    return {name: ast.literal_eval(value) for name, value in pairs if _is_literal(value)}


@cache
def mmdet_config(file: str) -> dict[str, Any]:
    """The variables of one of MMDetection's configurations, without those of the files it builds on (None instead)."""
    text = (folder("mmdet") / ".mim" / "configs" / file).read_text(encoding="utf-8")
    variables: dict[str, Any] = {}
    exec(re.sub(r"\{\{.*?\}\}", "None", text), variables)  # what mmengine does with a configuration
    return variables


@cache
def mmdet_zoo(family: str) -> dict[str, float]:
    """Box AP by model, from the metafile that MMDetection installs."""
    entries = yaml.safe_load((folder("mmdet") / ".mim/configs" / family / "metafile.yml").read_text(encoding="utf-8"))
    return {
        model["Name"]: result["Metrics"]["box AP"]
        for model in entries["Models"]
        for result in model["Results"]
        if result["Task"] == "Object Detection"
    }


@cache
def ultralytics_settings() -> dict[str, Any]:
    """Ultralytics' default.yaml."""
    return yaml.safe_load((folder("ultralytics") / "cfg" / "default.yaml").read_text(encoding="utf-8"))


@cache
def _tree(package: str, file: str) -> ast.Module:
    return ast.parse((folder(package) / file).read_text(encoding="utf-8"))


def _definition(package: str, file: str, name: str) -> Any:
    node: Any = _tree(package, file)
    for part in name.split("."):
        node = next((child for child in node.body if getattr(child, "name", "") == part), None)
        if node is None:
            raise LookupError(f"{package}/{file} defines no {name}")
    return node


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
