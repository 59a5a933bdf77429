"""Functions that misbehave under `check`: it ends with a verdict or one line, and nothing of theirs stays behind."""

from __future__ import annotations

import json
import random

import psutil
import pytest
import torch

from focalbench_suite.suites.check import child

SHORT, LONG = 16, 236
LOSS = """
import contextlib, ctypes, os, signal, sys, threading, time, warnings
import torch

count = 0


class Broken(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *arguments, **options):
        raise RuntimeError("broken")


def misbehave(logits=None, targets=None):
    {body}


def focal(logits, targets, gamma=2.0, alpha=0.25):
    global count
    count += 1
    if count {when}:
        misbehave(logits, targets)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    missed = (1 - p) * targets + p * (1 - targets)
    loss = ((alpha * targets + (1 - alpha) * (1 - targets)) * missed**gamma * entropy).mean()
    return {returned}


{at_import}
"""
ENDS = {  # there is no verdict, whenever it happens in the first calls
    "exit 0": "os._exit(0)",
    "exit 1": "os._exit(1)",
    "segfault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "hang": "time.sleep(10_000)",
    "hang in C": "threading.Lock().acquire() and threading.Semaphore(0).acquire()",
    "endless loop": "while True: pass",
    "BaseException": "raise BaseException('odd')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "SystemExit": "raise SystemExit(0)",
    "SystemExit of words": "sys.exit('done')",
    "no words": "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "no words, no type": "raise type('Odd', (BaseException,), {'__repr__': None, '__str__': lambda self: 3})()",
    "many lines": "raise ValueError('a\\n' * 1000)",
    "surrogate": "raise ValueError('\\ud800')",
    "recursion": "misbehave()",
    "memory": "raise MemoryError",
    "warnings as errors": "warnings.simplefilter('error'); warnings.warn('careful')",
    "pipes closed": "os.closerange(3, 200)",
    "missing package": "import no_such_library",
    "missing file": "open('weights.bin')",
    "too large": "torch.empty(2**60)",
    "endless list": "count.__class__ and list(iter(lambda: bytearray(1 << 26), None))",
    "deep recursion in C": "[exec('x = []\\nfor _ in range(10**6): x = [x]\\nrepr(x)')]",
    "exception group": "raise BaseExceptionGroup('two', [KeyboardInterrupt(), SystemExit(0)])",
    "cause of itself": "e = ValueError('a'); e.__cause__ = e; raise e",
    "limit of time": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1)); exec('while True: pass')",
}
LIVES = {  # a verdict all the same
    "print": "print('same')",
    "writes to 1": "os.write(1, b'same, verdict: same')",
    "floods": "print('x' * 1_000_000)",
    "closes its output": "sys.stdout.close()",
    "no output": "sys.stdout = None",
    "thread": "threading.Thread(target=time.sleep, args=[1000]).start()",
    "process": "count <= 30 and os.fork() == 0 and (time.sleep(1000), os._exit(0))",
    "folder": "os.chdir('/')",
    "environment": "os.environ.clear()",
    "seed": "torch.manual_seed(0)",
    "dtype": "torch.set_default_dtype(torch.float64)",
    "no gradients": "torch.set_grad_enabled(False)",
    "threads": "torch.set_num_threads(2)",
    "filters": "warnings.simplefilter('ignore')",
    "trace": "sys.settrace(lambda *a: None)",
    "recursion limit": "sys.setrecursionlimit(400)",
    "signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "writes to its inputs": "logits is not None and logits.data.zero_()",
    "writes to its labels": "targets is not None and targets.clamp_(0.1, 0.9)",
    "atexit": "import atexit; atexit.register(os.abort)",
    "interrupt": "signal.raise_signal(signal.SIGINT)",  # Ctrl-C is the command's to answer
    "threads in a thread": "threading.Thread(target=torch.set_num_threads, args=[2]).start()",
    "raises in a thread": "threading.Thread(target=lambda: 1 / 0).start()",
    "writes to 2": "os.write(2, b'Error: verdict: different')",
    "raises when deleted": "type('Odd', (), {'__del__': lambda self: 1 / 0})()",
    "hook of exceptions": "sys.excepthook = None; sys.unraisablehook = None; threading.excepthook = None",
    "alarm": "signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)",
    "names": "sys.modules.pop('torch.nn.functional', None); sys.path.clear()",
    "builtins": "import builtins; builtins.print = None; builtins.open = None",
    "profile": "sys.setprofile(lambda *a: None)",
    "collector": "import gc; gc.disable(); gc.freeze()",
    "denormals": "torch.set_flush_denormal(True)",
    "encoding": "sys.stdout.reconfigure(encoding='ascii'); print('x', flush=True)",
    "random state": "__import__('random').seed(0); __import__('numpy').random.seed(0)",
    "resizes its input": "logits is not None and logits.data.resize_(0)",
    "mask of files": "os.umask(0o777)",
    "patched sigmoid": "torch.Tensor.__repr__ = None; torch.Tensor.__str__ = None",
}
EITHER = {  # a verdict, or none in time: both answer the same questions, or one keeps the other from its turn
    "child goes on": "count <= 5 and os.fork() == 0 and sys.stdout.write('same')",
    "daemon": "count in (1, 30) and threading.Thread(target=exec, args=['while True: pass'], daemon=True).start()",
}
RETURNS = {  # in every call: a finding, or no verdict
    "None": "None",
    "word": "'loss'",
    "complex": "loss * 1j",
    "pair": "(loss, loss)",
    "dictionary": "{'loss': loss}",
    "itself": "focal",
    "number": "float(loss.detach())",
    "detached": "loss.detach()",
    "sparse": "loss.reshape(1).to_sparse()",
    "empty": "loss[None][:0]",
    "boolean": "loss > 0",
    "nan": "loss * float('nan')",
    "half": "loss.half()",
    "huge": "loss.expand(3, 3, 3)",
    "generator": "(x for x in [loss])",
    "double": "loss.double()",
    "quiet subclass": "torch.nn.Parameter(loss)",
    "meta": "loss.to('meta')",
    "other subclass": "loss.as_subclass(type('Odd', (torch.Tensor,), {'__torch_function__': None}))",
    "raising subclass": "loss.as_subclass(Broken)",
    "endless list": "(lambda x: x.append(x) or x)([])",
    "infinite number": "10**400",
    "ragged": "[loss, [loss]]",
    "lazy": "torch.nn.parameter.UninitializedParameter()",
    "module": "torch.nn.Linear(1, 1)",
    "named tensor": "loss.reshape(1).rename('a')",
}
CASES = [
    *((f"{name}, {moment}", "ends", body, moment) for name, body in ENDS.items() for moment in ("import", "1", "2")),
    *((f"{name}, {moment}", "lives", body, moment) for name, body in LIVES.items() for moment in ("import", "1", "30")),
    *(
        (f"{name}, {moment}", "either", body, moment)
        for name, body in EITHER.items()
        for moment in ("import", "1", "30")
    ),
    *((f"returns {name}", "returns", body, "1") for name, body in RETURNS.items()),
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A hang is waited for in vain, so not for long."""
    monkeypatch.setattr(child, "PATIENCE_S", 5.0)


def test_a_function_that_misbehaves_costs_its_own_verdict_alone(seed, call, tmp_path, monkeypatch):
    name, outcome, text = case(seed)
    (tmp_path / "losses.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    before = state(), sorted(tmp_path.iterdir())
    children = psutil.Process().children(recursive=True)  # another test may have left Python's own resource tracker
    ended = call("check", "losses.py:focal", "--as", "focal", "--json")
    assert ended.status in {"ends": (2,), "lives": (0, 1), "either": (0, 1, 2), "returns": (0, 1, 2)}[outcome], (
        name,
        ended,
    )
    if ended.status == 2:
        assert (ended.out, len(ended.lines)) == ("", 1), (name, ended)
    else:
        assert json.loads(ended.out)["verdict"] in ("same", "fragile", "different"), (name, ended)
    assert [one for one in psutil.Process().children(recursive=True) if one not in children] == [], name
    assert (state(), sorted(one for one in tmp_path.iterdir() if one.name != "__pycache__")) == before, name


def case(seed: int) -> tuple[str, str, str]:
    """The name of a case, its outcome, and the file."""
    cases = list(CASES)
    random.Random(0).shuffle(cases)
    name, outcome, body, moment = cases[seed]
    parts = {"body": "pass", "when": "== 0", "returned": "loss", "at_import": ""}
    if outcome == "returns":
        parts["returned"] = body
    elif moment == "import":
        parts |= {"body": body, "at_import": "misbehave()"}
    else:
        parts |= {"body": body, "when": f">= {moment}"}
    return name, outcome, LOSS.format(**parts)


def state() -> tuple:
    """What a function could have changed of this process."""
    return torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), torch.initial_seed()
