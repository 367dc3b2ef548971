"""Optimizers of strop inside other people's libraries; each module needs its library only when it is used.

`strop.adapters.sklearn` has scikit-learn's multi-layer perceptrons, `strop.adapters.thinc` the optimizers of thinc.
`strop.adapters.recurrent_weights` turns the weights of recurrent layers of torch and ONNX into ours.
"""
