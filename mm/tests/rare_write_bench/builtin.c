// SPDX-License-Identifier: GPL-2.0-only
/* The part of the rare_write() benchmark that has to be in the kernel. */
#include <linux/export.h>
#include <linux/hardirq.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/pfn.h>
#include <linux/set_memory.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>
#include "bench.h"

__wr_rare_type struct rare_write_bench_data rare_write_bench_data __wr_rare;
EXPORT_SYMBOL_GPL(rare_write_bench_data);

const u8 rare_write_bench_source[4096] __aligned(8) = { 1, 2, 3 };
EXPORT_SYMBOL_GPL(rare_write_bench_source);

struct page *rare_write_bench_page(unsigned int nr)
{
	return pfn_to_page(PHYS_PFN(__pa_symbol(&rare_write_bench_data)) + nr);
}
EXPORT_SYMBOL_GPL(rare_write_bench_page);

struct rare_write_bench_data *rare_write_bench_area;

/* Make an area for those ways that need memory of vmalloc(): read-only. */
int rare_write_bench_seal(void)
{
	rare_write_bench_area = vzalloc(sizeof(*rare_write_bench_area));
	if (!rare_write_bench_area)
		return -ENOMEM;
	return set_memory_ro((unsigned long)rare_write_bench_area, BENCH_PAGES);
}

/* Give it back, also after rare_write_bench_seal() failed. */
void rare_write_bench_unseal(void)
{
	if (rare_write_bench_area)
		set_memory_rw((unsigned long)rare_write_bench_area, BENCH_PAGES);
	vfree(rare_write_bench_area);
	rare_write_bench_area = NULL;
}

/**
 * rare_write_bench_ipis - interrupts that other CPUs got from CPUs
 *
 * Return: all of them, and those that flush a TLB where that is told apart.
 */
struct rare_write_bench_ipis rare_write_bench_ipis(void)
{
	struct rare_write_bench_ipis sum = {};
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		if (cpu == raw_smp_processor_id())
			continue;
#if defined(CONFIG_X86) && defined(CONFIG_SMP)
		sum.all += per_cpu(irq_stat, cpu).irq_call_count +
			   per_cpu(irq_stat, cpu).irq_resched_count;
		sum.tlb += per_cpu(irq_stat, cpu).irq_tlb_count;
#elif defined(CONFIG_ARM64)
		struct irq_desc *desc;
		unsigned int irq;

		for_each_irq_desc(irq, desc)
			if (desc->action && desc->action->name &&
			    !strcmp(desc->action->name, "IPI"))
				sum.all += irq_desc_kstat_cpu(desc, cpu);
#endif
	}
	return sum;
}
EXPORT_SYMBOL_GPL(rare_write_bench_ipis);

/**
 * rare_write_bench_mark - where the runner's debugger waits
 * @way: the way that comes next
 * @work: the work that comes next
 * @once: the function that does it
 */
noinline void rare_write_bench_mark(const char *way, const char *work,
				    void (*once)(unsigned long val))
{
	asm volatile("" : : "r" (way), "r" (work), "r" (once) : "memory");
}
EXPORT_SYMBOL_GPL(rare_write_bench_mark);
