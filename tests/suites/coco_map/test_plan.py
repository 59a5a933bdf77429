"""What a selection trains."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner

from focalbench_suite.run_all import main
from focalbench_suite.suites import Selection
from focalbench_suite.suites.coco_map import plan, warnings_before
from focalbench_suite.suites.coco_map.until import further
from focalbench_suite.suites.worker import MOST_WORKERS, cores


def trained(selection):
    return [" ".join(task.cells[0].workload.split()[:2]) for task in plan(selection)]


CORE = [f"{host} {name}" for host in ("gfl", "retinanet", "yolov8n") for name in ("library", "own")]


@pytest.mark.parametrize("profile", ["smoke", "quick"])
def test_the_short_profiles_train_library_and_own_once_in_each_host(profile):
    assert trained(Selection(profile)) == CORE


def test_the_full_profile_trains_five_seeds_in_float32_and_in_float64():
    tasks = plan(Selection("full"))
    trainings = {(task.options["seed"], task.cells[0].dtype) for task in tasks}
    assert trainings == {(seed, dtype) for seed in range(5) for dtype in ("float32", "float64")}
    names = {task.options["variant"].name for task in tasks}
    assert names == {"library", "own", "article_1", "focal_mean", "cross_entropy_no_prior"}


def test_only_what_a_host_can_train_in_is_trained():
    assert {t.cells[0].dtype for t in plan(Selection("quick", dtypes=("bfloat16", "float64")))} == {
        "bfloat16",
        "float64",
    }
    tasks = plan(Selection("full", variants=("vfnet/own",), seeds=1))
    assert {task.cells[0].dtype for task in tasks} == {"float32"}


def test_trainings_on_a_cpu_share_its_threads_and_one_on_a_gpu_has_the_machine():
    many = plan(Selection("quick", seeds=5))
    assert {task.threads for task in many} == {max(1, cores() // min(len(many), MOST_WORKERS))}
    assert {task.threads for task in plan(Selection("quick", devices=("cuda",)))} == {0}


def test_a_variant_by_name_comes_with_the_librarys_own():
    assert trained(Selection("quick", variants=("atss/own",))) == ["atss library", "atss own"]
    assert "retinanet gamma_0.5" in trained(Selection("quick", variants=("retinanet",)))


def test_an_adapter_trains_where_it_has_a_variant():
    assert trained(Selection("full", adapters=("articles",), dtypes=("float32",)))[:2] == [
        "retinanet library",
        "retinanet article_1",
    ]


def test_a_users_loss_is_trained_where_that_loss_is_used(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def quality_focal(logits, targets, beta):\n    return logits\n")
    found = trained(Selection("quick", adapters=(f"{file}:quality_focal",)))
    assert found == ["gfl library", "yolov8n library", "gfl quality_focal", "yolov8n quality_focal"]


MEAN = "def focal(logits, targets):\n    return ((logits.sigmoid() - targets) ** 2).mean()\n"


def test_a_users_mean_is_told_before_training_with_what_mends_it(tmp_path):
    file = tmp_path / "average.py"
    file.write_text(MEAN + MEAN.replace("focal", "summed").replace("mean", "sum"))
    (line,) = warnings_before(plan(Selection(adapters=(f"{file}:focal",))))
    assert line.startswith(f"{file}:focal: divides by all anchors, not by positives")
    assert "`--normalise positives` divides it" in line
    assert not list(warnings_before(plan(Selection(adapters=(f"{file}:summed",), losses=("focal",)))))
    assert not list(warnings_before(plan(Selection("full"))))


def test_a_users_mean_over_positives_is_a_variant_of_its_own(tmp_path):
    file = tmp_path / "averaged.py"
    file.write_text(MEAN)
    selection = Selection(adapters=(f"{file}:focal",), normalise="positives")
    assert "retinanet focal_over_positives" in trained(selection)
    assert not list(warnings_before(plan(selection)))


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(schedule="2x"), ["2x", "smoke", "1x"]),
        (Selection(schedule="1x"), ["--coco"]),
        (Selection(variants=("gfl/nope",)), ["gfl/nope", "gfl/own"]),
        (Selection(schedule="mini", coco="coco"), ["--schedule mini", "--backbone", "package:"]),
        (Selection(normalise="positives"), ["--normalise", "--adapter FILE.py:NAME"]),
        (Selection(backbone="timm:resnet18"), ["yolov8n", "retinanet"]),
    ],
)
def test_what_there_is_not_is_refused_in_one_line(selection, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are what is checked
        plan(selection)
    assert all(word in str(error.value) for word in words)


def test_a_data_set_that_was_narrowed_has_a_name_of_its_own():
    (whole, *_), (narrowed, *_) = (
        plan(Selection(coco="data/coco", categories=categories, variants=("gfl/own",)))
        for categories in ((), ("cat", "dog"))
    )
    assert whole.cells[0].workload.split()[2] == "coco"
    assert narrowed.cells[0].workload.split()[2] == "coco:cat,dog"


def test_every_cell_has_a_key_of_its_own():
    keys = [cell.key for task in plan(Selection("full")) for cell in task.cells]
    assert len(set(keys)) == len(keys)


def test_a_loss_that_ends_its_process_is_not_judged_and_ends_no_other(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import os\n\ndef dying(logits, targets, gamma, alpha):\n    os._exit(7)\n")
    selection = Selection(adapters=(f"{file}:dying",), losses=("focal",))
    assert list(warnings_before(plan(selection))) == []
    with pytest.raises(ValueError, match="cannot be asked what it divides by"):
        plan(dataclasses.replace(selection, normalise="positives"))


def test_a_training_that_a_host_cannot_do_says_why_on_the_screen(tmp_path):
    """Without training anything: the smoke schedule's pictures are too small for bfloat16 on a CPU."""
    asked = [
        "--suite",
        "coco-map",
        "--profile",
        "smoke",
        "--device",
        "cpu",
        "--dtype",
        "bfloat16",
        "--variant",
        "retinanet/own",
        "--out",
    ]
    ended = CliRunner().invoke(main, [*asked, str(tmp_path)])
    assert ended.exit_code == 0
    assert "maps of one point, whose convolution torch differentiates wrongly" in " ".join(ended.output.split())


UNTIL = Selection("smoke", variants=("gfl/own", "gfl/beta_0.0"), seeds=12, until="decided")


def scored(selection, looks, effect):
    """Records of what a selection has trained so far, as if a variant of another beta were `effect` better."""
    random = np.random.default_rng(1)
    for look in looks:
        for task in look:
            variant, seed = task.options["variant"], task.options["seed"]
            ap = 0.5 + 0.001 * seed + (effect if "beta" in variant.name else 0.0) + 0.01 * random.normal()
            run = {"host": "gfl", "variant": variant.name, "dataset": "shapes", "schedule": "smoke", "device": "cpu"}
            run |= {"seed": seed, "dtype": "float32", "iterations": 3, "ap": ap, "images_val": 50}
            data = {"run": run, "resampled_ap": [ap, *(ap + shift for shift in (-0.001, 0, 0.001))], "looks": 3}
            yield {"cell": {"suite": "coco-map"}, "data": data}


def test_until_decided_begins_with_five_seeds_and_adds_to_what_is_undecided_alone():
    """Own, equal up to noise as large as the margin, goes on to the last look; a loss that is far better does not."""
    asked = [plan(UNTIL)]
    for more in further(UNTIL, lambda: list(scored(UNTIL, asked, effect=0.2))):
        asked.append(more)
    assert [len({task.options["seed"] for task in look}) for look in asked] == [5, 8, 12]
    assert [{task.options["variant"].name for task in look} for look in asked] == [
        {"library", "own", "beta_0.0"},
        {"library", "own"},
        {"library", "own"},
    ]


def test_until_decided_ends_where_all_is_decided():
    selection = dataclasses.replace(UNTIL, variants=("gfl/beta_0.0",))
    records = list(scored(selection, [plan(selection)], effect=0.2))
    assert list(further(selection, lambda: records)) == []


def test_until_decided_ends_where_the_val_images_alone_leave_it_open():
    selection = dataclasses.replace(UNTIL, variants=("gfl/own",))
    records = list(scored(selection, [plan(selection)], effect=0.0))
    for record in records:
        if record["data"]["run"]["variant"] == "own":
            record["data"]["resampled_ap"][1:] = [
                ap + 0.5 * n for n, ap in enumerate(record["data"]["resampled_ap"][1:])
            ]
    assert list(further(selection, lambda: records)) == []
