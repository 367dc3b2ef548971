// Streams and graphs, see include/capture.h.

#include "capture.h"

#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

namespace simt {
namespace {

struct Node {
  std::string what;
  std::function<void()> work;
};

struct Graph {
  std::vector<Node> nodes;
  std::string text;
};

// Of work and captures, whichever threads they come from: there is one set of
// fibres. Held while a grid runs, for which nobody needs Python's lock.
std::recursive_mutex turn;
using Turn = std::lock_guard<std::recursive_mutex>;

// One at a time is enough for the tests.
struct Capture {
  const void* stream = nullptr;
  std::thread::id thread;
  cudaError_t error = cudaSuccess;  // of what invalidated it
  std::vector<Node> nodes;
};
Capture capture;

bool capturing(const void* stream) {
  return stream != nullptr && capture.stream == stream;
}

cudaError_t invalidate(cudaError_t error) {
  capture.error = error;
  return error;
}

}  // namespace

const char* error_text(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnmatched:
      return "capture was not initiated in this stream";
    case cudaErrorStreamCaptureIsolation:
      return "dependency created on uncaptured work in another stream";
    case cudaErrorStreamCaptureImplicit:
      return "operation would make the legacy stream depend on a capturing "
             "blocking stream";
  }
  return "an error";
}

cudaError_t submit(const void* stream, std::string what,
                   std::function<void()> work) {
  const Turn mine(turn);
  const bool others = capture.thread != std::this_thread::get_id();
  if (capture.stream == nullptr || (others && !capturing(stream))) {
    work();
    return cudaSuccess;
  }
  if (!capturing(stream)) return invalidate(cudaErrorStreamCaptureImplicit);
  if (capture.error != cudaSuccess) return cudaErrorStreamCaptureInvalidated;
  capture.nodes.push_back({std::move(what), std::move(work)});
  return cudaSuccess;
}

cudaError_t wait_for_stream(const void* stream) {
  if (!capturing(stream)) return cudaSuccess;
  return invalidate(cudaErrorStreamCaptureUnsupported);
}

cudaError_t wait_for_event(const void* stream) {
  if (!capturing(stream)) return cudaSuccess;
  return invalidate(cudaErrorStreamCaptureIsolation);
}

std::string describe(Size grid, Size block, const char* function) {
  const std::string text = function;  // "... [with P = {its types}]"
  const auto begin = text.find("[with ");
  return "kernel of " + std::to_string(grid.x * grid.y * grid.z) + " x " +
         std::to_string(block.x * block.y * block.z) + " threads " +
         (begin == std::string::npos ? text : text.substr(begin));
}

}  // namespace simt

using namespace simt;

int simt_begin_capture(const void* stream) {
  const Turn mine(turn);
  if (stream == nullptr || capture.stream != nullptr) {
    return cudaErrorStreamCaptureUnsupported;
  }
  capture = {stream, std::this_thread::get_id(), cudaSuccess, {}};
  return cudaSuccess;
}

int simt_end_capture(const void* stream, void** graph) {
  const Turn mine(turn);
  *graph = nullptr;
  if (!capturing(stream)) return cudaErrorStreamCaptureUnmatched;
  const bool valid = capture.error == cudaSuccess;
  if (valid) *graph = new Graph{std::move(capture.nodes), ""};
  capture = {};
  return valid ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
}

int simt_is_capturing(const void* stream) { return capturing(stream); }

int simt_wait_for_stream(const void* stream) { return wait_for_stream(stream); }

int simt_launch_graph(void* graph, const void* stream) {
  const Turn mine(turn);
  if (capturing(stream)) {
    return invalidate(cudaErrorStreamCaptureUnsupported);  // child graphs
  }
  for (const Node& node : static_cast<Graph*>(graph)->nodes) {
    const cudaError_t error = submit(stream, node.what, node.work);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

int simt_copy(void* to, const void* from, std::size_t size,
              const void* stream) {
  return submit(stream, "copy of " + std::to_string(size) + " bytes",
                [=] { std::memcpy(to, from, size); });
}

int simt_clear(void* to, std::size_t size, const void* stream) {
  return submit(stream, "memset of " + std::to_string(size) + " bytes",
                [=] { std::memset(to, 0, size); });
}

const char* simt_describe_graph(void* graph) {
  auto& g = *static_cast<Graph*>(graph);
  g.text.clear();
  for (const Node& node : g.nodes) g.text += node.what + "\n";
  return g.text.c_str();
}

void simt_destroy_graph(void* graph) { delete static_cast<Graph*>(graph); }

const char* simt_error_text(int error) {
  return error_text(static_cast<cudaError_t>(error));
}
