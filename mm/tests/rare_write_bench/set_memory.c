// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mapping itself made writable and read-only again, for all CPUs. Of a
 * vmalloc area, since x86 refuses to make the kernel's read-only data writable.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/set_memory.h>
#include "bench.h"

struct window {
	unsigned long addr;
	int nr;
};

static __always_inline void open_window(struct window *w, int first, int nr)
{
	w->addr = (unsigned long)rare_write_bench_area + first * PAGE_SIZE;
	w->nr = nr;
	/* If this fails the write faults. */
	set_memory_rw(w->addr, w->nr);
}

static __always_inline void close_window(struct window *w)
{
	set_memory_ro(w->addr, w->nr);
}

#define DATA				(*rare_write_bench_area)
#define like_data(lv)			(lv)
#define store(w, obj, val)		do { (void)(w); WRITE_ONCE(obj, val); } while (0)
#define store_copy(w, obj, src, len)	((void)(w), (void)memcpy(&(obj), src, len))

#include "works.h"

const struct bench_way rare_write_bench_set_memory = {
	.name = "set_memory",
	.sleeps = true,
	.prepare = rare_write_bench_seal,
	.finish = rare_write_bench_unseal,
	/* Several CPUs cannot do this to one page at the same time. */
	.scale = NULL,
	BENCH_WAY_CASES,
};
EXPORT_SYMBOL_GPL(rare_write_bench_set_memory);
