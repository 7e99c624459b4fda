/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is measured, in terms of
 *
 *   DATA                         where the data is, a struct rare_write_bench_data
 *   like_data(lv)                a plain lvalue, as the kind of data that DATA is
 *   struct window                what is kept from open to close
 *   open_window(w, first, nr)    make pages of DATA writable
 *   store(w, obj, val)           assign to an object in them
 *   store_copy(w, obj, src, len) copy into one
 *   close_window(w)              undo open
 *   one(obj, val)                open, store to the first page, close
 *   one_copy(obj, src, len, first, nr)
 *
 * which the including file defines as it likes, the last two only if it has
 * something better. Writes in a window are written out, not looped over, since
 * that is what users do: nothing but the writes is counted.
 */

#ifndef one
#define one(obj, val)							\
do {									\
	struct window w = {};						\
									\
	open_window(&w, 0, 1);						\
	store(&w, obj, val);						\
	close_window(&w);						\
} while (0)
#endif

#ifndef one_copy
#define one_copy(obj, src, len, first, nr)				\
do {									\
	struct window w = {};						\
									\
	open_window(&w, first, nr);					\
	store_copy(&w, obj, src, len);					\
	close_window(&w);						\
} while (0)
#endif

/*
 * Both forms of a work: see bench.h. The compiler computes constant addresses
 * ahead of the loop if it likes; what a work costs where it stands alone shows
 * in the other form.
 */
#define WORK(name)							\
static noinline void name##_once(unsigned long val)			\
{									\
	name(val);							\
}									\
									\
static noinline void name##_loop(unsigned long rounds)			\
{									\
	for (; rounds; rounds--) {					\
		/* Not to be unrolled. */				\
		OPTIMIZER_HIDE_VAR(rounds);				\
		barrier();						\
		name(rounds);						\
	}								\
}

/* The loop, and the call and return, which all others have as well. */
static __always_inline void empty(unsigned long val)
{
	asm volatile("" : : "r" (val));
}

WORK(empty)

static __always_inline void write_8(unsigned long val)
{
	one(DATA.first.b8, val);
}

WORK(write_8)

static __always_inline void separate_16(unsigned long val)
{
	/* The value differs, or a clever compiler could share some of it. */
	one(DATA.first.word[0], val);
	one(DATA.first.word[1], val);
	one(DATA.first.word[2], val);
	one(DATA.first.word[3], val);
	one(DATA.first.word[4], val);
	one(DATA.first.word[5], val);
	one(DATA.first.word[6], val);
	one(DATA.first.word[7], val);
	one(DATA.first.word[8], val);
	one(DATA.first.word[9], val);
	one(DATA.first.word[10], val);
	one(DATA.first.word[11], val);
	one(DATA.first.word[12], val);
	one(DATA.first.word[13], val);
	one(DATA.first.word[14], val);
	one(DATA.first.word[15], val);
}

WORK(separate_16)

static __always_inline void same_4(struct window *w, int i, unsigned long val)
{
	store(w, DATA.first.word[i], val);
	store(w, DATA.first.word[i + 1], val);
	store(w, DATA.first.word[i + 2], val);
	store(w, DATA.first.word[i + 3], val);
}

static __always_inline void same_16(struct window *w, int i, unsigned long val)
{
	same_4(w, i, val);
	same_4(w, i + 4, val);
	same_4(w, i + 8, val);
	same_4(w, i + 12, val);
}

static __always_inline void window_1(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 1);
	store(&w, DATA.first.word[0], val);
	close_window(&w);
}

WORK(window_1)

static __always_inline void window_2(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 1);
	store(&w, DATA.first.word[0], val);
	store(&w, DATA.first.word[1], val);
	close_window(&w);
}

WORK(window_2)

static __always_inline void window_4(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 1);
	same_4(&w, 0, val);
	close_window(&w);
}

WORK(window_4)

static __always_inline void window_16(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 1);
	same_16(&w, 0, val);
	close_window(&w);
}

WORK(window_16)

static __always_inline void window_64(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 1);
	same_16(&w, 0, val);
	same_16(&w, 16, val);
	same_16(&w, 32, val);
	same_16(&w, 48, val);
	close_window(&w);
}

WORK(window_64)

static __always_inline void alternate_2(struct window *w, int i, unsigned long val)
{
	store(w, DATA.first.word[i], val);
	store(w, DATA.other[i], val);
}

static __always_inline void alternate_8(struct window *w, int i, unsigned long val)
{
	alternate_2(w, i, val);
	alternate_2(w, i + 1, val);
	alternate_2(w, i + 2, val);
	alternate_2(w, i + 3, val);
}

static __always_inline void pages_2(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 2);
	alternate_2(&w, 0, val);
	close_window(&w);
}

WORK(pages_2)

static __always_inline void pages_4(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 2);
	alternate_2(&w, 0, val);
	alternate_2(&w, 1, val);
	close_window(&w);
}

WORK(pages_4)

static __always_inline void pages_16(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 2);
	alternate_8(&w, 0, val);
	alternate_8(&w, 4, val);
	close_window(&w);
}

WORK(pages_16)

static __always_inline void pages_64(unsigned long val)
{
	struct window w = {};

	open_window(&w, 0, 2);
	alternate_8(&w, 0, val);
	alternate_8(&w, 4, val);
	alternate_8(&w, 8, val);
	alternate_8(&w, 12, val);
	alternate_8(&w, 16, val);
	alternate_8(&w, 20, val);
	alternate_8(&w, 24, val);
	alternate_8(&w, 28, val);
	close_window(&w);
}

WORK(pages_64)

#ifndef BENCH_WORDS_ONLY

static __always_inline void write_1(unsigned long val)
{
	one(DATA.first.b1, val);
}

WORK(write_1)

static __always_inline void write_2(unsigned long val)
{
	one(DATA.first.b2, val);
}

WORK(write_2)

static __always_inline void write_4(unsigned long val)
{
	one(DATA.first.b4, val);
}

WORK(write_4)

static __always_inline void write_64(unsigned long val)
{
	one_copy(DATA.first.b64, rare_write_bench_source, 64, 0, 1);
}

WORK(write_64)

static __always_inline void write_256(unsigned long val)
{
	one_copy(DATA.first.b256, rare_write_bench_source, 256, 0, 1);
}

WORK(write_256)

static __always_inline void write_4096(unsigned long val)
{
	one_copy(DATA.b4096, rare_write_bench_source, 4096, 2, 1);
}

WORK(write_4096)

static __always_inline void crossing_64(unsigned long val)
{
	one_copy(DATA.cross, rare_write_bench_source, 64, 0, 2);
}

WORK(crossing_64)

#endif /* BENCH_WORDS_ONLY */

/* What list_add() does, in one window. */
static __always_inline void list_insert(unsigned long val)
{
	struct list_head *head = (struct list_head *)&DATA.first.head;
	struct list_head *node = (struct list_head *)&DATA.first.node;
	struct list_head *next = READ_ONCE(head->next);
	struct window w = {};

	open_window(&w, 0, 1);
	store(&w, like_data(next->prev), node);
	store(&w, like_data(node->next), next);
	store(&w, like_data(node->prev), head);
	store(&w, like_data(head->next), node);
	close_window(&w);
}

WORK(list_insert)

/* What list_del_init() does, in one window: that can be repeated. */
static __always_inline void list_remove(unsigned long val)
{
	struct list_head *node = (struct list_head *)&DATA.first.node;
	struct list_head *next = READ_ONCE(node->next);
	struct list_head *prev = READ_ONCE(node->prev);
	struct window w = {};

	open_window(&w, 0, 1);
	store(&w, like_data(next->prev), prev);
	store(&w, like_data(prev->next), next);
	store(&w, like_data(node->next), node);
	store(&w, like_data(node->prev), node);
	close_window(&w);
}

WORK(list_remove)

/* A list that holds its node, so that inserting or removing it again works. */
static void setup(unsigned long val)
{
	struct list_head *head = (struct list_head *)&DATA.first.head;
	struct list_head *node = (struct list_head *)&DATA.first.node;
	struct window w = {};

	open_window(&w, 0, 1);
	store(&w, like_data(head->next), node);
	store(&w, like_data(head->prev), node);
	store(&w, like_data(node->next), head);
	store(&w, like_data(node->prev), head);
	close_window(&w);
}

static void __maybe_unused scale(unsigned long line, unsigned long rounds)
{
	for (; rounds; rounds--) {
		OPTIMIZER_HIDE_VAR(rounds);
		barrier();
		one(DATA.first.line[line % BENCH_LINES].word, rounds);
	}
}

#define CASE(name)	{ #name, name##_loop, name##_once }

/* main.c knows that the second is write_8. */
static const struct bench_case cases[] = {
	CASE(empty),
	CASE(write_8),
	CASE(separate_16),
	CASE(window_1),
	CASE(window_2),
	CASE(window_4),
	CASE(window_16),
	CASE(window_64),
	CASE(pages_2),
	CASE(pages_4),
	CASE(pages_16),
	CASE(pages_64),
	CASE(list_insert),
	CASE(list_remove),
#ifndef BENCH_WORDS_ONLY
	CASE(write_1),
	CASE(write_2),
	CASE(write_4),
	CASE(write_64),
	CASE(write_256),
	CASE(write_4096),
	CASE(crossing_64),
#endif
};

#define BENCH_WAY_CASES							\
	.cases = cases,							\
	.nr_cases = ARRAY_SIZE(cases),					\
	.setup = setup
