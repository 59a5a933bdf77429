"""How far a long task has come, as it tells it and as it is read."""

import time

from focalbench_suite.suites.progress import Progress, under_way


def test_the_time_left_is_that_of_the_steps_since_the_task_went_on(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    an_hour_ago = time.monotonic() - 3600
    Progress(folder, "gfl own, seed 0", done=100, steps=400, began=an_hour_ago).step(200)
    assert under_way(tmp_path) == ["gfl own, seed 0: step 200 of 400, 2:00:00 left"]


def test_who_has_no_folder_tells_nobody(tmp_path):
    Progress(None, "gfl own, seed 0", done=0, steps=3).step(1)
    assert under_way(tmp_path) == []
