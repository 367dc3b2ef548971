"""Spam among text messages: raw texts through a Tokenizer, and classes of very different size.

The data is "SMS Spam Collection" of the UCI Machine Learning Repository (archive.ics.uci.edu/dataset/228), free for
all purposes: unpack it and give the file SMSSpamCollection, in which each line is `ham` or `spam`, a tab and the text.

python examples/sms_spam.py SMSSpamCollection [epochs] [folder for pictures]
"""

import argparse
from pathlib import Path

import numpy as np

import strop
from strop.datasets import sms_spam
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.preprocessing.sequence import pad_sequences
from strop.preprocessing.text import Tokenizer

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", nargs="?", default="SMSSpamCollection", help="the file, or a folder with it")
parser.add_argument("epochs", nargs="?", type=int, default=10)
parser.add_argument("pictures", nargs="?", type=Path, help="a folder to draw into")
settings = parser.parse_args()

strop.utils.set_random_seed(0)

# ---- texts, and labels: 1 is spam
try:
    texts, labels = sms_spam.load_data(settings.data)
except OSError as error:
    raise SystemExit(f"{error}") from None

# ---- test messages are held out before anything is learnt, the Tokenizer's words included
(train, test), *_ = strop.model_selection.stratified_k_fold(labels, folds=5, seed=0)
tokenizer = Tokenizer(num_words=5000, oov_token="<unknown>")
tokenizer.fit_on_texts(texts[i] for i in train)
ids = pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=50, padding="post", truncating="post")
print(
    f"{len(texts)} messages, {labels.sum()} of them spam ({labels.mean():.1%}); {tokenizer.vocab_size} words"
)


def build():
    model = strop.Sequential(
        [
            Embedding(tokenizer.vocab_size, 16, mask_zero=True),
            GlobalAveragePooling1D(),
            Dense(16, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", "precision", "recall"])
    return model


# ---- accuracy says little here: whoever calls everything ham is right nearly always and finds no spam
share = 1 - labels[test].mean()
print(f"\ncalling every message ham: accuracy {share:.4f}, recall 0.0000\n")

# ---- class weights make a missed spam as costly as its class is rare
weights = {0: len(train) / (2 * (labels[train] == 0).sum()), 1: len(train) / (2 * labels[train].sum())}
scores = {}
print(f"{'':22}  accuracy  precision  recall      F1  average precision")
for name, class_weight in {"all messages alike": None, "classes weighed alike": weights}.items():
    strop.utils.set_random_seed(1)
    model = build()
    model.fit(ids[train], labels[train], epochs=settings.epochs, class_weight=class_weight, verbose=0)
    _, accuracy, precision, recall = model.evaluate(ids[test], labels[test], verbose=0)
    scores[name] = model.predict(ids[test], verbose=0)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    area = strop.plot.average_precision(labels[test], scores[name])
    print(f"{name:22}  {accuracy:8.4f}  {precision:9.4f}  {recall:6.4f}  {f1:6.4f}  {area:17.4f}")

# ---- the threshold of 0.5 is a choice too: take the lowest that still has the precision you want
precision, recall, thresholds = strop.plot.precision_recall_points(
    labels[test], scores["classes weighed alike"]
)
good = np.flatnonzero(precision >= 0.95)[-1]
print(
    f"\nwith precision {precision[good]:.4f} at least, recall {recall[good]:.4f}: threshold {thresholds[good]:.4f}"
)

# ---- new messages
new = ["Congratulations! You have won a free prize, call now to claim", "See you at lunch tomorrow?"]
chances = model.predict(pad_sequences(tokenizer.texts_to_sequences(new), 50, padding="post"), verbose=0)
for text, chance in zip(new, chances.ravel(), strict=True):
    print(f"{chance:.2f} spam: {text}")

if settings.pictures is not None:
    ax = strop.plot.confusion_matrix(labels[test], scores["classes weighed alike"], labels=["ham", "spam"])
    ax.figure.savefig(settings.pictures / "sms_confusion.png", dpi=100)
    ax = None
    for name, score in scores.items():
        ax = strop.plot.precision_recall_curve(labels[test], score, labels=name, ax=ax)
    ax.figure.savefig(settings.pictures / "sms_precision_recall.png", dpi=100)
