#include "kernels/words.h"

#include <algorithm>
#include <memory>
#include <random>

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

TextView view_of(py::handle text) {
#if PY_VERSION_HEX < 0x030c0000
  if (PyUnicode_READY(text.ptr()) < 0) throw py::error_already_set();
#endif
  return {PyUnicode_DATA(text.ptr()), PyUnicode_GET_LENGTH(text.ptr()),
          PyUnicode_KIND(text.ptr())};
}

py::str str_of(const TextView& text) {
  PyObject* made = PyUnicode_FromKindAndData(text.width, text.data, text.size);
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(made);
}

// A list of strings, held for as long as their memory is read.
class Texts {
 public:
  Texts(const char* op, const char* name, py::handle list, bool lower) {
    if (!PyList_Check(list.ptr())) {
      raise_type(op, std::string(name) + " must be a list of strings; got " +
                         Py_TYPE(list.ptr())->tp_name);
    }
    held_ = py::reinterpret_steal<py::list>(
        PyList_GetSlice(list.ptr(), 0, PyList_GET_SIZE(list.ptr())));
    for (Index i = 0; i < PyList_GET_SIZE(held_.ptr()); ++i) {
      py::object text = held_[i];
      if (!PyUnicode_Check(text.ptr())) {
        raise_type(op, std::string(name) + " must hold strings; got " +
                           Py_TYPE(text.ptr())->tp_name + " at " +
                           std::to_string(i));
      }
      // The rules lower what is below 256, where each character becomes one.
      // Beyond that one may become three, and a sigma looks at its neighbours.
      if (lower && view_of(text).width > 1) {
        held_[i] = text = text.attr("lower")();
      }
      views_.push_back(view_of(text));
    }
  }

  const TextView* views() const { return views_.data(); }
  Index count() const { return static_cast<Index>(views_.size()); }

 private:
  py::list held_;
  std::vector<TextView> views_;
};

struct DeleteTable {
  void operator()(::strop::WordTable* table) const {
    backend::delete_word_table(table);
  }
};

// The collector looks through every 700 new lists, again and again, for
// garbage that lists in the making cannot be: half the time of `sequences`.
struct GarbageWaits {
  GarbageWaits() : was_on(PyGC_Disable() != 0) {}
  ~GarbageWaits() {
    if (was_on) PyGC_Enable();
  }
  bool was_on;
};

class WordTable {
 public:
  WordTable(const py::str& delimiters, bool lower)
      : lower_(lower), table_(backend::new_word_table(random_seed())) {
    for (int code = 0; code < 256; ++code) {
      const Py_UCS4 lowered = Py_UNICODE_TOLOWER(code);
      rules_.lowered[code] = static_cast<std::uint8_t>(lower ? lowered : code);
      rules_.delimits[code] = false;
    }
    const TextView codes = view_of(delimiters);
    for (Index i = 0; i < codes.size; ++i) {
      const Py_UCS4 code = PyUnicode_READ(codes.width, codes.data, i);
      if (code < 256) {
        rules_.delimits[code] = true;
      } else {
        wide_.push_back(code);
      }
    }
    std::sort(wide_.begin(), wide_.end());
    rules_.wide = wide_.data();
    rules_.wide_count = static_cast<Index>(wide_.size());
  }

  Index size() const { return backend::word_count(*table_); }

  void count(py::handle list) {
    const Texts texts("count_words", "texts", list, lower_);
    const CountWords args{table_.get(), &rules_, texts.views(), texts.count()};
    Unlocked unlocked;
    backend::count_words(args);
  }

  py::tuple counts() const {
    py::list words(size()), counts(size()), documents(size());
    for (Index i = 0; i < size(); ++i) {
      const WordView word = backend::word_at(*table_, i);
      words[i] = str_of(word.text);
      counts[i] = word.count;
      documents[i] = word.documents;
    }
    return py::make_tuple(words, counts, documents);
  }

  void add(py::handle list) {
    const Texts words("find_words", "words", list, false);
    const Index added =
        backend::add_words(*table_, words.views(), words.count());
    if (added == words.count()) return;
    raise_value("find_words",
                "words must be distinct; got " +
                    std::string(py::repr(str_of(words.views()[added]))) +
                    " again at " + std::to_string(added));
  }

  py::tuple find(py::handle list) const {
    const Found found = find_places(list);
    py::object offsets_array = new_array({found.texts + 1}, DType::kInt64);
    auto* offsets =
        data<std::int64_t>(borrow("find_words", "offsets", offsets_array));
    offsets[0] = 0;
    for (Index i = 0; i < found.texts; ++i) {
      offsets[i + 1] = offsets[i] + found.counts[i];
    }
    py::object places = new_array({offsets[found.texts]}, DType::kInt32);
    auto* out = data<std::int32_t>(borrow("find_words", "places", places));
    for (Index i = 0; i < found.texts; ++i) {
      out = std::copy_n(found.row(i), found.counts[i], out);
    }
    return py::make_tuple(places, offsets_array);
  }

  // A list per text: values[place] of each word, `unknown` for one that is not
  // there; what is `skip` is left out.
  py::list sequences(py::handle list, const py::list& values,
                     py::handle unknown, py::handle skip) const {
    if (static_cast<Index>(values.size()) != size()) {
      raise_value("find_words", "values must be as many as words " +
                                    std::to_string(size()) + "; got " +
                                    std::to_string(values.size()));
    }
    const Found found = find_places(list);
    std::vector<PyObject*> objects{unknown.is(skip) ? nullptr : unknown.ptr()};
    for (py::handle value : values) {
      objects.push_back(value.is(skip) ? nullptr : value.ptr());
    }
    const GarbageWaits pause;
    py::list rows(found.texts);
    for (Index i = 0; i < found.texts; ++i) {
      const std::int32_t* places = found.row(i);
      Index kept = 0;
      for (Index j = 0; j < found.counts[i]; ++j) {
        kept += objects[places[j] + 1] != nullptr;
      }
      py::list row(kept);
      kept = 0;
      for (Index j = 0; j < found.counts[i]; ++j) {
        PyObject* object = objects[places[j] + 1];
        if (object == nullptr) continue;
        Py_INCREF(object);
        PyList_SET_ITEM(row.ptr(), kept++, object);
      }
      rows[i] = std::move(row);
    }
    return rows;
  }

 private:
  struct Found {
    Index texts = 0;
    std::vector<std::int64_t> starts, counts;
    std::unique_ptr<std::int32_t[]> places;

    const std::int32_t* row(Index i) const { return places.get() + starts[i]; }
  };

  Found find_places(py::handle list) const {
    const Texts texts("find_words", "texts", list, lower_);
    Found found;
    found.texts = texts.count();
    found.starts.resize(found.texts);
    found.counts.resize(found.texts);
    Index room = 0;
    for (Index i = 0; i < found.texts; ++i) {
      found.starts[i] = room;
      room += (texts.views()[i].size + 1) / 2;
    }
    found.places.reset(new std::int32_t[room]);
    const FindWords args{table_.get(),        &rules_,     texts.views(),
                         found.starts.data(), found.texts, found.places.get(),
                         found.counts.data()};
    Unlocked unlocked;
    backend::find_words(args);
    return found;
  }

  // A text written to make one seed's hashes collide does nothing to another.
  static std::uint64_t random_seed() {
    static const std::uint64_t seed = [] {
      std::random_device device;
      return std::uint64_t{device()} << 32 | device();
    }();
    return seed;
  }

  bool lower_;
  std::vector<std::uint32_t> wide_;
  WordRules rules_;
  std::unique_ptr<::strop::WordTable, DeleteTable> table_;
};

}  // namespace

void bind_words(py::module_& m) {
  py::class_<WordTable>(m, "WordTable",
                        "Words of texts: counted over many calls, or found.")
      .def(py::init<const py::str&, bool>(), py::arg("delimiters"),
           py::arg("lower"))
      .def("__len__", &WordTable::size)
      .def("count", &WordTable::count, "Count the words of texts.",
           py::arg("texts"))
      .def("counts", &WordTable::counts,
           "Words, how often each came, and in how many texts.")
      .def("add", &WordTable::add, "Add distinct words.", py::arg("words"))
      .def("find", &WordTable::find, "Places of all words, and offsets.",
           py::arg("texts"))
      .def("sequences", &WordTable::sequences,
           "A list per text of the values of its words.", py::arg("texts"),
           py::arg("values"), py::arg("unknown"), py::arg("skip"));
}

}  // namespace strop::bind
