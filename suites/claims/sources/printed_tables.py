"""The printed tables: what they say of themselves, recomputed from their rows, and every row as a reference."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from results.papers import PrintedTable, printed_tables, row
from suites.claims.claim import Claim, Shown, Source

FL = "Focal Loss, arXiv:1708.02002"
GFL = "Generalized Focal Loss, arXiv:2006.04388"
VFL = "VarifocalNet, arXiv:2008.13367"
SPREAD = 0.3  # AP between repeated runs on COCO, a maintainer's statement (mmdetection #3496)
LIBRARIES = {"mmdet-zoo": "mmdetection", "torchvision-zoo": "torchvision", "yolov8-docs": "ultralytics"}


def ap(table: str, column: str = "AP", **where: Any) -> float:
    """One printed figure."""
    return row(table, **where)[column]


def best(table: str, column: str) -> Any:
    """The setting `column` of the row with the highest AP."""
    return max(printed_tables()[table].rows, key=lambda row: row["AP"])[column]


def gain(place: str, claim: str, printed: str, value: float, loss: str = "focal", **more: Any) -> Claim:
    """A difference that the text prints, of two rows of its tables (rounded to their one decimal)."""
    return Claim(place, claim, printed, lambda read: round(value, 6), loss, **more)


def same(place: str, claim: str, first: dict[str, Any], second: dict[str, Any], loss: str = "focal") -> Claim:
    """One experiment that is printed in two places has the same figures in both."""
    shared = tuple(key for key in first if "AP" in key and key in second)
    return Claim(place, claim, "one experiment", lambda read: _same(first, second, shared), loss)


def _same(first: dict, second: dict, columns: tuple[str, ...]) -> Shown:
    holds = bool(columns) and all(first[column] == second[column] for column in columns)
    return Shown(holds, ", ".join(f"{column} {first[column]} and {second[column]}" for column in columns))


def rising(values: list[float]) -> Shown:
    """Whether a column goes up throughout, or at least not down."""
    return Shown(all(later >= earlier for earlier, later in pairwise(values)), ", ".join(map(str, values)))


def _column(table: str, name: str) -> list[Any]:
    return [row[name] for row in printed_tables()[table].rows]


def _alphas() -> Shown:
    alphas = _column("fl-1b", "alpha")
    return Shown(all(0.25 <= alpha <= 0.75 for alpha in alphas), f"best alphas {min(alphas)} to {max(alphas)}")


def _alpha_falls() -> Shown:
    alphas = _column("fl-1b", "alpha")
    return Shown(alphas == sorted(alphas, reverse=True), ", ".join(map(str, alphas)))


def _best_ohem() -> float:
    return max(row["AP"] for row in printed_tables()["fl-1d"].rows if row["method"] != "FL")


def _within_spread(pairs: list[tuple[str, float, float]]) -> Shown:
    far = max(abs(a - b) for _, a, b in pairs)
    return Shown(far <= SPREAD + 1e-9, f"{'; '.join(f'{n}: {a} and {b}' for n, a, b in pairs)}")


def _distinct(table: str) -> Shown:
    rows = printed_tables()[table].rows
    figures = [tuple(row[column] for column in ("AP", "AP50", "AP75")) for row in rows]
    twice = sorted({found for found in figures if figures.count(found) > 1})
    return Shown(not twice, f"{len(set(figures))} different; twice: {twice}" if twice else f"{len(rows)} different")


MINIVAL_AND_TEST_DEV = (row("fl-1d", method="FL"), row("fl-1e", depth=101, scale=600))

FOCAL_TABLES = (
    gain(
        "section 5.1",
        "alpha 0.75 gains over plain cross entropy (alpha 0.5), table 1a",
        "0.9 AP",
        ap("fl-1a", alpha=0.75) - ap("fl-1a", alpha=0.5),
        "balanced_cross_entropy",
    ),
    gain(
        "section 5.1",
        "gamma 2 gains over the alpha-balanced cross entropy, table 1b",
        "2.9 AP",
        ap("fl-1b", gamma=2.0) - ap("fl-1b", gamma=0),
    ),
    Claim(
        "section 5.1",
        "the best alphas over the gammas tested lie in [0.25, 0.75], table 1b",
        "[0.25, 0.75]",
        lambda read: _alphas(),
    ),
    Claim(
        "section 5.1",
        "the best alpha falls as gamma rises, table 1b",
        "decreases",
        lambda read: _alpha_falls(),
    ),
    Claim("section 5.1", "the gamma that works best, table 1b", "2", lambda read: float(best("fl-1b", "gamma"))),
    Claim("section 5.1", "its alpha, table 1b", "0.25", lambda read: float(best("fl-1b", "alpha"))),
    Claim(
        "section 5.1",
        "cross entropy with the prior bias reaches, table 1a at alpha 0.5",
        "30.2 AP",
        lambda read: ap("fl-1a", alpha=0.5),
        loss="cross_entropy",
    ),
    Claim(
        "section 5.1",
        "the focal loss over the best OHEM, table 1d",
        "3.2 AP",
        lambda read: round(ap("fl-1d", method="FL") - _best_ohem(), 6),
    ),
    Claim(
        "section 5.2",
        "one square anchor, table 1c",
        "30.3 AP",
        lambda read: ap("fl-1c", n_scales=1, n_aspects=1),
    ),
    Claim(
        "section 5.2",
        "nine anchors gain nearly 4 AP over one, table 1c",
        "nearly 4 AP",
        lambda read: round(ap("fl-1c", n_scales=3, n_aspects=3) - ap("fl-1c", n_scales=1, n_aspects=1), 6),
        expected=4.0,
        tolerance=0.5,
    ),
    Claim(
        "section 5.2",
        "more than 6 to 9 anchors do not gain further, table 1c: 12 anchors over 9",
        "0",
        lambda read: round(ap("fl-1c", n_scales=4, n_aspects=3) - ap("fl-1c", n_scales=3, n_aspects=3), 6),
        relation="<=",
    ),
    *(
        Claim(
            "section 5.2",
            f"AP rises with the image size, depth {depth}, table 1e",
            "rises",
            lambda read, depth=depth: rising(
                [row["AP"] for row in printed_tables()["fl-1e"].rows if row["depth"] == depth]
            ),
        )
        for depth in (50, 101)
    ),
    Claim(
        "appendix A",
        "FL* does as well as the focal loss, table 3: largest difference against the spread of repeated runs",
        "comparable",
        lambda read: round(ap("fl-3", loss="FL") - min(ap("fl-3", beta=1.0), ap("fl-3", beta=0.0)), 6),
        expected=SPREAD,
        relation="<=",
        note="0.3 AP between repeated runs is a maintainer's figure",
    ),
    Claim(
        "table 1d",
        "every row is an experiment of its own: no two print the same figures",
        "10 rows",
        lambda read: _distinct("fl-1d"),
    ),
    same("tables 1a, 1b", "cross entropy, alpha 0.75", row("fl-1a", alpha=0.75), row("fl-1b", gamma=0)),
    same("tables 1b, 1c", "gamma 2, 9 anchors", row("fl-1b", gamma=2.0), row("fl-1c", n_scales=3, n_aspects=3)),
    same("tables 1b, 3", "gamma 2", row("fl-1b", gamma=2.0), row("fl-3", loss="FL")),
    same("tables 1a, 3", "cross entropy, alpha 0.75", row("fl-1a", alpha=0.75), row("fl-3", loss="CE")),
    Claim(
        "tables 1d, 1e",
        "ResNet-101 at 600 px with the focal loss has the same figures in both",
        "one experiment",
        lambda read: _same(*MINIVAL_AND_TEST_DEV, ("AP", "AP50", "AP75")),
        conditions={"AP50 is left out": lambda read: _same(*MINIVAL_AND_TEST_DEV, ("AP", "AP75"))},
        note="1d is scored on minival, 1e on test-dev",
    ),
    Claim(
        "section 5.1",
        "alpha 0.5 instead of 0.25 with gamma 2",
        "-0.4 AP",
        command="mim train mmdet retinanet_r50_fpn_1x_coco --gpus 8 --cfg-options model.bbox_head.loss_cls.alpha=0.5",
    ),
    Claim(
        "section 5.1",
        "cross entropy without the prior bias diverges",
        "fails",
        loss="cross_entropy",
        command="uv run run_all.py --suite coco-map --coco COCO --schedule 1x "
        "--variant retinanet/cross_entropy_no_prior",
    ),
    Claim(
        "section 5.1",
        "the hinge loss on p_t does not train",
        "no result",
        command="uv run run_all.py --suite coco-map --profile full --coco COCO --adapter FILE.py:NAME",
        note="NAME: the hinge loss written as a function",
    ),
)


def _qfl_gains() -> Shown:
    pairs = [(name, ap("gfl-1b", detector=name), ap("gfl-1b", detector=f"{name} + QFL")) for name in DETECTORS]
    gains = [round(after - before, 6) for _, before, after in pairs]
    return Shown(min(gains) > 0, ", ".join(f"{name} +{g:g}" for (name, _, _), g in zip(pairs, gains, strict=True)))


DETECTORS = ("FoveaBox", "RetinaNet", "SSD512")
GFOCAL = {"R-50": "GFL_R_50_FPN_2x", "R-101": "GFL_R_101_FPN_2x", "R-101-DCN": "GFL_dcnv2_R_101_FPN_2x"}
GFOCAL |= {"X-101-32x4d": "GFL_X_101_32x4d_FPN_2x", "X-101-32x4d-DCN": "GFL_dcnv2_X_101_32x4d_FPN_2x"}

GFL_TABLES = (
    Claim(
        "section 4",
        "the beta that works best, table 1c",
        "2",
        lambda read: float(best("gfl-1c", "beta")),
        "quality_focal",
    ),
    Claim(
        "section 4",
        "QFL helps every other detector, table 1b",
        "consistent gains",
        lambda read: _qfl_gains(),
        "quality_focal",
    ),
    gain(
        "table 3",
        "QFL alone on ATSS",
        "0.7 AP",
        ap("gfl-3", qfl=True, dfl=False) - ap("gfl-3", qfl=False, dfl=False),
        "quality_focal",
    ),
    gain(
        "table 3",
        "DFL alone on ATSS",
        "0.3 AP",
        ap("gfl-3", qfl=False, dfl=True) - ap("gfl-3", qfl=False, dfl=False),
        "distribution_focal",
    ),
    gain(
        "table 3",
        "QFL and DFL together on ATSS: about 1 AP over the baseline",
        "1.0 AP",
        ap("gfl-3", qfl=True, dfl=True) - ap("gfl-3", qfl=False, dfl=False),
        "generalized_focal",
    ),
    Claim(
        "table 3",
        "the gains of QFL and DFL add up: what is left of the gain of both after that of each",
        "0",
        lambda read: round(
            ap("gfl-3", qfl=True, dfl=True)
            + ap("gfl-3", qfl=False, dfl=False)
            - ap("gfl-3", qfl=True, dfl=False)
            - ap("gfl-3", qfl=False, dfl=True),
            6,
        ),
        "generalized_focal",
        tolerance=0.05,
    ),
    Claim(
        "table 3",
        "neither costs speed: frames per second of the slowest row",
        "19.4",
        lambda read: min(_column("gfl-3", "fps")),
        "generalized_focal",
    ),
    Claim(
        "table 2a",
        "a general distribution is as good as Gaussian or better, DFL adds to it, ATSS",
        "rises",
        lambda read: rising(
            [
                ap("gfl-2a", detector="ATSS", distribution=d)
                for d in ("Dirac delta", "Gaussian", "General", "General w/ DFL")
            ]
        ),
        "distribution_focal",
    ),
    Claim(
        "table 2a",
        "the same for FCOS",
        "rises",
        lambda read: rising(
            [
                ap("gfl-2a", detector="FCOS", distribution=d)
                for d in ("Dirac delta", "Gaussian", "General", "General w/ DFL")
            ]
        ),
        "distribution_focal",
    ),
    Claim(
        "table 2b",
        "the result hardly depends on n: AP between best and worst",
        "0.1 AP",
        lambda read: round(max(_column("gfl-2b", "AP")) - min(_column("gfl-2b", "AP")), 6),
        "distribution_focal",
        relation="<=",
    ),
    Claim(
        "table 2c",
        "a small step works: the best delta",
        "1",
        lambda read: float(
            max(_column("gfl-2c", "delta"), key=lambda d: (ap("gfl-2c", delta=d), ap("gfl-2c", "AP75", delta=d)))
        ),
        "distribution_focal",
        note="0.5 and 1 have the same AP; the higher AP75 decides",
    ),
    *(
        Claim(
            "abstract",
            f"GFL with ResNet-101 over {name}, test-dev",
            f"{printed} AP",
            lambda read: ap("gfl-4", backbone="R-101"),
            "generalized_focal",
            relation=">=",
            note="surpassing, says the abstract",
        )
        for name, printed in (("SAPD", 43.5), ("ATSS", 43.6))
    ),
    Claim(
        "abstract",
        "GFL with ResNet-101, test-dev, table 4",
        "45.0",
        lambda read: ap("gfl-4", backbone="R-101"),
        "generalized_focal",
    ),
    Claim(
        "abstract",
        "the best model, test-dev, table 4",
        "48.2",
        lambda read: max(_column("gfl-4", "AP")),
        "generalized_focal",
    ),
    Claim(
        "abstract",
        "its frames per second, table 4",
        "10",
        lambda read: ap("gfl-4", "fps", AP=max(_column("gfl-4", "AP"))),
        "generalized_focal",
    ),
    same(
        "tables 1a, 1c",
        "ATSS with QFL, beta 2",
        row("gfl-1a", type="joint w/ QFL", detector="ATSS"),
        row("gfl-1c", beta=2),
        "quality_focal",
    ),
    same("tables 1c, 3", "ATSS with QFL", row("gfl-1c", beta=2), row("gfl-3", qfl=True, dfl=False), "quality_focal"),
    same(
        "tables 1a, 3",
        "ATSS with a centerness branch, the baseline",
        row("gfl-1a", type="centerness-branch", detector="ATSS"),
        row("gfl-3", qfl=False, dfl=False),
        "generalized_focal",
    ),
    same(
        "tables 2a, 3",
        "ATSS with DFL",
        row("gfl-2a", distribution="General w/ DFL", detector="ATSS"),
        row("gfl-3", qfl=False, dfl=True),
        "distribution_focal",
    ),
    same("tables 2b, 2c", "n 16, delta 1", row("gfl-2b", n=16), row("gfl-2c", delta=1), "distribution_focal"),
    same("tables 2b, 3", "ATSS with GFL", row("gfl-2b", n=16), row("gfl-3", qfl=True, dfl=True), "generalized_focal"),
    *(
        Claim(
            "table 4 and the authors' README",
            f"test-dev AP of {backbone}, in both",
            f"{ap('gfl-4', backbone=backbone)} AP",
            lambda read, model=model: ap("gfocal-readme", "AP_testdev", model=model),
            "generalized_focal",
        )
        for backbone, model in GFOCAL.items()
    ),
)


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
    Source(FL, "own", FOCAL_TABLES),
    Source(GFL, "own", GFL_TABLES),
    Source(VFL, "own", VFL_TABLES),
    Source("MMDetection 3.3.0", "mmdetection", ZOO),
    *(Source(t.source, LIBRARIES.get(t.id, "own"), tuple(references(t))) for t in printed_tables().values()),
)
