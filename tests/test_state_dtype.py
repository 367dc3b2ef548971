"""`state_dtype` of Adam and AdamW in both dialects: what is kept, refused, saved and loaded."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from strop import ops, optim, optimizers
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.rowgrad import RowGrad

KINDS = pytest.mark.parametrize("kind", ["bfloat16", "8bit"])
SHAPES = [(600, 16), (16,), (20_000,), (2000, 3)]
DTYPES = {
    "bfloat16": [np.uint16, np.float32, np.uint16, np.uint16],
    "8bit": [np.uint8, np.float32, np.uint8, np.float32],
}


class Keras:
    names = ("moment1", "moment2")

    def __init__(self, params, rule="Adam", **settings):
        self.optimizer, self.params = getattr(optimizers, rule)(0.01, **settings), params
        self.settings = {"eps": 1e-7, "eps_mode": "hat"}

    def step(self, grads):
        self.optimizer.apply(grads, self.params)

    def moments(self, name):
        return self.optimizer._slots[name]


class Torch:
    names = ("exp_avg", "exp_avg_sq")

    def __init__(self, params, rule="Adam", **settings):
        self.optimizer, self.params = getattr(optim, rule)(params, lr=0.01, **settings), params
        self.settings = {"eps": 1e-8, "eps_mode": "torch"}

    def step(self, grads):
        self.optimizer.step(grads)

    def moments(self, name):
        return [state[name] for state in self.optimizer.state]


DIALECTS = pytest.mark.parametrize("dialect", [Keras, Torch], ids=["keras", "torch"])


def arrays(rng, shapes=SHAPES):
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@DIALECTS
@KINDS
@pytest.mark.parametrize("rule", ["Adam", "AdamW"])
def test_large_parameters_have_compact_moments_and_small_ones_full_moments(rng, dialect, kind, rule):
    params = arrays(rng)
    want = [p.copy() for p in params]
    moments = [[ops.zero_moment(p, kind) for p in params] for _ in range(2)]
    run = dialect(params, rule, weight_decay=0.1, state_dtype=kind)
    coupled = dialect is Torch and rule == "Adam"
    for step in (1, 2, 3):
        grads = arrays(rng)
        run.step(grads)
        ops.compact_adam_step(
            param=want,
            grad=grads,
            moment1=moments[0],
            moment2=moments[1],
            learning_rate=0.01,
            step=step,
            **{"l2" if coupled else "weight_decay": 0.1},
            **run.settings,
        )
    for got, expected in zip(params, want, strict=True):
        np.testing.assert_array_equal(got, expected)
    for name, expected in zip(dialect.names, moments, strict=True):
        assert [m.dtype for m in run.moments(name)] == DTYPES[kind]
        for got, array in zip(run.moments(name), expected, strict=True):
            np.testing.assert_array_equal(got, array)


@DIALECTS
@KINDS
def test_row_gradients_take_the_dense_pass_unless_touched_is_asked_for(rng, dialect, kind):
    start = arrays(rng, [(600, 16)])[0]
    grads = [RowGrad([3, 500], arrays(rng, [(2, 16)])[0], (600, 16)) for _ in range(3)]
    results = {}
    for sparse in (None, "dense", "touched"):
        params = [start.copy()]
        run = dialect(params, state_dtype=kind, sparse=sparse)
        for grad in grads:
            run.step([grad])
        run.step([RowGrad([7], grads[0].values[:1], (600, 16))])
        results[sparse] = params[0]
    want = [start.copy()]
    run = dialect(want, state_dtype=kind)
    for grad in (*grads, RowGrad([7], grads[0].values[:1], (600, 16))):
        run.step([grad.to_dense()])
    np.testing.assert_array_equal(results[None], want[0])
    np.testing.assert_array_equal(results["dense"], want[0])
    moved = np.flatnonzero((results["touched"] != start).any(axis=1))
    assert moved.tolist() == [3, 7, 500]
    assert (results["touched"][500] != want[0][500]).any()


@DIALECTS
def test_a_vector_whose_elements_are_touched_keeps_what_can_be_updated_alone(rng, dialect):
    for kind, dtype in (("8bit", np.float32), ("bfloat16", np.uint16)):
        params = [np.ones(5000, np.float32)]
        run = dialect(params, state_dtype=kind, sparse="touched")
        run.step([RowGrad([17], np.ones(1, np.float32), (5000,))])
        assert np.flatnonzero(params[0] != 1).tolist() == [17]
        assert run.moments(dialect.names[0])[0].dtype == dtype


@DIALECTS
@pytest.mark.parametrize("rule", ["Adam", "AdamW"])
def test_what_cannot_be_had_is_refused(rng, dialect, rule):
    params = arrays(rng)

    def refused(kind, text, params=params, **settings):
        before = [p.copy() for p in params]
        with pytest.raises(kind) as caught:
            dialect(params, rule, **settings).step([np.ones_like(p) for p in params])
        assert str(caught.value) == f"{rule}: {text}"
        for param, old in zip(params, before, strict=True):
            np.testing.assert_array_equal(param, old)

    refused(
        ValueError, "state_dtype must be 'bfloat16', '8bit' or None; got 'float16'", state_dtype="float16"
    )
    refused(ValueError, "state_dtype must be 'bfloat16', '8bit' or None; got 8", state_dtype=8)
    refused(
        ValueError,
        "sparse='exact' cannot be had with state_dtype='8bit'; use sparse='dense' or sparse='touched'",
        state_dtype="8bit",
        sparse="exact",
    )
    refused(
        ValueError,
        "amsgrad must be False with state_dtype='bfloat16'; got True",
        state_dtype="bfloat16",
        amsgrad=True,
    )
    refused(
        TypeError,
        "params[0] must be float32 with state_dtype='8bit'; got a float64 array of shape (600, 16)",
        params=[p.astype(np.float64) for p in params],
        state_dtype="8bit",
    )


# ---- saved and loaded ------------------------------------------------------


def model_of(kind, **settings):
    strop.utils.set_random_seed(5)
    layers = [Embedding(400, 16), GlobalAveragePooling1D(), Dense(300, "relu"), Dense(1, "sigmoid")]
    model = strop.Sequential([strop.Input((9,)), *layers])
    model.compile(optimizer=optimizers.AdamW(0.01, state_dtype=kind, **settings), loss="binary_crossentropy")
    return model


def data():
    rng = np.random.default_rng(3)
    return rng.integers(0, 400, (200, 9)), rng.integers(0, 2, 200)


@KINDS
@pytest.mark.parametrize("sparse", [None, "touched"])
def test_a_saved_model_goes_on_bit_for_bit(tmp_path, kind, sparse):
    path = tmp_path / "m.safetensors"
    whole = model_of(kind, sparse=sparse)
    whole.fit(*data(), epochs=4, shuffle=False, verbose=0)
    half = model_of(kind, sparse=sparse)
    half.fit(*data(), epochs=2, shuffle=False, verbose=0)
    half.save(path)
    again = strop.models.load_model(path)
    assert again.optimizer.get_config() == half.optimizer.get_config()
    assert again.optimizer.state_dtype == kind
    for model in (half, again):
        model.fit(*data(), epochs=2, shuffle=False, verbose=0)
        for got, want in zip(model.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_array_equal(got, want)
        for name, want in whole.optimizer.state_tensors().items():
            np.testing.assert_array_equal(model.optimizer.state_tensors()[name], want)


@KINDS
def test_a_file_names_its_moments_by_their_format(tmp_path, kind):
    from safetensors import safe_open

    model = model_of(kind)
    model.fit(*data(), epochs=1, verbose=0)
    model.save(tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", "np") as file:
        names = {name.split("/")[1] for name in file.keys() if name.startswith("optimizer/")}  # noqa: SIM118
    assert names == {"moment1", "moment2", f"moment1.{kind}", f"moment2.{kind}"}


def test_state_of_another_format_is_refused(rng):
    run = Keras(arrays(rng), state_dtype="8bit")
    run.step(arrays(rng))
    other = Keras(arrays(rng), state_dtype="bfloat16")
    other.step(arrays(rng))
    before = other.optimizer.state_tensors()
    with pytest.raises(
        ValueError, match=r"Adam: state must fit the parameters; got tensors that .* 'moment1.8bit/0'"
    ):
        other.optimizer.load_state_tensors(run.optimizer.state_tensors(), 1)
    for name, array in other.optimizer.state_tensors().items():
        np.testing.assert_array_equal(array, before[name])


@KINDS
def test_the_torch_dialect_s_state_goes_on_bit_for_bit(rng, tmp_path, kind):
    start, grads = arrays(rng), [arrays(rng) for _ in range(4)]
    whole = Torch([p.copy() for p in start], "AdamW", state_dtype=kind)
    for each in grads:
        whole.step(each)
    half = Torch([p.copy() for p in start], "AdamW", state_dtype=kind)
    for each in grads[:2]:
        half.step(each)
    half.optimizer.save(tmp_path / "o.safetensors")
    from_file = Torch([p.copy() for p in half.params], "AdamW", state_dtype=kind)
    from_file.optimizer.load(tmp_path / "o.safetensors")
    from_dict = Torch([p.copy() for p in half.params], "AdamW", state_dtype=kind)
    from_dict.optimizer.load_state_dict(half.optimizer.state_dict())
    for run in (half, from_file, from_dict):
        for each in grads[2:]:
            run.step(each)
        for got, want in zip(run.params, whole.params, strict=True):
            np.testing.assert_array_equal(got, want)


def test_the_torch_dialect_refuses_a_state_of_another_format(rng, tmp_path):
    full, compact = Torch(arrays(rng)), Torch(arrays(rng), state_dtype="8bit")
    for run in (full, compact):
        run.step(arrays(rng))
    full.optimizer.save(tmp_path / "o.safetensors")
    want = "have 'exp_avg' of params[0] as uint8 of shape (600, 20); got float32 (600, 16)"
    for load in (
        lambda: compact.optimizer.load_state_dict(full.optimizer.state_dict()),
        lambda: compact.optimizer.load(tmp_path / "o.safetensors"),
    ):
        with pytest.raises(ValueError) as caught:
            load()
        assert want in str(caught.value)
