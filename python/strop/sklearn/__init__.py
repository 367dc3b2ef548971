"""strop's models as scikit-learn's estimators, for `Pipeline`, `GridSearchCV`, `cross_val_score` and all the rest.

Needs scikit-learn: `pip install "strop[sklearn]"`.
"""

try:
    import sklearn  # noqa: F401
except ImportError:
    raise ImportError('strop.sklearn: scikit-learn must be installed; pip install "strop[sklearn]"') from None

from .classifier import StropClassifier
from .regressor import StropRegressor

__all__ = ["StropClassifier", "StropRegressor"]
