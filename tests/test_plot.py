"""Pictures: the numbers in them are exact, and nothing outside the given Axes changes."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from strop import plot
from strop.callbacks import History

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def curve_data(rng, count, ties):
    truth = rng.integers(0, 2, count)
    truth[:2] = 0, 1
    scores = rng.normal(truth, 1.5)
    return truth, np.round(scores, 1) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("count", [2, 3, 10, 257, 5000])
def test_points_and_areas_are_those_of_scikit_learn(rng, count, ties, weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, scores = curve_data(rng, count, ties)
    weight = rng.random(count) + 0.01 if weighted else None
    false, true, thresholds = metrics.roc_curve(truth, scores, sample_weight=weight, drop_intermediate=False)
    got = plot.roc_points(truth, scores, weight)
    for mine, want in zip(got, (false, true, thresholds), strict=True):
        np.testing.assert_allclose(mine, want, rtol=1e-12, atol=1e-15)
    assert plot.roc_area(truth, scores, weight) == pytest.approx(
        metrics.roc_auc_score(truth, scores, sample_weight=weight), rel=1e-12
    )
    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores, sample_weight=weight)
    got = plot.precision_recall_points(truth, scores, weight)
    np.testing.assert_allclose(got[0][::-1], precision, rtol=1e-12)
    np.testing.assert_allclose(got[1][::-1], recall, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(got[2][:0:-1], thresholds)
    assert plot.average_precision(truth, scores, weight) == pytest.approx(
        metrics.average_precision_score(truth, scores, sample_weight=weight), rel=1e-12
    )


def test_the_area_counts_pairs_ties_half(rng):
    truth, scores = curve_data(rng, 200, ties=True)
    ones, zeros = scores[truth == 1], scores[truth == 0]
    pairs = ones[:, None] - zeros
    want = ((pairs > 0).sum() + (pairs == 0).sum() / 2) / pairs.size
    assert plot.roc_area(truth, scores) == pytest.approx(want, rel=1e-12)


def test_scores_without_order_give_chance():
    assert plot.roc_area([0, 1, 0, 1], [0.5] * 4) == 0.5
    assert plot.average_precision([0, 1, 0, 1], [0.5] * 4) == 0.5
    assert plot.average_precision([1, 1], [0.1, 0.2]) == 1.0


@pytest.mark.parametrize("draw", [plot.roc_curve, plot.precision_recall_curve])
def test_curves_draw_the_points(draw, rng, axes):
    truth, scores = curve_data(rng, 50, ties=True)
    assert draw(truth, scores[:, None], ax=axes) is axes
    (line,) = [line for line in axes.lines if line.get_gid() == "curve"]
    if draw is plot.roc_curve:
        want = plot.roc_points(truth, scores)[:2]
    else:
        precision, recall, _ = plot.precision_recall_points(truth, scores)
        want = recall, precision
        assert line.get_drawstyle() == "steps-pre"
    np.testing.assert_array_equal(line.get_xdata(), want[0])
    np.testing.assert_array_equal(line.get_ydata(), want[1])
    draw(truth, -scores, labels="worse", ax=axes)  # a second model in the same picture
    lines = [line for line in axes.lines if line.get_gid() == "curve"]
    assert len({line.get_color() for line in lines}) == len({line.get_linestyle() for line in lines}) == 2
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(texts) == 3
    assert texts[2].startswith("chance")


def test_several_classes_have_a_curve_each(rng):
    scores = rng.random((90, 3))
    truth = np.arange(90) % 3
    ax = plot.roc_curve(truth, scores)
    lines = [line for line in ax.lines if line.get_gid() == "curve"]
    for i, line in enumerate(lines):
        np.testing.assert_array_equal(line.get_ydata(), plot.roc_points(truth == i, scores[:, i])[1])
        assert line.get_label().startswith(f"class {i}, area ")
    two = plot.precision_recall_curve(truth > 0, scores[:, :2])
    np.testing.assert_array_equal(
        two.lines[-1].get_ydata(), plot.precision_recall_points(truth > 0, scores[:, 1])[0]
    )


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_confusion_matrix_is_that_of_scikit_learn(rng, normalize, weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, predicted = rng.integers(0, 4, (2, 80))
    weight = rng.random(80) if weighted else None
    ax = plot.confusion_matrix(truth, predicted, normalize=normalize, sample_weight=weight)
    want = metrics.confusion_matrix(truth, predicted, normalize=normalize, sample_weight=weight)
    np.testing.assert_allclose(ax.images[0].get_array(), want, rtol=1e-12)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1", "2", "3"]


def test_the_confusion_matrix_takes_what_predict_gives():
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.4, 0.5, 0.1]])
    ax = plot.confusion_matrix([0, 1, 0], probabilities, labels=["a", "b", "c"])
    assert ax.images[0].get_array().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert [t.get_text() for t in ax.texts] == ["1", "1", "0", "0", "1", "0", "0", "0", "0"]
    ax = plot.confusion_matrix([[0.0], [1.0]], np.array([[0.5], [0.6]], np.float32))
    assert ax.images[0].get_array().tolist() == [[1, 0], [0, 1]]
    ax = plot.confusion_matrix(np.eye(3), probabilities, normalize="true")
    assert ax.images[0].get_array()[2].tolist() == [0, 1, 0]
    many = plot.confusion_matrix(np.arange(40), np.arange(40))
    assert not many.texts
    assert len(many.figure.axes) == 2  # a scale of colours instead of numbers


def test_the_history_is_drawn_with_its_best(axes):
    record = History()
    record.epoch = [3, 4, 5]
    record.history = {
        "loss": [3.0, 2.0, 1.0],
        "accuracy": [0.1, 0.2, 0.3],
        "val_loss": [2.0, 1.5, 1.75],
        "val_accuracy": [0.5, float("nan"), 0.4],
    }
    plot.history(record, ax=axes)
    drawn = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert list(drawn) == ["training", "validation, best 1.5000 at epoch 5"]
    assert drawn["training"].get_xdata().tolist() == [4, 5, 6]
    both = plot.history(record, ["loss", "accuracy"])
    labels = both.get_legend_handles_labels()[1]
    assert labels[3] == "validation accuracy, best 0.5000 at epoch 4"
    sparse = History()
    sparse.epoch, sparse.history = [0, 1, 2, 3], {"loss": [1.0] * 4, "val_loss": [1.0, 2.0]}
    assert plot.history(sparse, best=False).lines[1].get_xdata().tolist() == [2, 4]
    rising = plot.history({"val_f1_score": [0.1, 0.9, 0.3]}, "f1_score")
    assert rising.get_legend_handles_labels()[1] == ["validation, best 0.9000 at epoch 2"]


def test_the_learning_curve_has_mean_and_band(axes):
    scores = {"loss": np.ones((3, 2)), "accuracy": np.array([[0.5, 0.7], [0.8, 0.8], [0.9, 1.0]])}
    curve = SimpleNamespace(sizes=[10, 100, 1000], train=scores, validation=scores)
    plot.learning_curve(curve, ax=axes)
    assert axes.get_ylabel() == "accuracy"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.6, 0.8, 0.95])
    assert axes.get_xscale() == "log"
    assert plot.learning_curve(curve, "loss").get_ylabel() == "loss"


CURVE = SimpleNamespace(sizes=[1], train={"loss": [[1.0]]}, validation={"loss": [[1.0]]})


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: plot.roc_points([0, 2], [1, 2]),
            ValueError,
            "roc_points: y_true must be 0 or 1; got 2 at sample 1",
        ),
        (
            lambda: plot.roc_points([0, 0], [1, 2]),
            ValueError,
            "roc_points: y_true must hold both 0 and 1; got no 1 that has weight",
        ),
        (
            lambda: plot.roc_points([0, 1], [1, 2], [0, 1]),
            ValueError,
            "roc_points: y_true must hold both 0 and 1; got no 0 that has weight",
        ),
        (
            lambda: plot.roc_points([0, 1], [1, float("nan")]),
            ValueError,
            "roc_points: y_score must be a number; got nan at sample 1",
        ),
        (
            lambda: plot.roc_points([0, 1], [1, 2, 3]),
            ValueError,
            "roc_points: y_score must have as many samples as y_true (2); got 3",
        ),
        (
            lambda: plot.roc_points([0, 1], [1, 2], [1, -1]),
            ValueError,
            "roc_points: sample_weight must be finite and 0 or more; got -1 at sample 1",
        ),
        (lambda: plot.roc_points([], []), ValueError, "roc_points: y_true must hold a sample; got 0"),
        (
            lambda: plot.roc_points([[0, 1]], [1, 2]),
            ValueError,
            "roc_points: y_true must have one value per sample; got shape (1, 2)",
        ),
        (
            lambda: plot.roc_points(["a", "b"], [1, 2]),
            TypeError,
            "roc_points: y_true must hold numbers; got a <U1 array of shape (2,)",
        ),
        (
            lambda: plot.precision_recall_points([0, 0], [1, 2]),
            ValueError,
            "precision_recall_points: y_true must hold a 1; got none that has weight",
        ),
        (
            lambda: plot.roc_curve([0, 3], np.ones((2, 3))),
            ValueError,
            "plot.roc_curve: y_true must lie in [0, 3) for 3 columns of y_score; got 3 at sample 1",
        ),
        (
            lambda: plot.roc_curve([0, 1], np.ones((2, 3)), labels=["a"]),
            ValueError,
            "plot.roc_curve: labels must name each curve (3); got 1",
        ),
        (
            lambda: plot.roc_curve([0, 1], np.ones((2, 1, 1))),
            ValueError,
            "plot.roc_curve: y_score must be (N,) or (N, C); got shape (2, 1, 1)",
        ),
        (
            lambda: plot.roc_curve([0, 1], [1, 2], ax="here"),
            TypeError,
            "plot.roc_curve: ax must be a matplotlib Axes or None; got str",
        ),
        (
            lambda: plot.confusion_matrix([0, 1], [1]),
            ValueError,
            "plot.confusion_matrix: y_pred must have as many samples as y_true (2); got 1",
        ),
        (
            lambda: plot.confusion_matrix([0, 1], ["a", "b"]),
            ValueError,
            "plot.confusion_matrix: y_pred must hold classes like y_true; got str32 beside int64",
        ),
        (
            lambda: plot.confusion_matrix([0, 5], np.ones((2, 3))),
            ValueError,
            "plot.confusion_matrix: y_true must lie in [0, 3) for these predictions; got 5 at sample 1",
        ),
        (
            lambda: plot.confusion_matrix([0, 1], [0, 1], labels=["a"]),
            ValueError,
            "plot.confusion_matrix: labels must name each class (2); got 1",
        ),
        (
            lambda: plot.confusion_matrix([0, 1], [0, 1], normalize="rows"),
            ValueError,
            "plot.confusion_matrix: normalize must be None, 'true', 'pred' or 'all'; got 'rows'",
        ),
        (
            lambda: plot.confusion_matrix([], []),
            ValueError,
            "plot.confusion_matrix: y_true must hold a sample; got 0",
        ),
        (
            lambda: plot.confusion_matrix([0.0, float("nan")], [0, 1]),
            ValueError,
            "plot.confusion_matrix: y_true must hold classes; got nan at sample 1",
        ),
        (
            lambda: plot.history({"loss": [1.0]}, "los"),
            ValueError,
            "plot.history: metrics must be values of this fit (loss); got 'los'; did you mean 'loss'",
        ),
        (
            lambda: plot.history([1.0]),
            TypeError,
            "plot.history: history must be what fit returns, or a dict of lists; got list",
        ),
        (
            lambda: plot.history({"loss": [[1.0, 2.0]]}),
            ValueError,
            "plot.history: loss must have one number per epoch; got something else",
        ),
        (
            lambda: plot.history({"loss": [1.0]}, []),
            ValueError,
            "plot.history: metrics must name a value; got none",
        ),
        (
            lambda: plot.learning_curve(CURVE, "acc"),
            ValueError,
            "plot.learning_curve: metric must be a score of this curve (loss); got 'acc'",
        ),
        (
            lambda: plot.learning_curve([1]),
            TypeError,
            "plot.learning_curve: curve must be what model_selection.learning_curve returns; got list",
        ),
        (
            lambda: plot.learning_curve(
                SimpleNamespace(sizes=[1, 2], train=CURVE.train, validation=CURVE.train)
            ),
            ValueError,
            "plot.learning_curve: train must have scores (2, folds) for 2 sizes; got shape (1, 1)",
        ),
    ],
)
def test_bad_input_is_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def test_nothing_opens_a_window_or_changes_a_setting(tmp_path):
    program = """
import matplotlib, sys
# Asking for the back end would choose one and import pyplot.
names = [name for name in matplotlib.rcParams if name != "backend"]
before = {name: matplotlib.rcParams[name] for name in names}
from strop import plot
ax = plot.history({"loss": [1.0, 0.5], "val_loss": [1.0, 0.7]})
plot.roc_curve([0, 1, 1], [0.1, 0.2, 0.3]); plot.precision_recall_curve([0, 1, 1], [0.1, 0.2, 0.3])
plot.confusion_matrix([0, 1], [1, 1])
ax.figure.savefig(sys.argv[1])
assert {name: matplotlib.rcParams[name] for name in names} == before
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "picture.png")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_package_does_not_import_matplotlib_before_a_picture():
    program = "import strop, sys; strop.plot.roc_area([0, 1], [0, 1]); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_without_matplotlib_the_way_to_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError) as caught:
        plot.history({"loss": [1.0]})
    assert str(caught.value) == 'no pictures: matplotlib must be installed; pip install "strop[plot]"'


def test_a_network_is_boxes_and_arrows(axes):
    import strop
    from strop.layers import Add, Dense

    x = strop.Input((4,))
    shared = Dense(4, name="shared")
    model = strop.Model(x, Dense(1)(Add()([x, shared(shared(x))])))
    ax = strop.utils.plot_model(model, ax=axes)
    assert ax is axes
    boxes = [text.get_text() for text in ax.texts if text.get_text()]
    assert boxes == [
        "input (Input)\n(None, 4), 0 parameters",
        "shared (Dense)\n(None, 4), 20 parameters",
        "add (Add)\n(None, 4), 0 parameters",
        "dense (Dense)\n(None, 1), 5 parameters",
    ]
    assert sum(not text.get_text() for text in ax.texts) == 5  # arrows: the shared layer's own too
    chain = strop.Sequential([Dense(3), Dense(1)])
    titles = [t.get_text() for t in plot.network(chain, show_shapes=False).texts if t.get_text()]
    assert titles == ["dense (Dense)", "dense_1 (Dense)"]
    with pytest.raises(TypeError, match=r"^plot\.network: model must be a Sequential or a Model; got int$"):
        plot.network(3)
    with pytest.raises(ValueError, match=r"^plot\.network: model must have a layer; got an empty one$"):
        plot.network(strop.Sequential())


def test_a_notebook_shows_axes_of_our_own_figures():
    # IPython asks an object that ends a cell for _repr_png_; a figure of the caller's is drawn by pyplot already.
    values = {"loss": [0.5, 0.4]}
    ax = plot.history(values)
    assert ax._repr_png_().startswith(b"\x89PNG")
    assert ax.figure._repr_png_() == ax._repr_png_()
    from matplotlib.figure import Figure

    given = Figure().subplots()
    assert not hasattr(plot.history(values, ax=given), "_repr_png_")
