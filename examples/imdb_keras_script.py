"""The course's sentiment classifier: a Keras script of which only the import lines were changed.

In Keras they read `from tensorflow.keras.datasets import imdb`, and so on.
"""

import sys

from strop.datasets import imdb
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.models import Sequential
from strop.preprocessing.sequence import pad_sequences
from strop.preprocessing.text import Tokenizer

# ---- data: a folder with imdb.npz may be given; else it is looked for and downloaded
path = {"path": sys.argv[1]} if len(sys.argv) > 1 else {}
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 10

(train_data, train_labels), (test_data, test_labels) = imdb.load_data(num_words=10000, **path)
word_index = imdb.get_word_index(**path)
vocab_size = len(word_index) + 1

train_data = pad_sequences(train_data, maxlen=500)
test_data = pad_sequences(test_data, maxlen=500)

# ---- model
model = Sequential()
model.add(Embedding(vocab_size, 16, input_length=500))
model.add(GlobalAveragePooling1D())
model.add(Dense(24, activation="relu"))
model.add(Dense(1, activation="sigmoid"))
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
model.summary()

# ---- training
history = model.fit(train_data, train_labels, epochs=epochs, validation_split=0.2)
loss, accuracy = model.evaluate(test_data, test_labels)
print(f"Test accuracy: {accuracy:.4f}")

# ---- prediction
prediction = model.predict(test_data[:3])
print("Predictions:", prediction.ravel().round(3), "labels:", test_labels[:3])

# ---- new text: a Tokenizer numbers words in the same way
tokenizer = Tokenizer(num_words=10000)
tokenizer.fit_on_texts(["a film to remember", "a film to forget"])
print("A text as ids:", tokenizer.texts_to_sequences(["a film to see"]))
