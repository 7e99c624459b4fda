/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test modules of rare_write() share: stores that may fault and tell
 * about it, code that must die of what it does, and a look at a CPU afterwards.
 */
#ifndef _MM_TESTS_RARE_WRITE_TEST_H
#define _MM_TESTS_RARE_WRITE_TEST_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kernel_stat.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/rare_write.h>
#include <linux/rare_write_debug.h>
#include <linux/smp.h>
#include <linux/tick.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#ifdef CONFIG_X86
#include <asm/trap_pf.h>
#endif

/* The end of a kernel thread that has done its work, or should have died of it. */
static inline int until_stopped(void)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/*
 * Does a test go on that began at @start? For a second; for twenty while there was
 * not @enough of what it waits for, since a virtual CPU may get little time.
 */
static inline bool goes_on(unsigned long start, bool enough)
{
	return time_before(jiffies, start + (enough ? 1 : 20) * HZ);
}

#if defined(CONFIG_RARE_WRITE) && defined(MODULE)

/* The first address behind the write-rare region of the kernel. */
static inline unsigned long region_end(void)
{
	return rare_write_image.start + rare_write_image.size;
}

/* The page behind this module's region says what is in the region. */
static inline unsigned long module_end(void)
{
	const struct module_memory *mem = &THIS_MODULE->mem[MOD_RARE_WRITE];

	return (unsigned long)mem->base + mem->size - PAGE_SIZE;
}

struct deadly {
	void (*func)(void *arg);
	void *arg;
};

static inline int call_and_survive(void *deadly)
{
	struct deadly *this = deadly;

	this->func(this->arg);
	/* Being here is the failure. Do not leave a window behind it. */
	return until_stopped();
}

/*
 * Have a kernel thread on @cpu call @func, which must be an oops: the console
 * has a line that matches @pattern then. Returns whether the thread died.
 */
static inline bool dies(void (*func)(void *arg), void *arg, unsigned int cpu,
			const char *name, const char *pattern)
{
	struct deadly deadly = { func, arg };
	struct task_struct *task;
	bool dead;
	u64 idle;

	task = kthread_create_on_cpu(call_and_survive, &deadly, cpu, "rare_write_dies/%u");
	if (IS_ERR(task))
		return false;
	get_task_struct(task);

	pr_info("rare_write-expect-begin: %s /%s/\n", name, pattern);
	wake_up_process(task);
	for (int i = 0; i < 20000 && !READ_ONCE(task->exit_state); i++)
		usleep_range(1000, 2000);
	dead = READ_ONCE(task->exit_state);
	/*
	 * The end of the oops is printed by the dying task, and arm64 may have a warning
	 * about it when the CPU is idle next, with interrupts off; let them finish. Where
	 * nobody counts idle time, this does not wait for it.
	 */
	idle = get_cpu_idle_time_us(cpu, NULL);
	for (int i = 0; i < 1000 && idle != -1 && get_cpu_idle_time_us(cpu, NULL) == idle; i++)
		usleep_range(1000, 2000);
	msleep(20);
	kick_all_cpus_sync();
	pr_info("rare_write-expect-end: %s\n", name);

	if (!dead)
		kthread_stop(task);
	put_task_struct(task);
	return dead;
}

#define DIES_OF_BUG	"kernel BUG at \\S*rare_"
#define DIES_OF_FAULT	"UNABLE|[Uu]nable to handle|general protection"

/* Something that must be an oops: a parameter of a test. */
struct misuse {
	const char *name;
	void (*func)(void);
};

static inline void misuse_name(const struct misuse *misuse, char *desc)
{
	strscpy(desc, misuse->name, KUNIT_PARAM_DESC_SIZE);
}

static inline void call_misuse(void *misuse)
{
	((const struct misuse *)misuse)->func();
}

/* Another CPU if there is one: it must still answer interrupts after an oops. */
static inline unsigned int cpu_to_die_on(void)
{
	unsigned int here = raw_smp_processor_id();
	unsigned int cpu = cpumask_any_but(cpu_online_mask, here);

	return cpu < nr_cpu_ids ? cpu : here;
}

/* What an interrupt on some CPU finds. */
struct cpu_state {
	bool alias, loaded, arrived;
};

static inline void look_at_cpu(void *arg)
{
	struct arch_rare_write_tables tables = __arch_rare_write_tables();
	unsigned long val = ~rare_write_probe;
	struct cpu_state *state = arg;

	/* Before windows, which take away what they find. */
	if (static_key_enabled(&rare_write_protected)) {
		state->alias = __arch_rare_write_mapped(tables);
		state->loaded = __arch_rare_write_loaded(tables);
	}
	rare_write(rare_write_probe, val);
	state->arrived = rare_write_probe == val;
	scoped_guard(rare_write)
		__rare_write(rare_write_probe, ~val);
	state->arrived &= rare_write_probe == ~val;
}

/*
 * Is @cpu as it should be: no alias, its own page tables, windows open and close,
 * also in an interrupt, which it takes?
 */
static inline void expect_usable(struct kunit *test, unsigned int cpu)
{
	struct cpu_state state = {};

	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	KUNIT_EXPECT_EQ(test, smp_call_function_single(cpu, look_at_cpu, &state, 1), 0);
	KUNIT_EXPECT_FALSE(test, state.alias);
	KUNIT_EXPECT_FALSE(test, state.loaded);
	KUNIT_EXPECT_TRUE(test, state.arrived);
}

/* What a refused store tells: where, and that it was a write. */
struct fault {
	bool hit;
	unsigned long addr;
	bool write;
};

#ifdef CONFIG_X86
/* CR2 has no access type, but the kernel traces the error code. */
static DEFINE_PER_CPU(unsigned long, fault_code);
static struct tracepoint *fault_tracepoint;

static inline void see_fault(void *unused, unsigned long addr, struct pt_regs *regs,
			     unsigned long code)
{
	raw_cpu_write(fault_code, code);
}

static inline void find_tracepoint(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "page_fault_kernel"))
		fault_tracepoint = tp;
}

static inline int see_faults(struct kunit_suite *suite)
{
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	/* Without tracepoints no fault shows that it was a write: tests fail. */
	return fault_tracepoint ? tracepoint_probe_register(fault_tracepoint, see_fault, NULL) : 0;
}

static inline void see_no_more_faults(struct kunit_suite *suite)
{
	if (fault_tracepoint)
		tracepoint_probe_unregister(fault_tracepoint, see_fault, NULL);
	tracepoint_synchronize_unregister();
}
#else
static inline int see_faults(struct kunit_suite *suite)
{
	return 0;
}

static inline void see_no_more_faults(struct kunit_suite *suite)
{
}
#endif

static inline struct fault store(unsigned long addr, int size)
{
	struct fault fault = {};
	u64 val = 0x6666666666666666;
	unsigned long flags;

	/* Nothing else may fault before the registers are read. */
	local_irq_save(flags);
	pagefault_disable();
#ifdef CONFIG_X86
	/* gcc takes raw_cpu_write() for an ordinary store, and knows of none by the fault. */
	this_cpu_write(fault_code, 0);
#endif
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
	fault.write = this_cpu_read(fault_code) & X86_PF_WRITE;
#elif defined(CONFIG_ARM64)
	fault.addr = read_sysreg(far_el1);
	fault.write = read_sysreg(esr_el1) & ESR_ELx_WNR;
#endif
out:
	pagefault_enable();
	local_irq_restore(flags);
	return fault;
}

static inline void expect_refused(struct kunit *test, unsigned long addr)
{
	for (int size = 1; size <= 8; size *= 2) {
		struct fault fault = store(addr, size);

		KUNIT_EXPECT_TRUE_MSG(test, fault.hit, "%d bytes at %px", size, (void *)addr);
		KUNIT_EXPECT_EQ(test, fault.addr, addr);
		KUNIT_EXPECT_TRUE(test, fault.write);
	}
}

/* For data of modules. */
static inline unsigned long linear_map_of(const volatile void *var)
{
	return (unsigned long)page_address(vmalloc_to_page((void *)var)) + offset_in_page(var);
}

#ifdef CONFIG_RARE_WRITE_DEBUG
static inline unsigned long alias_of(const volatile void *var)
{
	return rare_write_debug_alias() + offset_in_page(var);
}

static inline unsigned long all_private(void)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum |= rare_write_debug_private(cpu);
	return sum;
}

static inline int skip_unprotected(struct kunit *test)
{
	if (!static_key_enabled(&rare_write_protected))
		kunit_skip(test, "nothing is protected: rodata=off");
	return 0;
}
#endif

#endif /* CONFIG_RARE_WRITE && MODULE */

#endif /* _MM_TESTS_RARE_WRITE_TEST_H */
