// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the lists of rare_list.h, as a module: see rare_write_kunit.c.
 *
 *   rare_list           the operations, next to those of list.h; readers under
 *                       RCU; also with CONFIG_RARE_WRITE=n
 *   rare_list_misuse    corrupted lists: what is reported, what must end in BUG(),
 *                       and that nothing was written
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/rare_list.h>

#include "rare_write_test.h"

#define ITEMS	24

/* Big enough for some of them to lie in other pages, and one to lie in two. */
struct item {
	u64 key;
	u64 inverse;	/* of the key: who sees one without the other sees a torn item */
	struct list_head list;
	struct hlist_node node;
	u8 pad[264];
};

struct arena {
	u64 first;	/* so that offset 0 is no node's */
	struct list_head head[2];
	struct hlist_head hhead[2];
	struct item item[ITEMS];
};

static __wr_rare_type struct arena rare __wr_rare __aligned(PAGE_SIZE);
static struct arena plain;

static RARE_LIST_HEAD(static_head);

/* A pointer into an arena as offset, so that it can be compared with the other's. */
static unsigned long relative(unsigned long word, unsigned long arena)
{
	return word - arena < sizeof(struct arena) ? word - arena : word;
}

/* Are the two arenas the same, pointer by pointer, poison included? */
static bool arenas_agree(void)
{
	const unsigned long *r = (const void *)rare_ptr(&rare), *p = (const void *)&plain;

	for (size_t i = 0; i < sizeof(struct arena) / sizeof(*r); i++)
		if (relative(r[i], (unsigned long)&rare) != relative(p[i], (unsigned long)&plain))
			return false;
	return true;
}

/* The same on both. */
#define BOTH(op, a)							\
do {									\
	rare_##op(&rare.a);						\
	op(&plain.a);							\
} while (0)

#define BOTH2(op, a, b)							\
do {									\
	rare_##op(&rare.a, &rare.b);					\
	op(&plain.a, &plain.b);						\
} while (0)

static void init_heads(void)
{
	for (int h = 0; h < 2; h++) {
		rare_list_init(&rare.head[h]);
		INIT_LIST_HEAD(&plain.head[h]);
		rare_write(rare.hhead[h].first, NULL);
		INIT_HLIST_HEAD(&plain.hhead[h]);
	}
}

static void init_arenas(struct kunit *test)
{
	rare_write_fill(rare, 0);
	memset(&plain, 0, sizeof(plain));
	init_heads();
	KUNIT_ASSERT_TRUE(test, arenas_agree());
}

static void static_list(struct kunit *test)
{
	const struct item *pos;
	int n = 0;

	init_arenas(test);
	KUNIT_EXPECT_TRUE(test, list_empty(rare_ptr(&static_head)));
	rare_list_add(&rare.item[1].list, &static_head);
	rare_list_add_tail(&rare.item[2].list, &static_head);
	list_for_each_entry(pos, rare_ptr(&static_head), list)
		KUNIT_EXPECT_PTR_EQ(test, pos, rare_ptr(&rare.item[++n]));
	KUNIT_EXPECT_EQ(test, n, 2);
	rare_list_del_init(&rare.item[1].list);
	rare_list_del_init(&rare.item[2].list);
	KUNIT_EXPECT_TRUE(test, list_empty(rare_ptr(&static_head)));
	KUNIT_EXPECT_TRUE(test, list_empty(rare_ptr(&rare.item[1].list)));
}

/* Thousands of operations, each done on the other kind of list as well. */
static void like_list_h(struct kunit *test)
{
	int on[ITEMS] = {}, ops[11] = {};
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 1);
	init_arenas(test);
	for (int round = 0; round < 3000; round++) {
		u32 r = prandom_u32_state(&rnd), op = r % ARRAY_SIZE(ops);
		int i = (r >> 8) % ITEMS, j = (r >> 16) % ITEMS, h = r >> 31;

		if (i == j || (op < 4 ? on[i] : op < 9 && !on[i]))
			continue;
		/* These take a second entry: on a list where it says where, else off. */
		if (op == 2 ? !on[j] : (op == 7 || op == 8) && on[j])
			continue;
		switch (op) {
		case 0:
			BOTH2(list_add, item[i].list, head[h]);
			break;
		case 1:
			BOTH2(list_add_tail, item[i].list, head[h]);
			break;
		case 2:
			BOTH2(list_add_rcu, item[i].list, item[j].list);
			break;
		case 3:
			BOTH2(list_add_tail_rcu, item[i].list, head[h]);
			break;
		case 4:
			BOTH(list_del, item[i].list);
			break;
		case 5:
			BOTH(list_del_init, item[i].list);
			break;
		case 6:
			BOTH(list_del_rcu, item[i].list);
			break;
		case 7:
			BOTH2(list_replace, item[i].list, item[j].list);
			break;
		case 8:
			BOTH2(list_replace_rcu, item[i].list, item[j].list);
			break;
		case 9:
			BOTH2(list_splice_init, head[h], head[!h]);
			break;
		case 10:
			BOTH2(list_splice_tail_init, head[h], head[!h]);
			break;
		}
		if (op < 4)
			on[i] = true;
		else if (op < 9)
			on[i] = false;
		if (op == 7 || op == 8)
			on[j] = true;
		ops[op]++;
		KUNIT_ASSERT_TRUE_MSG(test, arenas_agree(), "round %d, operation %u", round, op);
	}
	for (int op = 0; op < ARRAY_SIZE(ops); op++)
		KUNIT_EXPECT_GT_MSG(test, ops[op], 10, "operation %d", op);
}

/* Those that leave the list behind as it was, and heads that change places. */
static void splice_and_replace(struct kunit *test)
{
	for (int n = 0; n < 3; n++) {
		for (int op = 0; op < 4; op++) {
			init_arenas(test);
			for (int i = 0; i < n; i++)
				BOTH2(list_add, item[i].list, head[0]);
			BOTH2(list_add, item[ITEMS - 1].list, head[1]);
			switch (op) {
			case 0:
				BOTH2(list_splice, head[0], head[1]);
				break;
			case 1:
				BOTH2(list_splice_tail, head[0], head[1]);
				break;
			case 2:
				BOTH2(list_splice_rcu, head[0], head[1]);
				break;
			case 3:
				/* A head takes the place of a head, empty or not. */
				BOTH2(list_replace, head[0], item[ITEMS - 2].list);
				/* list.h leaves a useless pointer in an empty one. */
				if (!n) {
					INIT_LIST_HEAD(&plain.head[0]);
					rare_list_init(&rare.head[0]);
				}
				break;
			}
			KUNIT_EXPECT_TRUE_MSG(test, arenas_agree(), "%d, operation %d", n, op);
		}
	}
}

static void like_hlist_h(struct kunit *test)
{
	int on[ITEMS] = {}, ops[11] = {};
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 2);
	init_arenas(test);
	for (int round = 0; round < 3000; round++) {
		u32 r = prandom_u32_state(&rnd), op = r % ARRAY_SIZE(ops);
		int i = (r >> 8) % ITEMS, j = (r >> 16) % ITEMS, h = r >> 31;

		if (i == j || (op < 7 ? on[i] : !on[i]))
			continue;
		if ((op >= 3 && op < 7 && !on[j]) || (op == 10 && on[j]))
			continue;
		switch (op) {
		case 0:
			BOTH2(hlist_add_head, item[i].node, hhead[h]);
			break;
		case 1:
			BOTH2(hlist_add_head_rcu, item[i].node, hhead[h]);
			break;
		case 2:
			BOTH2(hlist_add_tail_rcu, item[i].node, hhead[h]);
			break;
		case 3:
			BOTH2(hlist_add_before, item[i].node, item[j].node);
			break;
		case 4:
			BOTH2(hlist_add_before_rcu, item[i].node, item[j].node);
			break;
		case 5:
			BOTH2(hlist_add_behind, item[i].node, item[j].node);
			break;
		case 6:
			BOTH2(hlist_add_behind_rcu, item[i].node, item[j].node);
			break;
		case 7:
			BOTH(hlist_del, item[i].node);
			break;
		case 8:
			BOTH(hlist_del_init, item[i].node);
			/* Once more: it is on no list now, and that is known. */
			BOTH(hlist_del_init, item[i].node);
			break;
		case 9:
			if (h)
				BOTH(hlist_del_rcu, item[i].node);
			else
				BOTH(hlist_del_init_rcu, item[i].node);
			break;
		case 10:
			BOTH2(hlist_replace_rcu, item[i].node, item[j].node);
			break;
		}
		on[i] = op < 7;
		if (op == 10)
			on[j] = true;
		ops[op]++;
		KUNIT_ASSERT_TRUE_MSG(test, arenas_agree(), "round %d, operation %u", round, op);
	}
	for (int op = 0; op < ARRAY_SIZE(ops); op++)
		KUNIT_EXPECT_GT_MSG(test, ops[op], 10, "operation %d", op);
}

/*
 * Items that readers must find in each walk. The others come and go, and before
 * they come their pointers lead into a trap: who follows one has found an item
 * that was not yet linked.
 */
#define STAYS	2
#define TRAP	(ITEMS - 1)
#define TRAPPED	~0ULL

static struct {
	bool stop;
	atomic_long_t walks, strange;	/* items that came and went, seen by readers */
	atomic_t torn, trapped, lost, long_ones;
} readers;

/* One step of a walk: is the item whole? Counts what it must not miss. */
static bool see(const struct item *pos, int *steps, int *stays)
{
	u64 key = READ_ONCE(pos->key), inverse = READ_ONCE(pos->inverse);

	if (key != ~inverse)
		atomic_inc(&readers.torn);
	if (key == TRAPPED) {
		atomic_inc(&readers.trapped);
		return false;
	}
	if (key < STAYS)
		*stays += key + 1;
	else
		atomic_long_inc(&readers.strange);
	if (++*steps > ITEMS) {
		atomic_inc(&readers.long_ones);
		return false;
	}
	return true;
}

static int reader(void *unused)
{
	while (!READ_ONCE(readers.stop)) {
		for (int i = 0; i < 100; i++) {
			int steps = 0, stays = 0;
			const struct item *pos;

			guard(rcu)();
			list_for_each_entry_rcu(pos, rare_ptr(&rare.head[0]), list)
				if (!see(pos, &steps, &stays))
					break;
			if (stays != 3)
				atomic_inc(&readers.lost);
			steps = 0;
			stays = 0;
			hlist_for_each_entry_rcu(pos, rare_ptr(&rare.hhead[0]), node)
				if (!see(pos, &steps, &stays))
					break;
			if (stays != 3)
				atomic_inc(&readers.lost);
			atomic_long_inc(&readers.walks);
		}
		cond_resched();
	}
	return until_stopped();
}

static void set_item(int i, u64 key)
{
	scoped_guard(rare_write) {
		__rare_write(rare.item[i].key, key);
		__rare_write(rare.item[i].inverse, ~key);
		__rare_write(rare.item[i].list.next, (struct list_head *)&rare.item[TRAP].list);
		__rare_write(rare.item[i].list.prev, NULL);
		__rare_write(rare.item[i].node.next, (struct hlist_node *)&rare.item[TRAP].node);
		__rare_write(rare.item[i].node.pprev, NULL);
	}
}

/* All that was removed may be used again only when no reader is there. */
static void change_lists(u64 *key)
{
	/* From here on items are added, the last four by way of replacing. */
	for (int i = STAYS; i < TRAP; i++)
		set_item(i, (*key)++);
	for (int i = STAYS; i < TRAP - 8; i++) {
		if (i & 1)
			rare_list_add_rcu(&rare.item[i].list, &rare.head[0]);
		else
			rare_list_add_tail_rcu(&rare.item[i].list, &rare.head[0]);
		if (i & 2)
			rare_hlist_add_head_rcu(&rare.item[i].node, &rare.hhead[0]);
		else
			rare_hlist_add_behind_rcu(&rare.item[i].node, &rare.item[0].node);
	}
	for (int i = TRAP - 8; i < TRAP - 4; i++)
		rare_list_add_rcu(&rare.item[i].list, &rare.head[1]);
	rare_list_splice_rcu(&rare.head[1], &rare.head[0]);
	rare_list_init(&rare.head[1]);
	for (int i = TRAP - 4; i < TRAP; i++) {
		rare_list_replace_rcu(&rare.item[i - 4].list, &rare.item[i].list);
		rare_hlist_add_tail_rcu(&rare.item[i - 4].node, &rare.hhead[0]);
		rare_hlist_replace_rcu(&rare.item[i - 4].node, &rare.item[i].node);
	}
	for (int i = STAYS; i < TRAP; i++) {
		if (i < TRAP - 8 || i >= TRAP - 4) {
			rare_list_del_rcu(&rare.item[i].list);
			rare_hlist_del_rcu(&rare.item[i].node);
		}
	}
	/* The other kind takes so long that little would happen. */
	synchronize_rcu_expedited();
}

/* P10 for lists: no reader finds an item that is not whole, or loses its way. */
static void rcu_readers(struct kunit *test)
{
	int this = raw_smp_processor_id(), cpu, n = 0, rounds = 0;
	struct task_struct *tasks[3];
	unsigned long start;
	u64 key = STAYS;
	long seen;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	init_arenas(test);
	memset(&readers, 0, sizeof(readers));
	for (int i = 0; i < STAYS; i++) {
		set_item(i, i);
		rare_list_add_tail(&rare.item[i].list, &rare.head[0]);
		rare_hlist_add_tail_rcu(&rare.item[i].node, &rare.hhead[0]);
	}
	set_item(TRAP, TRAPPED);

	for_each_online_cpu(cpu) {
		if (cpu == this || n == ARRAY_SIZE(tasks))
			continue;
		tasks[n] = kthread_create_on_cpu(reader, NULL, cpu, "reader/%u");
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[n]));
		wake_up_process(tasks[n++]);
	}
	start = jiffies;
	do {
		change_lists(&key);
		rounds++;
		seen = min(atomic_long_read(&readers.walks), atomic_long_read(&readers.strange));
	} while (goes_on(start, seen > 100));
	WRITE_ONCE(readers.stop, true);
	while (n)
		kthread_stop(tasks[--n]);

	KUNIT_EXPECT_EQ(test, atomic_read(&readers.torn), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&readers.trapped), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&readers.lost), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&readers.long_ones), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&readers.walks), 100);
	KUNIT_EXPECT_GT(test, atomic_long_read(&readers.strange), 100);
	kunit_info(test, "%d rounds, %ld walks, %ld items that came and went\n", rounds,
		   atomic_long_read(&readers.walks), atomic_long_read(&readers.strange));
}

static struct kunit_case list_cases[] = {
	KUNIT_CASE(static_list),
	KUNIT_CASE(like_list_h),
	KUNIT_CASE(splice_and_replace),
	KUNIT_CASE(like_hlist_h),
	KUNIT_CASE_SLOW(rcu_readers),
	{}
};

static struct kunit_suite list_suite = {
	.name = "rare_list",
	.test_cases = list_cases,
};

#if defined(CONFIG_RARE_WRITE) && defined(MODULE)

/* What an attacker has: memory of his own making, and the arenas as they were. */
static struct item forged;
static struct hlist_head forged_head;
static struct arena rare_before;
static struct item forged_before;
static struct hlist_head forged_head_before;

/* Things are as wrong as they shall be: none of it may change from here on. */
static void take_snapshot(void)
{
	memcpy(&rare_before, rare_ptr(&rare), sizeof(rare));
	forged_before = forged;
	forged_head_before = forged_head;
}

static void expect_snapshot(struct kunit *test)
{
	KUNIT_EXPECT_MEMEQ(test, rare_ptr(&rare), &rare_before, sizeof(rare));
	KUNIT_EXPECT_MEMEQ(test, &forged, &forged_before, sizeof(forged));
	KUNIT_EXPECT_MEMEQ(test, &forged_head, &forged_head_before, sizeof(forged_head));
}

/* Write-rare nodes as the attacker would like to find them, by their plain pointers. */
#define HEAD	((struct list_head *)&rare.head[0])
#define HHEAD	((struct hlist_head *)&rare.hhead[0])
#define NODE(i)	((struct hlist_node *)&rare.item[i].node)
#define LIST(i)	((struct list_head *)&rare.item[i].list)

/* A list of 0, 1 and 2, and the same as hlist; 3 and 4 are free. */
static void begin_attack(struct kunit *test)
{
	init_arenas(test);
	memset(&forged, 0, sizeof(forged));
	forged_head.first = NULL;
	for (int i = 0; i < 3; i++) {
		rare_list_add_tail(LIST(i), HEAD);
		rare_hlist_add_tail_rcu(NODE(i), HHEAD);
	}
}

/* Have the forged node take the place of 1: what list.h looks at is all right. */
static void forge_list(void)
{
	forged.list.prev = LIST(0);
	forged.list.next = LIST(2);
	rare_write(rare.item[0].list.next, &forged.list);
	rare_write(rare.item[2].list.prev, &forged.list);
	take_snapshot();
}

static void forge_hlist(void)
{
	forged.node.pprev = &NODE(0)->next;
	forged.node.next = NODE(2);
	rare_write(rare.item[0].node.next, &forged.node);
	rare_write(rare.item[2].node.pprev, &forged.node.next);
	take_snapshot();
}

static void add_forged(void)
{
	take_snapshot();
	rare_list_add(&forged.list, HEAD);
}

static void add_to_forged(void)
{
	INIT_LIST_HEAD(&forged.list);
	take_snapshot();
	rare_list_add(LIST(3), &forged.list);
}

static void add_before_forged(void)
{
	forge_list();
	rare_list_add(LIST(3), LIST(0));
}

static void add_behind_forged(void)
{
	forge_list();
	rare_list_add_tail(LIST(3), LIST(2));
}

static void del_forged(void)
{
	forge_list();
	rare_list_del(&forged.list);
}

static void del_before_forged(void)
{
	forge_list();
	rare_list_del_rcu(LIST(0));
}

static void del_behind_forged(void)
{
	forge_list();
	rare_list_del_init(LIST(2));
}

static void replace_forged(void)
{
	forge_list();
	rare_list_replace_rcu(&forged.list, LIST(3));
}

static void replace_by_forged(void)
{
	take_snapshot();
	rare_list_replace(LIST(1), &forged.list);
}

static void replace_before_forged(void)
{
	forge_list();
	rare_list_replace_rcu(LIST(0), LIST(3));
}

static void replace_behind_forged(void)
{
	forge_list();
	rare_list_replace(LIST(2), LIST(3));
}

/* A list of one: @entry on @head, as list.h wants it. */
static void forge_list_of_one(struct list_head *head, struct list_head *entry)
{
	forged.list.next = head == &forged.list ? entry : head;
	forged.list.prev = forged.list.next;
	scoped_guard(rare_write) {
		__wr_rare_type struct list_head *other = head == &forged.list ? entry : head;

		__rare_write(other->next, &forged.list);
		__rare_write(other->prev, &forged.list);
	}
	take_snapshot();
}

static void splice_forged_head(void)
{
	forge_list_of_one(&forged.list, LIST(3));
	rare_list_splice(&forged.list, HEAD);
}

static void splice_forged_entry(void)
{
	forge_list_of_one((struct list_head *)&rare.head[1], &forged.list);
	rare_list_splice_init(&rare.head[1], HEAD);
}

static void splice_to_forged(void)
{
	INIT_LIST_HEAD(&forged.list);
	take_snapshot();
	rare_list_splice_tail_init(HEAD, &forged.list);
}

static void init_forged(void)
{
	take_snapshot();
	rare_list_init(&forged.list);
}

static void hadd_forged(void)
{
	take_snapshot();
	rare_hlist_add_head(&forged.node, HHEAD);
}

static void hadd_to_forged(void)
{
	take_snapshot();
	rare_hlist_add_head_rcu(NODE(3), &forged_head);
}

/* Not a fault, as it would be if the head were read before it is looked at. */
static void hadd_to_null(void)
{
	take_snapshot();
	rare_hlist_add_head(NODE(3), NULL);
}

static void hadd_before_forged(void)
{
	forge_hlist();
	rare_hlist_add_behind(NODE(3), NODE(0));
}

static void hadd_behind_forged(void)
{
	forge_hlist();
	rare_hlist_add_before(NODE(3), NODE(2));
}

static void hadd_tail_forged(void)
{
	forge_hlist();
	forged.node.next = NULL;
	take_snapshot();
	rare_hlist_add_tail_rcu(NODE(3), HHEAD);
}

static void hdel_forged(void)
{
	forge_hlist();
	rare_hlist_del(&forged.node);
}

static void hdel_before_forged(void)
{
	forge_hlist();
	rare_hlist_del_rcu(NODE(0));
}

static void hdel_behind_forged(void)
{
	forge_hlist();
	rare_hlist_del_init(NODE(2));
}

static void hreplace_before_forged(void)
{
	forge_hlist();
	rare_hlist_replace_rcu(NODE(0), NODE(3));
}

static void hreplace_by_forged(void)
{
	take_snapshot();
	rare_hlist_replace_rcu(NODE(1), &forged.node);
}

#define MISUSE(func)	{ #func, func }

static const struct misuse misuses[] = {
	MISUSE(add_forged),
	MISUSE(add_to_forged),
	MISUSE(add_before_forged),
	MISUSE(add_behind_forged),
	MISUSE(del_forged),
	MISUSE(del_before_forged),
	MISUSE(del_behind_forged),
	MISUSE(replace_forged),
	MISUSE(replace_by_forged),
	MISUSE(replace_before_forged),
	MISUSE(replace_behind_forged),
	MISUSE(splice_forged_head),
	MISUSE(splice_forged_entry),
	MISUSE(splice_to_forged),
	MISUSE(init_forged),
	MISUSE(hadd_forged),
	MISUSE(hadd_to_forged),
	MISUSE(hadd_to_null),
	MISUSE(hadd_before_forged),
	MISUSE(hadd_behind_forged),
	MISUSE(hadd_tail_forged),
	MISUSE(hdel_forged),
	MISUSE(hdel_before_forged),
	MISUSE(hdel_behind_forged),
	MISUSE(hreplace_before_forged),
	MISUSE(hreplace_by_forged),
};

/* P6: a node that is not write-rare, wherever it turns up; and nothing half done. */
static void list_misuse_is_fatal(struct kunit *test)
{
	const struct misuse *misuse = test->param_value;
	unsigned int cpu = cpu_to_die_on();

	begin_attack(test);
	memset(&rare_before, 0, sizeof(rare_before));
	KUNIT_EXPECT_TRUE(test, dies(call_misuse, (void *)misuse, cpu, misuse->name, DIES_OF_BUG));
	expect_snapshot(test);
	expect_usable(test, cpu);
}

KUNIT_ARRAY_PARAM(misuse, misuses, misuse_name);

/* Do @op, which must report @what and leave everything as it was. */
#define expect_report(test, what, op)					\
do {									\
	take_snapshot();						\
	pr_info("rare_write-expect-begin: corruption /%s/\n", what);	\
	op;								\
	pr_info("rare_write-expect-end: corruption\n");			\
	expect_snapshot(test);						\
} while (0)

/* Nodes that are write-rare, but not linked as they should be. */
static void corruption_is_reported(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_DEBUG_LIST) || IS_ENABLED(CONFIG_BUG_ON_DATA_CORRUPTION))
		kunit_skip(test, "needs DEBUG_LIST");

	begin_attack(test);
	expect_report(test, "list_add double add", rare_list_add(LIST(0), HEAD));
	rare_list_del(LIST(1));
	expect_report(test, "list_del corruption, .*LIST_POISON1", rare_list_del(LIST(1)));
	expect_report(test, "list_del corruption, .*LIST_POISON1",
		      rare_list_replace(LIST(1), LIST(3)));

	begin_attack(test);
	rare_write(rare.item[0].list.next, LIST(2));
	expect_report(test, "list_add corruption. next->prev", rare_list_add(LIST(3), LIST(0)));
	expect_report(test, "list_add corruption. prev->next",
		      rare_list_add_tail(LIST(3), LIST(1)));
	expect_report(test, "list_del corruption. prev->next",
		      rare_list_replace_rcu(LIST(1), LIST(3)));
	expect_report(test, "list_add corruption. next->prev",
		      rare_list_splice(HEAD, LIST(0)));

	begin_attack(test);
	rare_write(rare.item[1].node.pprev, &NODE(2)->next);
	expect_report(test, "rare_hlist corruption", rare_hlist_add_before(NODE(3), NODE(1)));
	expect_report(test, "rare_hlist corruption", rare_hlist_add_behind(NODE(3), NODE(0)));
	expect_report(test, "rare_hlist corruption", rare_hlist_replace_rcu(NODE(1), NODE(3)));
	begin_attack(test);
	expect_report(test, "rare_hlist double add", rare_hlist_add_head(NODE(0), HHEAD));
}

static struct kunit_case misuse_cases[] = {
	/* Before the oopses: arm64 then takes itself to be in one, and is silent. */
	KUNIT_CASE(corruption_is_reported),
	KUNIT_CASE_PARAM(list_misuse_is_fatal, misuse_gen_params),
	{}
};

static struct kunit_suite misuse_suite = {
	.name = "rare_list_misuse",
	.test_cases = misuse_cases,
};

kunit_test_suites(&list_suite, &misuse_suite);

#else

kunit_test_suite(list_suite);

#endif /* CONFIG_RARE_WRITE && MODULE */

MODULE_DESCRIPTION("KUnit tests for write-rare lists");
MODULE_LICENSE("GPL");
