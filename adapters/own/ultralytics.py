"""Our losses in Ultralytics (8.4), as a trainer:

    from ultralytics import YOLO
    from focalbench_suite.adapters.own.ultralytics import Trainer

    YOLO("yolov8n.yaml").train(trainer=Trainer, data="coco8.yaml")

Another loss takes the place of the classes' cross entropy, or of the sides' DFL, by a subclass:

    class FocalTrainer(Trainer):
        classification = partial(focal_loss, gamma=1.5, alpha=0.25)

In the wheel this module is ``focalbench.ultralytics``. Ultralytics is under AGPL-3.0, and so is what runs in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_convert
from ultralytics.models.yolo.detect import DetectionTrainer

from .losses import cross_entropy_loss, distribution_focal_loss
from .v8_detection import terms


class Criterion:
    """What Ultralytics calls with a model's training outputs and a batch, in place of its ``v8DetectionLoss``.

    `classification` and `distribution` are those of `v8_detection`.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        classification: Callable[..., Tensor] = cross_entropy_loss,
        distribution: Callable[..., Tensor] = distribution_focal_loss,
    ) -> None:
        self.strides = model.model[-1].stride.tolist()
        self.gains = {"box": model.args.box, "cls": model.args.cls, "dfl": model.args.dfl}
        self.classification, self.distribution = classification, distribution

    def __call__(self, outputs: Any, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The three terms times the number of images, (3,), and the terms by name, detached."""
        outputs = outputs[1] if isinstance(outputs, tuple) else outputs  # as given while validating
        shapes = [level.shape[2:] for level in outputs["feats"]]
        found = terms(
            [outputs["boxes"]],
            outputs["scores"],
            shapes,
            *self._truth(batch, len(outputs["scores"]), shapes[0]),
            self.strides,
            self.gains,
            self.classification,
            self.distribution,
        )
        loss = torch.stack(list(found.values()))
        return loss * len(outputs["scores"]), {f"{name}_loss": term.detach() for name, term in found.items()}

    def _truth(
        self, batch: dict[str, Tensor], images: int, shape: tuple[int, int]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Boxes in pixels and labels, an image each; the batch holds fractions of the image, all images in one."""
        height, width = (cells * self.strides[0] for cells in shape)
        boxes = box_convert(batch["bboxes"], "cxcywh", "xyxy") * batch["bboxes"].new_tensor([width, height] * 2)
        labels, image = batch["cls"].view(-1).long(), batch["batch_idx"].view(-1)
        rows = [image == index for index in range(images)]
        return [boxes[row] for row in rows], [labels[row] for row in rows]


class Trainer(DetectionTrainer):
    """Ultralytics' detection trainer with our criterion."""

    classification: Callable[..., Tensor] = staticmethod(cross_entropy_loss)
    distribution: Callable[..., Tensor] = staticmethod(distribution_focal_loss)

    def set_model_attributes(self) -> None:
        super().set_model_attributes()
        self.model.criterion = Criterion(self.model, self.classification, self.distribution)
