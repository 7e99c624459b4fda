/* SPDX-License-Identifier: GPL-2.0-only */
/**
 * DOC: Lists whose heads and entries are write-rare
 *
 * A list of handlers is worth as much to an attacker as a table of them: who
 * writes one of its pointers puts a handler of his own into it. Here heads and
 * entries are write-rare data, and each operation is one window.
 *
 * Usage example::
 *
 *   struct handler {
 *           int (*func)(int arg);
 *           struct list_head list;
 *   };
 *
 *   static RARE_LIST_HEAD(handlers);
 *   static __wr_rare_type struct handler mine __wr_rare = { .func = my_func };
 *
 *   rare_list_add_rcu(&mine.list, &handlers);      // under the lock of the list
 *
 *   const struct handler *h;
 *
 *   guard(rcu)();
 *   list_for_each_entry_rcu(h, rare_ptr(&handlers), list)
 *           h->func(arg);                          // h->func = ... does not compile
 *
 * Readers have no need of other loops: a list_head holds plain pointers, and
 * rare_ptr() makes one of the head. Give the cursor a const type, and the
 * compiler refuses to write through it; if it is not, such a write faults.
 *
 * What may be linked: every node that an operation changes or links to must be
 * write-rare, of the kernel or of a module, else it is a BUG() before anything
 * was written. That goes for the neighbours, too: mixed lists are refused. A list
 * with a single plain node would be no better protected than that node, and the
 * entry behind it would take its pointers from memory that anybody can write.
 * So a node that an attacker made up, or a pointer to one, leads nowhere: a node
 * that is accepted has pointers that only these operations wrote.
 *
 * Then come the checks of CONFIG_LIST_HARDENED and CONFIG_DEBUG_LIST, with the same
 * report and the same result as list_add() and list_del(). Replacing and splicing
 * have them as well, and so have the hlist forms, which list.h leaves unchecked.
 *
 * Context: as rare_write(). The operations exclude each other no more than those
 * of list.h do: take the lock of the list. Where readers under RCU may be in it, the
 * names with _rcu are to be used: a node is complete before it can be found. An entry
 * that was removed must not be added again before a grace period has passed.
 *
 * Everything is inlined, see rare_write.h. Without CONFIG_RARE_WRITE these are the
 * functions of list.h and rculist.h, and those without _rcu order nothing for readers.
 */
#ifndef _LINUX_RARE_LIST_H
#define _LINUX_RARE_LIST_H

#include <linux/list.h>
#include <linux/rare_write.h>
#include <linux/rculist.h>

#if RARE_WRITE_IS_ON

#include <linux/bug.h>
#include <linux/poison.h>

/**
 * RARE_LIST_HEAD_INIT - the initial value of a write-rare head, or of an entry
 * @name: the object, a struct list_head
 */
#define RARE_LIST_HEAD_INIT(name)					\
	{ (struct list_head *)&(name), (struct list_head *)&(name) }

/* Where a pointer to an hlist_node is: in a head, or in the node before. */
typedef struct hlist_node * __wr_rare_type __rare_hlist_slot;

/*
 * BUG() unless the node is write-rare: its pointers are then what was written
 * into them by rare_write(), and may be followed. It may lie across two pages.
 */
static __always_inline void __rare_list_check(__wr_rare_type struct list_head *node)
{
	__rare_entry(__rare_addr(&node->next));
	__rare_entry(__rare_addr(&node->prev));
}

static __always_inline void __rare_hlist_check(__wr_rare_type struct hlist_node *node)
{
	__rare_entry(__rare_addr(&node->next));
	__rare_entry(__rare_addr(&node->pprev));
}

static __always_inline void
__rare_list_set(__wr_rare_type struct list_head *node, const volatile void *next,
		const volatile void *prev)
{
	__rare_write(node->next, (struct list_head *)next);
	__rare_write(node->prev, (struct list_head *)prev);
}

static __always_inline void
__rare_hlist_set(__wr_rare_type struct hlist_node *node, const volatile void *next,
		 const volatile void *pprev)
{
	__rare_write(node->next, (struct hlist_node *)next);
	__rare_write(node->pprev, (struct hlist_node **)pprev);
}

/**
 * rare_list_init - make a write-rare head an empty list
 * @head: the head
 *
 * As INIT_LIST_HEAD(), for heads that have no initial value.
 *
 * Context: as rare_write().
 */
static __always_inline void rare_list_init(__wr_rare_type struct list_head *head)
{
	guard(rare_write)();
	__rare_list_set(head, head, head);
}

/*
 * The checks of list.h, which read as others do what changes: they must not see whose
 * pointers these are, or the compiler has them compare with a head's initial value.
 */
static __always_inline bool
__rare_list_add_valid(__wr_rare_type struct list_head *new, __wr_rare_type struct list_head *prev,
		      __wr_rare_type struct list_head *next)
{
	return __list_add_valid((struct list_head *)rare_ptr(new),
				(struct list_head *)rare_ptr(prev),
				(struct list_head *)rare_ptr(next));
}

static __always_inline bool __rare_list_del_valid(__wr_rare_type struct list_head *entry)
{
	return __list_del_entry_valid((struct list_head *)rare_ptr(entry));
}

/*
 * Between @prev and @next; the caller has checked one of them, and the last store
 * but one is what readers find @new by.
 */
static __always_inline void
__rare_list_add(__wr_rare_type struct list_head *new, __wr_rare_type struct list_head *prev,
		__wr_rare_type struct list_head *next)
{
	__rare_list_check(new);
	if (!__rare_list_add_valid(new, prev, next))
		return;
	__rare_list_check(prev);
	__rare_list_check(next);
	__rare_list_set(new, next, prev);
	__rare_write_release(prev->next, (struct list_head *)new);
	__rare_write(next->prev, (struct list_head *)new);
}

/**
 * rare_list_add - add an entry at the start of a write-rare list
 * @new: the entry
 * @head: the head, or the entry to add it after
 *
 * As list_add(), and as list_add_rcu(): it is published in the right order.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_list_add(__wr_rare_type struct list_head *new, __wr_rare_type struct list_head *head)
{
	guard(rare_write)();
	__rare_list_check(head);
	__rare_list_add(new, head, head->next);
}

/**
 * rare_list_add_tail - add an entry at the end of a write-rare list
 * @new: the entry
 * @head: the head, or the entry to add it before
 *
 * As list_add_tail(), and as list_add_tail_rcu().
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_list_add_tail(__wr_rare_type struct list_head *new, __wr_rare_type struct list_head *head)
{
	guard(rare_write)();
	__rare_list_check(head);
	__rare_list_add(new, head->prev, head);
}

#define rare_list_add_rcu(new, head)		rare_list_add(new, head)
#define rare_list_add_tail_rcu(new, head)	rare_list_add_tail(new, head)

/* Link the neighbours to each other. Readers that are at @entry go on from it. */
static __always_inline void __rare_list_unlink(__wr_rare_type struct list_head *entry)
{
	__wr_rare_type struct list_head *prev, *next;

	__rare_list_check(entry);
	if (!__rare_list_del_valid(entry))
		return;
	prev = entry->prev;
	next = entry->next;
	__rare_list_check(prev);
	__rare_list_check(next);
	__rare_write(next->prev, (struct list_head *)prev);
	__rare_write(prev->next, (struct list_head *)next);
}

/**
 * rare_list_del - remove an entry from a write-rare list
 * @entry: the entry; its pointers are poisoned
 *
 * As list_del(): not for a list that is read under RCU.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void rare_list_del(__wr_rare_type struct list_head *entry)
{
	guard(rare_write)();
	__rare_list_unlink(entry);
	__rare_list_set(entry, LIST_POISON1, LIST_POISON2);
}

/**
 * rare_list_del_init - remove an entry from a write-rare list, and initialise it
 * @entry: the entry, which is an empty list afterwards
 *
 * As list_del_init(): not for a list that is read under RCU.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void rare_list_del_init(__wr_rare_type struct list_head *entry)
{
	guard(rare_write)();
	__rare_list_unlink(entry);
	__rare_list_set(entry, entry, entry);
}

/**
 * rare_list_del_rcu - remove an entry from a write-rare list that has readers
 * @entry: the entry; readers that are at it can still go on
 *
 * As list_del_rcu().
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void rare_list_del_rcu(__wr_rare_type struct list_head *entry)
{
	guard(rare_write)();
	__rare_list_unlink(entry);
	__rare_write(entry->prev, LIST_POISON2);
}

/* Returns false, with nothing changed, if a check fails. */
static __always_inline bool
__rare_list_replace(__wr_rare_type struct list_head *old, __wr_rare_type struct list_head *new)
{
	__wr_rare_type struct list_head *prev, *next;

	__rare_list_check(old);
	__rare_list_check(new);
	if (!__rare_list_del_valid(old))
		return false;
	prev = old->prev;
	next = old->next;
	if (next == old) {
		__rare_list_set(new, new, new);
		return true;
	}
	__rare_list_check(prev);
	__rare_list_check(next);
	__rare_list_set(new, next, prev);
	__rare_write_release(prev->next, (struct list_head *)new);
	__rare_write(next->prev, (struct list_head *)new);
	return true;
}

/**
 * rare_list_replace - put another entry, or head, in the place of one
 * @old: what is replaced; its pointers stay as they are
 * @new: what takes its place, and is not on a list
 *
 * As list_replace(). If @old is an empty list, so is @new afterwards.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_list_replace(__wr_rare_type struct list_head *old, __wr_rare_type struct list_head *new)
{
	guard(rare_write)();
	__rare_list_replace(old, new);
}

/**
 * rare_list_replace_rcu - put another entry in the place of one, under readers
 * @old: the entry that is replaced; readers that are at it can still go on
 * @new: the entry that takes its place, and is not on a list
 *
 * As list_replace_rcu(): a reader finds the one or the other.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_list_replace_rcu(__wr_rare_type struct list_head *old, __wr_rare_type struct list_head *new)
{
	guard(rare_write)();
	if (__rare_list_replace(old, new))
		__rare_write(old->prev, LIST_POISON2);
}

/* As for __rare_list_add(), with all of @list in the place of @new. */
static __always_inline void
__rare_list_splice(__wr_rare_type struct list_head *list, __wr_rare_type struct list_head *prev,
		   __wr_rare_type struct list_head *next, bool init)
{
	__wr_rare_type struct list_head *first, *last;

	__rare_list_check(list);
	first = list->next;
	last = list->prev;
	if (first == list)
		return;
	if (!__rare_list_del_valid(list) || !__rare_list_add_valid(list, prev, next))
		return;
	__rare_list_check(prev);
	__rare_list_check(next);
	__rare_list_check(first);
	__rare_list_check(last);
	__rare_write(last->next, (struct list_head *)next);
	__rare_write(first->prev, (struct list_head *)prev);
	__rare_write_release(prev->next, (struct list_head *)first);
	__rare_write(next->prev, (struct list_head *)last);
	if (init)
		__rare_list_set(list, list, list);
}

/**
 * rare_list_splice - move what is on one write-rare list to the start of another
 * @list: the head of the one, which nobody may be reading; it keeps its pointers
 * @head: the head of the other, or the entry to put them after
 *
 * As list_splice(), and as list_splice_rcu().
 *
 * Context: as rare_write(), under the locks of both lists.
 */
static __always_inline void
rare_list_splice(__wr_rare_type struct list_head *list, __wr_rare_type struct list_head *head)
{
	guard(rare_write)();
	__rare_list_check(head);
	__rare_list_splice(list, head, head->next, false);
}

/**
 * rare_list_splice_tail - move what is on one write-rare list to the end of another
 * @list: the head of the one, which nobody may be reading; it keeps its pointers
 * @head: the head of the other, or the entry to put them before
 *
 * As list_splice_tail(); @head may have no readers.
 *
 * Context: as rare_write(), under the locks of both lists.
 */
static __always_inline void
rare_list_splice_tail(__wr_rare_type struct list_head *list, __wr_rare_type struct list_head *head)
{
	guard(rare_write)();
	__rare_list_check(head);
	__rare_list_splice(list, head->prev, head, false);
}

/**
 * rare_list_splice_init - rare_list_splice(), and leave an empty list behind
 * @list: the head of the one, which nobody may be reading
 * @head: the head of the other, or the entry to put them after
 *
 * As list_splice_init(); @head may have no readers.
 *
 * Context: as rare_write(), under the locks of both lists.
 */
static __always_inline void
rare_list_splice_init(__wr_rare_type struct list_head *list, __wr_rare_type struct list_head *head)
{
	guard(rare_write)();
	__rare_list_check(head);
	__rare_list_splice(list, head, head->next, true);
}

/**
 * rare_list_splice_tail_init - rare_list_splice_tail(), and leave an empty list behind
 * @list: the head of the one, which nobody may be reading
 * @head: the head of the other, or the entry to put them before
 *
 * As list_splice_tail_init(); @head may have no readers.
 *
 * Context: as rare_write(), under the locks of both lists.
 */
static __always_inline void
rare_list_splice_tail_init(__wr_rare_type struct list_head *list,
			   __wr_rare_type struct list_head *head)
{
	guard(rare_write)();
	__rare_list_check(head);
	__rare_list_splice(list, head->prev, head, true);
}

#define rare_list_splice_rcu(list, head)	rare_list_splice(list, head)

/*
 * Does @slot lead to @node, and @node, if there is one, back to it? Both are
 * write-rare. Reports as the checks of list.h do.
 */
static __always_inline bool
__rare_hlist_valid(__rare_hlist_slot *slot, __wr_rare_type struct hlist_node *node)
{
	if (!IS_ENABLED(CONFIG_LIST_HARDENED))
		return true;
	return !CHECK_DATA_CORRUPTION(*slot != node || (node && node->pprev != slot),
				      "rare_hlist corruption: %px leads to %px, not to %px and back\n",
				      slot, *slot, node);
}

/* Between @slot and @next, to which it leads; that may be nothing. */
static __always_inline void
__rare_hlist_add(__wr_rare_type struct hlist_node *new, __rare_hlist_slot *slot,
		 __wr_rare_type struct hlist_node *next)
{
	__rare_hlist_check(new);
	__rare_entry(__rare_addr(slot));
	if (next)
		__rare_hlist_check(next);
	if (!__rare_hlist_valid(slot, next))
		return;
	if (IS_ENABLED(CONFIG_LIST_HARDENED) &&
	    CHECK_DATA_CORRUPTION(next == new || slot == &new->next,
				  "rare_hlist double add: new=%px, slot=%px\n", new, slot))
		return;
	__rare_hlist_set(new, next, slot);
	__rare_write_release(*slot, (struct hlist_node *)new);
	if (next)
		__rare_write(next->pprev, (struct hlist_node **)&new->next);
}

/**
 * rare_hlist_add_head - add a node at the start of a write-rare hlist
 * @n: the node
 * @h: the head
 *
 * As hlist_add_head(), and as hlist_add_head_rcu().
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_hlist_add_head(__wr_rare_type struct hlist_node *n, __wr_rare_type struct hlist_head *h)
{
	guard(rare_write)();
	__rare_entry(__rare_addr(&h->first));
	__rare_hlist_add(n, &h->first, h->first);
}

/**
 * rare_hlist_add_before - add a node before another of a write-rare hlist
 * @n: the node
 * @next: the node to add it before
 *
 * As hlist_add_before(), and as hlist_add_before_rcu().
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_hlist_add_before(__wr_rare_type struct hlist_node *n, __wr_rare_type struct hlist_node *next)
{
	guard(rare_write)();
	__rare_hlist_check(next);
	__rare_hlist_add(n, next->pprev, next);
}

/**
 * rare_hlist_add_behind - add a node behind another of a write-rare hlist
 * @n: the node
 * @prev: the node to add it behind
 *
 * As hlist_add_behind(), and as hlist_add_behind_rcu().
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_hlist_add_behind(__wr_rare_type struct hlist_node *n, __wr_rare_type struct hlist_node *prev)
{
	guard(rare_write)();
	__rare_hlist_check(prev);
	__rare_hlist_add(n, &prev->next, prev->next);
}

/**
 * rare_hlist_add_tail_rcu - add a node at the end of a write-rare hlist
 * @n: the node
 * @h: the head
 *
 * As hlist_add_tail_rcu(). Looks for the end with interrupts as they are, and follows
 * nothing but what is write-rare.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_hlist_add_tail_rcu(__wr_rare_type struct hlist_node *n, __wr_rare_type struct hlist_head *h)
{
	__rare_hlist_slot *slot = &h->first;

	/* It asks about what it follows before there is a window that keeps modules here. */
	guard(rcu)();
	__rare_entry(__rare_addr(slot));
	while (*slot) {
		__rare_hlist_check(*slot);
		slot = &(*slot)->next;
	}
	guard(rare_write)();
	__rare_hlist_add(n, slot, NULL);
}

#define rare_hlist_add_head_rcu(n, h)		rare_hlist_add_head(n, h)
#define rare_hlist_add_before_rcu(n, next)	rare_hlist_add_before(n, next)
#define rare_hlist_add_behind_rcu(n, prev)	rare_hlist_add_behind(n, prev)

/* Checks the node that is to go, and what is linked to it. */
static __always_inline bool __rare_hlist_linked(__wr_rare_type struct hlist_node *n)
{
	__rare_hlist_slot *slot;

	__rare_hlist_check(n);
	slot = n->pprev;
	__rare_entry(__rare_addr(slot));
	if (n->next)
		__rare_hlist_check(n->next);
	return __rare_hlist_valid(slot, n) && __rare_hlist_valid(&n->next, n->next);
}

/* Readers that are at @n go on from it. */
static __always_inline void __rare_hlist_unlink(__wr_rare_type struct hlist_node *n)
{
	__wr_rare_type struct hlist_node *next;
	__rare_hlist_slot *slot;

	if (!__rare_hlist_linked(n))
		return;
	next = n->next;
	slot = n->pprev;
	__rare_write(*slot, (struct hlist_node *)next);
	if (next)
		__rare_write(next->pprev, (struct hlist_node **)slot);
}

/**
 * rare_hlist_del - remove a node from a write-rare hlist
 * @n: the node; its pointers are poisoned
 *
 * As hlist_del(): not for a list that is read under RCU.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void rare_hlist_del(__wr_rare_type struct hlist_node *n)
{
	guard(rare_write)();
	__rare_hlist_unlink(n);
	__rare_hlist_set(n, LIST_POISON1, LIST_POISON2);
}

/**
 * rare_hlist_del_init - remove a node from a write-rare hlist, and initialise it
 * @n: the node, which may be on no list
 *
 * As hlist_del_init(): not for a list that is read under RCU.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void rare_hlist_del_init(__wr_rare_type struct hlist_node *n)
{
	guard(rare_write)();
	__rare_hlist_check(n);
	if (!n->pprev)
		return;
	__rare_hlist_unlink(n);
	__rare_hlist_set(n, NULL, NULL);
}

/**
 * rare_hlist_del_rcu - remove a node from a write-rare hlist that has readers
 * @n: the node; readers that are at it can still go on
 *
 * As hlist_del_rcu().
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void rare_hlist_del_rcu(__wr_rare_type struct hlist_node *n)
{
	guard(rare_write)();
	__rare_hlist_unlink(n);
	__rare_write(n->pprev, LIST_POISON2);
}

/**
 * rare_hlist_del_init_rcu - remove a node under readers, and let it be seen that it is off
 * @n: the node, which may be on no list; readers that are at it can still go on
 *
 * As hlist_del_init_rcu().
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void rare_hlist_del_init_rcu(__wr_rare_type struct hlist_node *n)
{
	guard(rare_write)();
	__rare_hlist_check(n);
	if (!n->pprev)
		return;
	__rare_hlist_unlink(n);
	__rare_write(n->pprev, NULL);
}

/**
 * rare_hlist_replace_rcu - put another node in the place of one, under readers
 * @old: the node that is replaced; readers that are at it can still go on
 * @new: the node that takes its place, and is not on a list
 *
 * As hlist_replace_rcu(): a reader finds the one or the other.
 *
 * Context: as rare_write(), under the lock of the list.
 */
static __always_inline void
rare_hlist_replace_rcu(__wr_rare_type struct hlist_node *old,
		       __wr_rare_type struct hlist_node *new)
{
	__wr_rare_type struct hlist_node *next;
	__rare_hlist_slot *slot;

	guard(rare_write)();
	__rare_hlist_check(new);
	if (!__rare_hlist_linked(old))
		return;
	next = old->next;
	slot = old->pprev;
	__rare_hlist_set(new, next, slot);
	__rare_write_release(*slot, (struct hlist_node *)new);
	if (next)
		__rare_write(next->pprev, (struct hlist_node **)&new->next);
	__rare_write(old->pprev, LIST_POISON2);
}

#else /* plain lists */

#define RARE_LIST_HEAD_INIT(name)		LIST_HEAD_INIT(name)

#define rare_list_init(head)			INIT_LIST_HEAD(head)
#define rare_list_add(new, head)		list_add(new, head)
#define rare_list_add_tail(new, head)		list_add_tail(new, head)
#define rare_list_add_rcu(new, head)		list_add_rcu(new, head)
#define rare_list_add_tail_rcu(new, head)	list_add_tail_rcu(new, head)
#define rare_list_del(entry)			list_del(entry)
#define rare_list_del_init(entry)		list_del_init(entry)
#define rare_list_del_rcu(entry)		list_del_rcu(entry)
#define rare_list_replace(old, new)		list_replace(old, new)
#define rare_list_replace_rcu(old, new)		list_replace_rcu(old, new)
#define rare_list_splice(list, head)		list_splice(list, head)
#define rare_list_splice_tail(list, head)	list_splice_tail(list, head)
#define rare_list_splice_init(list, head)	list_splice_init(list, head)
#define rare_list_splice_tail_init(list, head)	list_splice_tail_init(list, head)
#define rare_list_splice_rcu(list, head)	list_splice_rcu(list, head)
#define rare_hlist_add_head(n, h)		hlist_add_head(n, h)
#define rare_hlist_add_before(n, next)		hlist_add_before(n, next)
#define rare_hlist_add_behind(n, prev)		hlist_add_behind(n, prev)
#define rare_hlist_add_head_rcu(n, h)		hlist_add_head_rcu(n, h)
#define rare_hlist_add_before_rcu(n, next)	hlist_add_before_rcu(n, next)
#define rare_hlist_add_behind_rcu(n, prev)	hlist_add_behind_rcu(n, prev)
#define rare_hlist_add_tail_rcu(n, h)		hlist_add_tail_rcu(n, h)
#define rare_hlist_del(n)			hlist_del(n)
#define rare_hlist_del_init(n)			hlist_del_init(n)
#define rare_hlist_del_rcu(n)			hlist_del_rcu(n)
#define rare_hlist_del_init_rcu(n)		hlist_del_init_rcu(n)
#define rare_hlist_replace_rcu(old, new)	hlist_replace_rcu(old, new)

#endif /* RARE_WRITE_IS_ON */

/**
 * RARE_LIST_HEAD - define an empty write-rare list
 * @name: its name; ``static`` may go before
 */
#define RARE_LIST_HEAD(name)						\
	__wr_rare_type struct list_head name __wr_rare = RARE_LIST_HEAD_INIT(name)

#endif /* _LINUX_RARE_LIST_H */
