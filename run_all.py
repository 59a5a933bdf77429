"""focalbench's one command: run the suites, check a loss, compare two runs, rebuild a report.

Exit status: 0 fine; 1 a regression, or `check` found a difference; 2 bad input or usage; 3 a cell failed that should
not have. The commands themselves are in ``src/focalbench_suite/commands``.
"""

from __future__ import annotations

import contextlib
import errno
import io
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
if __name__ == "__main__" and sys.path[0] == str(ROOT):
    # Python puts the folder of a script first on the path; there, the names of these rooms would hide a user's own.
    sys.path[0] = str(ROOT / "src")

import click

from focalbench_suite.commands import main
from focalbench_suite.commands.status import CLOSED, FAILED, STOPPED, USAGE
from focalbench_suite.installation import Incomplete

UNWRITABLE = (  # a full disk, a read-only one, something else where a file or a folder belongs
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP,
)  # fmt: skip


def command_line() -> None:
    """The command as a program, whether it is called ``run_all.py`` or, installed, ``focalbench``."""
    program = Path(sys.argv[0]).name
    with contextlib.suppress(ValueError):  # in another thread than the main one, where no signal arrives
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is told to end ends as by Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has fewer letters than we print gets the others as ?
            stream.reconfigure(errors="replace")
    try:
        status = main(standalone_mode=False)
    except SystemExit as ended:  # rich and click end with 1, which is a regression's, where a pipe's reader has gone
        status = CLOSED if ended.code == 1 else ended.code
    except OSError as error:
        if error.errno not in (*UNWRITABLE, errno.ENAMETOOLONG):
            raise
        where = f"{error.filename}: " if error.filename else ""
        kept = "" if error.errno == errno.ENAMETOOLONG else "; what was written before is kept"
        click.echo(" ".join(f"{program}: {where}{error.strerror}{kept}".split()), err=True)
        status = FAILED if kept else USAGE
    except click.UsageError as error:
        click.echo(f"{program}: {' '.join(error.format_message().split())}", err=True)
        status = USAGE
    except Incomplete as error:
        click.echo(f"{program}: {error}", err=True)
        status = USAGE
    except click.Abort:
        click.echo(f"{program}: stopped", err=True)
        status = STOPPED
    sys.exit(status)


if __name__ == "__main__":
    command_line()
