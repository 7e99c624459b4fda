// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does rare_write() cost, next to every other way to write? Measures when
 * it is loaded and leaves the results in debugfs, one sample after the other,
 * for tools/testing/rare_write/bench.py to make sense of:
 *
 *   insmod rare_write_bench.ko
 *   cat /sys/kernel/debug/rare_write_bench/results
 *
 * It says what it can know: ticks of the CPU's counter. Whether a tick is time,
 * on a real CPU, or a number of instructions, in QEMU with -icount, is for who
 * loads it to say (icount=1).
 *
 * All ways take turns, so that whatever changes meanwhile changes for all.
 */
#define pr_fmt(fmt) "rare_write_bench: " fmt

#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/string_choices.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#ifdef CONFIG_X86
#include <asm/tsc.h>
#else
#include <asm/arch_timer.h>
#include <asm/cputype.h>
#endif
#include "bench.h"

static bool icount;
module_param(icount, bool, 0400);
MODULE_PARM_DESC(icount, "the machine counts instructions as time");

static bool emulated;
module_param(emulated, bool, 0400);
MODULE_PARM_DESC(emulated, "time means nothing: measure only what can be compared all the same");

static bool trace;
module_param(trace, bool, 0400);
MODULE_PARM_DESC(trace, "only do each work once, for a debugger to follow");

static const struct bench_way * const all_ways[] = {
	&bench_plain,
	&bench_plain_irqoff,
	&bench_alias,
	&bench_alias_module,
#ifdef CONFIG_X86
	&bench_cr0,
#endif
	&rare_write_bench_private_mm,
	&rare_write_bench_poke,
	&bench_vmap,
	&rare_write_bench_set_memory,
};

/* Those of them that this machine allows. */
static const struct bench_way *ways[ARRAY_SIZE(all_ways)];
static unsigned int nr_ways;

#define MAX_CASES	32
#define MAX_RUNS	31
#define TIME_RUNS	31
#define COUNT_RUNS	11

/* The CPU's own counters, where there are any: what ticks are to time. */
enum { CYCLES, RETIRED, PMU_EVENTS };

static const struct {
	const char *name;
	u64 config;
} pmu_events[PMU_EVENTS] = {
	[CYCLES] = { "cycles", PERF_COUNT_HW_CPU_CYCLES },
	[RETIRED] = { "retired", PERF_COUNT_HW_INSTRUCTIONS },
};

static struct perf_event *pmu[PMU_EVENTS];

struct measured {
	unsigned long rounds;
	u64 ticks[MAX_RUNS];
	u64 pmu[PMU_EVENTS][MAX_RUNS];
};

static struct measured (*measured)[MAX_CASES];

/* The results, as text. */
#define RESULTS_SIZE	SZ_1M
static struct debugfs_blob_wrapper results;
static struct dentry *folder;

static __printf(1, 2) void emit(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	results.size += vscnprintf(results.data + results.size,
				   RESULTS_SIZE - results.size, fmt, args);
	va_end(args);
}

static __always_inline u64 ticks(void)
{
#ifdef CONFIG_X86
	return rdtsc_ordered();
#else
	return get_cycles();
#endif
}

static u64 ticks_per_second(void)
{
#ifdef CONFIG_X86
	return (u64)tsc_khz * 1000;
#else
	return arch_timer_get_cntfrq();
#endif
}

static void machine(void)
{
	emit("format 1\n");
	emit("kernel %s %s\n", utsname()->release, utsname()->machine);
	emit("build %s\n", utsname()->version);
	emit("mode %s\n", icount ? "icount" : "time");
	emit("cpus %u\n", num_online_cpus());
	emit("ticks-per-second %llu\n", ticks_per_second());
#ifdef CONFIG_X86
	emit("cpu %s\n", boot_cpu_data.x86_model_id);
	emit("guest %s\n", str_yes_no(boot_cpu_has(X86_FEATURE_HYPERVISOR)));
	emit("pcid %s\n", str_yes_no(boot_cpu_has(X86_FEATURE_PCID)));
	emit("pti %s\n", str_yes_no(boot_cpu_has(X86_FEATURE_PTI)));
#else
	emit("cpu MIDR %08x\n", read_cpuid_id());
	/* Nothing tells a guest that it is one. */
	emit("guest unknown\n");
	emit("kpti %s\n", str_yes_no(arm64_kernel_unmapped_at_el0()));
	emit("sw-pan %s\n", str_yes_no(system_uses_ttbr0_pan()));
#endif
}

/* With interrupts on, as most users: an interrupt now and then is in a sample. */
static u64 sample(const struct bench_case *c, unsigned long rounds)
{
	u64 start = ticks();

	c->loop(rounds);
	return ticks() - start;
}

#ifdef CONFIG_PERF_EVENTS
static void pmu_start(void)
{
	for (int i = 0; i < PMU_EVENTS; i++) {
		struct perf_event_attr attr = {
			.type = PERF_TYPE_HARDWARE,
			.config = pmu_events[i].config,
			.size = sizeof(attr),
			.pinned = 1,
			.exclude_user = 1,
			.exclude_hv = 1,
		};

		pmu[i] = perf_event_create_kernel_counter(&attr, raw_smp_processor_id(), NULL,
							  NULL, NULL);
		if (IS_ERR(pmu[i]))
			pmu[i] = NULL;
	}
}

static u64 pmu_read(int i)
{
	u64 enabled, running;

	return pmu[i] ? perf_event_read_value(pmu[i], &enabled, &running) : 0;
}

static void pmu_stop(void)
{
	for (int i = 0; i < PMU_EVENTS; i++)
		if (pmu[i])
			perf_event_release_kernel(pmu[i]);
}
#else
static void pmu_start(void)
{
}

static u64 pmu_read(int i)
{
	return 0;
}

static void pmu_stop(void)
{
}
#endif

static void sample_into(struct measured *m, unsigned int run, const struct bench_case *c)
{
	for (int i = 0; i < PMU_EVENTS; i++)
		m->pmu[i][run] = pmu_read(i);
	m->ticks[run] = sample(c, m->rounds);
	for (int i = 0; i < PMU_EVENTS; i++)
		m->pmu[i][run] = pmu_read(i) - m->pmu[i][run];
}

static void emit_samples(const char *kind, const struct bench_way *way,
			 const struct bench_case *c, unsigned long rounds, const u64 *samples,
			 unsigned int runs)
{
	emit("%s %s %s %lu", kind, way->name, c->work, rounds);
	for (unsigned int run = 0; run < runs; run++)
		emit(" %llu", samples[run]);
	emit("\n");
}

/* How often to repeat a work: 100 us, or 400000 instructions, but not too often. */
static unsigned long rounds_for(const struct bench_case *c)
{
	u64 budget = div_u64(ticks_per_second(), icount ? 2500 : 10000);
	u64 probe, least = 16;

	c->loop(16);
	probe = max(sample(c, 16) / 16, 1ULL);
	/* The unit of the counter is 16 instructions on arm64: it must not show. */
	if (icount && probe < div_u64(ticks_per_second(), 100000))
		least = 160;
	return clamp(rounddown(div64_u64(budget, probe), 16), least, 1600ULL);
}

/* Every way and work, in turns. */
static void measure_all(void)
{
	unsigned int runs = icount ? COUNT_RUNS : TIME_RUNS;

	for (unsigned int w = 0; w < nr_ways; w++)
		for (unsigned int c = 0; c < ways[w]->nr_cases; c++)
			measured[w][c].rounds = rounds_for(&ways[w]->cases[c]);

	for (unsigned int run = 0; run < runs; run++) {
		/* Where all takes the same time, ticks must not always hit the same work. */
		if (icount)
			udelay(733 * run);
		for (unsigned int c = 0; c < MAX_CASES; c++) {
			for (unsigned int w = 0; w < nr_ways; w++) {
				if (c < ways[w]->nr_cases)
					sample_into(&measured[w][c], run, &ways[w]->cases[c]);
			}
			cond_resched();
		}
	}

	for (unsigned int w = 0; w < nr_ways; w++) {
		for (unsigned int c = 0; c < ways[w]->nr_cases; c++) {
			const struct bench_case *bench = &ways[w]->cases[c];
			struct measured *m = &measured[w][c];

			emit_samples("case", ways[w], bench, m->rounds, m->ticks, runs);
			for (int i = 0; i < PMU_EVENTS; i++)
				if (pmu[i] && !icount)
					emit_samples(pmu_events[i].name, ways[w], bench, m->rounds,
						     m->pmu[i], runs);
		}
	}
}

/* The longest that one work kept interrupts off, of many: the worst case counts. */
static void measure_worst(void)
{
	for (unsigned int w = 0; w < nr_ways; w++) {
		for (unsigned int c = 0; c < ways[w]->nr_cases; c++) {
			u64 worst = 0;

			if (ways[w]->sleeps)
				continue;
			for (unsigned int i = 0; i < 1000; i++) {
				unsigned long flags;
				u64 start;

				local_irq_save(flags);
				start = ticks();
				ways[w]->cases[c].once(i);
				worst = max(worst, ticks() - start);
				local_irq_restore(flags);
			}
			emit("worst %s %s %llu\n", ways[w]->name, ways[w]->cases[c].work, worst);
		}
		cond_resched();
	}
}

/* Several CPUs at once, each with a cache line of its own to write to. */
struct writer {
	struct work_struct work;
	const struct bench_way *way;
	unsigned long rounds;
	unsigned int line, all;
	atomic_t *arrived;
	u64 ns;
};

static void write_at_once(struct work_struct *work)
{
	struct writer *me = container_of(work, struct writer, work);
	u64 start;

	atomic_inc(me->arrived);
	while (atomic_read(me->arrived) < me->all)
		cpu_relax();
	start = ktime_get_ns();
	me->way->scale(me->line, me->rounds);
	me->ns = ktime_get_ns() - start;
}

/* Nanoseconds for each write of each CPU, when @all CPUs write. */
static u64 scale_once(const struct bench_way *way, unsigned int all, unsigned long rounds)
{
	static struct writer writers[BENCH_LINES];
	atomic_t arrived = ATOMIC_INIT(0);
	unsigned int cpu, nr = 0;
	u64 sum = 0;

	for_each_online_cpu(cpu) {
		struct writer *writer = &writers[nr];

		writer->way = way;
		writer->rounds = rounds;
		writer->line = nr;
		writer->all = all;
		writer->arrived = &arrived;
		INIT_WORK(&writer->work, write_at_once);
		queue_work_on(cpu, system_highpri_wq, &writer->work);
		if (++nr == all)
			break;
	}
	for (unsigned int i = 0; i < nr; i++) {
		flush_work(&writers[i].work);
		sum += writers[i].ns;
	}
	return div_u64(sum, nr);
}

static void measure_scaling(void)
{
	static const unsigned int cpus[] = { 1, 2, 4 };
	static u64 ns[ARRAY_SIZE(ways)][ARRAY_SIZE(cpus)][TIME_RUNS];
	static unsigned long rounds[ARRAY_SIZE(ways)];
	unsigned int most = min(num_online_cpus(), 4U);

	for (unsigned int w = 0; w < nr_ways; w++) {
		u64 probe;

		if (!ways[w]->scale)
			continue;
		probe = max(scale_once(ways[w], 1, 16), scale_once(ways[w], most, 16));
		/* Long enough to really meet, even if they take turns on fewer CPUs of a host. */
		rounds[w] = clamp(div64_u64(5ULL * NSEC_PER_MSEC * 16, max(probe, 1ULL)), 16ULL,
				  1000000ULL);
	}
	for (unsigned int run = 0; run < TIME_RUNS; run++)
		for (unsigned int n = 0; n < ARRAY_SIZE(cpus); n++)
			for (unsigned int w = 0; w < nr_ways; w++)
				if (ways[w]->scale && cpus[n] <= num_online_cpus())
					ns[w][n][run] = scale_once(ways[w], cpus[n], rounds[w]);

	for (unsigned int w = 0; w < nr_ways; w++) {
		for (unsigned int n = 0; n < ARRAY_SIZE(cpus); n++) {
			if (!ways[w]->scale || cpus[n] > num_online_cpus())
				continue;
			emit("scale %s %u %lu", ways[w]->name, cpus[n], rounds[w]);
			for (unsigned int run = 0; run < TIME_RUNS; run++)
				emit(" %llu", ns[w][n][run]);
			emit("\n");
		}
	}
}

/* The other CPUs read write-rare data all the time. What do they notice? */
struct reader {
	struct work_struct work;
	u64 reads;
} ____cacheline_aligned_in_smp;

static struct reader readers[NR_CPUS];
static bool readers_stop;

static void read_on(struct work_struct *work)
{
	struct reader *me = container_of(work, struct reader, work);

	while (!READ_ONCE(readers_stop)) {
		for (unsigned int i = 0; i < 256; i++)
			(void)READ_ONCE(rare_write_bench_data.other[i % 64]);
		WRITE_ONCE(me->reads, me->reads + 256);
		cond_resched();
	}
}

static u64 reads(void)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_online_cpu(cpu)
		sum += READ_ONCE(readers[cpu].reads);
	return sum;
}

static void measure_bystanders(void)
{
	static u64 rate[ARRAY_SIZE(ways)][TIME_RUNS];
	static u64 ops[ARRAY_SIZE(ways)];
	static struct rare_write_bench_ipis ipis[ARRAY_SIZE(ways)];
	unsigned int cpu;

	readers_stop = false;
	for_each_online_cpu(cpu) {
		readers[cpu].reads = 0;
		INIT_WORK(&readers[cpu].work, read_on);
		if (cpu != raw_smp_processor_id())
			queue_work_on(cpu, system_wq, &readers[cpu].work);
	}
	msleep(50);

	for (unsigned int run = 0; run < TIME_RUNS; run++) {
		for (unsigned int w = 0; w < nr_ways; w++) {
			struct rare_write_bench_ipis before, after;
			u64 start, now, seen;

			before = rare_write_bench_ipis();
			seen = reads();
			start = ktime_get_ns();
			do {
				/* cases[1] is write_8, see works.h. */
				ways[w]->cases[1].loop(16);
				ops[w] += 16;
				now = ktime_get_ns();
			} while (now - start < 5 * NSEC_PER_MSEC);
			rate[w][run] = div64_u64((reads() - seen) * 1000000, now - start);
			after = rare_write_bench_ipis();
			ipis[w].all += after.all - before.all;
			ipis[w].tlb += after.tlb - before.tlb;
		}
		cond_resched();
	}

	WRITE_ONCE(readers_stop, true);
	for_each_online_cpu(cpu)
		if (cpu != raw_smp_processor_id())
			flush_work(&readers[cpu].work);

	for (unsigned int w = 0; w < nr_ways; w++) {
		emit("ipis %s %llu %llu %llu\n", ways[w]->name, ops[w], ipis[w].all, ipis[w].tlb);
		emit("readers %s", ways[w]->name);
		for (unsigned int run = 0; run < TIME_RUNS; run++)
			emit(" %llu", rate[w][run]);
		emit("\n");
	}
}

/*
 * What a task pays after somebody wrote in its context: it goes through memory
 * of its own that the TLB knew before. With the TLB lost it takes longer.
 */
#define USER_PAGES	256

static u64 touch_user(unsigned long addr)
{
	u64 start = ticks();
	u8 byte __maybe_unused;

	for (unsigned int i = 0; i < USER_PAGES; i++)
		if (get_user(byte, (u8 __user *)(addr + i * PAGE_SIZE)))
			return 0;
	return ticks() - start;
}

static void measure_user(void)
{
	static u64 cost[ARRAY_SIZE(ways)][TIME_RUNS];
	unsigned long addr;

	if (!current->mm)
		return;
	addr = vm_mmap(NULL, 0, USER_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, 0);
	if (IS_ERR_VALUE(addr))
		return;
	for (unsigned int run = 0; run < TIME_RUNS; run++) {
		for (unsigned int w = 0; w < nr_ways; w++) {
			touch_user(addr);
			touch_user(addr);
			ways[w]->cases[1].once(run);
			cost[w][run] = touch_user(addr);
		}
	}
	vm_munmap(addr, USER_PAGES * PAGE_SIZE);
	for (unsigned int w = 0; w < nr_ways; w++) {
		emit("user %s %u", ways[w]->name, USER_PAGES);
		for (unsigned int run = 0; run < TIME_RUNS; run++)
			emit(" %llu", cost[w][run]);
		emit("\n");
	}
}

/* Each work twice, the second time for the debugger. */
static void trace_all(void)
{
	for (unsigned int w = 0; w < nr_ways; w++) {
		for (unsigned int c = 0; c < ways[w]->nr_cases; c++) {
			const struct bench_case *bench = &ways[w]->cases[c];

			bench->once(1);
			rare_write_bench_mark(ways[w]->name, bench->work, bench->once);
			bench->once(1);
		}
	}
}

static void finish_ways(unsigned int nr)
{
	while (nr--)
		if (ways[nr]->finish)
			ways[nr]->finish();
}

static int bench(void)
{
	unsigned int w;
	int ret;

	for (w = 0; w < ARRAY_SIZE(all_ways); w++) {
		if (all_ways[w]->allowed && !all_ways[w]->allowed())
			pr_info("%s: this machine does not allow it\n", all_ways[w]->name);
		else
			ways[nr_ways++] = all_ways[w];
	}
	for (w = 0; w < nr_ways; w++) {
		ret = ways[w]->prepare ? ways[w]->prepare() : 0;
		if (ret) {
			pr_err("%s: cannot be prepared: %d\n", ways[w]->name, ret);
			finish_ways(w + 1);
			return ret;
		}
		ways[w]->setup(0);
	}
	machine();
	if (trace) {
		trace_all();
	} else {
		if (icount) {
			measure_all();
		} else if (!emulated) {
			pmu_start();
			measure_all();
			pmu_stop();
			measure_worst();
			measure_user();
		}
		if (!icount) {
			measure_scaling();
			if (num_online_cpus() > 1)
				measure_bystanders();
		}
		emit("end\n");
	}
	finish_ways(w);
	return 0;
}

static int __init rare_write_bench_init(void)
{
	cpumask_var_t allowed;
	int ret = -ENOMEM;

	if (!alloc_cpumask_var(&allowed, GFP_KERNEL))
		return -ENOMEM;
	cpumask_copy(allowed, current->cpus_ptr);
	measured = vzalloc(array3_size(ARRAY_SIZE(ways), MAX_CASES, sizeof(**measured)));
	results.data = vzalloc(RESULTS_SIZE);
	if (!measured || !results.data)
		goto out;

	cpus_read_lock();
	ret = set_cpus_allowed_ptr(current, cpumask_of(cpumask_first(cpu_online_mask)));
	if (!ret)
		ret = bench();
	set_cpus_allowed_ptr(current, allowed);
	cpus_read_unlock();
	if (ret)
		goto out;
	folder = debugfs_create_dir("rare_write_bench", NULL);
	debugfs_create_blob("results", 0400, folder, &results);
	pr_info("done: see rare_write_bench/results in debugfs\n");
out:
	if (ret)
		vfree(results.data);
	vfree(measured);
	free_cpumask_var(allowed);
	return ret;
}
module_init(rare_write_bench_init);

static void __exit rare_write_bench_exit(void)
{
	debugfs_remove_recursive(folder);
	vfree(results.data);
}
module_exit(rare_write_bench_exit);

MODULE_DESCRIPTION("Benchmark of rare_write()");
MODULE_LICENSE("GPL");
