from __future__ import annotations

import math

import numpy as np
import pytest

from cases import update as cases
from strop import ops, reference
from strop.rowgrad import RowGrad
from tolerance import OPTIMIZER_ROUNDINGS, assert_close

RULES = sorted(cases.STATES)


class Run:
    """A parameter with the states of a rule, stepped by the kernel or by the reference."""

    def __init__(self, rule, param, settings):
        states, self.arguments = cases.start(rule, settings)
        self.rule, self.step = rule, 0
        self.arrays = {"param": param} | {name: np.full_like(param, value) for name, value in states.items()}

    def numbers(self):
        """The arguments of the step that comes next."""
        numbers, step = dict(self.arguments), self.step + 1
        if self.rule in cases.COUNTED:
            numbers["step"] = step
        if self.rule == "nadam_step":
            settings = (numbers.get("beta1", 0.9), numbers.get("momentum_decay", 1.0))
            numbers["mu_product"] = math.prod(ops.nadam_momentum(t, *settings) for t in range(1, step))
        return numbers

    def take(self, grad):
        """One step in place; returns what the reference makes of the same arrays."""
        numbers = self.numbers()
        dense = grad.to_dense() if isinstance(grad, RowGrad) else grad
        results = iter(getattr(reference, self.rule)(**self.arrays, grad=dense, **numbers))
        names = ["param", *self.order()]
        want = {name: array for name, array in zip(names, results, strict=True) if array is not None}
        getattr(ops, self.rule)(**self.arrays, grad=grad, **numbers)
        self.step += 1
        return want

    def order(self):
        if self.rule == "rmsprop_step":
            return ["mean_square", "mean_grad", "velocity"]
        return list(cases.STATES[self.rule])


def gradients(rng, size, dtype):
    return (rng.normal(size=size) * 10.0 ** rng.integers(-6, 1, size)).astype(dtype)


def decays(rule, size):
    if rule == "rprop_step":
        return [{}]
    return cases.DECAYS if size < 100 else [cases.DECAYS[size % 4]]


def condition(states):
    """How many times a rounding of the mean square is greater in what is left of it when centered."""
    square = states.get("mean_square")
    if "mean_grad" not in states:
        return 1.0
    spread = np.maximum(square - states["mean_grad"] ** 2, 1e-300)
    return np.where(square > 0, square / spread, 1.0)


@pytest.mark.parametrize("size", cases.SIZES)
@pytest.mark.parametrize("rule", RULES)
def test_a_step_matches_the_reference(device, dtype, rng, rule, size):
    # Each step is compared from the same arrays: rounded states would part further from step to step.
    for settings in cases.SETTINGS[rule]:
        for decay in decays(rule, size):
            run = Run(rule, rng.normal(size=size).astype(dtype), settings | decay)
            for _ in range(3):
                before = {name: array.astype(float) for name, array in run.arrays.items()}
                grad = gradients(rng, size, dtype)
                if "l2" in decay:  # of one sign with the parameter, so that the sum loses no digits
                    grad = np.copysign(grad, decay["grad_scale"] * before["param"]).astype(dtype)
                want = run.take(grad)
                assert set(want) == set(run.arrays)
                for name, array in run.arrays.items():
                    scale = np.abs(before[name]) + np.abs(want[name])
                    if name == "param":
                        scale = scale + 0.1 + condition(want) * np.abs(want["param"] - before["param"])
                    elif name in ("moment1", "mean_grad"):
                        scale = scale + np.abs(grad)
                    elif name == "velocity":
                        scale = condition(want) * scale
                    what = f"{name} {settings} {decay}"
                    assert_close(array, want[name], scale=scale, roundings=OPTIMIZER_ROUNDINGS, what=what)


@pytest.mark.parametrize(("rule", "settings", "want"), cases.GOLDEN)
def test_a_rule_gives_the_numbers_of_keras_and_torch(rule, settings, want):
    # torch keeps NAdam's product of momenta in float32.
    tolerance = 1e-8 if rule == "nadam_step" else 6e-11
    run = Run(rule, np.ones(1), settings if rule == "rprop_step" else {"learning_rate": 0.1} | settings)
    for grad, expected in zip([0.1, -0.2, 0.3], want, strict=True):
        assert run.take(np.array([grad]))["param"][0] == pytest.approx(expected, abs=tolerance)
        assert run.arrays["param"][0] == pytest.approx(expected, abs=tolerance)


def split(arrays, sizes):
    cuts = np.cumsum(sizes)[:-1]
    return {name: [part.copy() for part in np.split(array, cuts)] for name, array in arrays.items()}


@pytest.mark.parametrize("rule", RULES)
def test_a_list_of_tensors_has_the_bits_of_one(device, dtype, rng, rule):
    sizes = [0, 5, 20_000, 1, 0, 77, 4100]
    for settings in cases.SETTINGS[rule]:
        run = Run(rule, rng.normal(size=sum(sizes)).astype(dtype), settings)
        for name in set(run.arrays) - {"mean_grad"}:
            run.arrays[name] += abs(rng.normal(size=sum(sizes))).astype(dtype)
        lists = split(run.arrays, sizes)
        grad = gradients(rng, sum(sizes), dtype)
        getattr(ops, rule)(**lists, **split({"grad": grad}, sizes), **run.numbers())
        run.take(grad)
        for name, arrays in lists.items():
            np.testing.assert_array_equal(np.concatenate(arrays), run.arrays[name])


@pytest.mark.parametrize("width", [1, 3, 16, 17, 40])
@pytest.mark.parametrize("rule", RULES)
def test_a_row_step_has_the_bits_of_the_dense_step_on_its_rows(device, dtype, rng, rule, width):
    for settings in cases.SETTINGS[rule]:
        for decay in decays(rule, 1):
            dense = Run(rule, rng.normal(size=(9, width)).astype(dtype), settings | decay)
            by_row = Run(rule, dense.arrays["param"].copy(), settings | decay)
            start = {name: array.copy() for name, array in dense.arrays.items()}
            for _ in range(2):
                grad = RowGrad([7, 0, 4, 0], rng.normal(size=(4, width)).astype(dtype), (9, width))
                dense.take(grad.to_dense())
                by_row.take(grad)
            for name, array in by_row.arrays.items():
                np.testing.assert_array_equal(array[[0, 4, 7]], dense.arrays[name][[0, 4, 7]])
                np.testing.assert_array_equal(array[[1, 2, 3, 5, 6, 8]], start[name][[1, 2, 3, 5, 6, 8]])


@pytest.mark.parametrize("rule", RULES)
def test_each_tensor_may_have_its_own_decay(rule):
    if rule == "rprop_step":
        pytest.skip("Rprop has no decay")
    run = Run(rule, np.ones(5), {"learning_rate": 0.1})
    lists = split(run.arrays, [2, 3])
    grads = [np.zeros(2), np.zeros(3)]
    getattr(ops, rule)(**lists, grad=grads, **run.numbers(), weight_decay=[0.5, 0.0])
    assert lists["param"][0].tolist() == [0.95, 0.95]
    assert lists["param"][1].tolist() == [1, 1, 1]


@pytest.mark.parametrize("rule", RULES)
def test_an_infinite_parameter_without_decay_stays_and_a_bad_gradient_stays_where_it_is(device, dtype, rule):
    param = np.ones(40, dtype)
    param[[3, 20]] = np.inf, -np.inf
    grad = np.full(40, 0.1, dtype)
    grad[[5, 38]] = np.nan
    for settings in cases.SETTINGS[rule]:
        run = Run(rule, param.copy(), settings)
        with np.errstate(invalid="ignore"):
            want = run.take(grad)
        assert run.arrays["param"][[3, 20]].tolist() == [np.inf, -np.inf]
        for name, array in run.arrays.items():
            np.testing.assert_array_equal(np.isnan(array), np.isnan(want[name]), err_msg=name)
        assert np.isnan(run.arrays["param"]).sum() == (0 if rule == "rprop_step" else 2)


def test_a_maximum_that_is_nan_stays_nan(device, dtype):
    arrays = {"param": np.ones(20, dtype), "moment1": np.zeros(20, dtype), "max_grad": np.ones(20, dtype)}
    arrays["max_grad"][7] = np.nan
    ops.adamax_step(**arrays, grad=np.ones(20, dtype), learning_rate=0.1, step=1)
    assert np.flatnonzero(np.isnan(arrays["max_grad"])).tolist() == [7]


def test_lion_stands_where_the_mixture_is_0(device, dtype):
    param, moment1 = np.ones(33, dtype), np.zeros(33, dtype)
    ops.lion_step(param=param, grad=np.zeros(33, dtype), moment1=moment1, learning_rate=0.1)
    assert (param == 1).all()


@pytest.mark.parametrize("rule", ["lion_step", "rprop_step"])
def test_the_sign_of_a_denormal_number_counts(device, dtype, rule):
    # 1e-20 times 1e-20 is denormal in float32.
    tiny = dtype.type(1e-20 if dtype == np.float32 else 1e-155)
    run = Run(rule, np.ones(20, dtype), {})
    for _ in range(2):
        want = run.take(np.full(20, tiny if rule == "rprop_step" else np.finfo(dtype).tiny / 4, dtype))
    for name, array in run.arrays.items():
        np.testing.assert_allclose(array, want[name], rtol=1e-5, atol=0, err_msg=name)


def test_rprop_rests_where_the_sign_turns_and_bounds_its_steps():
    param, previous, size = np.ones(3), np.array([1.0, 1.0, -1.0]), np.array([0.1, 49.0, 1.5e-6])
    ops.rprop_step(param=param, grad=np.array([-1.0, 2.0, 1.0]), previous_grad=previous, step_size=size)
    assert param.tolist() == [1, -49, 1]
    assert previous.tolist() == [0, 2, 0]
    assert size.tolist() == [0.05, 50, 1e-6]


def test_radam_takes_the_second_moment_from_the_sixth_step():
    longest = 2 / (1 - 0.999) - 1
    lengths = [longest - 2 * t * 0.999**t / (1 - 0.999**t) for t in (5, 6)]
    assert lengths[0] < 5 < lengths[1]
    for step in (5, 6):
        arrays = {name: np.ones(1) for name in ("param", "moment1", "moment2")}
        want = reference.radam_step(**arrays, grad=np.ones(1), learning_rate=0.1, step=step)
        arrays["moment2"][:] = 1 if step == 6 else np.inf  # not looked at before
        ops.radam_step(**arrays, grad=np.ones(1), learning_rate=0.1, step=step)
        assert arrays["param"] == pytest.approx(want[0], rel=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_no_tensor_is_no_work(rule):
    run = Run(rule, np.ones(1), {})
    getattr(ops, rule)(**{name: [] for name in run.arrays}, grad=[], **run.numbers())


READ_ONLY = np.ones(4, np.float32)
READ_ONLY.flags.writeable = False
BUFFER = np.ones(6, np.float32)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"grad": np.ones(3, np.float32)}, "grad must have the shape of param (4,); got (3,)"),
        ({"grad": np.ones(4)}, "grad must be float32 like param; got a float64 array of shape (4,)"),
        ({"grad": None}, "grad must be a numpy array; got NoneType"),
        ({"param": READ_ONLY}, "param must be writable; got a read-only float32 array of shape (4,)"),
        (
            {"param": np.ones(8, np.float32)[::2]},
            "param must be C-contiguous; got a strided float32 array of shape (4,); use numpy.ascontiguousarray",
        ),
        (
            {"param": BUFFER[:4], "grad": BUFFER[2:]},
            "grad must not overlap param; got two views of one buffer",
        ),
        ({"grad": [np.ones(4, np.float32)] * 2}, "every list must have as many arrays as param (1); got 2"),
        (
            {"grad": RowGrad([4], np.ones(1, np.float32), (5,))},
            "rows must lie in [0, 4); got 4 at (0,)",
        ),
        ({"l2": -0.1}, "l2 must be 0 or more; got -0.1"),
        ({"weight_decay": [0.1, 0.2]}, "weight_decay must have one number per param (1); got 2"),
        ({"weight_decay": "big"}, "weight_decay must be a number or a list of numbers; got str"),
    ],
)
def test_a_rule_refuses_and_changes_nothing(rule, change, text):
    if rule == "rprop_step" and {"weight_decay", "l2"} & set(change):
        pytest.skip("Rprop has no decay")
    run = Run(rule, np.ones(4, np.float32), {})
    arguments = run.arrays | {"grad": np.ones(4, np.float32)} | run.numbers() | change
    before = {name: np.array(a) for name, a in arguments.items() if isinstance(a, np.ndarray)}
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        getattr(ops, rule)(**arguments)
    assert str(caught.value) == f"{rule}: {text}"
    for name, array in before.items():
        np.testing.assert_array_equal(arguments[name], array)


@pytest.mark.parametrize("rule", RULES)
def test_a_bad_last_tensor_leaves_the_first_alone(rule):
    run = Run(rule, np.ones(8), {})
    lists = split(run.arrays, [4, 4])
    with pytest.raises(ValueError) as caught:
        getattr(ops, rule)(**lists, grad=[np.ones(4), np.ones(3)], **run.numbers())
    assert str(caught.value) == f"{rule}: grad[1] must have the shape of param[1] (4,); got (3,)"
    for name, arrays in lists.items():
        np.testing.assert_array_equal(np.concatenate(arrays), run.arrays[name])


@pytest.mark.parametrize(
    ("rule", "settings", "text"),
    [
        ("rmsprop_step", {"rho": 1.5}, "rho must lie in [0, 1]; got 1.5"),
        ("rmsprop_step", {"momentum": 0.9}, "velocity must be given with momentum; got None"),
        ("rmsprop_step", {"momentum": -0.5}, "momentum must be 0 or more; got -0.5"),
        ("rmsprop_step", {"eps": -1e-8}, "eps must be 0 or more; got -1e-08"),
        ("rmsprop_step", {"dialect": "jax"}, "dialect must be 'keras' or 'torch'; got 'jax'"),
        ("adagrad_step", {"eps": float("nan")}, "eps must be 0 or more; got nan"),
        ("adagrad_step", {"dialect": ""}, "dialect must be 'keras' or 'torch'; got ''"),
        ("adadelta_step", {"rho": -0.1}, "rho must lie in [0, 1]; got -0.1"),
        ("adamax_step", {"beta1": 1.0}, "beta1 and beta2 must lie in [0, 1); got 1.0"),
        ("adamax_step", {"dialect": "hat"}, "dialect must be 'keras' or 'torch'; got 'hat'"),
        ("adamax_step", {"step": 0}, "step must be 1 or more; got 0"),
        ("nadam_step", {"mu_product": 1.5}, "mu_product must lie in [0, 1]; got 1.5"),
        ("nadam_step", {"step": 0}, "step must be 1 or more; got 0"),
        ("radam_step", {"beta2": -0.5}, "beta1 and beta2 must lie in [0, 1); got -0.5"),
        ("radam_step", {"eps": -1.0}, "eps must be 0 or more; got -1.0"),
        ("lion_step", {"beta2": 2.0}, "beta1 and beta2 must lie in [0, 1); got 2.0"),
        (
            "rprop_step",
            {"etas": (1.2, 0.5)},
            "etas must be (shrink, grow) with 0 < shrink < 1 < grow; got (1.2, 0.5)",
        ),
        (
            "rprop_step",
            {"step_sizes": (50.0, 1.0)},
            "step_sizes must be (least, greatest), 0 or more; got (50.0, 1.0)",
        ),
    ],
)
def test_a_rule_refuses_settings_out_of_range(rule, settings, text):
    run = Run(rule, np.ones(4), {})
    with pytest.raises(ValueError) as caught:
        getattr(ops, rule)(**run.arrays, grad=np.ones(4), **run.numbers() | settings)
    assert str(caught.value) == f"{rule}: {text}"
    assert (run.arrays["param"] == 1).all()


def test_the_rows_of_a_list_are_refused():
    grad = RowGrad([1], np.ones((1, 2)), (3, 2))
    with pytest.raises(TypeError) as caught:
        ops.lion_step(param=[np.ones((3, 2))], grad=grad, moment1=[np.ones((3, 2))], learning_rate=0.1)
    assert str(caught.value) == "lion_step: param must be a numpy array; got list"
