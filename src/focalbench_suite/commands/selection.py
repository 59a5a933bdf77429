"""What is asked for, checked before anything is measured."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from focalbench_suite import adapters, suites
from focalbench_suite.commands.options import BACKBONE_SOURCES, MOST_ADDED
from focalbench_suite.installation import need
from focalbench_suite.results.store import Run
from focalbench_suite.suites import SUITES, Selection
from focalbench_suite.suites.processes import count


def need_suites(names: tuple[str, ...]) -> None:
    """Raise `Incomplete` where a suite lacks a package, before anything is measured; no names stand for every suite."""
    for name in names:
        need(f"--suite {name}", name)
    if not names:
        need("a run of every suite", "all")


def check_processes(names: tuple[str, ...], folder: str | None, executor: str | None) -> None:
    """Under torchrun several processes train together, and the first records; raises `click.UsageError`."""
    if count() > 1 and not (folder and names == ("coco-map",)):
        raise click.UsageError("under torchrun: add --suite coco-map, and --out DIR, which every process must know")
    if executor and count() > 1:
        raise click.UsageError("--executor starts processes of its own: leave it or torchrun out")
    if executor == "slurm" and not shutil.which("sbatch"):
        raise click.UsageError("--executor slurm: there is no sbatch here; use --executor local")


def make_selection(
    profile,
    adapter,
    loss,
    device,
    dtype,
    coco,
    categories,
    images,
    seed,
    backbone,
    schedule,
    seeds,
    until,
    variant,
    normalise,
    cell,
) -> Selection:
    """What the options ask for, checked; raises `click.UsageError` with one line that says how to mend it."""
    if coco:
        from focalbench_suite.suites.coco_map.data import faults_in, locate

        try:  # it opens every picture once; nothing left is said before anything runs
            faults_in(locate(Path(coco)), categories)
        except ValueError as error:
            raise click.UsageError(f"--coco: {error}") from None
    if until and cell:
        raise click.UsageError("--until decided says itself which cells come next: leave --cell out")
    if categories and not coco:
        raise click.UsageError("--categories are those of a COCO folder: name one with --coco DIR")
    if backbone:
        check_backbone(backbone)
    if until and not seeds:
        seeds = MOST_ADDED
    training = (coco, categories, images, seed, backbone, schedule, seeds, until, variant, normalise)
    selection = Selection(profile, adapter, loss, devices(device), dtype, *training, cell)
    load_adapters(selection)
    try:
        suites.load("coco-map").plan(selection)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    planned = {c.key for name in SUITES if cell for task in suites.plan(name, selection) for c in task.cells}
    if unknown := set(cell) - planned:
        raise click.UsageError(f"--cell: this selection has no cell {min(unknown)!r}; `list --cells` names them")
    return selection


def check_backbone(backbone: str) -> None:
    """Raise `click.UsageError` with one line where there is no such file, or a source's weights cannot be had."""
    from focalbench_suite.suites.coco_map.backbones import is_source, pretrained

    if is_source(backbone):
        try:
            pretrained(backbone)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    elif not Path(backbone).is_file():
        raise click.UsageError(f"--backbone: no file {backbone!r}; give a file or {BACKBONE_SOURCES}")


def load_adapters(selection: Selection) -> None:
    """Raise `click.UsageError` with one line where an adapter that is named cannot be had."""
    for reference in selection.adapters:
        try:
            adapters.load(reference, selection.losses[0] if len(selection.losses) == 1 else None)
        except LookupError as error:
            raise click.UsageError(f"--adapter: {error}") from None


def devices(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The devices asked for, or the best one present; raises `click.UsageError` where one is missing."""
    import torch

    if "cuda" in asked and not torch.cuda.is_available():
        raise click.UsageError("--device cuda: torch sees no CUDA device here; use --device cpu")
    return asked or (("cuda",) if torch.cuda.is_available() else ("cpu",))


def plan(names: tuple[str, ...], selection: Selection) -> list[suites.Task]:
    """The tasks of these suites; raises `click.UsageError` where there is nothing to do."""
    if tasks := [task for name in names for task in suites.plan(name, selection)]:
        return tasks
    raise click.UsageError("this selection has no cell; `list` says which adapter has which loss")


def by_reference(selection: Selection) -> list[str]:
    """The adapters that are no installed package's: code of a file or module that the user named."""
    return [reference for reference in selection.adapters if adapters.is_users(reference)]


def confirm_code(run: Run, selection: Selection, named: tuple[str, ...]) -> None:
    """A run folder may come from anywhere, so the code that it names runs where the user names it as well.

    Raises `click.UsageError` where they name another.
    """
    asked = by_reference(selection)
    if missing := [f"--adapter {reference}" for reference in asked if reference not in named]:
        raise click.UsageError(f"{run.folder} runs code that it names; where you trust it, add {' '.join(missing)}")
    if more := [f"--adapter {reference}" for reference in named if reference not in asked]:
        raise click.UsageError(f"--resume goes on with what the run was asked: leave {', '.join(more)} out")


def stored_selection(run: Run, named: tuple[str, ...]) -> tuple[tuple[str, ...], Selection]:
    """What an earlier call asked of this run; raises `click.UsageError` where that cannot be done now."""
    try:
        environment = run.environment()
        fields: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in environment["selection"].items()
        }
        names, selection = tuple(environment["suites"]), Selection(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise click.UsageError(f"{run.environment_file} does not say what this run was asked; start anew") from None
    confirm_code(run, selection, named)
    load_adapters(selection)
    devices(selection.devices)
    return names, selection
