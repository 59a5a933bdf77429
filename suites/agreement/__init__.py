"""Do implementations of a loss compute the same function, and if not, why not?

The truth is the papers' formula at 50 digits (`oracle`). Each source is asked designed questions (`probes`), its
answers are judged by stated criteria (`judge`), and what differs is explained (`explainer`) with the smallest example.
Beside that: how accurate (`accuracy`), where it breaks down (`numerics`), what it can be used with (`capability`).
"""

from __future__ import annotations

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, CRITERIA, Adapter, Loss
from focalbench_suite.suites import Cell, Record, Selection, Task, selected
from focalbench_suite.suites.agreement.subject import of

DTYPES = {
    "smoke": ("float32", "float64"),
    "quick": ("float32", "float64"),
    "gpu": ("float32",),
    "full": ("float32", "float64", "bfloat16", "float16"),
}
SMOKE_ADAPTERS = ("own", "torchvision", "ultralytics", "mmdetection", "articles")
ACCURACY_DTYPES = {  # what detectors are trained in
    "smoke": ("float32",),
    "quick": ("float32", "bfloat16"),
    "gpu": ("float32", "bfloat16"),
    "full": DTYPES["full"],
}
ONCE = ("findings", "capability")  # workloads that choose their dtypes themselves


def plan(selection: Selection) -> list[Task]:
    """A task for each cell; cells of one source stand together, so that its library is imported once, for them."""
    return [
        Task((cell,), selection, timeout_s=120.0, options={"reference": reference})
        for adapter, loss, reference in selected(selection)
        if selection.profile != "smoke" or selection.adapters or _in_smoke(adapter, loss)
        for device in selection.devices
        for cell in _cells(loss, device, selection)
    ]


def _in_smoke(adapter: Adapter, loss: Loss) -> bool:
    """The main sources, without a library's variants: the articles' two listings are no variants of one."""
    return adapter.name in SMOKE_ADAPTERS and (not loss.variant or adapter.name == "articles")


def _cells(loss: Loss, device: str, selection: Selection) -> list[Cell]:
    dtypes = selection.dtypes or DTYPES[selection.profile]
    if loss.name in CRITERIA:
        reference = ("float64",) if loss.label == "own" else ()  # what the others are compared with
        exact = [dtype for dtype in dtypes if dtype in ("float32", "float64") and dtype not in reference]
        return [Cell("agreement", loss.name, loss.label, device, dtype, "terms") for dtype in exact]
    if CANONICAL[loss.name].inputs == "boxes":
        exact = [
            dtype for dtype in dtypes if dtype in ("float32", "float64")
        ]  # in half a box of 300 pixels is off by 1
        return [Cell("agreement", loss.name, loss.label, device, dtype, "pairs") for dtype in exact]
    accurate = selection.dtypes or ACCURACY_DTYPES[selection.profile]
    once = [w for w in ONCE if selection.profile != "gpu" or w != "findings"]  # why losses differ is the same on a CPU
    work = [("probes", d) for d in dtypes] + [("accuracy", d) for d in accurate] + [(w, dtypes[0]) for w in once]
    return [Cell("agreement", loss.name, loss.label, device, dtype, workload) for workload, dtype in work]


def execute(task: Task) -> list[Record]:
    """The record of the task's one cell."""
    (cell,) = task.cells
    reference = task.options["reference"]
    adapter = adapters.load(reference or adapters.source_of(cell.adapter), cell.loss)
    loss = adapter.find(cell.loss, cell.adapter)
    if reason := adapter.absence(cell.device):
        row = {"verdict": "unsupported", "relation": reason, "points": 0, "quantity": "value", "probe": cell.workload}
        return [Record(cell, "absent", reason, {"agreement": [_named(row, cell, adapter)]})]
    record = WORKLOADS[cell.workload](cell, loss, task)
    for name, rows in record.rows.items():
        record.rows[name] = [_named(row, cell, adapter) for row in rows]
    return [record]


def _named(row: dict, cell: Cell, adapter: Adapter) -> dict:
    """A row under the columns that say whose it is."""
    library = adapter.distribution or adapter.name
    named = {"loss": cell.loss, "adapter": cell.adapter, "library": library, "version": adapter.version}
    return named | {"device": cell.device, "dtype": cell.dtype} | row


def _probes(cell: Cell, loss: Loss, task: Task) -> Record:
    from focalbench_suite.suites.agreement import measure

    rows = measure.rows(loss, cell.dtype, cell.device, smoke=task.selection.profile == "smoke")
    return Record(cell, rows={"agreement": rows})


def _accuracy(cell: Cell, loss: Loss, task: Task) -> Record:
    from focalbench_suite.suites.agreement import accuracy

    return accuracy.record(cell, loss, of(loss, task.options["reference"]))


def _findings(cell: Cell, loss: Loss, task: Task) -> Record:
    from focalbench_suite.suites.agreement import findings

    dtypes = ("float32", "bfloat16") if task.selection.profile == "smoke" else findings.SCANNED
    return Record(cell, rows={"findings": findings.of_source(loss, task.options["reference"], cell.device, dtypes)})


def _capability(cell: Cell, loss: Loss, task: Task) -> Record:
    from focalbench_suite.suites.agreement import capability

    return Record(cell, rows={"capability": capability.rows(loss, cell.device, task.selection.profile)})


def _terms(cell: Cell, loss: Loss, task: Task) -> Record:
    from focalbench_suite.suites.agreement import terms

    return Record(cell, rows={"agreement": terms.rows(loss, cell.dtype, cell.device)})


def _pairs(cell: Cell, loss: Loss, task: Task) -> Record:
    from focalbench_suite.suites.agreement import pairs

    return Record(cell, rows={"agreement": pairs.rows(loss, cell.dtype, cell.device)})


WORKLOADS = {
    "probes": _probes,
    "accuracy": _accuracy,
    "findings": _findings,
    "capability": _capability,
    "terms": _terms,
    "pairs": _pairs,
}
