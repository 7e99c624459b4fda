// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write(): checks and counters of CONFIG_RARE_WRITE_DEBUG, and a look at
 * page tables for the tests and the sample. Nothing here writes to anything.
 */
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/pgtable.h>
#include <linux/rare_write.h>
#include <linux/rare_write_debug.h>
#include <linux/seq_file.h>

#define NEIGHBOURS	8

struct rare_write_count {
	unsigned long writes;
	unsigned long bytes;
	unsigned long readback;
	unsigned long neighbour;
};

static DEFINE_PER_CPU(struct rare_write_count, rare_write_count);

/* What lies left and right of the write that this CPU is about to do. */
struct rare_write_neighbours {
	u8 left[NEIGHBOURS];
	u8 right[NEIGHBOURS];
};

static DEFINE_PER_CPU(struct rare_write_neighbours, rare_write_around);

/* Copy what lies next to [dst, dst + len) in its page, and zeroes outside. */
static void rare_write_look(unsigned long dst, size_t len, u8 *left, u8 *right)
{
	unsigned long page = dst & PAGE_MASK;

	for (unsigned long i = 0; i < NEIGHBOURS; i++) {
		unsigned long l = dst - NEIGHBOURS + i, r = dst + len + i;

		left[i] = (l & PAGE_MASK) == page ? *(volatile u8 *)l : 0;
		right[i] = (r & PAGE_MASK) == page ? *(volatile u8 *)r : 0;
	}
}

void rare_write_debug_before(unsigned long dst, size_t len)
{
	rare_write_look(dst, len, this_cpu_ptr(&rare_write_around)->left,
			this_cpu_ptr(&rare_write_around)->right);
}
EXPORT_SYMBOL_GPL(rare_write_debug_before);

/*
 * Compare through the read-only mapping. Another CPU may write here as well, so
 * a mismatch is counted and mentioned, no more: tests that know better look at
 * the counters.
 */
void rare_write_debug_after(unsigned long dst, const void *src, size_t len)
{
	struct rare_write_count *count = this_cpu_ptr(&rare_write_count);
	u8 left[NEIGHBOURS], right[NEIGHBOURS];

	count->writes++;
	count->bytes += len;

	if (src && memcmp((void *)dst, src, len)) {
		count->readback++;
		pr_warn_once("rare_write: %pS does not hold what was written\n", (void *)dst);
	}

	rare_write_look(dst, len, left, right);
	if (memcmp(left, this_cpu_ptr(&rare_write_around)->left, NEIGHBOURS) ||
	    memcmp(right, this_cpu_ptr(&rare_write_around)->right, NEIGHBOURS)) {
		count->neighbour++;
		pr_warn_once("rare_write: memory next to %pS changed\n", (void *)dst);
	}
}
EXPORT_SYMBOL_GPL(rare_write_debug_after);

/**
 * rare_write_debug_mismatches - how many checks failed so far
 *
 * Return: the number, summed over all CPUs.
 */
unsigned long rare_write_debug_mismatches(void)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(rare_write_count, cpu).readback +
		       per_cpu(rare_write_count, cpu).neighbour;
	return sum;
}
EXPORT_SYMBOL_GPL(rare_write_debug_mismatches);

/**
 * rare_write_debug_entry - the entry that maps a kernel address in init_mm
 * @addr: the address
 *
 * Context: @addr's tables must not go away.
 * Return: value, writability and size of the leaf entry, or all zeroes.
 */
struct rare_write_entry rare_write_debug_entry(unsigned long addr)
{
	struct rare_write_entry none = {};
	pgd_t *pgd = pgd_offset_k(addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t pte;

	if (pgd_none(*pgd))
		return none;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return none;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud))
		return none;
	if (pud_leaf(*pud))
		return (struct rare_write_entry){ pud_val(*pud), PUD_SIZE, pud_write(*pud) };
	pmd = pmd_offset(pud, addr);
	if (pmd_none(*pmd))
		return none;
	if (pmd_leaf(*pmd))
		return (struct rare_write_entry){ pmd_val(*pmd), PMD_SIZE, pmd_write(*pmd) };
	pte = ptep_get(pte_offset_kernel(pmd, addr));
	if (!pte_present(pte))
		return none;
	return (struct rare_write_entry){ pte_val(pte), PAGE_SIZE, pte_write(pte) };
}
EXPORT_SYMBOL_GPL(rare_write_debug_entry);

/**
 * rare_write_debug_alias - where the alias is
 *
 * Return: the address of its page, the same on every CPU.
 */
unsigned long rare_write_debug_alias(void)
{
	return (unsigned long)__arch_rare_write_ptr(0);
}
EXPORT_SYMBOL_GPL(rare_write_debug_alias);

/**
 * rare_write_debug_private - the alias entry in a CPU's private tables
 * @cpu: the CPU
 *
 * Return: its raw value, 0 outside of windows or if @cpu has no tables.
 */
u64 rare_write_debug_private(int cpu)
{
	struct arch_rare_write_tables tables = __arch_rare_write_tables_of(cpu);

	return __arch_rare_write_ready(tables) ? __arch_rare_write_mapped(tables) : 0;
}
EXPORT_SYMBOL_GPL(rare_write_debug_private);

/**
 * rare_write_debug_modules_sealed - is the linear map of modules read-only too?
 *
 * Return: true if it is.
 */
bool rare_write_debug_modules_sealed(void)
{
	return arch_rare_write_modules_sealed();
}
EXPORT_SYMBOL_GPL(rare_write_debug_modules_sealed);

static int counters_show(struct seq_file *m, void *v)
{
	int cpu;

	seq_puts(m, "cpu writes bytes readback-mismatches neighbour-mismatches\n");
	for_each_possible_cpu(cpu) {
		struct rare_write_count *c = per_cpu_ptr(&rare_write_count, cpu);

		seq_printf(m, "%d %lu %lu %lu %lu\n", cpu, c->writes, c->bytes,
			   c->readback, c->neighbour);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int __init rare_write_debug_init(void)
{
	debugfs_create_file("counters", 0400, debugfs_lookup("rare_write", NULL),
			    NULL, &counters_fops);
	return 0;
}
late_initcall_sync(rare_write_debug_init);
