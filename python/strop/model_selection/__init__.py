"""How good is the model, and would more data help? Answers from several fits, without scikit-learn."""

from .curve import LearningCurve, learning_curve
from .splits import k_fold, stratified_k_fold
from .validation import CrossValidation, cross_validate

__all__ = [
    "CrossValidation",
    "LearningCurve",
    "cross_validate",
    "k_fold",
    "learning_curve",
    "stratified_k_fold",
]
