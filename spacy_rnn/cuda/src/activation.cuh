// Activation functions.

#pragma once

#include "device.cuh"

SPACY_RNN_DEVICE float sigmoid(float x) { return 0.5f * (1.0f + tanhf(0.5f * x)); }
