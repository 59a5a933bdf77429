"""Runs tasks as jobs, many at once: as local processes or on a Slurm cluster, to which submitit gives one face.

A job leaves its records in its task's folder. So a call that was cut off loses nothing: the next one takes what has
ended meanwhile, waits for what still runs, and submits the rest. What a Slurm job gets (partition, account, time, …) is
for Slurm's own variables to say: ``SBATCH_PARTITION``, ``SBATCH_ACCOUNT``, ``SBATCH_TIMELIMIT``.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import submitit
from submitit.helpers import Checkpointable

from focalbench_suite.installation import python_path
from focalbench_suite.suites import Cell, Record, Task
from focalbench_suite.suites.whole_file import whole_file
from focalbench_suite.suites.worker import MOST_WORKERS, SAFE_PATH, complete, cores, environment, failed, work

JOBS = {"local": submitit.LocalJob, "slurm": submitit.SlurmJob}
POLL_S = 2.0
LATE_S = 5
SPARE_MIN = 15  # submitit takes a job that is stopped in the last ten minutes of its time for one that timed out


@dataclass(frozen=True)
class Place:
    """Where a job runs: the processors that it keeps to and the GPU that it sees, where it is not Slurm that says."""

    processors: tuple[int, ...] = ()
    gpu: int | None = None


class Work(Checkpointable):
    """A task as a job. Where Slurm takes its node away it is submitted again, and goes on from its checkpoint."""

    def __call__(self, task: Task, place: Place) -> None:
        if place.processors:
            os.sched_setaffinity(0, place.processors)
        records = [asdict(record) for record in work(task)]
        with whole_file(_answer(task, submitit.JobEnvironment().job_id)) as unfinished:
            unfinished.write_text(json.dumps(records))


def _answer(task: Task, job: str) -> Path:
    """Where a job leaves its records: as JSON, since reading a pickle runs whatever code a run folder may hold."""
    return task.own_folder / f"{job}_records.json"


def run_jobs(tasks: list[Task], executor: str) -> Iterator[tuple[Task, list[Record]]]:
    """Run the tasks as jobs and yield each, as it ends, with its records; cancels what runs when it is closed."""
    waiting, free = list(tasks), _places(executor, tasks)
    running: list[tuple[Task, Place, submitit.Job]] = []
    try:
        while waiting or running:
            while waiting and free:
                task, place = waiting.pop(0), free.pop(0)
                running.append((task, place, _submitted(task, executor, place)))
            ended = [(task, place, job) for task, place, job in running if not _alive(executor, job)]
            for task, place, job in ended:
                running.remove((task, place, job))
                free.append(place)
                yield task, _records(task, job)
            time.sleep(POLL_S)
    finally:
        for _, _, job in running:
            job.cancel(check=False)


def _places(executor: str, tasks: list[Task]) -> list[Place]:
    """As many as may run at once: on this machine a few, each with its share of the processors, or one a GPU."""
    if executor == "slurm":
        return [Place()] * len(tasks)
    if tasks[0].cells[0].device == "cuda":
        import torch

        return [Place(gpu=number) for number in range(torch.cuda.device_count())]
    if not hasattr(os, "sched_getaffinity"):
        return [Place()]
    mine, count = sorted(os.sched_getaffinity(0)), min(cores(), MOST_WORKERS)
    return [Place(tuple(mine[number::count])) for number in range(count)]


def _submitted(task: Task, executor: str, place: Place) -> submitit.Job:
    """The job of an earlier call, if it has a result or still runs; else a new one."""
    folder = task.own_folder
    for file in folder.glob("*_submitted.pkl"):
        job = JOBS[executor](folder, file.name.partition("_")[0])
        if _answer(task, job.job_id).exists() or _alive(executor, job):
            return job
    jobs = submitit.AutoExecutor(folder, cluster=executor, local_max_num_timeout=0)
    gpus = 1 if task.cells[0].device == "cuda" else None
    minutes = math.ceil(task.timeout_s / 60) + SPARE_MIN
    jobs.update_parameters(name="focalbench", timeout_min=minutes, gpus_per_node=gpus)
    if place.gpu is not None:
        jobs.update_parameters(local_visible_gpus=[place.gpu])
    path = os.pathsep.join(filter(None, (python_path(), os.environ.get("PYTHONPATH"))))
    with environment({"PYTHONPATH": path} | SAFE_PATH):
        return jobs.submit(Work(), task, place)


def _alive(executor: str, job: submitit.Job) -> bool:
    """Whether it waits or runs. Slurm is asked by squeue: sacct, submitit's way, needs an accounting database."""
    if executor == "slurm":
        asked = subprocess.run(["squeue", "--me", "-h", "-o", "%i"], check=False, capture_output=True, text=True)
        return asked.returncode != 0 or job.job_id in asked.stdout.split()  # no answer now is none about the job
    try:
        process = psutil.Process(int(job.job_id))
        if process.ppid() == os.getpid():  # just started, it may still be named as we are
            return process.status() != psutil.STATUS_ZOMBIE
        return "submitit.local._local" in process.cmdline()  # the number may be another program's by now
    except psutil.NoSuchProcess:
        return False


def _records(task: Task, job: submitit.Job) -> list[Record]:
    """What the job left; a network file system may show it a little later than Slurm says that it has ended."""
    answer = _answer(task, job.job_id)
    for _ in range(LATE_S):
        if answer.exists():
            found = json.loads(answer.read_bytes())
            return [Record(**record | {"cell": Cell(**record["cell"])}) for record in found]
        time.sleep(1)
    return complete(task, failed(task, f"the job ended without a result; it said: {_end(job.stderr() or '')}"), 0.0)


def _end(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "nothing")
