/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the headers of nDPI 4.8; see facts.h. */
#define NDPI_MAJOR 4
#define NDPI_MINOR 8
#include "../../facts.h"
