// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second mapping by vmap(): all CPUs see it, and it goes away for all of them
 * only later, when enough of them have been collected.
 */
#include <linux/vmalloc.h>
#include "bench.h"

static struct page *pages[BENCH_PAGES];

struct window {
	void *area;
	unsigned long shift;	/* from the data to its second mapping */
};

#define DATA		rare_write_bench_data

static __always_inline void open_window(struct window *w, int first, int nr)
{
	w->area = vmap(pages + first, nr, VM_MAP, PAGE_KERNEL);
	/* If this fails the write faults. */
	w->shift = (unsigned long)w->area - first * PAGE_SIZE - (unsigned long)&DATA;
}

static __always_inline void close_window(struct window *w)
{
	vunmap(w->area);
}

#define like_data(lv)	(*(__wr_rare_type typeof(lv) *)&(lv))
#define store(w, obj, val)						\
do {									\
	unsigned long __at = (unsigned long)&(obj) + (w)->shift;	\
									\
	WRITE_ONCE(*(bench_typeof(obj) *)__at, val);			\
} while (0)
#define store_copy(w, obj, src, len)	\
	((void)memcpy((void *)((unsigned long)&(obj) + (w)->shift), src, len))

#include "works.h"

static int prepare(void)
{
	for (unsigned int i = 0; i < BENCH_PAGES; i++)
		pages[i] = rare_write_bench_page(i);
	return 0;
}

const struct bench_way bench_vmap = {
	.name = "vmap",
	.sleeps = true,
	.prepare = prepare,
	.scale = scale,
	BENCH_WAY_CASES,
};
