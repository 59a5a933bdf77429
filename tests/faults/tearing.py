"""Files as kills, full disks, editors, other versions and strangers leave them, chosen by a random number generator."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

ODD = (
    None,
    True,
    -1,
    0,
    2**62,
    10**40,
    1e308,
    float("nan"),
    float("-inf"),
    "",
    "\ud800",
    "\x00\x1b[31m",
    "[/x] [red]",
    "</script><img src=x>",
    "=1+1",
    "a | b\nc",
    "x" * 100_000,
    [],
    {},
    [[[[]]]],
    {"": {"": None}},
    [1, "a", None],
)
LINKS = {
    "link to nothing": "nothing",
    "link to what cannot be read": "/proc/self/mem",
    "link to what never ends": "/dev/zero",
}


def inside(value: Any) -> list[tuple[Any, Any]]:
    """Every place in plain data, as what holds it and the key or index under which it does."""
    places, level = [], [value]
    while level:
        here = level.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        places += [(here, key) for key in keys]
        level += [here[key] for key in keys]
    return places


def change(value: Any, dice: random.Random) -> None:
    """One thing in plain data is another type, is missing, is there twice or has another name.

    A level is drawn before a place in it: a record has a thousand numbers in its curves for one name of a loss.
    """
    holder = value
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = dice.choice(keys)
        if not (isinstance(holder[key], (dict, list)) and holder[key] and dice.random() < 0.75):
            break
        holder = holder[key]
    kind = dice.choice(("replace", "replace", "replace", "remove", "again"))
    if kind == "replace":
        holder[key] = dice.choice(ODD)
    elif kind == "remove":
        del holder[key]
    elif isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[f"{key}s"] = holder.pop(key)


def tear_bytes(content: bytes, dice: random.Random) -> bytes:
    """The bytes after something that knows nothing of their meaning: a cut, a hole, a flip, noise, blocks exchanged."""
    if not content:
        return dice.randbytes(10)
    place, length = dice.randrange(len(content)), dice.randrange(1, 4096)
    before, gone, after = content[:place], content[place : place + length], content[place + length :]
    return dice.choice((
        before,  # a kill, a full disk
        before + bytes(len(gone)) + after,  # a file system after a power cut
        before + after,
        before + dice.randbytes(length) + after,
        before + bytes([content[place] ^ 1 << dice.randrange(8)]) + content[place + 1 :],
        after + gone + before,
        content + content[place:],
        content.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + content,
        content.decode(errors="replace").encode("utf-16"),
        b"[" * 200_000 + content,
        before + b"\0" * 5_000_000 + after,  # a line of megabytes
        content.replace(b"\n", b"\r"),
        content.replace(b"\n", b"\n\0\n\n \t\n"),
        content.replace(b"\n", "\u2028".encode()),
        content.replace(b":", b":" * 2, 1),
        content.replace(b"{", b'{"key": "x", "key": 3, ', 1),
        content + b"\x1a",  # an editor's end of file
        content[::-1],
        b"",
    ))  # fmt: skip


def change_json(file: Path, dice: random.Random) -> None:
    """Change a few things in a JSON file, or in some lines of one."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.suffix == ".jsonl" else None
    content = json.loads(file.read_text()) if lines is None else lines
    for _ in range(dice.choice((1, 1, 1, 3, 10))):
        change(content if lines is None else dice.choice(lines), dice)
    plain = [content] if lines is None else lines
    file.write_text("".join(json.dumps(part) + "\n" for part in plain))


def tear_file(file: Path, dice: random.Random) -> None:
    """One file torn: its bytes mostly, sometimes the whole of it."""
    kind = dice.choice(
        (
            "bytes",
            "bytes",
            "bytes",
            "missing",
            "folder",
            "link to itself",
            "link to nothing",
            "link to what cannot be read",
            "link to what never ends",
            "pipe",
        )
    )
    if kind == "bytes":
        file.write_bytes(tear_bytes(file.read_bytes(), dice))
        return
    file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind != "missing":
        file.symlink_to(LINKS.get(kind, file.name))


def put_in_the_way(folder: Path, dice: random.Random) -> None:
    """Something else stands where a run puts what it makes."""
    made = dice.choice(
        ("tables", "report.html", "report.md", "junit.xml", "writer.lock", "unfinished", "tables/cells.csv")
    )
    place = folder / made
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    kind = dice.choice(("file", "folder", "link to itself", "pipe", "link out of the folder"))
    if kind == "file":
        place.write_bytes(dice.randbytes(100))
    elif kind == "folder":
        (place / "something").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(place.name if kind == "link to itself" else "/dev/full")


def tear_run(folder: Path, dice: random.Random) -> str:
    """Damage a run folder; what was done to it, in a word."""
    records, environment = folder / "records.jsonl", folder / "environment.json"
    kind = dice.choice(("record", "record", "record", "record", "environment", "bytes", "bytes", "file", "way"))
    if kind == "record":
        change_json(records, dice)
    elif kind == "environment":
        change_json(environment, dice)
    elif kind == "bytes":
        file = dice.choice((records, records, environment))
        file.write_bytes(tear_bytes(file.read_bytes(), dice))
    elif kind == "file":
        tear_file(dice.choice((records, environment)), dice)
    else:
        put_in_the_way(folder, dice)
    return kind


def tear_baseline(folder: Path, dice: random.Random) -> None:
    """Damage one table of a committed baseline: its bytes, a cell, a column, a row."""
    file = dice.choice(sorted(folder.glob("*.csv")))
    kind = dice.choice(("bytes", "file", "cell", "cell", "column", "rows"))
    if kind == "bytes":
        file.write_bytes(tear_bytes(file.read_bytes(), dice))
        return
    if kind == "file":
        tear_file(file, dice)
        return
    with file.open(newline="") as stream:
        head, *rows = csv.reader(stream)
    if kind == "cell" and rows:
        line = dice.choice(rows)
        line[dice.randrange(len(line))] = dice.choice(("", "nan", "inf", "-1", "1e400", "a,b", "\x00", "x" * 200_000))
    elif kind == "column":
        place = dice.randrange(len(head))
        for line in (head, *rows):
            del line[place]
    else:
        rows = [line for line in rows for _ in range(dice.randrange(3))]
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])
