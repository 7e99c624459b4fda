// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the sysctl handlers of rare_sysctl.h, as a module: see
 * rare_write_kunit.c.
 *
 *   rare_sysctl         each handler next to the one that it is named after
 *   rare_sysctl_misuse  entries that an attacker made up, which must end in BUG()
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/rare_sysctl.h>
#include <linux/rare_write.h>

union value {
	char str[16];
	bool flag;
	int ints[4];
};

static union value plain;
static struct ctl_table plain_table;
static __wr_rare_type union value rare __wr_rare;

static int limit_min = -5, limit_max = 10;

#define ENTRY(var, size, handler, min, max) {				\
	.procname = "value",						\
	.data = (void *)(var),						\
	.maxlen = size,							\
	.mode = 0644,							\
	.proc_handler = handler,					\
	.extra1 = min,							\
	.extra2 = max,							\
}

static __wr_rare_type struct ctl_table rare_tables[] __wr_rare = {
	ENTRY(&rare, sizeof(plain.str), proc_rare_dostring, NULL, NULL),
	ENTRY(&rare, 1, proc_rare_dostring, NULL, NULL),
	ENTRY(&rare, sizeof(bool), proc_rare_dobool, NULL, NULL),
	ENTRY(&rare, 4, proc_rare_dobool, NULL, NULL),
	ENTRY(&rare, sizeof(int), proc_rare_dointvec, NULL, NULL),
	ENTRY(&rare, 3 * sizeof(int), proc_rare_dointvec, NULL, NULL),
	ENTRY(&rare, 0, proc_rare_dointvec, NULL, NULL),
	ENTRY(&rare, sizeof(int), proc_rare_dointvec_minmax, &limit_min, &limit_max),
	ENTRY(&rare, sizeof(int), proc_rare_dointvec_minmax, &limit_min, NULL),
	ENTRY(&rare, sizeof(int), proc_rare_dointvec_minmax, NULL, &limit_max),
	ENTRY(&rare, 4 * sizeof(int), proc_rare_dointvec_minmax, &limit_min, &limit_max),
	ENTRY(&rare, sizeof(unsigned int), proc_rare_douintvec, NULL, NULL),
};

/* The originals of these. */
static const struct pair {
	const char *name;
	proc_handler *handler;
} pairs[] = {
	{ "string", proc_dostring },
	{ "string_of_1", proc_dostring },
	{ "bool", proc_dobool },
	{ "bool_of_4", proc_dobool },
	{ "int", proc_dointvec },
	{ "ints", proc_dointvec },
	{ "no_int", proc_dointvec },
	{ "minmax", proc_dointvec_minmax },
	{ "min", proc_dointvec_minmax },
	{ "max", proc_dointvec_minmax },
	{ "minmax_ints", proc_dointvec_minmax },
	{ "uint", proc_douintvec },
};

static_assert(ARRAY_SIZE(pairs) == ARRAY_SIZE(rare_tables));

static void pair_name(const struct pair *pair, char *desc)
{
	strscpy(desc, pair->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pair, pairs, pair_name);

static const struct ctl_table *rare_table(const struct pair *pair)
{
	return rare_ptr(&rare_tables[pair - pairs]);
}

static const char * const inputs[] = {
	"", "\n", " ", "0", "1", "2\n", " 3 ", "\t4\t", "10", "11", "-1", "-5", "-6", "-", "--1",
	"+1", "0x10", "010", "08", "2147483647", "2147483648", "-2147483648", "-2147483649",
	"4294967296", "99999999999999999999", "9999999999999999999999", "abc", "5abc", "5,6",
	"1 2 3", "1\t2\tx", "1 99 3", "1 2 3 4 5", "7 8", "1\n2\n", "/sbin/helper", "abc\ndef",
	"fifteen letters", "sixteen letters!", "more than sixteen letters\n",
};

static const loff_t positions[] = { 0, 1, 3, 15, 16, 100 };

/* Before each comparison: a string, true, and no small integers. */
static const union value before = { .str = "\1ld\0behind" };

/* Do the same with both; tell whether the outcome is the same. */
static bool same(const struct pair *pair, int write, const char *input, size_t size, loff_t pos)
{
	char plain_buf[64] = {}, rare_buf[64] = {};
	size_t plain_size = size, rare_size = size;
	loff_t plain_pos = pos, rare_pos = pos;
	int plain_ret, rare_ret;

	plain = before;
	rare_write(rare, before);
	strscpy(plain_buf, input);
	strscpy(rare_buf, input);
	plain_ret = pair->handler(&plain_table, write, plain_buf, &plain_size, &plain_pos);
	rare_ret = rare_table(pair)->proc_handler(rare_table(pair), write, rare_buf, &rare_size,
						  &rare_pos);
	return plain_ret == rare_ret && plain_size == rare_size && plain_pos == rare_pos &&
	       !memcmp(plain_buf, rare_buf, sizeof(plain_buf)) &&
	       !memcmp(&plain, rare_ptr(&rare), sizeof(plain));
}

static void set_plain(const struct pair *pair)
{
	plain_table = *rare_table(pair);
	plain_table.data = &plain;
	plain_table.proc_handler = pair->handler;
}

static int write_file(const char *name, const char *text, loff_t pos)
{
	struct file *file = filp_open(name, O_WRONLY, 0);
	int ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = kernel_write(file, text, strlen(text), &pos);
	filp_close(file, NULL);
	return ret;
}

/* kernel.sysctl_writes_strict decides what a position means. */
static void set_mode(struct kunit *test, const char *mode)
{
	KUNIT_ASSERT_EQ(test, write_file("/proc/sys/kernel/sysctl_writes_strict", mode, 0),
			strlen(mode));
}

static void like_the_original(struct kunit *test)
{
	static const char * const modes[] = { "-1", "0", "1" };
	const struct pair *pair = test->param_value;
	int changed = 0, refused = 0;

	set_plain(pair);
	for (int m = 0; m < ARRAY_SIZE(modes); m++) {
		set_mode(test, modes[m]);
		for (int p = 0; p < ARRAY_SIZE(positions); p++) {
			for (int i = 0; i < ARRAY_SIZE(inputs); i++) {
				KUNIT_EXPECT_TRUE_MSG(test, same(pair, 1, inputs[i],
								 strlen(inputs[i]), positions[p]),
						      "\"%s\" at %lld, mode %s", inputs[i],
						      positions[p], modes[m]);
				changed += memcmp(&plain, &before, sizeof(plain)) != 0;
				refused += memcmp(&plain, &before, sizeof(plain)) == 0;
			}
			for (size_t size = 0; size < 20; size++)
				KUNIT_EXPECT_TRUE_MSG(test, same(pair, 0, "", size, positions[p]),
						      "reading %zu at %lld", size, positions[p]);
		}
	}
	/* What is compared is worth it: some of it was stored, and some was not. */
	KUNIT_EXPECT_GT(test, refused, 10);
	if (plain_table.maxlen && strcmp(pair->name, "bool_of_4"))
		KUNIT_EXPECT_GT(test, changed, 10);
}

/* /proc hands on the entry itself, which is what must be read-only. */
static void through_proc(struct kunit *test)
{
	struct ctl_table_header *header;

	set_mode(test, "1");
	rare_write(rare, before);
	rare_sysctl_check(rare_table(&pairs[7]));
	header = register_sysctl_sz("rare_write_test",
				    (struct ctl_table *)rare_table(&pairs[7]), 1);
	KUNIT_ASSERT_NOT_NULL(test, header);
	KUNIT_EXPECT_EQ(test, write_file("/proc/sys/rare_write_test/value", "7\n", 0), 2);
	KUNIT_EXPECT_EQ(test, rare.ints[0], 7);
	KUNIT_EXPECT_EQ(test, write_file("/proc/sys/rare_write_test/value", "11\n", 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, write_file("/proc/sys/rare_write_test/value", "8\n", 1), 2);
	KUNIT_EXPECT_EQ(test, rare.ints[0], 7);
	unregister_sysctl_table(header);
}

static void exit_case(struct kunit *test)
{
	set_mode(test, "1");
}

static struct kunit_case sysctl_cases[] = {
	KUNIT_CASE_PARAM(like_the_original, pair_gen_params),
	KUNIT_CASE(through_proc),
	{}
};

static struct kunit_suite sysctl_suite = {
	.name = "rare_sysctl",
	.exit = exit_case,
	.test_cases = sysctl_cases,
};

#ifdef CONFIG_RARE_WRITE

#include "rare_write_test.h"

/* Writes "0" by the entry at @table: none of the variables is that. */
static void write_by(const struct ctl_table *table)
{
	char buf[] = "0";
	size_t size = 1;
	loff_t pos = 0;

	table->proc_handler(table, 1, buf, &size, &pos);
}

/* An entry that could have been changed: it names the variable of the attacker's choice. */
static void write_by_forged(int i)
{
	plain_table = *rare_table(&pairs[i]);
	write_by(&plain_table);
}

static void forged_string(void)
{
	write_by_forged(0);
}

static void forged_bool(void)
{
	write_by_forged(2);
}

static void forged_int(void)
{
	write_by_forged(4);
}

static void forged_minmax(void)
{
	write_by_forged(7);
}

static void forged_uint(void)
{
	write_by_forged(11);
}

/* A handler of one's own asks for itself. */
static void forged_and_checked(void)
{
	rare_sysctl_check(&plain_table);
}

/*
 * Root may write some of what is write-rare, byte by byte, and thereby an entry, which
 * leads to what not even root may write. A module's must lead nowhere else.
 */
static __wr_rare_type struct ctl_table forged_table __wr_rare;

static void forged_in_rare(void)
{
	plain_table = *rare_table(&pairs[4]);
	plain_table.data = (void *)rare_ptr(&rare_write_probe);
	rare_write(forged_table, plain_table);
	write_by(rare_ptr(&forged_table));
}

/* A good entry, whose own handler would refuse what this one takes. */
static void by_another_handler(void)
{
	char buf[] = "0";
	size_t size = 1;
	loff_t pos = 0;

	proc_rare_dointvec(rare_table(&pairs[7]), 1, buf, &size, &pos);
}

static void forged_in_kernel(void)
{
	rare_sysctl_check((const struct ctl_table *)rare_ptr(&rare_write_probe));
}

/* Good entries which lead to what is not write-rare. */
static __wr_rare_type struct ctl_table to_plain[] __wr_rare = {
	ENTRY(&plain, sizeof(plain.str), proc_rare_dostring, NULL, NULL),
	ENTRY(&plain, sizeof(bool), proc_rare_dobool, NULL, NULL),
	ENTRY(&plain, sizeof(int), proc_rare_dointvec, NULL, NULL),
};

static void plain_string(void)
{
	write_by(rare_ptr(&to_plain[0]));
}

static void plain_bool(void)
{
	write_by(rare_ptr(&to_plain[1]));
}

static void plain_int(void)
{
	write_by(rare_ptr(&to_plain[2]));
}

#define MISUSE(func)	{ #func, func }

static const struct misuse misuses[] = {
	MISUSE(forged_string),
	MISUSE(forged_bool),
	MISUSE(forged_int),
	MISUSE(forged_minmax),
	MISUSE(forged_uint),
	MISUSE(forged_and_checked),
	MISUSE(forged_in_rare),
	MISUSE(by_another_handler),
	MISUSE(forged_in_kernel),
	MISUSE(plain_string),
	MISUSE(plain_bool),
	MISUSE(plain_int),
};

static void sysctl_misuse_is_fatal(struct kunit *test)
{
	const struct misuse *misuse = test->param_value;
	unsigned int cpu = cpu_to_die_on();
	unsigned long probe = rare_write_probe;

	plain = before;
	rare_write(rare, before);
	/* What is forged is refused before it is looked into. */
	KUNIT_EXPECT_TRUE(test, dies(call_misuse, (void *)misuse, cpu, misuse->name,
				     strstarts(misuse->name, "forged") ?
				     "kernel BUG at \\S*rare_sysctl\\.c" : DIES_OF_BUG));
	KUNIT_EXPECT_MEMEQ(test, &plain, &before, sizeof(before));
	KUNIT_EXPECT_MEMEQ(test, rare_ptr(&rare), &before, sizeof(before));
	KUNIT_EXPECT_EQ(test, rare_write_probe, probe);
	expect_usable(test, cpu);
}

KUNIT_ARRAY_PARAM(misuse, misuses, misuse_name);

static struct kunit_case misuse_cases[] = {
	KUNIT_CASE_PARAM(sysctl_misuse_is_fatal, misuse_gen_params),
	{}
};

static struct kunit_suite misuse_suite = {
	.name = "rare_sysctl_misuse",
	.test_cases = misuse_cases,
};

kunit_test_suites(&sysctl_suite, &misuse_suite);

#else

kunit_test_suite(sysctl_suite);

#endif /* CONFIG_RARE_WRITE */

MODULE_DESCRIPTION("KUnit tests for the sysctl handlers of write-rare variables");
MODULE_LICENSE("GPL");
