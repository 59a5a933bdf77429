"""Criteria as people write them, one thing changed in each; asked by name, as ``check FILE.py:CLASS`` does."""

from __future__ import annotations

import os

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from ultralytics.utils.loss import BboxLoss, DFLoss, E2EDetectLoss, E2ELoss, FocalLoss, v8DetectionLoss
from ultralytics.utils.metrics import bbox_iou

from focalbench_suite.adapters import Adapter
from focalbench_suite.adapters.own.boxes import distances, from_distances, giou, grid, iou
from focalbench_suite.adapters.own.heads import integral
from focalbench_suite.adapters.own.v8_detection import v8_detection


class Elementwise(torch.nn.Module):
    """A loss per element in the place of ``BCEWithLogitsLoss(reduction="none")``."""

    def forward(self, logits, scores):
        plain = binary_cross_entropy_with_logits(logits, scores, reduction="none")
        return plain * self.factor(logits, scores)


class Focal(Elementwise):
    def factor(self, logits, scores):
        p = logits.sigmoid()
        return 0.25 * (1 - (scores * p + (1 - scores) * (1 - p))) ** 1.5


class Slide(Elementwise):
    """Scores just below a threshold count most, and those above it less the higher they are."""

    def factor(self, logits, scores):
        threshold = 0.2
        near = (scores > threshold - 0.1) & (scores < threshold)
        above = torch.where(scores >= threshold, (1 - scores).exp(), torch.ones_like(scores))
        return torch.where(near, torch.tensor(1 - threshold).exp().to(scores), above)


class FocalInPlaceOfBCE(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bce = Focal()


class PositiveWeight(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bce = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0), reduction="none")


class NeverUsed(v8DetectionLoss):
    """Has a focal loss, and calls the cross entropy all the same."""

    def __init__(self, model):
        super().__init__(model)
        self.focal = FocalLoss(gamma=1.5, alpha=0.25)


class OldFocal(v8DetectionLoss):
    """Calls the library's focal loss as its release 8.3 was called; today gamma and alpha belong to the constructor."""

    def __init__(self, model):
        super().__init__(model)
        focal = FocalLoss()
        self.bce = lambda logits, scores: focal(logits, scores, gamma=1.5, alpha=0.25)


class PortedFocal(v8DetectionLoss):
    """The same for today's library, which averages over anchors: a number where one for each element was meant."""

    def __init__(self, model):
        super().__init__(model)
        self.bce = FocalLoss(gamma=1.5, alpha=0.25)


class PortedSlide(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bce = Slide()


class ClassWeights(v8DetectionLoss):
    def __init__(self, model):
        model.class_weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
        super().__init__(model)


class OnlySum(v8DetectionLoss):
    """Its three terms as one number."""

    def __call__(self, preds, batch):
        loss, items = super().__call__(preds, batch)
        return loss.sum(), items


class HalfTheBox(v8DetectionLoss):
    def __init__(self, model):
        model.args.box = model.args.box / 2
        super().__init__(model)


class TopThirteen(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model, tal_topk=13)


class NeedsGPU(v8DetectionLoss):
    def __init__(self, model):
        raise RuntimeError("Found no NVIDIA driver on your system")


class EndsProcess(v8DetectionLoss):
    def __call__(self, preds, batch):
        os._exit(7)


class MissingAttribute(v8DetectionLoss):
    def __call__(self, preds, batch):
        return self.slide(preds, batch)


class ShortTable(v8DetectionLoss):
    """Looks its labels up in a table that is too short for them."""

    def __call__(self, preds, batch):
        torch.ones(2)[batch["cls"].long()]
        return super().__call__(preds, batch)


class ChangesBatch(v8DetectionLoss):
    def __call__(self, preds, batch):
        batch["bboxes"].mul_(0.5)
        return super().__call__(preds, batch)


def one_number(feats, boxes, labels):
    return feats[0].sum()


noise = Adapter("noise")


@noise.loss("v8_detection", reduction="terms")
def _noise(feats, boxes, labels, **asked):
    """The class term is small noise."""
    dice = torch.Generator().manual_seed(1)
    term = 1e-4 * sum((torch.randn(f.shape, generator=dice).to(f) * f).mean() for f in feats)
    return v8_detection(feats, boxes, labels, **asked) | {"cls": term}


def nanodet_like_gfl(cls_scores, bbox_preds, boxes, labels, *, strides, reg_max):
    """NanoDet's head with the square of GFL's head: 8 strides around a cell."""
    return nanodet(cls_scores, bbox_preds, boxes, labels, strides, reg_max, octave=8)


def nanodet_as_shipped(cls_scores, bbox_preds, boxes, labels, *, strides, reg_max):
    """NanoDet's own setting: 5 strides."""
    return nanodet(cls_scores, bbox_preds, boxes, labels, strides, reg_max, octave=5)


def nanodet(cls_scores, bbox_preds, boxes, labels, strides, reg_max, octave):
    """NanoDet's head: ATSS, then QFL, GIoU and DFL; an image without positives counts as one."""
    scores = torch.cat([level.flatten(2) for level in cls_scores], 2).transpose(1, 2)
    sides = torch.cat([level.flatten(2) for level in bbox_preds], 2).transpose(1, 2)
    shapes = [level.shape[2:] for level in cls_scores]
    cells, scale = grid(shapes, strides, scores)
    squares = from_distances(cells * scale, (scale * octave / 2).expand(-1, 4))
    quality = torch.zeros_like(scores)
    count, weights, overlaps, bins, wanted = 0, [], [], [], []
    for image, (mine, label) in enumerate(zip(boxes, labels, strict=True)):
        taken, which = atss(squares, [h * w for h, w in shapes], mine)
        count += max(len(taken), 1)
        if not len(taken):
            continue
        at, target = cells[taken], mine[which] / scale[taken]
        logits = sides[image, taken].unflatten(1, (4, reg_max + 1))
        predicted = from_distances(at, integral(logits))
        quality[image, taken, label[which]] = iou(predicted.detach(), target)
        weights.append(scores.detach()[image, taken].sigmoid().amax(1))
        overlaps.append(1 - giou(predicted, target))
        bins.append(logits)
        wanted.append(distances(at, target).clamp(0, reg_max - 0.1))
    plain = binary_cross_entropy_with_logits(scores, quality, reduction="none")
    cls = (plain * (quality - scores.sigmoid()).abs() ** 2).sum() / count
    if not weights:
        return {"loss_cls": cls, "loss_bbox": sides.sum() * 0, "loss_dfl": sides.sum() * 0}
    weight, overlap, logits, side = (torch.cat(each) for each in (weights, overlaps, bins, wanted))
    total = weight.sum().clamp(min=1)
    left = side.floor().long()
    log = logits.log_softmax(2)
    near, far = (log.gather(2, place[..., None])[..., 0] for place in (left, left + 1))
    dfl = -(near * (left + 1 - side) + far * (side - left))
    return {
        "loss_cls": cls,
        "loss_bbox": 2 * (overlap * weight).sum() / total,
        "loss_dfl": 0.25 * (dfl.mean(1) * weight).sum() / total,
    }


def atss(squares, sizes, boxes):
    """The anchors that are taken and the box of each: by mean plus deviation of the overlaps of nine a level."""
    if not len(boxes):
        return torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    middle = (squares[:, :2] + squares[:, 2:]) / 2
    gaps = torch.cdist(middle, (boxes[:, :2] + boxes[:, 2:]) / 2)
    near, start = [], 0
    for size in sizes:
        near.append(gaps[start : start + size].topk(min(9, size), dim=0, largest=False).indices + start)
        start += size
    near = torch.cat(near)
    overlap = iou(squares[near], boxes)
    held = distances(middle[near], boxes).amin(-1) > 0.01
    good = (overlap >= overlap.mean(0) + overlap.std(0)) & held
    table = torch.full((len(squares), len(boxes)), -1.0).to(boxes).scatter(0, near, overlap.where(good, -1.0))
    best, which = table.max(1)
    taken = (best >= 0).nonzero()[:, 0]
    return taken, which[taken]


class OtherBoxes(BboxLoss):
    """Boxes by another overlap than CIoU; what it is given and returns is as in the library."""

    overlap = staticmethod(lambda boxes, targets: bbox_iou(boxes, targets, xywh=False, GIoU=True).squeeze(-1))

    def weight(self, scores, boxes, targets):
        return scores.sum(-1)

    def forward(self, pred_dist, pred_bboxes, anchors, target_bboxes, target_scores, total, mask, *rest):
        _, dfl = super().forward(pred_dist, pred_bboxes, anchors, target_bboxes, target_scores, total, mask, *rest)
        boxes, targets = pred_bboxes[mask], target_bboxes[mask]
        each = 1 - type(self).overlap(boxes, targets)
        return (each * self.weight(target_scores[mask], boxes, targets)).sum() / total, dfl


class GIoUInPlaceOfCIoU(v8DetectionLoss):
    boxes = OtherBoxes

    def __init__(self, model):
        super().__init__(model)
        self.bbox_loss = self.boxes(self.reg_max)


def corners(boxes, targets):
    """Widths and heights of both and of the box around both, and how far the centres are apart, each (n, 2)."""
    around = torch.max(boxes[:, 2:], targets[:, 2:]) - torch.min(boxes[:, :2], targets[:, :2])
    apart = (boxes[:, :2] + boxes[:, 2:] - targets[:, :2] - targets[:, 2:]) / 2
    return boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2], around, apart


def siou(boxes, targets):
    """As detectors ship it: the angle by its sine, of the smaller of the two angles with the axes."""
    mine, wanted, around, apart = corners(boxes, targets)
    sine = apart.abs() / apart.pow(2).sum(1, keepdim=True).sqrt()
    angle = torch.cos(2 * torch.arcsin(sine.amin(1)) - torch.pi / 2)
    distance = 2 - torch.exp((angle - 2)[:, None] * (apart / around) ** 2).sum(1)
    shape = (1 - torch.exp(-(mine - wanted).abs() / torch.max(mine, wanted))).pow(4).sum(1)
    return iou(boxes, targets) - 0.5 * (distance + shape)


def eiou(boxes, targets):
    mine, wanted, around, apart = corners(boxes, targets)
    centres = apart.pow(2).sum(1) / around.pow(2).sum(1)
    return iou(boxes, targets) - centres - ((mine - wanted) / around).pow(2).sum(1)


class SIoUBoxes(OtherBoxes):
    overlap = staticmethod(siou)


class SIoU(GIoUInPlaceOfCIoU):
    boxes = SIoUBoxes


class FocalEIoUBoxes(OtherBoxes):
    overlap = staticmethod(eiou)

    def weight(self, scores, boxes, targets):
        return scores.sum(-1) * iou(boxes, targets).detach() ** 0.5


class FocalEIoU(GIoUInPlaceOfCIoU):
    boxes = FocalEIoUBoxes


class BoxesOfOne(OtherBoxes):
    overlap = staticmethod(iou)

    def weight(self, scores, boxes, targets):
        return 1


class EvenBoxes(GIoUInPlaceOfCIoU):
    """Plain IoU, each positive as much as any other."""

    boxes = BoxesOfOne


class CubedOverlapBoxes(OtherBoxes):
    overlap = staticmethod(lambda boxes, targets: iou(boxes, targets) ** 3)


class CubedOverlap(GIoUInPlaceOfCIoU):
    """Alpha-IoU, 1 - IoU³, whose gradient is that of IoU times 3 IoU² while its value is its own."""

    boxes = CubedOverlapBoxes


class UnknownOverlapBoxes(OtherBoxes):
    overlap = staticmethod(lambda boxes, targets: (siou(boxes, targets) + giou(boxes, targets)) / 2)


class UnknownOverlap(GIoUInPlaceOfCIoU):
    """Half of one kind and half of another."""

    boxes = UnknownOverlapBoxes


class GIoUOfThirteen(GIoUInPlaceOfCIoU):
    def __init__(self, model):
        v8DetectionLoss.__init__(self, model, tal_topk=13)
        self.bbox_loss = self.boxes(self.reg_max)


class OtherSides(DFLoss):
    """Cut off two bins before the last, and not weighted by the scores."""

    def __call__(self, bins, targets):
        return super().__call__(bins, targets.clamp(0, self.reg_max - 3))


class EarlyCut(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bbox_loss.dfl_loss = OtherSides(self.reg_max)


class ExchangedBins(v8DetectionLoss):
    """The left bin has the right bin's weight."""

    def __init__(self, model):
        super().__init__(model)
        plain = self.bbox_loss.dfl_loss

        class Exchanged(DFLoss):
            def __call__(self, bins, targets):
                inner = targets.clamp(0, self.reg_max - 1 - 0.01)
                return plain(bins, 2 * inner.floor() + 1 - inner)

        self.bbox_loss.dfl_loss = Exchanged(self.reg_max)


class OneSize(v8DetectionLoss):
    """Takes the height of the first level for its width, which is right where images are square."""

    def __call__(self, preds, batch):
        height, width = preds["feats"][0].shape[2:]
        boxes = batch["bboxes"] * batch["bboxes"].new_tensor([width / height, 1, width / height, 1]).pow(-1)
        return super().__call__(preds, {**batch, "bboxes": boxes})


class ModelFile(v8DetectionLoss):
    """A teacher's weights, which stand nowhere here."""

    def __init__(self, model):
        super().__init__(model)
        self.teacher = torch.load("teacher.pt")


class NewSetting(v8DetectionLoss):
    """A setting that the library has none of."""

    def __init__(self, model):
        super().__init__(model)
        self.gamma = model.args.fl_gamma


class OnTheGPU(v8DetectionLoss):
    def __call__(self, preds, batch):
        return super().__call__(preds, {key: value.cuda() for key, value in batch.items()})


class ChangesOutputs(v8DetectionLoss):
    def __call__(self, preds, batch):
        preds["scores"].detach().mul_(0.5)
        return super().__call__(preds, batch)


class FocalInOneBranch(E2ELoss):
    """An end-to-end criterion, with focal loss in the branch of which detections are read."""

    def __init__(self, model):
        super().__init__(model)
        self.one2one.bce = Focal()


class PlainSum(E2EDetectLoss):
    """The branches' sum, as YOLOv10 had it: each weighs 1, and in the second a box takes one anchor at once."""


class OneClassWeighed(v8DetectionLoss):
    """Its positives weigh more where there is one class."""

    def __init__(self, model):
        super().__init__(model)
        if self.nc == 1:
            self.bce = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0), reduction="none")


class ManyClasses(v8DetectionLoss):
    """Looks at the second class, which may not be there."""

    def __call__(self, preds, batch):
        preds["scores"][:, 1]
        return super().__call__(preds, batch)


class HalfPrecision(v8DetectionLoss):
    """Another class term where outputs are in half precision."""

    def __call__(self, preds, batch):
        if preds["scores"].dtype == torch.bfloat16:
            self.bce = Focal()
        return super().__call__(preds, batch)


class NoHalfPrecision(v8DetectionLoss):
    """Writes scores of float32 into a tensor of the outputs' precision."""

    def __call__(self, preds, batch):
        place = torch.zeros_like(preds["scores"])
        place[:1] = torch.zeros(1, *place.shape[1:]).index_put((torch.tensor([0]),), preds["scores"][:1])
        return super().__call__(preds, batch)


class PowerOfShares(DFLoss):
    """The two bins' shares to a power, and as it may be divided by what they add up to."""

    def __init__(self, reg_max, power, normalised):
        super().__init__(reg_max)
        self.power, self.normalised = power, normalised

    def __call__(self, bins, targets):
        targets = targets.clamp(0, self.reg_max - 1 - 0.01)
        left = targets.long()
        shares = torch.stack((left + 1 - targets, targets - left), dim=-1) ** self.power
        if self.normalised:
            shares = shares / shares.sum(-1, keepdim=True)
        log = bins.log_softmax(-1).view(*targets.shape, self.reg_max)
        both = log.gather(-1, torch.stack((left, left + 1), dim=-1))
        return -(shares * both).sum(-1).mean(-1, keepdim=True)


class SquaredShares(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bbox_loss.dfl_loss = PowerOfShares(self.reg_max, 2, normalised=False)


class RootsOfShares(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bbox_loss.dfl_loss = PowerOfShares(self.reg_max, 0.5, normalised=True)


def giou_over_union(boxes, targets):
    mine, wanted, around, _ = corners(boxes, targets)
    inner = iou(boxes, targets) * (mine.prod(1) + wanted.prod(1)) / (1 + iou(boxes, targets))
    union = mine.prod(1) + wanted.prod(1) - inner
    return iou(boxes, targets) - (around.prod(1) - union) / union


class GIoUOverUnionBoxes(OtherBoxes):
    overlap = staticmethod(giou_over_union)


class GIoUOverUnion(GIoUInPlaceOfCIoU):
    """The penalty of GIoU divided by the union."""

    boxes = GIoUOverUnionBoxes


class Float32Alone(v8DetectionLoss):
    """Refuses outputs of another precision, and is otherwise the library's with half the gain of its boxes."""

    def __init__(self, model):
        model.args.box = model.args.box / 2
        super().__init__(model)

    def __call__(self, preds, batch):
        if preds["scores"].dtype != torch.float32:
            raise TypeError("float32 alone")
        return super().__call__(preds, batch)


class HardFocalTerm(Elementwise):
    """Its factor is that of an object or none, whatever the assigned score."""

    def factor(self, logits, scores):
        p, there = logits.sigmoid(), (scores > 0).to(scores)
        return (1 - (there * p + (1 - there) * (1 - p))) ** 2 * (0.25 * there + 0.75 * (1 - there))


class HardFocal(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bce = HardFocalTerm()


class HeldFactorTerm(Elementwise):
    def factor(self, logits, scores):
        return Focal().factor(logits.detach(), scores)


class HeldFactor(v8DetectionLoss):
    def __init__(self, model):
        super().__init__(model)
        self.bce = HeldFactorTerm()


class WeightsOfPositives(v8DetectionLoss):
    """A weight for the positives of each class, of a data set of three classes."""

    def __init__(self, model):
        super().__init__(model)
        self.bce = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.5, 4.0]), reduction="none")


class MadeWithGamma(v8DetectionLoss):
    """Must be told its gamma."""

    def __init__(self, model, gamma):
        super().__init__(model)
        self.bce, self.gamma = self.focal, gamma

    def focal(self, logits, scores):
        p = logits.sigmoid()
        factor = (1 - (scores * p + (1 - scores) * (1 - p))) ** self.gamma
        return factor * binary_cross_entropy_with_logits(logits, scores, reduction="none")


class OfOldRelease(v8DetectionLoss):
    """Takes a list of maps, as releases before 8.4 gave it, and puts the class term at half its gain."""

    def __call__(self, preds, batch):
        feats = preds[1] if isinstance(preds, tuple) else preds
        flat = torch.cat([level.flatten(2) for level in feats], 2)
        boxes, scores = flat.split((self.reg_max * 4, self.nc), 1)
        found, items = super().__call__({"boxes": boxes, "scores": scores, "feats": feats}, batch)
        return found * found.new_tensor([1, 0.5, 1]), items
