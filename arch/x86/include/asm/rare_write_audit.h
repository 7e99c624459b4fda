/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mm/rare_write_audit.c has to know of page tables on x86-64.
 */
#ifndef _ASM_X86_RARE_WRITE_AUDIT_H
#define _ASM_X86_RARE_WRITE_AUDIT_H

#include <linux/mm.h>
#include <linux/rare_write.h>

/* The first address of the half that all page tables share. */
static inline unsigned long arch_rare_write_shared_start(void)
{
	return ~__VIRTUAL_MASK;
}

/* Does this entry let the kernel write, as far as it is concerned? */
static inline bool arch_rare_write_may_write(u64 entry, bool leaf)
{
	return entry & _PAGE_RW;
}

/* The page tables that a CPU has for its windows. */
static inline pgd_t *arch_rare_write_pgd(struct arch_rare_write_tables tables)
{
	return __va(tables.cr3 & PTE_PFN_MASK);
}

/* What of them is not shared, and may have a mapping. */
static inline unsigned long arch_rare_write_private_start(void)
{
	return arch_rare_write_alias;
}

static inline unsigned long arch_rare_write_private_end(void)
{
	return arch_rare_write_alias + PGDIR_SIZE;
}

/*
 * How many of the other entries are not what they should be: empty in the user
 * half, and like everybody's in the kernel half? The CPU marks what it has used.
 */
static inline unsigned long arch_rare_write_foreign(struct arch_rare_write_tables tables)
{
	pgd_t *private = arch_rare_write_pgd(tables), *shared = pgd_offset_pgd(init_mm.pgd, 0);
	unsigned long count = 0;

	for (unsigned int i = 0; i < PTRS_PER_PGD; i++) {
		pgdval_t should = i < KERNEL_PGD_BOUNDARY ? 0 : pgd_val(READ_ONCE(shared[i]));

		if (i != pgd_index(arch_rare_write_alias) &&
		    (pgd_val(READ_ONCE(private[i])) ^ should) & ~_PAGE_ACCESSED)
			count++;
	}
	return count;
}

#endif /* _ASM_X86_RARE_WRITE_AUDIT_H */
