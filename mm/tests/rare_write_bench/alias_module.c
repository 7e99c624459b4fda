// SPDX-License-Identifier: GPL-2.0-only
/* rare_write() on data of a module. */
#include "bench.h"

static __wr_rare_type struct rare_write_bench_data module_data __wr_rare;

#define DATA	module_data

#include "rare_write.h"

const struct bench_way bench_alias_module = {
	.name = "alias-module",
	.scale = scale,
	BENCH_WAY_CASES,
};
