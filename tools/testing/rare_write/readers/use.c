// SPDX-License-Identifier: GPL-2.0-only
/* Readers of what another file defines. */
#include "readers.h"

READERS(reads_extern_there, extern_scalar, extern_struct, extern_array, extern_pointer)
