// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the compiler must refuse: check_compile.py builds this once for each
 * case. Case 0 must build, the others must not, and for the reason named.
 */
#include <linux/module.h>
#include <linux/rare_write.h>

struct table {
	int (*func)(void);
};

extern __wr_rare_type int shared;

static __wr_rare_type int scalar __wr_rare = 1;
static __wr_rare_type struct table table __wr_rare;
static __wr_rare_type int array[4] __wr_rare;
static __wr_rare_type char string[8] __wr_rare;
static __wr_rare_type struct table *pointer = &table;
static int plain;

int misuse(void);
int misuse(void)
{
	struct table other = {};
	char longer[9] = "";

	rare_write(scalar, plain);
	rare_write_copy(string, longer, 8);
#if CASE == 1		/* refused: read-only|const-qualified */
	scalar = 2;
#elif CASE == 2		/* refused: read-only|const-qualified */
	table.func = misuse;
#elif CASE == 3		/* refused: read-only|const-qualified */
	array[1] = 2;
#elif CASE == 4		/* refused: read-only|const-qualified */
	table = other;
#elif CASE == 5		/* refused: read-only|const-qualified */
	pointer->func = misuse;
#elif CASE == 6		/* refused: read-only|const-qualified */
	shared = 2;
#elif CASE == 7		/* refused: not declared with __wr_rare_type */
	rare_write(plain, 2);
#elif CASE == 8		/* refused: longer than the object */
	rare_write_copy(string, longer, 9);
#elif CASE == 9		/* refused: not 1, 2, 4 or 8 bytes */
	rare_write_release(array, longer);
#elif CASE == 10	/* refused: not an array of char */
	rare_write_str(array, "text");
#elif CASE == 11	/* refused: an array is no value */
	rare_write(string, longer);
#elif CASE == 12	/* refused: not a bitmap */
	rare_set_bit(1, array);
#elif CASE == 13	/* refused: not declared with __wr_rare_type */
	rare_fetch_add(plain, 1);
#endif
	return scalar + array[0] + pointer->func() + other.func();
}

MODULE_DESCRIPTION("Must not build");
MODULE_LICENSE("GPL");
