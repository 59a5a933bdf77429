"""What every kind of fault has in common: seeds, few unless all are asked for, and the command in this process."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from focalbench_suite.run_all import command_line


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="Every seed of the fault suite, which takes an hour.")


def pytest_generate_tests(metafunc):
    """Give a test that takes a seed those of its module: `SHORT` of them, or `LONG`, evenly spread over the kinds."""
    if "seed" in metafunc.fixturenames:
        module = metafunc.module
        chosen = range(module.LONG)
        if not metafunc.config.getoption("long", default=False):
            chosen = chosen[:: module.LONG // module.SHORT][: module.SHORT]
        metafunc.parametrize("seed", chosen)


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    error: str

    @property
    def lines(self) -> list[str]:
        """What it said on standard error, line by line."""
        return self.error.strip().splitlines()


@pytest.fixture
def call(monkeypatch, capfd):
    """Call the command in this process; an exception that it lets through fails the test."""

    def called(*arguments) -> Ended:
        monkeypatch.setattr(sys, "argv", ["run_all.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line()
        out, error = capfd.readouterr()
        assert "Traceback" not in out + error
        return Ended(ended.value.code or 0, out, error)

    return called
