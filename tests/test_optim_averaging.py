"""Moving averages of weights: golden numbers, torch's AveragedModel where installed, swapping, states, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from strop import config
from strop.optim import ExponentialMovingAverage


def test_the_first_update_copies():
    weight = np.array([0.9])
    average = ExponentialMovingAverage([weight], decay=0.5)
    assert average.averaged()[0] == 0.9
    average.update()
    assert average.averaged()[0] == 0.9
    weight[...] = 0.8
    average.update()
    assert average.averaged()[0] == pytest.approx(0.85, abs=1e-15)
    assert average.n_averaged == 2


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999, 1.0])
def test_many_updates_are_the_formula(rng, dtype, decay):
    params = {"layers": [rng.normal(size=(30, 7)).astype(dtype), rng.normal(size=5).astype(dtype)]}
    average = ExponentialMovingAverage(params, decay=decay)
    want = None
    for _ in range(50):
        for param in params["layers"]:
            param += rng.normal(size=param.shape).astype(dtype)
        average.update()
        exact = [param.astype(np.float64) for param in params["layers"]]
        want = (
            exact if want is None else [m + (1 - decay) * (p - m) for m, p in zip(want, exact, strict=True)]
        )
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    for got, expected in zip(average.averaged()["layers"], want, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_parameters_at_rest_are_their_average_to_the_bit(rng, dtype):
    param = rng.normal(size=1000).astype(dtype)
    average = ExponentialMovingAverage([param], decay=0.999)
    for _ in range(100):
        average.update()
    np.testing.assert_array_equal(average.averaged()[0], param)


def test_the_bits_do_not_depend_on_threads(rng):
    before, results = config.num_threads(), []
    params = [rng.normal(size=300_001).astype(np.float32), rng.normal(size=7).astype(np.float32)]
    try:
        for threads in (1, 2, 3, 8):
            config.set_num_threads(threads)
            average = ExponentialMovingAverage([np.zeros_like(p) for p in params], decay=0.9)
            average.update()
            for mine, param in zip(average._params, params, strict=True):
                mine[...] = param
            average.update()
            results.append([mean.tobytes() for mean in average.averaged()])
    finally:
        config.set_num_threads(before)
    assert all(result == results[0] for result in results)


@pytest.fixture
def swa_utils():
    pytest.importorskip("torch", reason="torch is the peer of this test")
    from torch.optim import swa_utils

    return swa_utils


@pytest.mark.parametrize("decay", [0.1, 0.5, 0.9, 0.999])
def test_averages_are_those_of_torch(swa_utils, rng, dtype, decay):
    import torch

    module = torch.nn.Linear(9, 4).to(getattr(torch, dtype.name))
    peer = swa_utils.AveragedModel(module, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay))
    params = [param.detach().numpy().copy() for param in module.parameters()]
    average = ExponentialMovingAverage(params, decay)
    for _ in range(100):
        for param, theirs in zip(params, module.parameters(), strict=True):
            param += rng.normal(size=param.shape).astype(dtype)
            with torch.no_grad():
                theirs.copy_(torch.from_numpy(param))
        peer.update_parameters(module)
        average.update()
        tolerance = 1e-12 if dtype == np.float64 else 2e-6
        for got, want in zip(average.averaged(), peer.module.parameters(), strict=True):
            np.testing.assert_allclose(got, want.detach().numpy(), rtol=tolerance, atol=tolerance)
    assert average.n_averaged == int(peer.n_averaged)


# ---- averages in the place of parameters -----------------------------------


def moved():
    params = [np.array([0.9, 3.0]), np.array([[1.0]])]
    average = ExponentialMovingAverage(params, decay=0.5)
    average.update()
    params[0][...] = [0.8, 1.0]
    average.update()
    return params, average


def test_averages_stand_in_for_parameters_in_a_block():
    params, average = moved()
    with average.average_parameters():
        np.testing.assert_allclose(params[0], [0.85, 2.0])
        params[0][0] = 77  # is lost
    np.testing.assert_array_equal(params[0], [0.8, 1.0])
    np.testing.assert_allclose(average.averaged()[0], [0.85, 2.0])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_parameters_come_back_after_any_exception(error):
    params, average = moved()
    with pytest.raises(error), average.average_parameters():
        raise error
    np.testing.assert_array_equal(params[0], [0.8, 1.0])
    average.update()


def test_before_the_first_update_the_parameters_are_their_averages():
    params = [np.ones(2)]
    average = ExponentialMovingAverage(params)
    with average.average_parameters():
        np.testing.assert_array_equal(params[0], 1)
    average.copy_to_params()
    np.testing.assert_array_equal(params[0], 1)


def test_averages_can_stay():
    params, average = moved()
    average.copy_to_params()
    np.testing.assert_allclose(params[0], [0.85, 2.0])


def test_averaged_gives_copies():
    _, average = moved()
    average.averaged()[0][...] = 9
    np.testing.assert_allclose(average.averaged()[0], [0.85, 2.0])


@pytest.mark.parametrize("method", ["update", "copy_to_params", "average_parameters", "load_state_dict"])
def test_inside_the_block_averages_stay_as_they_are(method):
    params, average = moved()
    calls = {
        "load_state_dict": lambda: average.load_state_dict(average.state_dict()),
        "average_parameters": lambda: average.average_parameters().__enter__(),
    }
    with average.average_parameters(), pytest.raises(RuntimeError) as caught:
        calls.get(method, getattr(average, method))()
    assert str(caught.value) == (
        f"ExponentialMovingAverage: {method} must wait for the end of average_parameters; got called inside of it"
    )
    np.testing.assert_array_equal(params[0], [0.8, 1.0])


# ---- states ----------------------------------------------------------------


def test_a_state_continues():
    params, source = moved()
    target = ExponentialMovingAverage([np.zeros(2), np.zeros((1, 1))])
    state = source.state_dict()
    target.load_state_dict(state)
    state["averages"][0][...] = 5
    assert (target.n_averaged, target.decay) == (2, 0.5)
    for average, own in ((source, params), (target, target._params)):
        own[0][...] = [2.0, 2.0]
        average.update()
    for mine, theirs in zip(target.averaged()[:1], source.averaged()[:1], strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda s: 3, TypeError, "state_dict must be a dict; got int"),
        (lambda s: {}, ValueError, "state_dict must have the entries averages, decay, n_averaged; got none"),
        (lambda s: s | {"extra": 1}, ValueError,
         "state_dict must have the entries averages, decay, n_averaged; got averages, decay, extra, n_averaged"),
        (lambda s: s | {"decay": 1.5}, ValueError, "decay must lie in [0, 1]; got 1.5"),
        (lambda s: s | {"n_averaged": -1}, ValueError,
         "state_dict['n_averaged'] must be a whole number from 0; got -1"),
        (lambda s: s | {"averages": s["averages"][:1]}, ValueError,
         "state_dict['averages'] must be as many as params (2); got 1"),
        (lambda s: s | {"averages": [s["averages"][0], np.ones((1, 1), np.float32)]}, TypeError,
         "the average of params[1] must be float64; got a float32 array of shape (1, 1)"),
        (lambda s: s | {"averages": [np.ones(2), [[1.0]]]}, TypeError,
         "the average of params[1] must be float64; got list"),
        (lambda s: s | {"averages": [np.ones(2), np.ones(1)]}, ValueError,
         "the average of params[1] must have shape (1, 1); got (1,)"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_changes_nothing(change, error, text):
    _, average = moved()
    before = average.state_dict()
    state = before | {"decay": 0.9, "n_averaged": 7, "averages": [mean + 1 for mean in before["averages"]]}
    with pytest.raises(error) as caught:
        average.load_state_dict(change(state))
    assert str(caught.value) == f"ExponentialMovingAverage: {text}"
    np.testing.assert_equal(average.state_dict(), before)


@pytest.mark.parametrize(
    ("params", "decay", "error", "text"),
    [
        (np.ones(3), 0.9, TypeError, "params must be a list or a dict of arrays; got ndarray"),
        ([], 0.9, ValueError, "params must hold an array; got none"),
        ([np.ones(3)], 1.1, ValueError, "decay must lie in [0, 1]; got 1.1"),
        ([np.ones(3)], "0.9", TypeError, "decay must be a number; got str"),
        ({"w": [np.ones(3), np.ones(3, np.float32)]}, 0.9, TypeError,
         "params['w'][1] must be float64 like params['w'][0]; got a float32 array of shape (3,)"),
        ([np.ones(3), None], 0.9, TypeError, "params[1] must be a numpy array; got NoneType"),
    ],
)  # fmt: skip
def test_what_cannot_be_averaged_is_refused(params, decay, error, text):
    with pytest.raises(error) as caught:
        ExponentialMovingAverage(params, decay)
    assert str(caught.value) == f"ExponentialMovingAverage: {text}"


def test_parameters_may_come_from_a_generator():
    average = ExponentialMovingAverage(array for array in [np.ones(2), np.zeros(3)])
    assert [mean.shape for mean in average.averaged()] == [(2,), (3,)]
