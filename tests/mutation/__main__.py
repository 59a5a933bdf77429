"""Mutation testing: how many small changes of the code that judges are noticed by its tests, and which are not.

    uv run --with cosmic-ray==8.7.0 python -m tests.mutation --mutants 200 --seed 0

Cosmic Ray says what the mutants of a file are; a sample of them is drawn, each file in turn, and each mutant of the
sample is tested in a copy of what is committed. Every outcome is written as it comes to ``results/reference/mutation``,
and a command that was stopped goes on from there; ``--survivors`` tests again what has survived. With ``--file``
nothing is written.
"""

from __future__ import annotations

import argparse
import ast
import csv
import importlib
import io
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cosmic_ray.commands.init import _all_work_items  # which the command `cosmic-ray init` stores in a database
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "results" / "reference" / "mutation"
MUTANT = ("file", "line", "change")
SLOWEST_S = 60.0  # a test that takes longer never ends
VOCABULARY = (
    "tests/suites/explainer/vocabulary",
    "tests/suites/explainer/test_recorded.py",
    "tests/suites/explainer/test_numerics.py",
)
LOSSES = (
    "tests/adapters/own/test_losses.py",
    "tests/adapters/own/test_arguments.py",
    "tests/adapters/own/test_accuracy.py",
)
CLAIMS = ("tests/suites/claims/test_claims.py", "tests/suites/claims/test_mutants.py")
TESTS = {  # file -> the tests that are to notice its mutants, the quickest to do so first
    "suites/oracle.py": ("tests/suites/test_oracle.py",),
    "suites/agreement/judge.py": ("tests/suites/agreement/test_measure.py", "tests/suites/agreement/test_suite.py"),
    "suites/explainer/formula.py": VOCABULARY,
    "suites/explainer/measured.py": VOCABULARY,
    "suites/explainer/search.py": VOCABULARY,
    "results/statistics.py": ("tests/results/test_statistics.py", "tests/results/test_coco_map.py"),
    "suites/coco_map/evaluation.py": ("tests/suites/coco_map/test_evaluation.py",),
    "adapters/own/losses.py": LOSSES,
    "adapters/own/eager.py": LOSSES,
    "adapters/own/readable.py": LOSSES,
    "suites/claims/claim.py": CLAIMS,
    "suites/claims/checks.py": CLAIMS,
}
ELSEWHERE = ("torch", "torchvision", "mpmath", "scipy.stats", "pandas")  # imported once, not once a mutant


def main() -> None:
    """Draw the sample, test what of it has no outcome yet, write the score."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--mutants", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--file", action="append", choices=list(TESTS), help="Default: all of them.")
    arguments.add_argument("--survivors", action="store_true", help="Test those again that have survived.")
    asked = arguments.parse_args()
    drawn = sample(asked.file or list(TESTS), asked.mutants, random.Random(asked.seed))
    known = {} if asked.file else read("mutants")
    again = ("survived",) if asked.survivors else ()
    outcomes = {key(mutant): known[key(mutant)] for mutant in drawn if known.get(key(mutant)) not in (None, "", *again)}
    for module in ELSEWHERE:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", copy], input=archive, check=True)
        limits: dict[tuple, float] = {}
        for mutant in drawn:
            if key(mutant) not in outcomes:
                tests = TESTS[mutant["file"]]
                if tests not in limits:
                    limits[tests] = patience(copy, tests)
                outcomes[key(mutant)] = outcome(copy, mutant, limits[tests])
                print(outcomes[key(mutant)], *key(mutant), flush=True)
                if not asked.file:  # else the score would be of these files alone
                    write([(*key(one), outcomes.get(key(one), "")) for one in drawn])


def key(mutant: dict) -> tuple[str, ...]:
    """What names a mutant in the tables."""
    return tuple(str(mutant[name]) for name in MUTANT)


def sample(files: list[str], count: int, dice: random.Random) -> list[dict]:
    """So many mutants, each file in turn, of each file in random order; a file of few gives all that it has."""
    queues = [mutants(file, dice) for file in files]
    drawn: list[dict] = []
    while queues and len(drawn) < count:
        turn = [(queue, next(queue, None)) for queue in queues]
        drawn += [mutant for _, mutant in turn if mutant]
        queues = [queue for queue, mutant in turn if mutant]
    return drawn[:count]


def mutants(file: str, dice: random.Random) -> Iterator[dict]:
    """Every mutant of a file, in random order: the line, what becomes of it, and the whole text."""
    source = (ROOT / file).read_text()
    items = list(_all_work_items([ROOT / file], {}))
    dice.shuffle(items)
    for item in items:
        (one,) = item.mutations
        text = mutate_code(source, get_operator(one.operator_name)(), one.occurrence)
        pairs = zip(source.splitlines(), text.splitlines(), strict=False)
        number, (was, now) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
        if differs(source, text):
            yield {"file": file, "line": number, "change": f"{was.strip()} => {now.strip()}", "text": text}


def differs(source: str, text: str) -> bool:
    """Whether two modules are Python that differs in more than the types that annotations name, which are not run."""
    try:
        one, other = (ast.parse(module) for module in (source, text))
    except SyntaxError:
        return False
    for node in (*ast.walk(one), *ast.walk(other)):
        for name in ("annotation", "returns"):
            if getattr(node, name, None):
                setattr(node, name, ast.Constant(None))
    return ast.dump(one) != ast.dump(other)


def patience(copy: Path, tests: tuple[str, ...]) -> float:
    """How long the tests may take: several times what they take of the code as it stands, which must pass them."""
    started = time.monotonic()
    if tested(copy, tests, 3600):
        raise SystemExit(f"{' '.join(tests)} fail as they stand; without that no mutant says anything")
    return 60 + 3 * (time.monotonic() - started)


def outcome(copy: Path, mutant: dict, limit_s: float) -> str:
    """Whether the tests of its file notice a mutant: killed or survived."""
    place = copy / mutant["file"]
    whole = place.read_text()
    place.write_text(mutant["text"])
    try:
        return "killed" if tested(copy, TESTS[mutant["file"]], limit_s, "-x") else "survived"
    finally:
        place.write_text(whole)


def tested(copy: Path, tests: tuple[str, ...], limit_s: float, *more: str) -> bool:
    """Whether tests of the copy fail, or do not end: in a process that has the libraries already, and nothing of ours.

    Compiled files are kept of what is committed, and of no mutant: two of them could be of one second and one length.
    """
    process = multiprocessing.get_context("fork").Process(target=_test, args=(copy, tests, more))
    process.start()
    process.join(limit_s)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode != 0


def _test(copy: Path, tests: tuple[str, ...], more: tuple[str, ...]) -> None:
    os.setsid()
    os.chdir(copy)
    sys.path[:] = [str(copy / "src"), *(path for path in sys.path if path not in ("", str(ROOT), str(ROOT / "src")))]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    os.environ |= {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    if more:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    quiet = ["-p", "no:warnings", "-p", "no:cacheprovider", f"--timeout={SLOWEST_S}"]
    os._exit(int(pytest.main([*quiet, *more, *tests])))


def read(name: str) -> dict[tuple[str, ...], str]:
    """The last column of a table of mutants, by mutant."""
    file = OUT / f"{name}.csv"
    with file.open(newline="") if file.exists() else io.StringIO() as stream:
        return {tuple(line[: len(MUTANT)]): line[-1] for line in csv.reader(stream) if line[-1]}


def write(tested: list[tuple[str, ...]]) -> None:
    """Every mutant with its outcome, and the score by file, with and without those that change nothing."""
    OUT.mkdir(exist_ok=True)
    same = read("equivalent")
    scores = []
    for file in (*TESTS, "all"):
        found = [line for line in tested if line[-1] and file in (line[0], "all")]
        killed = sum(line[-1] == "killed" for line in found)
        equivalent = sum(line[-1] == "survived" and line[:-1] in same for line in found)
        shares = [f"{killed / count:.3f}" if count else "" for count in (len(found), len(found) - equivalent)]
        scores.append((file, len(found), killed, len(found) - killed - equivalent, equivalent, *shares))
    head = ("file", "mutants", "killed", "survived", "equivalent", "score", "score_without_equivalent")
    for name, lines in (("mutants", [(*MUTANT, "outcome"), *tested]), ("score", [head, *scores])):
        with (OUT / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(lines)


if __name__ == "__main__":
    main()
