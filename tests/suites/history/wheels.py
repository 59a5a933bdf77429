"""Small packages of several versions, as wheels in a folder: the releases that the tests look at."""

import zipfile

FOCAL = """
import torch.nn.functional as F

def binary_focal_loss_with_logits(input, target, alpha=0.25, gamma=2.0, reduction="none"):
    entropy = F.binary_cross_entropy_with_logits(input, target, reduction="none")
    p = input.sigmoid()
    missed = (1 - p) * target + p * (1 - target)
    loss = missed**gamma * entropy
    if alpha is not None:
        loss = loss * ({weight})
    return {{"none": loss, "mean": loss.mean(), "sum": loss.sum()}}[reduction]
"""
RIGHT = FOCAL.format(weight="alpha * target + (1 - alpha) * (1 - target)")
REORDERED = FOCAL.format(weight="(1 - target) * (1 - alpha) + target * alpha")
EXCHANGED = FOCAL.format(weight="(1 - alpha) * target + alpha * (1 - target)")


def wheel(folder, name, version, files):
    """A wheel of these files, by their paths."""
    info = f"{name}-{version}.dist-info"
    everything = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*everything, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in (everything | {f"{info}/RECORD": record}).items():
            archive.writestr(path, text)


def kornia(folder, version, losses, package=""):
    """A release of kornia with these losses; `package` is what runs when it is imported."""
    wheel(folder, "kornia", version, {"kornia/__init__.py": package, "kornia/losses.py": losses})
