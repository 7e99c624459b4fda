// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one use of rare_write() adds to the code around it: the runner compiles
 * this with different values of CASE and compares sizes. And two readers that
 * must be the same.
 */
#include <linux/module.h>
#include <linux/rare_write.h>

struct policy {
	u64 flags;
	int (*check)(int arg);
};

static __wr_rare_type u64 rare __wr_rare;
static __wr_rare_type u64 rare_array[16] __wr_rare;
static __wr_rare_type struct policy rare_policy __wr_rare;
static u64 plain;
static u64 plain_array[16];
static struct policy plain_policy;

static noinline __used u64 rare_read(void)
{
	return rare;
}

static noinline __used u64 plain_read(void)
{
	return READ_ONCE(plain);
}

static noinline __used u64 rare_read_element(int i)
{
	return rare_array[i];
}

static noinline __used u64 plain_read_element(int i)
{
	return READ_ONCE(plain_array[i]);
}

static noinline __used int rare_read_call(int arg)
{
	return rare_policy.check(arg);
}

static noinline __used int plain_read_call(int arg)
{
	int (*check)(int arg) = READ_ONCE(plain_policy.check);

	return check(arg);
}

static noinline __used void writer(u64 val)
{
	/* So that the compiler cannot know what the plain objects hold. */
	WRITE_ONCE(plain_array[val % 16], val);
	WRITE_ONCE(plain_policy.check, (void *)val);
#if CASE == 0
	WRITE_ONCE(plain, val);
#elif CASE == 1 /* rare_write() */
	WRITE_ONCE(plain, val);
	rare_write(rare, val);
#elif CASE == 2 /* a second one */
	WRITE_ONCE(plain, val);
	rare_write(rare, val);
	rare_write(rare_policy.flags, val);
#elif CASE == 3 /* a window with one write */
	WRITE_ONCE(plain, val);
	rare_write_begin();
	__rare_write(rare, val);
	rare_write_end();
#elif CASE == 4 /* a window with two */
	WRITE_ONCE(plain, val);
	rare_write_begin();
	__rare_write(rare, val);
	__rare_write(rare_policy.flags, val);
	rare_write_end();
#endif
}

MODULE_DESCRIPTION("Uses of rare_write(), to be measured");
MODULE_LICENSE("GPL");
