"""A run is a folder; `records.jsonl` in it is the truth, one line a cell, flushed when the cell ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout


class BeingWritten(Exception):
    """Another process writes into the run folder; the message says what to do."""


class Run:
    """A run folder: ``records.jsonl``, ``environment.json``, ``tables/``, the report.

    `open` raises `ValueError` with a sentence where `folder` is not a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._read: tuple[tuple[int, int], list[tuple[dict[str, Any] | None, str]]] = (0, 0), []

    @classmethod
    def create(cls, folder: str | Path, environment: dict[str, Any]) -> Run:
        """Make the folder (it may exist) and write what the run is measured on."""
        run = cls(folder)
        run.folder.mkdir(parents=True, exist_ok=True)
        part = run.environment_file.with_suffix(".part")  # of a full disk, no half of the file is left under its name
        part.write_text(json.dumps(environment, indent=2, sort_keys=True) + "\n")
        part.replace(run.environment_file)
        run.records_file.touch()
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """An existing run."""
        run = cls(folder)
        try:
            if not run.records_file.is_file():
                raise ValueError(f"{folder} is not a run: it has no records.jsonl")
            run.records_file.read_bytes()
            run.environment()
        except OSError as error:
            raise ValueError(f"{error.filename or folder} cannot be read: {error.strerror}") from None
        return run

    @property
    def records_file(self) -> Path:
        return self.folder / "records.jsonl"

    @property
    def environment_file(self) -> Path:
        return self.folder / "environment.json"

    @property
    def tables(self) -> Path:
        return self.folder / "tables"

    @contextlib.contextmanager
    def written_here(self) -> Iterator[None]:
        """Be the one who writes into the folder; raises `BeingWritten` with a sentence where another process is.

        The lock is the operating system's, so that a process that dies does not keep it.
        """
        lock = FileLock(self.folder / "writer.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise BeingWritten(
                f"{self.folder} is being written by another run; wait for its end, or name another folder"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def refuse_pipes(self) -> None:
        """Raise `OSError` where a pipe stands in the folder: writing into one waits for a reader, perhaps for ever."""
        for place in (*self.folder.iterdir(), *self.tables.glob("*")):
            if place.is_fifo():
                raise FileExistsError(errno.EEXIST, "a pipe stands in its place", str(place))

    def environment(self) -> dict[str, Any]:
        """What the run was measured on; raises `ValueError` with a sentence where the file does not say it."""
        from focalbench_suite.results.reading import read_environment

        if not self.environment_file.is_file():
            return {}
        try:
            return read_environment(self.environment_file.read_bytes())
        except ValueError as error:
            raise ValueError(f"{self.environment_file}: {' '.join(str(error).split())}") from None

    def append(self, record: dict[str, Any]) -> None:
        """Add one record; on return it has reached the disk. Raises `OSError` with the file's name where it cannot."""
        try:
            with self.records_file.open("a+b") as stream:
                stream.write(self._end_of_a_cut_line(stream) + json.dumps(record, sort_keys=True).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.records_file)) from None

    @staticmethod
    def _end_of_a_cut_line(stream: BinaryIO) -> bytes:
        """A newline where a kill cut the last line short, so that the next record does not continue it."""
        if stream.seek(0, os.SEEK_END) == 0:
            return b""
        stream.seek(-1, os.SEEK_END)
        return b"" if stream.read(1) == b"\n" else b"\n"

    def records(self) -> Iterator[dict[str, Any]]:
        """The records by their cells' names, whatever order they ended in; of a cell that was run again, only the last.

        A line that is no record, such as one that a kill cut short, is left out: its cell is run again.
        """
        latest = {record["key"]: record for record, _ in self._lines() if record is not None}
        for key in sorted(latest):
            yield latest[key]

    def unreadable(self) -> list[str]:
        """The lines that are no records, each with its number and the reason."""
        return [objection for record, objection in self._lines() if record is None]

    def _lines(self) -> Iterator[tuple[dict[str, Any] | None, str]]:
        """Every line, read once for as long as the file is the same: a record may hold a million characters."""
        from focalbench_suite.results.reading import read

        if not self.records_file.is_file():
            return
        stamp = self.records_file.stat()
        if self._read[0] != (stamp.st_mtime_ns, stamp.st_size):
            self._read = (stamp.st_mtime_ns, stamp.st_size), []
            for number, line in enumerate(self.records_file.read_bytes().split(b"\n"), 1):
                try:
                    self._read[1].extend([(read(line), "")] if line.strip() else [])
                except ValueError as error:
                    self._read[1].append((None, f"line {number}: {' '.join(str(error).split())}"))
        yield from self._read[1]

    def keys(self) -> set[str]:
        """The cells that have a record."""
        return {record["key"] for record in self.records()}
