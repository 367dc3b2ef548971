"""Learning-rate schedulers with torch's names, numbers and states.

A scheduler sets `group["lr"]` of the optimizer's parameter groups. Call its `step` after the optimizer's.

Example:
    >>> import numpy as np
    >>> from strop.optim import SGD, lr_scheduler
    >>> weight = np.ones(2)
    >>> optimizer = SGD([weight], lr=0.1)
    >>> scheduler = lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    >>> for epoch in range(2):
    ...     optimizer.step([np.ones(2)])
    ...     scheduler.step()
    >>> weight
    array([0.85, 0.85])
"""

from __future__ import annotations

from .base import LRScheduler
from .composed import ChainedScheduler, SequentialLR
from .cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from .cycle import OneCycleLR
from .cyclic import CyclicLR
from .factors import ExponentialLR, MultiStepLR, StepLR
from .functions import LambdaLR, MultiplicativeLR
from .plateau import ReduceLROnPlateau
from .ramps import ConstantLR, LinearLR, PolynomialLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
