// SPDX-License-Identifier: GPL-2.0-only
/*
 * The private page tables behind rare_write() on x86-64. The window itself is
 * inline, in <asm/rare_write_alias.h>, which also says why this is safe.
 */
#include <linux/efi.h>
#include <linux/mm.h>
#include <linux/rare_write.h>
#include <asm/pgalloc.h>

/*
 * The last top-level entry of the guard hole, between the start of the kernel
 * half and the LDT remap: the same index with four and with five levels. Only
 * a Xen PV hypervisor lives in that hole, and Kconfig excludes it.
 */
#define RARE_WRITE_PGD_INDEX	271

unsigned long arch_rare_write_alias __ro_after_init;
EXPORT_SYMBOL_GPL(arch_rare_write_alias);

/* Added to a physical address, this makes an alias entry. */
u64 arch_rare_write_prot __ro_after_init;
EXPORT_SYMBOL_GPL(arch_rare_write_prot);

/* CR3 of EFI runtime services, without PCID; 0 if there are none. */
unsigned long arch_rare_write_efi __ro_after_init;
EXPORT_SYMBOL_GPL(arch_rare_write_efi);

__wr_rare_type struct arch_rare_write_tables arch_rare_write_tables[NR_CPUS] __wr_rare_core;
EXPORT_SYMBOL_GPL(arch_rare_write_tables);

/**
 * arch_rare_write_init - work out where the alias is and how it is mapped
 *
 * Not global: INVLPG would drop it all the same, but a global entry would
 * outlive a PCID that is recycled should a flush ever be missed.
 */
void __init arch_rare_write_init(void)
{
	pgprotval_t prot = pgprot_val(PAGE_KERNEL) & ~_PAGE_GLOBAL;

	arch_rare_write_prot = prot & __supported_pte_mask;
	arch_rare_write_alias = -((PTRS_PER_PGD - RARE_WRITE_PGD_INDEX) * PGDIR_SIZE);
	if (IS_ENABLED(CONFIG_EFI) && efi_mm.pgd)
		arch_rare_write_efi = __sme_pa(efi_mm.pgd);
}

/*
 * Whose tables these are, of all CPUs: no more than the lock that is taken to
 * bring one up to date. Nothing runs on it.
 */
static struct mm_struct arch_rare_write_mm = {
	.page_table_lock = __SPIN_LOCK_UNLOCKED(arch_rare_write_mm.page_table_lock),
};

/**
 * arch_rare_write_prepare - build the private tables of one CPU
 * @tables: filled in on success
 *
 * pgd_alloc() keeps the kernel half up to date: it puts the table on pgd_list,
 * which sync_global_pgds() walks when memory is hot-added. It also gives the
 * order and alignment that the entry code expects with PTI.
 *
 * Context: May sleep.
 * Return: 0, or -ENOMEM with nothing left allocated.
 */
int arch_rare_write_prepare(struct arch_rare_write_tables *tables)
{
	unsigned long addr = arch_rare_write_alias;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	pgd = pgd_alloc(&arch_rare_write_mm);
	if (!pgd)
		return -ENOMEM;

	p4d = p4d_alloc(&init_mm, pgd_offset_pgd(pgd, addr), addr);
	if (!p4d)
		goto err_pgd;
	pud = pud_alloc(&init_mm, p4d, addr);
	if (!pud)
		goto err_p4d;
	pmd = pmd_alloc(&init_mm, pud, addr);
	if (!pmd)
		goto err_pud;
	tables->ptep = pte_alloc_kernel(pmd, addr);
	if (!tables->ptep)
		goto err_pmd;

	tables->cr3 = __sme_pa(pgd);
	if (boot_cpu_has(X86_FEATURE_PCID))
		tables->cr3 |= X86_CR3_PCID_NOFLUSH;
	return 0;

	/* The alias starts its slot, so each entry above starts its table. */
err_pmd:
	pmd_free(&init_mm, pmd);
	mm_dec_nr_pmds(&init_mm);
err_pud:
	pud_free(&init_mm, pud);
	mm_dec_nr_puds(&init_mm);
err_p4d:
	if (pgtable_l5_enabled())
		p4d_free(&init_mm, p4d);
err_pgd:
	pgd_free(&arch_rare_write_mm, pgd);
	return -ENOMEM;
}
