/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rare_write() on arm64: a temporary alias in page tables of this CPU's own.
 *
 * All CPUs share the kernel's tables through TTBR1, and another CPU may fill
 * its TLB from a shared table at any time, so a local flush could not revoke
 * an alias made there. The alias therefore lives in the lower half: each CPU
 * has a private TTBR0 table, loaded for the window only, never with CnP set,
 * under ASID 0. That ASID belongs to no process; outside of windows it goes with
 * the empty reserved_pg_dir, or with the identity map, which flushes the TLB as
 * it comes and goes. A non-global PTE keeps the alias in that ASID, so neither
 * the user's translations nor anybody else's need a flush, and the TLBI that ends
 * a window is local and by address.
 *
 * The alias is not accessible to EL0, so PAN lets it through while unprivileged
 * accesses and E0PD do not see it. TTBR0 carries no ASID in a window: the entry
 * code of SW TTBR0 PAN takes that for "user access is disabled" and leaves the
 * private table in place across an exception.
 *
 * Interrupts are masked the usual way, so a pseudo-NMI, an SError or a debug
 * exception may come inside. It finds the kernel as it knows it, since all of
 * that is in TTBR1, and must not go for user memory: see nmi_uaccess_okay().
 *
 * tools/testing/rare_write/model/arm64.pml has these steps and what a TLB may do
 * in between; "make model" tries all of it. For each barrier left out, and for
 * another order of the TTBR writes, it finds a run that goes wrong.
 */
#ifndef __ASM_RARE_WRITE_H
#define __ASM_RARE_WRITE_H

#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/mm_types.h>
#include <linux/mmu_context.h>
#include <linux/pgtable.h>
#include <linux/smp.h>
#include <linux/threads.h>
#include <asm/alternative.h>
#include <asm/barrier.h>
#include <asm/sysreg.h>
#include <asm/tlbflush.h>

/* Any lower-half page: the private table maps nothing else. */
#define ARCH_RARE_WRITE_ALIAS	(UL(1) << (VA_BITS_MIN - 1))

#define ARCH_RARE_WRITE_NAME	"temporary alias"

/* Where a TTBR has its ASID: that of TTBR1 counts. */
#define ARCH_RARE_WRITE_ASID	GENMASK_ULL(63, 48)

/* What a window remembers between begin and end: the registers to return to. */
struct arch_rare_write {
	u64 ttbr0;
	u64 ttbr1;
};

/*
 * Written when a CPU gets its tables and read by every window: whoever can
 * change these chooses what a window writes to, so they are write-rare too. The
 * number of the CPU is not; see the threat model in
 * Documentation/security/rare-write.rst.
 */
struct arch_rare_write_tables {
	u64 ttbr0;
	pte_t *ptep;
} __aligned(16);	/* does not cross a page */

extern const volatile struct arch_rare_write_tables arch_rare_write_tables[NR_CPUS];
extern pteval_t arch_rare_write_prot;

void arch_rare_write_init(void);
int arch_rare_write_prepare(struct arch_rare_write_tables *tables);
void arch_rare_write_restore(void);

/* Else set_memory_ro() leaves the linear alias of a module's memory writable. */
static inline bool arch_rare_write_modules_sealed(void)
{
	return rodata_full;
}

/* A CPU's tables. */
static __always_inline struct arch_rare_write_tables
__arch_rare_write_tables_of(unsigned int cpu)
{
	const struct arch_rare_write_tables *tables = (void *)&arch_rare_write_tables[cpu];

	/* Both at once, but not the initial zeroes: see rare_ptr(). */
	OPTIMIZER_HIDE_VAR(tables);
	return *tables;
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
	return __phys_to_pte_val(phys) | arch_rare_write_prot;
}

/* The alias of @dst, which must lie in the page that was mapped last. */
static __always_inline void *__arch_rare_write_ptr(unsigned long dst)
{
	return (void *)(ARCH_RARE_WRITE_ALIAS | offset_in_page(dst));
}

/* Does this CPU have its private table loaded? The CPU is the one to know. */
static __always_inline bool
__arch_rare_write_loaded(struct arch_rare_write_tables tables)
{
	return read_sysreg(ttbr0_el1) == tables.ttbr0;
}

/*
 * Load @ttbr0 and @ttbr1, which has the ASID, in the order of cpu_do_switch_mm():
 * with the reserved table in between, no walk can pair one table with the
 * other's ASID, and cache what it finds there. In one piece: Cavium 219 does not
 * stand a load or a store before the ISB.
 */
static __always_inline void __arch_rare_write_switch(u64 ttbr0, u64 ttbr1)
{
	/* The reserved table lies below the kernel's, see uaccess_ttbr0_disable(). */
	u64 reserved = (ttbr1 & ~ARCH_RARE_WRITE_ASID) - RESERVED_SWAPPER_OFFSET;

	/* Nothing that comes later uses the tables before. */
	asm volatile("msr ttbr0_el1, %x[reserved]\n"
		     "msr ttbr1_el1, %x[ttbr1]\n"
		     "msr ttbr0_el1, %x[ttbr0]\n"
		     "isb"
		     : : [reserved] "r" (reserved), [ttbr1] "r" (ttbr1), [ttbr0] "r" (ttbr0)
		     : "memory");
}

/* The alias entry as it is now: 0 if there is none. */
static __always_inline u64
__arch_rare_write_mapped(struct arch_rare_write_tables tables)
{
	return pte_val(READ_ONCE(*tables.ptep));
}

/* Change the alias entry. No other CPU walks it; the walker of this one sees it from here on. */
static __always_inline void
__arch_rare_write_set(struct arch_rare_write_tables tables, u64 entry)
{
	WRITE_ONCE(pte_val(*tables.ptep), entry);
	dsb(nshst);
}

/**
 * __arch_rare_write_begin - load this CPU's private table
 * @tables: this CPU's tables, in which there is no alias
 * @entry: the alias entry to begin with, 0 if that is to come later
 *
 * Context: Interrupts off. BUG()s if it is loaded already.
 * Return: what __arch_rare_write_end() needs.
 */
static __always_inline struct arch_rare_write
__arch_rare_write_begin(struct arch_rare_write_tables tables, u64 entry)
{
	struct arch_rare_write saved = {
		.ttbr0 = read_sysreg(ttbr0_el1),
		.ttbr1 = read_sysreg(ttbr1_el1),
	};

	BUG_ON(saved.ttbr0 == tables.ttbr0);
	/* Before the ISB of the switch: it serves both. */
	if (!__builtin_constant_p(entry) || entry)
		__arch_rare_write_set(tables, entry);
	__arch_rare_write_switch(tables.ttbr0, saved.ttbr1 & ~ARCH_RARE_WRITE_ASID);
	return saved;
}

/**
 * __arch_rare_write_map - make the alias
 * @tables: this CPU's tables, in which there must be none
 * @entry: the alias entry
 *
 * Context: Interrupts off, after __arch_rare_write_begin().
 */
static __always_inline void
__arch_rare_write_map(struct arch_rare_write_tables tables, u64 entry)
{
	__arch_rare_write_set(tables, entry);
	/* The store through the alias must not have run ahead of the entry. */
	isb();
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
	 * The stores through the alias come first, by their clobbers. The entry is gone for
	 * the walker before the TLBI, or it could refill.
	 */
	__arch_rare_write_set(tables, 0);
	/* By address and ASID 0. Not @alias: the constant makes a shorter operand. */
	__tlbi(vae1, ARCH_RARE_WRITE_ALIAS >> 12);
	/* Complete the TLBI. An ISB, for what ran ahead, follows in either use. */
	dsb(nsh);
}

/*
 * What a window of several writes saved was in memory meanwhile. Who changes it there
 * gets a lower half of his choice, as he does by changing an mm_struct. Where the page
 * tables of the kernel are he must not choose: no mm_struct says that. A window leaves
 * it in the register, and changes just the ASID beside it.
 */
static __always_inline struct arch_rare_write
__arch_rare_write_remembered(struct arch_rare_write saved)
{
	saved.ttbr1 = (read_sysreg(ttbr1_el1) & ~ARCH_RARE_WRITE_ASID) |
		      (saved.ttbr1 & ARCH_RARE_WRITE_ASID);
	return saved;
}

/* Cavium 27456: the I-cache may not hold instructions of a changed ASID. */
static __always_inline void __arch_rare_write_asid_changed(void)
{
	if (IS_ENABLED(CONFIG_CAVIUM_ERRATUM_27456))
		asm volatile(ALTERNATIVE("nop; nop; nop",
					 "ic iallu; dsb nsh; isb",
					 ARM64_WORKAROUND_CAVIUM_27456) : : : "memory");
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
	__arch_rare_write_switch(saved.ttbr0, saved.ttbr1);
	__arch_rare_write_asid_changed();
}

/*
 * One store of @size bytes. In assembly, so that no sanitizer looks for shadow
 * memory of the alias and no compiler splits or merges the store.
 */
static __always_inline void __arch_rare_write_store(void *ptr, u64 val, size_t size)
{
	switch (size) {
	case 1:
		asm volatile("strb %w1, %0" : "=Q" (*(u8 *)ptr) : "rZ" ((u8)val) : "memory");
		break;
	case 2:
		asm volatile("strh %w1, %0" : "=Q" (*(u16 *)ptr) : "rZ" ((u16)val) : "memory");
		break;
	case 4:
		asm volatile("str %w1, %0" : "=Q" (*(u32 *)ptr) : "rZ" ((u32)val) : "memory");
		break;
	case 8:
		asm volatile("str %x1, %0" : "=Q" (*(u64 *)ptr) : "rZ" (val) : "memory");
		break;
	}
}

/* The same with release semantics: earlier accesses are seen before it. */
static __always_inline void
__arch_rare_write_store_release(void *ptr, u64 val, size_t size)
{
	switch (size) {
	case 1:
		asm volatile("stlrb %w1, %0" : "=Q" (*(u8 *)ptr) : "rZ" ((u8)val) : "memory");
		break;
	case 2:
		asm volatile("stlrh %w1, %0" : "=Q" (*(u16 *)ptr) : "rZ" ((u16)val) : "memory");
		break;
	case 4:
		asm volatile("stlr %w1, %0" : "=Q" (*(u32 *)ptr) : "rZ" ((u32)val) : "memory");
		break;
	case 8:
		asm volatile("stlr %x1, %0" : "=Q" (*(u64 *)ptr) : "rZ" (val) : "memory");
		break;
	}
}

#endif /* __ASM_RARE_WRITE_H */
