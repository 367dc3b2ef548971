"""A regressor for scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d

from .base import StropEstimator

Array = NDArray[Any]


class StropRegressor(RegressorMixin, StropEstimator):  # type: ignore[misc]
    """A network as a regressor of scikit-learn, of one number or several.

    Targets far from the range of -3 to 3 train badly: wrap it in `TransformedTargetRegressor` with a `StandardScaler`.

    Args:
        model: function of the numbers of features and of outputs that makes a compiled model. None makes a multi-layer
            perceptron from the other settings.
        hidden_layer_sizes: units of each hidden layer.
        activation: of the hidden layers.
        loss: name or `Loss`.
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
        callbacks: list of `strop.callbacks.Callback`, for every fit.
        random_state: int for a fit that repeats bit for bit.
        verbose: as of `fit` of a model: 0, 1 or 2.
        warm_start: go on from the weights of the last fit.

    Attributes:
        model_: the fitted model.
        n_iter_: epochs run.
        loss_curve_: the training loss of each epoch.
        n_features_in_: number of features.
        n_outputs_: number of outputs.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.compose import TransformedTargetRegressor
        >>> from sklearn.preprocessing import StandardScaler
        >>> x, y = load_diabetes(return_X_y=True)
        >>> network = StropRegressor((32,), learning_rate=0.01, max_iter=60, random_state=0)
        >>> model = TransformedTargetRegressor(network, transformer=StandardScaler())
        >>> bool(model.fit(x * 20, y).score(x * 20, y) > 0.5)
        True
    """

    loss: Any

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        activation: str = "relu",
        *,
        model: Callable[[int, int], Any] | None = None,
        loss: Any = "mse",
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
        callbacks: Sequence[Any] | None = None,
        random_state: Any = None,
        verbose: Any = 0,
        warm_start: bool = False,
    ) -> None:
        self._keep(locals())

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these samples, from the weights as they stand.

        Args:
            X: numbers, (N, D).
            y: numbers, (N,) or (N, O).
            sample_weight: 0 or more, (N,).

        Returns:
            The estimator.
        """
        return self._fit(X, y, sample_weight, goes_on=True, once=True)

    def predict(self, X: Any) -> Array:
        """The number of each sample, (N,), or (N, O) where the fit had several."""
        output = self._output(X)
        return output[:, 0] if self._flat else output

    def _target_checks(self) -> dict[str, Any]:
        return {"multi_output": True, "y_numeric": True}

    def _read_targets(self, y: Any, first: bool, classes: Any = None) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        outputs = y.shape[1] if y.ndim == 2 else 1
        if first:
            self.n_outputs_, self._flat = outputs, y.ndim == 1
        elif outputs != self.n_outputs_:
            raise ValueError(
                f"StropRegressor: y must have {self.n_outputs_} columns as before; got {outputs}"
            )
        target: Array = np.asarray(y, np.float64).reshape(len(y), -1)
        return target

    def _outputs(self) -> tuple[int, str, Any]:
        return self.n_outputs_, "linear", self.loss

    def _sizes(self) -> int:
        return self.n_outputs_
