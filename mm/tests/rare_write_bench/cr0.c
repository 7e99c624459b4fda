// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write() by the other backend on x86, CR0.WP off for the window, whatever
 * backend the kernel has.
 */
#define RARE_WRITE_BENCH_CR0
#include "bench.h"

#define DATA	rare_write_bench_data

#include "rare_write.h"

const struct bench_way bench_cr0 = {
	.name = "cr0",
	.scale = scale,
	BENCH_WAY_CASES,
};
