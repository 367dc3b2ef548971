"""Optimizers of strop inside other people's libraries, and their weights inside strop.

Each module needs its library only when it is used.

`strop.adapters.sklearn` has scikit-learn's multi-layer perceptrons, `strop.adapters.thinc` the optimizers of thinc.
`strop.adapters.layouts` and `strop.adapters.recurrent_weights` turn arrays and weights of torch and ONNX into ours.
"""
