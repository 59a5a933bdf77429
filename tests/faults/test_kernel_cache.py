"""Compiled kernels that something damaged, exchanged or kept from being written: the losses are right all the same.

What is not as it was compiled is never loaded, which would end the process or run another user's code. One notice
says what happened, and the next process has nothing to say where the library could be compiled anew.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHORT, LONG = 1, 26
ANEW, SLOWER, NOTHING = "it is compiled anew", "so slower ones are used", ""
NOBODY = 65534
PROGRAM = """
import warnings
import torch
from focalbench_suite.adapters.own import cpu, focal_loss, readable

for dtype in (torch.float32, torch.float64):
    x, y = torch.linspace(-9, 9, 50, dtype=dtype), torch.linspace(0, 1, 50, dtype=dtype)
    for again in (False, True):  # as in another process
        cpu._library.cache_clear()
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for _ in range(2):
                torch.testing.assert_close(focal_loss(x, y), readable.focal(x, y, 2.0, 0.25).mean().to(dtype))
        print(*[str(one.message).replace(chr(10), " ") for one in seen], sep=" | ")
"""


def truncated(library: Path, dice: random.Random) -> None:
    """Cut short, as by a full disk or a kill."""
    library.write_bytes(library.read_bytes()[: dice.choice((0, 1, 5000, dice.randrange(10_000)))])


def garbage(library: Path, dice: random.Random) -> None:
    """Noise of the same length."""
    library.write_bytes(dice.randbytes(library.stat().st_size))


def one_bit(library: Path, dice: random.Random) -> None:
    """One bit of it is another one."""
    content = bytearray(library.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    library.write_bytes(content)


def of_another_dtype(library: Path, _dice: random.Random) -> None:
    """The library of the other dtype under this one's name, with its checksum."""
    for file in (library, library.with_suffix(".sha256")):
        shutil.copy(str(file).replace("float32", "float64"), file)


def without_checksum(library: Path, _dice: random.Random) -> None:
    """The file beside it is gone."""
    library.with_suffix(".sha256").unlink()


def torn_checksum(library: Path, dice: random.Random) -> None:
    """The file beside it is torn."""
    library.with_suffix(".sha256").write_bytes(dice.choice((b"", b"\xff" * 64, dice.randbytes(90))))


def of_a_stranger(library: Path, dice: random.Random) -> None:
    """Another user put the library or its checksum there; where only one user may be, it was cut."""
    file = dice.choice((library, library.with_suffix(".sha256")))
    if os.getuid() == 0:
        os.chown(file, NOBODY, NOBODY)
    else:
        truncated(library, dice)


def link_to_nothing(library: Path, _dice: random.Random) -> None:
    """It is a link that leads nowhere."""
    library.unlink()
    library.symlink_to("nothing")


def gone(library: Path, _dice: random.Random) -> None:
    """It was cleaned away."""
    library.unlink()


def pipe(library: Path, _dice: random.Random) -> None:
    """A pipe stands in its place, from which nobody ever reads."""
    library.unlink()
    os.mkfifo(library)


def folder(library: Path, _dice: random.Random) -> None:
    """A folder stands in its place."""
    library.unlink()
    (library / "something").mkdir(parents=True)


def file_for_the_folder(library: Path, _dice: random.Random) -> None:
    """A file stands where the folder of libraries belongs."""
    shutil.rmtree(library.parent)
    library.parent.write_text("")


def folder_of_a_stranger(library: Path, _dice: random.Random) -> None:
    """Another user made the folder; where only one user may be, there is a file instead."""
    if os.getuid() == 0:
        os.chown(library.parent, NOBODY, NOBODY)
    else:
        file_for_the_folder(library, _dice)


FAULTS = {  # and what is said of the library of float32
    truncated: ANEW,
    garbage: ANEW,
    one_bit: ANEW,
    of_another_dtype: ANEW,
    without_checksum: ANEW,
    torn_checksum: ANEW,
    of_a_stranger: ANEW,
    pipe: ANEW,
    link_to_nothing: NOTHING,
    gone: NOTHING,
    folder: SLOWER,
    file_for_the_folder: SLOWER,
    folder_of_a_stranger: SLOWER,
}
COMPILER = "cc -m64" if platform.machine() == "x86_64" else "cc -O2"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache with the libraries of two dtypes, compiled by a command of two words."""
    cache = tmp_path_factory.mktemp("compiled")
    assert losses(cache) == ["", "", "", ""]
    return cache


def test_a_library_that_is_not_as_compiled_is_never_loaded(seed, compiled, tmp_path):
    fault = list(FAULTS)[seed % len(FAULTS)]
    cache = tmp_path / "cache"
    shutil.copytree(compiled, cache)
    (library,) = (cache / "focalbench").glob("kernels-float32-*.so")
    fault(library, random.Random(seed))
    first, second, other, again = losses(cache)
    assert FAULTS[fault] in first, (fault, first)
    assert first.count("|") == 0, (fault, first)
    assert (second == "") == (FAULTS[fault] != SLOWER), (fault, second)
    assert (other, again) == ("", "") or fault in (file_for_the_folder, folder_of_a_stranger), fault
    if FAULTS[fault] != SLOWER:
        assert library.parent.stat().st_mode & 0o777 == 0o700


def test_a_compiler_that_is_no_command_is_told_in_one_notice(tmp_path):
    for said in losses(tmp_path, CC="cc 'unbalanced"):
        assert SLOWER in said
        assert said.count("|") == 0


def test_a_disk_that_fills_while_compiling_leaves_nothing_half_done(tmp_path):
    for said in losses(tmp_path, most_bytes=4096):
        assert SLOWER in said
        assert said.count("|") == 0
    assert [file.name for file in (tmp_path / "focalbench").iterdir()] == []


def losses(cache: Path, most_bytes: int = 0, **more: str) -> list[str]:
    """What is warned of at first and again, of float32 and of float64, in a process whose losses are right."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))\n"
    run = subprocess.run(
        [sys.executable, "-c", (limit if most_bytes else "") + PROGRAM],
        env=os.environ | {"XDG_CACHE_HOME": str(cache), "CC": COMPILER} | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()
