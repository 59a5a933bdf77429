"""A small run in the exact form of ``suites.worker.as_line``: every suite, every status, made by formula."""

from __future__ import annotations

import json
import math
from typing import Any

ENVIRONMENT = {
    "time": "2026-11-22T12:00:00+00:00",
    "command": "run_all.py --profile quick",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "changed": False,
    "python": "3.11.7",
    "platform": "Linux-6.1-x86_64",
    "cpu": "Example CPU @ 2.50GHz",
    "cores": 2,
    "threads": 2,
    "memory_bytes": 8 << 30,
    "gpu": None,
    "cuda": None,
    "packages": {"torch": "2.13.0", "torchvision": "0.28.0"},
    "adapters": {"own": "local", "torchvision": "0.28.0", "ultralytics": "8.4.190", "articles": "listing"},
    "suites": ["agreement", "throughput", "coco-map", "claims"],
    "selection": {"profile": "quick", "seed": 0},
}
VERSIONS = ENVIRONMENT["adapters"]


def record(
    suite: str,
    loss: str,
    adapter: str,
    workload: str = "",
    dtype: str = "float32",
    status: str = "ok",
    reason: str = "",
    rows: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One line of ``records.jsonl``."""
    cell = {"suite": suite, "loss": loss, "adapter": adapter, "device": "cpu", "dtype": dtype, "workload": workload}
    return {
        "key": "/".join(cell.values()),
        "cell": cell,
        "status": status,
        "reason": reason,
        "rows": rows or {},
        "data": data or {},
        "seconds": 0.5,
    }


def agreement(adapter: str, probe: str, verdict: str, relation: str = "", loss: str = "focal") -> dict[str, Any]:
    """One row of the agreement table."""
    right = verdict != "differs"
    return {
        "loss": loss,
        "adapter": adapter,
        "library": adapter,
        "version": VERSIONS[adapter.partition(".")[0]],
        "device": "cpu",
        "dtype": "float32",
        "quantity": "value",
        "probe": probe,
        "points": 640,
        "max_ulp": 2.0 if right else 3.5e6,
        "max_abs_error": 2.4e-8 if right else 0.31,
        "max_rel_error": 1.3e-7 if right else 0.87,
        "verdict": verdict,
        "relation": relation,
        "form": "reduced",
        "reduction": "mean over dim 1, then sum" if verdict == "agrees_up_to_scale" else "mean",
    }


def finding(adapter: str, kind: str, statement: str, expected: str, got: str) -> dict[str, Any]:
    """One row of the findings table."""
    example = f"from adapters import load\nprint(load({adapter!r}))  # a | b"
    return {
        "loss": "focal",
        "adapter": adapter,
        "kind": kind,
        "statement": statement,
        "example": example,
        "expected": expected,
        "got": got,
        "code": f"{kind}_of_some_code",
        "values": json.dumps({"told": statement}),
        "severity": "different",
    }


def every_record() -> list[dict[str, Any]]:
    """Records of every suite and status; Ultralytics' reduction and one article's focal loss differ."""
    lost = "= the paper's values; exactly 0 at 2 of 16 points where the paper has a number"
    rows = {
        "own": [agreement("own", "moderate", "agrees"), agreement("own", "extreme logits", "agrees")],
        "torchvision": [
            agreement("torchvision", "moderate", "agrees"),
            agreement("torchvision", "extreme logits", "agrees", lost),
        ],
        "ultralytics": [agreement("ultralytics", "moderate", "agrees_up_to_scale", "= 0.25 x the paper's sum")],
        "articles.first": [agreement("articles.first", "moderate", "differs", "0.436 where the paper has 0.782")],
    }
    findings = {
        "torchvision": [finding("torchvision", "precision", "Loses easy negatives below logit -16.", "1.1e-21", "0.0")],
        "ultralytics": [finding("ultralytics", "reduction", "Means over classes | sums over rows.", "1", "2")],
        "articles.first": [finding("articles.first", "reduction", "Averages before it modulates.", "0.0211", "0.1406")],
    }
    return [
        *(record("agreement", "focal", name, "probes", rows={"agreement": rows[name]}) for name in rows),
        *(record("agreement", "focal", name, "findings", rows={"findings": findings[name]}) for name in findings),
        record("agreement", "focal", "own", "capability", rows={"capability": [capability("own")]}),
        *(record("agreement", "focal", adapter, "accuracy", data={"curves": curves(adapter)}) for adapter in rows),
        record("agreement", "focal", "fvcore", status="absent", reason="fvcore is not installed"),
        record("agreement", "varifocal", "kornia", status="unsupported", reason="kornia has no varifocal"),
        record("agreement", "focal", "broken", status="failed", reason="ValueError: <no> & nonsense"),
        record("agreement", "focal", "slow", status="timeout", reason="no result after 300 s"),
        *(timed(adapter, ms) for adapter, ms in (("own", 4.0), ("torchvision", 48.0), ("ultralytics", 52.0))),
        *(timed("own", 10.0 ** (n - 4), f"scaling-rows-1e{n}", 10**n) for n in (3, 4)),
        *(training(variant, seed) for variant in ("library", "no prior") for seed in (0, 1, 2)),
        record(
            "claims",
            "focal",
            "own",
            rows={"claims": [claim(), claim("A Paper with a Title that is Long Enough for Two Lines of a Phone")]},
            data={"figures": [paper_figure()]},
        ),
    ]


def curves(adapter: str) -> dict[str, Any]:
    """The focal loss over the logit; one article's is three times as large."""
    logits = [x / 4 for x in range(-48, 49)]
    factor = 3.0 if adapter == "articles.first" else 1.0
    value = [factor * 0.75 * math.exp(min(x, 0)) ** 2 * math.log1p(math.exp(x)) for x in logits]
    series = {"target": 0.0, "value": value, "gradient": value, "value_ulp": [0.5] * 97, "gradient_ulp": [1e6] * 97}
    return {"logits": logits, "parameters": {"gamma": 2.0, "alpha": 0.25}, "series": [series]}


def launch(ms: float, share: float, passes: tuple[str, ...]) -> dict[str, Any]:
    """A launch in which everything took `share` of its time."""
    noise = [share * n for n in (0.99, 1.0, 1.01, 1.0)]
    rounds = {
        "ms": [ms * n for n in noise],
        "own_ms": [4.0 * n for n in noise[::-1]],
        "cpu_ms": [ms * n for n in noise],
        "faults": [0, 0, 1, 0],
    }
    return {
        "rounds": dict.fromkeys(passes, rounds),
        "stopped": dict.fromkeys(passes, "narrow"),
        "stream_ms": {name: [1.0, 1.0] for name in passes},
        "stream_bytes": 8_000_000,
        "peak_bytes_per_ms": 8e6,
        "load": 0.1,
    }


def timed(adapter: str, ms: float, workload: str = "yolov8-640px-b1", rows: int = 8400) -> dict[str, Any]:
    """Two launches, 2 ‰ apart, of four rounds that scatter by 2 %."""
    passes = ("forward", "forward_backward")
    data = {
        "library": adapter,
        "version": VERSIONS[adapter],
        "rows": rows,
        "classes": 80,
        "elements": 672_000,
        "device_name": "Example CPU",
        "threads": 2,
        "bytes": {"forward": 5_376_000, "forward_backward": 8_064_000},
        "input_sets": 8,
        "cache_bytes": 1 << 25,
        "memory": dict.fromkeys(passes, 2_688_000),
        "check": "agrees",
        "reduction": "mean",
        "parameters": {"gamma": 2.0, "alpha": 0.25},
        "first_call_s": 0.0,
        "launches": [launch(ms, share, passes) for share in (0.999, 1.001)],
    }
    return record("throughput", "focal", adapter, workload, data=data)


def training(variant: str, seed: int) -> dict[str, Any]:
    """One training of four images, of which `variant` finds all or, without the prior, one."""
    found = 4 if variant == "library" else 1
    row = {
        "host": "retinanet",
        "variant": variant,
        "adapter": "mmdetection" if variant == "library" else "own",
        "dataset": "shapes",
        "images_train": 16,
        "images_val": 4,
        "schedule": "quick",
        "iterations": 20,
        "seed": seed,
        "device": "cpu",
        "ap": found / 4,
        "first_loss": 1.2,
        "final_loss": 0.4,
        "status": "ok",
        "wall_s": 3.0,
        "dtype": "float32",
        "initial_weights": "aa",
        "data_order": "bb",
        "augmented_inputs": "cc",
    }
    curve = [
        {"step": step, "loss": 1.2 / step**0.5, "lr": 0.01, "grad_norm": 1.0, "seconds": 0.1} for step in range(1, 21)
    ]
    draws = [[1, 1, 1, 1], [2, 1, 1, 0], [0, 1, 1, 2], [1, 0, 2, 1]]  # how often each of the four images counts
    resampled = [sum(draw[:found]) / 4 for draw in draws]
    sizes = dict.fromkeys(("ap", "ap50", "ap75", "ap_small"), found / 4) | {"ap_medium": None, "ap_large": None}
    classes = [{"category": "circle", "boxes": 4, "matched": found, "false_alarms": 1} | sizes]
    taken = [("background", "circle", 1), ("circle", "circle", found), ("circle", "background", 4 - found)]
    confusion = [{"category": truth, "detected_as": label, "count": count} for truth, label, count in taken]
    sample = {
        "name": "1.png",
        "width": 64,
        "height": 64,
        "jpeg": "/9j/",
        "boxes": [{"bbox": [1, 1, 9, 9], "category": "circle", "found": found > 0}],
        "detections": [{"bbox": [1, 1, 9, 9], "category": "circle", "score": 0.5, "right": True}] * min(found, 1),
    }
    return record(
        "coco-map",
        "focal",
        row["adapter"],
        f"retinanet {variant} seed {seed}",
        rows={"coco_map": [row]},
        data={
            "curve": curve,
            "resampled_ap": resampled,
            "run": row,
            "classes": classes,
            "confusion": confusion,
            "samples": [] if seed else [sample],
        },
    )


def paper_figure() -> dict[str, Any]:
    """Two points of the FL paper's first figure."""
    series = [{"name": f"gamma {gamma}", "x": [0.25, 0.75], "y": [1.4 / (1 + gamma), 0.3]} for gamma in (0, 2)]
    return {"title": "Focal Loss, figure 1", "x": "p_t", "y": "loss", "log": "", "series": series}


def capability(adapter: str) -> dict[str, Any]:
    """One row of the capability table."""
    return {"loss": "focal", "adapter": adapter, "capability": "vmap", "supported": True, "detail": ""}


def claim(source: str = "arXiv:1708.02002") -> dict[str, Any]:
    """One row of the claims table."""
    return {
        "source": source,
        "place": "section 3.2",
        "claim": "with gamma = 2 an example with p_t = 0.9 has 100 times lower loss than cross entropy",
        "printed": 100.0,
        "recomputed": 1 / (1 - 0.9) ** 2,
        "verdict": "reproduced",
        "note": f"-log(0.9) = {-math.log(0.9):.4f}",
    }


CELL = {"suite": "claims", "loss": "focal", "adapter": "own", "device": "cpu", "dtype": "float64", "workload": ""}
UNSAID = {"cell": CELL, "status": "ok", "reason": "", "rows": {}, "data": {}, "seconds": 0.0}
