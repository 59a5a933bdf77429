"""What a run says of its machine."""

from __future__ import annotations

import pytest

from focalbench_suite.suites.environment import cpu_clock


@pytest.mark.parametrize(
    ("file", "content", "turbo"),
    [("cpufreq/boost", "1\n", True), ("intel_pstate/no_turbo", "1\n", False), ("elsewhere", "", None)],
)
def test_turbo_is_what_the_driver_says(tmp_path, file, content, turbo):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    assert cpu_clock(tmp_path)["turbo"] is turbo
    assert cpu_clock(tmp_path)["governor"] is None
