"""What the GPU's kernels cost, counted without a GPU: compiled for one, disassembled, and every path measured.

    python -m adapters.own.gpu_cost

prints the table `results/reference/throughput/gpu_cost.csv`, which a test holds the kernels to: one that grows is
seen where there is no GPU. A pass takes at least the longer of two times: that of its bytes at the card's bandwidth,
and that of its instructions at one a cycle for each of four schedulers a multiprocessor. `bandwidth` is the first as a
share of the second, and at most 1. What this does not see: how many threads a multiprocessor holds (registers say
something of it), waiting, launches. Like `polynomials.py` it belongs to the benchmark; the wheel leaves it out.
"""

from __future__ import annotations

import csv
import itertools
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from . import gpu, triton_kernels, triton_rows

TABLE = Path(__file__).resolve().parents[2] / "results" / "reference" / "throughput" / "gpu_cost.csv"
DISASSEMBLER = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
LINE = re.compile(r"/\*([0-9a-f]{4,5})\*/\s+(?:@(!?U?P\w+) )?([A-Z0-9_.]+)([^;]*);")
PLACE = re.compile(r"0x([0-9a-f]+)")
CAPABILITY = 90  # of the H100 and H200
SCHEDULERS, THREADS = 4, 32  # of a multiprocessor; of a warp
SIZES = {"fp32": 4, "bf16": 2}  # bytes
ALIGNED = ("logits", "gradient", "targets", "labels", "out", "elements")


class Card(NamedTuple):
    """Multiprocessors, their clock under load in Hz, and bytes a second, read and written, of a large copy."""

    multiprocessors: int
    clock: float
    bandwidth: float


# The H200's bandwidth was measured with the tables beside this one, the RTX 4090's is its data sheet's.
CARDS = {
    "H200": Card(132, 1.755e9, 4.23e12),
    "H100": Card(132, 1.755e9, 3.0e12),
    "RTX 4090": Card(128, 2.52e9, 1.0e12),
}


@dataclass(frozen=True)
class Case:
    """A kernel with its compile-time arguments; a thread does `elements` in a turn of the kernel's loop."""

    name: str
    dtype: str
    kernel: Any
    constants: Mapping[str, Any]
    elements: float
    bytes_an_element: int


class Cost(NamedTuple):
    """Instructions an element on the cheapest and the dearest way through the loop, and what a thread holds."""

    fewest: float
    most: float
    doubles: int  # instructions in float64 in the loop
    registers: int
    stack: int  # bytes


class Instruction(NamedTuple):
    """One line of a disassembly."""

    place: int
    predicate: str
    name: str
    rest: str


def cases() -> Iterator[Case]:
    """The kernels that train detectors: value and gradient."""
    want = {"WANT": triton_kernels.TOTAL_AND_GRADIENT.value, "DIVIDED": False, "INCOMING_EACH": False, "LONG": False}
    for dtype, labelled, power in itertools.product(SIZES, (False, True), (2, -1)):
        tile = gpu.TILE if labelled or dtype == "fp32" else gpu.HALF_DENSE_TILE
        near = triton.next_power_of_2(tile // 80 + 2)
        constants = want | {
            "LOSS": 0,
            "POWER": power,
            "LABELLED": labelled,
            "SCORED": False,
            "TILE": tile,
            "NEAR": near,
        }
        name = f"focal, {'labels' if labelled else 'dense'}, gamma {'2' if power == 2 else 'any'}"
        size = SIZES[dtype] * (2 if labelled else 3)
        yield Case(name, dtype, triton_kernels.sigmoid_kernel, constants, tile / THREADS, size)
    for dtype, (bins, classes) in itertools.product(SIZES, ((True, 16), (True, 17), (False, 80), (False, 1203))):
        constants = want | {"POWER": 2, "BINS": bins, "WEIGHTED": False, "CLASSES": classes}
        name = f"distribution focal, {classes} bins" if bins else f"softmax focal, {classes} classes, gamma 2"
        if classes <= gpu.NARROW:
            kernel, elements, constants = triton_rows.narrow_kernel, float(classes), constants | {"ROWS": THREADS}
        else:
            kernel, elements, constants = triton_rows.wide_kernel, classes / THREADS, constants | {"LEAST": THREADS}
        yield Case(name, dtype, kernel, constants, elements, 2 * SIZES[dtype])


def cost(case: Case) -> Cost:
    """Compiles a kernel and counts."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(_compiled(case))
        file.flush()
        usage, listing = (_disassembled(option, file.name) for option in ("-res-usage", "-sass"))
    instructions = [Instruction(int(place, 16), *rest) for place, *rest in LINE.findall(listing)]
    fewest, most, start, end = _ways(instructions)
    doubles = sum(one.name in ("DADD", "DMUL", "DFMA") for one in instructions[start : end + 1])
    registers, stack = (int(re.findall(rf"{word}:(\d+)", usage)[0]) for word in ("REG", "STACK"))
    return Cost(fewest / case.elements, most / case.elements, doubles, registers, stack)


def bandwidth(case: Case, instructions: float, card: Card) -> float:
    """The share of a card's bandwidth that so many instructions an element leave room for, at most 1."""
    rate = SCHEDULERS * THREADS * card.multiprocessors * card.clock
    return min(1.0, (case.bytes_an_element / card.bandwidth) / (instructions / rate))


def _compiled(case: Case) -> bytes:
    pointer, target = f"*{case.dtype}", "*fp32" if case.constants.get("BINS") else "*i64"
    dense = "sigmoid" in case.kernel.__name__
    types = {
        "logits": pointer, "gradient": pointer, "targets": pointer if dense else target, "labels": "*i64",
        "done": "*i32", "elements": "i32", "classes": "i32", "rows": "i32",
    } | dict.fromkeys(("weights", "incoming", "divisor", "out", "partial"), "*fp32")  # fmt: skip
    signature = {name: types.get(name, "fp32") for name in case.kernel.arg_names}
    aligned = {(case.kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in ALIGNED if name in signature}
    signature |= dict.fromkeys(case.constants, "constexpr")
    source = ASTSource(fn=case.kernel, signature=signature, constexprs=dict(case.constants), attrs=aligned)
    options = {"num_warps": 1, "enable_fp_fusion": False}
    return triton.compile(source, target=GPUTarget("cuda", CAPABILITY, THREADS), options=options).asm["cubin"]


def _disassembled(option: str, file: str) -> str:
    return subprocess.run([DISASSEMBLER, option, file], capture_output=True, text=True, check=True).stdout


def _ways(instructions: list[Instruction]) -> tuple[int, int, int, int]:
    """Instructions of the shortest way through the longest loop, and of the longest of those that turn off it once.

    With the loop's first and last instruction. A tile of background takes the first way, one with a positive the other.
    """
    after = _after(instructions)
    before: list[list[int]] = [[] for _ in instructions]
    for index, places in enumerate(after):
        for place in places:
            before[place].append(index)
    backward = [(to, index) for index, places in enumerate(after) for to in places if to < index]
    loops = [(start, end) for start, end in backward if end in _distances(after, start) and end in _distances(after, 0)]
    start, end = max(loops, key=lambda loop: loop[1] - loop[0])
    there, back = _distances(after, start), _distances(before, end)
    forks = [index for index, places in enumerate(after) if len(places) == 2 and index in there and index != end]
    turns = [there[index] + back[place] for index in forks for place in after[index] if place in back]
    return there[end], max([there[end], *turns]), start, end


def _after(instructions: list[Instruction]) -> list[list[int]]:
    """Which instructions may follow each."""
    index_of = {one.place: index for index, one in enumerate(instructions)}
    after = []
    for index, one in enumerate(instructions):
        following = [index + 1] if index + 1 < len(instructions) else []
        if one.name.startswith("BRA"):
            conditional = one.predicate or re.match(r"\s*!?U?P\d", one.rest)
            jump = index_of[int(PLACE.findall(one.rest)[0], 16)]
            following = [jump, *following] if conditional else [jump]
        elif one.name.startswith(("EXIT", "RET")) and not one.predicate:
            following = []
        after.append(following)
    return after


def _distances(after: list[list[int]], start: int) -> dict[int, int]:
    """How many instructions it takes to and with each that can be reached."""
    found, queue = {start: 1}, [start]
    for index in queue:
        for place in after[index]:
            if place not in found:
                found[place] = found[index] + 1
                queue.append(place)
    return found


def main() -> None:
    """Prints the table."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    names = ("kernel", "dtype", "instructions", "instructions_most", "registers", "stack_bytes")
    table.writerow([*names, *(f"bandwidth {card}" for card in CARDS)])
    for case in cases():
        count = cost(case)
        shares = [f"{bandwidth(case, count.fewest, card):.2f}" for card in CARDS.values()]
        instructions = f"{count.fewest:.1f}", f"{count.most:.1f}"
        table.writerow([case.name, case.dtype, *instructions, count.registers, count.stack, *shares])


if __name__ == "__main__":
    main()
