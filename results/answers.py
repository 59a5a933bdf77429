"""What a reader came for, from the tables: who is the same, what surprises, what is fastest, what is real."""

from __future__ import annotations

from dataclasses import dataclass

from focalbench_suite.results.frames import Frames, Row, rows
from focalbench_suite.results.schema import is_own
from focalbench_suite.results.standings import GRAVITY, gravity


@dataclass
class Surprise:
    """One kind of difference in one loss: the finding that shows it best, and the other sources that have it, too."""

    finding: Row
    also: list[str]


def surprises(frames: Frames, most: int = 6) -> list[Surprise]:
    """The gravest findings about published implementations, one of a kind and loss; those about libraries first."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows(frames["findings"]), key=lambda row: (gravity(row), row["adapter"].startswith("articles"))):
        if not is_own(row["adapter"]) and row["kind"] in GRAVITY:
            grouped.setdefault((row["kind"], row["loss"]), []).append(row)
    found = []
    for first, *others in grouped.values():
        also = dict.fromkeys(row["adapter"] for row in others if row["adapter"] != first["adapter"])
        found.append(Surprise(first, list(also)))
    kinds = [one.finding["kind"] for one in found]
    repeated = [kinds[:place].count(kind) for place, kind in enumerate(kinds)]
    ranked = sorted(range(len(found)), key=lambda place: (repeated[place], place))  # each kind once before any twice
    return [found[place] for place in ranked[:most]]


@dataclass
class Race:
    """One loss timed at one workload: its rows from fastest to slowest, only those that compute the loss.

    `steps` holds each source's row of the share that its loss has of a training step, where that was measured.
    """

    loss: str
    workload: str
    device_name: str
    ranked: list[Row]
    steps: dict[str, Row]

    @property
    def first(self) -> Row:
        return self.ranked[0]

    @property
    def tied(self) -> list[Row]:
        """Those that may be as fast as the first, as far as the intervals say; nobody where there is none."""
        return [row for row in self.ranked[1:] if self._reaches(row)]

    @property
    def decided(self) -> bool:
        """Whether there are intervals, by which the first may be told from the others."""
        return self.first["ci_high_ms"] is not None

    def _reaches(self, row: Row) -> bool:
        """By the ratio to ours where ours is first, as it is of pairs; else by whether the two intervals overlap."""
        if not self.decided:
            return False
        if is_own(self.first["adapter"]) and row["ratio_ci_low"] is not None:
            low: float = row["ratio_ci_low"]
            return low <= 1
        return bool(row["ci_low_ms"] <= self.first["ci_high_ms"])

    def times_faster_than(self, row: Row) -> float:
        """How often the first runs while `row` runs once."""
        return row["median_ms"] / self.first["median_ms"]


def races(frames: Frames, name: str = "forward_backward") -> list[Race]:
    """For every loss the workload where most were timed, the largest of these; forward and backward, float32 first."""
    grouped: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows(frames["throughput"]):
        differs = row.get("check") in ("differs", "nonfinite", "error")
        if row["pass"] == name and row["median_ms"] is not None and not differs:
            grouped.setdefault((row["loss"], row["device"], row["dtype"], row["workload"]), []).append(row)
    largest: dict[tuple[str, str], tuple[tuple, list[Row]]] = {}
    for (loss, device, dtype, workload), members in grouped.items():
        if not workload.startswith("scaling"):
            size = (dtype == "float32", len(members), members[0]["rows"] or 0)
            if (loss, device) not in largest or size > largest[loss, device][0]:
                largest[loss, device] = size, members
    found = [
        Race(
            members[0]["loss"],
            members[0]["workload"],
            members[0]["device_name"],
            sorted(members, key=lambda row: row["median_ms"]),
            _steps(frames, members[0]),
        )
        for _, members in largest.values()
    ]
    return sorted(found, key=lambda race: (race.loss != "focal", -len(race.ranked)))


def _steps(frames: Frames, timed: Row) -> dict[str, Row]:
    same = ("loss", "device", "dtype")
    steps = [row for row in rows(frames["training_step"]) if all(row[name] == timed[name] for name in same)]
    return {row["adapter"]: row for row in steps if row["loss_share"] is not None}


def map_differences(frames: Frames) -> list[Row]:
    """Comparisons of variants, those that are real first."""
    order = ("different", "undecided", "equivalent")
    return sorted(rows(frames["coco_map_compare"]), key=lambda row: order.index(row["verdict"]))
