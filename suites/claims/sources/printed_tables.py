"""Every row of every printed table as a reference, and what the zoos and READMEs say of each other."""

from __future__ import annotations

from focalbench_suite.results.papers import PrintedTable, printed_tables
from focalbench_suite.suites.claims.claim import Claim, Shown, Source, based_on
from focalbench_suite.suites.claims.printed import SPREAD, ap

LIBRARIES = {"mmdet-zoo": "mmdetection", "torchvision-zoo": "torchvision", "yolov8-docs": "ultralytics"}


def _within_spread(pairs: list[tuple[str, float, float]]) -> Shown:
    far = max(abs(a - b) for _, a, b in pairs)
    return Shown(far <= SPREAD + 1e-9, f"{'; '.join(f'{n}: {a} and {b}' for n, a, b in pairs)}")


VFL_TABLES = tuple(
    Claim(
        "README, FL against VFL",
        f"VFL does better than FL in {entry['detector']}",
        f"{entry['FL_AP']}, {entry['VFL_AP']} AP",
        lambda read, entry=entry: Shown(
            entry["VFL_AP"] > entry["FL_AP"], f"{entry['VFL_AP'] - entry['FL_AP']:+.1f} AP"
        ),
        "varifocal",
    )
    for entry in printed_tables()["vfnet-swap"].rows
)


ZOO = (
    Claim(
        "model zoo",
        "the zoo's GFL models come within the spread of repeated runs (0.3 AP) of the authors' minival AP",
        "0.3 AP",
        lambda read: _within_spread(
            [
                (zoo, ap("mmdet-zoo", model=zoo), ap("gfocal-readme", "AP_minival", model=theirs))
                for zoo, theirs in (
                    ("gfl_r50_fpn_1x_coco", "GFL_R_50_FPN_1x"),
                    ("gfl_r50_fpn_ms-2x_coco", "GFL_R_50_FPN_2x"),
                    ("gfl_r101_fpn_ms-2x_coco", "GFL_R_101_FPN_2x"),
                )
            ]
        ),
        "generalized_focal",
        note="0.3 is a maintainer's figure for COCO with a seed",
    ),
)


def references(table: PrintedTable) -> list[Claim]:
    """Every row of a printed table, with the command it would take."""
    return [
        Claim(
            table.place,
            ", ".join(f"{key}={value}" for key, value in table.setting_of(row).items() if value is not None),
            ", ".join(f"{key} {value}" for key, value in table.figures(row).items()),
            loss=table.loss,
            command=table.command_for(row),
            note=table.setting,
        )
        for row in table.rows
    ]


SOURCES = (
    Source("VarifocalNet, arXiv:2008.13367", "own", based_on("printed", VFL_TABLES)),
    Source("MMDetection 3.3.0", "mmdetection", based_on("printed", ZOO)),
    *(Source(t.source, LIBRARIES.get(t.id, "own"), tuple(references(t))) for t in printed_tables().values()),
)
