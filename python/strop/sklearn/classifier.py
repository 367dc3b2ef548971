"""A classifier for scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from ..losses import CategoricalCrossentropy
from ..utils import to_categorical
from .base import StropEstimator

Array = NDArray[Any]


class StropClassifier(ClassifierMixin, StropEstimator):  # type: ignore[misc]
    """A network as a classifier of scikit-learn: two classes or more, labels of any kind.

    Args:
        model: function of the numbers of features and of classes that makes a compiled model; it ends in one sigmoid
            unit, for two classes, or in a softmax over the classes. None makes a multi-layer perceptron from the other
            settings.
        hidden_layer_sizes: units of each hidden layer.
        activation: of the hidden layers.
        alpha: strength of the L2 penalty on the weights.
        dropout: share of hidden units that is dropped in training.
        dtype: `"float32"` or `"float64"`; None takes that of X, as scikit-learn does. float32 is about twice as fast.
        optimizer: name or `Optimizer`.
        learning_rate: of the optimizer; None leaves its own.
        batch_size: samples per step; `"auto"` is `min(200, N)`.
        max_iter: epochs at most.
        shuffle: whether each epoch takes the samples in a new order.
        early_stopping: hold out `validation_fraction` of the samples, stop when their loss no longer falls, and keep
            the weights of the best epoch. Without it training stops when the loss on the training data no longer falls.
        validation_fraction: share that is held out.
        n_iter_no_change: epochs without improvement by `tol` after which to stop.
        tol: an improvement must be greater.
        class_weight: weights by class, `"balanced"`, or None.
        callbacks: list of `strop.callbacks.Callback`, for every fit.
        random_state: int for a fit that repeats bit for bit.
        verbose: as of `fit` of a model: 0, 1 or 2.
        warm_start: go on from the weights of the last fit.

    Attributes:
        classes_: the classes, sorted.
        model_: the fitted model.
        n_iter_: epochs run.
        loss_curve_: the training loss of each epoch.
        n_features_in_: number of features.
        feature_names_in_: names of the features, where x had them.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> x, y = load_iris(return_X_y=True)
        >>> classifier = make_pipeline(StandardScaler(), StropClassifier((16,), learning_rate=0.01, random_state=0))
        >>> bool(classifier.fit(x, y).score(x, y) > 0.95)
        True
    """

    classes_: Array

    class_weight: Any

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        activation: str = "relu",
        *,
        model: Callable[[int, int], Any] | None = None,
        alpha: float = 0.0,
        dropout: float = 0.0,
        dtype: str | None = None,
        optimizer: Any = "adam",
        learning_rate: float | None = None,
        batch_size: Any = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        class_weight: Any = None,
        callbacks: Sequence[Any] | None = None,
        random_state: Any = None,
        verbose: Any = 0,
        warm_start: bool = False,
    ) -> None:
        self._keep(locals())

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on these samples, from the weights as they stand.

        Args:
            X: numbers, (N, D).
            y: classes, (N,).
            classes: all classes, (C,); needed in the first call.
            sample_weight: 0 or more, (N,).

        Returns:
            The estimator.
        """
        if not hasattr(self, "model_"):
            if classes is None:
                raise ValueError(
                    "StropClassifier: classes must be given in the first call of partial_fit; got None"
                )
        else:
            known = self.classes_
            if classes is not None and not np.array_equal(np.unique(classes), known):
                raise ValueError(
                    f"StropClassifier: classes must be those of the first call {known}; got {classes}"
                )
            classes = known
        return self._fit(X, y, sample_weight, goes_on=True, once=True, classes=classes)

    def predict(self, X: Any) -> Array:
        """The likeliest class of each sample, (N,)."""
        probabilities = self.predict_proba(X)
        found: Array = self.classes_[probabilities.argmax(1)]
        return found

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (N, C), float64; each row sums to 1."""
        output = self._output(X)
        if output.shape[1] == 1:
            return np.hstack([1 - output, output])
        result: Array = output / output.sum(1, keepdims=True)
        return result

    def _read_targets(self, y: Any, first: bool, classes: Any = None) -> Array:
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        named = self.classes_ if not first else np.unique(y if classes is None else classes)
        if len(named) < 2:
            raise ValueError(f"StropClassifier: y must hold at least two classes; got 1 class, {named[0]!r}")
        places: Array = np.searchsorted(named, y)
        known = named[np.minimum(places, len(named) - 1)] == y
        if not known.all():
            raise ValueError(f"StropClassifier: y must hold classes of {named}; got {y[~known][0]!r}")
        self.classes_ = named  # at the end: a refused fit leaves those of the model that there is
        return places

    def _outputs(self) -> tuple[int, str, Any]:
        if len(self.classes_) == 2:
            return 1, "sigmoid", "binary_crossentropy"
        return len(self.classes_), "softmax", "sparse_categorical_crossentropy"

    def _sizes(self) -> int:
        return len(self.classes_)

    def _as_model_reads(self, target: Array) -> Array:
        if isinstance(self.model_.loss, CategoricalCrossentropy):
            return to_categorical(target, len(self.classes_))
        return target

    def _strata(self, y: Array) -> Array | None:
        return y.argmax(1) if y.ndim == 2 else y

    def _weigh_classes(self, weight: Array, target: Array) -> Array:
        if self.class_weight is None:
            return weight
        labels = self.classes_[target]
        by_class = compute_class_weight(self.class_weight, classes=np.unique(labels), y=labels)
        weighed: Array = weight * by_class[np.unique(labels, return_inverse=True)[1]]
        return weighed
