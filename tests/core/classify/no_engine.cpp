// SPDX-License-Identifier: Apache-2.0
// A shared object that is no classification engine.
extern "C" __attribute__((visibility("default"))) const int nothing_of_ours = 0;
