"""Every kernel as a function on arrays: allocate, call, return.

Arrays are positional and scalars keyword-only. `out=None` allocates the result; `*_step` updates in
place and returns None; `<op>_backward(grad, ...)` takes the upstream gradient first and returns
gradients in the order of the forward's arrays.

All float arrays of one call are float32, or all float64; C-contiguous. Ids are int32 or int64.
"""

from .adam import adam_step

__all__ = [
    "adam_step",
]
