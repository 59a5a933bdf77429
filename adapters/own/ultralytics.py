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

from .end_to_end import CANDIDATES as ONE2ONE_CANDIDATES
from .end_to_end import branch_weights
from .losses import cross_entropy_loss, distribution_focal_loss
from .task_aligned import CANDIDATES
from .v8_detection import terms


class Criterion:
    """What Ultralytics calls with a model's training outputs and a batch, in place of its ``v8DetectionLoss``.

    Args:
        model: an Ultralytics detection model; its last module has strides, and its `args` the gains box, cls and dfl.
            Where it has class weights, as `cls_pw` gives it, these are taken, too.
        classification, distribution: those of `v8_detection`.
        candidates, kept: those of `v8_detection`, too: Ultralytics' tal_topk and tal_topk2.

    Raises:
        ValueError: outputs that this criterion does not train, such as masks; those of an end-to-end head are for
            `EndToEndCriterion`.

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
        candidates: int = CANDIDATES,
        kept: int = CANDIDATES,
    ) -> None:
        self.strides = model.model[-1].stride.tolist()
        self.gains = {"box": model.args.box, "cls": model.args.cls, "dfl": model.args.dfl}
        self.class_weights = getattr(model, "class_weights", None)
        self.classification, self.distribution = classification, distribution
        self.candidates, self.kept = candidates, kept

    def __call__(self, outputs: Any, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The three terms times the number of images, (3,), and the terms by name, detached.

        Args:
            outputs: a dict with `feats` (B, ..., H, W) of each level, of which the shapes are read, `boxes`
                (B, 4 reg_max, A) and `scores` (B, C, A); or a pair with it in second place, as while validating.
                With `reg_max` 1 the third term is l1, in place of dfl.
            batch: `batch_idx` (G,) the image of each box, `cls` (G, 1) its class, `bboxes` (G, 4) its centre, width and
                height as fractions of the image.
        """
        outputs = _training_outputs(outputs)
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
            self.candidates,
            self.kept,
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


class EndToEndCriterion:
    """What Ultralytics calls with an end-to-end model's training outputs, in place of its ``E2ELoss``.

    The loss is the weighted sum of two of our `Criterion`, one2many and one2one; the weights move with each `update`,
    which the trainer calls after every epoch. Arguments and errors are those of `Criterion`; the model's `args` have
    the number of `epochs`, too.

    One image of one cell and a box that fills it, as in `Criterion`. Both branches cost the same and the weights add up
    to 1, so that the sum is that of either:

    >>> settings = SimpleNamespace(box=1.0, cls=1.0, dfl=1.0, epochs=8)
    >>> model = SimpleNamespace(model=[SimpleNamespace(stride=torch.tensor([8]))], args=settings)
    >>> criterion = EndToEndCriterion(model)
    >>> branch = {"feats": [torch.zeros(1, 9, 1, 1)], "boxes": torch.zeros(1, 8, 1), "scores": torch.zeros(1, 1, 1)}
    >>> box = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    >>> batch = {"batch_idx": torch.tensor([0]), "cls": torch.tensor([[0]]), "bboxes": box}
    >>> loss, _ = criterion({"one2many": branch, "one2one": branch}, batch)
    >>> [round(term, 3) for term in loss.tolist()]
    [0.0, 0.693, 0.693]
    """

    def __init__(
        self,
        model: Any,
        classification: Callable[..., Tensor] = cross_entropy_loss,
        distribution: Callable[..., Tensor] = distribution_focal_loss,
    ) -> None:
        self.one2many = Criterion(model, classification, distribution)
        self.one2one = Criterion(model, classification, distribution, ONE2ONE_CANDIDATES, kept=1)
        self.epochs: int = model.args.epochs
        self.updates = 0

    def __call__(self, outputs: Any, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The three terms times the number of images, (3,), and the terms of one2one by name, detached.

        Args:
            outputs: a dict with the branches `one2many` and `one2one`, each as `Criterion` takes it; or a pair with it
                in second place, as while validating.
            batch: as `Criterion` takes it.
        """
        outputs = _training_outputs(outputs)
        many, _ = self.one2many(outputs["one2many"], batch)
        one, items = self.one2one(outputs["one2one"], batch)
        of_many, of_one = branch_weights(self.updates, self.epochs)
        return of_many * many + of_one * one, items

    def update(self) -> None:
        """Goes on to the weights of the next epoch."""
        self.updates += 1


def criterion_for(
    model: Any,
    classification: Callable[..., Tensor] = cross_entropy_loss,
    distribution: Callable[..., Tensor] = distribution_focal_loss,
) -> Criterion | EndToEndCriterion:
    """Our criterion for a model: `EndToEndCriterion` where its head has a branch one2one, else `Criterion`.

    >>> head, settings = SimpleNamespace(stride=torch.tensor([8])), SimpleNamespace(box=1.0, cls=1.0, dfl=1.0, epochs=8)
    >>> type(criterion_for(SimpleNamespace(model=[head], args=settings))).__name__
    'Criterion'
    >>> head.one2one_cv2 = torch.nn.ModuleList()
    >>> type(criterion_for(SimpleNamespace(model=[head], args=settings))).__name__
    'EndToEndCriterion'
    """
    ends = getattr(model.model[-1], "one2one_cv2", None) is not None
    return (EndToEndCriterion if ends else Criterion)(model, classification, distribution)


def _training_outputs(outputs: Any) -> dict[str, Any]:
    return outputs[1] if isinstance(outputs, tuple) else outputs


def _refuse_what_is_not_trained(outputs: dict[str, Any]) -> None:
    """Raises `ValueError` for outputs of which a part would be left out of the loss without a word."""
    if more := sorted(set(outputs) - {"feats", "boxes", "scores"}):
        raise ValueError(
            f"the model's head also gives {', '.join(more)}, which this criterion does not train; "
            "take EndToEndCriterion for one2many and one2one, and Ultralytics' own trainer for anything else"
        )


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

    def resume_training(self, ckpt: Any) -> None:
        """Gives an end-to-end model our criterion again, at the weights of its epoch: Ultralytics gives it its own."""
        super().resume_training(ckpt)
        self._give_criterion()

    def _give_criterion(self) -> None:
        model = unwrap_model(self.model)
        model = getattr(model, "student_model", model)  # a distilled model's own criterion is its student's
        model.criterion = criterion_for(model, self.classification, self.distribution)
        if isinstance(model.criterion, EndToEndCriterion):
            model.criterion.updates = self.start_epoch
