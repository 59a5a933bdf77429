"""The terms of a criterion against our own in float64, the anchors that it takes, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy
from rich.console import Group
from rich.text import Text

from focalbench_suite import adapters
from focalbench_suite.adapters import find
from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.adapters.own.end_to_end import CANDIDATES, FIRST
from focalbench_suite.suites.agreement import terms
from focalbench_suite.suites.check.calling import Options
from focalbench_suite.suites.check.checking import Verdict
from focalbench_suite.suites.check.child import ask_apart
from focalbench_suite.suites.check.signature import CannotCall
from focalbench_suite.suites.criterion.batch import HEADS, Asked
from focalbench_suite.suites.criterion.box_term import read_box_term
from focalbench_suite.suites.criterion.class_term import Reading, read_class_term
from focalbench_suite.suites.criterion.distribution_term import read_distribution_term
from focalbench_suite.suites.criterion.head import CLASS_TERMS as OF_QUERIES_AND_MAPS
from focalbench_suite.suites.criterion.head import Answer, answers_of, read_class_of
from focalbench_suite.suites.criterion.kinds import BRANCHES, Criterion, criterion_of, order_of
from focalbench_suite.suites.criterion.mixed_precision import in_bfloat16
from focalbench_suite.suites.default_dtype import default_dtype
from focalbench_suite.suites.explainer.here import sentence

PATIENCE_S = 300.0  # a criterion answers some dozens of batches, and the library's import takes seconds
SAME, OTHER = "the same in every batch", "another function"
WITH_ONE = "with one class"
Scenes = tuple[terms.GroundTruth, ...]
NAN = float("nan")
BOX = (20.0, 24.0, 76.0, 92.0)
COLOURS = {"same": "green", "different": "red"}


@dataclass(frozen=True)
class CriterionVerdict(Verdict):
    """What is said of one criterion: `verdict` is same | different, `terms` a sentence for each term of the loss.

    It has no findings: what differs is a term, and the sentences tell of it.

    `assignment` says whether it takes our positives, `readings` what each term computes that is another, `unused` the
    loss modules that it holds and never calls, `bad_input` what becomes of ground truth that cannot be, and of a
    head of one class where it raises, `in_bfloat16` what becomes, in that precision, of the terms that are the same.
    """

    terms: Mapping[str, str] = field(default_factory=dict)
    assignment: str = ""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    bad_input: Mapping[str, str] = field(default_factory=dict)
    in_bfloat16: str = ""

    @property
    def class_term(self) -> Reading | None:
        """What the class term computes, where that is another."""
        return self.readings.get("cls")

    @property
    def head(self) -> str:
        """What the criterion is, in a line."""
        name = f"the {self.loss.replace('_', ' ')} loss"
        never = f"; it never calls its {' and '.join(self.unused)}" if self.unused else ""
        if self.verdict == "same":
            return f"{name}: nothing in it is another{never}"
        return f"not {name}: {', '.join(term for term, told in self.terms.items() if told != SAME)}{never}"

    @property
    def plain(self) -> dict[str, Any]:
        """Plain data, for a program that reads it."""
        names = ("loss", "verdict", "head", "how", "terms", "assignment", "in_bfloat16")
        return {name: getattr(self, name) for name in names} | {
            "findings": [],
            "readings": {term: vars(reading) for term, reading in self.readings.items()},
            "unused": list(self.unused),
            "bad_input": dict(self.bad_input),
        }

    def rendered(self) -> Group:
        """The answer for a terminal: the head line, then a line for each term and for the assignment."""
        colour = COLOURS[self.verdict]
        lines = [Text.assemble((self.verdict, f"bold {colour}"), f"   {self.head}")]
        lines.append(Text.assemble(("called as ", "dim"), self.how))
        width = max(4, *map(len, self.terms)) + 1
        for term, told in self.terms.items():
            lines.append(
                Text.assemble((f"{term:<{width}}", f"bold {COLOURS['same' if told == SAME else 'different']}"), told)
            )
            for of, reading in self.readings.items():
                if of.partition(" ")[0] == term:
                    place = f"     {of.removeprefix(term).strip()}".rstrip() + " "
                    place = place if of != term else "     "
                    lines += [Text.assemble((f"{place}{what} ", "dim"), text) for what, text in reading.lines]
        lines.append(Text.assemble(("takes ", "dim"), self.assignment))
        lines += [Text.assemble(("given ", "dim"), f"{what} {told}") for what, told in self.bad_input.items()]
        if self.in_bfloat16:
            lines.append(Text.assemble(("in bfloat16 ", "dim"), self.in_bfloat16))
        return Group(*lines)


def check_criterion(
    reference: str | None,
    function: Any,
    loss: str,
    options: Options = Options(),  # noqa: B008, frozen
) -> CriterionVerdict:
    """Is what `reference` names (or `function` is) the detector loss `loss`?

    Of the options it heeds the number of classes, and settings that it is made or called with.

    It runs in a process of its own. Raises `CannotCall` with one line where it cannot be asked: where it raises, ends
    the process, changes its inputs, or returns no terms.
    """
    if options != Options(classes=options.classes, given=options.given):
        raise CannotCall(f"{loss} is a whole criterion: of the options it heeds --set and --classes alone")
    what = reference or "the criterion"
    return ask_apart(partial(_checked, reference, function, loss, what, options), what, PATIENCE_S)


def _checked(reference: str | None, function: Any, loss: str, what: str, options: Options) -> CriterionVerdict:
    """In the child: load and ask; raises `CannotCall` with one line."""
    try:
        scenes = tuple(scene.of_classes(options.classes or terms.CLASSES) for scene in terms.SCENES)
        return _verdict(_loaded(reference, function, loss, dict(options.given)), loss, scenes)
    except CannotCall as refusal:
        raise CannotCall(" ".join(str(refusal).split())) from None
    except LookupError as error:  # the criterion's own, not one of a name that is looked up
        raise CannotCall(f"{what} raised {sentence(error).rstrip(': ')}") from None


def _loaded(reference: str | None, function: Any, loss: str, given: dict[str, Any]) -> Criterion:
    if find_spec("ultralytics"):
        ensure_quiet()  # before a user's file imports it
    try:
        found = adapters.load_object(reference or "") if function is None else function
    except LookupError as error:
        raise CannotCall(str(error)) from None
    return criterion_of(found, reference or str(getattr(found, "__name__", "it")), loss, given)


def _verdict(criterion: Criterion, name: str, scenes: Scenes) -> CriterionVerdict:
    classes = scenes[0].classes
    several = _terms(criterion, name, scenes)
    bad = {scene.name: _of_bad(criterion, name, scene) for scene in _bad(classes)}
    try:
        one = _terms(criterion, name, terms.ONE_CLASS)
    except Exception as error:  # it may be made for some number of classes, with a weight for each
        one, bad["one class"] = several, f"it raises {sentence(error).rstrip(': ')}"
    told = {term: _both(several[term], one[term]) for term in several}
    try:
        readings, assignment = _read_off(criterion, name, scenes, _others(several), _others(one))
    except Exception as error:  # it may keep to float32, in which nothing can be read off
        readings, assignment = {}, f"not read: in float64 it raises {sentence(error).rstrip(': ')}"
    verdict = "same" if set(told.values()) == {SAME} else "different"
    return CriterionVerdict(
        loss=name,
        verdict=verdict,
        reduction="terms",
        formula=readings["cls"].formula if "cls" in readings else "",
        how=criterion.how,
        terms=told,
        assignment=assignment,
        readings=readings,
        unused=tuple(criterion.unused),
        bad_input=bad,
        in_bfloat16=in_bfloat16(criterion.loss, name, scenes, [term for term in several if several[term] == SAME]),
    )


def _read_off(
    criterion: Criterion, name: str, scenes: Scenes, several: list[str], one: list[str]
) -> tuple[dict[str, Reading], str]:
    """What terms compute that are another with `several` classes or with `one`, and what becomes of the assignment."""
    if name in OF_QUERIES_AND_MAPS:
        answers = answers_of(criterion.loss.call, name, scenes)
        return {"cls": read_class_of(name, answers)} if "cls" in several else {}, _assignment(answers)
    parts = _parts(criterion, name, scenes)
    readings = _readings(name, several, parts)
    if alone := [term for term in one if term not in several]:
        apart = {f"{part} {WITH_ONE}".strip(): each for part, each in _parts(criterion, name, terms.ONE_CLASS).items()}
        readings |= _readings(name, alone, apart)
        parts |= apart
    told = (f"{part}: {_assignment(each)}".removeprefix(": ") for part, each in parts.items())
    return readings, "; ".join(told)


def _bad(classes: int) -> Scenes:
    """What a training set with a fault in it gives; what a criterion does of it is told, and decides nothing."""
    return (
        terms.GroundTruth("a label beyond the classes", ((BOX,),), ((classes,),), classes=classes),
        terms.GroundTruth("a box of NaN", ((BOX, (NAN, NAN, NAN, NAN)),), ((0, classes - 1),), classes=classes),
    )


def _of_bad(criterion: Criterion, name: str, scene: terms.GroundTruth) -> str:
    """What a criterion does when it is given ground truth that cannot be."""
    try:
        found = terms.inputs_of(name, scene, "float32", "float32").terms(criterion.loss.call)
    except Exception as error:  # a user's code may raise anything, which is the answer
        return f"it raises {sentence(error).rstrip(': ')}"
    lost = [term for term, numbers in found.items() if not all(numpy.isfinite(each).all() for each in numbers)]
    return f"it gives NaN in {' and '.join(lost)}" if lost else "it gives terms and gradients that are finite"


PART_OF = {"end_to_end_detection": "v8_detection"}  # of what its branches are


def _parts(criterion: Criterion, name: str, scenes: Scenes) -> dict[str, list[Asked]]:
    """These batches of a criterion, or of each of its branches, by the branch's name."""
    with default_dtype("float64"):  # in which libraries make their zeros: float32's would round what is read off
        if name not in PART_OF:
            return {"": [Asked.of(criterion.loss.call, name, scene) for scene in scenes]}
        own, found = find("v8_detection", "own").call, {}
        for i, (branch, weight) in enumerate(zip(BRANCHES, (FIRST, 1 - FIRST), strict=True)):
            mine = own if i == 0 else partial(own, candidates=CANDIDATES, kept=1)
            call = partial(_of_branch, criterion.loss.call, i, weight)
            found[branch] = [Asked.of(call, "v8_detection", scene, mine) for scene in scenes]
        return found


def _of_branch(call: Any, which: int, weight: float, feats: Any, *truth: Any, **settings: Any) -> Any:
    """The terms of a criterion of two branches over the branch's weight in ours, with a gradient to that one alone."""
    branches = [[level.detach() for level in feats], [level.detach() for level in feats]]
    branches[which] = feats
    return {term: value / weight for term, value in call(*branches, *truth, **settings).items()}


def _readings(name: str, others: list[str], parts: Mapping[str, list[Asked]]) -> dict[str, Reading]:
    """What the terms `others` compute in each part, by the names of both."""
    return {
        f"{term} {part}".strip(): reading
        for part, asked in parts.items()
        for term, reading in _read(PART_OF.get(name, name), others, asked).items()
    }


def _read(name: str, others: list[str], asked: list[Asked]) -> dict[str, Reading]:
    """What each term computes that is another than ours; where other anchors are positive, of the box term alone."""
    head, agreed = HEADS[name], all(one.agreed for one in asked)
    found = {}
    for term in [term for term in others if term != "l1"]:  # a distance, of which there is nothing to name
        if term == head.box:
            found[term] = read_box_term(head.overlap, head.weights, [one.box_term for one in asked], not agreed)
        elif not agreed:
            found[term] = Reading("not read, since other anchors are positive")
        elif term == "cls":
            found[term] = read_class_term(head.class_loss, [one.class_term for one in asked])
        else:
            found[term] = read_distribution_term([one.distribution_term for one in asked], head.weights)
    return found


def _others(told: Mapping[str, str]) -> list[str]:
    return [term for term, sentence in told.items() if sentence != SAME]


def _both(several: str, one: str) -> str:
    """The sentence of a term, with what is another where there is one class."""
    if one in (SAME, several) or several.startswith(OTHER):
        return several
    return f"with several classes {several}; {WITH_ONE} {one}"


def _terms(criterion: Criterion, name: str, scenes: Scenes) -> dict[str, str]:
    """A sentence for each term, from the same comparison as the agreement suite's."""
    rows = terms.rows(criterion.loss, "float32", "cpu", strict=True, scenes=scenes)
    names = dict.fromkeys(row["probe"].rpartition(": ")[2] for row in rows)
    order = [term for bins in (terms.REG_MAX, 1) for term in order_of(name, bins) if term in names]
    return {
        term: _of_term([row for row in rows if row["probe"].endswith(f": {term}")]) for term in dict.fromkeys(order)
    }


def _of_term(rows: list[terms.Row]) -> str:
    verdicts = {row["verdict"] for row in rows}
    if verdicts == {"agrees"}:
        return SAME
    if "nonfinite" in verdicts:
        return f"NaN or infinity, first with {_batches(rows, ('nonfinite',))[0]}"
    if verdicts <= {"agrees", "agrees_up_to_scale"}:
        return next(row["relation"] for row in rows if row["verdict"] == "agrees_up_to_scale").lstrip("= ")
    other, batches = _batches(rows, ("differs",)), len({row["probe"] for row in rows})
    if 2 * len(other) < batches:
        return f"the same but for {len(other)} of {batches} batches: {', '.join(other)}"
    return f"{OTHER}: no one scale over all batches makes it ours"


def _batches(rows: list[terms.Row], verdicts: tuple[str, ...]) -> list[str]:
    """The batches of which a row has one of these verdicts, in order."""
    return list(dict.fromkeys(row["probe"].partition(":")[0] for row in rows if row["verdict"] in verdicts))


def _assignment(asked: Sequence[Asked | Answer]) -> str:
    """Whether the same anchors are positive in every batch, and how many are not."""
    alike = sum(one.agreed for one in asked)
    if alike == len(asked):
        return f"the same positives, in {alike} of {len(asked)} batches"
    more = sum(int((one.theirs & ~one.ours).sum()) for one in asked)
    less = sum(int((~one.theirs & one.ours).sum()) for one in asked)
    ours = sum(int(one.ours.sum()) for one in asked)
    told = f"{more} that ours does not take, and {less} of our {ours} not"
    return f"other positives: {told}; the same in {alike} of {len(asked)} batches"
