"""The user's code may do what it likes in its process: a check ends with a verdict, or with one line and status 2."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from focalbench_suite import run_all
from focalbench_suite.suites.check import Options, child

ROOT = Path(__file__).resolve().parents[3]

LOSS = """
import torch
count = 0

def focal(logits, targets, gamma=2.0, alpha=0.25):
    {body}
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    missed = (1 - p) * targets + p * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * missed**gamma * entropy).mean()
"""
UNSPEAKABLE = "raise type('Unspeakable', ({base},), {{'__str__': lambda self: 1 / 0}})()"
IN_THE_FUNCTION = {
    "exits": ("import os; os._exit(0)", "ended the process: exit status 0"),
    "exits at last": ("global count; count += 1; import os; count < 40 or os._exit(0)", "ended the process"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "ended the process: SIGSEGV"),
    "hangs": ("import time; time.sleep(1000)", "did not end within 2 s"),
    "has no words": (UNSPEAKABLE.format(base="Exception"), "Unspeakable"),
    "has no words at all": (UNSPEAKABLE.format(base="BaseException"), "Unspeakable"),
    "BaseException": ("raise BaseException('odd')", "raised BaseException: odd"),
    "GeneratorExit": ("raise GeneratorExit", "raised GeneratorExit"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "SystemExit": ("raise SystemExit(0)", "it ends the process: SystemExit(0)"),
    "warns": ("import warnings; warnings.simplefilter('error'); warnings.warn('careful')", "UserWarning: careful"),
    "needs a package": ("import no_such_library", "No module named 'no_such_library'"),
    "takes all memory": ("kept = [torch.empty(1 << 27) for _ in range(1 << 20)]", "can't allocate memory"),
    "closes the pipe": ("import os; os.closerange(3, 200)", "ended the process"),
}
AT_IMPORT = {
    "exits": ("import os; os._exit(0)", "ended the process: exit status 0"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "ended the process: SIGSEGV"),
    "hangs": ("import time; time.sleep(1000)", "did not end within 2 s"),
    "SystemExit": ("raise SystemExit(0)", "losses.py cannot be imported: SystemExit: 0"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "misses a file": ("open('weights.bin')", "losses.py cannot be imported: FileNotFoundError: [Errno 2] No such file"),
    "names that file": ("open('weights.bin')", "'weights.bin'"),
    "needs a package": ("import no_such_library", "losses.py cannot be imported: ModuleNotFoundError: No module named"),
    "has no words": (UNSPEAKABLE.format(base="Exception"), "losses.py cannot be imported: Unspeakable"),
}


@pytest.fixture
def check(tmp_path, monkeypatch, capfd):
    """Write a file of losses and check `focal` in it: status, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["focalbench", "check", "losses.py:focal", "--as", "focal", "--json"])

    def checked(text):
        (tmp_path / "losses.py").write_text(text)
        with pytest.raises(SystemExit) as end:
            run_all.command_line()
        return end.value.code, *capfd.readouterr()

    return checked


@pytest.fixture
def impatient(monkeypatch, name):
    """A call that hangs is waited for in vain; what ends may take its time on a busy machine."""
    if name == "hangs":
        monkeypatch.setattr(child, "PATIENCE_S", 2.0)


def function(body):
    return LOSS.format(body=body)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", IN_THE_FUNCTION)
def test_what_a_function_does_is_one_line(check, name):
    body, words = IN_THE_FUNCTION[name]
    assert_one_line(check(function(body)), words)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", AT_IMPORT)
def test_what_a_file_does_when_it_is_imported_is_one_line(check, name):
    line, words = AT_IMPORT[name]
    assert_one_line(check(line + function("pass")), words)


def assert_one_line(answer, words):
    status, out, error = answer
    assert (status, out) == (2, "")
    assert len(error.strip().splitlines()) == 1, error
    assert words in error


@pytest.mark.parametrize("noise", ["print('{}')", "import os; os.write(1, b'{}')"])
def test_what_it_prints_is_not_in_the_json_and_what_its_calls_print_nowhere(check, noise):
    status, out, error = check(noise.format("file") + function(noise.format("call")))
    assert (status, json.loads(out)["verdict"]) == (0, "fragile")
    assert "file" in error
    assert "call" not in error


def test_a_warning_of_its_own_filter_is_told_of_the_file_alone(tmp_path):
    """In a process of its own: in this one pytest keeps warnings for itself."""
    always = "import warnings; warnings.simplefilter('always'); warnings.warn('{}')"  # as decorators of old names do
    (tmp_path / "losses.py").write_text(always.format("file") + function(always.format("call")))
    command = [sys.executable, str(ROOT / "run_all.py"), "check", "losses.py:focal", "--as", "focal", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=250)
    assert json.loads(done.stdout)["verdict"] == "fragile"
    assert "UserWarning: file" in done.stderr
    assert "UserWarning: call" not in done.stderr


@pytest.mark.parametrize("where", ["at import", "in the function"])
def test_it_may_change_the_folder(check, where, tmp_path):
    away = "import os; os.chdir('/')"
    status, out, _ = check(away + function("pass") if where == "at import" else function(away))
    assert (status, json.loads(out)["verdict"]) == (0, "fragile")
    assert os.getcwd() == str(tmp_path)


def test_a_copy_of_the_process_answers_nothing_and_is_ended(check, tmp_path):
    forks = "global count; count += 1; import os; copied = count == 3 and os.fork() == 0"
    note = "open('processes', 'a').write(f'{os.getpid()} ')"
    stays = "copied and __import__('time').sleep(60)"
    status, out, _ = check(function(f"{forks}; {note}; {stays}"))
    assert (status, json.loads(out)["verdict"]) == (0, "fragile")
    processes, patience = set((tmp_path / "processes").read_text().split()), time.monotonic() + 10
    assert len(processes) > 1
    while any(map(_runs, processes)):  # they are nobody's children, so nobody waits for their end but this loop
        assert time.monotonic() < patience
        time.sleep(0.01)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_callable_whose_attributes_raise_is_one_line(check):
    odd = """
class Odd:
    def __call__(self, logits, targets):
        return focal_(logits, targets)
    def __getattr__(self, name):
        raise RuntimeError("no " + name)

focal_, focal = focal, Odd()
"""
    status, out, error = check(function("pass") + odd)
    assert status in (0, 2)
    assert status == 0 or len(error.strip().splitlines()) == 1
    assert (out == "") == (status == 2)


def test_a_file_by_itself_can_be_loaded_anew(tmp_path):
    """Also a module of a package, which stays imported, is executed once more for a function that has seen no call."""
    package = tmp_path / "package"
    package.mkdir()
    for file in (tmp_path / "losses.py", package / "losses.py", package / "__init__.py"):
        file.write_text(function("pass"))
    anew = {}
    for file in (tmp_path / "losses.py", package / "losses.py"):
        with child.Child(child.Asked(f"{file}:focal", None, "focal", Options())) as process:
            _, anew[file.parent.name] = process.bind()
    assert anew == {tmp_path.name: True, "package": True}
