// SPDX-License-Identifier: GPL-2.0-only
/*
 * A writable mapping that is always there, in an mm which is loaded only to
 * write: the later proposal for this problem ("prmem"). Here it maps no more
 * than the data of this benchmark, and that only while it is measured. The mm
 * itself stays for the next time, as that of text_poke() does.
 */
#include <linux/efi.h>
#include <linux/export.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <asm/tlbflush.h>
#ifdef CONFIG_ARM64
#include <asm/efi.h>
#endif
#include "bench.h"

#define BASE	0x10000000UL

static struct mm_struct *mm;

#ifdef CONFIG_X86

/* As use_temporary_mm(), without its care for breakpoints. */
static __always_inline struct mm_struct *use_mm(void)
{
	struct mm_struct *prev;

	if (this_cpu_read(cpu_tlbstate_shared.is_lazy))
		leave_mm();
	prev = this_cpu_read(cpu_tlbstate.loaded_mm);
	switch_mm_irqs_off(NULL, mm, current);
	return prev;
}

static __always_inline void unuse_mm(struct mm_struct *prev)
{
	switch_mm_irqs_off(NULL, prev, current);
}

static pgprot_t bench_prot(void)
{
	return __pgprot(pgprot_val(PAGE_KERNEL) & ~_PAGE_GLOBAL);
}

#else

/* As for calls of EFI, which run in an mm of their own, too. */
static __always_inline struct mm_struct *use_mm(void)
{
	efi_set_pgd(mm);
	return current->active_mm;
}

static __always_inline void unuse_mm(struct mm_struct *prev)
{
	efi_set_pgd(prev);
}

static pgprot_t bench_prot(void)
{
	return __pgprot(pgprot_val(PAGE_KERNEL) | PTE_NG);
}

#endif

struct window {
	unsigned long flags;
	struct mm_struct *prev;
};

static __always_inline void open_window(struct window *w, int first, int nr)
{
	local_irq_save(w->flags);
	w->prev = use_mm();
}

static __always_inline void close_window(struct window *w)
{
	unuse_mm(w->prev);
	local_irq_restore(w->flags);
}

#define DATA		rare_write_bench_data
#define like_data(lv)	(*(__wr_rare_type typeof(lv) *)&(lv))
/* Where an object of DATA is in the mm. */
#define mapped(obj)	((unsigned long)&(obj) - (unsigned long)&DATA + BASE)
#define store(w, obj, val)						\
do {									\
	(void)(w);							\
	WRITE_ONCE(*(bench_typeof(obj) *)mapped(obj), val);		\
} while (0)
#define store_copy(w, obj, src, len)	\
	((void)(w), (void)memcpy((void *)mapped(obj), src, len))

#include "works.h"

/* Map one of the pages, or take it away. */
static int map(unsigned int nr, bool on)
{
	unsigned long addr = BASE + nr * PAGE_SIZE;
	spinlock_t *ptl;	/* of the page table */
	pte_t *ptep = get_locked_pte(mm, addr, &ptl);

	if (!ptep)
		return -ENOMEM;
	if (on)
		set_pte_at(mm, addr, ptep, mk_pte(rare_write_bench_page(nr), bench_prot()));
	else
		pte_clear(mm, addr, ptep);
	pte_unmap_unlock(ptep, ptl);
	return 0;
}

static int prepare(void)
{
	int ret = 0;

	if (!mm)
		mm = mm_alloc();
	if (!mm)
		return -ENOMEM;
	for (unsigned int i = 0; i < BENCH_PAGES && !ret; i++)
		ret = map(i, true);
	return ret;
}

static void finish(void)
{
	if (!mm)
		return;
	for (unsigned int i = 0; i < BENCH_PAGES; i++)
		map(i, false);
	flush_tlb_mm(mm);
}

const struct bench_way rare_write_bench_private_mm = {
	.name = "private-mm",
	.prepare = prepare,
	.finish = finish,
	.scale = scale,
	BENCH_WAY_CASES,
};
EXPORT_SYMBOL_GPL(rare_write_bench_private_mm);
