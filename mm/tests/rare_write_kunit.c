// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for rare_write(), all of them as a module: what is built in runs
 * before the kernel makes its data read-only, and is the first suite alone.
 *
 *   rare_write          the interface; also with CONFIG_RARE_WRITE=n
 *   rare_write_misuse   what must end in BUG(), and what follows from that
 *   rare_write_stray    plain stores: refused, or with rare_write=report let through
 *   rare_write_protect  attacks on data, on the alias, on a window
 *
 * The promises P1 to P12 are listed in Documentation/security/rare-write.rst.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/nmi.h>
#include <linux/perf_event.h>
#include <linux/random.h>
#include <linux/rare_write.h>
#include <linux/rare_write_debug.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

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
static __wr_rare_type DECLARE_BITMAP(vbits, 100) __wr_rare;
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
	const size_t far = PAGE_SIZE / 8 - 3;
	int bad = 0;

	KUNIT_ASSERT_NOT_NULL(test, data);
	memset(data, 0x5a, PAGE_SIZE + 32);
	for (size_t from = PAGE_SIZE - 17; from <= PAGE_SIZE + 1; from++) {
		for (size_t len = 0; len < PAGE_SIZE + 32; len += len < 32 ? 1 : far) {
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

/* A packed member promises no alignment, and may lie across two pages. */
static void misaligned(struct kunit *test)
{
	int bad = 0;

	for (size_t at = PAGE_SIZE - 6; at <= PAGE_SIZE; at++) {
		__wr_rare_type struct odd *odd = (__wr_rare_type struct odd *)&vpages[at];

		rare_write_fill(vpages, 0x77);
		rare_write(odd->val, 0x01020304);
		bad += odd->val != 0x01020304;
		scoped_guard(rare_write)
			__rare_write(odd->val, 0x05060708);
		bad += odd->val != 0x05060708;
		bad += odd->pad != 0x77 || vpages[at - 1] != 0x77 || vpages[at + 5] != 0x77;
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/* What comes of it is kept first: sparse takes no expectation that expands to so much. */
static void atomics(struct kunit *test)
{
	u64 old;

	rare_write(v8, 1);
	old = rare_xchg(v8, 2);
	KUNIT_EXPECT_EQ(test, old, 1);
	old = rare_cmpxchg(v8, 2, 3);
	KUNIT_EXPECT_EQ(test, old, 2);
	old = rare_cmpxchg(v8, 2, 4);
	KUNIT_EXPECT_EQ(test, old, 3);
	KUNIT_EXPECT_EQ(test, v8, 3);
	rare_write(v16, 1);
	old = rare_xchg(v16, 0x200);
	KUNIT_EXPECT_EQ(test, old, 1);
	old = rare_cmpxchg(v16, 0x200, 3);
	KUNIT_EXPECT_EQ(test, old, 0x200);
	old = rare_cmpxchg(v16, 2, 4);
	KUNIT_EXPECT_EQ(test, old, 3);
	rare_write(v32, 1);
	old = rare_xchg(v32, 2);
	KUNIT_EXPECT_EQ(test, old, 1);
	old = rare_cmpxchg(v32, 2, 3);
	KUNIT_EXPECT_EQ(test, old, 2);
	old = rare_cmpxchg(v32, 2, 4);
	KUNIT_EXPECT_EQ(test, old, 3);
	rare_write(v64, 1);
	old = rare_xchg(v64, 2);
	KUNIT_EXPECT_EQ(test, old, 1);
	old = rare_cmpxchg(v64, 2, 3);
	KUNIT_EXPECT_EQ(test, old, 2);
	old = rare_cmpxchg(v64, 2, 4);
	KUNIT_EXPECT_EQ(test, old, 3);
	KUNIT_EXPECT_EQ(test, v64, 3);
	rare_write_release(v8, 5);
	rare_write_release(v16, 6);
	rare_write_release(v32, 7);
	rare_write_release(v64, 8);
	KUNIT_EXPECT_EQ(test, v8 + v16 + v32 + v64, 26);
	rare_assign_pointer(vptr, "published");
	KUNIT_EXPECT_STREQ(test, vptr, "published");
}

static void fetches(struct kunit *test)
{
	int i = 1;
	u64 old;

	rare_write(v8, 0xff);
	old = rare_fetch_add(v8, 2);
	KUNIT_EXPECT_EQ(test, old, 0xff);
	KUNIT_EXPECT_EQ(test, v8, 1);
	rare_write(v16, 0xf0);
	old = rare_fetch_or(v16, 0x100f);
	KUNIT_EXPECT_EQ(test, old, 0xf0);
	KUNIT_EXPECT_EQ(test, v16, 0x10ff);
	rare_write(v32, 0xf0f0f0f0);
	old = rare_fetch_and(v32, 0xffff00ff);
	KUNIT_EXPECT_EQ(test, old, 0xf0f0f0f0);
	KUNIT_EXPECT_EQ(test, v32, 0xf0f000f0);
	rare_write(v64, 1);
	old = rare_fetch_add(v64, -2);
	KUNIT_EXPECT_EQ(test, old, 1);
	KUNIT_EXPECT_EQ(test, v64, ~0ULL);
	rare_write_fill(varr, 0);
	old = rare_fetch_add(varr[i++], 5);
	KUNIT_EXPECT_EQ(test, old, 0);
	KUNIT_EXPECT_EQ(test, i, 2);
	KUNIT_EXPECT_EQ(test, varr[1], 5);
}

static void bits(struct kunit *test)
{
	for (int nr = 0; nr < 100; nr++) {
		bool old;

		old = rare_set_bit(nr, vbits);
		KUNIT_EXPECT_FALSE(test, old);
		old = rare_set_bit(nr, vbits);
		KUNIT_EXPECT_TRUE(test, old);
		KUNIT_EXPECT_EQ(test, bitmap_weight(rare_ptr(vbits), 100), 1);
		KUNIT_EXPECT_TRUE(test, test_bit(nr, rare_ptr(vbits)));
		old = rare_clear_bit(nr, vbits);
		KUNIT_EXPECT_TRUE(test, old);
		old = rare_clear_bit(nr, vbits);
		KUNIT_EXPECT_FALSE(test, old);
		KUNIT_EXPECT_EQ(test, bitmap_weight(rare_ptr(vbits), 100), 0);
	}
}

static void windows(struct kunit *test)
{
	scoped_guard(rare_write) {
		for (int i = 0; i < ARRAY_SIZE(varr); i++)
			__rare_write(varr[i], i * i);
		/* From page to page and back. */
		for (int i = 0; i < 9; i++)
			__rare_write(vpages[(i % 3) * PAGE_SIZE], i);
		__rare_write_release(v16, 78);
		__rare_write(v64, 77);
	}
	KUNIT_EXPECT_EQ(test, varr[3], 9);
	KUNIT_EXPECT_EQ(test, v16, 78);
	KUNIT_EXPECT_EQ(test, vpages[0], 6);
	KUNIT_EXPECT_EQ(test, vpages[PAGE_SIZE], 7);
	KUNIT_EXPECT_EQ(test, vpages[2 * PAGE_SIZE], 8);
	KUNIT_EXPECT_EQ(test, v64, 77);
	/* A window may stay empty. */
	rare_write_begin();
	rare_write_end();
}

/* A guard closes the window on each way out. */
static int write_until(int limit)
{
	guard(rare_write)();
	for (int i = 0; i < ARRAY_SIZE(varr); i++) {
		if (i == limit)
			return i;
		__rare_write(varr[i], 100 + i);
	}
	return -1;
}

static void guard_closes(struct kunit *test)
{
	rare_write_fill(varr, 0);
	KUNIT_EXPECT_EQ(test, write_until(2), 2);
	KUNIT_EXPECT_EQ(test, varr[1], 101);
	KUNIT_EXPECT_EQ(test, varr[2], 0);
	KUNIT_EXPECT_EQ(test, write_until(9), -1);
	KUNIT_EXPECT_EQ(test, varr[3], 103);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
}

/* Where a process may have memory that a window must not touch: its alias. */
#if defined(CONFIG_RARE_WRITE) && defined(CONFIG_ARM64)
#define USER_PAGE	ARCH_RARE_WRITE_ALIAS
#else
#define USER_PAGE	0x10000000UL
#endif

/* Give this test an address space with a page at USER_PAGE. */
static u32 __user *map_user_page(struct kunit *test)
{
	unsigned long addr;

	addr = kunit_vm_mmap(test, NULL, USER_PAGE, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, addr, USER_PAGE);
	return (u32 __user *)addr;
}

/* Tests run in kernel threads; here one that has a process' address space. */
static void user_memory(struct kunit *test)
{
	u32 __user *user = map_user_page(test);
	u32 val, bad = 0;

	for (u32 i = 0; i < 1000; i++) {
		bad += put_user(i, user) != 0;
		rare_write(v32, ~i);
		scoped_guard(rare_write) {
			__rare_write(v32, v32 - 1);
			__rare_write(vpages[0], i);
		}
		bad += get_user(val, user) || val != i;
		bad += v32 != ~i - 1;
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
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
	static struct timer_list timer;
	unsigned long flags;
	int preempt = preempt_count();
	bool pending;

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
	/* A reschedule that is pending is so after the window, too. */
	set_tsk_need_resched(current);
	set_preempt_need_resched();
	rare_write(v64, 4);
	pending = need_resched();
	local_irq_restore(flags);
	KUNIT_EXPECT_TRUE(test, pending);
	KUNIT_EXPECT_EQ(test, v64, 4);
	cond_resched();

	rare_write(v32, 1);
	irq_work_queue(&work);
	irq_work_sync(&work);
	KUNIT_EXPECT_EQ(test, v32, 2);

	rare_write(v16, 1);
	timer_setup(&timer, write_in_softirq, 0);
	mod_timer(&timer, jiffies + 1);
	for (int i = 0; i < 1000 && v16 == 1; i++)
		usleep_range(1000, 2000);
	timer_delete_sync(&timer);
	KUNIT_EXPECT_EQ(test, v16, 2);
}

static struct kunit_case api_cases[] = {
	KUNIT_CASE(scalars),
	KUNIT_CASE(readers_see_it),
	KUNIT_CASE(evaluates_once),
	KUNIT_CASE(structs),
	KUNIT_CASE(strings),
	KUNIT_CASE_SLOW(page_crossing),
	KUNIT_CASE(misaligned),
	KUNIT_CASE(atomics),
	KUNIT_CASE(fetches),
	KUNIT_CASE(bits),
	KUNIT_CASE(windows),
	KUNIT_CASE(guard_closes),
	KUNIT_CASE(contexts),
	KUNIT_CASE(user_memory),
	{}
};

static struct kunit_suite api_suite = {
	.name = "rare_write",
	.test_cases = api_cases,
};

#if defined(CONFIG_RARE_WRITE) && defined(MODULE)

#include "rare_write_test.h"

static unsigned long victim = 0x1234;	/* plain memory: must not change */
static const unsigned long rodata_victim = 0x5678;

/* What a wrong write aims at, so that the test can see that it missed. */
static unsigned long target, target_before;
static bool target_readable;
static unsigned long *heap, *stack;

static noinline void write_to(unsigned long addr)
{
	target = addr;
	target_readable = !copy_from_kernel_nofault(&target_before, (void *)addr,
						    sizeof(target_before));
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
	write_to((unsigned long)rare_write_lookup & ~7UL);
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
	write_to((unsigned long)heap);
}

static void do_stack(void)
{
	write_to((unsigned long)stack);
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

/* Not even what is write-rare may be written by another name. */
static void do_linear_map(void)
{
	write_to((unsigned long)page_address(vmalloc_to_page((void *)&v64)) +
		 offset_in_page(&v64));
}

static void do_behind_module(void)
{
	write_to(module_end());
}

/* What windows rest on is sealed like write-rare data, but is nobody's to write. */
#ifdef CONFIG_HAVE_ARCH_RARE_WRITE_MEMCPY
static void do_alias(void)
{
	write_to((unsigned long)__arch_rare_write_ptr((unsigned long)&v64));
}

static void do_tables(void)
{
	write_to((unsigned long)&arch_rare_write_tables[0]);
}

static void do_tables_in_window(void)
{
	rare_write_begin();
	__rare_write(rare_write_probe, rare_write_probe);
	__rare_write(*(__wr_rare_type u64 *)&arch_rare_write_tables[0], 666);
}
#endif

/* From &v64 to the end of the address space and on to address 7. */
static void do_wrap(void)
{
	unsigned long len = 8 - (unsigned long)&v64;

	rare_write_copy(*(__wr_rare_type u8 (*)[1UL << 56])&v64, &victim, len);
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

static void do_bit_behind(void)
{
	rare_set_bit(8 * sizeof(vbits), vbits);
}

static void do_second_page(void)
{
	rare_write_begin();
	__rare_write(v64, v64);
	__rare_write(*(__wr_rare_type unsigned long *)&victim, 666);
}

/* An address that nothing maps: errors look like pointers to there. */
#define UNMAPPED	((void *)-PAGE_SIZE)

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
	{ "to_linear_map", do_linear_map },
	{ "behind_region", do_behind_region },
	{ "behind_module", do_behind_module },
#ifdef CONFIG_HAVE_ARCH_RARE_WRITE_MEMCPY
	{ "to_alias", do_alias },
	{ "to_tables", do_tables },
	{ "to_tables_in_window", do_tables_in_window },
#endif
	{ "over_end_of_region", do_over_end },
	{ "length_wraps", do_wrap },
	{ "bit_behind_map", do_bit_behind },
	{ "second_page_wrong", do_second_page },
	{ "bad_source", do_bad_source },
	{ "bug_inside", do_bug_inside },
};

static void misuse_is_fatal(struct kunit *test)
{
	const struct misuse *misuse = test->param_value;
	unsigned int cpu = cpu_to_die_on();
	u64 v64_before = v64;
	unsigned long on_stack = 0x9abc, now;
	unsigned long over = *(unsigned long *)(region_end() - 8);

	heap = kunit_kzalloc(test, sizeof(*heap), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	stack = &on_stack;
	target_readable = false;

	KUNIT_EXPECT_TRUE(test, dies(call_misuse, (void *)misuse, cpu, misuse->name,
				     misuse->func == do_bad_source ? DIES_OF_FAULT : DIES_OF_BUG));

	KUNIT_EXPECT_EQ(test, v64, v64_before);
	KUNIT_EXPECT_EQ(test, victim, 0x1234);
	KUNIT_EXPECT_EQ(test, *(volatile const unsigned long *)&rodata_victim, 0x5678);
	KUNIT_EXPECT_EQ(test, *(unsigned long *)(region_end() - 8), over);
	if (target_readable) {
		KUNIT_EXPECT_EQ(test, 0, copy_from_kernel_nofault(&now, (void *)target,
								  sizeof(now)));
		KUNIT_EXPECT_EQ(test, now, target_before);
	}
	expect_usable(test, cpu);
}

KUNIT_ARRAY_PARAM(misuse, misuses, misuse_name);

/* The address space of a task that dies in a window, and of the next task on that CPU. */
static struct mm_struct *shared_mm;
static u32 __user *shared_word;

static void do_bug_with_user_memory(void *unused)
{
	/* The end of the task puts it; the reference of kthread_use_mm() stays. */
	mmget(shared_mm);
	kthread_use_mm(shared_mm);
	do_bug_inside();
}

/* The CPU takes its page tables to be loaded already. The word is there: to fault is to fail. */
static long use_shared_word(void *unused)
{
	u32 val = 0;
	long bad;

	kthread_use_mm(shared_mm);
	pagefault_disable();
	bad = get_user(val, shared_word) || val != 1 || put_user(2, shared_word);
	pagefault_enable();
	kthread_unuse_mm(shared_mm);
	return bad;
}

static void dies_with_user_memory(struct kunit *test)
{
	unsigned int cpu = cpu_to_die_on();
	u32 val = 0;

	shared_word = map_user_page(test);
	shared_mm = current->mm;
	KUNIT_ASSERT_EQ(test, put_user(1, shared_word), 0);

	KUNIT_ASSERT_TRUE(test, dies(do_bug_with_user_memory, NULL, cpu, "dies_with_user_memory",
				     DIES_OF_BUG));
	mmdrop(shared_mm);

	KUNIT_EXPECT_EQ(test, work_on_cpu(cpu, use_shared_word, NULL), 0);
	KUNIT_EXPECT_EQ(test, get_user(val, shared_word), 0);
	KUNIT_EXPECT_EQ(test, val, 2);
	expect_usable(test, cpu);
}

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
	KUNIT_CASE(dies_with_user_memory),
	{}
};

static struct kunit_suite misuse_suite = {
	.name = "rare_write_misuse",
	.test_cases = misuse_cases,
};

/* Whether the kernel was booted with rare_write=report, told by who did that. */
static bool report;
module_param(report, bool, 0400);
MODULE_PARM_DESC(report, "plain stores are reported, not refused");

/* Write-rare data, in the kernel and in a module, with its name in the log. */
struct stray {
	__wr_rare_type unsigned long *obj;
	const char *name, *log;
};

static const struct stray strays[] = {
	/* Declared without the macro. */
	{ (__wr_rare_type void *)&rare_write_probe, "to_kernel", "rare_write_probe\\+0x0/" },
	{ &rare_write_kunit_shared, "to_module", "rare_write_kunit_shared\\+0x0/" },
};

static void stray_name(const struct stray *stray, char *desc)
{
	strscpy(desc, stray->name, KUNIT_PARAM_DESC_SIZE);
}

/* What code does that was not converted. */
static noinline void plain_store(void *obj)
{
	*(volatile unsigned long *)obj ^= 1;
}

/* A store that was let through leaves its page writable, but not for long. */
static bool read_only_again(__wr_rare_type unsigned long *obj)
{
	for (int i = 0; i < 2000; i++) {
		unsigned long now = *obj;

		pagefault_disable();
		__put_kernel_nofault((void *)rare_ptr(obj), &now, unsigned long, refused);
		pagefault_enable();
		usleep_range(1000, 2000);
	}
	return false;

refused:
	pagefault_enable();
	return true;
}

/* The console shows that the store which follows, and what it did, is logged. */
static void expect_report(const struct stray *stray)
{
	pr_info("rare_write-expect-begin: %s /rare_write: stray write to %s.* NO LONGER PROTECTED/\n",
		stray->name, stray->log);
}

static void expect_through(struct kunit *test, const struct stray *stray, unsigned long val)
{
	KUNIT_EXPECT_EQ(test, *stray->obj, val);
	KUNIT_EXPECT_TRUE(test, read_only_again(stray->obj));
	/* What changed in the meantime is logged now. */
	msleep(20);
	pr_info("rare_write-expect-end: %s\n", stray->name);
}

static void is_reported(struct kunit *test, const struct stray *stray)
{
	void *obj = (void *)rare_ptr(stray->obj);
	unsigned long old = 0x1122334455667788, flags;

	rare_write(*stray->obj, old);
	expect_report(stray);
	plain_store(obj);
	expect_through(test, stray, old ^ 1);

	/* Only once: again would be a backtrace that nothing on the console announces. */
	plain_store(obj);
	KUNIT_EXPECT_EQ(test, *stray->obj, old);
	KUNIT_EXPECT_TRUE(test, read_only_again(stray->obj));

	/* Somebody else who does the same, and cannot be interrupted. */
	expect_report(stray);
	local_irq_save(flags);
	*(volatile unsigned long *)obj = old ^ 2;
	local_irq_restore(flags);
	expect_through(test, stray, old ^ 2);

	expect_report(stray);
	scoped_guard(rare_write) {
		__rare_write(v64, v64);
		*(volatile unsigned long *)obj = old ^ 3;
	}
	expect_through(test, stray, old ^ 3);

	rare_write(*stray->obj, old);
	KUNIT_EXPECT_EQ(test, *stray->obj, old);
	expect_usable(test, raw_smp_processor_id());
}

static void is_refused(struct kunit *test, const struct stray *stray)
{
	void *obj = (void *)rare_ptr(stray->obj);
	unsigned int cpu = cpu_to_die_on();
	unsigned long old = *stray->obj;
	char pattern[128];

	snprintf(pattern, sizeof(pattern),
		 "rare_write: refused write to %s.* by rare_write_dies.* at plain_store",
		 stray->log);
	KUNIT_EXPECT_TRUE(test, dies(plain_store, obj, cpu, stray->name, pattern));
	KUNIT_EXPECT_EQ(test, *stray->obj, old);
	expect_usable(test, cpu);
}

static void stray_write(struct kunit *test)
{
	if (!static_key_enabled(&rare_write_protected))
		kunit_skip(test, "nothing is protected: rodata=off");
	if (report)
		is_reported(test, test->param_value);
	else
		is_refused(test, test->param_value);
}

KUNIT_ARRAY_PARAM(stray, strays, stray_name);

static struct kunit_case stray_cases[] = {
	KUNIT_CASE_PARAM(stray_write, stray_gen_params),
	{}
};

static struct kunit_suite stray_suite = {
	.name = "rare_write_stray",
	.test_cases = stray_cases,
};

/* What this suite attacks is the alias; the CR0 toggle would fail it, rightly. */
#if defined(CONFIG_RARE_WRITE_DEBUG) && defined(CONFIG_HAVE_ARCH_RARE_WRITE_MEMCPY)

/* P1: every page of the kernel's region and of this module's. */
static void nothing_writable_at_rest(struct kunit *test)
{
	const struct module_memory *mem = &THIS_MODULE->mem[MOD_RARE_WRITE];
	unsigned long core_end = PAGE_ALIGN((unsigned long)&arch_rare_write_tables[NR_CPUS]);

	KUNIT_ASSERT_GE(test, mem->size, sizeof(vpages) + PAGE_SIZE);
	for (unsigned long a = rare_write_image.start; a < core_end; a += PAGE_SIZE) {
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

/* The page tables that a CPU has for its windows, counted where they are. */
static void memory_per_cpu(struct kunit *test)
{
	struct arch_rare_write_tables tables = __arch_rare_write_tables_of(0);
	unsigned long addr = rare_write_debug_alias(), last = 0;
	size_t bytes = 0;
	void *level[5];
	pgd_t *pgd;

#ifdef CONFIG_X86
	pgd = __va(tables.cr3 & PTE_PFN_MASK);
	/* With PTI entry code wants a second page beside the first. */
	bytes = IS_ENABLED(CONFIG_MITIGATION_PAGE_TABLE_ISOLATION) * PAGE_SIZE;
#elif defined(CONFIG_ARM64)
	pgd = __va(tables.ttbr0);
#endif
	level[0] = pgd_offset_pgd(pgd, addr);
	level[1] = p4d_offset(level[0], addr);
	level[2] = pud_offset(level[1], addr);
	level[3] = pmd_offset(level[2], addr);
	level[4] = tables.ptep;
	/* A level that is folded away is in the page of the one above. */
	for (int i = 0; i < ARRAY_SIZE(level); i++) {
		if (((unsigned long)level[i] & PAGE_MASK) != last)
			bytes += PAGE_SIZE;
		last = (unsigned long)level[i] & PAGE_MASK;
	}
	kunit_info(test, "%zu bytes for each CPU\n", bytes);
	KUNIT_EXPECT_PTR_EQ(test, tables.ptep, pte_offset_kernel(level[3], addr));
	KUNIT_EXPECT_LE(test, bytes, 8 * PAGE_SIZE);
}

static void module_linear_map(struct kunit *test)
{
	u64 before = v64;

	if (!rare_write_debug_modules_sealed())
		kunit_skip(test, "modules are writable in the linear map");
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
	expect_refused(test, (unsigned long)lm_alias(&arch_rare_write_tables[0]));
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
	unsigned long linear = (unsigned long)lm_alias(&arch_rare_write_tables[0]);
	struct fault fault, other;

	scoped_guard(rare_write) {
		__rare_write(v64, 5);
		fault = store((unsigned long)&v64, 8);
		other = store(linear, 8);
		__rare_write(v32, 6);
	}
	KUNIT_EXPECT_TRUE(test, other.hit);
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
				       irqs_disabled() };
#endif
}

#ifdef CONFIG_ARM64
/* Have the window on this CPU remember a copy of the kernel's page tables, as good as they are. */
static void forge_window(void *copy)
{
	u64 table = GENMASK_ULL(47, PAGE_SHIFT), ttbr1 = raw_cpu_read(rare_write_window.arch.ttbr1);

	memcpy(copy, __va(ttbr1 & table), PAGE_SIZE);
	raw_cpu_write(rare_write_window.arch.ttbr1, (ttbr1 & ~table) | __pa(copy));
}

static void undo_forgery(struct mmu_state before)
{
	write_sysreg(before.tag, ttbr1_el1);
	isb();
}
#else
static void forge_window(void *copy)
{
}

static void undo_forgery(struct mmu_state before)
{
}
#endif

static void address_space_restored(struct kunit *test)
{
	void *copy = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct mmu_state before, inside, after;

	KUNIT_ASSERT_NOT_NULL(test, copy);

	/* One that is only borrowed another CPU may take away. */
	map_user_page(test);
	/* No context switch in between, which would be another address space. */
	preempt_disable();
	before = mmu_state();
	/* A single write has a window of its own; this one looks around in it. */
	__rare_fetch(v64, ({ inside = mmu_state(); __rare_old; }));
	after = mmu_state();
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	KUNIT_EXPECT_NE(test, before.root, inside.root);
	KUNIT_EXPECT_NE(test, before.flags, inside.flags);
	scoped_guard(rare_write) {
		__rare_write(v64, 1);
		inside = mmu_state();
		__rare_write(vpages[0], 1);
		__rare_write(vpages[PAGE_SIZE], 1);
		forge_window(copy);
	}
	after = mmu_state();
	undo_forgery(before);
	preempt_enable();
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	KUNIT_EXPECT_NE(test, before.root, inside.root);
	KUNIT_EXPECT_NE(test, before.flags, inside.flags);
}

/* P4: in a window nobody reads user memory, or what is at its address instead. */
static void user_access_in_window(struct kunit *test)
{
	u32 __user *user = map_user_page(test);
	u32 val = 0;
	long inside;

	KUNIT_ASSERT_EQ(test, put_user(0x5a5a, user), 0);
	scoped_guard(rare_write) {
		__rare_write(v32, 0xa5a5);
		inside = copy_from_user_nofault(&val, user, sizeof(val));
		__rare_write(v32, 0xa6a6);
	}
	KUNIT_EXPECT_EQ(test, inside, -EFAULT);
	KUNIT_EXPECT_EQ(test, val, 0);
	KUNIT_EXPECT_EQ(test, v32, 0xa6a6);
	KUNIT_EXPECT_EQ(test, copy_from_user_nofault(&val, user, sizeof(val)), 0);
	KUNIT_EXPECT_EQ(test, val, 0x5a5a);
}

/* What an NMI handler tries, and what comes of it. */
static struct {
	u32 __user *user;
	int cpu, count;
	long access;
	u64 private;
	struct fault fault;
	int die;	/* of what, see die_in_nmi() */
	/* Of all: how many found an alias, and how many could do what they must not. */
	int inside, wrong;
} nmi;

static void on_nmi(void)
{
	bool loaded;
	u32 val;

	/* Not to come behind either is the test; the kernel lives on, and that shows. */
	if (nmi.die == 1) {
		rare_write_begin();
		rare_write_end();
	} else if (nmi.die == 2) {
		rare_write(v64, 666);
	}
	nmi.access = copy_from_user_nofault(&val, nmi.user, sizeof(val));
	nmi.fault = store((unsigned long)&v64, 8);
	nmi.private = rare_write_debug_private(nmi.cpu);
	/* The alias is made before the tables are loaded that it is in. */
	loaded = __arch_rare_write_loaded(__arch_rare_write_tables());
	nmi.inside += nmi.private && loaded;
	nmi.wrong += !nmi.fault.hit || (loaded && nmi.access != -EFAULT);
	WRITE_ONCE(nmi.count, nmi.count + 1);
}

#ifdef CONFIG_X86_LOCAL_APIC
static int handle_nmi(unsigned int type, struct pt_regs *regs)
{
	if (raw_smp_processor_id() != READ_ONCE(nmi.cpu))
		return NMI_DONE;
	on_nmi();
	return NMI_HANDLED;
}

static int nmi_start(void)
{
	return register_nmi_handler(NMI_LOCAL, handle_nmi, 0, "rare_write");
}

static void nmi_stop(void)
{
	unregister_nmi_handler(NMI_LOCAL, "rare_write");
}

static void nmi_send(void)
{
	apic->send_IPI_mask(cpumask_of(nmi.cpu), NMI_VECTOR);
}
#elif defined(CONFIG_ARM_PMUV3)
/* The cycle counter's interrupt is a pseudo-NMI, if there are any. */
static struct perf_event *nmi_event;

static void handle_overflow(struct perf_event *event, struct perf_sample_data *data,
			    struct pt_regs *regs)
{
	if (in_nmi())
		on_nmi();
}

static int nmi_start(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.size = sizeof(attr),
		.sample_period = 200000,
		.pinned = 1,
	};

	nmi_event = perf_event_create_kernel_counter(&attr, nmi.cpu, NULL, handle_overflow, NULL);
	return PTR_ERR_OR_ZERO(nmi_event);
}

static void nmi_stop(void)
{
	perf_event_release_kernel(nmi_event);
}

/* They come by themselves. */
static void nmi_send(void)
{
}
#else
static int nmi_start(void)
{
	return -ENODEV;
}

static void nmi_stop(void)
{
}

static void nmi_send(void)
{
}
#endif

/* Have this CPU, which is nmi.cpu, take an NMI now; false if none comes. */
static bool take_nmi(void)
{
	int before = READ_ONCE(nmi.count);

	nmi_send();
	for (int i = 0; i < 20000000 && READ_ONCE(nmi.count) == before; i++)
		cpu_relax();
	return READ_ONCE(nmi.count) != before;
}

/* Stay on this CPU and have it take NMIs until the end; skips the test if none come. */
static void nmi_setup(struct kunit *test)
{
	nmi.user = map_user_page(test);
	nmi.count = 0;
	nmi.inside = 0;
	nmi.wrong = 0;
	nmi.die = 0;
	KUNIT_ASSERT_EQ(test, put_user(1, nmi.user), 0);

	migrate_disable();
	nmi.cpu = raw_smp_processor_id();
	if (!nmi_start()) {
		if (take_nmi())
			return;
		nmi_stop();
	}
	migrate_enable();
	kunit_skip(test, "a window masks all that this machine has of NMIs");
}

static void nmi_teardown(void)
{
	nmi_stop();
	migrate_enable();
}

/* P4: an NMI finds the kernel as it knows it, and no user memory. */
static void nmi_in_window(struct kunit *test)
{
	struct fault fault;
	u64 private;
	long access;
	bool inside = false;

	rare_write(v64, 1);
	nmi_setup(test);
	KUNIT_EXPECT_EQ(test, nmi.access, 0);
	KUNIT_EXPECT_EQ(test, nmi.private, 0);
	/* perf holds back what comes too often until a tick, which comes after the window. */
	for (int i = 0; i < 10 && !inside; i++) {
		msleep(20);
		scoped_guard(rare_write) {
			__rare_write(v64, 2);
			inside = take_nmi();
			access = nmi.access;
			private = nmi.private;
			fault = nmi.fault;
			__rare_write(v32, 3);
		}
	}
	nmi_teardown();

	KUNIT_EXPECT_TRUE(test, inside);
	KUNIT_EXPECT_EQ(test, access, -EFAULT);
	KUNIT_EXPECT_NE(test, private, 0);
	KUNIT_EXPECT_TRUE(test, fault.hit);
	KUNIT_EXPECT_EQ(test, fault.addr, (unsigned long)&v64);
	KUNIT_EXPECT_EQ(test, v64, 2);
	KUNIT_EXPECT_EQ(test, v32, 3);
	expect_usable(test, nmi.cpu);
}

/* From another CPU they come wherever nmi.cpu is; its own it takes where it sends them. */
static int nmi_sender(void *unused)
{
	while (!kthread_should_stop()) {
		int before = READ_ONCE(nmi.count);

		nmi_send();
		for (int i = 0; i < 1000 && READ_ONCE(nmi.count) == before; i++)
			udelay(1);
		udelay(get_random_u32_below(50));
		cond_resched();
	}
	return 0;
}

/* P3, P4: thousands of windows, single ones too, under NMIs that try the worst. */
static void nmi_storm(struct kunit *test)
{
	struct task_struct *sender = NULL;
	u32 i = 0, bad = 0, val;
	bool enough = false;
	unsigned long start;
	unsigned int cpu;

	nmi_setup(test);
	cpu = cpumask_any_but(cpu_online_mask, nmi.cpu);
	if (cpu < nr_cpu_ids) {
		sender = kthread_create_on_cpu(nmi_sender, NULL, cpu, "nmi_sender/%u");
		if (!IS_ERR(sender))
			wake_up_process(sender);
	}
	start = jiffies;
	while (goes_on(start, enough)) {
		enough = READ_ONCE(nmi.count) > 100 && i > 1000 &&
			 (!sender || READ_ONCE(nmi.inside) > 10);
		if (!sender)
			nmi_send();
		for (int j = 0; j < 20; j++, i++) {
			rare_write(v64, i);
			bad += v64 != i;
			scoped_guard(rare_write) {
				__rare_write(v32, i);
				__rare_write(vpages[0], i);
			}
			bad += v32 != i || vpages[0] != (u8)i;
			bad += get_user(val, nmi.user) || val != 1;
		}
	}
	if (!IS_ERR_OR_NULL(sender))
		kthread_stop(sender);
	nmi_teardown();

	KUNIT_EXPECT_FALSE(test, IS_ERR(sender));
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_GT(test, nmi.count, 100);
	KUNIT_EXPECT_EQ(test, nmi.wrong, 0);
	if (sender)
		KUNIT_EXPECT_GT(test, nmi.inside, 10);
	KUNIT_EXPECT_GT(test, i, 1000);
	expect_usable(test, nmi.cpu);
	kunit_info(test, "%d NMIs, %d of them in a window, %u windows\n", nmi.count, nmi.inside,
		   2 * i);
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

static int tear_writer(void *unused)
{
	while (!kthread_should_stop()) {
		rare_write(v64, 0);
		rare_write(v64, ~0ULL);
		rare_write(v32, 0);
		rare_write(v32, ~0U);
		rare_write(v16, 0);
		rare_write(v16, 0xffff);
		rare_write(v8, 0);
		rare_write(v8, 0xff);
		/* Halves of a split store are close together: make them many. */
		scoped_guard(rare_write) {
			for (int i = 0; i < 500; i++)
				__rare_write(v64, i & 1 ? ~0ULL : 0);
		}
		cond_resched();
	}
	return 0;
}

/* P10: a reader sees all of the old value or all of the new one. */
static void no_tearing(struct kunit *test)
{
	int here = raw_smp_processor_id(), cpu = cpumask_any_but(cpu_online_mask, here);
	unsigned long changes = 0, changes32 = 0, changes16 = 0, changes8 = 0;
	unsigned long torn = 0, start = jiffies;
	struct task_struct *writer;
	u64 last = 0;
	u32 last32 = 0;
	u16 last16 = 0;
	u8 last8 = 0;

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	rare_write(v64, 0);
	rare_write(v32, 0);
	rare_write(v16, 0);
	rare_write(v8, 0);
	/* What is one CPU's own is never seen half written. */
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(here)), 0);
	writer = kthread_create_on_cpu(tear_writer, NULL, cpu, "tear/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(writer));
	wake_up_process(writer);
	while (goes_on(start, min(min(changes, changes32), min(changes16, changes8)) > 10)) {
		/* Closely packed, or a reader misses the moment between two halves. */
		for (int i = 0; i < 10000; i++) {
			u64 r64 = v64;

			torn += r64 && ~r64;
			changes += r64 != last;
			last = r64;
		}
		for (int i = 0; i < 1000; i++) {
			u32 r32 = v32;
			u16 r16 = v16;
			u8 r8 = v8;

			torn += (r32 && ~r32) || (r16 && r16 != 0xffff) || (r8 && r8 != 0xff);
			changes32 += r32 != last32;
			changes16 += r16 != last16;
			changes8 += r8 != last8;
			last32 = r32;
			last16 = r16;
			last8 = r8;
		}
		cond_resched();
	}
	kthread_stop(writer);
	KUNIT_EXPECT_EQ(test, torn, 0);
	KUNIT_EXPECT_GT(test, changes, 10);
	KUNIT_EXPECT_GT(test, changes32, 10);
	KUNIT_EXPECT_GT(test, changes16, 10);
	KUNIT_EXPECT_GT(test, changes8, 10);
}

#define COUNTS	5000

/* For several writers at once: too far apart for the debug checks to see others. */
static __wr_rare_type struct {
	u64 c64 __aligned(32);
	u32 c32 __aligned(32);
	u16 c16 __aligned(32);
	u8 c8 __aligned(32);
} vcount __wr_rare, vswap __wr_rare;

#define count_up(var)							\
do {									\
	__rare_typeof(var) __old = (var), __seen;			\
									\
	while ((__seen = rare_cmpxchg(var, __old, __old + 1)) != __old)	\
		__old = __seen;						\
} while (0)

static int counter(void *done)
{
	for (int i = 0; i < COUNTS; i++) {
		count_up(vcount.c64);
		count_up(vcount.c32);
		count_up(vcount.c16);
		count_up(vcount.c8);
		if (!(i & 63))
			cond_resched();
	}
	atomic_inc(done);
	return until_stopped();
}

/* How often look(), of run_on_cpus(), has read something else than before. */
static unsigned long changes;

/*
 * Run @func, which counts *@done, on up to @max CPUs at once, until all are done. Meanwhile
 * @look says whether it reads what is wrong.
 */
static int run_on_cpus(struct kunit *test, int (*func)(void *done), atomic_t *done, int max,
		       bool (*look)(void))
{
	struct task_struct *tasks[4];
	int cpu, n = 0, wrong = 0;

	changes = 0;
	for_each_online_cpu(cpu) {
		if (n == min_t(int, max, ARRAY_SIZE(tasks)))
			break;
		tasks[n] = kthread_create_on_cpu(func, done, cpu, "rare_write/%u");
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[n]));
		n++;
	}
	for (int i = 0; i < n; i++)
		wake_up_process(tasks[i]);
	for (unsigned long start = jiffies; atomic_read(done) < n &&
	     time_before(jiffies, start + 60 * HZ);) {
		for (int j = 0; j < 1000; j++)
			wrong += look();
		usleep_range(100, 200);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(done), n);
	for (int i = 0; i < n; i++)
		kthread_stop(tasks[i]);
	return n;
}

/* It did look in between. A single CPU is done by the time that it looks. */
static void expect_changes(struct kunit *test)
{
	if (num_online_cpus() > 1)
		KUNIT_EXPECT_GT(test, changes, 10);
}

static u64 last64;
static u32 last32;
static u16 last16;

static void reset_counters(void)
{
	rare_write_fill(vcount, 0);
	last64 = 0;
	last32 = 0;
	last16 = 0;
}

/* What is counted only grows. */
static bool goes_back(void)
{
	u64 now64 = vcount.c64;
	u16 now16 = vcount.c16;
	bool wrong = now64 < last64 || now16 < last16;

	changes += now64 != last64;
	last64 = now64;
	last16 = now16;
	return wrong;
}

/* As counter() counts. A byte comes round too often to tell. */
static bool one_goes_back(void)
{
	u32 now32 = vcount.c32;
	bool wrong = now32 < last32;

	last32 = now32;
	return goes_back() || wrong;
}

static void no_lost_update(struct kunit *test)
{
	atomic_t done = ATOMIC_INIT(0);
	int n;

	reset_counters();
	n = COUNTS * run_on_cpus(test, counter, &done, 4, one_goes_back);
	expect_changes(test);
	KUNIT_EXPECT_EQ(test, vcount.c64, n);
	KUNIT_EXPECT_EQ(test, vcount.c32, n);
	KUNIT_EXPECT_EQ(test, vcount.c16, (u16)n);
	KUNIT_EXPECT_EQ(test, vcount.c8, (u8)n);
}

static int fetcher(void *done)
{
	for (int i = 0; i < COUNTS; i++) {
		rare_fetch_add(vcount.c64, 1);
		rare_fetch_add(vcount.c16, 1);
		/* The others toggle other bits of the same word. */
		rare_fetch_or(vcount.c32, 1U << raw_smp_processor_id());
		if (!(rare_fetch_and(vcount.c32, ~(1U << raw_smp_processor_id())) &
		      1U << raw_smp_processor_id()))
			rare_fetch_add(vcount.c8, 1);
		if (!(i & 63))
			cond_resched();
	}
	atomic_inc(done);
	return until_stopped();
}

static void no_lost_fetch(struct kunit *test)
{
	atomic_t done = ATOMIC_INIT(0);
	int n;

	reset_counters();
	n = COUNTS * run_on_cpus(test, fetcher, &done, 4, goes_back);
	expect_changes(test);
	KUNIT_EXPECT_EQ(test, vcount.c64, n);
	KUNIT_EXPECT_EQ(test, vcount.c16, (u16)n);
	KUNIT_EXPECT_EQ(test, vcount.c32, 0);
	KUNIT_EXPECT_EQ(test, vcount.c8, 0);
}

/* What the exchangers are left with; with what is in vswap, the sums stay. */
static atomic64_t left[4];

#define EXCHANGED	0x1010101010101010ULL

/* Is there, in one of the sizes, what none of them had? */
static bool is_nobodys(void)
{
	u64 c64 = vswap.c64, first64 = EXCHANGED;
	u32 c32 = vswap.c32, first32 = 0x10101010;
	u16 c16 = vswap.c16, first16 = 0x1010;
	u8 c8 = vswap.c8, first8 = 0x10;

	changes += c64 != last64;
	last64 = c64;
	return (c64 && c64 - first64 >= nr_cpu_ids) || (c32 && c32 - first32 >= nr_cpu_ids) ||
	       (c16 && c16 - first16 >= nr_cpu_ids) || (c8 && c8 - first8 >= nr_cpu_ids);
}

static int exchanger(void *done)
{
	u64 mine = EXCHANGED + raw_smp_processor_id();
	u32 mine32 = mine;
	u16 mine16 = mine;
	u8 mine8 = mine;

	atomic64_add(mine, &left[0]);
	atomic64_add(mine32, &left[1]);
	atomic64_add(mine16, &left[2]);
	atomic64_add(mine8, &left[3]);
	for (int i = 0; i < COUNTS; i++) {
		mine = rare_xchg(vswap.c64, mine);
		mine32 = rare_xchg(vswap.c32, mine32);
		mine16 = rare_xchg(vswap.c16, mine16);
		mine8 = rare_xchg(vswap.c8, mine8);
		if (!(i & 63))
			cond_resched();
	}
	atomic64_sub(mine, &left[0]);
	atomic64_sub(mine32, &left[1]);
	atomic64_sub(mine16, &left[2]);
	atomic64_sub(mine8, &left[3]);
	atomic_inc(done);
	return until_stopped();
}

static void no_lost_exchange(struct kunit *test)
{
	atomic_t done = ATOMIC_INIT(0);

	memset(left, 0, sizeof(left));
	rare_write_fill(vswap, 0);
	run_on_cpus(test, exchanger, &done, 4, is_nobodys);
	expect_changes(test);
	KUNIT_EXPECT_EQ(test, vswap.c64, atomic64_read(&left[0]));
	KUNIT_EXPECT_EQ(test, vswap.c32, (u32)atomic64_read(&left[1]));
	KUNIT_EXPECT_EQ(test, vswap.c16, (u16)atomic64_read(&left[2]));
	KUNIT_EXPECT_EQ(test, vswap.c8, (u8)atomic64_read(&left[3]));
}

static atomic_t page_number, astray;

/* Each has a page for itself: what is not there went through another's alias. */
static int page_writer(void *done)
{
	u64 page = atomic_inc_return(&page_number) - 1;

	for (u64 i = 0; i < max(COUNTS, PAGE_SIZE / sizeof(u64)); i++) {
		__wr_rare_type u64 *p =
			(__wr_rare_type u64 *)&vpages[page * PAGE_SIZE + i * 8 % PAGE_SIZE];

		rare_write(*p, page << 32 | i);
		if (*p != (page << 32 | i))
			atomic_inc(&astray);
		if (!(i & 63))
			cond_resched();
	}
	atomic_inc(done);
	return until_stopped();
}

static bool went_astray(void)
{
	return atomic_read(&astray);
}

/* P2: the same alias address leads every CPU to a page of its own. */
static void windows_at_once(struct kunit *test)
{
	atomic_t done = ATOMIC_INIT(0);
	int bad = 0, n;

	atomic_set(&page_number, 0);
	atomic_set(&astray, 0);
	rare_write_fill(vpages, 0);
	n = run_on_cpus(test, page_writer, &done, 3, went_astray);
	KUNIT_EXPECT_EQ(test, atomic_read(&astray), 0);
	for (u64 page = 0; page < n; page++)
		for (size_t i = 0; i < PAGE_SIZE; i += 8)
			bad += *(volatile const u64 *)&vpages[page * PAGE_SIZE + i] >> 32 != page;
	KUNIT_EXPECT_EQ(test, bad, 0);
}

static struct kunit_case protect_cases[] = {
	KUNIT_CASE(nothing_writable_at_rest),
	KUNIT_CASE(memory_per_cpu),
	KUNIT_CASE(module_linear_map),
	KUNIT_CASE(direct_write),
	KUNIT_CASE(alias_after_window),
	KUNIT_CASE(direct_write_in_window),
	KUNIT_CASE(one_page_only),
	KUNIT_CASE(address_space_restored),
	KUNIT_CASE(user_access_in_window),
	KUNIT_CASE(nmi_in_window),
	KUNIT_CASE_SLOW(nmi_storm),
	KUNIT_CASE(no_mismatches),
	KUNIT_CASE_SLOW(no_tearing),
	KUNIT_CASE_SLOW(no_lost_update),
	KUNIT_CASE_SLOW(no_lost_fetch),
	KUNIT_CASE_SLOW(no_lost_exchange),
	KUNIT_CASE_SLOW(windows_at_once),
	{}
};

static struct kunit_suite protect_suite = {
	.name = "rare_write_protect",
	.suite_init = see_faults,
	.suite_exit = see_no_more_faults,
	.init = skip_unprotected,
	.test_cases = protect_cases,
};

/*
 * P5: a window in NMI is a BUG(), which the kernel does not survive: so this is
 * no test case, but something to ask for, and to watch the console.
 */
static int die_in_nmi(const char *val, const struct kernel_param *kp)
{
	int ret, die;

	ret = kstrtoint(val, 0, &die);
	if (ret)
		return ret;
	migrate_disable();
	nmi.cpu = raw_smp_processor_id();
	nmi.user = NULL;
	nmi.die = die;
	if (!nmi_start()) {
		take_nmi();
		nmi_stop();
	}
	nmi.die = 0;
	migrate_enable();
	pr_err("survived a window in NMI\n");
	return -EIO;
}

static const struct kernel_param_ops die_in_nmi_ops = { .set = die_in_nmi };

module_param_cb(die_in_nmi, &die_in_nmi_ops, NULL, 0200);
MODULE_PARM_DESC(die_in_nmi, "write 1 to open a window in NMI, 2 to write there: it ends in a panic");

/* After the first oops lockdep is off. */
kunit_test_suites(&api_suite, &protect_suite, &misuse_suite, &stray_suite);

#else

kunit_test_suites(&api_suite, &misuse_suite, &stray_suite);

#endif /* CONFIG_RARE_WRITE_DEBUG && CONFIG_HAVE_ARCH_RARE_WRITE_MEMCPY */

#else

kunit_test_suite(api_suite);

#endif /* CONFIG_RARE_WRITE && MODULE */

MODULE_DESCRIPTION("KUnit tests for rare_write()");
MODULE_LICENSE("GPL");
