// SPDX-License-Identifier: GPL-2.0-only
/* What an ordinary store costs: no protection. */
#include "bench.h"

static struct rare_write_bench_data plain_data;

struct window {
};

static __always_inline void open_window(struct window *w, int first, int nr)
{
}

static __always_inline void close_window(struct window *w)
{
}

#define DATA				plain_data
#define like_data(lv)			(lv)
#define store(w, obj, val)		do { (void)(w); WRITE_ONCE(obj, val); } while (0)
#define store_copy(w, obj, src, len)	((void)(w), (void)memcpy(&(obj), src, len))

#include "works.h"

const struct bench_way bench_plain = {
	.name = "plain",
	.scale = scale,
	BENCH_WAY_CASES,
};
