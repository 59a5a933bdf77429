import doctest
import os
import random

import pytest

from focalbench_suite.results import reading
from focalbench_suite.results.store import Run

CELL = {"suite": "claims", "loss": "focal", "adapter": "own", "device": "cpu", "dtype": "float64", "workload": ""}


def stored(key, status="ok"):
    """A record as a run writes it."""
    return {"key": key, "cell": CELL, "status": status, "reason": "", "rows": {}, "data": {}, "seconds": 0.5}


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {"cpu": "abacus"})


def test_a_record_that_was_appended_is_read_back(run):
    run.append(stored("a"))
    assert list(Run.open(run.folder).records()) == [stored("a")]


def test_of_a_cell_that_was_run_again_the_last_record_counts(run):
    for key, status in (("a", "failed"), ("b", "ok"), ("a", "ok")):
        run.append(stored(key, status))
    assert [(record["key"], record["status"]) for record in run.records()] == [("a", "ok"), ("b", "ok")]


def test_a_line_cut_short_by_a_kill_leaves_its_cell_undone_and_the_next_record_whole(run):
    run.append(stored("a"))
    with run.records_file.open("a") as stream:
        stream.write('{"key": "b", "sta')
    run.append(stored("c"))
    assert run.keys() == {"a", "c"}


def test_environment_is_kept_beside_the_records(run):
    assert run.environment() == {"cpu": "abacus"}


def test_a_folder_without_records_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"is not a run: it has no records\.jsonl"):
        Run.open(tmp_path)


TORN = {
    b"[]": "Input should be a valid dictionary",
    b"\xff\xfe": "no JSON",
    b'{"key": 3}': "key: Input should be a valid string",
    b"[" * 100_000: "too deeply nested",
    b'{"key": "a"}': "cell: Field required",
}


def test_the_example_is_true():
    assert doctest.testmod(reading).failed == 0


@pytest.mark.parametrize("line", TORN)
def test_a_line_that_is_no_record_is_named_and_costs_itself_alone(run, line):
    run.append(stored("a"))
    with run.records_file.open("ab") as stream:
        stream.write(line + b"\n")
    run.append(stored("b"))
    assert run.keys() == {"a", "b"}
    (told,) = run.unreadable()
    assert told.startswith("line 2: ")
    assert TORN[line] in told


@pytest.mark.parametrize(
    ("data", "words"),
    [({"n": 10**40}, "more than 64 bits"), ({"n": [[[[[]]]]]}, ""), ({"n": "\ud800"}, "")],
)
def test_content_that_no_table_can_hold_is_left_out_or_replaced(run, data, words):
    run.append(stored("a") | {"data": data})
    assert ("".join(run.unreadable()) != "") == bool(words)
    assert words in "".join(run.unreadable())
    for record in run.records():
        repr(record).encode()  # every file can be written of it


def test_records_torn_anywhere_are_read_but_for_what_is_torn(run):
    for number in range(20):
        run.append(stored(f"cell {number}"))
    whole = run.records_file.read_bytes()
    dice = random.Random(0)
    for _ in range(200):
        torn = bytearray(whole)
        place, length = dice.randrange(len(torn)), dice.randrange(1, 400)
        torn[place : place + length] = dice.randbytes(dice.randrange(40))
        run.records_file.write_bytes(torn)
        lines = torn.count(b"\n") + 1
        assert len(run.keys()) >= 20 - 3 - length // 150
        assert len(run.unreadable()) <= lines


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_torn_environment_is_one_line(run, content):
    run.environment_file.write_bytes(content)
    with pytest.raises(ValueError, match=r"environment\.json") as refused:
        Run.open(run.folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", ["report.html", "tables/cells.csv"])
def test_a_pipe_where_a_run_writes_is_told_and_not_waited_for(run, place):
    run.tables.mkdir()
    run.refuse_pipes()
    os.mkfifo(run.folder / place)
    with pytest.raises(OSError, match="a pipe stands in its place"):
        run.refuse_pipes()
