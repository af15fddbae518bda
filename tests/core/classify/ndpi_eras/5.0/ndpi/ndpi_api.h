/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the headers of nDPI 5.0; see facts.h. */
#define NDPI_MAJOR 5
#define NDPI_MINOR 0
#include "../../facts.h"
