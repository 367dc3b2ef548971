"""Pictures of what a model learnt. Each function draws into `ax`, or into a new figure, and returns the Axes.

No window opens and no setting of matplotlib changes. In a notebook the call as the last line of a cell shows the
picture, and `ax.figure` shows it again; `ax.figure.savefig("name.png")` writes it. Needs matplotlib:
`pip install "strop[plot]"`.
"""

from ._axes import COLOURS, new_figure
from .confusion import confusion_matrix
from .curves import precision_recall_curve, roc_curve
from .epochs import history
from .learning import learning_curve
from .network import network
from .points import average_precision, precision_recall_points, roc_area, roc_points

__all__ = [
    "COLOURS",
    "average_precision",
    "confusion_matrix",
    "history",
    "learning_curve",
    "network",
    "new_figure",
    "precision_recall_curve",
    "precision_recall_points",
    "roc_area",
    "roc_curve",
    "roc_points",
]
