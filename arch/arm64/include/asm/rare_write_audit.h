/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mm/rare_write_audit.c has to know of page tables on arm64.
 */
#ifndef __ASM_RARE_WRITE_AUDIT_H
#define __ASM_RARE_WRITE_AUDIT_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/rare_write.h>

/* APTable: nothing below is writable. Linux does not set it; somebody might. */
#define RARE_WRITE_TABLE_RDONLY	BIT_ULL(62)

/* The first address that TTBR1 translates. */
static inline unsigned long arch_rare_write_shared_start(void)
{
	return _PAGE_OFFSET(vabits_actual);
}

/*
 * Does this entry let the kernel write, as far as it is concerned? One with DBM
 * counts as writable: a CPU that updates the dirty state makes it so.
 */
static inline bool arch_rare_write_may_write(u64 entry, bool leaf)
{
	if (!leaf)
		return !(entry & RARE_WRITE_TABLE_RDONLY);
	return !(entry & PTE_RDONLY) || (entry & PTE_DBM);
}

/* The page tables that a CPU has for its windows. */
static inline pgd_t *arch_rare_write_pgd(struct arch_rare_write_tables tables)
{
	phys_addr_t phys = tables.ttbr0;

#ifdef CONFIG_ARM64_PA_BITS_52
	/* phys_to_ttbr(), backwards: bits 51 to 48 are where a table has none. */
	phys = (phys & ~GENMASK_ULL(5, 0)) | (phys & GENMASK_ULL(5, 2)) << 46;
#endif
	return __va(phys);
}

/* All of it is private. */
static inline unsigned long arch_rare_write_private_start(void)
{
	return 0;
}

static inline unsigned long arch_rare_write_private_end(void)
{
	return 1UL << vabits_actual;
}

static inline unsigned long arch_rare_write_foreign(struct arch_rare_write_tables tables)
{
	return 0;
}

#endif /* __ASM_RARE_WRITE_AUDIT_H */
