#pragma once

#include "cpu/parallel.h"
