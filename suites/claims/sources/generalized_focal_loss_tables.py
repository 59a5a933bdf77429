"""What the tables of Generalized Focal Loss, arXiv:2006.04388, say of themselves, recomputed from their rows."""

from __future__ import annotations

from focalbench_suite.results.papers import row
from focalbench_suite.suites.claims.claim import Claim, Shown, Source, based_on
from focalbench_suite.suites.claims.printed import ap, best, column, gain, rising, same

DETECTORS = ("FoveaBox", "RetinaNet", "SSD512")
GFOCAL = {"R-50": "GFL_R_50_FPN_2x", "R-101": "GFL_R_101_FPN_2x", "R-101-DCN": "GFL_dcnv2_R_101_FPN_2x"}

GFOCAL |= {"X-101-32x4d": "GFL_X_101_32x4d_FPN_2x", "X-101-32x4d-DCN": "GFL_dcnv2_X_101_32x4d_FPN_2x"}


def _qfl_gains() -> Shown:
    pairs = [(name, ap("gfl-1b", detector=name), ap("gfl-1b", detector=f"{name} + QFL")) for name in DETECTORS]
    gains = [round(after - before, 6) for _, before, after in pairs]
    return Shown(min(gains) > 0, ", ".join(f"{name} +{g:g}" for (name, _, _), g in zip(pairs, gains, strict=True)))


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
        lambda read: min(column("gfl-3", "fps")),
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
        lambda read: round(max(column("gfl-2b", "AP")) - min(column("gfl-2b", "AP")), 6),
        "distribution_focal",
        relation="<=",
    ),
    Claim(
        "table 2c",
        "a small step works: the best delta",
        "1",
        lambda read: float(
            max(column("gfl-2c", "delta"), key=lambda d: (ap("gfl-2c", delta=d), ap("gfl-2c", "AP75", delta=d)))
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
        lambda read: max(column("gfl-4", "AP")),
        "generalized_focal",
    ),
    Claim(
        "abstract",
        "its frames per second, table 4",
        "10",
        lambda read: ap("gfl-4", "fps", AP=max(column("gfl-4", "AP"))),
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


SOURCES = (Source("Generalized Focal Loss, arXiv:2006.04388", "own", based_on("printed", GFL_TABLES)),)
