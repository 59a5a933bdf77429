"""Trainings as jobs, whose records end up in the run whatever becomes of the call that submitted them."""

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from focalbench_suite.results.store import Run
from focalbench_suite.suites import Selection
from focalbench_suite.suites.coco_map import plan

ROOT = Path(__file__).resolve().parents[2]
LOSSES = """
import os, signal
from pathlib import Path
from torchvision.ops import sigmoid_focal_loss

CALLED_BY = Path(__file__).with_name("called_by")

def lasting(logits, targets, gamma, alpha):
    if not logits.requires_grad:  # it is asked what it divides by, before any training
        return sigmoid_focal_loss(logits, targets, alpha, gamma)
    first = not CALLED_BY.exists()
    with CALLED_BY.open("a") as file:
        file.write(f"{os.getpid()} ")
    if first:
        os.kill(int(os.environ["SUBMITTER"]), signal.SIGKILL)
    return sigmoid_focal_loss(logits, targets, alpha, gamma)

def dying(logits, targets, gamma, alpha):
    os._exit(7)
"""
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""


@pytest.fixture
def slurm(tmp_path_factory):
    """A cluster of one node, this machine, for as long as a test runs; its environment."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or os.geteuid():
        pytest.skip(f"no Slurm here: {missing[0]} is missing" if missing else "slurmd runs as root alone")
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o600)
    configuration = CONFIGURATION.format(folder=folder, host=socket.gethostname(), ports=free_ports(2))
    (folder / "slurm.conf").write_text(configuration)
    files = [f"--{name}={folder / file}" for name, file in (
        ("key-file", "key"), ("socket", "munge.socket"), ("pid-file", "munge.pid"), ("log-file", "munge.log"),
        ("seed-file", "munge.seed"),
    )]  # fmt: skip
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    daemons = [["munged", "--foreground", "--force", *files], ["slurmctld", "-D"], ["slurmd", "-D"]]
    running = [subprocess.Popen(d, env=environment, stderr=subprocess.DEVNULL) for d in daemons]
    idle = ["sinfo", "--noheader", "--states=idle", "--format=%n"]
    try:
        while not subprocess.run(idle, env=environment, capture_output=True, check=False).stdout:
            assert all(daemon.poll() is None for daemon in running), (folder / "slurmctld.log").read_text()
        yield environment
    finally:
        for daemon in reversed(running):
            daemon.terminate()
            daemon.wait()


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.mark.timeout(600)
@pytest.mark.parametrize("executor", ["local", "slurm"])
def test_jobs_outlive_the_call_that_submitted_them_and_one_that_dies_is_a_record(executor, tmp_path, request):
    environment = request.getfixturevalue("slurm") if executor == "slurm" else os.environ
    (tmp_path / "mine.py").write_text(LOSSES)
    losses = [f"{tmp_path / 'mine.py'}:{name}" for name in ("lasting", "dying")]
    variants = ["retinanet/lasting", "retinanet/dying"]
    selection = Selection("smoke", adapters=tuple(losses), losses=("focal",), variants=tuple(variants))
    cells = [task.cells[0].key for task in plan(selection) if "library" not in task.cells[0].workload]
    what = [f"--adapter={loss}" for loss in losses] + [f"--variant={name}" for name in variants]
    what += ["--suite=coco-map", "--profile=smoke", "--loss=focal", "--device=cpu", *(f"--cell={key}" for key in cells)]

    out = tmp_path / "run"
    first = run_all(environment, f"--executor={executor}", *what, "--out", out)
    assert first.returncode == -signal.SIGKILL, first.stderr
    plant_pickles(out, tmp_path / "unpickled")
    again = [f"--adapter={loss}" for loss in losses]
    second = run_all(environment, f"--executor={executor}", "--resume", out, *again)
    assert second.returncode == 3, second.stderr

    lasting, dying = (next(r for r in Run.open(out).records() if r["key"] == key) for key in cells)
    assert lasting["status"] == "ok"
    assert lasting["data"]["run"]["iterations"] == 3
    assert len(set((tmp_path / "called_by").read_text().split())) == 1  # it was trained once
    assert dying["status"] == "failed"
    assert "without a result" in dying["reason"]
    assert not list(out.glob("unfinished/*"))
    assert not (tmp_path / "unpickled").exists()


class Touching:
    """An object whose pickle, when it is read, leaves a file: a run folder from elsewhere may hold such ones."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def plant_pickles(run, file):
    """Put such a pickle where submitit keeps the result of each job of a run."""
    for submitted in run.rglob("*_submitted.pkl"):
        result = submitted.with_name(submitted.name.replace("submitted", "0_result"))
        result.write_bytes(pickle.dumps(Touching(file)))


def run_all(environment, *arguments):
    """The command, whose process the losses know as SUBMITTER."""
    command = ["bash", "-c", 'SUBMITTER=$$ exec "$@"', "-", sys.executable, ROOT / "run_all.py", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
