"""The README's numbers stand in the committed tables."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def head() -> pd.Series:
    """The share of the exact sum that is left of a head without positives in bfloat16, in percent, by adapter."""
    rows = pd.read_csv(REFERENCE / "agreement" / "head_sum.csv")
    rows = rows[
        (rows["dtype"] == "bfloat16") & (rows["positives"] == 0) & rows["loss"].isin(["focal", "cross_entropy"])
    ]
    names = rows["loss"].where(rows["loss"] == "cross_entropy", "") + rows["adapter"]
    return pd.Series(100 * (1 + rows["rel_error"].to_numpy()), index=names)


@pytest.fixture(scope="module")
def times() -> pd.DataFrame:
    """What is timed forward and backward."""
    rows = pd.read_csv(REFERENCE / "throughput" / "throughput.csv")
    return rows[rows["pass"] == "forward_backward"]


def fastest_other(times: pd.DataFrame, workload: str, loss: str | None = None, dtype: str = "float32") -> pd.Series:
    """For each loss of a workload, how many times our time the fastest of the others takes."""
    rows = times[(times["workload"] == workload) & (times["dtype"] == dtype) & ~times["adapter"].str.startswith("own")]
    rows = rows[rows["loss"] == loss] if loss else rows
    return rows.groupby("loss")["ratio_to_own"].min()


@pytest.mark.parametrize(
    ("said", "adapters"),
    [
        (
            "torchvision, Ultralytics, MMDetection, Transformers and RF-DETR return 0.001 %",
            ("torchvision", "ultralytics", "mmdetection", "transformers.detr", "rfdetr"),
        ),
        ("plain `binary_cross_entropy_with_logits` 0.0005 %", ("cross_entropytorch",)),
        ("segmentation-models-pytorch 0.004 %", ("segmentation_models_pytorch.binary",)),
    ],
)
def test_what_is_lost_of_a_head_in_bfloat16(head, said, adapters):
    assert said in README
    printed = re.search(r"0\.(0*[1-9])\d* %", said)
    digits = len(printed[1])
    assert {f"{head[adapter]:.{digits}f}" for adapter in adapters} == {f"0.{printed[1]}"}


def test_what_is_kept_of_a_head_in_bfloat16(head):
    assert "fvcore, Keras, MONAI, pytorch-toolbelt and timm" in README
    assert "keep it, ours to 0.2 %, kornia to 2.1 %" in README
    exact = ["fvcore", "keras", "monai", "pytorch_toolbelt", "timm.poly", "timm.asymmetric"]
    assert (head[exact] - 100).abs().max() < 0.001
    assert abs(head["own"] - 100) < 0.2
    assert abs(head["kornia"] - 100) == pytest.approx(2.1, abs=0.05)


def test_every_row_of_the_table_of_speed(times):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (.+?) \| ([\d.]+) \| ([\d.]+)(?: \(([\d.]+) to ([\d.]+)\))? \|.* \| ([\d.]+) \|$", text, re.M
    )
    batch = times[(times["workload"] == "yolov8-640px-b8") & (times["loss"] == "focal")]
    assert len(rows) == 10
    assert "95 % intervals over six launches" in README
    assert set(batch["launches"]) == {6}
    for name, ms, ratio, low, high, memory in rows[1:]:
        label = name.split()[0].lower() + ("+compile" if "compile" in name else "")
        found = batch[(batch["adapter"] == label) & (batch["dtype"] == "float32")].iloc[0]
        printed = [ms, ratio, low, high]
        columns = ["median_ms", "ratio_to_own", "ratio_ci_low", "ratio_ci_high"]
        for value, column in zip(printed, columns, strict=True):
            assert as_printed(found[column], value), (name, column)
        assert as_printed(found["peak_memory_bytes"] / 1e6, memory), name


def as_printed(value: float, printed: str) -> bool:
    """Whether a measured value rounds to the printed digits."""
    unit = 10.0 ** -len(printed.partition(".")[2])
    return abs(value - float(printed)) <= 0.5 * unit + 1e-9 or f"{value:.3g}" == printed


def test_how_many_times_our_time_the_next_one_takes(times):
    batch = fastest_other(times, "yolov8-640px-b8")
    others = batch.drop(["focal"])
    assert "in float32 the next one" in README
    assert "takes 3.2 times as long for the focal loss and 3.1 to 9.2 for the other dense losses" in README
    assert (f"{batch['focal']:.1f}", f"{others.min():.1f}", f"{others.max():.1f}") == ("3.2", "3.1", "9.2")
    half = fastest_other(times, "yolov8-640px-b8", dtype="bfloat16")
    assert "in bfloat16, where three were timed beside others, 5.5 to 7.0" in README
    assert (len(half), f"{half.min():.1f}", f"{half.max():.1f}") == (3, "5.5", "7.0")
    assert "2.0 for the distribution focal loss of 6,400 positives (bfloat16: 2.8), 2.3 for YOLOv8's head" in README
    assert "and 4.2 for GFL's" in README
    assert f"{fastest_other(times, 'gfl-6400-positives', dtype='bfloat16').loc['distribution_focal']:.1f}" == "2.8"
    assert f"{fastest_other(times, 'gfl-6400-positives', 'distribution_focal').iloc[0]:.1f}" == "2.0"
    assert f"{fastest_other(times, 'yolov8-head-640px-b8').iloc[0]:.1f}" == "2.3"
    assert f"{fastest_other(times, 'gfl-head-800px-b2').iloc[0]:.1f}" == "4.2"


def test_the_gain_by_size(times):
    assert (
        "of 1,000 logits it is 1.1 times, of 10,000 1.4, of 100,000 3.0, of a million 7.3, of ten million 10." in README
    )
    found = [fastest_other(times, f"scaling-rows-1e{power}", "focal").iloc[0] for power in (3, 4, 5, 6, 7)]
    assert [f"{ratio:.2g}" for ratio in found] == ["1.1", "1.4", "3", "7.3", "10"]
    scaled = times[times["workload"].str.startswith("scaling-rows")]
    assert "beside torchvision's and MMDetection's focal losses in float32" in README
    assert set(scaled["adapter"].str.partition(".")[0]) == {"own", "torchvision", "mmdetection"}
    assert set(scaled["dtype"]) == {"float32"}


def test_ours_is_the_fastest_at_every_size(times):
    assert "is the fastest of every loss at every size measured" in README
    others = times[~times["adapter"].str.startswith("own")]
    assert others["ratio_to_own"].min() > 1


def test_the_share_of_a_training_step():
    assert "torchvision's focal loss takes 5.3 % of the time, ours 0.9 % (-1.3 to 1.5 %)" in README
    share = pd.read_csv(REFERENCE / "throughput" / "training_step.csv").set_index("adapter")
    own = share.loc["own"]
    assert f"{100 * share.loc['torchvision', 'loss_share']:.1f}" == "5.3"
    assert [f"{100 * own[c]:.1f}" for c in ("loss_share", "share_ci_low", "share_ci_high")] == ["0.9", "-1.3", "1.5"]


def test_ours_beside_streaming_the_bytes(times):
    own = times[times["adapter"] == "own"]
    streams = own["median_ms"] / own["floor_ms"]
    batch = streams[own["workload"] == "yolov8-640px-b8"]
    assert "on that batch ours takes 2.1 to 4.5 times as long over all dense losses and both dtypes" in README
    assert set(own.loc[batch.index, "dtype"]) == {"float32", "bfloat16"}
    assert (f"{batch.min():.1f}", f"{batch.max():.1f}") == ("2.1", "4.5")
    assert (
        "distribution focal loss 4.9 to 15 times over all sizes, heads 11, the focal loss of 1,000 logits 736" in README
    )
    assert f"{streams[own['workload'] == 'scaling-rows-1e3'].item():.0f}" == "736"
    dfl = streams[own["loss"] == "distribution_focal"]
    assert (f"{dfl.min():.1f}", f"{dfl.max():.0f}") == ("4.9", "15")
    assert {f"{ratio:.0f}" for ratio in streams[own["loss"].isin(["v8_detection", "gfl_head"])]} == {"11"}
    assert "which has no kernel yet, 231 and 258)" in README
    assert sorted(f"{ratio:.0f}" for ratio in streams[own["loss"] == "generalized_focal"]) == ["231", "258"]


def test_forward_alone_no_other_is_as_fast_but_one():
    rows = pd.read_csv(REFERENCE / "throughput" / "throughput.csv")
    as_fast = rows[~rows["adapter"].str.startswith("own") & (rows["ratio_ci_low"] <= 1)]
    assert "In a forward pass alone of 1,000 logits MMDetection's is as fast." in README
    assert as_fast[["adapter", "workload", "pass"]].to_numpy().tolist() == [
        ["mmdetection", "scaling-rows-1e3", "forward"]
    ]


@pytest.mark.parametrize("name", ["throughput", "smoke"])
def test_no_committed_call_is_faster_than_its_floor(name):
    rows = pd.read_csv(REFERENCE / name / "throughput.csv")
    shares = rows[[column for column in rows if column.endswith("_fraction")]]
    assert not (shares >= 1).any(axis=None)


@pytest.mark.parametrize("name", ["throughput", "smoke"])
def test_no_committed_interval_is_of_one_launch(name):
    rows = pd.read_csv(REFERENCE / name / "throughput.csv")
    limits = rows.loc[rows["launches"] == 1, ["ci_low_ms", "ci_high_ms", "ratio_ci_low", "ratio_ci_high"]]
    assert limits.isna().all(axis=None)


@pytest.fixture(scope="module")
def on_gpu() -> pd.DataFrame:
    """What was timed forward and backward on a GPU, with how many times our kernels' time the kernels take."""
    rows = pd.read_csv(REFERENCE / "throughput_h200" / "throughput.csv")
    rows = rows[rows["pass"] == "forward_backward"].copy()
    group = ["loss", "workload", "dtype"]
    own = rows[rows["adapter"] == "own"].set_index(group)["replay_ms"]
    rows["times"] = rows["replay_ms"] / [own.get(tuple(key)) for key in rows[group].to_numpy()]
    return rows


def test_every_row_of_the_table_of_a_gpu(on_gpu):
    lines = re.findall(r"\| ([a-z ]+), (float32|bfloat16), ([\d,]+) x (\d+) \| ([\d.]+) \| (.+?) \| (.+?) \|", README)
    assert len(lines) == 4
    for loss, dtype, rows, classes, own, compiled, shipped in lines:
        same = on_gpu[(on_gpu["loss"] == loss.replace(" ", "_")) & (on_gpu["dtype"] == dtype)]
        same = same[(same["rows"] == int(rows.replace(",", ""))) & (same["classes"] == int(classes))]
        same = same.set_index("adapter")
        assert as_printed(same.loc["own", "replay_ms"], own)
        for text, suffix in ((compiled, "+compile"), (shipped, "")):
            for name, times in re.findall(r"(\w+) ([\d.]+)", text):
                assert as_printed(same.loc[name.lower() + suffix, "times"], times), (loss, dtype, name)


def test_where_ours_is_the_fastest_on_a_gpu(on_gpu):
    assert "Ours is the fastest of all that could be measured so." in README
    assert on_gpu.loc[on_gpu["adapter"] != "own", "times"].min() > 1
    called = on_gpu.set_index(["loss", "adapter", "dtype", "workload"])["ratio_to_own"]
    assert "torch's cross entropy takes 0.55 times as long as ours, fvcore's `star` loss 0.79" in README
    assert f"{called['cross_entropy', 'torch', 'float32', 'yolov8-640px-b16']:.2f}" == "0.55"
    assert f"{called['focal', 'fvcore.star', 'float32', 'yolov8-640px-b16']:.2f}" == "0.79"
    compiled = [f"{one}+compile" for one in ("torchvision", "mmdetection", "fvcore")]
    ratios = called[called.index.isin(compiled, level="adapter")]["focal"]
    assert (f"{ratios.min():.1f}", f"{ratios.max():.1f}") == ("1.0", "1.2")


def test_how_near_the_kernels_come_to_a_copy():
    kernels = pd.read_csv(REFERENCE / "throughput_h200" / "kernels.csv").set_index(["kernel", "dtype"])["copy_fraction"]
    assert (
        "Dense focal loss of float32 moves its bytes at 85 % of the speed of a large copy, of bfloat16 at 75 %"
        in README
    )
    assert "at 59 % and 50 %" in README
    shares = [
        kernels[f"focal, {kind}, gamma 2", dtype] for kind in ("dense", "labels") for dtype in ("float32", "bfloat16")
    ]
    assert [round(100 * share) for share in shares] == [85, 75, 59, 50]


def test_the_gradient_is_not_a_number_in_27_implementations():
    findings = pd.read_csv(REFERENCE / "agreement" / "findings.csv")
    assert "for gamma = 0.5 once the sigmoid saturates** in 27 of the implementations" in README
    saturated = findings[
        findings["code"].isin(["nonfinite_from", "nonfinite_at"])
        & findings["statement"].str.contains(r"gradient is NaN")
        & findings["statement"].str.contains(r"gamma = 0\.5")
    ]
    assert saturated["adapter"].nunique() == 27


@pytest.mark.parametrize(
    ("library", "version", "loss", "said", "column", "part"),
    [
        ("kornia", "0.6.6", "focal", "before and after 25.0", "before", "25.0"),
        ("kornia", "0.6.10", "focal", "0.6.10 mended it", "before", "inf"),
        ("segmentation-models-pytorch", "0.6.0", "focal", "returned 4.106 in 0.5.0", "before", "4.1058"),
        ("segmentation-models-pytorch", "0.6.0", "focal", "returns 1.026", "after", "1.0264"),
        ("pytorch-toolbelt", "0.6.2", "softmax_focal", "(4.344 on one batch)", "change", "where 4.3440"),
        ("pytorch-toolbelt", "0.6.2", "softmax_focal", "from 0.6.2 on (1.426)", "change", "returns 1.42601"),
        ("pytorch-toolbelt", "0.8.0", "softmax_focal", "(1.101 on the same batch)", "change", "returns 1.1012"),
        ("monai", "0.6.0", "focal", "returned 0.581", "before", "0.58140"),
        ("monai", "0.6.0", "focal", "returns 1.137", "after", "1.13664"),
        ("monai", "1.6.0", "softmax_focal", "class weights since 1.6.0", "formula", "alpha[y]"),
        ("ultralytics", "8.2.48", "distribution_focal", "at K-1-0.01", "formula", "K-1-0.01"),
        ("ultralytics", "8.3.116", "focal", "8.3.116 moved gamma and alpha", "change", "no longer takes gamma, alpha"),
    ],
)
def test_what_a_release_changed(library, version, loss, said, column, part):
    assert said in README
    rows = pd.read_csv(REFERENCE / "history" / library / "history.csv", dtype=str, keep_default_na=False)
    rows = rows[(rows["version"] == version) & (rows["loss"] == loss) & (rows["change"] != "")]
    assert len(rows)
    assert rows["first"].eq("True").all()
    assert rows[column].str.contains(part, regex=False).all()


def test_the_histories_table_is_that_of_the_committed_histories():
    from focalbench_suite.results.history import committed, markdown

    assert markdown(committed()) in (REFERENCE / "history" / "README.md").read_text(encoding="utf-8")
