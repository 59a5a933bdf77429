"""What the tables of Focal Loss, arXiv:1708.02002, say of themselves, recomputed from their rows."""

from __future__ import annotations

from focalbench_suite.results.papers import printed_tables, row
from focalbench_suite.suites.claims.claim import Claim, Shown, Source, based_on
from focalbench_suite.suites.claims.printed import SPREAD, ap, best, column, gain, rising, same


def _alphas() -> Shown:
    alphas = column("fl-1b", "alpha")
    return Shown(all(0.25 <= alpha <= 0.75 for alpha in alphas), f"best alphas {min(alphas)} to {max(alphas)}")


def _alpha_falls() -> Shown:
    alphas = column("fl-1b", "alpha")
    return Shown(alphas == sorted(alphas, reverse=True), ", ".join(map(str, alphas)))


def _best_ohem() -> float:
    return max(row["AP"] for row in printed_tables()["fl-1d"].rows if row["method"] != "FL")


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
    same("tables 1a, 1b", "cross entropy, alpha 0.75", row("fl-1a", alpha=0.75), row("fl-1b", gamma=0)),
    same("tables 1b, 1c", "gamma 2, 9 anchors", row("fl-1b", gamma=2.0), row("fl-1c", n_scales=3, n_aspects=3)),
    same("tables 1b, 3", "gamma 2", row("fl-1b", gamma=2.0), row("fl-3", loss="FL")),
    same("tables 1a, 3", "cross entropy, alpha 0.75", row("fl-1a", alpha=0.75), row("fl-3", loss="CE")),
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


SOURCES = (Source("Focal Loss, arXiv:1708.02002", "own", based_on("printed", FOCAL_TABLES)),)
