/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mm/rare_write_fault.c has to know of page tables on arm64.
 */
#ifndef __ASM_RARE_WRITE_FAULT_H
#define __ASM_RARE_WRITE_FAULT_H

#include <linux/mm.h>
#include <asm/tlbflush.h>

/*
 * A block in use cannot be split without taking the mapping away meanwhile, and
 * other CPUs need it. Then all of the block becomes writable, 2 MiB with 4 KiB pages.
 */
static inline void arch_rare_write_split(unsigned long start, unsigned long end)
{
}

/* The entry for @addr has become writable. A fault does not drop the old one from a TLB. */
static inline void arch_rare_write_opened(unsigned long addr)
{
	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
}

#endif /* __ASM_RARE_WRITE_FAULT_H */
