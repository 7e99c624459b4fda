// SPDX-License-Identifier: GPL-2.0-only
/* An ordinary store with interrupts off around it: no protection either. */
#include <linux/irqflags.h>
#include "bench.h"

static struct rare_write_bench_data plain_data;

struct window {
	unsigned long flags;
};

static __always_inline void open_window(struct window *w, int first, int nr)
{
	local_irq_save(w->flags);
}

static __always_inline void close_window(struct window *w)
{
	local_irq_restore(w->flags);
}

#define DATA				plain_data
#define like_data(lv)			(lv)
#define store(w, obj, val)		do { (void)(w); WRITE_ONCE(obj, val); } while (0)
#define store_copy(w, obj, src, len)	((void)(w), (void)memcpy(&(obj), src, len))

#include "works.h"

const struct bench_way bench_plain_irqoff = {
	.name = "plain-irqoff",
	.scale = scale,
	BENCH_WAY_CASES,
};
