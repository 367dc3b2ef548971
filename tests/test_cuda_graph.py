"""Training by CUDA graphs has the bits of steps one by one, and the CPU's numbers to rounding."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import fake_streams
import strop
from strop import callbacks, layers, optimizers
from strop.training import graph, turns
from strop.training.block import Block
from strop.training.data import Data

pytestmark = pytest.mark.skipif(
    not hasattr(optimizers.Adam, "capturable"), reason="optimizers take no numbers from device memory yet"
)

rng = np.random.default_rng(3)
X = rng.standard_normal((100, 6)).astype("float32")
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype("int64")
IDS = rng.integers(0, 50, (100, 12)).astype("int32")
TAGS = (IDS % 3 == 1)[..., None].astype("float32")
WEIGHT = rng.random(100).astype("float32")


def dense(**settings: Any) -> list[Any]:
    return [strop.Input((6,)), layers.Dense(5, activation="relu"), layers.Dense(1, activation="sigmoid")]


def wide(**settings: Any) -> list[Any]:
    """No chain: it has no room for so many units, and no kernel for the activation."""
    return [strop.Input((6,)), layers.Dense(300, activation="gelu"), layers.Dense(1, activation="sigmoid")]


def noisy(**settings: Any) -> list[Any]:
    drop = [layers.Dropout(0.5), layers.Dense(4, activation="tanh"), layers.Dropout(0.3, seed=4)]
    return [strop.Input((6,)), *drop, layers.Dense(1, activation="sigmoid")]


def reviews(**settings: Any) -> list[Any]:
    bag = [layers.Embedding(50, 4, mask_zero=True), layers.GlobalAveragePooling1D()]
    return [
        strop.Input((12,)),
        *bag,
        layers.Dense(3, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]


def tagger(**settings: Any) -> list[Any]:
    """A mask that reaches the output, and a table without a bag."""
    return [
        strop.Input((12,)),
        layers.Embedding(50, 4, mask_zero=True),
        layers.Dense(1, activation="sigmoid"),
    ]


class Recorded:
    """What has been recorded since the test began: the nodes of each graph."""

    def __init__(self) -> None:
        self.graphs: list[list[str]] = []


@pytest.fixture
def recorded(gpu, monkeypatch) -> Recorded:
    seen = Recorded()
    record = graph.GraphProgram._record

    def watched(self: Any, *args: Any) -> Any:
        made = record(self, *args)
        seen.graphs.append(fake_streams.nodes_of(made[0]) if gpu.simulated else [])
        return made

    monkeypatch.setattr(graph.GraphProgram, "_record", watched)
    return seen


def model_of(make: Any, device: str, optimizer: Any, **compiled: Any) -> Any:
    strop.utils.set_random_seed(1)
    with strop.device(device):
        model = strop.Sequential(make())
    model.compile(optimizer=optimizer(), loss="binary_crossentropy", **({"metrics": ["accuracy"]} | compiled))
    return model


def fitted(
    make: Any, device: str = "cuda", optimizer: Any = optimizers.Adam, graphs: bool = True, **settings: Any
) -> tuple[dict[str, list[float]], list[np.ndarray]]:
    """The history and the weights of a run."""
    model = model_of(make, device, optimizer)
    x, y = (X if make in (dense, wide, noisy) else IDS), (TAGS if make is tagger else Y)
    with pytest.MonkeyPatch.context() as patch:
        if not graphs:
            patch.setattr(turns, "graph_program", lambda *args: None)
        history = model.fit(x, y, **({"batch_size": 8, "epochs": 3, "verbose": 0} | settings))
    return history.history, model.get_weights()


def same(a: Any, b: Any) -> None:
    assert a[0] == b[0]
    for mine, theirs in zip(a[1], b[1], strict=True):
        assert np.array_equal(mine, theirs)


SETTINGS: dict[str, dict[str, Any]] = {
    "shuffled, a short last batch": {},
    "in order": {"shuffle": False},
    "weights of samples": {"sample_weight": WEIGHT},
    "some steps": {"steps_per_epoch": 9},
    "validation": {"validation_split": 0.2},
    "one batch": {"batch_size": 200},
    "batches of one": {"batch_size": 1, "steps_per_epoch": 70, "epochs": 2},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("make", [dense, reviews], ids=lambda f: f.__name__)
def test_graphs_have_the_bits_of_steps_one_by_one(gpu, recorded, make, settings):
    mine = fitted(make, **settings)
    assert recorded.graphs
    same(mine, fitted(make, graphs=False, **settings))
    cpu = fitted(make, device="cpu", **settings)
    for name, values in cpu[0].items():
        np.testing.assert_allclose(mine[0][name], values, rtol=1e-4, atol=1e-5)
    for got, want in zip(mine[1], cpu[1], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"sample_weight": WEIGHT, "validation_split": 0.2}])
def test_masked_steps_count_nowhere(gpu, settings):
    mine, cpu = fitted(tagger, **settings), fitted(tagger, device="cpu", **settings)
    same(mine, fitted(tagger, graphs=False, **settings))
    for name, values in cpu[0].items():
        np.testing.assert_allclose(mine[0][name], values, rtol=1e-4, atol=1e-5)
    for got, want in zip(mine[1], cpu[1], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_a_block_keeps_the_masks_of_its_steps(gpu):
    with strop.device("cuda"):
        block = Block(Data(gpu.asarray(X), gpu.asarray(Y)), 8, 2, [])
        outputs = rng.standard_normal((2, 8, 3, 1)).astype("float32")
        masks = rng.random((2, 8, 3)) < 0.5
        block.record(
            lambda k, _: (gpu.asarray(np.float64(k)), gpu.asarray(outputs[k]), gpu.asarray(masks[k]))
        )
        assert np.array_equal(gpu.host(block.output), outputs)
        assert np.array_equal(gpu.host(block.mask), masks)
        block.record(lambda k, _: (gpu.asarray(np.float64(k)), gpu.asarray(outputs[k]), None))
        assert block.mask is None


@pytest.mark.parametrize("make", [wide, noisy], ids=lambda f: f.__name__)
def test_other_layers(gpu, recorded, make):
    mine = fitted(make)
    assert recorded.graphs
    same(mine, fitted(make, graphs=False))


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1, momentum=0.9),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 7, 0.5)),
    "adamw": lambda: optimizers.AdamW(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5),
    "adamax": lambda: optimizers.Adamax(0.01),
    "dense": lambda: optimizers.Adam(0.01, sparse="dense"),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("make", [dense, reviews], ids=lambda f: f.__name__)
def test_optimizers_and_schedules(gpu, recorded, make, name):
    mine = fitted(make, optimizer=OPTIMIZERS[name])
    assert recorded.graphs
    same(mine, fitted(make, optimizer=OPTIMIZERS[name], graphs=False))


def test_what_the_host_decides_is_not_recorded(gpu, recorded):
    clipped = {"optimizer": lambda: optimizers.Adam(0.01, clipnorm=0.01)}
    same(fitted(dense, **clipped), fitted(dense, graphs=False, **clipped))
    assert not recorded.graphs


def test_a_rate_of_the_users_function_goes_step_by_step(gpu, recorded):
    rates = {"optimizer": lambda: optimizers.SGD(lambda: 0.1)}
    same(fitted(dense, **rates), fitted(dense, graphs=False, **rates))
    assert all(len(nodes) <= 8 for nodes in recorded.graphs)


# ---- callbacks, stops, resumption ----------------------------------------------


class Looks(callbacks.Callback):
    """What a callback sees after each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append((batch, dict(logs), [w.copy() for w in self.model.get_weights()]))
        if batch == 5:
            self.model.optimizer.learning_rate = 0.02


def test_a_callback_sees_every_batch_and_sets_the_rate(gpu, recorded):
    looks, others = Looks(), Looks()
    same(fitted(dense, callbacks=[looks]), fitted(dense, graphs=False, callbacks=[others]))
    assert recorded.graphs
    for (batch, logs, weights), (batch2, logs2, weights2) in zip(looks.seen, others.seen, strict=True):
        assert (batch, logs) == (batch2, logs2)
        assert all(map(np.array_equal, weights, weights2))


class Stops(callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model.stop_training = batch == 7


@pytest.mark.parametrize("make", [dense, reviews], ids=lambda f: f.__name__)
def test_an_early_stop(gpu, make):
    same(fitted(make, callbacks=[Stops()]), fitted(make, graphs=False, callbacks=[Stops()]))


def test_weights_that_were_replaced_are_those_that_train(gpu, recorded):
    runs = []
    for graphs in (True, False):
        model = model_of(dense, "cuda", optimizers.Adam)
        with pytest.MonkeyPatch.context() as patch:
            if not graphs:
                patch.setattr(turns, "graph_program", lambda *args: None)
            first = model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history["loss"]
            model.set_weights([w + 1 for w in model.get_weights()])
            second = model.fit(X[:50], Y[:50], batch_size=8, epochs=2, verbose=0).history["loss"]
            model.to("cpu").to("cuda")
            third = model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history["loss"]
            model.optimizer.beta_1 = 0.5
            fourth = model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history["loss"]
        runs.append(({"loss": first + second + third + fourth}, model.get_weights()))
    same(*runs)


def test_a_graph_of_other_samples_is_the_same_graph(gpu, recorded):
    model = model_of(dense, "cuda", optimizers.Adam)
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    before = len(recorded.graphs)
    model.fit(X + 1, Y, batch_size=8, epochs=2, verbose=0)
    assert len(recorded.graphs) == before


# ---- what goes wrong -----------------------------------------------------------


def test_a_layer_that_needs_the_host_trains_step_by_step(gpu, recorded):
    class Asks(layers.Layer):
        capturable = True  # which is a mistake

        def forward(self, x: Any, *, training: bool = False, mask: Any = None) -> Any:
            factor = 1.0 if float(x.sum().get()) > 1e9 else 2.0
            return x * np.float32(factor), factor

        def backward(self, grad: Any, saved: Any, need_x: bool = True) -> Any:
            return grad * np.float32(saved), []

    def asks() -> list[Any]:
        return [strop.Input((6,)), Asks(), layers.Dense(1, activation="sigmoid")]

    mine = fitted(asks)
    assert not recorded.graphs
    same(mine, fitted(asks, graphs=False))
    assert not gpu.cupy.cuda.get_current_stream().is_capturing()


class Alternates(layers.Layer):
    """Draws on the host, which a graph would do once."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.drawn = np.random.default_rng(3)

    def forward(self, x: Any, *, training: bool = False, mask: Any = None) -> Any:
        name = "relu" if training and self.drawn.random() < 0.5 else "tanh"
        y = strop.ops.activation(x, name=name)
        return y, (x, y, name)

    def backward(self, grad: Any, saved: Any, need_x: bool = True) -> Any:
        x, y, name = saved
        return strop.ops.activation_backward(grad, x, y, name=name), []


class Tanh(Alternates):
    """The same function always, as it says."""

    capturable = True

    def forward(self, x: Any, *, training: bool = False, mask: Any = None) -> Any:
        return super().forward(x)


@pytest.mark.parametrize("layer", [Alternates, Tanh])
def test_code_of_the_users_is_recorded_where_it_says_so(gpu, recorded, layer):
    def own() -> list[Any]:
        return [strop.Input((6,)), layers.Dense(4), layer(), layers.Dense(1, activation="sigmoid")]

    mine = fitted(own)
    assert bool(recorded.graphs) == (layer is Tanh)
    same(mine, fitted(own, graphs=False))


def test_functions_and_optimizers_of_the_users_are_not_recorded(gpu, recorded):
    def relu(x: Any) -> Any:
        return strop.ops.activation(x, name="relu")

    relu.backward = lambda grad, x, y: strop.ops.activation_backward(grad, x, y, name="relu")

    def own() -> list[Any]:
        return [strop.Input((6,)), layers.Dense(4, activation=relu), layers.Dense(1, activation="sigmoid")]

    class Slower(optimizers.SGD):
        pass

    same(fitted(own), fitted(own, graphs=False))
    same(fitted(dense, optimizer=Slower), fitted(dense, optimizer=Slower, graphs=False))
    assert not recorded.graphs
    relu.capturable = True
    same(fitted(own), fitted(own, graphs=False))
    assert recorded.graphs


def test_no_memory_for_a_graph(gpu, recorded):
    if not gpu.simulated:
        pytest.skip("memory runs out where it is simulated")
    want = fitted(dense, graphs=False)
    fake_streams.Memory.left = 3
    try:
        same(fitted(dense), want)
    finally:
        fake_streams.Memory.left = None
    assert not recorded.graphs


def test_an_interrupt_between_launches_leaves_whole_steps(gpu, monkeypatch):
    class Interrupts(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 10:
                raise KeyboardInterrupt

    model = model_of(dense, "cuda", optimizers.Adam)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=8, verbose=0, callbacks=[Interrupts()])
    assert model.optimizer.iterations == 11
    other = model_of(dense, "cuda", optimizers.Adam)
    monkeypatch.setattr(turns, "graph_program", lambda *args: None)
    other.fit(X, Y, batch_size=8, steps_per_epoch=11, verbose=0)
    assert all(map(np.array_equal, model.get_weights(), other.get_weights()))


def test_a_bad_id_is_told_at_the_end_of_the_epoch(gpu):
    model = model_of(reviews, "cuda", optimizers.Adam)
    ids = IDS.copy()
    ids[70, 3] = 50
    with pytest.raises(IndexError):
        model.fit(ids, Y, batch_size=8, epochs=2, verbose=0)


def test_the_memory_of_graphs_goes_with_the_plan(gpu, recorded):
    if not gpu.simulated:
        pytest.skip("pools are counted where they are simulated")
    model = model_of(dense, "cuda", optimizers.Adam)
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    program = weakref.ref(model._plan.program)
    assert isinstance(program(), graph.GraphProgram)
    model.to("cpu")
    gc.collect()
    assert program() is None


# ---- a graph of the user's own -------------------------------------------------


def test_a_users_own_graph_goes_on_counting(gpu):
    """The example of docs/gpu.md, against eager steps."""
    cupy = gpu.cupy
    x, target = gpu.asarray(X), gpu.asarray(Y[:, None].astype("float32"))

    def step(weight: Any, optimizer: Any) -> None:
        _, grad = strop.ops.binary_cross_entropy(strop.ops.matmul(x, weight), target)
        _, grad_weight, _ = strop.ops.matmul_backward(grad, x, weight, need_a=False)
        optimizer.apply([grad_weight], [weight])

    rates = [0.1, 0.1, 0.05, 0.02, 0.02]
    eager, own = optimizers.Adam(0.1), optimizers.Adam(0.1)
    weights = [gpu.asarray(np.zeros((6, 1), "float32")) for _ in range(2)]
    for rate in rates:
        eager.learning_rate = rate
        step(weights[0], eager)
    own.learning_rate = rates[0]
    step(weights[1], own)  # the first one makes the state

    pool = cupy.cuda.MemoryPool()
    rate, number = cupy.zeros((), "float64"), cupy.zeros((), "int64")
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream, cupy.cuda.using_allocator(pool.malloc), own.numbers_from(rate, number):
        stream.begin_capture()
        step(weights[1], own)
        captured = stream.end_capture()
    for value in rates[1:]:
        rate.set(np.array(value))
        number.set(np.array(own.iterations + 1))
        captured.launch()
        own.counted(1)
    assert own.iterations == eager.iterations == 5
    assert np.array_equal(gpu.host(weights[1]), gpu.host(weights[0]))
