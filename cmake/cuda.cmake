# strop._cuda: the kernels of csrc/cuda and the bindings of their stems, built
# where nvcc is found. cudart is linked statically and nothing else of CUDA: the
# module is loaded on machines without a driver, too.

set(STROP_CUDA "AUTO" CACHE STRING "Build strop._cuda: AUTO, ON or OFF")
set_property(CACHE STROP_CUDA PROPERTY STRINGS AUTO ON OFF)
set(STROP_CUDA_ARCHITECTURES "90" CACHE STRING "Architectures of strop._cuda")

file(GLOB STROP_CUDA_SOURCES CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_SOURCE_DIR}/csrc/cuda/*.cu)
foreach(stem ${STROP_STEMS})
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/csrc/cuda/${stem}.cu)
    list(APPEND STROP_CUDA_STEMS ${stem})
  endif()
endforeach()

# What _cuda binds beside the stems.
set(STROP_CUDA_BINDINGS bound_step gradients adam_clock row_plan dropout dense_chain)
set(STROP_CUDA_HELPERS cupy cupy_array cuda_config device_clock update_moments)
list(TRANSFORM STROP_CUDA_HELPERS REPLACE "(.+)" "${CMAKE_CURRENT_SOURCE_DIR}/csrc/bind/\\1.cpp")

if(STROP_CUDA STREQUAL "OFF" OR NOT STROP_PYTHON)
  set(cuda_state "off")
  return()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  set(cuda_state "not built: no nvcc")
  if(STROP_CUDA STREQUAL "ON")
    message(FATAL_ERROR "STROP_CUDA=ON: no nvcc; name it by CUDACXX")
  endif()
  return()
endif()
execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version OUTPUT_VARIABLE version)
string(REGEX REPLACE ".*release ([0-9.]+).*" "\\1" version "${version}")
if(version VERSION_LESS 12.4)
  set(cuda_state "not built: nvcc ${version} is older than 12.4")
  if(STROP_CUDA STREQUAL "ON")
    message(FATAL_ERROR "STROP_CUDA=ON: nvcc ${version} is older than 12.4")
  endif()
  return()
endif()
if(CMAKE_CXX_COMPILER_LAUNCHER AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
set(CMAKE_CUDA_ARCHITECTURES ${STROP_CUDA_ARCHITECTURES})
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
enable_language(CUDA)
set(cuda_state
    "${CMAKE_CUDA_COMPILER_VERSION} for architectures ${STROP_CUDA_ARCHITECTURES}")

# Without contraction a formula has the bits that the CPU's sets with FMA give
# it. Optimizer steps also take denormals as zero, as the CPU does.
add_library(kernels_cuda OBJECT ${STROP_CUDA_SOURCES})
target_include_directories(kernels_cuda PRIVATE csrc)
target_compile_options(kernels_cuda PRIVATE --fmad=false
    -Xcompiler=-Wall,-Wextra,-Wno-unknown-pragmas
    $<$<BOOL:${STROP_WERROR}>:-Werror=all-warnings>)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
  target_compile_options(kernels_cuda PRIVATE --compress-mode=size)
endif()
set(flushing adam adam_clock compact_adam deferred_adam lamb sgd update)
list(TRANSFORM flushing REPLACE "(.+)" "csrc/cuda/\\1.cu")
set_source_files_properties(${flushing} PROPERTIES COMPILE_OPTIONS --ftz=true)
strop_add_module(_cuda "${STROP_CUDA_STEMS};${STROP_CUDA_BINDINGS}" ${STROP_CUDA_HELPERS}
                 $<TARGET_OBJECTS:kernels_cuda>)
list(JOIN STROP_CUDA_ARCHITECTURES ", " architectures)
target_compile_definitions(_cuda PRIVATE STROP_CUDA=1
    STROP_ARCHITECTURES="${architectures}")
find_package(CUDAToolkit REQUIRED)
target_link_libraries(_cuda PRIVATE CUDA::cudart_static)
