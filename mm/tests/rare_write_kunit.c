// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for rare_write(), as a module: what is built in would run before
 * the kernel makes its data read-only.
 *
 *   rare_write          the interface; also with CONFIG_RARE_WRITE=n
 *   rare_write_misuse   what must end in BUG(), and what follows from that
 *   rare_write_protect  attacks on data, on the alias, on a window
 *   rare_write_cost     instructions for each window, where time counts them
 *
 * The promises P1 to P12 are listed in Documentation/security/rare-write.rst.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rare_write.h>
#include <linux/rare_write_debug.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>

struct big {
	u8 tag;
	u64 a, b;
	const char *name;
};

struct __packed odd {
	u8 pad;
	u32 val;
};

static __wr_rare_type u8 v8 __wr_rare = 1;
static __wr_rare_type u16 v16 __wr_rare = 2;
static __wr_rare_type u32 v32 __wr_rare;
static __wr_rare_type u64 v64 __wr_rare = 4;
static const char * __wr_rare_type vptr __wr_rare = "old";
static __wr_rare_type struct big vbig __wr_rare = { .a = 1, .name = "big" };
static __wr_rare_type struct odd vodd __wr_rare;
static __wr_rare_type int varr[4] __wr_rare = { 1, 2, 3, 4 };
static __wr_rare_type char vstr[16] __wr_rare = "initial";
static __wr_rare_type u8 vpages[3 * PAGE_SIZE] __wr_rare __aligned(PAGE_SIZE);

extern __wr_rare_type unsigned long rare_write_kunit_shared;
__wr_rare_type unsigned long rare_write_kunit_shared __wr_rare = 7;

/* Not inlined, so that the reader cannot know what was written just before. */
static noinline u64 read_v64(void)
{
	return v64;
}

static void scalars(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, rare_write(v8, 0xa1), 0xa1);
	KUNIT_EXPECT_EQ(test, v8, 0xa1);
	KUNIT_EXPECT_EQ(test, rare_write(v16, 0xa1b2), 0xa1b2);
	KUNIT_EXPECT_EQ(test, v16, 0xa1b2);
	KUNIT_EXPECT_EQ(test, rare_write(v32, 0xa1b2c3d4), 0xa1b2c3d4);
	KUNIT_EXPECT_EQ(test, v32, 0xa1b2c3d4);
	KUNIT_EXPECT_EQ(test, rare_write(v64, 0xa1b2c3d4e5f60718), 0xa1b2c3d4e5f60718);
	KUNIT_EXPECT_EQ(test, v64, 0xa1b2c3d4e5f60718);
	KUNIT_EXPECT_STREQ(test, rare_write(vptr, "new"), "new");
	KUNIT_EXPECT_STREQ(test, vptr, "new");
	KUNIT_EXPECT_EQ(test, rare_write(rare_write_kunit_shared, 8), 8);
	KUNIT_EXPECT_EQ(test, rare_write_kunit_shared, 8);
}

/* The trap of const: a reader that was compiled to return the initial value. */
static void readers_see_it(struct kunit *test)
{
	for (u64 i = 0; i < 3; i++) {
		rare_write(v64, i);
		KUNIT_EXPECT_EQ(test, read_v64(), i);
	}
}

static void evaluates_once(struct kunit *test)
{
	int i = 0, val = 5;

	KUNIT_EXPECT_EQ(test, rare_write(varr[i++], val++), 5);
	KUNIT_EXPECT_EQ(test, i, 1);
	KUNIT_EXPECT_EQ(test, val, 6);
	rare_xchg(varr[i++], val++);
	KUNIT_EXPECT_EQ(test, i, 2);
	KUNIT_EXPECT_EQ(test, val, 7);
	KUNIT_EXPECT_EQ(test, varr[1], 6);
}

static void structs(struct kunit *test)
{
	struct big big = { .tag = 1, .a = 2, .b = 3, .name = "struct" };

	rare_write(vbig, big);
	KUNIT_EXPECT_MEMEQ(test, rare_ptr(&vbig), &big, sizeof(big));
	rare_write(vbig.b, 9);
	KUNIT_EXPECT_EQ(test, vbig.b, 9);
	KUNIT_EXPECT_EQ(test, vbig.a, 2);
	rare_write(vodd.val, 0x01020304);
	KUNIT_EXPECT_EQ(test, vodd.val, 0x01020304);
	KUNIT_EXPECT_EQ(test, vodd.pad, 0);
	rare_write_fill(vbig, 0);
	KUNIT_EXPECT_PTR_EQ(test, vbig.name, NULL);
	rare_write_copy(vbig, &big, offsetof(struct big, b));
	KUNIT_EXPECT_EQ(test, vbig.a, 2);
	KUNIT_EXPECT_EQ(test, vbig.b, 0);
}

static void strings(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, rare_write_str(vstr, "short"), 5);
	KUNIT_EXPECT_STREQ(test, rare_ptr(vstr), "short");
	KUNIT_EXPECT_EQ(test, rare_write_str(vstr, "fifteen letters"), 15);
	KUNIT_EXPECT_STREQ(test, rare_ptr(vstr), "fifteen letters");
	KUNIT_EXPECT_EQ(test, rare_write_str(vstr, "sixteen letters!"), -E2BIG);
	KUNIT_EXPECT_STREQ(test, rare_ptr(vstr), "sixteen letters");
	KUNIT_EXPECT_EQ(test, rare_write_str(vstr, ""), 0);
	KUNIT_EXPECT_STREQ(test, rare_ptr(vstr), "");
}

/* Every length around both page borders, and the bytes next to it unchanged. */
static void page_crossing(struct kunit *test)
{
	u8 *data = kunit_kmalloc(test, PAGE_SIZE + 32, GFP_KERNEL);
	int bad = 0;

	KUNIT_ASSERT_NOT_NULL(test, data);
	memset(data, 0x5a, PAGE_SIZE + 32);
	for (size_t from = PAGE_SIZE - 17; from <= PAGE_SIZE + 1; from++) {
		for (size_t len = 0; len < PAGE_SIZE + 32; len += len < 32 ? 1 : 509) {
			rare_write_fill(vpages, 0);
			scoped_guard(rare_write)
				__rare_write_copy(*(__wr_rare_type u8 (*)[PAGE_SIZE + 32])
						  &vpages[from], data, len);
			for (size_t i = 0; i < sizeof(vpages); i++)
				bad += vpages[i] != (i >= from && i < from + len ? 0x5a : 0);
		}
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

static void atomics(struct kunit *test)
{
	rare_write(v8, 1);
	KUNIT_EXPECT_EQ(test, rare_xchg(v8, 2), 1);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v8, 2, 3), 2);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v8, 2, 4), 3);
	KUNIT_EXPECT_EQ(test, v8, 3);
	rare_write(v16, 1);
	KUNIT_EXPECT_EQ(test, rare_xchg(v16, 0x200), 1);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v16, 0x200, 3), 0x200);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v16, 2, 4), 3);
	rare_write(v32, 1);
	KUNIT_EXPECT_EQ(test, rare_xchg(v32, 2), 1);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v32, 2, 3), 2);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v32, 2, 4), 3);
	rare_write(v64, 1);
	KUNIT_EXPECT_EQ(test, rare_xchg(v64, 2), 1);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v64, 2, 3), 2);
	KUNIT_EXPECT_EQ(test, rare_cmpxchg(v64, 2, 4), 3);
	KUNIT_EXPECT_EQ(test, v64, 3);
	rare_write_release(v8, 5);
	rare_write_release(v16, 6);
	rare_write_release(v32, 7);
	rare_write_release(v64, 8);
	KUNIT_EXPECT_EQ(test, v8 + v16 + v32 + v64, 26);
	rare_assign_pointer(vptr, "published");
	KUNIT_EXPECT_STREQ(test, vptr, "published");
}

static void windows(struct kunit *test)
{
	scoped_guard(rare_write) {
		for (int i = 0; i < ARRAY_SIZE(varr); i++)
			__rare_write(varr[i], i * i);
		/* From page to page and back. */
		for (int i = 0; i < 9; i++)
			__rare_write(vpages[(i % 3) * PAGE_SIZE], i);
		__rare_write(v64, 77);
	}
	KUNIT_EXPECT_EQ(test, varr[3], 9);
	KUNIT_EXPECT_EQ(test, vpages[0], 6);
	KUNIT_EXPECT_EQ(test, vpages[PAGE_SIZE], 7);
	KUNIT_EXPECT_EQ(test, vpages[2 * PAGE_SIZE], 8);
	KUNIT_EXPECT_EQ(test, v64, 77);
	/* A window may stay empty. */
	rare_write_begin();
	rare_write_end();
}

static void write_in_irq(struct irq_work *work)
{
	if (in_hardirq())
		rare_write(v32, v32 + 1);
}

static void write_in_softirq(struct timer_list *timer)
{
	if (in_serving_softirq())
		rare_write(v16, v16 + 1);
}

static void contexts(struct kunit *test)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(write_in_irq);
	struct timer_list timer;
	unsigned long flags;
	int preempt = preempt_count();

	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	rare_write(v64, 1);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	KUNIT_EXPECT_EQ(test, preempt_count(), preempt);

	local_irq_save(flags);
	rare_write(v64, 2);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	scoped_guard(rare_write)
		__rare_write(v64, 3);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, v64, 3);

	rare_write(v32, 1);
	irq_work_queue(&work);
	irq_work_sync(&work);
	KUNIT_EXPECT_EQ(test, v32, 2);

	rare_write(v16, 1);
	timer_setup_on_stack(&timer, write_in_softirq, 0);
	mod_timer(&timer, jiffies + 1);
	for (int i = 0; i < 1000 && v16 == 1; i++)
		msleep(1);
	timer_delete_sync(&timer);
	destroy_timer_on_stack(&timer);
	KUNIT_EXPECT_EQ(test, v16, 2);
}

static struct kunit_case api_cases[] = {
	KUNIT_CASE(scalars),
	KUNIT_CASE(readers_see_it),
	KUNIT_CASE(evaluates_once),
	KUNIT_CASE(structs),
	KUNIT_CASE(strings),
	KUNIT_CASE_SLOW(page_crossing),
	KUNIT_CASE(atomics),
	KUNIT_CASE(windows),
	KUNIT_CASE(contexts),
	{}
};

static struct kunit_suite api_suite = {
	.name = "rare_write",
	.test_cases = api_cases,
};

#ifdef CONFIG_RARE_WRITE

static unsigned long victim = 0x1234;	/* plain memory: must not change */
static const unsigned long rodata_victim = 0x5678;

/* The first address behind the write-rare region of the kernel. */
static unsigned long region_end(void)
{
	return (rare_write_image.page & PAGE_MASK) + rare_write_image.size;
}

static noinline void write_to(unsigned long addr)
{
	rare_write(*(__wr_rare_type unsigned long *)addr, 666);
}

static void do_nested(void)
{
	rare_write_begin();
	rare_write_begin();
}

static void do_nested_in_write(void)
{
	rare_write_begin();
	rare_write(v64, 666);
}

static void do_end(void)
{
	rare_write_end();
}

static void do_write_outside(void)
{
	__rare_write(v64, 666);
}

static void do_text(void)
{
	write_to((unsigned long)printk_get_level & ~7UL);
}

static void do_rodata(void)
{
	write_to((unsigned long)&rodata_victim);
}

static void do_data(void)
{
	write_to((unsigned long)&victim);
}

static void do_heap(void)
{
	write_to((unsigned long)current);
}

static void do_stack(void)
{
	write_to((unsigned long)__builtin_frame_address(0));
}

static void do_user(void)
{
	write_to(0x400000);
}

static void do_null(void)
{
	write_to(0);
}

static void do_window_null(void)
{
	rare_write_begin();
	__rare_write(*(__wr_rare_type unsigned long *)8, 666);
}

static void do_behind_region(void)
{
	write_to(region_end());
}

static void do_over_end(void)
{
	u8 data[16];

	memset(data, 0x66, sizeof(data));
	rare_write_copy(*(__wr_rare_type u8 (*)[16])(region_end() - 8), data, sizeof(data));
}

static void do_second_page(void)
{
	rare_write_begin();
	__rare_write(v64, v64);
	__rare_write(*(__wr_rare_type unsigned long *)&victim, 666);
}

/* An address that nothing maps, on either architecture. */
#define UNMAPPED	((void *)0xffff100000000000UL)

static void do_bad_source(void)
{
	rare_write_copy(vstr, UNMAPPED, sizeof(vstr));
}

static void do_bug_inside(void)
{
	rare_write_begin();
	__rare_write(v64, v64);
	BUG();
}

struct misuse {
	const char *name;
	void (*func)(void);
};

static const struct misuse misuses[] = {
	{ "nested_begin", do_nested },
	{ "nested_write", do_nested_in_write },
	{ "end_without_begin", do_end },
	{ "write_outside", do_write_outside },
	{ "to_text", do_text },
	{ "to_rodata", do_rodata },
	{ "to_data", do_data },
	{ "to_heap", do_heap },
	{ "to_stack", do_stack },
	{ "to_user", do_user },
	{ "to_null", do_null },
	{ "to_null_in_window", do_window_null },
	{ "behind_region", do_behind_region },
	{ "over_end_of_region", do_over_end },
	{ "second_page_wrong", do_second_page },
	{ "bad_source", do_bad_source },
	{ "bug_inside", do_bug_inside },
};

static int call_and_survive(void *func)
{
	((void (*)(void))func)();
	/* Being here is the failure. Do not leave a window behind it. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void nothing(void *unused)
{
}

/* Is this CPU as it should be: no alias, interrupts on, windows open and close? */
static void expect_usable(struct kunit *test, int cpu)
{
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	/* Goes through an interrupt there. */
	KUNIT_EXPECT_EQ(test, smp_call_function_single(cpu, nothing, NULL, 1), 0);
	if (IS_ENABLED(CONFIG_RARE_WRITE_DEBUG))
		KUNIT_EXPECT_EQ(test, rare_write_debug_private(cpu), 0);
}

static void write_there(void *unused)
{
	rare_write(v32, 0xfee1);
}

static void misuse_is_fatal(struct kunit *test)
{
	const struct misuse *misuse = test->param_value;
	/* Another CPU if there is one: it must still answer interrupts afterwards. */
	int cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	struct task_struct *task;
	bool dead;
	u64 v64_before = v64;
	unsigned long over = *(unsigned long *)(region_end() - 8);

	if (cpu >= nr_cpu_ids)
		cpu = raw_smp_processor_id();
	task = kthread_create_on_cpu(call_and_survive, misuse->func, cpu, "misuse/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);

	pr_info("rare_write-expect-begin: %s /%s/\n", misuse->name,
		misuse->func == do_bad_source ? "UNABLE|[Uu]nable to handle|general protection" :
		"kernel BUG at|Oops - BUG");
	wake_up_process(task);
	for (int i = 0; i < 5000 && !READ_ONCE(task->exit_state); i++)
		msleep(1);
	dead = READ_ONCE(task->exit_state);
	/* The end of the oops is printed by the dying task; let it finish. */
	msleep(20);
	pr_info("rare_write-expect-end: %s\n", misuse->name);

	KUNIT_EXPECT_TRUE(test, dead);
	if (!dead)
		kthread_stop(task);
	put_task_struct(task);

	KUNIT_EXPECT_EQ(test, v64, v64_before);
	KUNIT_EXPECT_EQ(test, victim, 0x1234);
	KUNIT_EXPECT_EQ(test, *(volatile const unsigned long *)&rodata_victim, 0x5678);
	KUNIT_EXPECT_EQ(test, *(unsigned long *)(region_end() - 8), over);
	expect_usable(test, cpu);
	rare_write(v32, 0);
	KUNIT_EXPECT_EQ(test, smp_call_function_single(cpu, write_there, NULL, 1), 0);
	KUNIT_EXPECT_EQ(test, v32, 0xfee1);
}

static void misuse_name(const struct misuse *misuse, char *desc)
{
	strscpy(desc, misuse->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(misuse, misuses, misuse_name);

static void warn_inside(struct kunit *test)
{
	pr_info("rare_write-expect-begin: warn_inside /WARNING: /\n");
	scoped_guard(rare_write) {
		__rare_write(v64, 1);
		WARN(1, "inside a window\n");
		__rare_write(v64, 2);
	}
	pr_info("rare_write-expect-end: warn_inside\n");
	KUNIT_EXPECT_EQ(test, v64, 2);
	expect_usable(test, raw_smp_processor_id());
}

static void sleep_inside(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		kunit_skip(test, "needs DEBUG_ATOMIC_SLEEP");
	pr_info("rare_write-expect-begin: sleep_inside /sleeping function called/\n");
	scoped_guard(rare_write)
		might_sleep();
	pr_info("rare_write-expect-end: sleep_inside\n");
	expect_usable(test, raw_smp_processor_id());
}

static struct kunit_case misuse_cases[] = {
	/* Before the oopses: arm64 then takes itself to be in one, and is silent. */
	KUNIT_CASE(sleep_inside),
	KUNIT_CASE(warn_inside),
	KUNIT_CASE_PARAM(misuse_is_fatal, misuse_gen_params),
	{}
};

static struct kunit_suite misuse_suite = {
	.name = "rare_write_misuse",
	.test_cases = misuse_cases,
};

/*
 * Under QEMU's -icount shift=0 a nanosecond is an instruction: the TSC advances
 * by one for each, the arm64 counter by one for each 16.
 */
static bool icount;
module_param(icount, bool, 0400);
MODULE_PARM_DESC(icount, "the machine counts instructions as time");

#define ROUNDS	1600

static u64 instructions(void)
{
#ifdef CONFIG_X86
	return rdtsc();
#elif defined(CONFIG_ARM64)
	return get_cycles() * 16;
#endif
}

/* What @op costs, without the loop around it. */
#define count_instructions(op)						\
({									\
	u64 __start, __empty, __full;					\
									\
	__start = instructions();					\
	for (int __i = 0; __i < ROUNDS; __i++)				\
		barrier();						\
	__empty = instructions() - __start;				\
	__start = instructions();					\
	for (int __i = 0; __i < ROUNDS; __i++) {			\
		barrier();						\
		op;							\
	}								\
	__full = instructions() - __start;				\
	(__full - __empty + ROUNDS / 2) / ROUNDS;			\
})

/* Of the kernel's own write-rare data, the one that modules can name. */
#define built_in	arch_rare_write_tables[NR_CPUS - 1].ptep

static void window_cost(struct kunit *test)
{
	const u64 limit = IS_ENABLED(CONFIG_X86) ? 45 : 60;
	pte_t *same = built_in;
	unsigned long flags;
	u64 window, two, module;

	if (!icount)
		kunit_skip(test, "not counted: needs icount=1");
	/* A tick in the middle would count. */
	local_irq_save(flags);
	window = count_instructions(rare_write(built_in, same));
	two = count_instructions(({
		rare_write_begin();
		__rare_write(built_in, same);
		__rare_write(built_in, same);
		rare_write_end();
	}));
	module = count_instructions(rare_write(v64, 1));
	local_irq_restore(flags);

	kunit_info(test, "instructions: window %llu, with two writes %llu, to a module %llu\n",
		   window, two, module);
	KUNIT_EXPECT_LE(test, window, limit);
	/* Less than a window can be is no count. */
	KUNIT_EXPECT_GT(test, window, 20);
}

static struct kunit_case cost_cases[] = {
	KUNIT_CASE(window_cost),
	{}
};

static struct kunit_suite cost_suite = {
	.name = "rare_write_cost",
	.test_cases = cost_cases,
};

#ifdef CONFIG_RARE_WRITE_DEBUG

static int protect_init(struct kunit *test)
{
	if (!static_key_enabled(&rare_write_protected))
		kunit_skip(test, "nothing is protected: rodata=off");
	return 0;
}

/* What a refused store tells: where, and that it was a write. */
struct fault {
	bool hit;
	unsigned long addr;
	bool write;
};

static struct fault store(unsigned long addr, int size)
{
	struct fault fault = {};
	u64 val = 0x6666666666666666;
	unsigned long flags;

	/* Nothing else may fault before the registers are read. */
	local_irq_save(flags);
	pagefault_disable();
	switch (size) {
	case 1:
		__put_kernel_nofault((u8 *)addr, &val, u8, failed);
		break;
	case 2:
		__put_kernel_nofault((u16 *)addr, &val, u16, failed);
		break;
	case 4:
		__put_kernel_nofault((u32 *)addr, &val, u32, failed);
		break;
	case 8:
		__put_kernel_nofault((u64 *)addr, &val, u64, failed);
		break;
	}
	goto out;
failed:
	fault.hit = true;
#ifdef CONFIG_X86
	fault.addr = native_read_cr2();
	/* CR2 has no access type; the instruction was a store and nothing else. */
	fault.write = fault.hit;
#elif defined(CONFIG_ARM64)
	fault.addr = read_sysreg(far_el1);
	fault.write = read_sysreg(esr_el1) & ESR_ELx_WNR;
#endif
out:
	pagefault_enable();
	local_irq_restore(flags);
	return fault;
}

static void expect_refused(struct kunit *test, unsigned long addr)
{
	for (int size = 1; size <= 8; size *= 2) {
		struct fault fault = store(addr, size);

		KUNIT_EXPECT_TRUE_MSG(test, fault.hit, "%d bytes at %px", size, (void *)addr);
		KUNIT_EXPECT_EQ(test, fault.addr, addr);
		KUNIT_EXPECT_TRUE(test, fault.write);
	}
}

static unsigned long linear_map_of(const volatile void *var)
{
	return (unsigned long)page_address(vmalloc_to_page((void *)var)) + offset_in_page(var);
}

static unsigned long alias_of(const volatile void *var)
{
	return rare_write_debug_alias() + offset_in_page(var);
}

static unsigned long all_private(void)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum |= rare_write_debug_private(cpu);
	return sum;
}

/* P1: every page of the kernel's region and of this module's. */
static void nothing_writable_at_rest(struct kunit *test)
{
	const struct module_memory *mem = &THIS_MODULE->mem[MOD_RARE_WRITE];

	KUNIT_ASSERT_GE(test, mem->size, sizeof(vpages));
	for (unsigned long a = region_end() - rare_write_image.size; a < region_end(); a += PAGE_SIZE) {
		struct rare_write_entry entry = rare_write_debug_entry(a);

		KUNIT_EXPECT_NE(test, entry.val, 0);
		KUNIT_EXPECT_FALSE(test, entry.writable);
		entry = rare_write_debug_entry((unsigned long)lm_alias(a));
		KUNIT_EXPECT_FALSE(test, entry.writable);
	}
	for (unsigned long a = (unsigned long)mem->base; a < (unsigned long)mem->base + mem->size;
	     a += PAGE_SIZE) {
		KUNIT_EXPECT_NE(test, rare_write_debug_entry(a).val, 0);
		KUNIT_EXPECT_FALSE(test, rare_write_debug_entry(a).writable);
	}
	KUNIT_EXPECT_EQ(test, all_private(), 0);
	KUNIT_EXPECT_EQ(test, rare_write_debug_entry(rare_write_debug_alias()).val, 0);
}

static void module_linear_map(struct kunit *test)
{
	u64 before = v64;

	if (!rare_write_debug_modules_sealed())
		kunit_skip(test, "modules are writable in the linear map: rodata=on");
	for (size_t i = 0; i < sizeof(vpages); i += PAGE_SIZE)
		KUNIT_EXPECT_FALSE(test,
				   rare_write_debug_entry(linear_map_of(&vpages[i])).writable);
	expect_refused(test, linear_map_of(&v64));
	KUNIT_EXPECT_EQ(test, v64, before);
}

static void direct_write(struct kunit *test)
{
	u64 before = v64;

	expect_refused(test, (unsigned long)&v64);
	expect_refused(test, (unsigned long)&arch_rare_write_tables[0]);
	KUNIT_EXPECT_EQ(test, v64, before);
}

/* P2, P3: after a window the alias address is dead, on this CPU too. */
static void alias_after_window(struct kunit *test)
{
	for (u64 i = 0; i < 1000; i++) {
		struct fault fault;

		migrate_disable();
		rare_write(v64, i);
		fault = store(alias_of(&v64), 8);
		migrate_enable();
		KUNIT_ASSERT_TRUE(test, fault.hit);
		KUNIT_ASSERT_EQ(test, v64, i);
	}
	expect_refused(test, alias_of(&v64));
	KUNIT_EXPECT_EQ(test, all_private(), 0);
}

/* P4: what interrupts a window, and writes to the object itself, still faults. */
static void direct_write_in_window(struct kunit *test)
{
	struct fault fault;

	scoped_guard(rare_write) {
		__rare_write(v64, 5);
		fault = store((unsigned long)&v64, 8);
		__rare_write(v32, 6);
	}
	KUNIT_EXPECT_TRUE(test, fault.hit);
	KUNIT_EXPECT_EQ(test, fault.addr, (unsigned long)&v64);
	KUNIT_EXPECT_EQ(test, v64, 5);
	KUNIT_EXPECT_EQ(test, v32, 6);
}

/* P2: only the page asked for, and the previous one no more. */
static void one_page_only(struct kunit *test)
{
	u64 first, second;
	struct fault beside;
	int cpu;

	scoped_guard(rare_write) {
		cpu = raw_smp_processor_id();
		__rare_write(vpages[0], 1);
		first = rare_write_debug_private(cpu);
		__rare_write(vpages[PAGE_SIZE], 1);
		second = rare_write_debug_private(cpu);
		beside = store(rare_write_debug_alias() + PAGE_SIZE, 8);
	}
	KUNIT_EXPECT_NE(test, first, 0);
	KUNIT_EXPECT_NE(test, second, 0);
	KUNIT_EXPECT_NE(test, first, second);
	KUNIT_EXPECT_TRUE(test, beside.hit);
}

struct mmu_state {
	u64 root, tag, flags;
};

static struct mmu_state mmu_state(void)
{
#ifdef CONFIG_X86
	return (struct mmu_state){ .root = __native_read_cr3(),
				       .flags = native_save_fl() & X86_EFLAGS_IF };
#elif defined(CONFIG_ARM64)
	return (struct mmu_state){ read_sysreg(ttbr0_el1), read_sysreg(ttbr1_el1),
				       read_sysreg(daif) };
#endif
}

static void address_space_restored(struct kunit *test)
{
	struct mmu_state before, inside, after;

	/* No context switch in between, which would be another address space. */
	preempt_disable();
	before = mmu_state();
	rare_write(v64, 1);
	after = mmu_state();
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	scoped_guard(rare_write) {
		__rare_write(v64, 1);
		inside = mmu_state();
		__rare_write(vpages[0], 1);
		__rare_write(vpages[PAGE_SIZE], 1);
	}
	after = mmu_state();
	preempt_enable();
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	KUNIT_EXPECT_NE(test, before.root, inside.root);
	KUNIT_EXPECT_NE(test, before.flags, inside.flags);
}

/* The single writer of these tests must not have tripped the debug checks. */
static void no_mismatches(struct kunit *test)
{
	unsigned long before = rare_write_debug_mismatches();

	for (u64 i = 0; i < 100; i++) {
		rare_write(v64, i);
		scoped_guard(rare_write) {
			__rare_write(v8, i);
			__rare_write(vpages[PAGE_SIZE - 1], i);
			__rare_write(vpages[PAGE_SIZE], i);
		}
	}
	KUNIT_EXPECT_EQ(test, rare_write_debug_mismatches(), before);
}

#define HIJACKS	20000

static struct {
	unsigned long addr, attempts, hits;
	bool stop;
} hijack;

static int hijacker(void *unused)
{
	while (!READ_ONCE(hijack.stop)) {
		if (!store(hijack.addr, 8).hit)
			hijack.hits++;
		WRITE_ONCE(hijack.attempts, hijack.attempts + 1);
		if (!(hijack.attempts & 63))
			cond_resched();
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int windower(void *count)
{
	u64 windows = 0;

	while (!kthread_should_stop()) {
		scoped_guard(rare_write) {
			for (int i = 0; i < 64; i++)
				__rare_write(v64, windows);
		}
		WRITE_ONCE(*(u64 *)count, ++windows);
		cond_resched();
	}
	return 0;
}

/* P2: CPU a writes, CPU b attacks a's alias; each ordered pair of four CPUs. */
static void hijack_alias(struct kunit *test)
{
	int a, b, pairs = 0;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	for_each_online_cpu(a) {
		for_each_online_cpu(b) {
			struct task_struct *writer, *attacker;
			u64 windows = 0;

			if (a == b || a > 3 || b > 3)
				continue;
			memset(&hijack, 0, sizeof(hijack));
			hijack.addr = alias_of(&v64);
			writer = kthread_create_on_cpu(windower, &windows, a, "windower/%u");
			KUNIT_ASSERT_FALSE(test, IS_ERR(writer));
			attacker = kthread_create_on_cpu(hijacker, NULL, b, "hijacker/%u");
			KUNIT_ASSERT_FALSE(test, IS_ERR(attacker));
			wake_up_process(writer);
			wake_up_process(attacker);
			for (int i = 0; i < 20000; i++) {
				if (READ_ONCE(hijack.attempts) >= HIJACKS &&
				    READ_ONCE(windows) >= 100)
					break;
				msleep(1);
			}
			WRITE_ONCE(hijack.stop, true);
			kthread_stop(attacker);
			kthread_stop(writer);
			KUNIT_EXPECT_GE(test, hijack.attempts, HIJACKS);
			KUNIT_EXPECT_GE(test, windows, 100);
			KUNIT_EXPECT_EQ(test, hijack.hits, 0);
			pairs++;
		}
	}
	kunit_info(test, "%d pairs, at least %d attempts each\n", pairs, HIJACKS);
}

static int tear_writer(void *unused)
{
	while (!kthread_should_stop()) {
		rare_write(v64, 0);
		rare_write(v64, ~0ULL);
		rare_write(v32, 0);
		rare_write(v32, ~0U);
		rare_write(v16, 0);
		rare_write(v16, 0xffff);
		cond_resched();
	}
	return 0;
}

/* P10: a reader sees all of the old value or all of the new one. */
static void no_tearing(struct kunit *test)
{
	int cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	unsigned long changes = 0, torn = 0, end = jiffies + HZ;
	struct task_struct *writer;
	u64 last = 0;

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	rare_write(v64, 0);
	rare_write(v32, 0);
	rare_write(v16, 0);
	writer = kthread_create_on_cpu(tear_writer, NULL, cpu, "tear/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(writer));
	wake_up_process(writer);
	while (time_before(jiffies, end)) {
		u64 r64 = v64;
		u32 r32 = v32;
		u16 r16 = v16;

		torn += (r64 && ~r64) || (r32 && ~r32) || (r16 && r16 != 0xffff);
		changes += r64 != last;
		last = r64;
		cond_resched();
	}
	kthread_stop(writer);
	KUNIT_EXPECT_EQ(test, torn, 0);
	KUNIT_EXPECT_GT(test, changes, 10);
}

#define COUNTS	20000

static int counter(void *done)
{
	for (int i = 0; i < COUNTS; i++) {
		u64 old = v64, seen;

		while ((seen = rare_cmpxchg(v64, old, old + 1)) != old)
			old = seen;
		if (!(i & 63))
			cond_resched();
	}
	atomic_inc(done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void no_lost_update(struct kunit *test)
{
	struct task_struct *tasks[4];
	atomic_t done = ATOMIC_INIT(0);

	rare_write(v64, 0);
	for (int i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = kthread_run(counter, &done, "counter/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
	}
	for (int i = 0; i < 60000 && atomic_read(&done) < ARRAY_SIZE(tasks); i++)
		msleep(1);
	for (int i = 0; i < ARRAY_SIZE(tasks); i++)
		kthread_stop(tasks[i]);
	KUNIT_EXPECT_EQ(test, v64, COUNTS * ARRAY_SIZE(tasks));
}

static struct kunit_case protect_cases[] = {
	KUNIT_CASE(nothing_writable_at_rest),
	KUNIT_CASE(module_linear_map),
	KUNIT_CASE(direct_write),
	KUNIT_CASE(alias_after_window),
	KUNIT_CASE(direct_write_in_window),
	KUNIT_CASE(one_page_only),
	KUNIT_CASE(address_space_restored),
	KUNIT_CASE(no_mismatches),
	KUNIT_CASE_SLOW(hijack_alias),
	KUNIT_CASE_SLOW(no_tearing),
	KUNIT_CASE_SLOW(no_lost_update),
	{}
};

static struct kunit_suite protect_suite = {
	.name = "rare_write_protect",
	.init = protect_init,
	.test_cases = protect_cases,
};

kunit_test_suites(&api_suite, &misuse_suite, &protect_suite, &cost_suite);

#else

kunit_test_suites(&api_suite, &misuse_suite, &cost_suite);

#endif /* CONFIG_RARE_WRITE_DEBUG */

#else

kunit_test_suite(api_suite);

#endif /* CONFIG_RARE_WRITE */

MODULE_DESCRIPTION("KUnit tests for rare_write()");
MODULE_LICENSE("GPL");
