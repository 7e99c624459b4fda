// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write(): what becomes of a plain store to write-rare data. It is refused,
 * and the log names the variable before the oops. With rare_write=report on the
 * command line, which is for finding writers that were not converted, it is logged
 * and let through: its page becomes writable, and a moment later read-only again,
 * so that the next such store is seen, too.
 *
 * The fault may come from anywhere: with locks held, in NMI, in a window.
 */
#define pr_fmt(fmt) "rare_write: " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/ptrace.h>
#include <linux/rare_write_active.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <asm/rare_write_fault.h>
#include <asm/tlbflush.h>

#include "rare_write.h"

/* Nobody can change at run time what was asked for at boot. */
bool rare_write_report_only __ro_after_init;

static int __init mode_setup(char *mode)
{
	rare_write_report_only = !strcmp(mode, "report");
	if (!rare_write_report_only && strcmp(mode, "enforce"))
		pr_warn("rare_write=%s is neither enforce nor report: enforce it is\n", mode);
	return 1;
}
__setup("rare_write=", mode_setup);

static int __init report_only_init(void)
{
	if (rare_write_report_only)
		arch_rare_write_split((unsigned long)__start_rare_write,
				      (unsigned long)__end_rare_write_core);
	return 0;
}
early_initcall(report_only_init);

/* A store that was let through. The same instruction may serve many, as in memcpy(). */
struct stray {
	unsigned long ip;	/* set last */
	unsigned long addr;
	u8 old[8];		/* what was there, and behind */
	unsigned long until;	/* in jiffies: then the store has been done */
	bool told;		/* what it is now */
};

static struct stray strays[64];
static atomic_t strays_used;

/* Return true if it is the first of its kind. Two CPUs at once may both be. */
static bool remember(unsigned long ip, unsigned long addr, const u8 *old)
{
	int used = atomic_read(&strays_used);

	for (int i = 0; i < used; i++)
		if (READ_ONCE(strays[i].ip) == ip && READ_ONCE(strays[i].addr) == addr)
			return false;

	used = atomic_fetch_add_unless(&strays_used, 1, ARRAY_SIZE(strays));
	if (used == ARRAY_SIZE(strays)) {
		pr_warn_once("no room for more stray writes: they go through without a word\n");
		return false;
	}
	WRITE_ONCE(strays[used].addr, addr);
	memcpy(strays[used].old, old, sizeof(strays[used].old));
	strays[used].until = jiffies + HZ;
	smp_store_release(&strays[used].ip, ip); /* pairs with tell_all() */
	return true;
}

/*
 * The store that was logged has been done: log what it did. It is done when something
 * changed; or it wrote what was there. A virtual CPU may sleep just before it, and finds
 * the page read-only again: a jiffy or two are not enough to tell.
 */
static void tell(struct stray *stray)
{
	u8 new[8];

	/* A module may be gone. */
	if (!copy_from_kernel_nofault(new, (void *)stray->addr, sizeof(new))) {
		if (!memcmp(new, stray->old, sizeof(new)) && time_before(jiffies, stray->until))
			return;
		pr_warn("%pS was %8ph, is %8ph\n", (void *)stray->addr, stray->old, new);
	}
	stray->told = true;
}

/* Return true if nothing is left to tell. */
static bool tell_all(void)
{
	bool all = true;

	for (int i = 0; i < atomic_read(&strays_used); i++) {
		if (smp_load_acquire(&strays[i].ip) && !strays[i].told) /* set last */
			tell(&strays[i]);
		all &= strays[i].told;
	}
	return all;
}

/*
 * Make the entry that maps @addr writable, or read-only again. Return how much it
 * maps, or 0 if it was so before. Not a function that could be called.
 */
static __always_inline unsigned long set_writable(unsigned long addr, bool writable)
{
	pmd_t *pmdp = pmd_off_k(addr), pmd = READ_ONCE(*pmdp);
	pte_t *ptep, pte;

	if (pmd_leaf(pmd)) {
		if (!!pmd_write(pmd) == writable)
			return 0;
		set_pmd_at(&init_mm, addr & PMD_MASK, pmdp,
			   writable ? pmd_mkwrite_novma(pmd_mkdirty(pmd)) : pmd_wrprotect(pmd));
		return PMD_SIZE;
	}

	ptep = pte_offset_kernel(pmdp, addr);
	pte = ptep_get(ptep);
	if (!!pte_write(pte) == writable)
		return 0;
	set_pte_at(&init_mm, addr & PAGE_MASK, ptep,
		   writable ? pte_mkwrite_novma(pte_mkdirty(pte)) : pte_wrprotect(pte));
	return PAGE_SIZE;
}

static void seal(unsigned long start, unsigned long end)
{
	for (unsigned long addr = start; addr < end; addr += PAGE_SIZE) {
		unsigned long size = set_writable(addr, false);

		/* All of it: a TLB may have any part. */
		if (size)
			flush_tlb_kernel_range(addr & -size, (addr & -size) + size);
	}
}

static void seal_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(seal_work, seal_again);

/* No window is concerned: the alias is another mapping. */
static void seal_again(struct work_struct *unused)
{
	__wr_rare_type struct rare_write_region *region;

	/* Whoever waits for the page to be read-only goes on then, and may write again. */
	tell_all();
	seal((unsigned long)__start_rare_write, (unsigned long)__end_rare_write_core);
	/* A module's memory stays as long as its region may be found here. */
	scoped_guard(rcu)
		for (region = rare_write_regions; region; region = region->next)
			seal(region->start, region->start + region->size + PAGE_SIZE);

	/* What came since faults again, or is seen now. */
	if (!tell_all())
		schedule_delayed_work(&seal_work, 2);
}

/* A jiffy at least, for the store to be done; else it faults again. */
static void seal_soon(struct irq_work *unused)
{
	schedule_delayed_work(&seal_work, 2);
}

static DEFINE_IRQ_WORK(seal_irq_work, seal_soon);

/* What is sealed includes what says where users may write. */
static bool is_sealed(unsigned long addr)
{
	__wr_rare_type struct rare_write_region *region;

	if (addr >= (unsigned long)__start_rare_write &&
	    addr < (unsigned long)__end_rare_write_core)
		return true;

	guard(rcu)();
	for (region = rare_write_regions; region; region = region->next)
		if (addr - region->start < region->size + PAGE_SIZE)
			return true;
	return false;
}

/**
 * rare_write_fault - a store was refused: was it to write-rare data?
 * @addr: where the kernel wrote to read-only memory, with no fixup for that
 * @regs: who did it
 *
 * Logs which variable it was.
 *
 * Context: Any.
 * Return: true if the store is to be tried again: with rare_write=report only.
 */
bool rare_write_fault(unsigned long addr, struct pt_regs *regs)
{
	unsigned long ip = instruction_pointer(regs);
	u8 old[8] = {};

	if (!is_sealed(addr))
		return false;

	/* The locks that a console needs may be those that are held. */
	guard(irqsave)();
	printk_deferred_enter();
	if (rare_write_report_only) {
		copy_from_kernel_nofault(old, (void *)addr, sizeof(old));
		if (remember(ip, addr, old)) {
			pr_warn("stray write to %pS by %s[%d] at %pS: its page is NO LONGER PROTECTED\n",
				(void *)addr, current->comm, task_pid_nr(current), (void *)ip);
			dump_stack();
		}
		set_writable(addr, true);
		arch_rare_write_opened(addr);
		irq_work_queue(&seal_irq_work);
	} else {
		pr_alert("refused write to %pS by %s[%d] at %pS\n",
			 (void *)addr, current->comm, task_pid_nr(current), (void *)ip);
	}
	printk_deferred_exit();
	return rare_write_report_only;
}
