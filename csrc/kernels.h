#pragma once

// The list of all kernels; kernels/<stem>.h is the contract of one stem.

#include "kernels/activation.h"
#include "kernels/adam.h"
#include "kernels/batch_norm.h"
#include "kernels/compact_adam.h"
#include "kernels/conv.h"
#include "kernels/deferred_adam.h"
#include "kernels/depthwise_conv.h"
#include "kernels/embedding.h"
#include "kernels/embedding_bag.h"
#include "kernels/lamb.h"
#include "kernels/layer_norm.h"
#include "kernels/loss.h"
#include "kernels/matmul.h"
#include "kernels/pool.h"
#include "kernels/recurrent.h"
#include "kernels/reduction.h"
#include "kernels/row_plan.h"
#include "kernels/sgd.h"
#include "kernels/softmax.h"
#include "kernels/update.h"
#include "kernels/words.h"

#define STROP_KERNELS(X)          \
  STROP_ACTIVATION_KERNELS(X)     \
  STROP_ADAM_KERNELS(X)           \
  STROP_BATCH_NORM_KERNELS(X)     \
  STROP_CONV_KERNELS(X)           \
  STROP_DEFERRED_ADAM_KERNELS(X)  \
  STROP_DEPTHWISE_CONV_KERNELS(X) \
  STROP_EMBEDDING_KERNELS(X)      \
  STROP_EMBEDDING_BAG_KERNELS(X)  \
  STROP_LAMB_KERNELS(X)           \
  STROP_LAYER_NORM_KERNELS(X)     \
  STROP_LOSS_KERNELS(X)           \
  STROP_MATMUL_KERNELS(X)         \
  STROP_POOL_KERNELS(X)           \
  STROP_RECURRENT_KERNELS(X)      \
  STROP_REDUCTION_KERNELS(X)      \
  STROP_SGD_KERNELS(X)            \
  STROP_SOFTMAX_KERNELS(X)        \
  STROP_UPDATE_KERNELS(X)

// Kernels for float32 alone.
#define STROP_FLOAT32_KERNELS(X) STROP_COMPACT_ADAM_KERNELS(X)
