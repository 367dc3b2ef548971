"""Diabetes (Efron et al. 2004): ten measures of 442 patients, and how far the disease had gone a year later."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def load_data() -> tuple[Array, Array]:
    """Load the table, which scikit-learn carries; nothing is downloaded.

    Returns:
        x float64 (442, 10): age, sex, body mass index, blood pressure and six blood values, as measured; y float64
        (442,), from 25 to 346.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_diabetes
    except ImportError as error:
        raise ImportError(
            'diabetes.load_data: the table is scikit-learn\'s; pip install "strop[sklearn]"'
        ) from error
    x, y = load_diabetes(return_X_y=True, scaled=False)
    return np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y, np.float64)
