"""Random head outputs and ground truth."""

import torch

STRIDES, CLASSES, SIDE = (8, 16, 32), 6, 192


def scene(seed: int, images: int = 3, count: int = 6, bins: int = 16) -> tuple[list, list, list]:
    """Head outputs, boxes and labels; later images hold fewer boxes, and some boxes overlap or are tiny.

    With one bin the outputs are sides, of which some are negative.
    """
    random = torch.Generator().manual_seed(seed)
    shift = torch.zeros(4 * bins + CLASSES, 1, 1)
    shift[:4] = 2.0 if bins == 1 else 0.0  # strides, as Ultralytics' heads start
    feats = [
        (
            1.5 * torch.randn(images, 4 * bins + CLASSES, SIDE // stride, SIDE // stride, generator=random) + shift
        ).requires_grad_()
        for stride in STRIDES
    ]
    boxes, labels = [], []
    for image in range(images):
        number = count - 3 * image
        corner = torch.rand(number, 2, generator=random) * 0.7 * SIDE
        size = torch.rand(number, 2, generator=random) * 0.5 * SIDE + 3
        boxes.append(torch.cat((corner, (corner + size).clamp(max=SIDE)), dim=1))
        labels.append(torch.randint(CLASSES, (number,), generator=random))
    return feats, boxes, labels
