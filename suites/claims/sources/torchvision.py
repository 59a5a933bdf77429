"""What torchvision documents as its defaults, and the AP that its weights carry."""

from __future__ import annotations

import re

from focalbench_suite.results.papers import row
from focalbench_suite.suites.claims import installed
from focalbench_suite.suites.claims.claim import Claim, Source, based_on
from focalbench_suite.suites.claims.documented import default

TORCHVISION_FILES = {
    "retinanet_resnet50_fpn": ("retinanet.py", 0),
    "retinanet_resnet50_fpn_v2": ("retinanet.py", 1),
    "fcos_resnet50_fpn": ("fcos.py", 0),
    "ssd300_vgg16": ("ssd.py", 0),
    "ssdlite320_mobilenet_v3_large": ("ssdlite.py", 0),
}


def torchvision_as_printed(model: str) -> float:
    """The box AP that torchvision's weights carry, by the source (the weights are not fetched)."""
    file, place = TORCHVISION_FILES[model]
    text = (installed.folder("torchvision") / "models" / "detection" / file).read_text(encoding="utf-8")
    return float(re.findall(r'"box_map": ([\d.]+)', text)[place])


TORCHVISION = (
    default("torchvision", "ops/focal_loss.py", "sigmoid_focal_loss", "alpha", "0.25", "focal"),
    default("torchvision", "ops/focal_loss.py", "sigmoid_focal_loss", "gamma", "2", "focal"),
    default("torchvision", "ops/focal_loss.py", "sigmoid_focal_loss", "reduction", "none", "focal"),
    default(
        "torchvision",
        "models/detection/retinanet.py",
        "RetinaNetClassificationHead",
        "prior_probability",
        "0.01",
        "focal",
    ),
    *(
        Claim(
            "weights, box_map",
            f"the box AP that the weights of {model} carry",
            f"{row('torchvision-zoo', model=model)['AP']}",
            lambda read, model=model: torchvision_as_printed(model),
            note="read from the installed source, not evaluated",
        )
        for model in TORCHVISION_FILES
    ),
)


SOURCES = (Source("torchvision 0.28", "torchvision", based_on("read", TORCHVISION)),)
