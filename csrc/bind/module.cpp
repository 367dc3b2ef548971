#include <pybind11/pybind11.h>

#include "bind/backend.h"

namespace strop::bind {

void bind_config(py::module_&);
void bind_gradients(py::module_&);
void bind_rows(py::module_&);

void bind_activation(py::module_&);
void bind_adam(py::module_&);
void bind_compact_adam(py::module_&);
void bind_deferred_adam(py::module_&);
void bind_embedding(py::module_&);
void bind_embedding_bag(py::module_&);
void bind_lamb(py::module_&);
void bind_loss(py::module_&);
void bind_matmul(py::module_&);
void bind_reduction(py::module_&);
void bind_sgd(py::module_&);
void bind_softmax(py::module_&);
void bind_update(py::module_&);
void bind_words(py::module_&);

void bind_linear_clock(py::module_&);
void bind_step(py::module_&);

PYBIND11_MODULE(STROP_MODULE, m) {
  bind_config(m);
  bind_gradients(m);
  bind_rows(m);
  bind_activation(m);
  bind_adam(m);
  bind_compact_adam(m);
  bind_deferred_adam(m);
  bind_embedding(m);
  bind_embedding_bag(m);
  bind_lamb(m);
  bind_loss(m);
  bind_matmul(m);
  bind_reduction(m);
  bind_sgd(m);
  bind_softmax(m);
  bind_update(m);
  bind_words(m);
  bind_linear_clock(m);
  bind_step(m);
}

}  // namespace strop::bind
