"""Losses of Hugging Face's detection models: https://github.com/huggingface/transformers/tree/main/src/transformers/loss"""

from focalbench_suite.adapters import Adapter, Unsupported
from focalbench_suite.adapters._queries import targets_of

adapter = Adapter("transformers", distribution="transformers", modules=("transformers",))
FOCAL = {"defaults": {"gamma": 2, "alpha": 0.25}}
DETR = "transformers.loss.loss_for_object_detection:sigmoid_focal_loss"
GROUNDING_DINO = "transformers.loss.loss_grounding_dino:sigmoid_focal_loss"


@adapter.loss("focal", variant="detr", origin=DETR, reduction="mean(1).sum() / num_boxes", **FOCAL)
def focal_detr(logits, targets, *, gamma, alpha):
    from transformers.loss.loss_for_object_detection import sigmoid_focal_loss

    return sigmoid_focal_loss(logits, targets, num_boxes=1, alpha=_alpha(alpha), gamma=gamma)


@adapter.loss("focal", variant="grounding_dino", origin=GROUNDING_DINO, reduction="sum() / num_boxes", **FOCAL)
def focal_grounding_dino(logits, targets, *, gamma, alpha):
    from transformers.loss.loss_grounding_dino import sigmoid_focal_loss

    return sigmoid_focal_loss(logits, targets, num_boxes=1, alpha=_alpha(alpha), gamma=gamma)


def _alpha(alpha):
    return -1 if alpha is None else alpha  # a negative alpha turns the weighting off


@adapter.loss(
    "varifocal",
    variant="rt_detr",
    labels="label_score",
    background="last",
    reduction="sum() / num_boxes",
    origin="transformers.loss.loss_rt_detr:RTDetrLoss.loss_labels_vfl",
    defaults={"gamma": 2.0, "alpha": 0.75},  # of RTDetrConfig
)
def varifocal_rt_detr(logits, targets, *, gamma, alpha):
    """``RTDetrLoss.loss_labels_vfl``, which computes the quality of a match itself, from its boxes.

    So each labelled row is a query whose predicted box is the whole image and whose target box covers the share of it
    that the quality says.
    """
    import torch
    from transformers import RTDetrConfig
    from transformers.loss.loss_rt_detr import RTDetrLoss

    if alpha is None:
        raise Unsupported("RTDetrLoss always weights negatives by alpha")
    label, quality = targets
    matched = (label < logits.shape[1]).nonzero().squeeze(1)
    criterion = RTDetrLoss(RTDetrConfig(num_labels=logits.shape[1], focal_loss_gamma=gamma, focal_loss_alpha=alpha))
    share = quality[matched].to(torch.promote_types(logits.dtype, torch.float32))
    whole = share.new_tensor([0.5, 0.5, 1.0, 1.0]).expand(len(label), 4)
    covering = torch.stack((share / 2, torch.full_like(share, 0.5), share, torch.ones_like(share)), dim=1)
    outputs = {"logits": logits.unsqueeze(0), "pred_boxes": whole.unsqueeze(0)}
    truth = [{"boxes": covering, "class_labels": label[matched]}]
    indices = [(matched, torch.arange(len(matched), device=label.device))]
    return criterion.loss_labels_vfl(outputs, truth, indices, num_boxes=1)["loss_vfl"]


@adapter.loss(
    "distribution_focal",
    variant="d_fine",
    reductions=("none", "mean", "sum"),
    reduction="sum",
    origin="transformers.loss.loss_d_fine:DFineLoss.unimodal_distribution_focal_loss",
    defaults={"weight": None},
)
def distribution_focal_d_fine(logits, targets, *, weight=None, reduction):
    """The core of D-FINE's fine-grained localization loss, which is given the left bin and both bins' shares."""
    from transformers.loss.loss_d_fine import DFineLoss

    left = targets.floor()
    right_share = targets - left
    compute = DFineLoss.unimodal_distribution_focal_loss  # uses nothing of its instance
    return compute(None, logits, left, right_share, 1 - right_share, weight=weight, reduction=reduction)


@adapter.loss("rtdetr_head", variant="rt_detr", origin="transformers.loss.loss_rt_detr:RTDetrLoss", reduction="terms")
def rtdetr_head(pred_boxes, pred_logits, boxes, labels, *, image_size):
    """With the settings of RTDetrConfig: its varifocal loss has gamma 2 and alpha 0.75, Ultralytics' 1.5 and 0.25."""
    from transformers import RTDetrConfig
    from transformers.loss.loss_rt_detr import RTDetrLoss

    criterion = RTDetrLoss(RTDetrConfig(num_labels=pred_logits[0].shape[2]))
    outputs = {"logits": pred_logits[0], "pred_boxes": pred_boxes[0].sigmoid()}
    found = criterion(outputs, targets_of(boxes, labels, image_size, "class_labels"))
    return {"cls": found["loss_vfl"], "bbox": found["loss_bbox"], "giou": found["loss_giou"]}
