#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bind/activation.h"
#include "bind/array.h"
#include "bind/backend.h"
#include "bind/optimizer.h"
#include "bind/samples.h"
#include "bind/step_rules.h"
#include "kernels/update.h"
#include "step/linear_table.h"
#include "step/program.h"

// The step program for strop.training: it trusts that the layers and the
// optimizer have checked their arrays, and checks again what memory depends on.

namespace strop::bind {
namespace {

using step_data::floats;
using step_data::floats_or_none;
using step_data::op;
using step_data::SampleSet;

template <typename T>
class Program {
 public:
  using Steps = step::Program<T>;

  Program(const std::string& loss, double setting, const step::Rule& rule)
      : program_(loss_of(loss, setting), rule), rule_(rule) {}

  void set_deferred_bag(step::AdamClock& clock, py::object clock_object,
                        const std::vector<py::object>& arrays, double decay,
                        std::optional<Index> pad) {
    const Array param = table("param", arrays[0]);
    for (std::size_t i = 1; i + 1 < arrays.size(); ++i) {
      state_of(arrays[i], param);
    }
    const Array last = steps_of_rows(arrays[4], param);
    const step::AdamTable<T> rows{
        data<T>(param),
        data<T>(floats<T>("moment1", arrays[1])),
        data<T>(floats<T>("moment2", arrays[2])),
        data<T>(floats_or_none<T>("max_moment2", arrays[3])),
        data<std::int32_t>(last),
        param.shape[0],
        param.shape[1]};
    set_bag(std::make_unique<step::DeferredAdamTable<T>>(rows, clock, decay),
            pad);
    keep(arrays);
    kept_.push_back(std::move(clock_object));
  }

  // `states` in the order of the clock, `rule_states` in that of the rule.
  void set_linear_bag(py::object clock_object,
                      const std::vector<py::object>& states,
                      const std::vector<py::object>& rule_states,
                      py::object param_object, py::object last_object,
                      double push, double decay, std::optional<Index> pad) {
    step::LinearClock& clock = clock_object.cast<step::LinearClock&>();
    const Array param = table("param", param_object);
    const Array last = steps_of_rows(last_object, param);
    if (states.size() != clock.states() || rule_states.size() > 3) {
      raise_value(op, "states must be those of the clock");
    }
    step::LinearTable<T> rows{data<T>(param),
                              {},
                              data<std::int32_t>(last),
                              param.shape[0],
                              param.shape[1]};
    for (const py::object& state : states) {
      require_same_shape(op, floats<T>("state", state), param);
      rows.states.push_back(data<T>(state_of(state, param)));
    }
    UpdateTensor<T> tensor{data<T>(param), nullptr, {}, param.size(), 0};
    for (std::size_t k = 0; k < rule_states.size(); ++k) {
      tensor.state[k] = data<T>(state_of(rule_states[k], param));
    }
    set_bag(std::make_unique<step::DeferredLinearTable<T>>(rows, clock, rule_,
                                                           tensor, push, decay),
            pad);
    keep(states);
    keep(rule_states);
    keep({clock_object, param_object, last_object});
  }

  void set_sgd_bag(py::object table_object, std::optional<Index> pad) {
    const Array param = table("param", table_object);
    set_bag(std::make_unique<step::SgdTable<T>>(data<T>(param), param.shape[0],
                                                param.shape[1]),
            pad);
    keep({table_object});
  }

  void set_reader(py::object table_object, std::optional<Index> pad) {
    const Array param = table("table", table_object);
    program_.set(std::make_unique<step::Reader<T>>(
        data<const T>(param), param.shape[0], param.shape[1], pad.has_value(),
        pad.value_or(0)));
    reads_ids_ = true;
    width_ = param.shape[1];
    keep({table_object});
  }

  // `states`: the optimizer's arrays of kernel and bias, three each.
  void add_dense(py::object kernel_object, py::object bias_object,
                 const std::string& activation,
                 const std::vector<double>& settings, bool fused, bool trained,
                 const std::vector<std::vector<py::object>>& states,
                 const std::vector<double>& decays) {
    const Array kernel = table("kernel", kernel_object);
    const Array bias = floats_or_none<T>("bias", bias_object);
    if (width_ >= 0) require_shape(op, kernel, {width_, kernel.shape[1]});
    if (bias.object) require_shape(op, bias, {kernel.shape[1]});
    if (width_ < 0) inputs_ = kernel.shape[0];
    width_ = kernel.shape[1];
    step::Dense<T>& layer =
        program_.add(std::make_unique<step::Dense<T>>(
                         typename step::Dense<T>::Weights{
                             data<const T>(kernel), data<const T>(bias),
                             kernel.shape[0], kernel.shape[1]},
                         which_of(op, activation),
                         ActivationSettings<T>{T(settings[0]), T(settings[1]),
                                               T(settings[2])},
                         fused),
                     trained);
    if (trained) {
      add_parameter(kernel, states[0], decays[0], layer.grad_kernel());
      if (bias.object) {
        add_parameter(bias, states[1], decays[1], layer.grad_bias());
      }
    }
    keep({kernel_object, bias_object});
  }

  py::tuple train(const SampleSet<T>& set, py::object order, Index begin,
                  Index end, Index batch, const std::vector<double>& rates,
                  double seconds) {
    return run(set, order, begin, end, batch, true, seconds,
               [&](const typename Steps::Stretch& s, auto limit) {
                 if (Index(rates.size()) * batch < end - begin) {
                   raise_value(op, "rates must be one per step");
                 }
                 Unlocked unlocked;
                 return program_.train(set.samples, s, rates.data(), limit);
               });
  }

  py::tuple evaluate(const SampleSet<T>& set, Index begin, Index end,
                     Index batch, bool losses, double seconds) {
    return run(set, py::none(), begin, end, batch, losses, seconds,
               [&](const typename Steps::Stretch& s, auto limit) {
                 Unlocked unlocked;
                 return program_.evaluate(set.samples, s, limit);
               });
  }

  Index steps() const { return program_.steps; }
  void set_steps(Index steps) { program_.steps = steps; }

 private:
  static Array table(const char* name, py::handle object) {
    const Array a = floats<T>(name, object);
    require_ndim(op, a, 2);
    return a;
  }

  static Array state_of(const py::object& object, const Array& param) {
    const Array a = floats_or_none<T>("state", object);
    if (a.object) require_same_shape(op, a, param);
    return a;
  }

  static Array steps_of_rows(py::handle object, const Array& param) {
    const Array last = borrow(op, "last", object);
    require_shape(op, last, {param.shape[0]});
    if (last.dtype != DType::kInt32) raise_type(op, "last must be int32");
    return last;
  }

  void set_bag(std::unique_ptr<step::Table<T>> table,
               std::optional<Index> pad) {
    width_ = table->width;
    reads_ids_ = true;
    program_.set(std::make_unique<step::Bag<T>>(
        std::move(table), pad.has_value(), pad.value_or(0)));
  }

  void add_parameter(const Array& param, const std::vector<py::object>& state,
                     double decay, step::Buffer<T>& grad) {
    T* arrays[3] = {};
    for (std::size_t i = 0; i < state.size() && i < 3; ++i) {
      arrays[i] = data<T>(state_of(state[i], param));
    }
    program_.train_parameter({data<T>(param), arrays[0], arrays[1], arrays[2],
                              param.size(), decay, &grad});
    keep(state);
  }

  void keep(const std::vector<py::object>& objects) {
    kept_.insert(kept_.end(), objects.begin(), objects.end());
  }

  // The losses and outputs of the batches that were done.
  template <typename Work>
  py::tuple run(const SampleSet<T>& set, const py::object& order, Index begin,
                Index end, Index batch, bool losses, double seconds,
                const Work& work) {
    const step::Samples<T>& samples = set.samples;
    const Array list = borrow_optional(op, "order", order);
    const Index units = program_.outputs();
    if (begin < 0 || end < begin || end > samples.size || batch < 1 ||
        (reads_ids_ ? samples.x != nullptr : samples.width != inputs_) ||
        (reads_ids_ && samples.ids.data == nullptr && samples.width > 0)) {
      raise_value(op, "samples must fit the program");
    }
    if (list.object && (list.dtype != DType::kInt64 || list.size() < end ||
                        !step::all_in(data<const std::int64_t>(list) + begin,
                                      end - begin, samples.size))) {
      raise_value(op, "order must name samples");
    }
    if (losses) require_target(samples, set.y, units);
    const Index count = (end - begin + batch - 1) / batch;
    py::array_t<double> values(losses ? count : 0);
    py::array_t<T> output({end - begin, units});
    const typename Steps::Stretch stretch{
        data<const std::int64_t>(list),
        begin,
        end,
        batch,
        losses ? values.mutable_data() : nullptr,
        output.mutable_data()};
    Index done = 0;
    try {
      done = work(stretch, std::chrono::nanoseconds(Index(seconds * 1e9)));
    } catch (const step::BadId& bad) {
      const std::string text =
          std::string(op) + ": ids must stay in the table while a call runs; " +
          "got " + std::to_string(bad.id) + " at (" +
          std::to_string(bad.sample) + ", " + std::to_string(bad.place) + ")";
      throw py::index_error(text);
    } catch (const step::BadLabel&) {
      raise_value(op, "y must keep its classes while a call runs");
    }
    if (done == count) return py::make_tuple(values, output);
    const py::slice batches(0, losses ? done : 0, 1);
    const py::slice rows(0, std::min(done * batch, end - begin), 1);
    return py::make_tuple(values[batches], output[rows]);
  }

  Steps program_;
  step::Rule rule_;
  bool reads_ids_ = false;
  Index inputs_ = -1;  // of the first layer, where x is floats
  Index width_ = -1;   // of the last layer so far
  std::vector<py::object> kept_;
};

template <typename T>
void bind_program(py::module_& m, const char* program, const char* samples) {
  py::class_<SampleSet<T>>(m, samples, "A data set as a program reads it.")
      .def(py::init(&step_data::samples_of<T>), py::arg("x"), py::arg("y"),
           py::arg("weight"));
  py::class_<Program<T>>(m, program, "A model's steps, without Python between.")
      .def(py::init([](const std::string& loss, double setting,
                       const py::dict& adam, const py::dict& sgd,
                       const py::dict& rmsprop) {
             return std::make_unique<Program<T>>(loss, setting,
                                                 rule_of(adam, sgd, rmsprop));
           }),
           py::arg("loss"), py::arg("setting"), py::arg("adam"), py::arg("sgd"),
           py::arg("rmsprop"))
      .def("set_deferred_bag",
           [](Program<T>& p, py::object clock,
              const std::vector<py::object>& arrays, double decay,
              std::optional<Index> pad) {
             if (arrays.size() != 5) raise_value(op, "arrays must be 5");
             p.set_deferred_bag(clock.cast<step::AdamClock&>(), clock, arrays,
                                decay, pad);
           })
      .def("set_linear_bag", &Program<T>::set_linear_bag)
      .def("set_sgd_bag", &Program<T>::set_sgd_bag)
      .def("set_reader", &Program<T>::set_reader)
      .def("add_dense", &Program<T>::add_dense)
      .def("train", &Program<T>::train)
      .def("evaluate", &Program<T>::evaluate)
      .def_property("steps", &Program<T>::steps, &Program<T>::set_steps);
}

}  // namespace

void bind_step(py::module_& m) {
  bind_program<float>(m, "StepProgram32", "StepSamples32");
  bind_program<double>(m, "StepProgram64", "StepSamples64");
}

}  // namespace strop::bind
