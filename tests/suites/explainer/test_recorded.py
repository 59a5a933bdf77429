"""An explanation is a pure function of recorded answers: the loss itself need not be there any more."""

import pickle

import pytest

from focalbench_suite.suites.explainer import explain
from focalbench_suite.suites.explainer.calls import Call, Remembered
from focalbench_suite.suites.explainer.here import Here
from tests.suites.explainer.losses import right, wrong


def gone(calls):
    raise AssertionError(f"{len(calls)} calls that were not recorded")


@pytest.mark.parametrize("function", [right.plain, wrong.alpha_exchanged, wrong.labels_smoothed])
def test_the_record_is_explained_as_the_loss_was(function):
    asked = Remembered(Here(function))
    first = explain("focal", asked, "call = function")
    record = pickle.loads(pickle.dumps(asked.answers))
    assert explain("focal", Remembered(gone, record), "call = function") == first
    assert record.keys() == asked.answers.keys()


def test_a_call_is_put_once_and_a_second_turn_is_another_call():
    put = []

    def counting(calls):
        put.extend(calls)
        return Here(right.plain)(calls)

    ask = Remembered(counting)
    call = Call([[0.5]], [[1.0]])
    ask([call, call])
    ask([call, Call([[0.5]], [[1.0]], turn=1)])
    assert [one.turn for one in put] == [0, 1]
