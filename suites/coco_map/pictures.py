"""What the files of a data set's pictures are: each is opened once, and what was seen is kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track

SMALLEST = 10  # pixels of a side: Ultralytics refuses less
ORIENTATION = 0x0112  # the EXIF tag that says how a picture is to be turned before it is shown


@dataclass(frozen=True)
class Picture:
    """A file: its size in pixels as stored, why it cannot be used (empty where it can), and its content's hash.

    The hash is there for files that may be the same as one of another split: those of equal length.
    """

    width: int = 0
    height: int = 0
    fault: str = ""
    content: str = ""


def look(folders: Mapping[str, Path], names: Mapping[str, Sequence[str]], cache: Path) -> dict[str, dict[str, Picture]]:
    """Every picture of every split that is there, by its name; `cache` is the folder in which that is kept."""
    lengths = {
        split: {name: stat for name in set(names[split]) if (stat := _file(folders[split] / name))} for split in folders
    }
    seen = [(split, name, stat.st_size, stat.st_mtime_ns) for split in lengths for name, stat in lengths[split].items()]
    place = [str(folder.resolve()) for folder in folders.values()]
    kept = cache / f"pictures-{hashlib.sha256(repr((place, sorted(seen))).encode()).hexdigest()[:16]}.json"
    if kept.is_file():
        content = json.loads(kept.read_text())
        return {split: {name: Picture(**one) for name, one in found.items()} for split, found in content.items()}
    shared = set.intersection(*({stat.st_size for stat in found.values()} for found in lengths.values()))
    files = [(folders[split] / name, size in shared) for split, name, size, _ in seen]
    with ThreadPoolExecutor() as pool:
        console = Console(stderr=True)
        opened = list(
            track(pool.map(_opened, files), "pictures", len(files), console=console, disable=not console.is_terminal)
        )
    pictures: dict[str, dict[str, Picture]] = {split: {} for split in folders}
    for (split, name, *_), picture in zip(seen, opened, strict=True):
        pictures[split][name] = picture
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(
        json.dumps({s: {name: asdict(one) for name, one in found.items()} for s, found in pictures.items()})
    )
    return pictures


def _file(path: Path) -> os.stat_result | None:
    """What the file system says of a file; None where there is none, nor could be one of such a name."""
    try:
        return path.stat() if path.is_file() else None
    except OSError:
        return None


def _opened(file: tuple[Path, bool]) -> Picture:
    path, hashed = file
    try:
        with Image.open(path) as picture:
            width, height, turn, kind = *picture.size, picture.getexif().get(ORIENTATION, 1), picture.format
            picture.load()
    # Pillow raises all but the last, which Ultralytics' reader of further formats raises once that is imported
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, ImportError) as error:
        return Picture(fault=f"cannot be read: {' '.join(str(error).split())}")
    faults = (
        (turn != 1, f"is turned by its EXIF orientation {turn}, which not every host heeds"),
        (kind == "GIF", "is a GIF, which OpenCV does not read"),
        (min(width, height) < SMALLEST, f"is under {SMALLEST} pixels, which Ultralytics refuses"),
    )
    fault = next((told for holds, told in faults if holds), "")
    return Picture(width, height, fault, hashlib.sha256(path.read_bytes()).hexdigest() if hashed else "")
