// SPDX-License-Identifier: GPL-2.0-only
/* rare_write() on data of the kernel image. */
#include "bench.h"

#define DATA	rare_write_bench_data

#include "rare_write.h"

const struct bench_way bench_alias = {
	.name = "alias",
	.scale = scale,
	BENCH_WAY_CASES,
};
