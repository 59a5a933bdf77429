import pytest

from focalbench_suite.results.store import Run


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {"cpu": "abacus"})


def test_a_record_that_was_appended_is_read_back(run):
    run.append({"key": "a", "status": "ok"})
    assert list(Run.open(run.folder).records()) == [{"key": "a", "status": "ok"}]


def test_of_a_cell_that_was_run_again_the_last_record_counts(run):
    for key, status in (("a", "failed"), ("b", "ok"), ("a", "ok")):
        run.append({"key": key, "status": status})
    assert [(record["key"], record["status"]) for record in run.records()] == [("a", "ok"), ("b", "ok")]


def test_a_line_cut_short_by_a_kill_leaves_its_cell_undone_and_the_next_record_whole(run):
    run.append({"key": "a", "status": "ok"})
    with run.records_file.open("a") as stream:
        stream.write('{"key": "b", "sta')
    run.append({"key": "c", "status": "ok"})
    assert run.keys() == {"a", "c"}


def test_environment_is_kept_beside_the_records(run):
    assert run.environment() == {"cpu": "abacus"}


def test_a_folder_without_records_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"is not a run: it has no records\.jsonl"):
        Run.open(tmp_path)
