// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, for as long as one likes: all forms of rare_write(), from
 * tasks, softirqs and hardirqs, with readers that know what they must find,
 * attackers, and NMIs that attack as well. Starts when it is loaded.
 *
 *   /sys/kernel/debug/rare_write_soak/counters   what happened so far
 *   /sys/kernel/debug/rare_write_soak/stop       stop, then the same, for good
 *
 * CPU hotplug, loading of modules and the rest of what an administrator does come
 * from tools/testing/selftests/rare_write/rare_write_soak.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpuhotplug.h>
#include <linux/debugfs.h>
#include <linux/hash.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nmi.h>
#include <linux/perf_event.h>
#include <linux/rare_list.h>
#include <linux/rare_write.h>
#include <linux/rare_write_debug.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timer.h>
#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include "rare_write_test.h"

#define WORKERS		4
#define DESKS		8	/* CPUs with a higher number have no part in it */

/* What an RCU pointer leads to. */
struct note {
	u64 seq, check;
	struct rcu_head rcu;
};

/*
 * What one writer writes, and nobody else: so what was written must be there. No
 * two things are so close that the debug checks of one see the other change.
 */
struct desk {
	union {
		struct {
			/* Atomic: all bytes are the same. */
			u8 v8 __aligned(16);
			u16 v16 __aligned(16);
			u32 v32 __aligned(16);
			u64 v64 __aligned(16);
			/* In order: who sees the second has seen the first. */
			u64 first __aligned(16);
			u64 second __aligned(16);
			struct note *newest __aligned(16);
			/* The rest is not atomic: whole if this is even, and stays the same. */
			u64 gen __aligned(16);
			u8 copied[64] __aligned(16);
			u8 filled[44];
			char text[28];
			u64 here;
		};
		u8 page[PAGE_SIZE - 32];
	};
	u8 across[64];		/* half of it in the second page */
	u64 there;
} __aligned(PAGE_SIZE);

/* By context: a task has a desk of its own, an interrupt that of its CPU. */
enum context { TASK, SOFTIRQ, HARDIRQ, CONTEXTS };

static __wr_rare_type struct desk desks[CONTEXTS][DESKS] __wr_rare;

/* What all write, with the atomic forms only. */
static __wr_rare_type struct {
	u8 sum8 __aligned(16);
	u16 sum16 __aligned(16);
	u32 sum32 __aligned(16);
	u64 sum64 __aligned(16);
	u64 compared __aligned(16);
	u64 exchanged __aligned(16);
	u64 or_and __aligned(16);
	DECLARE_BITMAP(bits, CONTEXTS * DESKS) __aligned(16);
} common __wr_rare;

/* Each of the tasks has two entries, which take turns in both lists. */
struct entry {
	struct list_head list;
	struct hlist_node node;
	u64 id, check;
};

static RARE_LIST_HEAD(list);
static __wr_rare_type struct hlist_head hlist __wr_rare;
static __wr_rare_type struct entry entries[WORKERS][2] __wr_rare;
static DEFINE_SPINLOCK(list_lock);

/* Who writes to a desk. */
struct hand {
	u64 rounds, windows, lost;
	u64 in, out;		/* sums of what was exchanged */
	bool set;
};

static struct hand hands[CONTEXTS][DESKS];

struct attacks {
	u64 tried;
	u64 inside;		/* while a window was open somewhere */
	u64 interrupted;	/* windows that were open here, by an NMI */
	u64 hits;
};

static DEFINE_PER_CPU(struct attacks, nmi_attacks);

static struct writer {
	struct task_struct *task;
	struct timer_list timer;
	struct irq_work work;
	struct attacks attacks;
	u64 stale;
	unsigned int phase;	/* 0: off the lists; 1, 2: which of its entries is on them */
	unsigned long gone;	/* when both are off for RCU readers, too */
} writers[WORKERS];

static struct reader {
	struct task_struct *task;
	u64 rounds, whole, torn, stale;
	u64 second[CONTEXTS][DESKS], note[WORKERS];
} readers[WORKERS];

static struct attacker {
	struct task_struct *task;
	struct attacks attacks;
} attackers[WORKERS];

static struct task_struct *watcher;
static unsigned long probe_before, mismatches_before;
static u64 idle, wrong_sums;
static bool finished;

/* A worker sees all CPUs, one after the other, those that come back included. */
static void move_on(unsigned int id, u64 rounds)
{
	unsigned int cpu = cpumask_nth((id + rounds) % num_online_cpus(), cpu_online_mask);

	/* If that has just gone, where it is now will do. */
	if (cpu < nr_cpu_ids)
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
}

/*
 * Stores to somewhere in the data, and to where that would be in a window. Not the
 * latter in an NMI that came into a window: there the alias is what it should be.
 */
static void attack(struct attacks *attacks)
{
	bool mine = in_nmi() && __arch_rare_write_loaded(__arch_rare_write_tables());
	u64 hash = hash_64(attacks->tried, 64);
	unsigned long addr = (unsigned long)desks + (hash >> 8) % sizeof(desks) / 8 * 8;
	unsigned int cpu = (hash & 0xff) % nr_cpu_ids;

	attacks->interrupted += mine;
	attacks->inside += mine || (cpu_possible(cpu) && rare_write_debug_private(cpu));
	if (!mine)
		attacks->hits += !store(alias_of((void *)addr), 8).hit;
	attacks->hits += !store(addr, 8).hit;
	WRITE_ONCE(attacks->tried, attacks->tried + 1);
}

static u64 repeated(u8 byte)
{
	return byte * 0x0101010101010101ULL;
}

static void expect(struct hand *hand, bool arrived)
{
	hand->lost += !arrived;
}

/* What is only this writer's. */
static void write_own(enum context context, unsigned int id)
{
	__wr_rare_type struct desk *desk = &desks[context][id];
	struct hand *hand = &hands[context][id];
	u64 n = hand->rounds + 1, all = repeated(n);
	char text[sizeof(desk->text)];
	u8 bytes[sizeof(desk->copied)];

	rare_write(desk->v8, all);
	expect(hand, desk->v8 == (u8)all);
	rare_write(desk->v16, all);
	expect(hand, desk->v16 == (u16)all);
	rare_write(desk->v32, all);
	expect(hand, desk->v32 == (u32)all);
	rare_write(desk->v64, all);
	expect(hand, desk->v64 == all);
	rare_write(desk->first, n);
	rare_write_release(desk->second, n);
	expect(hand, desk->first == n && desk->second == n);

	for (int i = 0; i < sizeof(bytes); i++)
		bytes[i] = n + i;
	snprintf(text, sizeof(text), "%llu", n);
	rare_write(desk->gen, 2 * n - 1);
	smp_wmb(); /* pairs with smp_rmb() in read_whole() */
	rare_write_copy(desk->copied, bytes, sizeof(bytes));
	rare_write_fill(desk->filled, n);
	rare_write_str(desk->text, text);
	scoped_guard(rare_write) {
		__rare_write(desk->here, n);
		__rare_write_copy(desk->across, bytes, sizeof(bytes));
	}
	rare_write_begin();
	__rare_write(desk->there, n);
	__rare_write(desk->here, n);
	__rare_write_release(desk->gen, 2 * n);
	rare_write_end();
	expect(hand, !memcmp(rare_ptr(desk->across), bytes, sizeof(bytes)));
	expect(hand, desk->there == n && desk->here == n);
	hand->windows += 12;
}

/* What others write at the same time. */
static void write_shared(enum context context, unsigned int id)
{
	struct hand *hand = &hands[context][id];
	unsigned int nr = context * DESKS + id;
	u64 in = hash_64(hand->rounds, 64) ^ nr, old, seen;

	rare_fetch_add(common.sum8, 1);
	rare_fetch_add(common.sum16, 1);
	rare_fetch_add(common.sum32, 1);
	rare_fetch_add(common.sum64, 1);
	rare_fetch_add(rare_write_probe, 1);

	seen = common.compared;
	do {
		old = seen;
		seen = rare_cmpxchg(common.compared, old, old + 1);
		hand->windows++;
	} while (seen != old);

	hand->in += in;
	hand->out += rare_xchg(common.exchanged, in);

	if (hand->set) {
		expect(hand, rare_clear_bit(nr, common.bits));
		expect(hand, rare_fetch_and(common.or_and, ~BIT_ULL(nr)) & BIT_ULL(nr));
	} else {
		expect(hand, !rare_set_bit(nr, common.bits));
		expect(hand, !(rare_fetch_or(common.or_and, BIT_ULL(nr)) & BIT_ULL(nr)));
	}
	hand->set = !hand->set;
	hand->windows += 8;
}

static void write_round(enum context context, unsigned int id)
{
	struct hand *hand = &hands[context][id];

	write_own(context, id);
	write_shared(context, id);
	WRITE_ONCE(hand->rounds, hand->rounds + 1);
}

static void drop_note(struct rcu_head *rcu)
{
	struct note *note = container_of(rcu, struct note, rcu);

	/* A reader that is still there must notice. */
	WRITE_ONCE(note->check, note->seq);
	kfree(note);
}

static void publish(unsigned int id)
{
	__wr_rare_type struct desk *desk = &desks[TASK][id];
	struct note *note = kmalloc(sizeof(*note), GFP_KERNEL), *old = desk->newest;

	if (!note)
		return;
	note->seq = hands[TASK][id].rounds;
	note->check = ~note->seq;
	rare_assign_pointer(desk->newest, note);
	hands[TASK][id].windows++;
	if (old)
		call_rcu(&old->rcu, drop_note);
}

static void change_lists(unsigned int id)
{
	__wr_rare_type struct entry *entry = entries[id];
	struct writer *writer = &writers[id];

	if (!writer->phase && !poll_state_synchronize_rcu(writer->gone))
		return;
	spin_lock(&list_lock);
	switch (writer->phase) {
	case 0:
		rare_list_add_tail_rcu(&entry[0].list, &list);
		rare_hlist_add_head_rcu(&entry[0].node, &hlist);
		break;
	case 1:
		rare_list_replace_rcu(&entry[0].list, &entry[1].list);
		rare_hlist_replace_rcu(&entry[0].node, &entry[1].node);
		break;
	case 2:
		rare_list_del_rcu(&entry[1].list);
		rare_hlist_del_rcu(&entry[1].node);
		break;
	}
	spin_unlock(&list_lock);
	hands[TASK][id].windows += 2;
	writer->gone = get_state_synchronize_rcu();
	writer->phase = (writer->phase + 1) % 3;
}

static void in_softirq_context(struct timer_list *timer)
{
	unsigned int cpu = smp_processor_id();

	if (cpu < DESKS)
		write_round(SOFTIRQ, cpu);
	mod_timer(timer, jiffies + 2);
}

static void in_hardirq_context(void)
{
	unsigned int cpu = smp_processor_id();

	if (cpu < DESKS)
		write_round(HARDIRQ, cpu);
}

static void on_irq_work(struct irq_work *work)
{
	in_hardirq_context();
	/* Of the same writer, which waits for neither: only this touches them. */
	attack(&container_of(work, struct writer, work)->attacks);
}

/* What another CPU must see once a window is closed. */
struct question {
	unsigned int id;
	bool stale;
};

static void on_ipi(void *data)
{
	struct question *question = data;

	question->stale = desks[TASK][question->id].first != hands[TASK][question->id].rounds;
	in_hardirq_context();
}

static void ask_another(unsigned int id)
{
	struct question question = { .id = id };
	unsigned int cpu = cpumask_nth(hands[TASK][id].rounds % num_online_cpus(),
				       cpu_online_mask);

	if (cpu < nr_cpu_ids && !smp_call_function_single(cpu, on_ipi, &question, 1))
		writers[id].stale += question.stale;
}

static int write_on(void *data)
{
	struct writer *writer = data;
	unsigned int id = writer - writers;

	while (!kthread_should_stop()) {
		for (int i = 0; i < 16; i++) {
			write_round(TASK, id);
			if (i % 4)
				continue;
			publish(id);
			change_lists(id);
			ask_another(id);
			irq_work_queue(&writer->work);
		}
		move_on(id, hands[TASK][id].rounds / 16);
		usleep_range(500, 1000);
	}
	return 0;
}

/* All that is not atomic, between two looks at the generation. */
static void read_whole(struct reader *reader, __wr_rare_type struct desk *desk)
{
	u64 gen = smp_load_acquire(&desk->gen), n = gen / 2; /* pairs with its release */
	u8 copied[sizeof(desk->copied)], across[sizeof(desk->across)];
	u8 filled[sizeof(desk->filled)];
	char text[sizeof(desk->text)], right[sizeof(desk->text)];
	u64 here, there;
	bool bad;

	memcpy(copied, rare_ptr(desk->copied), sizeof(copied));
	memcpy(across, rare_ptr(desk->across), sizeof(across));
	memcpy(filled, rare_ptr(desk->filled), sizeof(filled));
	memcpy(text, rare_ptr(desk->text), sizeof(text));
	here = desk->here;
	there = desk->there;
	smp_rmb(); /* pairs with smp_wmb() in write_own() */
	if (!gen || gen % 2 || desk->gen != gen)
		return;

	snprintf(right, sizeof(right), "%llu", n);
	bad = here != n || there != n || strcmp(text, right) ||
	      memchr_inv(filled, (u8)n, sizeof(filled));
	for (int i = 0; i < sizeof(copied); i++)
		bad |= copied[i] != (u8)(n + i) || across[i] != (u8)(n + i);
	reader->torn += bad;
	reader->whole++;
}

static void read_desk(struct reader *reader, enum context context, unsigned int id)
{
	__wr_rare_type struct desk *desk = &desks[context][id];
	u64 *last = &reader->second[context][id], second, now64 = desk->v64;
	u32 now32 = desk->v32;
	u16 now16 = desk->v16;

	reader->torn += now16 != (u16)repeated(now16);
	reader->torn += now32 != (u32)repeated(now32);
	reader->torn += now64 != repeated(now64);

	second = smp_load_acquire(&desk->second); /* pairs with rare_write_release() */
	reader->stale += desk->first < second || second < *last;
	*last = second;
	read_whole(reader, desk);
}

static void read_note(struct reader *reader, unsigned int id)
{
	const struct note *note;

	guard(rcu)();
	note = rcu_dereference_check(*(struct note __rcu **)&desks[TASK][id].newest, true);
	if (!note)
		return;
	reader->torn += READ_ONCE(note->check) != ~note->seq;
	reader->stale += note->seq < reader->note[id];
	reader->note[id] = note->seq;
}

static void read_lists(struct reader *reader)
{
	const struct entry *entry;
	int length = 0;

	guard(rcu)();
	list_for_each_entry_rcu(entry, rare_ptr(&list), list) {
		reader->torn += entry->check != ~entry->id;
		/* One that moves on may be met again, but not for ever. */
		if (++length > 1000) {
			reader->torn++;
			break;
		}
	}
	hlist_for_each_entry_rcu(entry, rare_ptr(&hlist), node) {
		reader->torn += entry->check != ~entry->id;
		if (++length > 2000) {
			reader->torn++;
			break;
		}
	}
}

static int read_on(void *data)
{
	struct reader *reader = data;
	unsigned int id = reader - readers;

	while (!kthread_should_stop()) {
		for (int context = 0; context < CONTEXTS; context++)
			for (int i = 0; i < DESKS; i++)
				read_desk(reader, context, i);
		for (int i = 0; i < WORKERS; i++)
			read_note(reader, i);
		read_lists(reader);
		WRITE_ONCE(reader->rounds, reader->rounds + 1);
		if (reader->rounds % 16)
			continue;
		move_on(id + 1, reader->rounds / 16);
		usleep_range(500, 1000);
	}
	return 0;
}

static int attack_on(void *data)
{
	struct attacker *attacker = data;
	unsigned int id = attacker - attackers;

	while (!kthread_should_stop()) {
		for (int i = 0; i < 64; i++)
			attack(&attacker->attacks);
		move_on(id + 2, attacker->attacks.tried / 64);
		usleep_range(500, 1000);
	}
	return 0;
}

static void stop(struct task_struct *task)
{
	if (!IS_ERR_OR_NULL(task))
		kthread_stop(task);
}

#ifdef CONFIG_X86_LOCAL_APIC
static struct task_struct *nmi_sender;

static int handle_nmi(unsigned int type, struct pt_regs *regs)
{
	attack(this_cpu_ptr(&nmi_attacks));
	return NMI_HANDLED;
}

static int send_nmis(void *unused)
{
	while (!kthread_should_stop()) {
		for (int i = 0; i < DESKS; i++) {
			/* A CPU that is online now stays so until this is preempted. */
			guard(preempt)();
			if (i < nr_cpu_ids && cpu_online(i))
				apic->send_IPI_mask(cpumask_of(i), NMI_VECTOR);
		}
		usleep_range(500, 1000);
	}
	return 0;
}

static int nmi_start(void)
{
	int ret = register_nmi_handler(NMI_LOCAL, handle_nmi, 0, KBUILD_MODNAME);

	if (ret)
		return ret;
	nmi_sender = kthread_run(send_nmis, NULL, "soak_nmi");
	return 0;
}

static void nmi_stop(void)
{
	stop(nmi_sender);
	unregister_nmi_handler(NMI_LOCAL, KBUILD_MODNAME);
}
#elif defined(CONFIG_ARM_PMUV3)
/* The cycle counter's interrupt is a pseudo-NMI, if there are any. A CPU that returns has none. */
static DEFINE_PER_CPU(struct perf_event *, nmi_event);
static int nmi_state;

static void handle_overflow(struct perf_event *event, struct perf_sample_data *data,
			    struct pt_regs *regs)
{
	if (in_nmi())
		attack(this_cpu_ptr(&nmi_attacks));
}

static int nmi_cpu_up(unsigned int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.size = sizeof(attr),
		.sample_period = 1000000,
		.pinned = 1,
	};
	struct perf_event *event = perf_event_create_kernel_counter(&attr, cpu, NULL,
								    handle_overflow, NULL);

	/* A CPU without NMIs is no reason not to have it. */
	per_cpu(nmi_event, cpu) = IS_ERR(event) ? NULL : event;
	return 0;
}

static int nmi_cpu_down(unsigned int cpu)
{
	if (per_cpu(nmi_event, cpu))
		perf_event_release_kernel(per_cpu(nmi_event, cpu));
	per_cpu(nmi_event, cpu) = NULL;
	return 0;
}

static int nmi_start(void)
{
	nmi_state = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "mm/rare_write:soak", nmi_cpu_up,
				      nmi_cpu_down);
	return min(nmi_state, 0);
}

static void nmi_stop(void)
{
	cpuhp_remove_state(nmi_state);
}
#else
static int nmi_start(void)
{
	return 0;
}

static void nmi_stop(void)
{
}
#endif

static u64 nmis(void)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(nmi_attacks, cpu).tried);
	return sum;
}

static u64 rounds(enum context context)
{
	u64 sum = 0;

	for (int i = 0; i < DESKS; i++)
		sum += READ_ONCE(hands[context][i].rounds);
	return sum;
}

/* How far each one is that must not stand still. */
#define WATCHED		(3 * WORKERS + 3)

static void look(u64 *now)
{
	for (int i = 0; i < WORKERS; i++) {
		*now++ = READ_ONCE(hands[TASK][i].rounds);
		*now++ = READ_ONCE(readers[i].whole);
		*now++ = READ_ONCE(attackers[i].attacks.tried);
	}
	*now++ = rounds(SOFTIRQ);
	*now++ = rounds(HARDIRQ);
	*now++ = nmis();
}

/* A minute is an age, even on an emulator whose host has more to do. */
static int watch(void *unused)
{
	u64 before[WATCHED] = {}, now[WATCHED];
	unsigned long end = jiffies + 60 * HZ;

	while (!kthread_should_stop()) {
		schedule_timeout_interruptible(HZ / 10);
		if (time_before(jiffies, end))
			continue;
		look(now);
		for (int i = 0; i < WATCHED; i++) {
			/* There may be no NMIs at all. */
			if (now[i] != before[i] || (i == WATCHED - 1 && !now[i]))
				continue;
			pr_warn("worker %d stands still at %llu\n", i, now[i]);
			idle++;
		}
		memcpy(before, now, sizeof(before));
		end = jiffies + 60 * HZ;
	}
	return 0;
}

static void add_attacks(struct attacks *sum, const struct attacks *one)
{
	sum->tried += READ_ONCE(one->tried);
	sum->inside += one->inside;
	sum->interrupted += one->interrupted;
	sum->hits += one->hits;
}

static void show(struct seq_file *m)
{
	u64 windows = 0, reads = 0, torn = 0, stale = 0, lost = wrong_sums;
	struct attacks attacks = {};
	int cpu;

	for (int context = 0; context < CONTEXTS; context++) {
		for (int i = 0; i < DESKS; i++) {
			windows += READ_ONCE(hands[context][i].windows);
			lost += hands[context][i].lost;
		}
	}
	for (int i = 0; i < WORKERS; i++) {
		reads += readers[i].whole;
		torn += readers[i].torn;
		stale += readers[i].stale + writers[i].stale;
		add_attacks(&attacks, &writers[i].attacks);
		add_attacks(&attacks, &attackers[i].attacks);
	}
	for_each_possible_cpu(cpu)
		add_attacks(&attacks, &per_cpu(nmi_attacks, cpu));
	seq_printf(m, "windows %llu\nin_softirq %llu\nin_hardirq %llu\nreads %llu\n", windows,
		   rounds(SOFTIRQ), rounds(HARDIRQ), reads);
	seq_printf(m, "attacks %llu\ninside %llu\nnmis %llu\nnmis_inside %llu\n", attacks.tried,
		   attacks.inside, nmis(), attacks.interrupted);
	seq_printf(m, "hits %llu\ntorn %llu\nstale %llu\nlost %llu\nidle %llu\nmismatches %lu\n",
		   attacks.hits, torn, stale, lost, idle,
		   rare_write_debug_mismatches() - mismatches_before);
}

static int counters_show(struct seq_file *m, void *v)
{
	show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/* What all have written together, now that nobody does any more. */
static void sum_up(void)
{
	u64 sum = 0, balance = common.exchanged, on_lists = 0, found = 0;
	const struct entry *entry;
	bool set;

	for (int context = 0; context < CONTEXTS; context++) {
		for (int i = 0; i < DESKS; i++) {
			const struct hand *hand = &hands[context][i];

			sum += hand->rounds;
			balance += hand->out - hand->in;
			set = test_bit(context * DESKS + i, rare_ptr(common.bits));
			wrong_sums += set != hand->set;
		}
	}
	wrong_sums += common.sum8 != (u8)sum;
	wrong_sums += common.sum16 != (u16)sum;
	wrong_sums += common.sum32 != (u32)sum;
	wrong_sums += common.sum64 != sum;
	wrong_sums += common.compared != sum;
	wrong_sums += common.or_and != *rare_ptr(common.bits);
	wrong_sums += balance != 0;
	wrong_sums += rare_write_probe != probe_before + sum;

	for (int i = 0; i < WORKERS; i++)
		on_lists += !!writers[i].phase;
	list_for_each_entry(entry, rare_ptr(&list), list)
		found++;
	wrong_sums += found != on_lists;
	hlist_for_each_entry(entry, rare_ptr(&hlist), node)
		found++;
	wrong_sums += found != 2 * on_lists;
}

static void finish(void)
{
	u64 now[WATCHED];

	if (finished)
		return;
	finished = true;
	stop(watcher);
	nmi_stop();
	for (int i = 0; i < WORKERS; i++) {
		stop(writers[i].task);
		timer_shutdown_sync(&writers[i].timer);
		irq_work_sync(&writers[i].work);
		stop(attackers[i].task);
	}
	/* The last to go, so that they see how it ended. */
	for (int i = 0; i < WORKERS; i++)
		stop(readers[i].task);
	look(now);
	for (int i = 0; i < WATCHED - 1; i++)
		idle += !now[i];
	sum_up();
}

static DEFINE_MUTEX(finish_lock);

static int stop_show(struct seq_file *m, void *v)
{
	guard(mutex)(&finish_lock);
	finish();
	show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stop);

static struct dentry *dir;

static void soak_exit(void)
{
	debugfs_remove(dir);
	finish();
	for (int i = 0; i < WORKERS; i++)
		kfree(desks[TASK][i].newest);
	/* What is yet to come calls into this module. */
	rcu_barrier();
}
module_exit(soak_exit);

static bool start(struct task_struct **task, int (*func)(void *data), void *data, const char *name)
{
	*task = kthread_run(func, data, "%s", name);
	return !IS_ERR(*task);
}

static int __init soak_init(void)
{
	bool all = true;
	int ret;

	probe_before = rare_write_probe;
	mismatches_before = rare_write_debug_mismatches();
	ret = nmi_start();
	if (ret)
		return ret;
	for (int i = 0; i < WORKERS; i++) {
		for (int j = 0; j < 2; j++) {
			rare_write(entries[i][j].id, 2 * i + j);
			rare_write(entries[i][j].check, ~entries[i][j].id);
		}
		writers[i].gone = get_completed_synchronize_rcu();
		timer_setup(&writers[i].timer, in_softirq_context, 0);
		init_irq_work(&writers[i].work, on_irq_work);
	}
	for (int i = 0; i < WORKERS; i++) {
		all &= start(&writers[i].task, write_on, &writers[i], "soak_write");
		all &= start(&readers[i].task, read_on, &readers[i], "soak_read");
		all &= start(&attackers[i].task, attack_on, &attackers[i], "soak_attack");
		mod_timer(&writers[i].timer, jiffies + 1);
	}
	all &= start(&watcher, watch, NULL, "soak_watch");
	if (!all) {
		soak_exit();
		return -ENOMEM;
	}
	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("counters", 0400, dir, NULL, &counters_fops);
	debugfs_create_file("stop", 0400, dir, NULL, &stop_fops);
	return 0;
}
module_init(soak_init);

MODULE_DESCRIPTION("Soak test of rare_write()");
MODULE_LICENSE("GPL");
