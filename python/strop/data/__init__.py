"""From arrays, files and generators to batches: a pipeline in the manner of tf.data."""

from .dataset import AUTOTUNE, Dataset

__all__ = ["AUTOTUNE", "Dataset"]
