"""The promise of `strop.config`: the same bits for any number of threads, on every run, and across sets.

Each public kernel of `strop.ops` has its entry in CALLS; one that is forgotten fails a test.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import pytest

import strop
from cases import conv as conv_cases
from cases import depthwise_conv as depthwise_cases
from cases import update
from strop import config, ops
from strop._backend import cpu
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.rowgrad import RowGrad
from test_deferred_adam import Table

THREADS = (1, 2, 3, 8)

#: Public names that compute nothing on arrays.
NO_KERNELS = {
    "ACTIVATIONS",
    "AdamClock",
    "CELLS",
    "CELL_ACTIVATIONS",
    "CompactScratch",
    "FUSED_ACTIVATIONS",
    "Recurrence",
    "POINTWISE_LOSSES",
    "WordTable",
    "bind",
    "choose_gap",
    "moment_spec",
    "nadam_momentum",
    "stored_name",
    "zero_moment",
}

#: Formulas of + - * / and the square root in one order: the same bits on the baseline set, too.
EXACT = {
    "adam_step",
    "argmax",
    "average_pool",
    "average_pool_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "compact_adam_step",
    "compact_ids",
    "count_words",
    "deferred_adam_catch_up",
    "deferred_adam_step",
    "embedding_bag",
    "embedding_bag_backward",
    "embedding_bag_scatter",
    "embedding_lookup",
    "embedding_lookup_backward",
    "find_words",
    "group_norm",
    "group_norm_backward",
    "lamb_step",
    "layer_norm",
    "layer_norm_backward",
    "max",
    "max_pool",
    "max_pool_backward",
    "mean",
    "mean_absolute_error",
    "mean_squared_error",
    "norm",
    "sgd_step",
    "sum",
    *update.STATES,
}


class Data:
    """Arrays of one type; large enough that every number of threads gets some."""

    def __init__(self, dtype):
        self.rng, self.dtype = np.random.default_rng(7), dtype

    def floats(self, *shape):
        return self.rng.standard_normal(shape).astype(self.dtype)

    def positive(self, *shape):
        return abs(self.floats(*shape)) + self.dtype.type(0.1)

    def ids(self, rows, *shape):
        return (self.rng.zipf(1.3, shape) % rows).astype(np.int32)


def matmuls(d):
    for m, n, k in [
        (33, 17, 9),
        (301, 290, 270),
        (1000, 40, 700),
        (5, 3000, 1500),
        (9000, 3, 900),
        (1, 9001, 700),
    ]:
        a, b, bias = d.floats(m, k), d.floats(k, n), d.floats(n)
        yield ops.matmul(a, b, bias=bias, activation="tanh")
        yield ops.matmul(a.T.copy(), b, transpose_a=True)
        yield ops.matmul(a, b.T.copy(), transpose_b=True)


def matmul_backwards(d):
    for m, n, k in [(33, 17, 9), (257, 130, 300), (6000, 24, 16), (128, 512, 257)]:
        grad, output = d.floats(m, n), abs(d.floats(m, n))
        yield from ops.matmul_backward(
            grad, d.floats(m, k), d.floats(k, n), output=output, activation="relu", bias=True
        )


def convs(d, call):
    for x, kernel, settings in [*conv_cases.PARALLEL[:2], *conv_cases.SETTINGS[:8]]:
        call_settings = {**settings, "activation": "tanh"}
        yield from call(d, d.floats(*x), d.floats(*kernel), call_settings, ops.conv, ops.conv_backward)


def depthwise_convs(d, call):
    for x, kernel, settings in [*depthwise_cases.LARGE[:2], *depthwise_cases.SETTINGS]:
        call_settings = {**settings, "activation": "tanh"}
        forward, backward = ops.depthwise_conv, ops.depthwise_conv_backward
        yield from call(d, d.floats(*x), d.floats(*kernel), call_settings, forward, backward)


def conv_forward(d, x, kernel, settings, forward, backward):
    yield forward(x, kernel, **settings)


def conv_gradients(d, x, kernel, settings, forward, backward):
    y = forward(x, kernel, **settings)
    yield from backward(d.floats(*y.shape), x, kernel, **settings, output=y, bias=True)


def adam_steps(d):
    sizes = [3, 0, 2_000_003, 17]
    state = {name: [d.positive(n) for n in sizes] for name in ("param", "moment1", "moment2", "max_moment2")}
    for step in (1, 2):
        ops.adam_step(
            **state, grad=[d.floats(n) for n in sizes], learning_rate=0.01, step=step, weight_decay=0.01
        )
    for arrays in state.values():
        yield from arrays


def compact_adam_steps(d):
    """Vectors and tables in both formats, dense and by rows; float32 whatever the type asked for."""
    d = Data(np.dtype(np.float32))
    shapes = [(700_001,), (60_000, 19), (700, 300), (3,)]
    rows = np.unique(d.ids(60_000, 40_000).astype(np.int64))
    for kind in ("bfloat16", "8bit"):
        params = [d.floats(*shape) for shape in shapes]
        first, second = ([ops.zero_moment(p, kind) for p in params] for _ in range(2))
        for step in (1, 2, 3):
            grads = [d.floats(*shape) for shape in shapes]
            ops.compact_adam_step(
                param=params, grad=grads, moment1=first, moment2=second, learning_rate=0.01, step=step
            )
        grad = RowGrad.trusted(rows, d.floats(len(rows), 19), shapes[1])
        ops.compact_adam_step(
            param=params[1], grad=grad, moment1=first[1], moment2=second[1], learning_rate=0.01, step=4
        )
        yield from (*params, *first, *second)


def sgd_steps(d):
    param, velocity = d.floats(1_500_001), d.floats(1_500_001)
    ops.sgd_step(param=param, velocity=velocity, grad=d.floats(1_500_001), learning_rate=0.1, momentum=0.9)
    rows = np.unique(d.ids(400_000, 300_000).astype(np.int64))
    table = d.floats(400_000, 16)
    grad = RowGrad.trusted(rows, d.floats(len(rows), 16), table.shape)
    ops.sgd_step(param=table, grad=grad, learning_rate=0.1)
    yield from (param, velocity, table)


def update_steps(d, rule):
    """Many tensors twice, each in another setting; then rows of a table."""
    sizes, rows = [3, 0, 300_003, 17], np.unique(d.ids(60_000, 60_000))
    table = d.floats(60_000, 16)
    grad = RowGrad.trusted(rows.astype(np.int64), d.floats(len(rows), 16), table.shape)
    for settings in update.SETTINGS[rule]:
        states, arguments = update.start(rule, settings)
        arguments |= {"step": 7} if rule in update.COUNTED else {}
        arguments |= {"mu_product": 0.1} if rule == "nadam_step" else {}
        arrays = {"param": [d.floats(n) for n in sizes]}
        arrays |= {name: [np.full(n, value, d.dtype) for n in sizes] for name, value in states.items()}
        for decay in ({}, {} if rule == "rprop_step" else {"weight_decay": 0.1, "l2": 0.1}):
            call = getattr(ops, rule)
            call(**arrays, grad=[d.floats(n) for n in sizes], **arguments | decay)
        for each in arrays.values():
            yield from each
    arrays = {name: np.full_like(table, value) for name, value in states.items()}
    call(param=table, **arrays, grad=grad, **arguments)
    yield from (table, *arrays.values())


def lamb_steps(d):
    sizes = [3, 0, 1_500_003, 17, 300_000, 1025, 400_000]
    arrays = {name: [d.positive(n) for n in sizes] for name in ("param", "moment1", "moment2")}
    for step, dialect in enumerate(("torch", "keras"), start=3):
        grad = [d.floats(n) for n in sizes]
        ops.lamb_step(
            **arrays, grad=grad, learning_rate=0.1, step=step, dialect=dialect, weight_decay=0.01, l2=0.01
        )
    for each in arrays.values():
        yield from each


def deferred(d, *, step):
    rows = 60_000
    settings = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7, "eps_mode": "hat", "weight_decay": 0.01}
    table = Table(d.floats(rows, 16), settings)
    for _ in range(3):
        touched = np.sort(d.rng.permutation(rows)[: rows // 2]).astype(np.int64)
        table.take(touched, d.floats(len(touched), 16), 0.01)
    if not step:
        yield table.catch_up(gather=True)
    yield from (table.param, table.moment1, table.moment2)


def bags(d, call):
    rows, ids = 3000, d.ids(3000, 3000, 120)
    yield from call(d, rows, ids, {})
    yield from call(d, rows, ids.astype(np.int64), {"pad_id": 0, "mode": "sum"})


def bag_forward(d, rows, ids, options):
    for width in (5, 16):
        yield ops.embedding_bag(d.floats(rows, width), ids, **options)


def bag_scatter(d, rows, ids, options):
    yield ops.embedding_bag_scatter(d.floats(len(ids), 48), ids, num_rows=rows, **options)


def bag_backward(d, rows, ids, options):
    grad = ops.embedding_bag_backward(d.floats(len(ids), 16), ids, num_rows=rows, **options)
    yield from (grad.rows, grad.values)


def activations(d, *, backward):
    for size in (33, 1_100_003):
        x, grad = d.floats(size), d.floats(size)
        for name in ops.ACTIVATIONS if size < 100 else ("relu", "gelu", "tanh"):
            y = ops.activation(x, name=name)
            yield ops.activation_backward(grad, x, y, name=name) if backward else y


def pointwise(d, loss):
    for shape in [(5, 3), (300_001, 2)]:
        yield from loss(d.floats(*shape), abs(d.floats(*shape)) % 1, sample_weight=d.positive(shape[0]))


def pointwise_losses(d):
    for name in ops.POINTWISE_LOSSES:
        yield from pointwise(d, lambda p, y, name=name, **w: ops.pointwise_loss(abs(p), y, name=name, **w))


def cross_entropies(d):
    for rows, classes in [(5, 3), (4001, 150), (70, 9000)]:
        labels = d.rng.integers(0, classes, rows)
        yield from ops.softmax_cross_entropy(d.floats(rows, classes), labels, label_smoothing=0.1)


def softmaxes(d, forward, backward=None):
    for rows, classes in [(5, 3), (4001, 150), (70, 9000)]:
        x = d.floats(rows, classes)
        yield forward(x) if backward is None else backward(d.floats(rows, classes), forward(x))


def reductions(d, call):
    x = d.floats(3001, 1501)
    for axis in (0, 1, None):
        yield call(x, axis=axis)
    yield call(d.floats(3, 700, 900), axis=1)


def pools(d, call):
    for shape, options in [
        ((9, 61, 50, 33), {"window": 2}),
        ((5, 64, 40, 70), {"window": 3, "strides": 2, "padding": "same"}),
        ((30, 500, 17), {"window": 5, "strides": 3}),
    ]:
        yield call(d, d.floats(*shape), options)


def pools_backward(d, forward, backward):
    def call(d, x, options):
        y = forward(x, **options)
        return backward(d.floats(*y.shape), x, y, **options)

    yield from pools(d, call)


def average_backward(grad, x, y, **options):
    return ops.average_pool_backward(grad, shape=x.shape, **options)


def recurrences(d, *, backward):
    for cell, gates in ops.CELLS.items():
        for batch, steps, inputs, units in [(3, 5, 7, 9), (70, 40, 30, 50), (130, 3, 20, 300)]:
            weights = [d.floats(k, gates * units) / units for k in (inputs, units)]
            bias = d.floats(*((2, gates * units) if cell == "gru" else (gates * units,)))
            mask = d.rng.random((batch, steps)) < 0.8
            run = ops.recurrent(d.floats(batch, steps, inputs), *weights, bias, cell=cell, mask=mask)
            if not backward:
                yield from (run.output, *run.states)
                continue
            *grads, states = ops.recurrent_backward(d.floats(batch, steps, units), run)
            yield from (*grads, *states)


def norms(d, forward, backward, shapes, **settings):
    for shape in shapes:
        x, grad, gamma, beta = d.floats(*shape), d.floats(*shape), d.floats(shape[-1]), d.floats(shape[-1])
        results = forward(x, gamma, beta, **settings)
        yield from results if backward is None else backward(grad, x, gamma, *results[1:], **settings)


def batch_norms(d, backward=None):
    yield from norms(d, ops.batch_norm, backward, [(90, 41, 33), (70_001, 7), (300, 700), (17, 5)])
    mask = d.rng.random((200, 60)) < 0.5
    yield from norms(d, ops.batch_norm, backward, [(200, 60, 40)], mask=mask)


def group_norms(d, backward=None):
    for shape in [(2, 60, 60, 48), (30, 40, 40, 16), (9, 7, 600)]:
        yield from norms(d, ops.group_norm, backward, [shape], groups=4)


def layer_norms(d, backward=None):
    yield from norms(d, ops.layer_norm, backward, [(3001, 65), (150_000, 8), (70, 9000), (5, 3)])


def inferences(d):
    for shape in [(90, 41, 33), (3000, 700)]:
        gamma, beta, mean = (d.floats(shape[-1]) for _ in range(3))
        yield ops.batch_norm_inference(d.floats(*shape), mean, d.positive(shape[-1]), gamma, beta)


def texts(d):
    return [" ".join(map("w{}".format, row)) for row in d.ids(20_000, 3000, 60)]


def lookups(d):
    yield ops.embedding_lookup(d.floats(1000, 16), d.ids(1000, 2000, 150))


def lookups_backward(d):
    grad = ops.embedding_lookup_backward(d.floats(700, 150, 16), d.ids(1000, 700, 150), num_rows=1000)
    yield from (grad.rows, grad.values)


CALLS = {
    "activation": lambda d: activations(d, backward=False),
    "activation_backward": lambda d: activations(d, backward=True),
    "adam_step": adam_steps,
    "argmax": lambda d: reductions(d, ops.argmax),
    "average_pool": lambda d: pools(d, lambda d, x, options: ops.average_pool(x, **options)),
    "average_pool_backward": lambda d: pools_backward(d, ops.average_pool, average_backward),
    "batch_norm": batch_norms,
    "batch_norm_backward": lambda d: batch_norms(d, ops.batch_norm_backward),
    "batch_norm_inference": inferences,
    "binary_cross_entropy": lambda d: pointwise(d, ops.binary_cross_entropy),
    "compact_adam_step": compact_adam_steps,
    "compact_ids": lambda d: ops.compact_ids(d.ids(5000, 300_000), num_rows=5000),
    "conv": lambda d: convs(d, conv_forward),
    "conv_backward": lambda d: convs(d, conv_gradients),
    "count_words": lambda d: ops.count_words(texts(d), delimiters=" "),
    "deferred_adam_catch_up": lambda d: deferred(d, step=False),
    "deferred_adam_step": lambda d: deferred(d, step=True),
    "depthwise_conv": lambda d: depthwise_convs(d, conv_forward),
    "depthwise_conv_backward": lambda d: depthwise_convs(d, conv_gradients),
    "embedding_bag": lambda d: bags(d, bag_forward),
    "embedding_bag_backward": lambda d: bags(d, bag_backward),
    "embedding_bag_scatter": lambda d: bags(d, bag_scatter),
    "embedding_lookup": lookups,
    "embedding_lookup_backward": lookups_backward,
    "find_words": lambda d: ops.find_words(texts(d), [f"w{i}" for i in range(9000)], delimiters=" "),
    "group_norm": group_norms,
    "group_norm_backward": lambda d: group_norms(d, ops.group_norm_backward),
    "lamb_step": lamb_steps,
    "layer_norm": layer_norms,
    "layer_norm_backward": lambda d: layer_norms(d, ops.layer_norm_backward),
    "log_softmax": lambda d: softmaxes(d, ops.log_softmax),
    "log_softmax_backward": lambda d: softmaxes(d, ops.log_softmax, ops.log_softmax_backward),
    "matmul": matmuls,
    "matmul_backward": matmul_backwards,
    "max": lambda d: reductions(d, ops.max),
    "max_pool": lambda d: pools(d, lambda d, x, options: ops.max_pool(x, **options)),
    "max_pool_backward": lambda d: pools_backward(d, ops.max_pool, ops.max_pool_backward),
    "mean": lambda d: reductions(d, ops.mean),
    "mean_absolute_error": lambda d: pointwise(d, ops.mean_absolute_error),
    "mean_squared_error": lambda d: pointwise(d, ops.mean_squared_error),
    "norm": lambda d: reductions(d, ops.norm),
    "pointwise_loss": pointwise_losses,
    "recurrent": lambda d: recurrences(d, backward=False),
    "recurrent_backward": lambda d: recurrences(d, backward=True),
    "sgd_step": sgd_steps,
    "softmax": lambda d: softmaxes(d, ops.softmax),
    "softmax_backward": lambda d: softmaxes(d, ops.softmax, ops.softmax_backward),
    "softmax_cross_entropy": cross_entropies,
    "sum": lambda d: reductions(d, ops.sum),
} | {rule: functools.partial(update_steps, rule=rule) for rule in update.STATES}


def test_no_kernel_is_forgotten():
    assert set(ops.__all__) - NO_KERNELS == set(CALLS)
    assert set(CALLS) >= EXACT


def bits(results):
    return [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in results if a is not None]


def sets_here():
    before = config.isa()
    found = [name for name in cpu.built_isas() if cpu.set_isa(name)]
    cpu.set_isa(before)
    return found


@pytest.fixture
def settings_restored():
    before, count = config.isa(), config.num_threads()
    yield
    cpu.set_isa(before)
    config.set_num_threads(count)


@pytest.mark.usefixtures("settings_restored")
@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_kernel_has_the_same_bits_on_any_number_of_threads_and_any_promised_set(name, dtype):
    want = {}
    for isa in sets_here():
        cpu.set_isa(isa)
        kind = "all" if name in EXACT else isa if isa == "baseline" else "fma"
        for threads in (*THREADS, THREADS[0]):
            config.set_num_threads(threads)
            got = bits(CALLS[name](Data(dtype)))
            assert got == want.setdefault(kind, got), f"{isa}, {threads} threads"


def text_model():
    x, y = (
        np.random.default_rng(0).integers(0, 3000, (1200, 60)),
        np.random.default_rng(1).integers(0, 2, 1200),
    )
    layers = [Embedding(3000, 16), GlobalAveragePooling1D(), Dense(24, "relu"), Dense(1, "sigmoid")]
    return layers, "binary_crossentropy", x, y


def dense_model():
    rng = np.random.default_rng(0)
    layers = [Dense(300, "relu"), Dense(200, "tanh"), Dense(1)]
    return layers, "mse", rng.standard_normal((900, 120)).astype("f"), rng.standard_normal(900).astype("f")


@pytest.mark.usefixtures("settings_restored")
@pytest.mark.parametrize(
    ("make", "optimizer"), [(text_model, "adam"), (text_model, "rmsprop"), (dense_model, "adam")]
)
def test_a_training_run_has_the_same_bits_on_any_number_of_threads_and_set_with_fma(make, optimizer):
    want = {}
    for isa in sets_here():
        cpu.set_isa(isa)
        for threads in THREADS:
            config.set_num_threads(threads)
            strop.utils.set_random_seed(3)
            layers, loss, x, y = make()
            model = strop.Sequential(layers)
            model.compile(optimizer=optimizer, loss=loss)
            history = model.fit(x, y, batch_size=300, epochs=2, verbose=0).history
            got = bits(model.get_weights()), history["loss"], bits([model.predict(x, verbose=0)])
            kind = isa if isa == "baseline" else "fma"
            assert got == want.setdefault(kind, got), f"{isa}, {threads} threads"
