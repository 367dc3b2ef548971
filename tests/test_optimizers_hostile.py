"""What a caller can get wrong, many threads and forked children: a clear error, and no parameter has changed."""

from __future__ import annotations

import copy
import os
import pickle
import threading

import numpy as np
import pytest

from strop import optimizers
from strop.optimizers import SGD, Adam, Lamb, RMSprop
from strop.rowgrad import RowGrad

EACH = sorted(optimizers.registry)
READ_ONLY = np.ones((4, 2))
READ_ONLY.flags.writeable = False
ODD = np.zeros(65, np.uint8)[1:].view(np.float64).reshape(4, 2)


def params():
    return [np.ones((4, 2)), np.full((4, 2), 2.0)]


BAD_GRADS = {
    "shape": (
        [np.ones((4, 2)), np.ones((2, 4))],
        ValueError,
        "grads[1] must have the shape of params[1] (4, 2); got (2, 4)",
    ),
    "dtype": (
        [np.ones((4, 2)), np.ones((4, 2), np.float32)],
        TypeError,
        "grads[1] must be float64 like params[1]; got a float32 array of shape (4, 2)",
    ),
    "ints": (
        [np.ones((4, 2)), np.ones((4, 2), np.int64)],
        TypeError,
        "grads[1] must be float64 like params[1]; got a int64 array of shape (4, 2)",
    ),
    "strided": (
        [np.ones((4, 2)), np.ones((2, 4)).T],
        ValueError,
        "grads[1] must be C-contiguous; got a strided float64 array of shape (4, 2); use numpy.ascontiguousarray",
    ),
    "list": ([np.ones((4, 2)), [[1.0]]], TypeError, "grads[1] must be a numpy array or a RowGrad; got list"),
    "matrix": (
        [np.ones((4, 2)), np.ones((4, 2)).view(np.matrix)],
        TypeError,
        "grads[1] must be a numpy array or a RowGrad; got matrix",
    ),
    "masked": (
        [np.ones((4, 2)), np.ma.ones((4, 2))],
        TypeError,
        "grads[1] must be a numpy array or a RowGrad; got MaskedArray",
    ),
    "missing": ([np.ones((4, 2))], ValueError, "grads must be as many as params (2); got 1"),
    "extra": ([np.ones((4, 2))] * 3, ValueError, "grads must be as many as params (2); got 3"),
    "none": ([None, None], ValueError, "grads must have at least one that is not None; got none"),
    "rows of another table": (
        [np.ones((4, 2)), RowGrad([0], np.ones((1, 2)), (5, 2))],
        ValueError,
        "grads[1] must have the shape of params[1] (4, 2); got (5, 2)",
    ),
}


def refuse(optimizer, grads, arrays, kind, text, given=None):
    before = [np.array(a) for a in arrays]
    count = optimizer.iterations
    with pytest.raises(kind) as caught:
        optimizer.apply(grads, arrays if given is None else given)
    assert str(caught.value) == text
    assert optimizer.iterations == count
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize("what", BAD_GRADS)
@pytest.mark.parametrize("rule", EACH)
def test_a_gradient_that_does_not_fit(rule, what, stepped):
    grads, kind, text = BAD_GRADS[what]
    optimizer, arrays = optimizers.registry[rule](weight_decay=0.1), params()
    if stepped:
        optimizer.apply([np.ones((4, 2))] * 2, arrays)
    refuse(optimizer, grads, arrays, kind, f"{rule}: {text}")
    optimizer.apply([np.ones((4, 2))] * 2, arrays)  # and it goes on


BAD_PARAMS = {
    "read-only": (
        READ_ONLY,
        ValueError,
        "params[1] must be writable; got a read-only float64 array of shape (4, 2)",
    ),
    "strided": (
        np.ones((2, 4)).T,
        ValueError,
        "params[1] must be C-contiguous; got a strided float64 array of shape (4, 2); use numpy.ascontiguousarray",
    ),
    "misaligned": (
        ODD,
        ValueError,
        "params[1] must be C-contiguous; got a strided float64 array of shape (4, 2); use numpy.ascontiguousarray",
    ),
    "other dtype": (
        np.ones((4, 2), np.float32),
        TypeError,
        "params[1] must be float64 like params[0]; got a float32 array of shape (4, 2)",
    ),
    "big-endian": (
        np.ones((4, 2), ">f8"),
        TypeError,
        "params[1] must be float32 or float64; got a >f8 array of shape (4, 2)",
    ),
    "half": (
        np.ones((4, 2), np.float16),
        TypeError,
        "params[1] must be float32 or float64; got a float16 array of shape (4, 2)",
    ),
    "matrix": (np.ones((4, 2)).view(np.matrix), TypeError, "params[1] must be a numpy array; got matrix"),
}


@pytest.mark.parametrize("what", BAD_PARAMS)
@pytest.mark.parametrize("rule", EACH)
def test_a_parameter_that_cannot_be_updated(rule, what):
    bad, kind, text = BAD_PARAMS[what]
    optimizer = optimizers.registry[rule](weight_decay=0.1)
    arrays = [np.ones((4, 2)), bad]
    refuse(optimizer, [np.ones((4, 2)), np.ones((4, 2), bad.dtype)], arrays, kind, f"{rule}: {text}")
    optimizer.apply([np.ones(3)], [np.ones(3)])  # nothing was kept of the refused ones


@pytest.mark.parametrize("rule", EACH)
def test_memory_that_is_used_twice(rule):
    optimizer, arrays = optimizers.registry[rule](weight_decay=0.1), params()
    twice = [arrays[0], arrays[0][1:]]
    text = f"{rule}: params[1] must not overlap params[0]; got two views of one buffer"
    refuse(optimizer, [np.ones((4, 2)), np.ones((3, 2))], twice, ValueError, text)
    optimizer.apply([np.ones((4, 2))] * 2, arrays)
    before = [a.copy() for a in arrays]
    for grads in (
        [np.ones((4, 2)), arrays[0]],
        [np.ones((4, 2)), RowGrad([1], arrays[0][2:3], (4, 2))],
    ):
        with pytest.raises(ValueError, match="must not overlap"):
            optimizer.apply(grads, arrays)
        for array, old in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("sparse", [None, "exact", "touched", "dense"])
@pytest.mark.parametrize("rule", [SGD, Adam, RMSprop])
def test_rows_that_were_changed_after_their_check(rule, sparse):
    optimizer, arrays = rule(sparse=sparse), params()
    grad = RowGrad([0, 1], np.ones((2, 2)), (4, 2)).coalesce()
    optimizer.apply([np.ones((4, 2)), grad], arrays)
    grad.rows[1] = 9
    text = f"{rule.__name__}: rows of grads[1] must lie in [0, 4); got 9 at (1,)"
    refuse(optimizer, [np.ones((4, 2)), grad], arrays, IndexError, text)


def test_float32_state_for_float64_parameters_is_refused():
    optimizer = Adam()
    optimizer.apply([np.ones(3, np.float32)], [np.ones(3, np.float32)])
    other = np.ones(3)
    text = "Adam: params must be float32 as in the first call, like the optimizer's state; got float64"
    refuse(optimizer, [np.ones(3)], [other], TypeError, text)
    wide = Adam()
    wide.build([other])
    with pytest.raises(ValueError) as caught:
        wide.load_state_tensors(optimizer.state_tensors(), 1)
    assert str(caught.value) == (
        "Adam: state 'moment1/0' must be a float64 array of shape (3,); got a float32 array of shape (3,)"
    )


def test_one_array_is_no_list():
    param = np.ones((2, 2))
    text = "SGD: params must be a list of arrays; got a float64 array of shape (2, 2); write [param]"
    refuse(SGD(), np.ones((2, 2)), [param], TypeError, text, given=param)


def test_a_model_without_parameters_takes_no_step():
    optimizer = Adam()
    optimizer.apply([], [])
    assert optimizer.apply_gradients([]) == 0


def test_apply_gradients_says_how_many_updates_there_were():
    optimizer, param = SGD(gradient_accumulation_steps=2), np.ones(1)
    assert [optimizer.apply_gradients([(np.ones(1), param)]) for _ in range(4)] == [0, 1, 1, 2]


# ---- some of the parameters ------------------------------------------------


def test_parameters_may_come_in_any_order_and_some_of_them():
    arrays, twins = params(), params()
    one, other = Adam(0.1), Adam(0.1)
    first, second = np.ones((4, 2)), np.full((4, 2), -3.0)
    one.apply([first, second], arrays)
    other.apply([first, second], twins)
    one.apply([second, first], arrays[::-1])
    other.apply([first, second], twins)
    one.apply([second], arrays[1:])
    other.apply([None, second], twins)
    for got, want in zip(arrays, twins, strict=True):
        np.testing.assert_array_equal(got, want)
    text = "Adam: params[1] must not overlap params[0]; got two views of one buffer"
    refuse(one, [first, first], arrays, ValueError, text, given=[arrays[0], arrays[0]])


# ---- threads, children, copies ---------------------------------------------


def test_a_second_call_at_once_is_refused():
    inside, go_on, errors = threading.Event(), threading.Event(), []

    def slow():
        inside.set()
        go_on.wait(10)
        return 0.5

    optimizer, param = SGD(lambda: 0.5), np.ones(2)
    optimizer.apply([np.ones(2)], [param])
    optimizer.learning_rate = slow
    first = threading.Thread(target=optimizer.apply, args=([np.ones(2)],))
    first.start()
    assert inside.wait(10)
    try:
        optimizer.apply([np.ones(2)])
    except RuntimeError as error:
        errors.append(str(error))
    go_on.set()
    first.join()
    assert errors == ["SGD: apply must be called by one thread at a time; got a second call"]
    np.testing.assert_array_equal(param, 0)
    optimizer.learning_rate = 1.0
    optimizer.apply([np.ones(2)])  # a refused call, and one that raises, leave it free
    with pytest.raises(ValueError):
        optimizer.apply([np.ones(3)])
    optimizer.apply([np.ones(2)])
    np.testing.assert_array_equal(param, -2)


def test_many_threads_with_an_optimizer_each_do_as_one():
    def train(results, i):
        param, optimizer = np.full(200_000, float(i)), RMSprop(0.1)
        for _ in range(10):
            optimizer.apply([param * 0.1], [param])
        results[i] = param

    alone, together = [None] * 4, [None] * 4
    for i in range(4):
        train(alone, i)
    threads = [threading.Thread(target=train, args=(together, i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, want in zip(together, alone, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork")  # JAX says so, where other tests have imported it
def test_a_forked_child_can_step():
    param, optimizer = np.ones(200_000), RMSprop(0.1)
    optimizer.apply([param * 0.5], [param])
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        optimizer.apply([param * 0.5])
        os.write(write, param[:1].tobytes())
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    optimizer.apply([param * 0.5])
    assert os.read(read, 8) == param[:1].tobytes()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("rule", [SGD, RMSprop, Lamb])
def test_an_optimizer_can_be_copied(rule, duplicate):
    param, optimizer = np.ones(3), rule(0.1)
    optimizer.apply([np.ones(3)], [param])
    again = duplicate(optimizer)
    optimizer.apply([np.ones(3)])
    twin = again._arrays[0]
    assert twin is not param
    again.apply([np.ones(3)])
    np.testing.assert_array_equal(twin, param)
