"""What the tables, the report and a comparison compute with: the types of a record's rows and of its data, by suite.

Whatever a record holds beside this is carried along as it is. A part that a run of an earlier version did not write may
be missing; a part that is there has its type, for an AP that is a word would be compared with one that is a number.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from focalbench_suite.results.standings import ABOUT_INPUTS, DIFFERS, GRAVITY

Pass = Literal["forward", "forward_backward"]
Count = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Duration = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Statistic = Share | None
Drawn = list[float | None]


class Part(BaseModel):
    """A part of a record: what it must hold, whatever else it holds."""

    model_config = ConfigDict(extra="allow", strict=True)

    def as_long(self, *lists: list[Any]) -> None:
        """Raise `ValueError` where lists that belong together are not equally long."""
        if len(set(map(len, lists))) > 1:
            raise ValueError(f"lists of {' and '.join(str(len(one)) for one in lists)} that belong together")


class Measured(Part):
    """A row about an adapter's loss."""

    loss: str
    adapter: str


class AgreementRow(Measured):
    """How one quantity came out on one probe."""

    version: str | None = None
    dtype: str
    quantity: str
    probe: str
    verdict: Literal["agrees", "agrees_up_to_scale", "differs", "nonfinite", "unsupported", "error"]
    relation: str | None = None
    max_rel_error: float | None = None
    scope: Literal[tuple(DIFFERS)] | None = None  # type: ignore[valid-type]
    form: str | None = None
    reduction: str | None = None
    zeros: Count | None = None


class FindingRow(Measured):
    """One difference."""

    kind: Literal[(*GRAVITY, *ABOUT_INPUTS)]  # type: ignore[valid-type]
    statement: str
    example: str | None = None
    expected: str | None = None
    got: str | None = None
    head: str | None = None


class CapabilityRow(Measured):
    """What is supported."""

    capability: str


class TrainingRow(Part):
    """One training in the table."""

    host: str
    variant: str
    adapter: str
    dataset: str
    schedule: str
    seed: int
    ap: Statistic = None
    images_train: Count | None = None
    images_val: Count | None = None
    iterations: Count | None = None
    device: str | None = None
    dtype: str | None = None
    backbone: str | None = None


class ClaimRow(Part):
    """One printed number or statement."""

    source: str
    place: str
    claim: str
    verdict: Literal["reproduced", "consistent", "reproduced_if", "not_reproduced", "reference_only"]


class Rows(Part):
    """A record's finished rows by their table."""

    agreement: list[AgreementRow] = []
    findings: list[FindingRow] = []
    capability: list[CapabilityRow] = []
    accuracy: list[Measured] = []
    head_sum: list[Measured] = []
    coco_map: list[TrainingRow] = []
    claims: list[ClaimRow] = []


class Series(Part):
    """A loss over the logit at one target."""

    target: Finite
    value: Drawn
    gradient: Drawn
    value_ulp: Drawn
    gradient_ulp: Drawn


class Curves(Part):
    """A loss over the logit."""

    logits: list[Finite]
    series: list[Series]

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        for one in self.series:
            self.as_long(self.logits, one.value, one.gradient, one.value_ulp, one.gradient_ulp)
        return self


class AgreementData(Part):
    """What an agreement record keeps beside its rows."""

    curves: Curves | None = None


class Rounds(Part):
    """The rounds of one pass in one launch, in parallel lists; ours is missing where the loss was timed alone."""

    ms: list[Duration]
    own_ms: list[float | None]
    cpu_ms: list[float]
    faults: list[Count]

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        self.as_long(self.ms, self.own_ms)
        return self


class Launch(Part):
    """One worker process that timed a cell."""

    rounds: dict[Pass, Rounds]
    stopped: dict[Pass, str]
    stream_ms: dict[Pass, Annotated[list[Duration], Field(min_length=1)]]
    stream_bytes: Count
    peak_bytes_per_ms: Duration
    load: float
    replays: dict[str, list[float]] = {}
    clock_mhz: float | None = None

    @model_validator(mode="after")
    def _both_passes(self) -> Self:
        if any(len(found) < 2 for found in (self.rounds, self.stopped, self.stream_ms)):
            raise ValueError("one of the two passes is missing")
        return self


class Timed(Part):
    """What a timed cell keeps."""

    library: str
    version: str | None
    device_name: str
    rows: Count
    classes: Count
    elements: Count
    threads: Count
    bytes: dict[Pass, Count]
    input_sets: Count
    cache_bytes: Count = 0
    memory: dict[Pass, float | None]
    check: str
    reduction: str | None
    parameters: dict[str, Any]
    first_call_s: float | None
    launches: Annotated[list[Launch], Field(min_length=1)]

    @model_validator(mode="after")
    def _both_passes(self) -> Self:
        if len(self.bytes) < 2 or len(self.memory) < 2:
            raise ValueError("one of the two passes is missing")
        return self


class StepLaunch(Part):
    """A launch of training steps, with the loss and without it, round by round."""

    ms: list[Duration]
    without_ms: list[Duration]

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        self.as_long(self.ms, self.without_ms)
        return self


class Stepped(Part):
    """What a cell keeps that timed training steps."""

    device_name: str
    rows: Count
    step: Annotated[list[StepLaunch], Field(min_length=1)]


class ClassRow(Part):
    """What became of one class."""

    category: str
    boxes: Count
    matched: Count
    false_alarms: Count
    ap: Statistic
    ap50: Statistic
    ap75: Statistic
    ap_small: Statistic
    ap_medium: Statistic
    ap_large: Statistic


class ConfusionRow(Part):
    """How often a box of one class was found as one of another."""

    category: str
    detected_as: str
    count: Count


Box = Annotated[list[Finite], Field(min_length=4, max_length=4)]


class SampleBox(Part):
    """A box of a picture that is shown."""

    bbox: Box
    category: str
    found: bool


class SampleDetection(Part):
    """What a detector found in it."""

    bbox: Box
    category: str
    score: Finite
    right: bool


class Sample(Part):
    """A val picture to look at, small and in base64, with what is in it and what was found."""

    name: str
    width: Annotated[float, Field(gt=0, le=1e6)]
    height: Annotated[float, Field(gt=0, le=1e6)]
    jpeg: Annotated[str, Field(pattern="^[A-Za-z0-9+/]*=*$")]
    boxes: list[SampleBox]
    detections: list[SampleDetection]


class Compared(TrainingRow):
    """The same training as it is compared with another one."""

    images_train: Count
    images_val: Count
    iterations: Count
    device: str
    dtype: str
    initial_weights: str
    data_order: str
    augmented_inputs: str
    optimizer: str = ""  # not kept by older runs


class Trained(Part):
    """What a training keeps."""

    run: Compared
    resampled_ap: list[Share] = []
    looks: Annotated[int, Field(ge=1)] = 1
    curve: list[dict[str, float | None]]
    classes: list[ClassRow] = []
    confusion: list[ConfusionRow] = []
    samples: list[Sample] = []

    @model_validator(mode="after")
    def _numbered(self) -> Self:
        if any(point.keys() != self.curve[0].keys() for point in self.curve):
            raise ValueError("the points of the curve have not all the same terms")
        if any("loss" not in point or point.get("step") is None for point in self.curve):
            raise ValueError("a point of the curve has no step or no loss")
        return self


class Line(Part):
    """One line of a figure."""

    name: str
    x: Drawn
    y: Drawn


class PaperFigure(Part):
    """A paper's figure, redrawn."""

    title: str
    x: str
    y: str
    log: Literal["", "x", "y", "xy"] = ""
    series: list[Line]


class ClaimsData(Part):
    """What a record of claims keeps beside its rows."""

    figures: list[PaperFigure] = []


def validate(suite: str, status: str, rows: dict[str, Any], data: dict[str, Any]) -> None:
    """Raise pydantic's `ValidationError` where a record of this suite holds what nothing can be computed with."""
    Rows.model_validate(rows)
    if suite == "agreement":
        AgreementData.model_validate(data)
    elif suite == "throughput" and status == "ok" and "launches" in data:
        Timed.model_validate(data)
    elif suite == "throughput" and status == "ok" and "step" in data:
        Stepped.model_validate(data)
    elif suite == "coco-map" and data:  # a training that failed keeps nothing
        Trained.model_validate(data)
    elif suite == "claims":
        ClaimsData.model_validate(data)
