/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mm/rare_write_fault.c has to know of page tables on x86-64.
 */
#ifndef _ASM_X86_RARE_WRITE_FAULT_H
#define _ASM_X86_RARE_WRITE_FAULT_H

#include <linux/mm.h>
#include <asm/set_memory.h>

/* The kernel is mapped by large pages: a fault cannot split one, so do it before. */
static inline void arch_rare_write_split(unsigned long start, unsigned long end)
{
	set_memory_4k(start, PHYS_PFN(end - start));
}

/*
 * The entry for @addr has become writable. The fault dropped what this CPU had
 * cached of it; a CPU that has the old one faults, and spurious_kernel_fault()
 * tries again.
 */
static inline void arch_rare_write_opened(unsigned long addr)
{
}

#endif /* _ASM_X86_RARE_WRITE_FAULT_H */
