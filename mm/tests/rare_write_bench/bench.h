/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of the rare_write() benchmark, which are
 *
 *   main.c          the module: what is run, in which order, and the results
 *   works.h         the works: one write, 16 writes in a window, a list, ...
 *   the others      the ways to do a work: each includes works.h, with its own
 *                   idea of what "open", "write" and "close" are
 *   builtin.c       what has to be in the kernel: the data, and the counters
 *
 * Every work exists twice: in a loop, inlined, which is what gets measured; and
 * as a function, which the runner follows instruction by instruction.
 */
#ifndef _RARE_WRITE_BENCH_H
#define _RARE_WRITE_BENCH_H

#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rare_write.h>
#include <linux/types.h>

#define BENCH_PAGES	3
#define BENCH_LINES	8

/* What all ways write to, each to one of its own or to the one in the kernel. */
struct bench_first {
	u64 word[64];
	u8 b1;
	u16 b2;
	u32 b4;
	u64 b8;
	u8 b64[64];
	u8 b256[256];
	struct list_head head;
	struct list_head node;
	/* One for each CPU, so that CPUs share no cache line. */
	struct {
		u64 word;
	} __aligned(128) line[BENCH_LINES];
};

struct rare_write_bench_data {
	struct bench_first first;
	u8 gap[PAGE_SIZE - 32 - sizeof(struct bench_first)];
	u8 cross[64];				/* 32 bytes in each page */
	u64 other[64];				/* in the second page */
	u8 b4096[4096] __aligned(PAGE_SIZE);	/* the third */
} __aligned(PAGE_SIZE);

static_assert(sizeof(struct rare_write_bench_data) == BENCH_PAGES * PAGE_SIZE);

extern __wr_rare_type struct rare_write_bench_data rare_write_bench_data;
extern const u8 rare_write_bench_source[4096];

/* The type of an object without const and volatile. */
#define bench_typeof(obj)	typeof(((void)0, (obj)))

struct bench_case {
	const char *work;
	void (*loop)(unsigned long rounds);
	void (*once)(unsigned long val);
};

struct bench_way {
	const char *name;
	const struct bench_case *cases;
	unsigned int nr_cases;
	bool sleeps;			/* it cannot be done with interrupts off */
	bool (*allowed)(void);		/* may be NULL, as prepare, finish and scale */
	int (*prepare)(void);
	void (*finish)(void);
	void (*setup)(unsigned long val);
	void (*scale)(unsigned long line, unsigned long rounds);
};

/* In the kernel */
extern const struct bench_way rare_write_bench_poke;
extern const struct bench_way rare_write_bench_set_memory;
extern const struct bench_way rare_write_bench_private_mm;

/* What some of these write to, from seal to unseal. */
extern struct rare_write_bench_data *rare_write_bench_area;
int rare_write_bench_seal(void);
void rare_write_bench_unseal(void);

/* In the module */
extern const struct bench_way bench_plain;
extern const struct bench_way bench_plain_irqoff;
extern const struct bench_way bench_alias;
extern const struct bench_way bench_alias_module;
extern const struct bench_way bench_cr0;
extern const struct bench_way bench_vmap;

struct rare_write_bench_ipis {
	u64 all;
	u64 tlb;
};

struct page *rare_write_bench_page(unsigned int nr);
struct rare_write_bench_ipis rare_write_bench_ipis(void);
void rare_write_bench_mark(const char *way, const char *work, void (*once)(unsigned long val));

#endif /* _RARE_WRITE_BENCH_H */
