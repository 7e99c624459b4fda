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
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>

#define CREATE_TRACE_POINTS
#include <trace/events/rare_write.h>
EXPORT_TRACEPOINT_SYMBOL_GPL(rare_write);

/* Never for the caller to touch; modules need these since they inline windows. */
DEFINE_PER_CPU(struct rare_write_window, rare_write_window);
EXPORT_PER_CPU_SYMBOL_GPL(rare_write_window);

DEFINE_STATIC_KEY_FALSE(rare_write_protected);
EXPORT_SYMBOL_GPL(rare_write_protected);

/* Empty until early_initcall; rare_write_lookup() knows the region by itself. */
struct rare_write_image rare_write_image __ro_after_init;
EXPORT_SYMBOL_GPL(rare_write_image);

/* Something to attack, see rare_write_report(). */
static __wr_rare_type unsigned long rare_write_probe __wr_rare = 0x7261726577726974;

/**
 * rare_write_lookup - the alias entry for the page of a write-rare address
 * @addr: the address
 *
 * The way for addresses in modules. It returns a page table entry and puts it
 * nowhere, so there is nothing to gain from calling it.
 *
 * Context: In a window: interrupts off keep the module from going away.
 * Return: the entry. BUG()s if @addr is not in the write-rare region of the
 * kernel or of a module that is loaded.
 */
u64 rare_write_lookup(unsigned long addr)
{
	struct module *mod;

	if (addr >= (unsigned long)__start_rare_write &&
	    addr < (unsigned long)__end_rare_write)
		return __arch_rare_write_entry(__pa_symbol(addr & PAGE_MASK));

	mod = __module_address(addr);
	BUG_ON(!mod || !within_module_mem_type(addr, mod, MOD_RARE_WRITE));
	return __arch_rare_write_entry(PFN_PHYS(vmalloc_to_pfn((void *)addr)));
}
EXPORT_SYMBOL_GPL(rare_write_lookup);

/**
 * rare_write_active - is a window open on this CPU?
 *
 * True for NMI handlers and synchronous exceptions that interrupted a window.
 * User memory is out of reach then: the user's page tables are not loaded.
 */
bool rare_write_active(void)
{
	/* With interrupts on this is no window, and the CPU could change between. */
	return irqs_disabled() && raw_cpu_read(rare_write_window.page) != RARE_WRITE_CLOSED;
}
NOKPROBE_SYMBOL(rare_write_active);

/**
 * rare_write_abort - close the window that an oops found open
 *
 * The task that opened it is about to die, but the CPU and the page tables
 * that it runs on live on. Interrupts stay off, as make_task_dead() expects.
 */
void rare_write_abort(void)
{
	struct rare_write_window *w = raw_cpu_ptr(&rare_write_window);
	struct arch_rare_write_tables tables = __arch_rare_write_tables();

	if (likely(w->page == RARE_WRITE_CLOSED))
		return;
	/*
	 * How far the window got is asked of the CPU, which cannot be out of date.
	 * The alias goes in any case: the oops may have come just before the
	 * private tables were loaded, or user access may have replaced them.
	 */
	if (static_branch_likely(&rare_write_protected)) {
		if (arch_rare_write_loaded(tables))
			__arch_rare_write_end(tables, w->arch, __rare_alias(0));
		else if (tables.ptep)
			__arch_rare_write_unmap(tables, __rare_alias(0));
	}
	barrier();
	w->page = RARE_WRITE_CLOSED;
	__arch_rare_write_irq_abort();
	pr_emerg("closed the window that was open in this oops\n");
}
NOKPROBE_SYMBOL(rare_write_abort);

/* What this CPU's open window wrote, for the event at its end. */
static DEFINE_PER_CPU(struct {
	unsigned long dst;
	size_t len;
}, rare_write_traced);

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

	/* The event may have been enabled in the middle of the window. */
	if (len)
		trace_rare_write(_RET_IP_, raw_cpu_read(rare_write_traced.dst), len);
	raw_cpu_write(rare_write_traced.len, 0);
}
EXPORT_SYMBOL_GPL(rare_write_trace_window);

static int rare_write_prepare_cpu(unsigned int cpu)
{
	struct arch_rare_write_tables tables;
	int ret;

	/* Back from offline. */
	if (arch_rare_write_tables[cpu].ptep)
		return 0;

	ret = arch_rare_write_prepare(&tables);
	if (!ret)
		rare_write(arch_rare_write_tables[cpu], tables);
	return ret;
}

static int __init rare_write_init(void)
{
	int ret;

	arch_rare_write_init();
	rare_write_image.page = __rare_page((unsigned long)__start_rare_write);
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
	pr_info("temporary alias protects %zu KiB of the kernel%s\n", size / SZ_1K,
		arch_rare_write_modules_sealed() ? ", and modules" :
		"; modules are writable in the linear map (see rodata=full)");
}

#ifdef CONFIG_DEBUG_FS
static void region_show(const struct module *mod, const struct module_memory *mem, void *m)
{
	seq_printf(m, "%p %8u %s\n", mem->base, mem->size, mod->name);
}

static int regions_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%p %8zu vmlinux\n", __start_rare_write,
		   (size_t)(__end_rare_write - __start_rare_write));
	if (IS_ENABLED(CONFIG_MODULES))
		module_for_each_mem(MOD_RARE_WRITE, region_show, m);
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
