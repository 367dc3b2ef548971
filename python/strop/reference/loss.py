"""Losses and their gradients in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activation import sigmoid, softplus
from .softmax import log_softmax, softmax

Float64 = NDArray[np.float64]
LossAndGradient = tuple[float, Float64]


def _rows(a: NDArray[Any]) -> Float64:
    """(N, D): every axis but the last is a row."""
    a = np.asarray(a, np.float64)
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) if a.ndim > 1 else a.reshape(-1, 1)


def _weighted(
    terms: Float64, slopes: Float64, weight: NDArray[Any] | None, shape: tuple[int, ...]
) -> LossAndGradient:
    """Mean over a row, then sum(w l) / n over the rows."""
    if terms.size == 0:
        return 0.0, np.zeros(shape)
    w = np.ones(len(terms)) if weight is None else np.asarray(weight, np.float64).ravel()
    loss = float((w * terms.mean(axis=1)).sum() / len(terms))
    return loss, (w[:, None] * slopes / terms.size).reshape(shape)


def mean_squared_error(
    pred: NDArray[Any], target: NDArray[Any], *, sample_weight: NDArray[Any] | None = None
) -> LossAndGradient:
    """The mean of (p - y)^2.

    Example:
        >>> mean_squared_error(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
        (2.0, array([0., 2.]))
    """
    error = _rows(pred) - _rows(target)
    return _weighted(error**2, 2 * error, sample_weight, pred.shape)


def mean_absolute_error(
    pred: NDArray[Any], target: NDArray[Any], *, sample_weight: NDArray[Any] | None = None
) -> LossAndGradient:
    """The mean of |p - y|.

    Example:
        >>> mean_absolute_error(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
        (1.0, array([0. , 0.5]))
    """
    error = _rows(pred) - _rows(target)
    return _weighted(np.abs(error), np.sign(error), sample_weight, pred.shape)


def binary_cross_entropy(
    logits: NDArray[Any], target: NDArray[Any], *, sample_weight: NDArray[Any] | None = None
) -> LossAndGradient:
    """-(y log p + (1 - y) log(1 - p)) with p = sigmoid(z).

    Example:
        >>> loss, _ = binary_cross_entropy(np.array([[2.0], [-1.0]]), np.array([[1.0], [0.0]]))
        >>> round(loss, 6)
        0.220095
    """
    z, y = _rows(logits), _rows(target)
    terms = y * softplus(-z) + (1 - y) * softplus(z)
    return _weighted(terms, sigmoid(z) - y, sample_weight, logits.shape)


def _terms(name: str, p: Float64, y: Float64, delta: float) -> tuple[Float64, Float64]:
    """Term and slope of each element."""
    error, tiny = p - y, 1e-7
    if name == "mean_squared_error":
        return error**2, 2 * error
    if name == "mean_absolute_error":
        return np.abs(error), np.sign(error)
    if name == "mean_absolute_percentage_error":
        scale = 100 / np.maximum(np.abs(y), tiny)
        return np.abs(error) * scale, np.sign(error) * scale
    if name == "mean_squared_logarithmic_error":
        ratio = np.log1p(np.maximum(p, tiny)) - np.log1p(np.maximum(y, tiny))
        return ratio**2, np.where(p < tiny, 0, 2 * ratio / (1 + p))
    if name == "huber":
        near, far = np.abs(error) <= delta, delta * (np.abs(error) - delta / 2)
        return np.where(near, error**2 / 2, far), np.where(near, error, delta * np.sign(error))
    if name == "log_cosh":
        return np.logaddexp(error, -error) - math.log(2), np.tanh(error)
    if name == "poisson":
        return p - y * np.log(p + tiny), 1 - y / (p + tiny)
    if name in ("hinge", "squared_hinge"):
        margin = np.maximum(1 - y * p, 0)
        slopes = np.where(np.isnan(margin), margin, -y * (margin > 0))
        return (margin, slopes) if name == "hinge" else (margin**2, -2 * y * margin)
    y = np.clip(y, tiny, 1)
    return y * np.log(y / np.clip(p, tiny, 1)), np.where((p < tiny) | (p > 1), 0, -y / p)


def pointwise_loss(
    pred: NDArray[Any],
    target: NDArray[Any],
    *,
    name: str,
    sample_weight: NDArray[Any] | None = None,
    delta: float = 1.0,
) -> LossAndGradient:
    """The mean of terms of p and y; of kl_divergence the sum over a row, then the mean.

    Example:
        >>> round(pointwise_loss(np.array([[0.25, 0.75]]), np.array([[0.5, 0.5]]), name="kl_divergence")[0], 6)
        0.143841
    """
    p, y = _rows(pred), _rows(target)
    width = p.shape[1] if name == "kl_divergence" else 1
    with np.errstate(divide="ignore", invalid="ignore"):
        terms, slopes = _terms(name, p, y, delta)
    return _weighted(terms * width, slopes * width, sample_weight, pred.shape)


def softmax_cross_entropy(
    logits: NDArray[Any],
    target: NDArray[Any],
    *,
    sample_weight: NDArray[Any] | None = None,
    ignore_class: int | None = None,
    label_smoothing: float = 0.0,
) -> LossAndGradient:
    """-sum(q log softmax(z)) with q the smoothed target.

    Example:
        >>> round(softmax_cross_entropy(np.array([[1.0, 2.0, 3.0]]), np.array([1]))[0], 6)
        1.407606
    """
    z = _rows(logits)
    count, classes = z.shape
    if count == 0:
        return 0.0, np.zeros(logits.shape)
    w = np.ones(count) if sample_weight is None else np.asarray(sample_weight, np.float64).ravel()
    if np.issubdtype(target.dtype, np.integer):
        labels = target.ravel()
        kept = np.ones(count, bool) if ignore_class is None else labels != ignore_class
        q = np.zeros_like(z)
        q[kept, labels[kept]] = 1
        w = w * kept
        count = max(int(kept.sum()), 1)
    else:
        q = _rows(target)
    q = (1 - label_smoothing) * q + label_smoothing / classes
    loss = float((w * -(q * log_softmax(z)).sum(axis=1)).sum() / count)
    grad = (softmax(z) * q.sum(axis=1, keepdims=True) - q) * w[:, None] / count
    return loss, grad.reshape(logits.shape)
