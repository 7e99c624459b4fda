/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rare_write() on arm64: a temporary alias in page tables of this CPU's own.
 *
 * All CPUs share the kernel's tables through TTBR1, and another CPU may fill
 * its TLB from a shared table at any time, so a local flush could not revoke
 * an alias made there. The alias therefore lives in the lower half: each CPU
 * has a private TTBR0 table, loaded for the window only, never with CnP set,
 * under ASID 0. That ASID belongs to no process, and outside of windows it is
 * only ever used with the empty reserved_pg_dir. A non-global PTE keeps the
 * alias in that ASID, so neither the user's translations nor anybody else's
 * need a flush, and the TLBI that ends a window is local and by address.
 *
 * The alias is not accessible to EL0, so PAN lets it through while unprivileged
 * accesses and E0PD do not see it. TTBR0 carries no ASID in a window: the entry
 * code of SW TTBR0 PAN takes that for "user access is disabled" and leaves the
 * private table in place across an exception.
 *
 * All of DAIF is masked, pseudo-NMIs included, so that nothing but SDEI and
 * synchronous exceptions can run inside; see nmi_uaccess_okay() for those.
 */
#ifndef __ASM_RARE_WRITE_H
#define __ASM_RARE_WRITE_H

#include <linux/bitfield.h>
#include <linux/mm_types.h>
#include <linux/smp.h>
#include <linux/threads.h>
#include <asm/alternative.h>
#include <asm/barrier.h>
#include <asm/daifflags.h>
#include <asm/mmu_context.h>
#include <asm/pgtable.h>
#include <asm/sysreg.h>
#include <asm/tlbflush.h>

/* Any lower-half page: the private table maps nothing else. */
#define ARCH_RARE_WRITE_ALIAS	(UL(1) << (VA_BITS_MIN - 1))

/* What a window remembers between begin and end. */
struct arch_rare_write {
	u64 ttbr0;
	u64 ttbr1;
};

/*
 * Written when a CPU gets its tables and read by every window: whoever can
 * change these chooses what a window writes to, so they are write-rare too.
 */
struct arch_rare_write_tables {
	u64 ttbr0;
	pte_t *ptep;
};

extern const volatile struct arch_rare_write_tables arch_rare_write_tables[NR_CPUS];
extern u64 arch_rare_write_reserved;
extern pteval_t arch_rare_write_prot;

void arch_rare_write_init(void);
int arch_rare_write_prepare(struct arch_rare_write_tables *tables);

/* Else set_memory_ro() leaves the linear alias of a module's memory writable. */
static inline bool arch_rare_write_modules_sealed(void)
{
	return rodata_full;
}

static __always_inline unsigned long __arch_rare_write_irq_save(void)
{
	return local_daif_save();
}

static __always_inline void __arch_rare_write_irq_restore(unsigned long flags)
{
	local_daif_restore(flags);
}

/*
 * An oops goes on with interrupts off in the way that local_irq_enable(), which
 * make_task_dead() calls, can undo: debug and SError unmasked, IRQs by PMR
 * where that is in use.
 */
static __always_inline void __arch_rare_write_irq_abort(void)
{
	local_daif_restore(DAIF_PROCCTX_NOIRQ);
}

/* This CPU's tables, loaded once: they do not change in a window. */
static __always_inline struct arch_rare_write_tables __arch_rare_write_tables(void)
{
	const volatile struct arch_rare_write_tables *tables =
		&arch_rare_write_tables[raw_smp_processor_id()];

	return (struct arch_rare_write_tables){ tables->ttbr0, tables->ptep };
}

/* The alias entry for the page at @phys. */
static __always_inline u64 __arch_rare_write_entry(phys_addr_t phys)
{
	return __phys_to_pte_val(phys) | arch_rare_write_prot;
}

static __always_inline void
__arch_rare_write_map(struct arch_rare_write_tables tables, u64 entry)
{
	WRITE_ONCE(pte_val(*tables.ptep), entry);
	/* The walker of this CPU must see the entry; no other CPU walks it. */
	dsb(nshst);
}

static __always_inline void
__arch_rare_write_unmap(struct arch_rare_write_tables tables, void *alias)
{
	/* The stores through the alias come first, by their clobbers. */
	WRITE_ONCE(pte_val(*tables.ptep), 0);
	/* The entry is gone for the walker before the TLBI, or it could refill. */
	dsb(nshst);
	__tlbi(vae1, __TLBI_VADDR((unsigned long)alias, 0));
	/* Complete the TLBI; the caller's ISB then covers what follows. */
	dsb(nsh);
}

/**
 * __arch_rare_write_begin - load this CPU's private table with an alias
 * @tables: this CPU's tables
 * @saved: where to leave what the end needs, for those who come another way
 * @entry: the alias entry
 *
 * Context: DAIF masked.
 * Return: the same as in @saved.
 */
static __always_inline struct arch_rare_write
__arch_rare_write_begin(struct arch_rare_write_tables tables,
			struct arch_rare_write *saved, u64 entry)
{
	struct arch_rare_write now = {
		.ttbr0 = read_sysreg(ttbr0_el1),
		.ttbr1 = read_sysreg(ttbr1_el1),
	};

	*saved = now;
	__arch_rare_write_map(tables, entry);

	/*
	 * The order of cpu_do_switch_mm(): with the reserved table in between,
	 * no walk can pair the user's ASID with the private table, nor ASID 0
	 * with the user's table.
	 */
	write_sysreg(arch_rare_write_reserved, ttbr0_el1);
	write_sysreg(now.ttbr1 & ~TTBR_ASID_MASK, ttbr1_el1);
	write_sysreg(tables.ttbr0, ttbr0_el1);
	/* The store through the alias must see the new table and its entry. */
	isb();
	return now;
}

/**
 * __arch_rare_write_turn - move the alias to another page
 * @tables: this CPU's tables
 * @entry: the new alias entry
 *
 * Context: DAIF masked, after __arch_rare_write_begin().
 */
static __always_inline void
__arch_rare_write_turn(struct arch_rare_write_tables tables, u64 entry)
{
	__arch_rare_write_unmap(tables, (void *)ARCH_RARE_WRITE_ALIAS);
	__arch_rare_write_map(tables, entry);
	/* As in begin; also ends what ran ahead with the old entry. */
	isb();
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
 * Context: DAIF masked, after __arch_rare_write_begin().
 */
static __always_inline void
__arch_rare_write_end(struct arch_rare_write_tables tables,
		      struct arch_rare_write saved, void *alias)
{
	__arch_rare_write_unmap(tables, alias);

	/* As on the way in: never the user's table with ASID 0. */
	write_sysreg(arch_rare_write_reserved, ttbr0_el1);
	write_sysreg(saved.ttbr1, ttbr1_el1);
	write_sysreg(saved.ttbr0, ttbr0_el1);
	/* The next user access must not use the private table. */
	isb();
	__arch_rare_write_asid_changed();
}

/* Is this CPU's private table loaded? For an oops, which cannot know. */
static inline bool arch_rare_write_loaded(struct arch_rare_write_tables tables)
{
	return read_sysreg(ttbr0_el1) == tables.ttbr0;
}

/* The alias of @dst, which must lie in the page that was mapped last. */
static __always_inline void *__arch_rare_write_ptr(unsigned long dst)
{
	return (void *)(ARCH_RARE_WRITE_ALIAS | offset_in_page(dst));
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
