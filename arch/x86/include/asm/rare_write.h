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
 * drops that, with this PCID's paging-structure caches, while the PTE is clear
 * and before the old CR3 returns. No other CPU ever loads this table, so there
 * is nobody else to flush. A PCID of its own would be worse: with PTI kernel
 * pages are not global, and flush_tlb_kernel_range() would miss that PCID.
 *
 * The alias is a supervisor address: SMAP, LASS, user watchpoints and the
 * user's own mappings cannot meet it. An NMI inside a window runs on the
 * private table: all of the kernel is there and none of the user, see
 * nmi_uaccess_okay(). The LDT of the current mm is missing too, which only
 * matters for segment loads on the way back to user mode.
 *
 * The idea of writing through page tables that only one CPU has loaded is
 * text_poke()'s; see use_temporary_mm() in arch/x86/kernel/alternative.c.
 */
#ifndef _ASM_X86_RARE_WRITE_H
#define _ASM_X86_RARE_WRITE_H

#include <linux/cache.h>
#include <linux/irqflags.h>
#include <linux/smp.h>
#include <linux/stringify.h>
#include <linux/threads.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/pgtable_types.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

/* What a window remembers between begin and end. */
struct arch_rare_write {
	unsigned long cr3;
};

/*
 * Written when a CPU gets its tables and read by every window: whoever can
 * change these chooses what a window writes to, so they are write-rare too.
 */
struct arch_rare_write_tables {
	unsigned long cr3;
	pte_t *ptep;
};

extern const volatile struct arch_rare_write_tables arch_rare_write_tables[NR_CPUS];
extern unsigned long arch_rare_write_alias;
extern u64 arch_rare_write_prot;

void arch_rare_write_init(void);
int arch_rare_write_prepare(struct arch_rare_write_tables *tables);

/* set_memory_ro() covers the direct map as well. */
static inline bool arch_rare_write_modules_sealed(void)
{
	return true;
}

static __always_inline unsigned long __arch_rare_write_irq_save(void)
{
	unsigned long flags;

	if (IS_ENABLED(CONFIG_TRACE_IRQFLAGS))
		local_irq_save(flags);
	else	/* The same, but clang would take a detour over the stack. */
		asm volatile("pushf ; pop %0 ; cli" : "=r" (flags) : : "memory");
	return flags;
}

static __always_inline void __arch_rare_write_irq_restore(unsigned long flags)
{
	local_irq_restore(flags);
}

/* An oops leaves interrupts off; make_task_dead() expects to find them so. */
static __always_inline void __arch_rare_write_irq_abort(void)
{
}

/* This CPU's tables, loaded once: they do not change in a window. */
static __always_inline struct arch_rare_write_tables __arch_rare_write_tables(void)
{
	const volatile struct arch_rare_write_tables *tables =
		&arch_rare_write_tables[raw_smp_processor_id()];

	return (struct arch_rare_write_tables){ tables->cr3, tables->ptep };
}

/* The alias entry for the page at @phys. */
static __always_inline u64 __arch_rare_write_entry(phys_addr_t phys)
{
	return phys + arch_rare_write_prot;
}

static __always_inline void
__arch_rare_write_map(struct arch_rare_write_tables tables, u64 entry)
{
	/* From clear to present: nothing cached the old entry, nothing to flush. */
	WRITE_ONCE(tables.ptep->pte, entry);
}

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

/**
 * __arch_rare_write_begin - load this CPU's private tables with an alias
 * @tables: this CPU's tables
 * @saved: where to leave what the end needs, for those who come another way
 * @entry: the alias entry
 *
 * Context: Interrupts off.
 * Return: the same as in @saved.
 */
static __always_inline struct arch_rare_write
__arch_rare_write_begin(struct arch_rare_write_tables tables,
			struct arch_rare_write *saved, u64 entry)
{
	unsigned long cr3 = __native_read_cr3();
	/* Keep the PCID. LAM changes user addresses only: not needed inside. */
	unsigned long private = (cr3 & X86_CR3_PCID_MASK) | tables.cr3;

	__arch_rare_write_map(tables, entry);

	/* The bit reads as zero and may be written only when PCIDs are on. */
	asm_inline volatile(ALTERNATIVE("", "btsq $" __stringify(X86_CR3_PCID_NOFLUSH_BIT) ", %0",
					X86_FEATURE_PCID) : "+r" (cr3) : : "cc");
	saved->cr3 = cr3;
	native_write_cr3(private);
	return (struct arch_rare_write){ cr3 };
}

/**
 * __arch_rare_write_turn - move the alias to another page
 * @tables: this CPU's tables
 * @entry: the new alias entry
 *
 * Context: Interrupts off, after __arch_rare_write_begin().
 */
static __always_inline void
__arch_rare_write_turn(struct arch_rare_write_tables tables, u64 entry)
{
	__arch_rare_write_unmap(tables, (void *)arch_rare_write_alias);
	__arch_rare_write_map(tables, entry);
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

/* Are this CPU's private tables loaded? For an oops, which cannot know. */
static inline bool arch_rare_write_loaded(struct arch_rare_write_tables tables)
{
	return !((__native_read_cr3() ^ tables.cr3) & PTE_PFN_MASK);
}

/* The alias of @dst, which must lie in the page that was mapped last. */
static __always_inline void *__arch_rare_write_ptr(unsigned long dst)
{
	return (void *)(arch_rare_write_alias + offset_in_page(dst));
}

/*
 * One store of @size bytes. In assembly, so that no sanitizer looks for shadow
 * memory of the alias and no compiler splits or merges the store. TSO makes it
 * a store-release too; the clobber stops the compiler from moving it.
 */
static __always_inline void __arch_rare_write_store(void *ptr, u64 val, size_t size)
{
	switch (size) {
	case 1:
		asm volatile("movb %b1, %0" : "=m" (*(u8 *)ptr) : "qi" ((u8)val) : "memory");
		break;
	case 2:
		asm volatile("movw %w1, %0" : "=m" (*(u16 *)ptr) : "ri" ((u16)val) : "memory");
		break;
	case 4:
		asm volatile("movl %k1, %0" : "=m" (*(u32 *)ptr) : "ri" ((u32)val) : "memory");
		break;
	case 8:
		asm volatile("movq %1, %0" : "=m" (*(u64 *)ptr) : "re" (val) : "memory");
		break;
	}
}

#define __arch_rare_write_store_release	__arch_rare_write_store

#endif /* _ASM_X86_RARE_WRITE_H */
