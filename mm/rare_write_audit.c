// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write(): an audit at rest. Walks all of the kernel's page tables and the
 * private ones of each CPU, and lists what is writable of the pages that must
 * not be. It asks the page tables alone, not the code that is to be checked.
 *
 * Not walked: the user half of processes, which maps what user space was given,
 * and the few tables that firmware, suspend, kexec and the entry code have.
 */
#define pr_fmt(fmt) "rare_write: " fmt

#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kasan.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>
#include <linux/rare_write_audit.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include <asm/rare_write_audit.h>

#include "internal.h"
#include "rare_write.h"

/* Write-rare pages, contiguous in physical memory and at their own address. */
struct span {
	unsigned long pfn;
	unsigned long pages;
	unsigned long addr;
};

struct walk {
	struct rare_write_audit *audit;
	struct span *spans;
	size_t count;
	bool writable[4];	/* as far as the table at each level goes */
	pte_t *skip;		/* entry that a window may be using, looked at apart */
	int cpu;
};

static int compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

/* Fill in up to @max spans; return how many there are. */
static size_t list_spans(struct span *spans, size_t max)
{
	__wr_rare_type struct rare_write_region *region;
	size_t n = 0;

	if (n++ < max)
		*spans++ = (struct span){
			.pfn = PHYS_PFN(__pa_symbol(__start_rare_write)),
			.pages = (__end_rare_write_core - __start_rare_write) / PAGE_SIZE,
			.addr = (unsigned long)__start_rare_write,
		};

	guard(rcu)();
	for (region = rare_write_regions; region; region = region->next) {
		unsigned long start = region->start, end = start + region->size + PAGE_SIZE;

		for (unsigned long addr = start; addr < end; addr += PAGE_SIZE)
			if (n++ < max)
				*spans++ = (struct span){ vmalloc_to_pfn((void *)addr), 1, addr };
	}
	return n;
}

/* All spans, sorted; NULL if there is no memory. */
static struct span *get_spans(size_t *count)
{
	size_t max = list_spans(NULL, 0);
	struct span *spans;

	for (;;) {
		spans = kvcalloc(max, sizeof(*spans), GFP_KERNEL);
		if (!spans)
			return NULL;
		*count = list_spans(spans, max);
		if (*count <= max)
			break;
		/* A module came. */
		max = *count;
		kvfree(spans);
	}
	sort(spans, *count, sizeof(*spans), compare, NULL);
	return spans;
}

static void note_mapping(struct walk *walk, unsigned long addr, unsigned long page,
			 unsigned long size, bool writable)
{
	struct rare_write_audit *audit = walk->audit;

	audit->mappings++;
	if (!writable)
		return;
	if (audit->writable < ARRAY_SIZE(audit->found))
		audit->found[audit->writable] =
			(struct rare_write_found){ addr, page, size, walk->cpu };
	audit->writable++;
}

/* An entry at @addr maps @size bytes at @pfn: which of these pages are write-rare? */
static void note_leaf(struct walk *walk, unsigned long addr, unsigned long pfn,
		      unsigned long size, bool writable)
{
	unsigned long end = pfn + size / PAGE_SIZE;
	size_t low = 0, high = walk->count;

	/* The first span that does not end before. */
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (walk->spans[mid].pfn + walk->spans[mid].pages <= pfn)
			low = mid + 1;
		else
			high = mid;
	}
	for (struct span *s = walk->spans + low; s < walk->spans + walk->count; s++) {
		if (s->pfn >= end)
			break;
		for (unsigned long p = max(s->pfn, pfn); p < min(s->pfn + s->pages, end); p++) {
			unsigned long at = addr + (p - pfn) * PAGE_SIZE;
			unsigned long page = s->addr + (p - s->pfn) * PAGE_SIZE;

			/* These two must be there, or this walk does not see everything. */
			if (at == page)
				walk->audit->missing--;
			if (at == (unsigned long)__va(PFN_PHYS(p)))
				walk->audit->missing--;
			note_mapping(walk, at, page, size, writable);
		}
	}
}

/* All of the shadow memory that is not used is the same page: go no deeper. */
static bool is_early_shadow(void *table)
{
#if defined(CONFIG_KASAN_GENERIC) || defined(CONFIG_KASAN_SW_TAGS)
	unsigned long pfn = PHYS_PFN(__pa(table));

	if (pfn == PHYS_PFN(__pa_symbol(kasan_early_shadow_pte)))
		return true;
#if CONFIG_PGTABLE_LEVELS > 2
	if (pfn == PHYS_PFN(__pa_symbol(kasan_early_shadow_pmd)))
		return true;
#endif
#if CONFIG_PGTABLE_LEVELS > 3
	if (pfn == PHYS_PFN(__pa_symbol(kasan_early_shadow_pud)))
		return true;
#endif
#endif
	return false;
}

static int pgd_entry(pgd_t *pgd, unsigned long addr, unsigned long next, struct mm_walk *mm)
{
	struct walk *walk = mm->private;

	walk->writable[0] = arch_rare_write_may_write(pgd_val(READ_ONCE(*pgd)), false);
	return 0;
}

static int p4d_entry(p4d_t *p4d, unsigned long addr, unsigned long next, struct mm_walk *mm)
{
	struct walk *walk = mm->private;
	p4d_t val = READ_ONCE(*p4d);

	walk->writable[1] = walk->writable[0] && arch_rare_write_may_write(p4d_val(val), false);
	if (is_early_shadow(p4d_pgtable(val)))
		mm->action = ACTION_CONTINUE;
	return 0;
}

static int pud_entry(pud_t *pud, unsigned long addr, unsigned long next, struct mm_walk *mm)
{
	struct walk *walk = mm->private;
	pud_t val = READ_ONCE(*pud);
	bool leaf = pud_leaf(val);

	cond_resched();
	walk->writable[2] = walk->writable[1] && arch_rare_write_may_write(pud_val(val), leaf);
	if (leaf)
		note_leaf(walk, addr, pud_pfn(val), PUD_SIZE, walk->writable[2]);
	if (leaf || is_early_shadow(pud_pgtable(val)))
		mm->action = ACTION_CONTINUE;
	return 0;
}

static int pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *mm)
{
	struct walk *walk = mm->private;
	pmd_t val = READ_ONCE(*pmd);
	bool leaf = pmd_leaf(val);

	walk->writable[3] = walk->writable[2] && arch_rare_write_may_write(pmd_val(val), leaf);
	if (leaf)
		note_leaf(walk, addr, pmd_pfn(val), PMD_SIZE, walk->writable[3]);
	if (leaf || is_early_shadow((void *)pmd_page_vaddr(val)))
		mm->action = ACTION_CONTINUE;
	return 0;
}

static int pte_entry(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *mm)
{
	struct walk *walk = mm->private;
	pte_t val = ptep_get_lockless(pte);

	if (pte != walk->skip && pte_present(val))
		note_leaf(walk, addr, pte_pfn(val), PAGE_SIZE,
			  walk->writable[3] && arch_rare_write_may_write(pte_val(val), true));
	return 0;
}

static const struct mm_walk_ops walk_ops = {
	.pgd_entry = pgd_entry,
	.p4d_entry = p4d_entry,
	.pud_entry = pud_entry,
	.pmd_entry = pmd_entry,
	.pte_entry = pte_entry,
};

/* Runs on the CPU in question, if that is online, and therefore in none of its windows. */
static void read_alias(void *pte)
{
	struct arch_rare_write_tables tables = __arch_rare_write_tables();

	*(u64 *)pte = __arch_rare_write_mapped(tables);
}

static void walk_private(struct walk *walk, int cpu)
{
	struct arch_rare_write_tables tables = __arch_rare_write_tables_of(cpu);
	u64 entry;

	if (!__arch_rare_write_ready(tables))
		return;

	walk->cpu = cpu;
	walk->skip = tables.ptep;
	walk_page_range_debug(&init_mm, arch_rare_write_private_start(),
			      arch_rare_write_private_end(), &walk_ops,
			      arch_rare_write_pgd(tables), walk);
	if (smp_call_function_single(cpu, read_alias, &entry, true))
		entry = __arch_rare_write_mapped(tables);
	if (entry)
		note_leaf(walk, (unsigned long)__arch_rare_write_ptr(0), pte_pfn(__pte(entry)),
			  PAGE_SIZE, arch_rare_write_may_write(entry, true));
	walk->audit->foreign += arch_rare_write_foreign(tables);
}

static void walk_all(struct walk *walk)
{
	int cpu;

	memset(walk->audit, 0, sizeof(*walk->audit));
	for (size_t i = 0; i < walk->count; i++)
		walk->audit->pages += walk->spans[i].pages;
	walk->audit->in_modules = walk->audit->pages -
				  (__end_rare_write_core - __start_rare_write) / PAGE_SIZE;
	walk->audit->missing = 2 * walk->audit->pages;

	/*
	 * As for /sys/kernel/debug/page_tables: nothing of these may be freed. Where
	 * vmalloc() does not take this lock yet when it puts a large page in the place
	 * of an empty table, that one may be.
	 */
	cpus_read_lock();
	get_online_mems();
	mmap_write_lock(&init_mm);
	walk->cpu = -1;
	walk->skip = NULL;
	walk_page_range_debug(&init_mm, arch_rare_write_shared_start(), ~0UL, &walk_ops, NULL,
			      walk);
	for_each_possible_cpu(cpu)
		walk_private(walk, cpu);
	mmap_write_unlock(&init_mm);
	put_online_mems();
	cpus_read_unlock();
}

/**
 * rare_write_audit - find all writable mappings of write-rare pages
 * @audit: filled in
 *
 * A window that is open meanwhile does not count. Walks of large machines take
 * seconds. If modules come or go meanwhile it starts again.
 *
 * Context: May sleep.
 * Return: 0, or -ENOMEM.
 */
int rare_write_audit(struct rare_write_audit *audit)
{
	struct walk walk = { .audit = audit };
	struct span *now;
	size_t count;
	bool same;

	walk.spans = get_spans(&walk.count);
	while (walk.spans) {
		walk_all(&walk);
		now = get_spans(&count);
		same = now && count == walk.count && !memcmp(now, walk.spans, count * sizeof(*now));
		kvfree(walk.spans);
		if (same) {
			kvfree(now);
			return 0;
		}
		walk.spans = now;
		walk.count = count;
	}
	return -ENOMEM;
}
EXPORT_SYMBOL_GPL(rare_write_audit);

/* One line without an end, in @line; returns whether all is well. */
static bool verdict(const struct rare_write_audit *audit, char *line, size_t size)
{
	bool ok = !audit->writable && !audit->missing && !audit->foreign;

	snprintf(line, size,
		 "audit: %s: %lu pages, %lu mappings, %lu writable, %lu not found, %lu foreign",
		 ok ? "ok" : "FAILED", audit->pages, audit->mappings, audit->writable,
		 audit->missing, audit->foreign);
	return ok;
}

static bool audit_at_boot __ro_after_init;

static int __init audit_at_boot_setup(char *unused)
{
	audit_at_boot = true;
	return 1;
}
__setup("rare_write_audit", audit_at_boot_setup);

/* rare_write_audit_boot - run an audit if the command line asks for it */
void rare_write_audit_boot(void)
{
	struct rare_write_audit *audit;
	char line[160];

	if (!audit_at_boot)
		return;
	audit = kmalloc(sizeof(*audit), GFP_KERNEL);
	if (!audit || rare_write_audit(audit))
		pr_err("audit: no memory\n");
	else if (verdict(audit, line, sizeof(line)))
		pr_info("%s\n", line);
	else
		pr_err("%s\n", line);
	kfree(audit);
}

static int audit_show(struct seq_file *m, void *v)
{
	struct rare_write_audit *audit __free(kfree) = kmalloc(sizeof(*audit), GFP_KERNEL);
	char line[160];

	if (!audit || rare_write_audit(audit))
		return -ENOMEM;
	for (size_t i = 0; i < min(audit->writable, ARRAY_SIZE(audit->found)); i++) {
		const struct rare_write_found *found = &audit->found[i];

		seq_printf(m, "writable: %pS at 0x%016lx, entry of %lu KiB", (void *)found->page,
			   found->addr, found->size / SZ_1K);
		if (found->cpu < 0)
			seq_puts(m, ", kernel\n");
		else
			seq_printf(m, ", private tables of CPU %d\n", found->cpu);
	}
	if (audit->writable > ARRAY_SIZE(audit->found))
		seq_printf(m, "and %lu more\n", audit->writable - ARRAY_SIZE(audit->found));
	verdict(audit, line, sizeof(line));
	seq_printf(m, "%s\n", line);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(audit);

static int __init audit_debugfs(void)
{
	debugfs_create_file("audit", 0400, debugfs_lookup("rare_write", NULL), NULL, &audit_fops);
	return 0;
}
late_initcall_sync(audit_debugfs);
