#pragma once

#include <functional>
#include <string>

#include "simt.h"

// Streams: work runs at once, in the order it is put there. What is put on a
// stream that is being captured is kept, with the values of its arguments, and
// runs when its graph is launched. CUDA's refusals are here, so that what
// passes can be captured on a device:
//
// * A host that waits for a capturing stream, and an event from outside that a
//   capturing stream is to wait for, are errors and invalidate the capture.
// * So is work on another stream meanwhile, which CUDA might let pass: it would
//   be missing in the graph. Other threads of the host work on.

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureUnmatched = 903,
  cudaErrorStreamCaptureIsolation = 905,
  cudaErrorStreamCaptureImplicit = 906,
};

namespace simt {

const char* error_text(cudaError_t error);

// Runs the work or keeps it; `what` describes it.
cudaError_t submit(const void* stream, std::string what,
                   std::function<void()> work);
cudaError_t wait_for_stream(const void* stream);
cudaError_t wait_for_event(const void* stream);

// A kernel by its grid and the types of its arguments, which `function` has.
std::string describe(Size grid, Size block, const char* function);

}  // namespace simt

// For tests/fake_cupy.py; they return CUDA's errors.
#pragma GCC visibility push(default)
extern "C" {
int simt_begin_capture(const void* stream);
int simt_end_capture(const void* stream, void** graph);
int simt_is_capturing(const void* stream);
int simt_wait_for_stream(const void* stream);
int simt_launch_graph(void* graph, const void* stream);
void simt_destroy_graph(void* graph);
const char* simt_describe_graph(void* graph);  // a line for each node
int simt_copy(void* to, const void* from, std::size_t size, const void* stream);
int simt_clear(void* to, std::size_t size, const void* stream);
const char* simt_error_text(int error);
}
#pragma GCC visibility pop
