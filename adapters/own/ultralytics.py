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

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_convert
from ultralytics.models.yolo.detect import DetectionTrainer

from .losses import cross_entropy_loss, distribution_focal_loss
from .v8_detection import terms


class Criterion:
    """What Ultralytics calls with a model's training outputs and a batch, in place of its ``v8DetectionLoss``.

    Args:
        model: an Ultralytics detection model; its last module has strides, and its `args` the gains box, cls and dfl.
        classification, distribution: those of `v8_detection`.

    One image of one cell and a box that fills it, as in `v8_detection`; the image is 8 pixels wide:

    >>> head, gains = SimpleNamespace(stride=torch.tensor([8])), SimpleNamespace(box=1.0, cls=1.0, dfl=1.0)
    >>> criterion = Criterion(SimpleNamespace(model=[head], args=gains))
    >>> cell = torch.zeros(1, 9, 1, 1)
    >>> outputs = {"feats": [cell], "boxes": torch.zeros(1, 8, 1), "scores": torch.zeros(1, 1, 1)}
    >>> box = torch.tensor([[0.5, 0.5, 1.0, 1.0]])  # centre, width and height as fractions of the image
    >>> batch = {"batch_idx": torch.tensor([0]), "cls": torch.tensor([[0]]), "bboxes": box}
    >>> loss, terms = criterion(outputs, batch)
    >>> {name: round(term.item(), 3) for name, term in terms.items()}
    {'box_loss': 0.0, 'cls_loss': 0.693, 'dfl_loss': 0.693}
    """

    def __init__(
        self,
        model: Any,
        classification: Callable[..., Tensor] = cross_entropy_loss,
        distribution: Callable[..., Tensor] = distribution_focal_loss,
    ) -> None:
        self.strides = model.model[-1].stride.tolist()
        self.gains = {"box": model.args.box, "cls": model.args.cls, "dfl": model.args.dfl}
        self.classification, self.distribution = classification, distribution

    def __call__(self, outputs: Any, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The three terms times the number of images, (3,), and the terms by name, detached.

        Args:
            outputs: a dict with `feats` (B, ..., H, W) of each level, of which the shapes are read, `boxes`
                (B, 4 reg_max, A) and `scores` (B, C, A); or a pair with it in second place, as while validating.
            batch: `batch_idx` (G,) the image of each box, `cls` (G, 1) its class, `bboxes` (G, 4) its centre, width and
                height as fractions of the image.
        """
        outputs = outputs[1] if isinstance(outputs, tuple) else outputs
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

    def _truth(self, batch: dict[str, Tensor], images: int, shape: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """Boxes in pixels and labels, an image each; the batch holds fractions of the image, all images in one."""
        height, width = (cells * self.strides[0] for cells in shape)
        boxes = box_convert(batch["bboxes"], "cxcywh", "xyxy") * batch["bboxes"].new_tensor([width, height] * 2)
        labels, image = batch["cls"].view(-1).long(), batch["batch_idx"].view(-1)
        rows = [image == index for index in range(images)]
        return [boxes[row] for row in rows], [labels[row] for row in rows]


class Trainer(DetectionTrainer):
    """Ultralytics' detection trainer with our criterion; a subclass names other losses.

    >>> class FocalTrainer(Trainer):
    ...     classification = partial(focal_loss, gamma=1.5, alpha=0.25)
    >>> x, y = torch.zeros(1, 1), torch.ones(1, 1)
    >>> Trainer.classification(x, y), FocalTrainer.classification(x, y)  # log 2, and 1/4 (1/2)^1.5 log 2
    (tensor(0.6931), tensor(0.0613))
    """

    classification: Callable[..., Tensor] = staticmethod(cross_entropy_loss)
    distribution: Callable[..., Tensor] = staticmethod(distribution_focal_loss)

    def set_model_attributes(self) -> None:
        """Gives the model our criterion, after what Ultralytics gives it."""
        super().set_model_attributes()
        self.model.criterion = Criterion(self.model, self.classification, self.distribution)
