// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write(): what is not inline. The order at boot is
 *
 *   early_initcall   private page tables for the boot CPU; from here on every
 *                    write takes the alias. The other CPUs are not up yet, so
 *                    no window can be open while the switch is thrown.
 *   CPU hotplug      private tables for each CPU before it starts. They stay
 *                    when it goes offline, for its return.
 *   mark_readonly()  the region becomes read-only, rare_write_report() says so.
 *
 * Before the first of these, and with rodata=off, writes are plain stores,
 * behind the same checks.
 */
#define pr_fmt(fmt) "rare_write: " fmt

#include <linux/cpuhotplug.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rare_write.h>
#include <linux/rare_write_audit.h>
#include <linux/rare_write_debug.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>

#include "rare_write.h"

#define CREATE_TRACE_POINTS
#include <trace/events/rare_write.h>
EXPORT_TRACEPOINT_SYMBOL_GPL(rare_write);

/* Never for the caller to touch; modules need these since they inline windows. */
DEFINE_PER_CPU(struct rare_write_window, rare_write_window) = {
	.page = RARE_WRITE_CLOSED,
};
EXPORT_PER_CPU_SYMBOL_GPL(rare_write_window);

/* Sealed: modules that come later are patched by what it says. */
DEFINE_STATIC_KEY_FALSE_RO(rare_write_protected);
EXPORT_SYMBOL_GPL(rare_write_protected);

/* Empty until early_initcall; rare_write_lookup() knows the region by itself. */
struct rare_write_image rare_write_image __ro_after_init;
EXPORT_SYMBOL_GPL(rare_write_image);

/* Something to attack: see rare_write_report(), and the tests. */
__wr_rare_type unsigned long rare_write_probe __wr_rare = 0x7261726577726974;
EXPORT_SYMBOL_GPL(rare_write_probe);

__wr_rare_type struct rare_write_region * __wr_rare_type rare_write_regions __wr_rare_core;

/*
 * The alias entry for what decides about what is accepted: write-rare for the
 * code in this file, and for nobody else.
 */
static u64 rare_write_core_entry(unsigned long addr)
{
	__wr_rare_type struct rare_write_region *region;

	if (addr >= (unsigned long)__end_rare_write &&
	    addr < (unsigned long)__end_rare_write_core)
		return __arch_rare_write_entry(__pa_symbol(addr & PAGE_MASK));
	for (region = rare_write_regions; region; region = region->next)
		if (addr == __rare_addr(&region->next))
			return region->self;
	BUG();
}

#define rare_write_core(var, val)					\
do {									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_check_value(var);					\
	static_assert(__alignof__(var) >= sizeof(var), "could cross a page");	\
	__rare_do(var, rare_write_core_entry, &__rare_val,		\
		  __arch_rare_write_memcpy(__rare_p, &__rare_val, sizeof(__rare_val)));	\
} while (0)

/**
 * rare_write_lookup - the alias entry for the page of a write-rare address
 * @addr: the address
 *
 * The way for addresses in modules. It returns a page table entry and puts it
 * nowhere, so there is nothing to gain from calling it.
 *
 * Context: Interrupts off, which keeps the module from going away.
 * Return: the entry. BUG()s if @addr is not in the write-rare region of the
 * kernel or of a module that is loaded.
 */
u64 rare_write_lookup(unsigned long addr)
{
	__wr_rare_type struct rare_write_region *region;

	for (region = rare_write_regions; region; region = region->next) {
		unsigned long offset = addr - region->start;

		if (offset < region->size)
			return region->entry[offset >> PAGE_SHIFT];
	}

	/* Early in boot rare_write_image is empty. */
	BUG_ON(addr < (unsigned long)__start_rare_write ||
	       addr >= (unsigned long)__end_rare_write);
	return __arch_rare_write_entry(__pa_symbol(addr & PAGE_MASK));
}
EXPORT_SYMBOL_GPL(rare_write_lookup);

/**
 * rare_write_module_of - whose write-rare data is at an address?
 * @addr: the address
 *
 * Context: Any but NMI.
 * Return: the module, to compare with; NULL if it is no module's.
 */
const struct module *rare_write_module_of(unsigned long addr)
{
	__wr_rare_type struct rare_write_region *region;

	guard(rcu)();
	for (region = rare_write_regions; region; region = region->next)
		if (addr - region->start < region->size)
			return region->mod;
	return NULL;
}

/**
 * rare_write_active - is a window open on this CPU?
 *
 * For NMI handlers and synchronous exceptions, which may have interrupted one.
 * User memory is out of reach then: the user's page tables are not loaded.
 *
 * Context: Any.
 * Return: true in a window.
 */
bool rare_write_active(void)
{
	/* With interrupts on this is no window, and the CPU could change between. */
	return irqs_disabled() && static_branch_likely(&rare_write_protected) &&
	       __arch_rare_write_loaded(__arch_rare_write_tables());
}
NOKPROBE_SYMBOL(rare_write_active);

/* What this CPU's open window wrote, for the event at its end. */
struct rare_write_trace {
	unsigned long dst;
	size_t len;
};

static DEFINE_PER_CPU(struct rare_write_trace, rare_write_traced);

/**
 * rare_write_abort - close the window that an oops found open
 *
 * The task that opened it is about to die, but the CPU and the page tables
 * that it runs on live on. Interrupts stay off, as make_task_dead() expects.
 *
 * Context: Any, of the CPU that had the oops.
 */
void rare_write_abort(void)
{
	struct arch_rare_write_tables tables;
	bool open;

	/* With interrupts on this is no window, and the CPU could change. */
	if (!irqs_disabled())
		return;

	open = raw_cpu_read(rare_write_window.page) != RARE_WRITE_CLOSED;
	if (static_branch_likely(&rare_write_protected)) {
		tables = __arch_rare_write_tables();
		/*
		 * The alias goes in any case: user access from a handler may have
		 * replaced the private tables.
		 */
		if (__arch_rare_write_ready(tables))
			__arch_rare_write_unmap(tables, __rare_alias(0));
		if (__arch_rare_write_loaded(tables)) {
			arch_rare_write_restore();
			open = true;
		}
	}
	raw_cpu_write(rare_write_window.page, RARE_WRITE_CLOSED);
	raw_cpu_write(rare_write_traced.len, 0);
	if (open)
		pr_emerg("closed the window that was open in this oops\n");
}
NOKPROBE_SYMBOL(rare_write_abort);

void rare_write_trace_note(unsigned long dst, size_t len)
{
	if (!len)
		return;
	if (!raw_cpu_read(rare_write_traced.len))
		raw_cpu_write(rare_write_traced.dst, dst);
	raw_cpu_add(rare_write_traced.len, len);
}
EXPORT_SYMBOL_GPL(rare_write_trace_note);

void rare_write_trace_window(void)
{
	size_t len = raw_cpu_read(rare_write_traced.len);

	/* What is attached to the event may have a window of its own. */
	raw_cpu_write(rare_write_traced.len, 0);
	/* The event may have been enabled in the middle of the window. */
	if (len)
		trace_rare_write(_RET_IP_, raw_cpu_read(rare_write_traced.dst), len);
}
EXPORT_SYMBOL_GPL(rare_write_trace_window);

#ifdef CONFIG_MODULES
static struct rare_write_region *rare_write_region_of(const struct module *mod)
{
	const struct module_memory *mem = &mod->mem[MOD_RARE_WRITE];

	return mem->size ? mem->base + mem->size - PAGE_SIZE : NULL;
}

/**
 * rare_write_module_size - how much memory a module's write-rare data takes
 * @size: bytes of data
 *
 * Return: bytes with the page that describes them, 0 if there are none.
 */
unsigned int rare_write_module_size(unsigned int size)
{
	return size ? PAGE_ALIGN(size) + PAGE_SIZE : 0;
}

/**
 * rare_write_module_prepare - describe a module's region, before it is sealed
 * @mod: the module, with its data in place
 *
 * Context: Under module_mutex.
 * Return: 0, or -ENOEXEC if it has more pages than can be described.
 */
int rare_write_module_prepare(struct module *mod)
{
	struct rare_write_region *region = rare_write_region_of(mod);
	void *start = mod->mem[MOD_RARE_WRITE].base, *page;
	unsigned long size;

	if (!region)
		return 0;
	size = (unsigned long)region - (unsigned long)start;
	if (struct_size(region, entry, size / PAGE_SIZE) > PAGE_SIZE)
		return -ENOEXEC;
	region->next = rare_write_regions;
	region->self = __arch_rare_write_entry(PFN_PHYS(vmalloc_to_pfn(region)));
	region->mod = mod;
	region->start = __rare_addr(start);
	region->size = size;
	for (page = start; page < (void *)region; page += PAGE_SIZE)
		region->entry[(page - start) / PAGE_SIZE] =
			__arch_rare_write_entry(PFN_PHYS(vmalloc_to_pfn(page)));
	return 0;
}

/**
 * rare_write_module_add - accept writes to a module's region, now that it is sealed
 * @mod: the module, after rare_write_module_prepare()
 *
 * Context: Under module_mutex, in the same section as the preparation.
 * Return: 0, or -EPERM if what @mod leads to is not sealed or describes no region of it.
 */
int rare_write_module_add(struct module *mod)
{
	struct rare_write_region *region = rare_write_region_of(mod);

	if (!region)
		return 0;
	/* struct module may lead elsewhere by now: to a page that somebody made up. */
	if (region->mod != mod ||
	    (static_branch_likely(&rare_write_protected) && !rare_write_report_only &&
	     !copy_to_kernel_nofault(&region->mod, &mod, sizeof(mod)))) {
		pr_err("%s has write-rare data that is not sealed\n", mod->name);
		return -EPERM;
	}

	/* Who finds the region finds it described. */
	smp_wmb();
	rare_write_core(rare_write_regions, region);
	return 0;
}

/**
 * rare_write_module_del - accept no more writes to a module's region
 * @mod: the module, which need not have been added
 *
 * Asks nothing of struct module, which somebody may have changed.
 *
 * Context: Under module_mutex. A window that found the region before may be in
 * it until the next RCU grace period has passed.
 */
void rare_write_module_del(struct module *mod)
{
	__wr_rare_type struct rare_write_region *region = rare_write_regions, *before = NULL;

	while (region && region->mod != mod) {
		before = region;
		region = region->next;
	}
	if (!region)
		return;
	if (before)
		rare_write_core(before->next, region->next);
	else
		rare_write_core(rare_write_regions, region->next);
}
#endif

static int rare_write_prepare_cpu(unsigned int cpu)
{
	struct arch_rare_write_tables tables;
	int ret;

	/* Back from offline. */
	if (__arch_rare_write_ready(__arch_rare_write_tables_of(cpu)))
		return 0;

	ret = arch_rare_write_prepare(&tables);
	if (ret) {
		pr_warn("no memory for CPU %u's page tables\n", cpu);
		return ret;
	}
	rare_write_core(arch_rare_write_tables[cpu], tables);
	return 0;
}

static int __init rare_write_init(void)
{
	int ret;

	arch_rare_write_init();
	rare_write_image.start = (unsigned long)__start_rare_write;
	rare_write_image.size = __end_rare_write - __start_rare_write;
	rare_write_image.entry = __arch_rare_write_entry(__pa_symbol(__start_rare_write));

	/* Nothing will be sealed: plain stores it is, for good. */
	if (!rodata_enabled)
		return 0;

	ret = cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "mm/rare_write:prepare",
				rare_write_prepare_cpu, NULL);
	/* The region is about to be sealed: without tables nobody could write it. */
	if (ret < 0)
		panic("rare_write: no memory for the boot CPU's page tables\n");
	static_branch_enable(&rare_write_protected);
	return 0;
}
early_initcall(rare_write_init);

/**
 * rare_write_report - say at boot what is protected, or that nothing is
 *
 * Tries a write rather than trusting the code above. Not __init: init memory is
 * freed before the kernel is made read-only.
 */
void rare_write_report(void)
{
	unsigned long old = rare_write_probe, new = ~old;
	size_t size = __end_rare_write - __start_rare_write;

	if (!rodata_enabled) {
		pr_warn("nothing is protected: rodata=off\n");
		return;
	}
	if (!copy_to_kernel_nofault((void *)rare_ptr(&rare_write_probe), &new, sizeof(new))) {
		pr_err("nothing is protected: the region is writable\n");
		rare_write(rare_write_probe, old);
		return;
	}
	rare_write(rare_write_probe, new);
	if (rare_write_probe != new) {
		pr_err("writes through the alias do not arrive\n");
		return;
	}
	rare_write(rare_write_probe, old);
	if (rare_write_report_only)
		pr_warn("REPORT ONLY: nothing is protected: plain stores are logged and let through\n");
	else
		pr_info(ARCH_RARE_WRITE_NAME " protects %zu KiB of the kernel%s\n", size / SZ_1K,
			arch_rare_write_modules_sealed() ? ", and modules" :
			"; modules are writable in the linear map (see rodata=)");
	rare_write_audit_boot();
}

#ifdef CONFIG_DEBUG_FS
static int regions_show(struct seq_file *m, void *v)
{
	__wr_rare_type struct rare_write_region *region;

	seq_printf(m, "%p %8zu vmlinux\n", __start_rare_write,
		   (size_t)(__end_rare_write - __start_rare_write));
	guard(rcu)();
	for (region = rare_write_regions; region; region = region->next)
		seq_printf(m, "%p %8lu %s\n", (void *)region->start, region->size,
			   module_name(region->mod));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(regions);

static int __init rare_write_debugfs(void)
{
	debugfs_create_file("regions", 0400, debugfs_create_dir("rare_write", NULL),
			    NULL, &regions_fops);
	return 0;
}
late_initcall(rare_write_debugfs);
#endif
