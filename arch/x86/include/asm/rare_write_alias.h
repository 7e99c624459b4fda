/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rare_write() on x86-64: a temporary alias in page tables of this CPU's own.
 *
 * Each CPU has a private top-level table. It shares every kernel entry with
 * init_mm, has no user entry, and has one entry of its own, in the guard hole
 * that starts the kernel half. That entry leads to a single PTE: the alias.
 *
 * The two tables agree on everything except that slot and the user half, and
 * the user half is empty here, so a walk of it caches nothing. Hence a window
 * may keep the current PCID and tell both CR3 writes not to flush: no cached
 * translation is wrong in either table except the alias itself, and INVLPG
 * drops that, with what paging-structure caches have of the way to it, while the
 * PTE is clear and before the old CR3 returns. The exception are the tables for
 * EFI runtime services, which have firmware in the kernel half, and of whose
 * upper levels a window would leave the wrong entries behind: returning to these
 * flushes. No other CPU loads this table, so there is nobody else to flush, also
 * where a process has the same PCID on all CPUs: it tags translations, and shares
 * none. A PCID of its own would be worse: with PTI kernel pages are not global, and
 * flush_tlb_kernel_range() would miss that PCID.
 *
 * So a flush that another CPU asks for must reach this one by its PCID or by an
 * interrupt, and not by what CR3 it finds: in a window that is another.
 *
 * The alias is a supervisor address: SMAP, LASS, user watchpoints and the
 * user's own mappings cannot meet it. An NMI inside a window runs on the
 * private table: all of the kernel is there and none of the user, see
 * nmi_uaccess_okay(). The LDT of the current mm is missing too, which only
 * matters for segment loads on the way back to user mode.
 *
 * tools/testing/rare_write/model/x86.pml has these steps and what a TLB may do
 * in between; "make model" tries all of it. An upper-level entry for the slot may
 * be cached once more after INVLPG, which is no harm: it leads to a PTE, in a table
 * that is never freed, which is clear until just before this CPU's next window.
 *
 * The idea of writing through page tables that only one CPU has loaded is
 * text_poke()'s; see use_temporary_mm().
 */
#ifndef _ASM_X86_RARE_WRITE_ALIAS_H
#define _ASM_X86_RARE_WRITE_ALIAS_H

#include <linux/bug.h>
#include <linux/smp.h>
#include <linux/threads.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/pgtable_types.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#define ARCH_RARE_WRITE_NAME	"temporary alias"

/* What a window remembers between begin and end. */
struct arch_rare_write {
	unsigned long cr3;
};

/*
 * Written when a CPU gets its tables and read by every window: whoever can
 * change these chooses what a window writes to, so they are write-rare too. The
 * number of the CPU is not; see the threat model in
 * Documentation/security/rare-write.rst.
 */
struct arch_rare_write_tables {
	unsigned long cr3;
	pte_t *ptep;
} __aligned(16);	/* does not cross a page */

extern const volatile struct arch_rare_write_tables arch_rare_write_tables[NR_CPUS];
extern unsigned long arch_rare_write_alias;
extern unsigned long arch_rare_write_efi;
extern u64 arch_rare_write_prot;

void arch_rare_write_init(void);
int arch_rare_write_prepare(struct arch_rare_write_tables *tables);
void arch_rare_write_restore(void);

/* set_memory_ro() covers the direct map as well. */
static inline bool arch_rare_write_modules_sealed(void)
{
	return true;
}

/* A CPU's tables. */
static __always_inline struct arch_rare_write_tables
__arch_rare_write_tables_of(unsigned int cpu)
{
	const volatile struct arch_rare_write_tables *tables = &arch_rare_write_tables[cpu];

	return (struct arch_rare_write_tables){ tables->cr3, tables->ptep };
}

/* This CPU's tables, loaded once: they do not change in a window. */
static __always_inline struct arch_rare_write_tables __arch_rare_write_tables(void)
{
	return __arch_rare_write_tables_of(raw_smp_processor_id());
}

/* Has the CPU been given its tables? */
static __always_inline bool
__arch_rare_write_ready(struct arch_rare_write_tables tables)
{
	return tables.ptep;
}

/* The alias entry for the page at @phys. */
static __always_inline u64 __arch_rare_write_entry(phys_addr_t phys)
{
	return phys + arch_rare_write_prot;
}

/* The alias of @dst, which must lie in the page that was mapped last. */
static __always_inline void *__arch_rare_write_ptr(unsigned long dst)
{
	return (void *)(arch_rare_write_alias + offset_in_page(dst));
}

/* Does this CPU have its private tables loaded? The CPU is the one to know. */
static __always_inline bool
__arch_rare_write_loaded(struct arch_rare_write_tables tables)
{
	return !((__native_read_cr3() ^ tables.cr3) & PTE_PFN_MASK);
}

/* The alias entry as it is now: 0 if there is none. */
static __always_inline u64
__arch_rare_write_mapped(struct arch_rare_write_tables tables)
{
	return pte_val(READ_ONCE(*tables.ptep));
}

/**
 * __arch_rare_write_map - make the alias
 * @tables: this CPU's tables, in which there must be none
 * @entry: the alias entry
 *
 * Context: Interrupts off, after __arch_rare_write_begin() or in it.
 */
static __always_inline void
__arch_rare_write_map(struct arch_rare_write_tables tables, u64 entry)
{
	/* From clear to present: nothing cached the old entry, nothing to flush. */
	WRITE_ONCE(tables.ptep->pte, entry);
	/* Not the compiler either may move the stores through the alias up. */
	barrier();
}

/**
 * __arch_rare_write_begin - load this CPU's private tables
 * @tables: this CPU's tables, in which there is no alias
 * @entry: the alias entry to begin with, 0 if that is to come later
 *
 * Context: Interrupts off. BUG()s if they are loaded already.
 * Return: what __arch_rare_write_end() needs.
 */
static __always_inline struct arch_rare_write
__arch_rare_write_begin(struct arch_rare_write_tables tables, u64 entry)
{
	unsigned long cr3 = __native_read_cr3();
	/* Keep the PCID. LAM changes user addresses only: not needed inside. */
	unsigned long private = (cr3 & X86_CR3_PCID_MASK) | tables.cr3;
	unsigned long diff;

	/* Returning flushes nothing, but to EFI. The bit may be set only if PCIDs are on. */
	asm_inline volatile(ALTERNATIVE("", "movq %[efi], %[diff]\n\t"
					    "xorq %[cr3], %[diff]\n\t"
					    "cmpq %[pcids], %[diff]\n\t"
					    "jbe 1f\n\t"
					    "btsq %[noflush], %[cr3]\n"
					    "1:", X86_FEATURE_PCID)
			    : [cr3] "+r" (cr3), [diff] "=&r" (diff)
			    : [efi] "m" (arch_rare_write_efi), [pcids] "i" (X86_CR3_PCID_MASK),
			      [noflush] "i" (X86_CR3_PCID_NOFLUSH_BIT)
			    : "cc");
	BUG_ON(cr3 == private);
	if (!__builtin_constant_p(entry) || entry)
		__arch_rare_write_map(tables, entry);
	native_write_cr3(private);
	return (struct arch_rare_write){ cr3 };
}

/**
 * __arch_rare_write_unmap - drop the alias, if there is one
 * @tables: this CPU's tables
 * @alias: any address in the alias page
 *
 * Context: Interrupts off, after __arch_rare_write_begin().
 */
static __always_inline void
__arch_rare_write_unmap(struct arch_rare_write_tables tables, void *alias)
{
	/*
	 * Clear first: a speculative walk after INVLPG must find nothing. The
	 * stores through the alias come before both, by their clobbers.
	 */
	WRITE_ONCE(tables.ptep->pte, 0);
	asm volatile("invlpg %0" : : "m" (*(char *)alias) : "memory");
}

/*
 * What a window of several writes saved was in memory meanwhile. Who changes it there
 * gets page tables of his choice, which any mm_struct gives him as well.
 */
static __always_inline struct arch_rare_write
__arch_rare_write_remembered(struct arch_rare_write saved)
{
	return saved;
}

/**
 * __arch_rare_write_end - drop the alias and return to the previous tables
 * @tables: this CPU's tables
 * @saved: what __arch_rare_write_begin() returned
 * @alias: any address in the alias page
 *
 * Context: Interrupts off, after __arch_rare_write_begin().
 */
static __always_inline void
__arch_rare_write_end(struct arch_rare_write_tables tables,
		      struct arch_rare_write saved, void *alias)
{
	__arch_rare_write_unmap(tables, alias);
	native_write_cr3(saved.cr3);
}

#endif /* _ASM_X86_RARE_WRITE_ALIAS_H */
