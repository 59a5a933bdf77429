"""The Ultralytics host: YOLO from its model file, trained by its own trainer, with only the criterion replaced.

The trainer is subclassed at the places that it leaves open (model attributes, batch, optimizer step, validator); no
file of the library is touched and nothing is fetched.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.suites.coco_map.bridge import AdapterLoss
from focalbench_suite.suites.coco_map.conversion import for_ultralytics
from focalbench_suite.suites.coco_map.recording import Diverged
from focalbench_suite.suites.coco_map.training import Trained, Training
from focalbench_suite.suites.default_dtype import default_dtype
from focalbench_suite.suites.processes import count, gathered, rank
from focalbench_suite.suites.whole_file import whole_file


def train(training: Training) -> Trained:
    """Train a YOLO (``yolov8n``) from scratch, then detect on the val split.

    The change is empty for the library's own criterion; ``own`` takes ours (its value holds what of ours differs);
    ``bce`` puts any adapter's loss in the place of the class term's cross entropy. With another dtype than float32 only
    the training is in it; Ultralytics validates in float32.

    Its own checkpoints are rounded to half precision, so the trainer keeps and takes up its state itself: what goes on
    from there ends as what was never stopped.
    """
    ensure_quiet()
    with tempfile.TemporaryDirectory() as scratch, default_dtype(training.weights):
        folder = training.recorder.folder or Path(scratch)
        trainer = trainer_class(training.change)(overrides=_settings(training, folder))
        trainer.watch(training, folder / "checkpoint.pt")
        try:
            trainer.train()
        except Diverged as divergence:
            return Trained("diverged", str(divergence))
        own = {name: float(value) for name, value in (trainer.metrics or {}).items() if "mAP" in name}
        numbers = [category["id"] for category in training.dataset.categories()]
        found = gathered(trainer.validator.detections)
        detections = [d | {"category_id": numbers[d["category_id"]]} for d in found]
    return Trained("ok", detections=detections, own_map=own)


def _settings(training: Training, folder: Path) -> dict[str, Any]:
    """Ultralytics' own settings. Scaled augmentation and mosaic are off, as in the other hosts: flips alone."""
    dataset, schedule = training.dataset, training.schedule
    images = len(dataset.read("train")["images"])
    epochs = max(1, round(schedule.iterations * schedule.batch / images))
    return {
        "model": f"{training.host}.yaml",
        "data": str(for_ultralytics(dataset)),
        "project": str(folder),
        "name": "run",
        "exist_ok": True,
        "device": _device(training.device),
        "pretrained": training.backbone or False,
        "epochs": epochs,
        "batch": schedule.batch,
        "nbs": schedule.batch,
        "imgsz": schedule.size,
        "seed": training.seed,
        "deterministic": True,
        "amp": "bf16" if training.autocast and training.device == "cuda" else False,
        "val": False,
        "save": bool(schedule.checkpoint),
        "plots": False,
        "verbose": False,
        "workers": 0,
        "optimizer": schedule.yolo_optimizer,
        "lr0": schedule.yolo_rate,
        "lrf": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "warmup_epochs": schedule.warmup * epochs,
        "warmup_bias_lr": 0.0,
        "patience": 0,
        "close_mosaic": 0,
        "mosaic": 0.0,
        "scale": 0.0,
        "translate": 0.0,
        "hsv_h": 0.0,
        "hsv_s": 0.0,
        "hsv_v": 0.0,
        "fliplr": 0.5,
        "cache": "ram",
    }


def _device(device: str) -> str:
    return ",".join(map(str, range(count()))) if device == "cuda" else device


def trainer_class(change: Mapping[str, Any]) -> Any:
    """The trainer of a variant: ours over whichever criterion `change` asks for."""
    base, watching = _bases()
    if "own" in change:
        from focalbench_suite.adapters.own.ultralytics import Trainer

        own = {name: staticmethod(_function(value)) for name, value in change["own"].items()}
        return type("OwnTrainer", (watching, Trainer), own)
    if "bce" in change:
        return type("ReplacedTrainer", (watching, base), {"bce": change["bce"]})
    return type("LibraryTrainer", (watching, base), {})


def _function(value: dict[str, Any]) -> Any:
    from focalbench_suite.adapters import own

    return functools.partial(getattr(own, value["function"]), **value.get("parameters", {}))


@functools.cache
def _bases() -> tuple[type, type]:
    from ultralytics.models.yolo.detect import DetectionTrainer, DetectionValidator
    from ultralytics.utils.loss import v8DetectionLoss

    class ReplacedCriterion(v8DetectionLoss):
        """Ultralytics' criterion with another loss where it has ``BCEWithLogitsLoss(reduction="none")``."""

        def __init__(self, model, replacement: dict[str, Any]) -> None:
            super().__init__(model)
            self.bce = AdapterLoss(**replacement).elementwise

    class Validator(DetectionValidator):
        """Keeps the detections as COCO results, unrounded, with the class number for the category."""

        detections: list[dict[str, Any]]

        def init_metrics(self, model) -> None:
            super().init_metrics(model)
            self.detections = []

        def update_metrics(self, preds, batch) -> None:
            for index, prediction in enumerate(preds):
                prepared = self._prepare_batch(index, batch)
                self.detections += _coco_results(self.scale_preds(prediction, prepared), prepared["im_file"])
            super().update_metrics(preds, batch)

    class Watching(DetectionTrainer):
        """Feeds a `Recorder`, and starts every epoch's random draws at the same point whatever was drawn before."""

        bce: dict[str, Any] | None = None

        def watch(self, training: Training, file: Path) -> None:
            self.recorder, self.start_seed = training.recorder, training.seed
            self.autocast = training.autocast is not None
            self.precision = getattr(torch, training.weights)
            self.checkpoint, self.file = training.schedule.checkpoint, file
            self.add_callback("on_train_start", _start)
            self.add_callback("on_train_epoch_start", _draw_anew)
            self.add_callback("on_train_batch_end", _step)

        def _setup_ddp(self) -> None:
            """As Ultralytics does, but for the joining: the processes have joined already."""
            self.device = torch.device("cuda", torch.cuda.current_device())
            self.accelerator = torch.cuda

        def set_model_attributes(self) -> None:
            self.model.to(self.precision)
            super().set_model_attributes()
            if self.bce:
                self.model.criterion = ReplacedCriterion(self.model, self.bce)

        def get_validator(self):
            validator = super().get_validator()
            return Validator(validator.dataloader, validator.save_dir, validator.args, validator.callbacks)

        def preprocess_batch(self, batch):
            stems = [Path(file).stem for file in batch["im_file"]]
            objects = [batch[name] for name in ("bboxes", "cls", "batch_idx")]
            self.recorder.batch(stems, batch["img"], objects)
            batch = super().preprocess_batch(batch)
            return batch | {name: batch[name].to(self.precision) for name in ("img", "bboxes")}

        def optimizer_step(self) -> None:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            self.gradient_norm = float(torch.nn.utils.get_total_norm(gradients))
            super().optimizer_step()

        def save_model(self) -> bool:
            """After an epoch: keep everything that a training is, where the next checkpoint is due."""
            steps, epoch = len(self.recorder.curve), len(self.train_loader)
            due = self.checkpoint and steps // self.checkpoint > (steps - epoch) // self.checkpoint
            if due and self.epoch + 1 < self.epochs:
                state = {name: part.state_dict() for name, part in _parts(self).items()}
                state |= {"epoch": self.epoch, "updates": self.ema.updates, "recorder": self.recorder.state()}
                with whole_file(self.file) as unfinished:
                    torch.save(state, unfinished)
            return False

        def resume_training(self, ckpt) -> None:
            if not self.file.is_file():
                return
            state = torch.load(self.file, map_location=self.device, weights_only=True)
            for name, part in _parts(self).items():
                part.load_state_dict(state[name])
            self.start_epoch, self.ema.updates = state["epoch"] + 1, state["updates"]
            _go_on(_parts(self)["model"], self.start_epoch)
            self.recorder.go_on(state["recorder"])

        def final_eval(self) -> None:
            """Nothing: the last epoch was validated, and there is no better checkpoint to go back to."""

    return DetectionTrainer, Watching


def _parts(trainer) -> dict[str, Any]:
    from ultralytics.utils.torch_utils import unwrap_model

    return {"model": unwrap_model(trainer.model), "ema": trainer.ema.ema, "optimizer": trainer.optimizer}


def _go_on(model, epoch: int) -> None:
    """An end-to-end criterion weighs its branches by the epochs that it was told to be over."""
    criterion = getattr(model, "criterion", None) or model.init_criterion()
    if hasattr(criterion, "update"):
        criterion.updates = epoch - 1
        criterion.update()
        model.criterion = criterion


def _start(trainer) -> None:
    trainer.amp = trainer.autocast  # on a CPU Ultralytics has no word for bfloat16, but casts where this is set
    trainer.recorder.start(_parts(trainer)["model"], trainer.optimizer, trainer.epochs * len(trainer.train_loader))


def _draw_anew(trainer) -> None:
    """What an epoch draws depends on the seed and its number alone, so that a training can go on from any epoch."""
    from ultralytics.utils.torch_utils import init_seeds

    seed = int(np.random.SeedSequence([trainer.start_seed, trainer.epoch]).generate_state(1)[0])
    init_seeds(seed + rank(), deterministic=True)
    trainer.train_loader.generator.manual_seed(seed)
    trainer.train_loader.reset()


def _step(trainer) -> None:
    terms = {name.removesuffix("_loss"): float(value) for name, value in trainer.loss_items.items()}
    trainer.recorder.step(terms, trainer.optimizer.param_groups[0]["lr"], trainer.gradient_norm)


def _coco_results(prediction: dict[str, torch.Tensor], file: str) -> list[dict[str, Any]]:
    stem = Path(file).stem
    columns = (prediction[key].tolist() for key in ("bboxes", "conf", "cls"))
    return [
        {
            "image_id": int(stem) if stem.isdecimal() else stem,
            "category_id": int(label),
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": score,
        }
        for box, score, label in zip(*columns, strict=True)
    ]
