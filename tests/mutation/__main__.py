"""Mutation testing: how many small changes of the code that judges are noticed by its tests, and which are not.

    uv run --with cosmic-ray==8.7.0 python -m tests.mutation --mutants 200 --seed 0

Cosmic Ray says what the mutants of a file are; a sample of them is drawn, each file in turn, and each mutant of the
sample is tested in a copy of what is committed. The score goes to ``results/reference/mutation``.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.commands.init import _all_work_items  # which the command `cosmic-ray init` stores in a database
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "results" / "reference" / "mutation"
SLOWEST_S = 300  # a mutant that takes longer never ends
TESTS = {  # file -> the tests that are to notice its mutants
    "suites/oracle.py": ("tests/suites/test_oracle.py",),
    "suites/agreement/judge.py": ("tests/suites/agreement/test_measure.py", "tests/suites/agreement/test_suite.py"),
    "suites/explainer/formula.py": ("tests/suites/explainer",),
    "suites/explainer/measured.py": ("tests/suites/explainer",),
    "suites/explainer/search.py": ("tests/suites/explainer",),
    "results/statistics.py": ("tests/results/test_statistics.py", "tests/results/test_coco_map.py"),
    "suites/coco_map/evaluation.py": ("tests/suites/coco_map/test_evaluation.py",),
    "adapters/own/losses.py": ("tests/adapters/own",),
    "adapters/own/eager.py": ("tests/adapters/own",),
    "adapters/own/readable.py": ("tests/adapters/own",),
    "suites/claims/claim.py": ("tests/suites/claims",),
    "suites/claims/checks.py": ("tests/suites/claims",),
}


def main() -> None:
    """Draw the sample, test it, write the score."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--mutants", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--file", action="append", choices=list(TESTS), help="Default: all of them.")
    asked = arguments.parse_args()
    drawn = sample(asked.file or list(TESTS), asked.mutants, random.Random(asked.seed))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", copy], input=archive, check=True)
        for file in {TESTS[mutant["file"]]: mutant["file"] for mutant in drawn}.values():
            if outcome(copy, {"file": file, "text": (copy / file).read_text()}) == "killed":
                raise SystemExit(f"the tests of {file} fail as it stands; without that no mutant says anything")
        outcomes = []
        for mutant in drawn:
            outcomes.append(outcome(copy, mutant))
            print(outcomes[-1], mutant["file"], f"line {mutant['line']}:", mutant["change"], flush=True)
            write(list(zip(drawn, outcomes, strict=False)))


def sample(files: list[str], count: int, dice: random.Random) -> list[dict]:
    """So many mutants, each file in turn, of each file in random order; a file of few gives all that it has."""
    queues = {file: list(mutants(file)) for file in files}
    for queue in queues.values():
        dice.shuffle(queue)
    turns = (queue.pop() for _ in range(count) for queue in queues.values() if queue)
    return [mutant for mutant, _ in zip(turns, range(count), strict=False)]


def mutants(file: str) -> Iterator[dict]:
    """Every mutant of a file: the line, what becomes of it, and the whole text."""
    source = (ROOT / file).read_text()
    for item in _all_work_items([ROOT / file], {}):
        (one,) = item.mutations
        text = mutate_code(source, get_operator(one.operator_name)(), one.occurrence)
        pairs = zip(source.splitlines(), text.splitlines(), strict=False)
        number, (was, now) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
        if "->" not in was and not was.startswith(("from ", "import ")):  # the types of a signature are not run
            yield {"file": file, "line": number, "change": f"{was.strip()} => {now.strip()}", "text": text}


def outcome(copy: Path, mutant: dict) -> str:
    """Whether the tests of its file notice a mutant: killed or survived."""
    place = copy / mutant["file"]
    whole = place.read_text()
    place.write_text(mutant["text"])
    paths = {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:warnings",
        "-p",
        "no:cacheprovider",
        *TESTS[mutant["file"]],
    ]
    try:
        done = subprocess.run(
            command, cwd=copy, env=os.environ | paths, capture_output=True, timeout=SLOWEST_S, check=False
        )
        return "killed" if done.returncode else "survived"
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        place.write_text(whole)


def write(tested: list[tuple[dict, str]]) -> None:
    """The score by file, and the survivors one by one."""
    OUT.mkdir(exist_ok=True)
    scores, survivors = [], []
    for file in TESTS:
        found = [(mutant, told) for mutant, told in tested if mutant["file"] == file]
        left = [mutant for mutant, told in found if told == "survived"]
        scores.append((file, len(found), len(found) - len(left), len(left)))
        survivors += [(file, mutant["line"], mutant["change"]) for mutant in left]
    for name, head, lines in (
        ("score", ("file", "mutants", "killed", "survived"), scores),
        ("survivors", ("file", "line", "change"), survivors),
    ):
        with (OUT / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([head, *lines])


if __name__ == "__main__":
    main()
