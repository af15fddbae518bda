/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the headers of nDPI 4.14; see facts.h. */
#define NDPI_MAJOR 4
#define NDPI_MINOR 14
#include "../../facts.h"
