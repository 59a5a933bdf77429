"""The MMDetection host: its shipped configurations, trained by mmengine's Runner, with only the loss replaced.

Losses enter by MMDetection's registry and everything that is watched by hooks; no file of the library is touched.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapters._mmcv import ensure_ops
from suites.coco_map.bridge import AdapterLoss
from suites.coco_map.data import Dataset
from suites.coco_map.recording import Diverged, Outcome, Recorder
from suites.coco_map.schedules import Schedule

CONFIGS = {
    "retinanet": "retinanet/retinanet_r50_fpn_1x_coco.py",
    "atss": "atss/atss_r50_fpn_1x_coco.py",
    "gfl": "gfl/gfl_r50_fpn_1x_coco.py",
    "vfnet": "vfnet/vfnet_r50_fpn_1x_coco.py",
}
EXPANSION = {18: 1, 34: 1, 50: 4, 101: 4}  # of a stage's channels by its block


def model_config(host: str, schedule: Schedule, classes: int, head: dict[str, Any], backbone: str | None) -> dict:
    """The detector's shipped configuration at this schedule's depth and width, its head changed by `head`.

    Trained from scratch (norm layers learn, no stage is frozen) unless `backbone` names a checkpoint.
    """
    import mmdet
    from mmengine.config import Config

    folder = Path(mmdet.__file__).parent / ".mim" / "configs"
    model = Config.fromfile(folder / CONFIGS[host]).model
    model.backbone.update(depth=schedule.depth, base_channels=schedule.width)
    if backbone:
        model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": backbone}
    else:
        model.backbone.update(init_cfg=None, frozen_stages=-1, norm_eval=False)
    stages = [schedule.width * 2**stage * EXPANSION[schedule.depth] for stage in range(4)]
    model.neck.update(in_channels=stages, out_channels=4 * schedule.width)
    channels = 4 * schedule.width
    model.bbox_head.update(in_channels=channels, feat_channels=channels, num_classes=classes)
    model.bbox_head.update(head)
    return model


def train(
    host: str,
    head: dict[str, Any],
    dataset: Dataset,
    schedule: Schedule,
    seed: int,
    device: str,
    dtype: str = "float32",
    backbone: str | None = None,
) -> Outcome:
    """Train `host` with its head changed by `head`, then detect on the val split.

    `head` holds entries of MMDetection's ``bbox_head`` configuration. A loss that is no number ends the training and
    is a result; the detections are then none. In float64 nothing is detected: it is there to compare steps.
    """
    from mmengine.runner import Runner

    register()
    recorder = Recorder()
    categories = dataset.categories()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            model=model_config(host, schedule, len(categories), head, backbone),
            work_dir=folder,
            train_dataloader=_loader(dataset, "train", schedule, seed),
            val_dataloader=_loader(dataset, "val", schedule, seed),
            train_cfg={"by_epoch": False, "max_iters": schedule.iterations, "val_interval": schedule.iterations + 1},
            val_cfg={},
            val_evaluator={"type": "CollectDetections"},
            optim_wrapper=_optimizer(schedule),
            param_scheduler=_learning_rate(schedule),
            default_hooks={"checkpoint": None, "logger": None},
            custom_hooks=[{"type": "RecordingHook", "recorder": recorder, "seed": seed}],
            default_scope="mmdet",
            randomness={"seed": seed, "deterministic": True},
            log_level="ERROR",
            experiment_name=f"focalbench-{id(recorder)}",  # mmengine keeps every runner of a process by name
        )
        try:
            runner.train()
        except Diverged as divergence:
            return Outcome("diverged", str(divergence), [], recorder)
        detections = runner.val_evaluator.metrics[0].detections
    numbers = [category["id"] for category in categories]
    return Outcome("ok", "", [d | {"category_id": numbers[d["category_id"]]} for d in detections], recorder)


def _loader(dataset: Dataset, split: str, schedule: Schedule, seed: int) -> dict[str, Any]:
    training = split == "train"
    steps = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        {
            "type": "Resize",
            "scale": (schedule.size, schedule.size * 800 // 1333 if schedule.size > 640 else schedule.size),
            "keep_ratio": True,
        },
        *([{"type": "RandomFlip", "prob": 0.5}] if training else []),
        {
            "type": "PackDetInputs",
            "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction"),
        },
    ]
    return {
        "batch_size": schedule.batch,
        "num_workers": 0,
        "sampler": {"type": "InfiniteSampler", "seed": seed}
        if training
        else {"type": "DefaultSampler", "shuffle": False},
        "dataset": {
            "type": "CocoDataset",
            "ann_file": str(dataset.annotations[split]),
            "data_prefix": {"img": str(dataset.images[split])},
            "metainfo": {"classes": tuple(category["name"] for category in dataset.categories())},
            "filter_cfg": {"filter_empty_gt": True} if training else None,
            "test_mode": not training,
            "pipeline": steps,
        },
    }


def _optimizer(schedule: Schedule) -> dict[str, Any]:
    optimizer = {"type": schedule.optimizer, "lr": schedule.learning_rate}
    optimizer |= {"momentum": 0.9, "weight_decay": 1e-4} if schedule.optimizer == "SGD" else {"weight_decay": 0.01}
    return {
        "type": "OptimWrapper",
        "optimizer": optimizer,
        "clip_grad": {"max_norm": float("inf")},  # clips nothing: this is how mmengine is made to report the norm
    }


def _learning_rate(schedule: Schedule) -> list[dict[str, Any]]:
    warmup = max(2, round(schedule.iterations * schedule.warmup))
    milestones = [round(schedule.iterations * share) for share in schedule.milestones]
    return [
        {"type": "LinearLR", "start_factor": 0.01, "by_epoch": False, "begin": 0, "end": warmup},
        {"type": "MultiStepLR", "by_epoch": False, "milestones": milestones, "gamma": 0.1},
    ]


@functools.cache
def register() -> None:
    """Enter our hook, our metric and the losses in MMDetection's registries, once a process."""
    ensure_ops()
    import mmdet.datasets
    import mmdet.models  # noqa: F401 - importing them is what registers the library's own losses, and then ours
    from mmdet.registry import HOOKS, METRICS, MODELS
    from mmengine.evaluator import BaseMetric
    from mmengine.hooks import Hook

    import adapters.own.mmdetection  # noqa: F401

    class RecordingHook(Hook):
        """Feeds a `Recorder`, and starts every run's random draws at the same point whatever its model drew."""

        def __init__(self, recorder: Recorder, seed: int) -> None:
            self.recorder, self.seed = recorder, seed

        def before_train(self, runner) -> None:
            self.recorder.start(runner.model)
            np.random.seed(self.seed)
            torch.manual_seed(self.seed)

        def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
            samples = data_batch["data_samples"]
            boxes = [torch.as_tensor(sample.gt_instances.bboxes.tensor) for sample in samples]
            self.recorder.batch([sample.img_id for sample in samples], data_batch["inputs"], boxes)

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
            terms = {name.removeprefix("loss_"): v.item() for name, v in outputs.items() if name.startswith("loss_")}
            norm = runner.message_hub.get_scalar("train/grad_norm").current()
            self.recorder.step(terms, runner.optim_wrapper.get_lr()["lr"][0], float(norm))

    class CollectDetections(BaseMetric):
        """Keeps the detections themselves, as COCO results with the class number for the category."""

        def process(self, data_batch, data_samples) -> None:
            self.results += [_coco_results(sample) for sample in data_samples]  # one entry an image, or it is cut off

        def compute_metrics(self, results) -> dict:
            self.detections = [detection for image in results for detection in image]
            return {"detections": len(self.detections)}

    MODELS.register_module(module=AdapterLoss)
    HOOKS.register_module(module=RecordingHook)
    METRICS.register_module(module=CollectDetections)


def _coco_results(sample: dict[str, Any]) -> list[dict[str, Any]]:
    found = sample["pred_instances"]
    columns = (found[key].tolist() for key in ("bboxes", "scores", "labels"))
    return [
        {
            "image_id": sample["img_id"],
            "category_id": label,
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": score,
        }
        for box, score, label in zip(*columns, strict=True)
    ]
