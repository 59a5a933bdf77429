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
from ultralytics.utils.torch_utils import unwrap_model

from .losses import cross_entropy_loss, distribution_focal_loss
from .v8_detection import terms


class Criterion:
    """What Ultralytics calls with a model's training outputs and a batch, in place of its ``v8DetectionLoss``.

    Args:
        model: an Ultralytics detection model; its last module has strides, and its `args` the gains box, cls and dfl.
            Where it has class weights, as `cls_pw` gives it, these are taken, too.
        classification, distribution: those of `v8_detection`.

    Raises:
        ValueError: outputs that a detection head has none of, such as masks or an end-to-end head's second branch, and
            sides without a distribution (`reg_max` 1).

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
        self.class_weights = getattr(model, "class_weights", None)
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
        _refuse_what_is_not_trained(outputs)
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
            self.class_weights,
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


def _refuse_what_is_not_trained(outputs: dict[str, Any]) -> None:
    """Raises `ValueError` for outputs of which a part would be left out of the loss without a word."""
    if more := sorted(set(outputs) - {"feats", "boxes", "scores"}):
        raise ValueError(
            f"the model's head also gives {', '.join(more)}, which this criterion does not train; "
            "take a detection model without it, or Ultralytics' own trainer"
        )
    if outputs["boxes"].shape[1] == 4:
        raise ValueError("the model's head has reg_max 1, no distribution of its sides; take one of reg_max 2 or more")


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
        self._give_criterion()

    def set_class_weights(self) -> None:
        """Gives the model our criterion again, since `cls_pw` makes the class weights that it takes from the model."""
        super().set_class_weights()
        self._give_criterion()

    def _give_criterion(self) -> None:
        model = unwrap_model(self.model)
        model = getattr(model, "student_model", model)  # a distilled model's own criterion is its student's
        model.criterion = Criterion(model, self.classification, self.distribution)
