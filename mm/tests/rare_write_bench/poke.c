// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own writers through an alias, made for code: text_poke_copy() on
 * x86, and on arm64 the fixmap behind aarch64_insn_write_literal_u64(). Each
 * write maps and unmaps, so many writes are many calls.
 */
#include <linux/export.h>
#include <linux/mm.h>
#ifdef CONFIG_X86
#include <asm/text-patching.h>
#else
#include <asm/patching.h>
#endif
#include "bench.h"

struct window {
};

static __always_inline void open_window(struct window *w, int first, int nr)
{
}

static __always_inline void close_window(struct window *w)
{
}

#define DATA			(*rare_write_bench_area)
#define like_data(lv)		(lv)

#ifdef CONFIG_X86
#define POKE_NAME		"text_poke_copy"
#define store(w, obj, val)						\
do {									\
	bench_typeof(obj) __val = (bench_typeof(obj))(val);		\
									\
	(void)(w);							\
	text_poke_copy((void *)&(obj), &__val, sizeof(__val));		\
} while (0)
#define store_copy(w, obj, src, len)	((void)(w), text_poke_copy(&(obj), src, len))
#else
#define POKE_NAME		"aarch64_insn_write_literal_u64"
#define store(w, obj, val)	\
	((void)(w), aarch64_insn_write_literal_u64((void *)&(obj), (u64)(val)))
#define BENCH_WORDS_ONLY
#endif

#include "works.h"

const struct bench_way rare_write_bench_poke = {
	.name = POKE_NAME,
	.sleeps = IS_ENABLED(CONFIG_X86),	/* text_mutex */
	.prepare = rare_write_bench_seal,
	.finish = rare_write_bench_unseal,
	.scale = scale,
	BENCH_WAY_CASES,
};
EXPORT_SYMBOL_GPL(rare_write_bench_poke);
