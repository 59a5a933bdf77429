"""Which tables a run has: one registry, each entry with the columns that others read and how it is printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OWN = "own"  # the adapter of this project's own losses, beside which the others stand


def is_own(label: str) -> bool:
    """Whether a label of the column ``adapter`` (``fvcore.jit``: a source and its variant) is one of our own losses."""
    return label.partition(".")[0] == OWN


@dataclass(frozen=True)
class Table:
    """One table: where its rows come from, the columns that others read (more may follow them), how it is printed.

    `derive` names a pure function of the records, ``module:function``, that gives the table as a DataFrame; without it
    the rows are those that the records carry under the table's name. `intervals` maps a column to its lower and upper
    bound. `printed` are the columns that go on paper.
    """

    name: str
    suite: str
    title: str
    columns: tuple[str, ...]
    printed: tuple[str, ...]
    derive: str | None = None
    intervals: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TABLES = {
    table.name: table
    for table in (
        Table(
            "agreement",
            "agreement",
            "Agreement with the papers' formulas, by the 50-digit oracle",
            _words(
                "loss adapter library version device dtype quantity probe points max_ulp max_abs_error max_rel_error"
                " verdict relation"
            ),
            _words("loss adapter dtype quantity probe max_ulp max_rel_error verdict"),
        ),
        Table(
            "findings",
            "agreement",
            "Differences found, with their reason",
            _words("loss adapter kind statement example expected got code values severity head"),
            _words("loss adapter kind statement"),
        ),
        Table(
            "capability",
            "agreement",
            "What each implementation supports, as measured",
            _words("loss adapter capability supported detail"),
            _words("loss adapter capability supported"),
        ),
        Table(
            "accuracy",
            "agreement",
            "Digits lost, by region of the logit",
            _words(
                "loss adapter library version device dtype target quantity logit_from logit_to points typical_ulp"
                " max_ulp max_rel_error zeros nonfinite"
            ),
            _words("loss adapter dtype target quantity logit_from logit_to typical_ulp max_ulp zeros nonfinite"),
        ),
        Table(
            "head_sum",
            "agreement",
            "A whole detection head at the prior, summed",
            _words("loss adapter library version device dtype rows classes how exact got rel_error"),
            _words("loss adapter dtype how exact got rel_error"),
        ),
        Table(
            "throughput",
            "throughput",
            "Time and memory",
            _words(
                "loss adapter library version device device_name dtype workload rows classes pass rounds median_ms"
                " ci_low_ms ci_high_ms elements_per_second bandwidth_fraction peak_memory_bytes ratio_to_own"
                " ratio_ci_low ratio_ci_high interval"
            ),
            _words("loss adapter device dtype workload pass median_ms ratio_to_own interval bandwidth_fraction"),
            derive="focalbench_suite.results.throughput:table",
            intervals={
                "median_ms": ("ci_low_ms", "ci_high_ms"),
                "ratio_to_own": ("ratio_ci_low", "ratio_ci_high"),
            },
        ),
        Table(
            "training_step",
            "throughput",
            "The loss's share of a training step",
            _words(
                "loss adapter device device_name dtype workload rows rounds step_ms without_loss_ms loss_share"
                " share_ci_low share_ci_high launches interval"
            ),
            _words("loss adapter device workload step_ms loss_share interval"),
            derive="focalbench_suite.results.throughput:step_table",
            intervals={"loss_share": ("share_ci_low", "share_ci_high")},
        ),
        Table(
            "coco_map",
            "coco-map",
            "Average precision, one row a training run",
            _words(
                "host variant adapter dataset images_train images_val schedule iterations seed device ap ap50 ap75"
                " ap_small ap_medium ap_large first_loss final_loss status wall_s"
            ),
            _words("host variant dataset schedule seed ap ap50 ap75 status"),
        ),
        Table(
            "coco_map_compare",
            "coco-map",
            "Differences in average precision, paired by seed",
            _words("host variant_a variant_b seeds mean_difference ci_low ci_high verdict"),
            _words("host variant_a variant_b seeds mean_difference verdict"),
            derive="focalbench_suite.results.pairs:compare_table",
            intervals={"mean_difference": ("ci_low", "ci_high")},
        ),
        Table(
            "coco_map_classes",
            "coco-map",
            "Average precision by class and size, and the boxes that were found; means over the seeds",
            _words(
                "host variant dataset schedule device dtype category seeds boxes ap ap50 ap75 ap_small ap_medium"
                " ap_large matched false_alarms"
            ),
            _words("host variant category seeds boxes ap ap50 ap_small ap_medium ap_large matched false_alarms"),
            derive="focalbench_suite.results.coco_map:classes_table",
        ),
        Table(
            "coco_map_confusion",
            "coco-map",
            "What boxes were taken for by detections of score 0.3 and more, over all seeds",
            _words("host variant dataset schedule device dtype category detected_as seeds count share"),
            _words("host variant category detected_as seeds count share"),
            derive="focalbench_suite.results.coco_map:confusion_table",
        ),
        Table(
            "coco_map_drift",
            "coco-map",
            "How far the first training steps drift from the library's own, relative",
            _words(
                "host variant_a variant_b dataset schedule device seed dtype term steps first_step median last_step"
                " largest first_beyond_1e-9"
            ),
            _words("host variant_a variant_b dtype seed term steps first_step largest"),
            derive="focalbench_suite.results.coco_map:drift_table",
        ),
        Table(
            "coco_map_conditions",
            "coco-map",
            "What was equal between the trainings, as hashes",
            _words(
                "host variant dataset schedule seed device dtype initial_weights data_order augmented_inputs"
                " optimizer same_as_library"
            ),
            _words("host variant seed dtype initial_weights data_order augmented_inputs optimizer same_as_library"),
            derive="focalbench_suite.results.coco_map:conditions_table",
        ),
        Table(
            "claims",
            "claims",
            "Printed numbers, recomputed",
            _words("source place claim printed recomputed relation tolerance verdict note basis"),
            _words("source place claim printed relation recomputed verdict"),
        ),
        Table(
            "history",
            "history",
            "A library's releases: what each loss computes, and what changed",
            _words(
                "library version released loss adapter verdict formula change kinds example before after dtype codes"
                " unsafe against first findings note"
            ),
            _words("library version released loss verdict kinds change"),
            derive="focalbench_suite.results.history:table",
        ),
        Table(
            "history_findings",
            "history",
            "What was found of a library's releases, each in the newest that has it",
            _words("library version loss adapter address severity kind code statement example expected got"),
            _words("library version loss kind statement"),
        ),
        Table(
            "cells",
            "run",
            "Every cell and what became of it",
            _words("cell suite loss adapter device dtype workload status reason seconds"),
            _words("suite loss adapter device dtype workload status"),
        ),
    )
}
