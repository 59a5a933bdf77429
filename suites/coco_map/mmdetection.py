"""The MMDetection host: its shipped configurations, trained by mmengine's Runner, with only the loss replaced.

Losses enter by MMDetection's registry and everything that is watched by hooks; no file of the library is touched.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from focalbench_suite.adapters._mmcv import ensure_ops
from focalbench_suite.suites.coco_map.backbones import KeptFeatures, is_source, pretrained
from focalbench_suite.suites.coco_map.bridge import AdapterLoss
from focalbench_suite.suites.coco_map.distributions import PARAMETERS, bins
from focalbench_suite.suites.coco_map.recording import Diverged, Recorder
from focalbench_suite.suites.coco_map.schedules import Schedule
from focalbench_suite.suites.coco_map.training import Trained, Training
from focalbench_suite.suites.default_dtype import default_dtype
from focalbench_suite.suites.processes import count

CONFIGS = {
    "retinanet": "retinanet/retinanet_r50_fpn_1x_coco.py",
    "atss": "atss/atss_r50_fpn_1x_coco.py",
    "gfl": "gfl/gfl_r50_fpn_1x_coco.py",
    "vfnet": "vfnet/vfnet_r50_fpn_1x_coco.py",
}
PAPERS_WIDTH = 64  # channels of a ResNet's first stage
EXPANSION = {18: 1, 34: 1, 50: 4, 101: 4}  # of a stage's channels by its block


def model_config(host: str, schedule: Schedule, classes: int, head: Mapping[str, Any], backbone: str | None) -> Any:
    """The detector's shipped configuration at this schedule's depth and width, its head changed by `head`.

    Without a `backbone` it is trained from scratch: norm layers learn and no stage is frozen. A narrow head, and one of
    a detector from scratch, gets group norm (arXiv:1811.08883), without which its small initial weights let nothing
    through a narrow RetinaNet.
    """
    import mmdet
    from mmengine.config import Config

    folder = Path(mmdet.__file__).parent / ".mim" / "configs"
    model = Config.fromfile(folder / CONFIGS[host]).model
    _start_from(model, backbone, schedule)
    if not backbone or schedule.width < PAPERS_WIDTH:
        model.bbox_head.norm_cfg = {"type": "GN", "num_groups": 32, "requires_grad": True}
    channels = 4 * schedule.width
    model.neck.out_channels = channels
    model.bbox_head.update(in_channels=channels, feat_channels=channels, num_classes=classes)
    if schedule.stacked_convs:
        model.bbox_head.stacked_convs = schedule.stacked_convs
    for key, value in head.items():  # update() would merge a loss's entries with those of the one it replaces
        model.bbox_head[key] = value
    if not ensure_ops():
        _replace_compiled(model.bbox_head)
    if model.bbox_head.type == "GFLHead" and torch.get_default_dtype() == torch.float64:
        model.bbox_head.type = "PreciseGFLHead"
    return model


def _start_from(model: Any, backbone: str | None, schedule: Schedule) -> None:
    """Give a detector's configuration its backbone, and the neck the channels of that."""
    if is_source(backbone):
        features = pretrained(str(backbone))
        model.backbone = {"type": "SourceBackbone", "source": backbone}
        model.neck.update(in_channels=features.feature_info.channels(), start_level=0)
        for name in ("mean", "std"):
            model.data_preprocessor[name] = [255 * value for value in features.pretrained_cfg[name]]
    else:
        model.backbone.update(depth=schedule.depth, base_channels=schedule.width)
        stages = [schedule.width * 2**stage * EXPANSION[schedule.depth] for stage in range(4)]
        model.neck.in_channels = stages
        if backbone:
            model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": backbone}
        else:
            model.backbone.update(init_cfg=None, frozen_stages=-1, norm_eval=False)
    if schedule.frozen:
        model.backbone = {"type": "FrozenBackbone", "backbone": model.backbone}
        model.data_preprocessor.pad_size_divisor = schedule.size  # a picture's pixels are the same in every batch


def _replace_compiled(head: Any) -> None:
    """Without mmcv's compiled operators: MMDetection's own Python focal loss, torchvision's deformable convolution."""
    if head.loss_cls.type == "FocalLoss":
        head.loss_cls.type = "PythonFocalLoss"
    if head.type == "VFNetHead":
        head.type = "PortableVFNetHead"


def train(training: Training) -> Trained:
    """Train a detector of MMDetection with its head changed, then detect on the val split.

    The change holds entries of MMDetection's ``bbox_head`` configuration. A loss that is no number ends the training
    and is a result; there are no detections then. In float64 anchors stay float32, which MMDetection fixes.

    mmengine's own checkpoints are whole, and it goes through the batches before them again, so that a training that
    goes on from one makes the same draws as one that was never stopped.
    """
    register()
    _be_deterministic()
    categories = training.dataset.categories()
    with tempfile.TemporaryDirectory() as scratch, default_dtype(training.weights):
        runner = _runner(training, str(training.recorder.folder or scratch))
        if training.backbone and not is_source(training.backbone):
            _check_fit(training.backbone, getattr(runner.model, "module", runner.model).backbone)
        try:
            runner.train()
        except Diverged as divergence:
            return Trained("diverged", str(divergence))
        runner.val_loop.run()  # not val(), which would go back to the last checkpoint
        detections = getattr(runner.val_evaluator.metrics[0], "detections", [])  # the first process has all
    numbers = [category["id"] for category in categories]
    return Trained("ok", detections=[d | {"category_id": numbers[d["category_id"]]} for d in detections])


def _check_fit(file: str, backbone: torch.nn.Module) -> None:
    """Raises `ValueError` where the file lacks weights, which mmengine would silently leave as they are drawn."""
    content = torch.load(file, map_location="cpu", weights_only=True)
    given = {name.removeprefix("backbone."): t.shape for name, t in content.get("state_dict", content).items()}
    learned = getattr(backbone, "backbone", backbone).state_dict().items()  # of a frozen one, what is frozen
    needed = {name: t.shape for name, t in learned if not name.endswith("num_batches_tracked")}
    lacking = [name for name, shape in needed.items() if given.get(name) != shape]
    if lacking:
        first = f"{lacking[0]} {tuple(needed[lacking[0]])}"
        raise ValueError(f"--backbone {file} lacks {len(lacking)} of this schedule's {len(needed)} weights, as {first}")


def _be_deterministic() -> None:
    """As far as the device allows: mmengine's own switch makes the operators that have no such form raise."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)


def _runner(training: Training, folder: str) -> Any:
    from mmengine.runner import Runner

    schedule, recorder, steps = training.schedule, training.recorder, training.schedule.iterations
    device_ids = {"device_ids": None} if training.device == "cpu" else {}  # else mmengine's, which names a GPU
    return Runner(
        model=model_config(
            training.host, schedule, len(training.dataset.categories()), training.change, training.backbone
        ),
        work_dir=folder,
        resume=True,  # from the folder's last checkpoint, if it has one
        train_dataloader=_loader(training, "train"),
        val_dataloader=_loader(training, "val"),
        val_cfg={},
        val_evaluator={"type": "CollectDetections", "collect_device": "gpu"},  # by the group, not by files
        train_cfg={"by_epoch": False, "max_iters": steps, "val_begin": steps + 1},  # never: it detects when it is done
        optim_wrapper=_optimizer(schedule) | _autocast(training),
        param_scheduler=_learning_rate(schedule),
        default_hooks={"checkpoint": _checkpoints(schedule), "logger": None},
        custom_hooks=[{"type": "RecordingHook", "recorder": recorder, "seed": training.seed}],
        default_scope="mmdet",
        randomness={"seed": training.seed},
        launcher="pytorch" if count() > 1 else "none",
        cfg={"model_wrapper_cfg": {"type": "MMDistributedDataParallel", "broadcast_buffers": False, **device_ids}},
        log_level="ERROR",
        experiment_name=f"focalbench-{uuid.uuid4().hex}",  # mmengine keeps every runner of a process by name
    )


def _checkpoints(schedule: Schedule) -> dict[str, Any] | None:
    """Two are kept: mmengine removes the older one before it writes the next, and may be killed in between."""
    if not schedule.checkpoint:
        return None
    kept = {"interval": schedule.checkpoint, "by_epoch": False, "max_keep_ckpts": 2, "save_last": False}
    return {"type": "CheckpointHook"} | kept


def _loader(training: Training, split: str) -> dict[str, Any]:
    dataset, schedule, learns = training.dataset, training.schedule, split == "train"
    in_order = {"type": "DefaultSampler", "shuffle": False}
    steps = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        {
            "type": "Resize",
            "scale": (schedule.size, schedule.shorter_side or schedule.size),
            "keep_ratio": True,
        },
        *([{"type": "RandomFlip", "prob": 0.5}] if learns else []),
        {
            "type": "PackDetInputs",
            "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction"),
        },
    ]
    return {
        "batch_size": schedule.batch // count(),
        "num_workers": 0,
        "sampler": {"type": "InfiniteSampler", "seed": training.seed} if learns else in_order,
        "dataset": {
            "type": "CocoDataset",
            "ann_file": str(dataset.annotations[split]),
            "data_prefix": {"img": str(dataset.images[split])},
            "metainfo": {"classes": tuple(category["name"] for category in dataset.categories())},
            "filter_cfg": {"filter_empty_gt": True} if learns else None,
            "test_mode": not learns,
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


def _autocast(training: Training) -> dict[str, Any]:
    if training.autocast is None:
        return {}
    return {"type": "AutocastOptimWrapper", "device": training.device, "dtype": training.autocast}


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
    from mmdet.models.dense_heads import GFLHead, VFNetHead
    from mmdet.models.losses import FocalLoss
    from mmdet.registry import HOOKS, METRICS, MODELS, OPTIM_WRAPPERS
    from mmengine.dist import all_reduce_params
    from mmengine.evaluator import BaseMetric
    from mmengine.hooks import Hook
    from mmengine.model import BaseModule
    from mmengine.optim import OptimWrapper
    from torchvision.ops import DeformConv2d

    import focalbench_suite.adapters.own.mmdetection  # noqa: F401

    class SourceBackbone(BaseModule):
        """A backbone by the name of its source; its norm layers keep their statistics."""

        def __init__(self, source: str) -> None:
            super().__init__()
            self.features = copy.deepcopy(pretrained(source))

        def init_weights(self) -> None:
            """Nothing: it has its weights."""

        def train(self, mode: bool = True):
            super().train(mode)
            for module in self.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.eval()
            return self

        def forward(self, pictures):
            return tuple(self.features(pictures))

    class FrozenBackbone(BaseModule):
        """A backbone that does not learn; what it makes of a picture is kept."""

        def __init__(self, backbone: dict[str, Any]) -> None:
            super().__init__()
            self.backbone = MODELS.build(backbone).requires_grad_(False)
            self.kept = KeptFeatures(self.backbone)

        def train(self, mode: bool = True):
            return super().train(False)

        def forward(self, pictures):
            return self.kept(pictures)

    class AutocastOptimWrapper(OptimWrapper):
        """Mixed precision on any device; mmengine's own is for accelerators alone. float16 gets its loss scaled."""

        def __init__(self, device: str, dtype: str, **options: Any) -> None:
            super().__init__(**options)
            self.casting = {"device_type": device, "dtype": getattr(torch, dtype)}
            self.scaler = torch.amp.GradScaler(device, enabled=dtype == "float16")

        @contextlib.contextmanager
        def optim_context(self, model):
            with super().optim_context(model), torch.autocast(**self.casting):
                yield

        def backward(self, loss, **options) -> None:
            self.scaler.scale(loss).backward(**options)
            self._inner_count += 1

        def step(self, **options) -> None:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
            self.scaler.step(self.optimizer, **options)
            self.scaler.update()

        def state_dict(self) -> dict:
            return super().state_dict() | {"loss_scaler": self.scaler.state_dict()}

        def load_state_dict(self, state_dict: dict) -> None:
            self.scaler.load_state_dict(state_dict.pop("loss_scaler"))
            super().load_state_dict(state_dict)

    class RecordingHook(Hook):
        """Feeds a `Recorder`, and starts every run's random draws at the same point whatever its model drew."""

        def __init__(self, recorder: Recorder, seed: int) -> None:
            self.recorder, self.seed = recorder, seed

        def before_train(self, runner) -> None:
            model = getattr(runner.model, "module", runner.model)
            self.recorder.start(model, runner.optim_wrapper.optimizer, runner.max_iters)
            np.random.seed(self.seed + runner.rank)
            torch.manual_seed(self.seed + runner.rank)

        def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
            samples = data_batch["data_samples"]
            objects = [t for one in samples for t in (one.gt_instances.bboxes.tensor, one.gt_instances.labels)]
            self.recorder.batch([sample.img_id for sample in samples], data_batch["inputs"], objects)

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
            terms = {name.removeprefix("loss_"): v.item() for name, v in outputs.items() if name.startswith("loss_")}
            norm = runner.message_hub.get_scalar("train/grad_norm").current()
            self.recorder.step(terms, runner.optim_wrapper.get_lr()["lr"][0], float(norm))

        def before_val(self, runner) -> None:
            all_reduce_params(runner.model.buffers(), op="mean")  # each process has its own running statistics

        def before_save_checkpoint(self, runner, checkpoint) -> None:
            checkpoint["recorder"] = self.recorder.state()
            checkpoint["message_hub"] = {name: {} for name in checkpoint["message_hub"]}  # torch would not load it

        def after_load_checkpoint(self, runner, checkpoint) -> None:
            self.recorder.go_on(checkpoint["recorder"])

    class CollectDetections(BaseMetric):
        """Keeps the detections themselves, as COCO results with the class number for the category."""

        def process(self, data_batch, data_samples) -> None:
            self.results += [_coco_results(sample) for sample in data_samples]  # one entry an image, or it is cut off

        def compute_metrics(self, results) -> dict:
            self.detections = [detection for image in results for detection in image]
            return {"detections": len(self.detections)}

    class PythonFocalLoss(FocalLoss):
        """MMDetection's FocalLoss in its Python form on every device: that is what one-hot labels choose."""

        def forward(self, pred, target, *arguments, **options):
            target = torch.nn.functional.one_hot(target, pred.shape[1] + 1)[:, :-1]
            return super().forward(pred, target, *arguments, **options)

    class PreciseGFLHead(GFLHead):
        """GFL's head for a float64 model: MMDetection's makes the sides' logits and the soft labels float32."""

        def forward_single(self, x, scale):
            scores, _ = super().forward_single(x, scale)
            for convolution in self.reg_convs:
                x = convolution(x)
            return scores, scale(self.gfl_reg(x))

        def get_targets(self, *arguments, **options):
            anchors, labels, label_weights, box_targets, box_weights, count = super().get_targets(*arguments, **options)
            dtype = torch.get_default_dtype()
            label_weights, box_targets = ([t.to(dtype) for t in each] for each in (label_weights, box_targets))
            return anchors, labels, label_weights, box_targets, box_weights, count

    class ShapedGFLHead(PreciseGFLHead):
        """GFL's head with a distribution of fewer parameters than bins: ``dirac`` or ``gaussian``."""

        def __init__(self, *arguments, distribution: str, **options) -> None:
            self.distribution = distribution
            super().__init__(*arguments, **options)

        def _init_layers(self) -> None:
            super()._init_layers()
            self.gfl_reg = torch.nn.Conv2d(self.feat_channels, 4 * PARAMETERS[self.distribution], 3, padding=1)

        def forward_single(self, x, scale):
            scores, parameters = super().forward_single(x, scale)
            return scores, bins(self.distribution, parameters, self.reg_max)

    class PortableVFNetHead(VFNetHead):
        """VFNet's head with torchvision's deformable convolution, which is the same function, for mmcv's."""

        def _init_layers(self) -> None:
            super()._init_layers()
            for name in ("vfnet_reg_refine_dconv", "vfnet_cls_dconv"):
                channels = self.feat_channels
                setattr(self, name, DeformConv2d(channels, channels, self.dcn_kernel, 1, self.dcn_pad, bias=False))

    for module in (
        SourceBackbone,
        FrozenBackbone,
        AdapterLoss,
        PythonFocalLoss,
        PreciseGFLHead,
        ShapedGFLHead,
        PortableVFNetHead,
    ):
        MODELS.register_module(module=module)
    HOOKS.register_module(module=RecordingHook)
    METRICS.register_module(module=CollectDetections)
    OPTIM_WRAPPERS.register_module(module=AutocastOptimWrapper)


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
