"""scikit-learn's multi-layer perceptron: only the import changes.

pip install scikit-learn
python examples/sklearn_mlp.py [epochs] [width]
"""

import sys
import time
import warnings

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import strop.adapters.sklearn

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
width = int(sys.argv[2]) if len(sys.argv) > 2 else 512

warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs is meant
images, digits = load_digits(return_X_y=True)
images /= 16

runs = {}
for name, MLPClassifier in {
    "before": sklearn.neural_network.MLPClassifier,  # from sklearn.neural_network import MLPClassifier
    "after": strop.adapters.sklearn.MLPClassifier,  # from strop.adapters.sklearn import MLPClassifier
}.items():
    model = MLPClassifier((width, width), batch_size=32, max_iter=epochs, tol=0, random_state=0)
    start = time.perf_counter()
    model.fit(images, digits)
    runs[name] = model.loss_curve_, time.perf_counter() - start
    score = model.score(images, digits)
    print(f"{name:7} loss {model.loss_:.6f}, accuracy {score:.4f}, {runs[name][1]:.2f} s in all")
difference = np.abs(np.subtract(runs["before"][0], runs["after"][0])).max()
ratio = runs["before"][1] / runs["after"][1]
print(f"training is {ratio:.1f} times as fast; no epoch's loss differs by more than {difference:.0e}")
