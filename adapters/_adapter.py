"""A loss behind its canonical call, and an adapter: one source's losses."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from focalbench_suite.adapters.canon import CANONICAL, Unsupported, native_targets


def source_of(label: str) -> str:
    """The name of the adapter that a loss's label begins with: ``fvcore`` of ``fvcore.jit``."""
    return label.partition(".")[0]


@dataclass(frozen=True)
class Loss:
    """One loss of one source behind its canonical call.

    `reductions` are the words that the library's own ``reduction`` argument takes (empty where it offers no choice) and
    `reduction` is what it says it does when the user says nothing, in its words or as an expression. `labels` is the
    form in which the library takes targets: ``dense`` (N, C), ``index`` (N,) or ``label_score`` ((N,), (N,));
    `background` says which index stands for none of the classes: ``first`` (0), ``last`` (C) or None. `origin` names
    the library's own object as ``module:NAME``. `without` are the canonical parameters that the library has none of:
    it is asked with these off (None), and is given no others.

    `since` and `until` are the first release that takes this form of the call and the first that does not any more,
    where a library has changed how it is called: then there is a form for each span of releases.

    `label` is what the tables' column ``adapter`` says: the name of its adapter, and after a point the `variant` where
    that source has several losses of one name.
    """

    name: str
    label: str
    call: Callable[..., Any]
    reductions: tuple[str, ...] = ()
    reduction: str = "mean"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    labels: str = "dense"
    background: str | None = None
    origin: str | None = None
    without: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None

    def fits(self, version: str | None) -> bool:
        """Whether that release is called in this form; the newest form is also that of a library that is not there.

        >>> loss = Loss("focal", "kornia", call=abs, since="0.6", until="0.10")
        >>> loss.fits("0.9.1"), loss.fits("0.10.0rc1"), loss.fits("0.10.0")
        (True, False, False)
        """
        if version is None:
            return self.until is None
        from packaging.version import InvalidVersion, Version

        try:
            release = Version(Version(version).base_version)  # a release candidate is called as its release is
        except InvalidVersion:
            return self.until is None
        return (self.since is None or Version(self.since) <= release) and (
            self.until is None or release < Version(self.until)
        )

    @property
    def source(self) -> str:
        """The name of the adapter that it belongs to: ``fvcore`` of ``fvcore.jit``."""
        return source_of(self.label)

    @property
    def variant(self) -> str:
        """Which of its source's losses of one name it is: ``jit`` of ``fvcore.jit``; empty for the only one."""
        return self.label.partition(".")[2]

    @property
    def off(self) -> dict[str, None]:
        """The parameters that are off whatever is asked."""
        return dict.fromkeys(self.without)

    @property
    def has_elementwise(self) -> bool:
        """Whether the library can return one value per element, or per row: index, bin and class-summing losses."""
        return "none" in (*self.reductions, self.reduction)

    def native(self, targets: Any, classes: int) -> Any:
        """Canonical targets in the form that the library takes; raises `Unsupported` where they do not fit it."""
        if CANONICAL[self.name].inputs != "dense":  # these are in the library's form already
            return targets
        return native_targets(targets, classes, self.labels)

    def elementwise(self, logits: Any, targets: Any, **parameters: Any) -> Any:
        """The loss per element, of native targets; raises `Unsupported` where the library only reduces."""
        if not self.has_elementwise:
            raise Unsupported(f"{self.label} offers no value per element of {self.name}")
        if not self.reductions:
            return self.call(logits, targets, **parameters)
        return self.call(logits, targets, reduction="none", **parameters)

    def reduced(self, logits: Any, targets: Any, **parameters: Any) -> Any:
        """The loss as the library reduces it when the user does not ask for a reduction, of native targets."""
        if not self.reductions:
            return self.call(logits, targets, **parameters)
        return self.call(logits, targets, reduction=self.reduction, **parameters)


class Adapter:
    """One source's losses: ``adapter = Adapter("kornia")``, then one decorated function per loss.

    `distribution` is the name under which the library is installed; code that is in no distribution, a user's or this
    project's own, says what stands for its version in `release`. `modules` are those that must be importable for it to
    be ready. `prepare` is called before the library is imported by anything but the adapter's own calls. `broken` says
    why it can never be ready.
    """

    def __init__(
        self,
        name: str,
        distribution: str | None = None,
        modules: tuple[str, ...] = (),
        devices: tuple[str, ...] = ("cpu", "cuda"),
        release: str = "local",
        prepare: Callable[[], object] | None = None,
        broken: str | None = None,
    ) -> None:
        self.name = name
        self.distribution = distribution
        self.modules = modules
        self.devices = devices
        self.release = release
        self.prepare = prepare
        self.broken = broken
        self.forms: list[Loss] = []

    def loss(self, name: str, *, variant: str | None = None, **declared: Any) -> Callable:
        """Register the decorated function as this source's `name`; `variant` tells two of the same name apart.

        A call that has changed with a release is registered once for each form, with `since` and `until`.
        """
        if name not in CANONICAL:
            raise ValueError(f"{name!r} is no canonical loss; choose from {', '.join(CANONICAL)}")
        label = f"{self.name}.{variant}" if variant else self.name

        def register(call: Callable) -> Callable:
            self.forms.append(Loss(name, label, call, **declared))
            return call

        return register

    @property
    def losses(self) -> list[Loss]:
        """This source's losses, each in the form in which the installed release is called."""
        if not any(form.since or form.until for form in self.forms):
            return self.forms
        version = self.version
        return [form for form in self.forms if form.fits(version)]

    def find(self, name: str, label: str) -> Loss:
        """The loss of that name and label; raises `LookupError` with the choices where there is none."""
        for loss in self.losses:
            if (loss.name, loss.label) == (name, label):
                return loss
        choices = ", ".join(f"{loss.label} {loss.name}" for loss in self.losses)
        raise LookupError(f"{label} has no {name}; choose from {choices}")

    @property
    def version(self) -> str | None:
        """The installed version, or None where the library is absent."""
        if self.distribution is None:
            return self.release
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def absence(self, device: str = "cpu") -> str | None:
        """Why this adapter cannot be used on `device`, or None when it is ready."""
        if self.broken:
            return self.broken
        if self.version is None:
            return f"{self.distribution} is not installed"
        for module in self.modules:
            if importlib.util.find_spec(module.partition(".")[0]) is None:
                return f"module {module} is missing"
        if device not in self.devices:
            return f"{self.name} does not run on {device}"
        return None
