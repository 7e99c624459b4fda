// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write_demo.c - watch rare_write() protect a variable
 *
 * Purpose:
 *
 * Shows on the running kernel that a write-rare variable cannot be written
 * directly, is written through an alias that only one CPU has, and cannot be
 * written again afterwards. Each step is checked, not only told.
 *
 * Usage:
 *
 * # insmod rare_write_demo.ko
 * # dmesg | grep rare_write_demo
 * # cat /sys/kernel/debug/rare_write_demo/run    # once more
 *
 * Steps:
 *
 * 1. The variable at rest, and the page table entries that lead to it.
 * 2. A direct write, and one through the linear map: refused.
 * 3. A window: the alias, in the private tables of this CPU only.
 * 4. Another CPU writes to the address of the alias meanwhile: refused.
 * 5. The new value, seen by an ordinary load.
 * 6. What is left of the alias: nothing.
 *
 * Prints addresses with %px: it is for machines where that is no secret.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rare_write.h>
#include <linux/rare_write_debug.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#ifdef CONFIG_X86
#include <asm/special_insns.h>
#endif

static __wr_rare_type unsigned long setting __wr_rare = 1;

static bool all_ok;

static void check(bool ok, const char *what)
{
	pr_info("   %s: %s\n", ok ? "ok" : "FAILED", what);
	if (!ok)
		all_ok = false;
}

/* Try to write where the kernel may not: true if the store was refused. */
static bool refused(void *addr)
{
	unsigned long val = 666;
	bool fault = false;

	pagefault_disable();
	__put_kernel_nofault(addr, &val, unsigned long, failed);
	goto out;
failed:
	fault = true;
out:
	pagefault_enable();
	return fault;
}

static void *linear_map_of(const volatile void *var)
{
	return page_address(vmalloc_to_page((const void *)var)) + offset_in_page(var);
}

static void show_entry(const char *what, unsigned long addr)
{
	struct rare_write_entry entry = rare_write_debug_entry(addr);

	pr_info("   %-16s %px  entry %016llx  %lu KiB  %s\n", what, (void *)addr, entry.val,
		entry.size / SZ_1K, entry.writable ? "writable" : "read-only");
	check(!entry.writable, "not writable");
}

/* The page tables for what is not the kernel's; on x86, for all there is. */
static unsigned long page_tables(void)
{
#ifdef CONFIG_X86
	return __native_read_cr3();
#else
	return read_sysreg(ttbr0_el1);
#endif
}

/* What the CPU that attacks and the CPU that writes tell each other. */
static struct {
	void *target;
	bool ready, go, stop;
	unsigned long attempts, hits;
} attack;

static int attacker(void *unused)
{
	/*
	 * Nothing else runs here meanwhile: it could wait for the CPU in the window
	 * to answer an IPI, which that CPU does not before it has seen the attempts.
	 */
	preempt_disable();
	WRITE_ONCE(attack.ready, true);
	while (!READ_ONCE(attack.stop)) {
		if (!READ_ONCE(attack.go))
			continue;
		if (!refused(attack.target))
			attack.hits++;
		WRITE_ONCE(attack.attempts, attack.attempts + 1);
	}
	preempt_enable();
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/*
 * Steps 3 and 4: interrupts are masked in the window, so look now, print later.
 * Returns whether the window left page tables and interrupts as they were.
 */
static bool show_window(struct task_struct *other)
{
	u64 mine, others = 0;
	unsigned long before = setting, spins = 0, tables, inside;
	bool sealed, restored;
	int cpu, here;

	/* No other task may run in between, which would have its own tables. */
	preempt_disable();
	tables = page_tables();
	scoped_guard(rare_write) {
		__rare_write(setting, before + 41);
		inside = page_tables();
		here = raw_smp_processor_id();
		mine = rare_write_debug_private(here);
		for_each_online_cpu(cpu)
			if (cpu != here)
				others |= rare_write_debug_private(cpu);
		sealed = !rare_write_debug_entry((unsigned long)&setting).writable;
		WRITE_ONCE(attack.go, true);
		while (other && READ_ONCE(attack.attempts) < 1000 && ++spins < 1UL << 28)
			cpu_relax();
		WRITE_ONCE(attack.go, false);
		__rare_write(setting, before + 1);
	}
	restored = page_tables() == tables && !irqs_disabled();
	preempt_enable();

	pr_info("3. inside a window on CPU %d\n", here);
	pr_info("   the alias        %px  entry %016llx\n", attack.target, mine);
	check(inside != tables, "private page tables are loaded");
	check(mine, "this CPU's private tables have the alias");
	check(!others, "no other CPU's private tables have one");
	check(sealed, "the variable's own entry is still read-only");
	check(!rare_write_debug_entry((unsigned long)attack.target).val,
	      "the kernel's shared tables know nothing of the alias");

	if (!other) {
		pr_info("4. only one CPU is online: nobody else could try\n");
		return restored;
	}
	pr_info("4. meanwhile another CPU wrote to the alias %lu times\n", attack.attempts);
	check(attack.attempts >= 1000, "it did try");
	check(!attack.hits, "every attempt was refused");
	return restored;
}

static struct task_struct *start_attacker(void)
{
	int cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	struct task_struct *task;

	if (cpu >= nr_cpu_ids)
		return NULL;
	task = kthread_create_on_cpu(attacker, NULL, cpu, "rare_write_demo/%u");
	if (IS_ERR(task))
		return NULL;
	wake_up_process(task);
	while (!READ_ONCE(attack.ready))
		cpu_relax();
	return task;
}

static bool demo(void)
{
	unsigned long before = setting;
	void *linear = linear_map_of(&setting);
	struct task_struct *other;
	bool restored;

	all_ok = true;
	memset(&attack, 0, sizeof(attack));
	attack.target = (void *)(rare_write_debug_alias() + offset_in_page(&setting));

	pr_info("1. a write-rare variable at rest: setting = %lu\n", setting);
	show_entry("the variable", (unsigned long)&setting);
	show_entry("its linear map", (unsigned long)linear);

	pr_info("2. somebody writes to it directly\n");
	check(refused((void *)&setting), "the write faulted");
	check(refused(linear), "so did the one through the linear map");
	check(setting == before, "the value is what it was");

	/* Stay here: the CPU of the window is also the one to look at afterwards. */
	migrate_disable();
	other = start_attacker();
	restored = show_window(other);
	WRITE_ONCE(attack.stop, true);
	if (other)
		kthread_stop(other);

	pr_info("5. after the window: setting = %lu\n", setting);
	check(setting == before + 1, "an ordinary load sees the new value");

	pr_info("6. and what is left of the alias?\n");
	check(!rare_write_debug_private(smp_processor_id()), "its entry is clear");
	check(refused(attack.target), "this CPU cannot write to its address any more");
	check(refused((void *)&setting), "nor to the variable");
	check(restored, "page tables and interrupts are as before");
	migrate_enable();

	pr_info("demo finished: %s\n", all_ok ? "ok" : "FAILED");
	return all_ok;
}

static DEFINE_MUTEX(demo_lock);

static int run_show(struct seq_file *m, void *v)
{
	guard(mutex)(&demo_lock);
	seq_printf(m, "%s, see the kernel log\n", demo() ? "ok" : "FAILED");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(run);

static struct dentry *dir;

static int __init rare_write_demo_init(void)
{
	if (!demo())
		return -EIO;
	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("run", 0400, dir, NULL, &run_fops);
	return 0;
}
module_init(rare_write_demo_init);

static void __exit rare_write_demo_exit(void)
{
	debugfs_remove(dir);
}
module_exit(rare_write_demo_exit);

MODULE_DESCRIPTION("Demonstration of rare_write()");
MODULE_LICENSE("GPL");
