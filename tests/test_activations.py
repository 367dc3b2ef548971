from __future__ import annotations

import numpy as np
import pytest

from strop import activations, reference
from strop.activations import Activation, CallableActivation
from tolerance import ACTIVATION_ROUNDINGS, assert_close

X = [-4.0, -1.0, 0.0, 1.0, 4.0]

#: Printed by Keras 3.15, which agrees with the formulas in float64.
VALUES = {
    "linear": X,
    "relu": [0, 0, 0, 1, 4],
    "relu6": [0, 0, 0, 1, 4],
    "leaky_relu": [-0.8, -0.2, 0, 1, 4],
    "elu": [-0.981684, -0.632121, 0, 1, 4],
    "selu": [-1.725899, -1.111331, 0, 1.050701, 4.202804],
    "gelu": [-0.000127, -0.158655, 0, 0.841345, 3.999873],
    "silu": [-0.071945, -0.268941, 0, 0.731059, 3.928055],
    "swish": [-0.071945, -0.268941, 0, 0.731059, 3.928055],
    "softplus": [0.018150, 0.313262, 0.693147, 1.313262, 4.018150],
    "softsign": [-0.8, -0.5, 0, 0.5, 0.8],
    "hard_sigmoid": [0, 0.333333, 0.5, 0.666667, 1],
    "sigmoid": [0.017986, 0.268941, 0.5, 0.731059, 0.982014],
    "tanh": [-0.999329, -0.761594, 0, 0.761594, 0.999329],
    "mish": [-0.072592, -0.303401, 0, 0.865098, 3.997413],
    "exponential": [0.018316, 0.367879, 1, 2.718282, 54.598150],
    "softmax": [0.000312, 0.006267, 0.017035, 0.046306, 0.930080],
}


def test_every_name_has_a_row_of_values():
    assert set(VALUES) | {"log_softmax"} == set(activations.registry)


@pytest.mark.parametrize("name", VALUES)
def test_activation_gives_the_values_of_keras(name, dtype):
    y = activations.get(name)(np.array(X, dtype))
    assert y.dtype == dtype
    np.testing.assert_allclose(y, VALUES[name], atol=6e-7)
    np.testing.assert_array_equal(activations.registry[name](np.array(X, dtype)), y)


def test_settings_of_the_functions():
    x = np.array(X)
    got = activations.relu(x, negative_slope=0.5, max_value=3.0, threshold=-1.0)
    np.testing.assert_allclose(got, [-1.5, -1, 0, 1, 3])
    np.testing.assert_allclose(activations.leaky_relu(x, 0.3), [-1.2, -0.3, 0, 1, 4])
    np.testing.assert_allclose(activations.elu(x, 2.0)[:2], [-1.963369, -1.264241], atol=6e-7)
    np.testing.assert_allclose(
        activations.gelu(x, approximate=True)[1:4], [-0.158808, 0, 0.841192], atol=6e-7
    )
    assert activations.softplus(np.array([100.0]))[0] == 100


def test_softmax_runs_along_the_axis_asked_for():
    x = np.log(np.array([[1.0, 3.0], [3.0, 1.0]]))
    np.testing.assert_allclose(activations.softmax(x, axis=0), [[0.25, 0.75], [0.75, 0.25]])
    np.testing.assert_allclose(activations.softmax(x + 1000, axis=0), [[0.25, 0.75], [0.75, 0.25]])
    np.testing.assert_allclose(np.exp(activations.log_softmax(x, axis=0)), [[0.25, 0.75], [0.75, 0.25]])
    with pytest.raises(ValueError) as caught:
        activations.softmax(x, axis=2)
    assert str(caught.value) == "softmax: axis must lie in [-2, 2); got 2"


@pytest.mark.parametrize("name", sorted(set(activations.registry) - {"log_softmax", "softmax"}))
def test_backward_is_the_derivative(name):
    x = np.array([-2.7, -1.3, -0.2, 0.4, 1.9])
    grad = np.array([1.0, -2.0, 0.5, 3.0, 0.25])
    act = Activation(name)
    got = act.backward(grad, x, act.forward(x))
    want = reference.activation_backward(grad, x, name=act.kernel, **act._kernel_settings)
    np.testing.assert_allclose(got, want, rtol=1e-8)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_backward_of_softmax_is_the_derivative(name, rng):
    x, grad = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    act = Activation(name)
    got = act.backward(grad, x, act.forward(x))
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-6
        slope = (act.forward(x + step) - act.forward(x - step)) / 2e-6
        assert got[at] == pytest.approx(float((grad * slope).sum()), abs=1e-8)


def test_forward_agrees_with_the_reference_in_both_types(dtype, rng):
    x = rng.normal(size=(33, 7)).astype(dtype)
    for name in ("tanh", "gelu", "softplus"):
        want = reference.activation(x, name=name)
        got = Activation(name).forward(x)
        assert_close(got, want, scale=np.abs(want) + 1, roundings=ACTIVATION_ROUNDINGS, what=name)


def test_lists_and_ids_are_taken_and_nothing_is_shared():
    y = activations.get(None)([1, 2])
    assert y.dtype == np.float32
    x = np.ones(3)
    assert not np.shares_memory(activations.linear(x), x)
    assert activations.relu(np.float32(-1.0)).shape == ()
    np.testing.assert_array_equal(activations.tanh(np.zeros((2, 4))[:, ::2]), np.zeros((2, 2)))


def test_get_knows_names_functions_objects_and_configs():
    relu = Activation("relu")
    assert activations.get(relu) is relu
    assert activations.get(None).name == "linear"
    assert activations.get(activations.gelu).name == "gelu"
    elu = Activation("elu", alpha=0.5)
    again = activations.get(activations.serialize(elu))
    assert again.get_config() == {"name": "elu", "alpha": 0.5}
    assert again(np.array([-1.0])) == elu(np.array([-1.0]))


def test_only_what_the_matmul_kernel_knows_is_fused():
    fused = {name: Activation(name).fused for name in activations.registry if Activation(name).fused}
    assert fused == {"linear": "linear", "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh"}
    assert Activation("relu", negative_slope=0.1).fused is None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: activations.get("rely"),
            ValueError,
            "activations.get: activation must be a known name, an Activation or a callable; got 'rely'; "
            "did you mean 'relu'",
        ),
        (
            lambda: activations.get(3, "Dense"),
            TypeError,
            "Dense: activation must be a known name, an Activation or a callable; got int",
        ),
        (
            lambda: Activation("rely"),
            ValueError,
            "Activation: name must be a known name; got 'rely'; did you mean 'relu'",
        ),
        (lambda: Activation("tanh", alpha=1.0), TypeError, "Activation: tanh takes no settings; got alpha"),
        (lambda: Activation("elu", beta=1.0), TypeError, "Activation: elu takes alpha; got beta"),
    ],
)
def test_unknown_names_and_settings_are_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def square(x):
    return x * x


def test_a_callable_predicts_and_says_what_training_needs():
    act = activations.get(square)
    x = np.array([3.0])
    assert isinstance(act, CallableActivation)
    assert (act.name, act.has_gradient, act.forward(x).tolist()) == ("square", False, [9.0])
    with pytest.raises(NotImplementedError) as caught:
        act.backward(x, x, x)
    assert str(caught.value) == (
        "square: activation must have a gradient to be trained; got a callable without backward; "
        ""
        "set square.backward to a function of (grad, x, y)"
    )


def test_a_callable_with_backward_is_trained():
    def cube(x):
        return x**3

    cube.backward = lambda grad, x, y: grad * 3 * x**2
    act = activations.get(cube)
    x = np.array([2.0])
    assert act.has_gradient
    assert act.backward(np.ones(1), x, act.forward(x)).tolist() == [12.0]


def test_a_callable_of_another_shape_is_refused():
    act = CallableActivation(lambda x: x.sum(axis=-1))
    act.name = "total"
    with pytest.raises(ValueError) as caught:
        act.forward(np.ones((2, 3)))
    assert str(caught.value) == "total: result must have the shape of x (2, 3); got (2,)"
