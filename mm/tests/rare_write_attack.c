// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attacks on write-rare data, as KUnit tests in a module: what somebody tries who
 * can write kernel memory, or who has a user of rare_write() write for him.
 *
 * The promises P1 to P12 are listed in Documentation/security/rare-write.rst.
 */
#include <kunit/test.h>
#include <linux/ftrace.h>
#include <linux/highmem.h>
#include <linux/kasan.h>
#include <linux/kprobes.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/rare_list.h>
#include <linux/rare_sysctl.h>
#include <linux/rare_write.h>
#include <linux/rare_write_active.h>
#include <linux/rare_write_audit.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/set_memory.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "../rare_write.h"
#include "rare_write_test.h"

static unsigned int attempts = 100000;
module_param(attempts, uint, 0400);
MODULE_PARM_DESC(attempts, "how often each CPU attacks each other one's window");

static __wr_rare_type u64 quarry __wr_rare;
static __wr_rare_type u64 other_page[PAGE_SIZE / sizeof(u64)] __wr_rare __aligned(PAGE_SIZE);

/* Hijack: one CPU writes, and all others write to the address of its alias. */

struct hijacker {
	struct task_struct *task;
	unsigned long attempts;		/* of which these */
	unsigned long inside;		/* began and ended in the same open window */
	unsigned long hits;		/* did not fault */
	unsigned long odd;		/* faulted for another reason */
};

static struct {
	struct task_struct *task;
	u64 windows;
	u64 open;			/* number of the window that is open, or 0 */
	bool stop;
} writer;

static int open_windows(void *unused)
{
	while (!kthread_should_stop()) {
		writer.windows++;
		scoped_guard(rare_write) {
			__rare_write(quarry, writer.windows);
			/* Who sees this sees a window with its alias... */
			smp_store_mb(writer.open, writer.windows);
			for (int i = 0; i < 256; i++)
				__rare_write(quarry, writer.windows);
			/* ...and that goes only after who looks can know. */
			smp_store_mb(writer.open, 0);
		}
		/* Too short for anybody to know, but often enough to be met. */
		for (int i = 0; i < 64; i++)
			rare_write(quarry, writer.windows);
		cond_resched();
	}
	return 0;
}

static void start_windows(struct kunit *test, unsigned int cpu)
{
	memset(&writer, 0, sizeof(writer));
	writer.task = kthread_create_on_cpu(open_windows, NULL, cpu, "windows/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(writer.task));
	wake_up_process(writer.task);
}

static void attempt(struct hijacker *mine)
{
	unsigned long addr = alias_of(&quarry);
	u64 open = smp_load_acquire(&writer.open); /* before the attempt */
	struct fault fault = store(addr, 8);

	smp_mb(); /* look again after the attempt */
	if (open && open == READ_ONCE(writer.open))
		mine->inside++;
	if (!fault.hit)
		mine->hits++;
	else if (fault.addr != addr || !fault.write)
		mine->odd++;
	WRITE_ONCE(mine->attempts, mine->attempts + 1);
}

static int hijack_alias(void *mine)
{
	while (!READ_ONCE(writer.stop)) {
		for (int i = 0; i < 64; i++)
			attempt(mine);
		cond_resched();
	}
	return until_stopped();
}

/* P2: with each of four CPUs as the writer, each of the others attacks. */
static void hijack(struct kunit *test)
{
	struct hijacker hijackers[4];
	int a, b, n, pairs = 0;
	unsigned long inside = ULONG_MAX, start;
	bool enough;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	for_each_online_cpu(a) {
		if (a >= ARRAY_SIZE(hijackers))
			break;
		memset(hijackers, 0, sizeof(hijackers));
		start_windows(test, a);
		for_each_online_cpu(b) {
			if (b >= ARRAY_SIZE(hijackers) || b == a)
				continue;
			hijackers[b].task = kthread_create_on_cpu(hijack_alias, &hijackers[b], b,
								  "rare_hijack/%u");
			KUNIT_ASSERT_FALSE(test, IS_ERR(hijackers[b].task));
			wake_up_process(hijackers[b].task);
		}
		/* All of them within the time that KUnit gives a test. */
		start = jiffies;
		do {
			usleep_range(1000, 2000);
			enough = READ_ONCE(writer.windows) >= 100;
			for (b = 0; b < ARRAY_SIZE(hijackers); b++)
				if (hijackers[b].task)
					enough &= READ_ONCE(hijackers[b].attempts) >= attempts &&
						  READ_ONCE(hijackers[b].inside) >= attempts / 10;
		} while (!enough && time_before(jiffies, start + 70 * HZ));
		WRITE_ONCE(writer.stop, true);
		for (b = 0; b < ARRAY_SIZE(hijackers); b++)
			if (hijackers[b].task)
				kthread_stop(hijackers[b].task);
		kthread_stop(writer.task);

		KUNIT_EXPECT_GE(test, writer.windows, 100);
		KUNIT_EXPECT_EQ(test, quarry, writer.windows);
		for (b = 0; b < ARRAY_SIZE(hijackers); b++) {
			if (!hijackers[b].task)
				continue;
			KUNIT_EXPECT_GE(test, hijackers[b].attempts, attempts);
			KUNIT_EXPECT_GE(test, hijackers[b].inside, attempts / 10);
			KUNIT_EXPECT_EQ(test, hijackers[b].hits, 0);
			KUNIT_EXPECT_EQ(test, hijackers[b].odd, 0);
			inside = min(inside, hijackers[b].inside);
			pairs++;
		}
	}
	n = min_t(int, num_online_cpus(), ARRAY_SIZE(hijackers));
	KUNIT_EXPECT_EQ(test, pairs, n * (n - 1));
	kunit_info(test, "%d pairs, each at least %u attempts and %lu in an open window\n",
		   pairs, attempts, inside);
}

/* P3: the first thing after a window is a store to where the alias was. */
static void hijack_on_same_cpu(struct kunit *test)
{
	unsigned long hits = 0, odd = 0, lost = 0, flags;
	unsigned long addr = alias_of(&quarry);

	for (unsigned int i = 0; i < attempts; i++) {
		struct fault fault;

		/* Nothing in between, that might flush the TLB. */
		local_irq_save(flags);
		if (i & 1) {
			rare_write(quarry, i);
		} else {
			scoped_guard(rare_write) {
				__rare_write(other_page[1], i);
				__rare_write(quarry, i);
			}
		}
		fault = store(addr, 8);
		local_irq_restore(flags);
		hits += !fault.hit;
		odd += fault.hit && (fault.addr != addr || !fault.write);
		lost += quarry != i;
		if (!(i & 63))
			cond_resched();
	}
	KUNIT_EXPECT_EQ(test, hits, 0);
	KUNIT_EXPECT_EQ(test, odd, 0);
	KUNIT_EXPECT_EQ(test, lost, 0);
	KUNIT_EXPECT_EQ(test, all_private(), 0);
}

/* Confused deputy: each way to write, and each place that it must not write to. */

static const u8 junk[16] = "fifteen letters";

static void with_write(unsigned long dst, size_t len)
{
	rare_write(*(__wr_rare_type u64 *)dst, 666);
}

static void with_write_struct(unsigned long dst, size_t len)
{
	struct packed {
		u8 bytes[sizeof(junk)];
	} val;

	memcpy(&val, junk, sizeof(val));
	rare_write(*(__wr_rare_type struct packed *)dst, val);
}

static void with_write_inside(unsigned long dst, size_t len)
{
	rare_write_begin();
	__rare_write(quarry, quarry);
	__rare_write(*(__wr_rare_type u64 *)dst, 666);
}

static void with_release_inside(unsigned long dst, size_t len)
{
	rare_write_begin();
	__rare_write(quarry, quarry);
	__rare_write_release(*(__wr_rare_type u64 *)dst, 666);
}

static void with_copy(unsigned long dst, size_t len)
{
	rare_write_copy(*(__wr_rare_type u8 (*)[1UL << 56])dst, junk, len);
}

static void with_copy_inside(unsigned long dst, size_t len)
{
	rare_write_begin();
	__rare_write(quarry, quarry);
	__rare_write_copy(*(__wr_rare_type u8 (*)[1UL << 56])dst, junk, len);
}

static void with_fill(unsigned long dst, size_t len)
{
	/* Its length is that of the object. */
	if (len == sizeof(junk))
		rare_write_fill(*(__wr_rare_type u8 (*)[sizeof(junk)])dst, 0x66);
	else
		rare_write_fill(*(__wr_rare_type u8 (*)[1UL << 56])dst, 0x66);
}

static void with_str(unsigned long dst, size_t len)
{
	rare_write_str(*(__wr_rare_type char (*)[sizeof(junk)])dst, junk);
}

static void with_release(unsigned long dst, size_t len)
{
	rare_write_release(*(__wr_rare_type u64 *)dst, 666);
}

static void with_assign_pointer(unsigned long dst, size_t len)
{
	rare_assign_pointer(*(void * __wr_rare_type *)dst, (void *)junk);
}

static void with_xchg(unsigned long dst, size_t len)
{
	rare_xchg(*(__wr_rare_type u64 *)dst, 666);
}

/* What the target holds, so that an exchange or a set bit would change it. */
static u64 expected;

static void with_cmpxchg(unsigned long dst, size_t len)
{
	rare_cmpxchg(*(__wr_rare_type u64 *)dst, expected, 666);
}

static void with_fetch_add(unsigned long dst, size_t len)
{
	rare_fetch_add(*(__wr_rare_type u64 *)dst, 666);
}

static void with_fetch_or(unsigned long dst, size_t len)
{
	rare_fetch_or(*(__wr_rare_type u64 *)dst, ~expected);
}

static void with_fetch_and(unsigned long dst, size_t len)
{
	rare_fetch_and(*(__wr_rare_type u64 *)dst, ~expected);
}

static void with_set_bit(unsigned long dst, size_t len)
{
	rare_set_bit(ffz(expected), *(__wr_rare_type unsigned long (*)[1])dst);
}

static void with_clear_bit(unsigned long dst, size_t len)
{
	rare_clear_bit(expected ? __ffs(expected) : 0,
		       *(__wr_rare_type unsigned long (*)[1])dst);
}

static RARE_LIST_HEAD(list);
static RARE_LIST_HEAD(spare);
static __wr_rare_type struct hlist_head hlist __wr_rare;
static __wr_rare_type struct hlist_node hlinked __wr_rare, hspare __wr_rare;

/*
 * A helper of lists that takes what is at the destination for a node to be added, removed
 * or replaced. Where @name ends in "to" it is a head, in "at" a neighbour, in "by" what
 * takes the place of another.
 */
#define WITH_NODE(name, type, op)					\
static void with_##name(unsigned long dst, size_t len)			\
{									\
	__wr_rare_type struct type *node = (__wr_rare_type struct type *)dst; \
									\
	op;								\
}

WITH_NODE(list_init, list_head, rare_list_init(node))
WITH_NODE(list_add, list_head, rare_list_add(node, &list))
WITH_NODE(list_add_tail, list_head, rare_list_add_tail(node, &list))
WITH_NODE(list_add_to, list_head, rare_list_add(&spare, node))
WITH_NODE(list_add_tail_to, list_head, rare_list_add_tail(&spare, node))
WITH_NODE(list_del, list_head, rare_list_del(node))
WITH_NODE(list_del_init, list_head, rare_list_del_init(node))
WITH_NODE(list_del_rcu, list_head, rare_list_del_rcu(node))
WITH_NODE(list_replace, list_head, rare_list_replace(node, &spare))
WITH_NODE(list_replace_rcu, list_head, rare_list_replace_rcu(node, &spare))
WITH_NODE(list_replace_by, list_head, rare_list_replace(&list, node))
WITH_NODE(list_replace_rcu_by, list_head, rare_list_replace_rcu(&list, node))
WITH_NODE(list_splice, list_head, rare_list_splice(node, &list))
WITH_NODE(list_splice_tail, list_head, rare_list_splice_tail(node, &list))
WITH_NODE(list_splice_init, list_head, rare_list_splice_init(node, &list))
WITH_NODE(list_splice_tail_init, list_head, rare_list_splice_tail_init(node, &list))
WITH_NODE(list_splice_to, list_head, rare_list_splice(&spare, node))
WITH_NODE(list_splice_tail_to, list_head, rare_list_splice_tail(&spare, node))
WITH_NODE(list_splice_init_to, list_head, rare_list_splice_init(&spare, node))
WITH_NODE(list_splice_tail_init_to, list_head, rare_list_splice_tail_init(&spare, node))
WITH_NODE(hlist_add_head, hlist_node, rare_hlist_add_head(node, &hlist))
WITH_NODE(hlist_add_head_to, hlist_head, rare_hlist_add_head(&hspare, node))
WITH_NODE(hlist_add_before, hlist_node, rare_hlist_add_before(node, &hlinked))
WITH_NODE(hlist_add_before_at, hlist_node, rare_hlist_add_before(&hspare, node))
WITH_NODE(hlist_add_behind, hlist_node, rare_hlist_add_behind(node, &hlinked))
WITH_NODE(hlist_add_behind_at, hlist_node, rare_hlist_add_behind(&hspare, node))
WITH_NODE(hlist_add_tail_rcu, hlist_node, rare_hlist_add_tail_rcu(node, &hlist))
WITH_NODE(hlist_add_tail_rcu_to, hlist_head, rare_hlist_add_tail_rcu(&hspare, node))
WITH_NODE(hlist_del, hlist_node, rare_hlist_del(node))
WITH_NODE(hlist_del_init, hlist_node, rare_hlist_del_init(node))
WITH_NODE(hlist_del_rcu, hlist_node, rare_hlist_del_rcu(node))
WITH_NODE(hlist_del_init_rcu, hlist_node, rare_hlist_del_init_rcu(node))
WITH_NODE(hlist_replace_rcu, hlist_node, rare_hlist_replace_rcu(node, &hspare))
WITH_NODE(hlist_replace_rcu_by, hlist_node, rare_hlist_replace_rcu(&hlinked, node))

/* A module's entry, which is good, but for where it leads. What is written changes that. */
static __wr_rare_type struct ctl_table sysctl __wr_rare;

static void with_sysctl(proc_handler *handler, unsigned long dst, int maxlen, const char *val)
{
	struct ctl_table table = {
		.data = (void *)dst,
		.maxlen = maxlen,
		.proc_handler = handler,
	};
	size_t size = strlen(val);
	loff_t pos = 0;
	char buf[16];

	rare_write(sysctl, table);
	memcpy(buf, val, size);
	handler(rare_ptr(&sysctl), 1, buf, &size, &pos);
}

static void with_dostring(unsigned long dst, size_t len)
{
	with_sysctl(proc_rare_dostring, dst, sizeof(junk), junk);
}

static void with_dobool(unsigned long dst, size_t len)
{
	with_sysctl(proc_rare_dobool, dst, sizeof(bool), expected & 0xff ? "0" : "1");
}

static void with_dointvec(unsigned long dst, size_t len)
{
	with_sysctl(proc_rare_dointvec, dst, sizeof(int), "666");
}

static void with_douintvec(unsigned long dst, size_t len)
{
	with_sysctl(proc_rare_douintvec, dst, sizeof(int), "666");
}

static void with_dointvec_minmax(unsigned long dst, size_t len)
{
	with_sysctl(proc_rare_dointvec_minmax, dst, sizeof(int), "666");
}

struct call {
	const char *name;
	void (*func)(unsigned long dst, size_t len);
	size_t size;	/* its own, if not that of a long */
	bool bytes;	/* may start anywhere, else is promised to be aligned */
	bool node;	/* asks about both of its pointers */
	bool whole;	/* is not for what is half there: it is a byte, or leads anywhere */
	bool has_len;
};

static const struct call calls[] = {
	{ "write", with_write },
	{ "write_struct", with_write_struct, .bytes = true },
	{ "write_inside", with_write_inside },
	{ "copy", with_copy, .bytes = true, .has_len = true },
	{ "copy_inside", with_copy_inside, .bytes = true, .has_len = true },
	{ "fill", with_fill, .bytes = true, .has_len = true },
	{ "str", with_str, .bytes = true },
	{ "release", with_release },
	{ "release_inside", with_release_inside },
	{ "assign_pointer", with_assign_pointer },
	{ "xchg", with_xchg },
	{ "cmpxchg", with_cmpxchg },
	{ "fetch_add", with_fetch_add },
	{ "fetch_or", with_fetch_or },
	{ "fetch_and", with_fetch_and },
	{ "set_bit", with_set_bit },
	{ "clear_bit", with_clear_bit },
	{ "list_init", with_list_init },
	{ "list_add", with_list_add, .node = true },
	{ "list_add_tail", with_list_add_tail, .node = true },
	{ "list_add_to", with_list_add_to, .node = true },
	{ "list_add_tail_to", with_list_add_tail_to, .node = true },
	{ "list_del", with_list_del, .node = true },
	{ "list_del_init", with_list_del_init, .node = true },
	{ "list_del_rcu", with_list_del_rcu, .node = true },
	{ "list_replace", with_list_replace, .node = true },
	{ "list_replace_rcu", with_list_replace_rcu, .node = true },
	{ "list_replace_by", with_list_replace_by, .node = true },
	{ "list_replace_rcu_by", with_list_replace_rcu_by, .node = true },
	{ "list_splice", with_list_splice, .node = true },
	{ "list_splice_tail", with_list_splice_tail, .node = true },
	{ "list_splice_init", with_list_splice_init, .node = true },
	{ "list_splice_tail_init", with_list_splice_tail_init, .node = true },
	{ "list_splice_to", with_list_splice_to, .node = true },
	{ "list_splice_tail_to", with_list_splice_tail_to, .node = true },
	{ "list_splice_init_to", with_list_splice_init_to, .node = true },
	{ "list_splice_tail_init_to", with_list_splice_tail_init_to, .node = true },
	{ "hlist_add_head", with_hlist_add_head, .node = true },
	{ "hlist_add_head_to", with_hlist_add_head_to, .whole = true },
	{ "hlist_add_before", with_hlist_add_before, .node = true },
	{ "hlist_add_before_at", with_hlist_add_before_at, .node = true },
	{ "hlist_add_behind", with_hlist_add_behind, .node = true },
	{ "hlist_add_behind_at", with_hlist_add_behind_at, .node = true },
	{ "hlist_add_tail_rcu", with_hlist_add_tail_rcu, .node = true },
	{ "hlist_add_tail_rcu_to", with_hlist_add_tail_rcu_to, .whole = true },
	{ "hlist_del", with_hlist_del, .node = true },
	{ "hlist_del_init", with_hlist_del_init, .node = true },
	{ "hlist_del_rcu", with_hlist_del_rcu, .node = true },
	{ "hlist_del_init_rcu", with_hlist_del_init_rcu, .node = true },
	{ "hlist_replace_rcu", with_hlist_replace_rcu, .node = true },
	{ "hlist_replace_rcu_by", with_hlist_replace_rcu_by, .node = true },
	{ "dostring", with_dostring, .bytes = true },
	{ "dobool", with_dobool, .whole = true },
	{ "dointvec", with_dointvec, .size = sizeof(int) },
	{ "douintvec", with_douintvec, .size = sizeof(int) },
	{ "dointvec_minmax", with_dointvec_minmax, .size = sizeof(int) },
};

static const u64 rodata[2] = { 0x5678, 0x9abc };
static u64 *heap, *stack;

static unsigned long text_address(void)
{
	return (unsigned long)rare_write_lookup & ~7UL;
}

static unsigned long rodata_address(void)
{
	return (unsigned long)rodata;
}

/* What says where the kernel's region is. */
static unsigned long kernel_rodata_address(void)
{
	return (unsigned long)&rare_write_image;
}

/* Beside the entry that windows use: nothing else writes here. */
static unsigned long page_table_address(void)
{
	return (unsigned long)(__arch_rare_write_tables_of(0).ptep + 1);
}

/* Of those that this CPU uses: the last entries, which stay as they are. */
static unsigned long top_table_address(void)
{
	return (unsigned long)(current->active_mm->pgd + PTRS_PER_PGD) - sizeof(junk);
}

static unsigned long heap_address(void)
{
	return (unsigned long)heap;
}

static unsigned long stack_address(void)
{
	return (unsigned long)stack;
}

#define USER_PAGE	0x10000000UL

static unsigned long user_address(void)
{
	return USER_PAGE;
}

static unsigned long null_address(void)
{
	return 0;
}

static unsigned long quarry_address(void)
{
	return (unsigned long)&quarry;
}

static unsigned long linear_address(void)
{
	return linear_map_of(&quarry);
}

struct target {
	const char *name;
	unsigned long (*address)(void);
	bool over;		/* all but the last byte is where it may be */
	bool wraps;		/* over the end of the address space */
};

static const struct target targets[] = {
	{ "text", text_address },
	{ "rodata", rodata_address },
	{ "kernel_rodata", kernel_rodata_address },
	{ "page_table", page_table_address },
	{ "top_table", top_table_address },
	{ "heap", heap_address },
	{ "stack", stack_address },
	{ "user", user_address },
	{ "null", null_address },
	{ "linear_map", linear_address },
	{ "behind_kernel", region_end },
	{ "behind_module", module_end },
	{ "over_end_of_kernel", region_end, .over = true },
	{ "over_end_of_module", module_end, .over = true },
	{ "wrapping", quarry_address, .wraps = true },
};

struct wrong {
	const struct call *call;
	unsigned long dst;
	size_t len;
};

/* Who does it has this process' memory, or none. */
static struct mm_struct *user_mm;

static void do_wrong(void *arg)
{
	struct wrong *wrong = arg;

	if (user_mm) {
		/* The end of the task puts it; the reference of kthread_use_mm() stays. */
		mmget(user_mm);
		kthread_use_mm(user_mm);
	}
	wrong->call->func(wrong->dst, wrong->len);
}

/* What is at @addr, if something is. */
static bool look_at(u64 found[2], unsigned long addr)
{
	if (user_mm)
		return !copy_from_user(found, (void __user *)addr, 2 * sizeof(*found));
	return !copy_from_kernel_nofault(found, (void *)addr, 2 * sizeof(*found));
}

/* Is @call refused for @len bytes at @dst, with what is at @watch as it was? */
static bool refused(const struct call *call, const char *name, unsigned long dst, size_t len,
		    unsigned long watch, unsigned int cpu, bool by_fault)
{
	struct wrong wrong = { call, dst, len };
	u64 before[2] = {}, after[2];
	bool readable = look_at(before, watch);

	expected = before[0];
	if (!dies(do_wrong, &wrong, cpu, name, by_fault ? DIES_OF_FAULT : DIES_OF_BUG))
		return false;
	if (readable != look_at(after, watch))
		return false;
	return !readable || !memcmp(before, after, sizeof(before));
}

/* Give this test a page at USER_PAGE, and by way of user_mm to who does wrong as well. */
static void give_user_memory(struct kunit *test)
{
	unsigned long addr;

	addr = kunit_vm_mmap(test, NULL, USER_PAGE, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, addr, USER_PAGE);
	KUNIT_ASSERT_EQ(test, put_user(0xabcd, (u64 __user *)USER_PAGE), 0);
	user_mm = current->mm;
}

struct pair {
	const struct call *call;
	const struct target *target;
};

/* P6: the whole product of ways and places. */
static void deputy(struct kunit *test)
{
	const struct pair *pair = test->param_value;
	const struct call *call = pair->call;
	const struct target *target = pair->target;
	unsigned int cpu = cpu_to_die_on();
	u64 on_stack[2] = { 0xdef0, 0x1234 };
	u8 inside[sizeof(junk)] = {};
	unsigned long start, watch;
	char name[64];
	bool by_fault;

	heap = kunit_kzalloc(test, sizeof(junk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	stack = on_stack;
	/* What to add before and behind. */
	if (!hlinked.pprev)
		rare_hlist_add_head(&hlinked, &hlist);
	snprintf(name, sizeof(name), "%s_to_%s", call->name, target->name);

	watch = target->address();
	start = watch;
	if (watch == USER_PAGE)
		give_user_memory(test);
	if (target->over) {
		start -= (call->bytes ? sizeof(junk) : call->size ?: sizeof(u64)) - 1;
		/* What is refused at its end is not begun, either. */
		memcpy(inside, (void *)start, watch - start);
	}
	/*
	 * A way to write that was promised an aligned object asks about its first
	 * byte only. The rest is behind the alias, where nothing is mapped. But that
	 * the sysctl of a module is the kernel's is refused as such.
	 */
	by_fault = target->over && !call->bytes && !call->node &&
		   !(call->size && target->address == region_end);
	KUNIT_EXPECT_TRUE(test, refused(call, name, start, target->wraps ? 8 - start : sizeof(junk),
					watch, cpu, by_fault));
	if (target->over)
		KUNIT_EXPECT_MEMEQ(test, inside, (void *)start, watch - start);
	if (user_mm)
		mmdrop(user_mm);
	user_mm = NULL;
	expect_usable(test, cpu);
}

static const void *deputy_gen_params(const void *prev, char *desc)
{
	const struct target *end = targets + ARRAY_SIZE(targets);
	static struct pair pair;

	if (!prev)
		pair = (struct pair){ calls, targets };
	else
		pair.target++;
	/* The last targets are those that not every call can have. */
	while (pair.target < end && ((pair.target->over && pair.call->whole) ||
				     (pair.target->wraps && !pair.call->has_len)))
		pair.target++;
	if (pair.target == end) {
		pair.target = targets;
		if (++pair.call == calls + ARRAY_SIZE(calls))
			return NULL;
	}
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s_to_%s", pair.call->name, pair.target->name);
	return &pair;
}

/*
 * P8: in a window there is no user memory to copy from, and to wait for it would be to
 * wait for ever: what a fault maps is mapped in page tables that are not loaded.
 */
static void copy_user_memory(void *unused)
{
	/* As in do_wrong(). */
	mmget(user_mm);
	kthread_use_mm(user_mm);
	/* It would only say that this is wrong. */
	kasan_disable_current();
	rare_write_copy(other_page, (void *)USER_PAGE, sizeof(u64));
}

static void user_source(struct kunit *test)
{
	unsigned int cpu = cpu_to_die_on();
	u64 before = other_page[0];

	give_user_memory(test);
	KUNIT_EXPECT_TRUE(test, dies(copy_user_memory, NULL, cpu, "user_source",
				     DIES_OF_FAULT));
	mmdrop(user_mm);
	user_mm = NULL;
	KUNIT_EXPECT_EQ(test, other_page[0], before);
	expect_usable(test, cpu);
}

/*
 * P12: where the region of a module was that is gone. Not a test case, since it
 * takes a module that comes after this one and goes before it: ask for it here.
 */
static unsigned long unloaded;

static int see_module_go(struct notifier_block *nb, unsigned long event, void *module)
{
	const struct module_memory *mem = &((struct module *)module)->mem[MOD_RARE_WRITE];

	if (event == MODULE_STATE_GOING && mem->size)
		unloaded = (unsigned long)mem->base;
	return NOTIFY_DONE;
}

static struct notifier_block see_modules = { .notifier_call = see_module_go };

static int attack_unloaded(const char *val, const struct kernel_param *kp)
{
	bool all = true;
	char name[64];

	if (!unloaded)
		return -ENOENT;
	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		snprintf(name, sizeof(name), "%s_to_unloaded", calls[i].name);
		all &= refused(&calls[i], name, unloaded, sizeof(junk), unloaded, cpu_to_die_on(),
			       false);
	}
	pr_info("the unloaded module's region was %s\n", all ? "refused" : "ACCEPTED");
	return all ? 0 : -EIO;
}

static const struct kernel_param_ops unloaded_ops = { .set = attack_unloaded };

module_param_cb(unloaded, &unloaded_ops, NULL, 0200);
MODULE_PARM_DESC(unloaded, "write here to attack the region of the module that went last");

/* Audit: it must find what is there, and nothing if there is nothing. */

static struct rare_write_audit audit;

/* How many of the mappings it found are of @page, at @addr, by @cpu's tables? */
static int found(unsigned long addr, unsigned long page, int cpu)
{
	int count = 0;

	for (int i = 0; i < min(audit.writable, ARRAY_SIZE(audit.found)); i++)
		count += audit.found[i].addr == addr && audit.found[i].page == page &&
			 audit.found[i].cpu == cpu;
	return count;
}

/* Where modules are writable in the linear map, the audit must say so. */
static unsigned long writable_at_rest(void)
{
	return rare_write_debug_modules_sealed() ? 0 : audit.in_modules;
}

static void expect_nothing_new(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, rare_write_audit(&audit), 0);
	KUNIT_EXPECT_EQ(test, audit.writable, writable_at_rest());
	KUNIT_EXPECT_EQ(test, audit.missing, 0);
	KUNIT_EXPECT_EQ(test, audit.foreign, 0);
}

/* P1, P3: all page tables there are, and all write-rare pages in them. */
static void audit_at_rest(struct kunit *test)
{
	unsigned long mine = THIS_MODULE->mem[MOD_RARE_WRITE].size / PAGE_SIZE;

	expect_nothing_new(test);
	KUNIT_EXPECT_GE(test, mine, 3);
	KUNIT_EXPECT_GE(test, audit.in_modules, mine);
	/* At least a page that may be written, and one for what that rests on. */
	KUNIT_EXPECT_GE(test, audit.pages, audit.in_modules + 2);
	KUNIT_EXPECT_GE(test, audit.mappings, 2 * audit.pages);
	KUNIT_EXPECT_EQ(test, found((unsigned long)&quarry & PAGE_MASK,
				    (unsigned long)&quarry & PAGE_MASK, -1), 0);
	rare_write(quarry, 1);
	expect_nothing_new(test);
}

/*
 * A writable mapping made on purpose is found, and can be used: who maps pages of
 * his choice is beyond what this protects from.
 */
static void audit_finds_vmap(struct kunit *test)
{
	unsigned long own[] = { (unsigned long)&other_page, (unsigned long)&rare_write_probe };
	struct page *pages[] = { vmalloc_to_page((void *)own[0]), virt_to_page(lm_alias(own[1])) };

	for (int i = 0; i < ARRAY_SIZE(pages); i++) {
		void *addr = vmap(&pages[i], 1, VM_MAP, PAGE_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_EQ(test, rare_write_audit(&audit), 0);
		KUNIT_EXPECT_EQ(test, audit.writable, writable_at_rest() + 1);
		KUNIT_EXPECT_EQ(test, found((unsigned long)addr, own[i] & PAGE_MASK, -1), 1);
		KUNIT_EXPECT_FALSE(test, store((unsigned long)addr + offset_in_page(own[i]),
					       8).hit);
		KUNIT_EXPECT_EQ(test, *(volatile u64 *)own[i], 0x6666666666666666);
		vunmap(addr);
		expect_nothing_new(test);
	}
}

struct plant {
	pte_t *ptep;
	u64 entry;
};

/* On the CPU whose entry it is, and so not amid a window. */
static void plant(void *arg)
{
	struct plant *plant = arg;

	WRITE_ONCE(*plant->ptep, __pte(plant->entry));
}

/* The same in the private tables of each CPU, where a window has its alias and beside it. */
static void audit_finds_private(struct kunit *test)
{
	u64 entry = __arch_rare_write_entry(PFN_PHYS(vmalloc_to_pfn((void *)&quarry)));
	unsigned long page = (unsigned long)&quarry & PAGE_MASK;
	int cpu;

	for_each_online_cpu(cpu) {
		struct arch_rare_write_tables tables = __arch_rare_write_tables_of(cpu);

		for (int i = 0; i < 2; i++) {
			struct plant there = { tables.ptep + i, entry }, gone = { tables.ptep + i };

			smp_call_function_single(cpu, plant, &there, 1);
			KUNIT_EXPECT_EQ(test, rare_write_audit(&audit), 0);
			smp_call_function_single(cpu, plant, &gone, 1);
			KUNIT_EXPECT_EQ(test, audit.writable, writable_at_rest() + 1);
			KUNIT_EXPECT_EQ(test, found(rare_write_debug_alias() + i * PAGE_SIZE, page,
						    cpu), 1);
		}
#ifdef CONFIG_X86
		{
			pgd_t *pgd = __va(tables.cr3 & PTE_PFN_MASK);

			/* Present it is not: no CPU will follow it. */
			WRITE_ONCE(pgd[1], __pgd(_PAGE_RW));
			KUNIT_EXPECT_EQ(test, rare_write_audit(&audit), 0);
			WRITE_ONCE(pgd[1], __pgd(0));
			KUNIT_EXPECT_EQ(test, audit.foreign, 1);
		}
#endif
	}
	expect_nothing_new(test);
}

/* Windows that are open while the audit looks are none of its findings. */
static void audit_beside_windows(struct kunit *test)
{
	int cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	start_windows(test, cpu);
	for (int i = 0; i < 10; i++) {
		u64 windows = READ_ONCE(writer.windows);

		for (int ms = 0; ms < 10000 && READ_ONCE(writer.windows) < windows + 10; ms++)
			usleep_range(1000, 2000);
		KUNIT_EXPECT_GE(test, READ_ONCE(writer.windows), windows + 10);
		KUNIT_EXPECT_EQ(test, rare_write_audit(&audit), 0);
		KUNIT_EXPECT_EQ(test, audit.writable, writable_at_rest());
	}
	kthread_stop(writer.task);
}

/* Direct writes, by what the kernel has to write with. */

/* Aligned to as much as any helper writes: which byte comes first is its own affair. */
static unsigned long helper_target;
#define HELPER_AREA	256

static void by_memcpy(void *unused)
{
	memcpy((void *)helper_target, junk, sizeof(junk));
}

static void by_memmove(void *unused)
{
	memmove((void *)helper_target, junk, sizeof(junk));
}

static void by_memset(void *unused)
{
	memset((void *)helper_target, 0x66, HELPER_AREA);
}

static void by_atomic_add(void *unused)
{
	atomic64_add(1, (atomic64_t *)helper_target);
}

static void by_xchg(void *unused)
{
	xchg((u64 *)helper_target, 666);
}

static void by_cmpxchg(void *unused)
{
	atomic64_cmpxchg((atomic64_t *)helper_target, *(u64 *)helper_target, 666);
}

static void by_set_bit(void *unused)
{
	set_bit(63, (unsigned long *)helper_target);
}

static void by_strscpy(void *unused)
{
	strscpy((char *)helper_target, junk, sizeof(junk));
}

static const struct helper {
	const char *name;
	void (*func)(void *unused);
} helpers[] = {
	{ "memcpy", by_memcpy },
	{ "memmove", by_memmove },
	{ "memset", by_memset },
	{ "atomic_add", by_atomic_add },
	{ "xchg", by_xchg },
	{ "cmpxchg", by_cmpxchg },
	{ "set_bit", by_set_bit },
	{ "strscpy", by_strscpy },
};

static void helper_name(const struct helper *helper, char *desc)
{
	strscpy(desc, helper->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(helper, helpers, helper_name);

/* The write faults, where it is aimed at. */
static void expect_helpless(struct kunit *test, const struct helper *helper, unsigned long area)
{
	unsigned int cpu = cpu_to_die_on();
	u8 before[HELPER_AREA];
	char pattern[80];

	memcpy(before, (void *)area, sizeof(before));
	helper_target = area;
	snprintf(pattern, sizeof(pattern), "(for address: |at virtual address )%014lx[0-9a-f]{2}",
		 area / HELPER_AREA);
	KUNIT_EXPECT_TRUE(test, dies(helper->func, NULL, cpu, helper->name, pattern));
	KUNIT_EXPECT_MEMEQ(test, (void *)area, before, sizeof(before));
	expect_usable(test, cpu);
}

/* P1: neither the region of a module nor that of the kernel. */
static void direct_by_helper(struct kunit *test)
{
	expect_helpless(test, test->param_value,
			(unsigned long)&other_page[HELPER_AREA / sizeof(u64)]);
	expect_helpless(test, test->param_value,
			ALIGN_DOWN((unsigned long)&rare_write_probe, HELPER_AREA));
}

/* The address of a function that modules are not given. */
static void *function(struct kunit *test, const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *addr;

	KUNIT_ASSERT_EQ(test, register_kprobe(&probe), 0);
	addr = probe.addr;
	unregister_kprobe(&probe);
	/* x86 puts a probe behind the ENDBR, which is what a call through a pointer goes to. */
	return IS_ENABLED(CONFIG_X86) ? PTR_ALIGN_DOWN(addr, CONFIG_FUNCTION_ALIGNMENT) : addr;
}

static void direct_by_nofault(struct kunit *test)
{
	typeof(copy_to_kernel_nofault) *copy = function(test, "copy_to_kernel_nofault");
	struct page *page = vmalloc_to_page((void *)&quarry);
	u64 before = quarry;
	void *mapped;

	KUNIT_EXPECT_EQ(test, copy((void *)&quarry, junk, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, copy((void *)&rare_write_probe, junk, 8), -EFAULT);
	mapped = kmap_local_page(virt_to_page(lm_alias(&rare_write_probe)));
	KUNIT_EXPECT_EQ(test, copy(mapped + offset_in_page(&rare_write_probe), junk, 8), -EFAULT);
	kunmap_local(mapped);
	if (rare_write_debug_modules_sealed()) {
		KUNIT_EXPECT_EQ(test, copy((void *)linear_map_of(&quarry), junk, 8), -EFAULT);
		mapped = kmap_local_page(page);
		KUNIT_EXPECT_EQ(test, copy(mapped + offset_in_page(&quarry), junk, 8), -EFAULT);
		kunmap_local(mapped);
	}
	KUNIT_EXPECT_EQ(test, quarry, before);
}

/*
 * set_memory_rw() changes page tables, which is beyond what this protects from.
 * For the kernel's region it refuses all the same; for a module it does what its
 * name says, and the audit tells.
 */
static void direct_by_set_memory(struct kunit *test)
{
	typeof(set_memory_rw) *rw = function(test, "set_memory_rw");
	typeof(set_memory_ro) *ro = function(test, "set_memory_ro");
	unsigned long addr = (unsigned long)&quarry & PAGE_MASK;

	rw((unsigned long)&rare_write_probe & PAGE_MASK, 1);
	expect_refused(test, (unsigned long)&rare_write_probe);
	expect_nothing_new(test);

	KUNIT_EXPECT_EQ(test, rw(addr, 1), 0);
	KUNIT_EXPECT_FALSE(test, store((unsigned long)&quarry, 8).hit);
	KUNIT_EXPECT_EQ(test, rare_write_audit(&audit), 0);
	KUNIT_EXPECT_GT(test, audit.writable, writable_at_rest());
	KUNIT_EXPECT_EQ(test, found(addr, addr, -1), 1);

	KUNIT_EXPECT_EQ(test, ro(addr, 1), 0);
	expect_refused(test, (unsigned long)&quarry);
	expect_nothing_new(test);
}

/* What patches code maps what it is told, which is beyond what this protects from as well. */
#ifdef CONFIG_X86
static void poke(struct kunit *test, u64 val)
{
	void *(*copy)(void *addr, const void *code, size_t len) = function(test, "text_poke_copy");

	copy((void *)rare_ptr(&quarry), &val, sizeof(val));
}
#else
static void poke(struct kunit *test, u64 val)
{
	/* Not for probes. */
	unsigned long (*lookup)(const char *name) = function(test, "kallsyms_lookup_name");
	int (*patch)(void *addr, u32 insn);

	patch = (void *)lookup("aarch64_insn_patch_text_nosync");
	KUNIT_ASSERT_NOT_NULL(test, patch);
	KUNIT_EXPECT_EQ(test, patch((void *)rare_ptr(&quarry), val), 0);
	KUNIT_EXPECT_EQ(test, patch((void *)rare_ptr(&quarry) + sizeof(u32), val >> 32), 0);
}
#endif

static void direct_by_patching(struct kunit *test)
{
	u64 before = quarry;

	poke(test, 0x0123456789abcdef);
	KUNIT_EXPECT_EQ(test, quarry, 0x0123456789abcdef);
	rare_write(quarry, before);
	expect_refused(test, (unsigned long)&quarry);
	expect_nothing_new(test);
}

/*
 * P6: struct module can be written, so it may lead the loader anywhere: to a page
 * that somebody made up and can still write, and to the region of another module.
 */
static void region_not_its_own(struct kunit *test)
{
	typeof(rare_write_module_add) *add = function(test, "rare_write_module_add");
	typeof(rare_write_module_del) *del = function(test, "rare_write_module_del");
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	/* Larger than a page, and so aligned to one. */
	struct rare_write_region *made_up = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mod);
	KUNIT_ASSERT_NOT_NULL(test, made_up);
	strscpy(mod->name, "not_its_own");

	mod->mem[MOD_RARE_WRITE].base = made_up;
	mod->mem[MOD_RARE_WRITE].size = PAGE_SIZE;
	made_up->mod = mod;
	KUNIT_EXPECT_EQ(test, add(mod), -EPERM);
	del(mod);

	mod->mem[MOD_RARE_WRITE] = THIS_MODULE->mem[MOD_RARE_WRITE];
	KUNIT_EXPECT_EQ(test, add(mod), -EPERM);
}

/*
 * P6: what the handler of a sysctl has parsed is in memory until it is stored, and here
 * somebody changes it in between. What only goes up must not come down.
 */
static const int only_one = 1;
static __wr_rare_type int one_way __wr_rare = 1;
static __wr_rare_type int either_way __wr_rare = 1;
static __wr_rare_type struct ctl_table one_way_table[] __wr_rare = {
	{
		.procname = "one_way",
		.data = (void *)&one_way,
		.maxlen = sizeof(one_way),
		.mode = 0644,
		.proc_handler = proc_rare_dointvec_minmax,
		.extra1 = (void *)&only_one,
		.extra2 = (void *)&only_one,
	},
	{
		.procname = "either_way",
		.data = (void *)&either_way,
		.maxlen = sizeof(either_way),
		.mode = 0644,
		.proc_handler = proc_rare_dointvec,
	},
};

static int *parsed_to;

static int before_parsing(struct kretprobe_instance *call, struct pt_regs *regs)
{
	const struct ctl_table *table = (void *)regs_get_kernel_argument(regs, 0);

	/* Not of others, who may be writing a sysctl. */
	if (table->procname != rare_ptr(&one_way_table[0])->procname)
		return 1;
	parsed_to = table->data;
	return 0;
}

static int after_parsing(struct kretprobe_instance *call, struct pt_regs *regs)
{
	*parsed_to = 0;
	return 0;
}

static void parsed_value_changed(struct kunit *test)
{
	static struct kretprobe probe = {
		.kp.symbol_name = "proc_dointvec_minmax",
		.entry_handler = before_parsing,
		.handler = after_parsing,
	};
	char buf[] = "1";
	size_t size = 1;
	loff_t pos = 0;
	int ret;

	KUNIT_ASSERT_EQ(test, register_kretprobe(&probe), 0);
	ret = proc_rare_dointvec_minmax(rare_ptr(&one_way_table[0]), 1, buf, &size, &pos);
	unregister_kretprobe(&probe);

	KUNIT_EXPECT_NOT_NULL(test, parsed_to);
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	KUNIT_EXPECT_EQ(test, one_way, 1);
}

/* Likewise the address of the entry, which is on the stack, or in a register that comes from it. */
static int entries_changed;

/* How often what is probed was called, and at which of the calls the entry is changed. */
static int times_probed, change_at;

static int before_parsing_other(struct kretprobe_instance *call, struct pt_regs *regs)
{
	const struct ctl_table *table = (void *)regs_get_kernel_argument(regs, 0);

	return table->procname != rare_ptr(&one_way_table[1])->procname;
}

/*
 * On the stack, where the registers are as well, and what leads to a part of it: but not the
 * address of its last byte, of which rare_write_module_of() is asked.
 */
static __no_sanitize_address void change_entry_to(const struct ctl_table *to,
						  struct pt_regs *regs)
{
	unsigned long *end = task_stack_page(current) + THREAD_SIZE;
	unsigned long from = (unsigned long)rare_ptr(&one_way_table[1]);

	for (unsigned long *word = (unsigned long *)regs; word < end; word++) {
		unsigned long offset = READ_ONCE(*word) - from;

		if (offset < sizeof(*to) - 1) {
			WRITE_ONCE(*word, (unsigned long)to + offset);
			entries_changed++;
		}
	}
}

static int change_entry(struct kretprobe_instance *call, struct pt_regs *regs)
{
	if (++times_probed == change_at)
		change_entry_to(rare_ptr(&one_way_table[0]), regs);
	return 0;
}

/* Not where the entry is asked about before. */
#define DIES_IN_HANDLER	"kernel BUG at \\S*rare_sysctl_handler\\.h"

static void write_digit(char digit)
{
	char buf[] = { digit, '\0' };
	size_t size = 1;
	loff_t pos = 0;

	entries_changed = 0;
	times_probed = 0;
	proc_rare_dointvec(rare_ptr(&one_way_table[1]), 1, buf, &size, &pos);
}

static void write_either_way(void *unused)
{
	write_digit('0');
}

/* How often is what is probed called by the same write if nobody attacks it? */
static int times_called(void)
{
	change_at = 0;
	write_digit('0');
	/* What changes nothing would not be stored. */
	rare_write(either_way, 1);
	return times_probed;
}

static void entry_changed(struct kunit *test)
{
	static struct kretprobe probe = {
		.kp.symbol_name = "proc_dointvec",
		.entry_handler = before_parsing_other,
		.handler = change_entry,
	};

	KUNIT_ASSERT_EQ(test, register_kretprobe(&probe), 0);
	change_at = times_called();
	if (change_at)
		KUNIT_EXPECT_TRUE(test, dies(write_either_way, NULL, cpu_to_die_on(),
					     "entry_changed", DIES_IN_HANDLER));
	unregister_kretprobe(&probe);
	if (!change_at)
		kunit_skip(test, "what it probes is inlined");

	KUNIT_EXPECT_GT(test, entries_changed, 0);
	KUNIT_EXPECT_EQ(test, one_way, 1);
	KUNIT_EXPECT_EQ(test, either_way, 1);
}

/*
 * Likewise in the last call before the store, which finds out whose the entry is: once
 * that is known, the entry becomes one that somebody made up, for data of the kernel.
 */
static struct ctl_table made_up_entry;

static int on_asking_whose(struct kprobe *probe, struct pt_regs *regs)
{
	if (current->flags & PF_KTHREAD && ++times_probed == change_at)
		change_entry_to(&made_up_entry, regs);
	return 0;
}

static void entry_made_up(struct kunit *test)
{
	struct kprobe probe = {
		.symbol_name = "rare_write_module_of",
		.pre_handler = on_asking_whose,
	};
	unsigned long before = rare_write_probe;

	made_up_entry = *rare_ptr(&one_way_table[1]);
	made_up_entry.data = (void *)&rare_write_probe;
	KUNIT_ASSERT_EQ(test, register_kprobe(&probe), 0);
	change_at = times_called();
	KUNIT_EXPECT_TRUE(test, dies(write_either_way, NULL, cpu_to_die_on(), "entry_made_up",
				     DIES_IN_HANDLER));
	unregister_kprobe(&probe);

	/*
	 * Where data, beginning and end of the entry are, before parsing and after that. What is
	 * asked before may be inlined.
	 */
	KUNIT_EXPECT_GE(test, change_at, IS_ENABLED(CONFIG_LTO_CLANG) ? 3 : 6);
	KUNIT_EXPECT_EQ(test, times_probed, change_at);
	KUNIT_EXPECT_GT(test, entries_changed, 0);
	KUNIT_EXPECT_EQ(test, rare_write_probe, before);
	KUNIT_EXPECT_EQ(test, either_way, 1);
}

/* Order: what was written before is seen before, P10. */

#define MESSAGES	20000

struct message {
	unsigned long plain;
	struct message *next;
};

static __wr_rare_type u64 payload __wr_rare;
static __wr_rare_type u64 flag __wr_rare;
static struct message * __wr_rare_type newest __wr_rare;
static struct message *messages;

static int publish(void *unused)
{
	for (u64 i = 1; i <= MESSAGES; i++) {
		rare_write(payload, i);
		rare_write_release(flag, i);
		WRITE_ONCE(messages[i - 1].plain, i);
		rare_assign_pointer(newest, &messages[i - 1]);
		if (!(i & 63))
			cond_resched();
	}
	return until_stopped();
}

static void published_in_order(struct kunit *test)
{
	unsigned long early = 0, back = 0, changes = 0, end = jiffies + 60 * HZ;
	unsigned int cpu = cpu_to_die_on();
	struct task_struct *task;
	struct message *last = NULL, *seen;
	u64 ready, value, before = 0;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	messages = kunit_kcalloc(test, MESSAGES, sizeof(*messages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, messages);
	rare_write(payload, 0);
	rare_write(flag, 0);
	rare_write(newest, NULL);
	task = kthread_create_on_cpu(publish, NULL, cpu, "publish/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wake_up_process(task);
	do {
		ready = smp_load_acquire(&flag); /* pairs with rare_write_release() */
		value = payload;
		early += value < ready;
		back += ready < before;
		before = ready;

		rcu_read_lock();
		seen = rcu_dereference_check(*(struct message __rcu **)&newest, true);
		if (seen != last) {
			early += seen->plain != seen - messages + 1;
			back += seen < last;
			changes++;
			last = seen;
		}
		rcu_read_unlock();
		cond_resched();
	} while (ready < MESSAGES && time_before(jiffies, end));
	kthread_stop(task);
	rare_write(newest, NULL);
	KUNIT_EXPECT_EQ(test, ready, MESSAGES);
	KUNIT_EXPECT_EQ(test, early, 0);
	KUNIT_EXPECT_EQ(test, back, 0);
	/* It did look in between, on however busy a machine. */
	KUNIT_EXPECT_GT(test, changes, 10);
}

/* Faults inside, P8: what traces the code in a window runs in the window. */

static struct {
	u32 __user *user;
	long (*get_string)(char *dst, const void __user *src, long count);
	long (*get_length)(const void __user *src, long count);
	int (*save)(void);
	void (*restore)(int enabled);
	int count;
	bool in_nmi;
	long get, put, string, length;
	u64 private;
	struct fault fault;
} traced;

static noinline notrace void try_all(void)
{
	char __user *chars = (char __user *)traced.user;
	u32 val = 1;

	traced.put = copy_to_user_nofault(traced.user, &val, sizeof(val));
	traced.get = copy_from_user_nofault(&val, traced.user, sizeof(val));
	traced.string = traced.get_string((char *)&val, chars, sizeof(val));
	traced.length = traced.get_length(chars, sizeof(val));
	traced.private = rare_write_debug_private(raw_smp_processor_id());
	/* What kexec does first, and takes back should it return. */
	if (traced.private)
		traced.restore(traced.save());
	traced.in_nmi = in_nmi();
	traced.fault = store((unsigned long)&quarry, 8);
	traced.count++;
}

static noinline void called_inside(void)
{
	OPTIMIZER_HIDE_VAR(traced.count);
}

/* Not for ftrace, or the probe would be one of its calls and no exception. */
static noinline notrace void probed_inside(void)
{
	OPTIMIZER_HIDE_VAR(traced.count);
}

static int on_probe(struct kprobe *probe, struct pt_regs *regs)
{
	try_all();
	return 0;
}

static void on_call(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		    struct ftrace_regs *fregs)
{
	try_all();
}

/* In a window and outside, with user memory that only the latter reaches. */
static void expect_traced(struct kunit *test, void (*func)(void))
{
	unsigned long addr;
	u32 val = 1;

	addr = kunit_vm_mmap(test, NULL, 0x10000000, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, addr, 0x10000000);
	memset(&traced, 0, sizeof(traced));
	traced.user = (u32 __user *)addr;
	traced.get_string = function(test, "strncpy_from_user_nofault");
	traced.get_length = function(test, "strnlen_user_nofault");
	traced.save = function(test, "__ftrace_enabled_save");
	traced.restore = function(test, "__ftrace_enabled_restore");
	KUNIT_ASSERT_EQ(test, put_user(val, traced.user), 0);

	func();
	KUNIT_EXPECT_EQ(test, traced.count, 1);
	KUNIT_EXPECT_EQ(test, traced.put, 0);
	KUNIT_EXPECT_EQ(test, traced.get, 0);
	KUNIT_EXPECT_EQ(test, traced.string, 2);
	KUNIT_EXPECT_EQ(test, traced.length, 2);
	KUNIT_EXPECT_EQ(test, traced.private, 0);
	KUNIT_EXPECT_TRUE(test, traced.fault.hit);

	scoped_guard(rare_write) {
		__rare_write(quarry, 1);
		func();
		__rare_write(other_page[1], 2);
	}
	KUNIT_EXPECT_EQ(test, traced.count, 2);
	KUNIT_EXPECT_EQ(test, traced.put, -EFAULT);
	KUNIT_EXPECT_EQ(test, traced.get, -EFAULT);
	KUNIT_EXPECT_EQ(test, traced.string, -EFAULT);
	KUNIT_EXPECT_EQ(test, traced.length, 0);
	KUNIT_EXPECT_NE(test, traced.private, 0);
	KUNIT_EXPECT_TRUE(test, traced.fault.hit);
	KUNIT_EXPECT_EQ(test, traced.fault.addr, (unsigned long)&quarry);
	KUNIT_EXPECT_EQ(test, quarry, 1);
	KUNIT_EXPECT_EQ(test, other_page[1], 2);
	/* This task has its own address space back. */
	KUNIT_EXPECT_EQ(test, get_user(val, traced.user), 0);
	KUNIT_EXPECT_EQ(test, val, 1);
	expect_usable(test, raw_smp_processor_id());
	KUNIT_EXPECT_EQ(test, all_private(), 0);
}

static void after_probe(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static void kprobe_inside(struct kunit *test)
{
	/* A handler for afterwards keeps the exception from being made a jump. */
	struct kprobe probe = {
		.addr = (void *)probed_inside,
		.pre_handler = on_probe,
		.post_handler = after_probe,
	};

	KUNIT_ASSERT_EQ(test, register_kprobe(&probe), 0);
	expect_traced(test, probed_inside);
	/* On x86 a breakpoint is one of the exceptions that are like an NMI. */
	if (IS_ENABLED(CONFIG_X86))
		KUNIT_EXPECT_TRUE(test, traced.in_nmi);
	unregister_kprobe(&probe);
}

static void ftrace_inside(struct kunit *test)
{
	static struct ftrace_ops ops = { .func = on_call };

	KUNIT_ASSERT_EQ(test, ftrace_set_filter_ip(&ops, (unsigned long)called_inside, 0, 0), 0);
	KUNIT_ASSERT_EQ(test, register_ftrace_function(&ops), 0);
	expect_traced(test, called_inside);
	KUNIT_EXPECT_EQ(test, unregister_ftrace_function(&ops), 0);
	ftrace_free_filter(&ops);
}

static struct kunit_case attack_cases[] = {
	KUNIT_CASE(audit_at_rest),
	KUNIT_CASE(audit_finds_vmap),
	KUNIT_CASE(audit_finds_private),
	KUNIT_CASE(audit_beside_windows),
	KUNIT_CASE_SLOW(hijack),
	KUNIT_CASE_SLOW(hijack_on_same_cpu),
	KUNIT_CASE_SLOW(published_in_order),
	KUNIT_CASE(kprobe_inside),
	KUNIT_CASE(ftrace_inside),
	KUNIT_CASE(direct_by_nofault),
	KUNIT_CASE(direct_by_set_memory),
	KUNIT_CASE(direct_by_patching),
	KUNIT_CASE(region_not_its_own),
	KUNIT_CASE(user_source),
	KUNIT_CASE(parsed_value_changed),
	KUNIT_CASE(entry_changed),
	KUNIT_CASE(entry_made_up),
	KUNIT_CASE_PARAM(direct_by_helper, helper_gen_params),
	KUNIT_CASE_PARAM(deputy, deputy_gen_params),
	{}
};

static struct kunit_suite attack_suite = {
	.name = "rare_write_attack",
	.suite_init = see_faults,
	.suite_exit = see_no_more_faults,
	.init = skip_unprotected,
	.test_cases = attack_cases,
};

kunit_test_suite(attack_suite);

static int __init attack_init(void)
{
	return register_module_notifier(&see_modules);
}
module_init(attack_init);

static void __exit attack_exit(void)
{
	unregister_module_notifier(&see_modules);
}
module_exit(attack_exit);

MODULE_DESCRIPTION("Attacks on write-rare data");
MODULE_LICENSE("GPL");
