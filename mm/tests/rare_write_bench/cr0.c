// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write() by the other backend on x86, CR0.WP off for the window, whatever
 * backend the kernel has.
 */
#define RARE_WRITE_BENCH_CR0
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include "bench.h"

#define DATA	rare_write_bench_data

#include "rare_write.h"

/* With CET on, be it for programs only, to clear WP is a general protection fault. */
static bool allowed(void)
{
	return !(native_read_cr4() & X86_CR4_CET);
}

const struct bench_way bench_cr0 = {
	.name = "cr0",
	.allowed = allowed,
	.scale = scale,
	BENCH_WAY_CASES,
};
