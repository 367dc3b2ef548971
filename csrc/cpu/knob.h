#pragma once
extern "C" __attribute__((visibility("default"))) long mm_knob[8];
