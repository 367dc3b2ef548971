"""Which kernel a plan's loss is."""

from __future__ import annotations

from typing import Any

from .. import losses

#: Losses with a kernel from the model's output, and from its logits.
_FROM_OUTPUT: dict[type[Any], str] = {
    losses.MeanSquaredError: "mean_squared_error",
    losses.MeanAbsoluteError: "mean_absolute_error",
    losses.MeanAbsolutePercentageError: "mean_absolute_percentage_error",
    losses.MeanSquaredLogarithmicError: "mean_squared_logarithmic_error",
    losses.Huber: "huber",
    losses.LogCosh: "log_cosh",
    losses.Poisson: "poisson",
    losses.KLDivergence: "kl_divergence",
}
_FROM_LOGITS: dict[type[Any], str] = {
    losses.BinaryCrossentropy: "binary_cross_entropy",
    losses.CategoricalCrossentropy: "softmax_cross_entropy",
    losses.SparseCategoricalCrossentropy: "softmax_cross_entropy",
}


def loss_kernel(plan: Any) -> tuple[str, float] | None:
    """The kernel of the loss and its setting, smoothing or delta, if it needs nothing else."""
    loss: Any = plan.loss
    name = (_FROM_LOGITS if plan.takes_logits else _FROM_OUTPUT).get(type(loss))
    if name is None or plan.factor != 1.0 or loss.reduction not in ("sum_over_batch_size", "mean"):
        return None
    smoothing = getattr(loss, "label_smoothing", 0.0)
    plain = getattr(loss, "axis", -1) == -1 and getattr(loss, "ignore_class", None) is None
    if not plain or (smoothing and name != "softmax_cross_entropy"):
        return None
    return name, smoothing or getattr(loss, "delta", 0.0)
