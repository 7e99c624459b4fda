/* SPDX-License-Identifier: GPL-2.0-only */
/**
 * DOC: rare_write()
 *
 * An attacker who can write kernel memory goes for the data that decides: the
 * path of a helper that runs as root, a policy switch, a table of function
 * pointers. Such data changes rarely, but it does change, so neither const nor
 * __ro_after_init will do. Write-rare data is mapped read-only, always; it is
 * changed through a second, writable mapping of just its page, an alias, which
 * exists for a few instructions and only in page tables that no other CPU uses.
 *
 * API overview::
 *
 *   __wr_rare_type, __wr_rare               declare and place an object
 *   rare_write(var, val)                    assign
 *   rare_write_copy/_fill/_str(obj, ...)    arrays, structs, strings
 *   rare_write_release(var, val)            store-release
 *   rare_assign_pointer(ptr, val)           publish to RCU readers
 *   rare_xchg(var, val), rare_cmpxchg(var, old, new)
 *   rare_fetch_add/_or/_and(var, val)       read, modify, write: atomic
 *   rare_set_bit/_clear_bit(nr, map)        the same on a bitmap
 *   guard(rare_write)(), rare_write_begin/end() with __rare_write(),
 *   __rare_write_release() and
 *   __rare_write_copy() inside              several writes in one window
 *   rare_ptr(&var)                          a plain const pointer, for readers
 *   rare_list.h                             lists
 *
 * Usage example::
 *
 *   static __wr_rare_type int policy __wr_rare = 1;
 *   static __wr_rare_type struct my_ops ops __wr_rare = { .open = my_open };
 *
 *   if (policy)                        // an ordinary load
 *           ops.open(file);
 *
 *   policy = 0;                        // does not compile
 *   rare_write(policy, 0);             // one write, one window
 *
 *   scoped_guard(rare_write) {         // several writes, one window
 *           __rare_write(ops.open, new_open);
 *           __rare_write(policy, 2);
 *   }
 *
 * The type is const volatile, and that is the point: C's way to say that the
 * program does not assign an object which changes all the same. With const
 * alone a compiler may keep the initial value forever, and does. A reader pays
 * what READ_ONCE() costs.
 *
 * Context: process, softirq or hardirq, with interrupts on or off; not NMI. A
 * window masks interrupts and ends with them as they were. Inside, do not
 * sleep, and write what was computed before: the shorter the better.
 *
 * Atomicity: a naturally aligned object of 1, 2, 4 or 8 bytes is written by one
 * single-copy atomic store. Anything else, struct assignment included, may be
 * seen half done by other CPUs; readers need a lock, a seqcount or RCU as with
 * any data. A window is no lock and orders nothing: two CPUs may be in one.
 *
 * State and destination are checked in every kernel that has the feature, with
 * debug options or without. These are BUG()s: a window in a window, an end or a
 * write without one, a window in NMI, a destination that is not write-rare. An
 * oops inside closes the window.
 *
 * Nothing here can be called: every function that opens a window or writes is
 * inlined into its user, so that no address in the kernel is a ready-made
 * "write anything" for an attacker who controls where it jumps.
 *
 * The interface and its names are Kees Cook's, from the RFC of March 2017,
 * which credits PaX and grsecurity; the alias is text_poke()'s idea.
 */
#ifndef _LINUX_RARE_WRITE_H
#define _LINUX_RARE_WRITE_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/irqflags.h>
#include <linux/rare_write_active.h>
#include <linux/rare_write_types.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/types.h>

/* The type of @x without const and volatile, which a value does not have. */
#define __rare_typeof(x)	typeof(((void)0, (x)))

/**
 * rare_ptr - a plain pointer to write-rare data, to hand to other code
 * @ptr: pointer to the object, or an array
 *
 * Most functions take a pointer to const, not to const volatile. What they
 * read is a snapshot in the sense of any unlocked read. The compiler is kept
 * from seeing which object is meant, or it could use the initial value.
 *
 * Example: ``strcmp(rare_ptr(helper_path), "/sbin/helper")``
 *
 * Return: @ptr, as pointer to const.
 */
#define rare_ptr(ptr)							\
({									\
	const __rare_typeof(*(ptr)) *__rare_p =				\
		(const __rare_typeof(*(ptr)) *)(unsigned long)(ptr);	\
									\
	OPTIMIZER_HIDE_VAR(__rare_p);					\
	__rare_p;							\
})

#if RARE_WRITE_IS_ON

#include <linux/bug.h>
#include <linux/jump_label.h>
#include <linux/kasan.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/tracepoint-defs.h>
#include <asm/rare_write.h>

/* Data that rare_write() itself rests on: nobody else's. */
#define __wr_rare_core		__section(".data..rare_write_core")

/*
 * A window of several writes, on this CPU. That private page tables are loaded
 * is known to the CPU and asked of it; what only these windows need is here, in
 * plain memory. One that writes just once keeps it all in registers.
 */
struct rare_write_window {
	unsigned long page;	/* that the alias maps, or one of those below */
	unsigned long flags;
	struct arch_rare_write arch;
};

/*
 * No address is less than a page above these. A forged one that is meets no alias, or
 * if the window is traced that of the page which it wrote last.
 */
#define RARE_WRITE_CLOSED	(1UL << 63)
#define RARE_WRITE_OPEN		(RARE_WRITE_CLOSED + PAGE_SIZE)

DECLARE_PER_CPU(struct rare_write_window, rare_write_window);
DECLARE_STATIC_KEY_FALSE(rare_write_protected);
DECLARE_TRACEPOINT(rare_write);

/* The region of the kernel image: its start, size, and the alias entry for it. */
struct rare_write_image {
	unsigned long start;
	unsigned long size;
	u64 entry;
};

extern struct rare_write_image rare_write_image;
extern char __start_rare_write[], __end_rare_write[], __end_rare_write_core[];

u64 rare_write_lookup(unsigned long addr);
const struct module *rare_write_module_of(unsigned long addr);
void rare_write_trace_note(unsigned long dst, size_t len);
void rare_write_trace_window(void);

#ifdef CONFIG_RARE_WRITE_DEBUG
void rare_write_debug_before(unsigned long dst, size_t len);
void rare_write_debug_after(unsigned long dst, const void *src, size_t len);
#else
static inline void rare_write_debug_before(unsigned long dst, size_t len)
{
}

static inline void rare_write_debug_after(unsigned long dst, const void *src, size_t len)
{
}
#endif

/* An object can be write-rare only if its type is: catch the rest early. */
#define __rare_check(var)						\
	static_assert(__builtin_types_compatible_p(typeof(&(var)),	\
						   const volatile typeof(var) *), \
		      "not declared with __wr_rare_type: " #var)

/* What assigns a value needs an object that is one: an array decays. */
#define __rare_check_value(var)						\
do {									\
	__rare_check(var);						\
	static_assert(__same_type(__rare_typeof(var), typeof(var)),	\
		      "an array is no value, use rare_write_copy(): " #var); \
} while (0)

/* Atomic forms need a size that the machine accesses at once. */
#define __rare_check_native(var)					\
	static_assert(__native_word(typeof(var)),			\
		      "not 1, 2, 4 or 8 bytes: " #var)

/* Written by one store: its size is native and it, not just its type, aligned to it. */
#define __rare_native(var)						\
	(__native_word(typeof(var)) && __alignof__(var) >= sizeof(var))

/*
 * Bounded by the object: at compile time, or in the window, where the variable @len is
 * in a register from here on. With interrupts on it may be in memory at any time.
 */
#define __rare_check_len(obj, len)					\
do {									\
	BUILD_BUG_ON_MSG(__builtin_constant_p(len) && (len) > sizeof(obj), \
			 "longer than the object: " #obj);		\
	if (!__builtin_constant_p(len)) {				\
		OPTIMIZER_HIDE_VAR(len);				\
		BUG_ON((len) > sizeof(obj));				\
	}								\
} while (0)

static __always_inline unsigned long __rare_addr(const volatile void *ptr)
{
	return (unsigned long)kasan_reset_tag((const void *)ptr);
}

/*
 * The alias entry for the page of @addr. BUG()s if that is not write-rare. The
 * region starts and ends at page boundaries: asking once for a page is enough.
 */
static __always_inline u64 __rare_entry(unsigned long addr)
{
	unsigned long offset = addr - rare_write_image.start;

	if (likely(offset < rare_write_image.size))
		return rare_write_image.entry + (offset & PAGE_MASK);
	return rare_write_lookup(addr);
}

/* The pointer to write @addr through, which is in the page mapped last. */
static __always_inline void *__rare_alias(unsigned long addr)
{
	if (IS_ENABLED(CONFIG_HAVE_ARCH_RARE_WRITE_MEMCPY))
		return __arch_rare_write_ptr(addr);
	return (void *)addr;
}

/*
 * BUG() unless this CPU is in a window that begin opened. A caller that is in
 * none may be preempted and hand over another CPU's @w, which is in one; but then
 * it does not run with the private tables of either.
 */
static __always_inline void
__rare_inside(struct rare_write_window *w, struct arch_rare_write_tables tables)
{
	BUG_ON(w->page == RARE_WRITE_CLOSED);
	if (static_branch_likely(&rare_write_protected))
		BUG_ON(!__arch_rare_write_loaded(tables));
	else
		BUG_ON(!irqs_disabled());
}

/* Have another page mapped in a window that begin opened: the slow half of that. */
static __always_inline void *__rare_turn(unsigned long addr, size_t len)
{
	bool traced = tracepoint_enabled(rare_write);
	struct arch_rare_write_tables tables;
	u64 entry;

	__rare_inside(raw_cpu_ptr(&rare_write_window), __arch_rare_write_tables());
	if (traced)
		rare_write_trace_note(addr, len);
	entry = __rare_entry(addr);
	if (!static_branch_likely(&rare_write_protected))
		return (void *)addr;

	/* From here on no call: what is used is in registers, whatever was on the stack. */
	tables = __arch_rare_write_tables();
	if (__arch_rare_write_mapped(tables))
		__arch_rare_write_unmap(tables, __rare_alias(0));
	/*
	 * While there is no alias, since where it is may come from memory. For the trace each
	 * write must come by here.
	 */
	raw_cpu_write(rare_write_window.page, traced ? RARE_WRITE_OPEN : addr & PAGE_MASK);
	__arch_rare_write_map(tables, entry);
	return __rare_alias(addr);
}

/*
 * The pointer to write @addr through in a window that begin opened. A caller
 * that has none may be preempted and look at another CPU's; it then meets an
 * alias that its CPU does not have, and faults, or on arm64 without PAN may
 * meet memory of its process.
 */
static __always_inline void *__rare_map(unsigned long addr, size_t len)
{
	if (likely(addr - raw_cpu_read(rare_write_window.page) < PAGE_SIZE))
		return __rare_alias(addr);
	return __rare_turn(addr, len);
}

/**
 * __arch_rare_write_memcpy - write through the alias
 * @dst: pointer into the alias, not to cross its page
 * @src: what to write
 * @len: bytes, known to the compiler or not
 *
 * The RFC's hook for architectures that cannot write the object's own address.
 * 1, 2, 4 and 8 bytes are one store, which is single-copy atomic if aligned.
 */
static __always_inline void
__arch_rare_write_memcpy(void *dst, const void *src, size_t len)
{
	const u8 *s = src;
	u8 *d = dst;

	if (__builtin_constant_p(len)) {
		switch (len) {
		case 1:
			__arch_rare_write_store(d, *s, 1);
			return;
		case 2:
			__arch_rare_write_store(d, *(const u16 *)s, 2);
			return;
		case 4:
			__arch_rare_write_store(d, *(const u32 *)s, 4);
			return;
		case 8:
			__arch_rare_write_store(d, *(const u64 *)s, 8);
			return;
		}
	}
	/* Both architectures load u64 from any address. */
	for (; len >= 8; d += 8, s += 8, len -= 8)
		__arch_rare_write_store(d, *(const u64 *)s, 8);
	for (; len; d++, s++, len--)
		__arch_rare_write_store(d, *s, 1);
}

static __always_inline void
__rare_store_release(void *dst, const void *src, size_t len)
{
	switch (len) {
	case 1:
		__arch_rare_write_store_release(dst, *(const u8 *)src, 1);
		break;
	case 2:
		__arch_rare_write_store_release(dst, *(const u16 *)src, 2);
		break;
	case 4:
		__arch_rare_write_store_release(dst, *(const u32 *)src, 4);
		break;
	case 8:
		__arch_rare_write_store_release(dst, *(const u64 *)src, 8);
		break;
	}
}

/* BUG() for a range that ends where nothing may be written, before any of it is. */
static __always_inline void __rare_range(unsigned long addr, size_t len)
{
	if (offset_in_page(addr) + len > PAGE_SIZE)
		__rare_entry(addr + len - 1);
}

/*
 * Write @len bytes in a window that begin opened. An object that is @native is
 * aligned to its size and cannot cross a page; others are cut at page ends.
 */
static __always_inline void
__rare_write_n(const volatile void *dst, const void *src, size_t len, bool native)
{
	unsigned long addr = __rare_addr(dst);
	void *alias;
	size_t n;

	if (!native)
		__rare_range(addr, len);

	for (; len; addr += n, src += n, len -= n) {
		n = native ? len : min(len, PAGE_SIZE - offset_in_page(addr));
		alias = __rare_map(addr, n);
		rare_write_debug_before(addr, n);
		__arch_rare_write_memcpy(alias, src, n);
		rare_write_debug_after(addr, src, n);
		if (native)
			break;
	}
}

/* Publish by a store-release in a window that begin opened; for native sizes. */
static __always_inline void
__rare_release_n(const volatile void *dst, const void *src, size_t len)
{
	unsigned long addr = __rare_addr(dst);
	void *alias = __rare_map(addr, len);

	rare_write_debug_before(addr, len);
	__rare_store_release(alias, src, len);
	rare_write_debug_after(addr, src, len);
}

/*
 * Do @op in a window of its own, with __rare_p the way to write @var.
 * @find_entry tells the alias entry for an address, or BUG()s. @src is what @var
 * holds afterwards, NULL if that is not for this CPU to say.
 */
#define __rare_do(var, find_entry, src, op)				\
do {									\
	unsigned long __rare_a = __rare_addr(&(var)), __rare_f;		\
	__rare_typeof(var) *__rare_p;					\
	u64 __rare_e;							\
									\
	BUG_ON(in_nmi());						\
	local_irq_save(__rare_f);					\
	__rare_e = find_entry(__rare_a);				\
	rare_write_debug_before(__rare_a, sizeof(var));			\
	if (static_branch_likely(&rare_write_protected)) {		\
		struct arch_rare_write_tables __rare_t = __arch_rare_write_tables(); \
		struct arch_rare_write __rare_s =			\
			__arch_rare_write_begin(__rare_t, __rare_e);	\
									\
		__rare_p = __rare_alias(__rare_a);			\
		op;							\
		__arch_rare_write_end(__rare_t, __rare_s, __rare_p);	\
	} else {							\
		BUG_ON(raw_cpu_read(rare_write_window.page) != RARE_WRITE_CLOSED); \
		__rare_p = (void *)__rare_a;				\
		op;							\
	}								\
	rare_write_debug_after(__rare_a, src, sizeof(var));		\
	if (tracepoint_enabled(rare_write)) {				\
		rare_write_trace_note(__rare_a, sizeof(var));		\
		rare_write_trace_window();				\
	}								\
	local_irq_restore(__rare_f);					\
} while (0)

/**
 * rare_write_begin - open a window for several writes
 *
 * Names no target: the alias is made by the first __rare_write(), kept while
 * the window stays on one page, and gone after rare_write_end(). Masks
 * interrupts. scoped_guard(rare_write) does the same and cannot be left open.
 *
 * Context: Any but NMI, not in a window. BUG()s otherwise.
 */
static __always_inline void rare_write_begin(void)
{
	struct rare_write_window *w;
	unsigned long flags;

	BUG_ON(in_nmi());
	local_irq_save(flags);
	w = raw_cpu_ptr(&rare_write_window);
	BUG_ON(w->page != RARE_WRITE_CLOSED);
	if (static_branch_likely(&rare_write_protected))
		w->arch = __arch_rare_write_begin(__arch_rare_write_tables(), 0);
	w->flags = flags;
	w->page = RARE_WRITE_OPEN;
}

/**
 * rare_write_end - close the window that rare_write_begin() opened
 *
 * Context: In a window, on the CPU that opened it. BUG()s otherwise.
 */
static __always_inline void rare_write_end(void)
{
	struct rare_write_window *w = raw_cpu_ptr(&rare_write_window);
	struct arch_rare_write_tables tables = __arch_rare_write_tables();
	unsigned long flags;

	__rare_inside(w, tables);
	if (static_branch_likely(&rare_write_protected))
		__arch_rare_write_end(tables, __arch_rare_write_remembered(w->arch),
				      __rare_alias(0));
	flags = w->flags;
	w->page = RARE_WRITE_CLOSED;
	/* What is attached to the event may open a window of its own. */
	if (tracepoint_enabled(rare_write))
		rare_write_trace_window();
	local_irq_restore(flags);
}

/* guard(rare_write)(), by hand: DEFINE_LOCK_GUARD_0() need not be inlined. */
typedef struct {
	void *lock;
} class_rare_write_t;

__DEFINE_CLASS_IS_CONDITIONAL(rare_write, false);

static __always_inline class_rare_write_t class_rare_write_constructor(void)
{
	rare_write_begin();
	return (class_rare_write_t){ .lock = (void *)1 };
}

static __always_inline void class_rare_write_destructor(class_rare_write_t *c)
{
	rare_write_end();
}

static __always_inline void *class_rare_write_lock_ptr(class_rare_write_t *c)
{
	return c->lock;
}

/* A window for @len bytes at @dst, which may cross pages. */
static __always_inline void
__rare_write_bytes(const volatile void *dst, const void *src, size_t len)
{
	rare_write_begin();
	__rare_write_n(dst, src, len, false);
	rare_write_end();
}

static __always_inline void __rare_fill(const volatile void *dst, u8 byte, size_t len)
{
	u64 pattern = byte * 0x0101010101010101ULL;
	size_t n;

	rare_write_begin();
	__rare_range(__rare_addr(dst), len);
	for (; len; dst += n, len -= n) {
		n = min(len, sizeof(pattern));
		__rare_write_n(dst, &pattern, n, false);
	}
	rare_write_end();
}

static __always_inline ssize_t
__rare_str(const volatile void *dst, const char *src, size_t size)
{
	size_t len = strnlen(src, size), n;

	rare_write_begin();
	/* It may have been in memory, and longer since. */
	OPTIMIZER_HIDE_VAR(len);
	n = min(len, size - 1);
	__rare_range(__rare_addr(dst), n + 1);
	__rare_write_n(dst, src, n, false);
	__rare_write_n(dst + n, "", 1, true);
	rare_write_end();
	return len < size ? len : -E2BIG;
}

/**
 * __rare_write - assign to a write-rare object inside a window
 * @var: the object, a member or an element of one
 * @val: the new value, evaluated once, inside the window
 *
 * Context: In a window that rare_write_begin() opened. BUG()s otherwise, and if
 * @var is not write-rare.
 */
#define __rare_write(var, val)						\
do {									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_check_value(var);					\
	__rare_write_n(&(var), &__rare_val, sizeof(__rare_val),		\
		       __rare_native(var));				\
} while (0)

/**
 * __rare_write_release - rare_write_release() inside a window
 * @var: an object of 1, 2, 4 or 8 bytes; evaluated once
 * @val: the new value, evaluated once, inside the window
 *
 * Who reads @val with smp_load_acquire() or rcu_dereference() also sees what was
 * written before, in this window or earlier.
 *
 * Context: As __rare_write().
 */
#define __rare_write_release(var, val)					\
do {									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_check_value(var);					\
	__rare_check_native(var);					\
	__rare_release_n(&(var), &__rare_val, sizeof(__rare_val));	\
} while (0)

/**
 * rare_write - assign to a write-rare object
 * @var: the object, a member or an element of one; evaluated once
 * @val: the new value, evaluated once, before the window opens
 *
 * A naturally aligned object of 1, 2, 4 or 8 bytes changes atomically. Orders
 * nothing: use rare_write_release() to publish.
 *
 * Context: Any but NMI, not in a window. BUG()s otherwise, and if @var is not
 * write-rare.
 * Return: the new value.
 */
#define rare_write(var, val)						\
({									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_check_value(var);					\
	if (__rare_native(var))						\
		__rare_do(var, __rare_entry, &__rare_val,		\
			  __arch_rare_write_memcpy(__rare_p, &__rare_val, \
						   sizeof(__rare_val))); \
	else								\
		__rare_write_bytes(&(var), &__rare_val, sizeof(__rare_val)); \
	__rare_val;							\
})

/**
 * rare_write_release - assign and publish
 * @var: an object of 1, 2, 4 or 8 bytes; evaluated once
 * @val: the new value, evaluated once, before the window opens
 *
 * As smp_store_release(): who reads @val with smp_load_acquire() also sees what
 * this CPU wrote before, to write-rare memory or any other.
 *
 * Context: As rare_write().
 */
#define rare_write_release(var, val)					\
do {									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_check_value(var);					\
	__rare_check_native(var);					\
	__rare_do(var, __rare_entry, &__rare_val,			\
		  __rare_store_release(__rare_p, &__rare_val, sizeof(__rare_val)));	\
} while (0)

/**
 * rare_assign_pointer - publish a write-rare pointer to RCU readers
 * @ptr: the pointer variable; evaluated once
 * @val: the new pointer, evaluated once
 *
 * As rcu_assign_pointer(); readers use rcu_dereference().
 *
 * Context: As rare_write().
 */
#define rare_assign_pointer(ptr, val)					\
	rare_write_release(ptr, (__force __rare_typeof(ptr))(val))

/**
 * rare_xchg - exchange the value of a write-rare object
 * @var: an object of 1, 2, 4 or 8 bytes; evaluated once
 * @val: the new value, evaluated once, before the window opens
 *
 * Fully ordered, as xchg().
 *
 * Context: As rare_write().
 * Return: the old value.
 */
#define rare_xchg(var, val)						\
({									\
	__rare_typeof(var) __rare_val = (val), __rare_old;		\
									\
	__rare_check_value(var);					\
	__rare_check_native(var);					\
	__rare_do(var, __rare_entry, NULL,				\
		  __rare_old = arch_xchg(__rare_p, __rare_val));	\
	__rare_old;							\
})

/**
 * rare_cmpxchg - exchange the value of a write-rare object if it is as expected
 * @var: an object of 1, 2, 4 or 8 bytes; evaluated once
 * @old: the expected value, evaluated once, before the window opens
 * @new: the new value, evaluated once, before the window opens
 *
 * Fully ordered if it succeeds, as cmpxchg().
 *
 * Context: As rare_write().
 * Return: the value found; the exchange took place if it is @old.
 */
#define rare_cmpxchg(var, old, new)					\
({									\
	__rare_typeof(var) __rare_exp = (old), __rare_val = (new), __rare_old; \
									\
	__rare_check_value(var);					\
	__rare_check_native(var);					\
	__rare_do(var, __rare_entry, NULL,				\
		  __rare_old = arch_cmpxchg(__rare_p, __rare_exp, __rare_val)); \
	__rare_old;							\
})

/*
 * Replace what @var holds, __rare_old, by @new, as one atomic step: a look at it,
 * and a cmpxchg until nobody came between.
 */
#define __rare_fetch(var, new)						\
({									\
	__rare_typeof(var) __rare_old, __rare_seen;			\
									\
	__rare_check_value(var);					\
	__rare_check_native(var);					\
	__rare_do(var, __rare_entry, NULL, ({				\
		__rare_seen = *(const volatile __rare_typeof(var) *)__rare_a; \
		do {							\
			__rare_old = __rare_seen;			\
			__rare_seen = arch_cmpxchg(__rare_p, __rare_old, (new)); \
		} while (__rare_seen != __rare_old);			\
	}));								\
	__rare_old;							\
})

/**
 * rare_write_copy - copy into a write-rare array or struct
 * @obj: the object; evaluated once, inside the window
 * @src: pointer to what to copy; evaluated once
 * @len: bytes, at most the size of @obj: checked by the compiler if it is a
 *	constant, else BUG()
 *
 * Not atomic: readers may see a part. Masks interrupts for the whole copy.
 *
 * Context: As rare_write(). A fault on @src inside the window is an oops.
 */
#define rare_write_copy(obj, src, len)					\
do {									\
	const void *__rare_from = (src);				\
	size_t __rare_bytes = (len);					\
									\
	rare_write_begin();						\
	__rare_write_copy(obj, __rare_from, __rare_bytes);		\
	rare_write_end();						\
} while (0)

/**
 * __rare_write_copy - rare_write_copy() inside a window
 * @obj: the object; evaluated once
 * @src: pointer to what to copy; evaluated once
 * @len: bytes, at most the size of @obj: checked as by rare_write_copy()
 *
 * Context: As __rare_write().
 */
#define __rare_write_copy(obj, src, len)				\
do {									\
	size_t __rare_len = (len);					\
									\
	__rare_check(obj);						\
	__rare_check_len(obj, __rare_len);				\
	__rare_write_n(&(obj), (src), __rare_len, false);		\
} while (0)

/**
 * rare_write_fill - set all bytes of a write-rare array or struct
 * @obj: the object; evaluated once
 * @byte: the value of each byte
 *
 * Not atomic: readers may see a part. Masks interrupts for the whole object.
 *
 * Context: As rare_write().
 */
#define rare_write_fill(obj, byte)					\
do {									\
	__rare_check(obj);						\
	__rare_fill(&(obj), (byte), sizeof(obj));			\
} while (0)

/**
 * rare_write_str - copy a string into a write-rare array of char
 * @arr: the array; evaluated once
 * @src: the string; evaluated once
 *
 * What does not fit is cut off, and the result is always terminated, as with
 * strscpy(). Readers may see a mix of the old string and the new, but always a
 * terminator within the array: its last byte is never anything else.
 *
 * Context: As rare_write().
 * Return: characters copied without the terminator, or -E2BIG if cut off.
 */
#define rare_write_str(arr, src)					\
({									\
	__rare_check(arr);						\
	static_assert(__same_type((arr)[0], const volatile char) &&	\
		      !__same_type(arr, &(arr)[0]),			\
		      "not an array of char: " #arr);			\
	__rare_str(&(arr), (src), sizeof(arr));				\
})

#else /* plain data, plainly written */

#define rare_write_begin()		do { } while (0)
#define rare_write_end()		do { } while (0)
#define __rare_write(var, val)		((void)((var) = (val)))
#define __rare_write_release(var, val)	smp_store_release(&(var), (val))
#define __rare_write_copy(obj, src, len) ((void)memcpy(&(obj), (src), (len)))

#define rare_write(var, val)		((var) = (val))
#define rare_write_release(var, val)	smp_store_release(&(var), (val))
#define rare_assign_pointer(ptr, val)	rcu_assign_pointer(ptr, val)
#define rare_xchg(var, val)		xchg(&(var), (val))
#define rare_cmpxchg(var, old, new)	cmpxchg(&(var), (old), (new))
#define __rare_fetch(var, new)						\
({									\
	__rare_typeof(var) *__rare_p = &(var), __rare_old = READ_ONCE(*__rare_p); \
									\
	do {								\
	} while (!try_cmpxchg(__rare_p, &__rare_old, (new)));		\
	__rare_old;							\
})
#define rare_write_copy(obj, src, len)	((void)memcpy(&(obj), (src), (len)))
#define rare_write_fill(obj, byte)	((void)memset(&(obj), (byte), sizeof(obj)))
#define rare_write_str(arr, src)	strscpy(arr, src)

DEFINE_LOCK_GUARD_0(rare_write, (void)0, (void)0)

#endif /* RARE_WRITE_IS_ON */

/**
 * rare_fetch_add - add to a write-rare integer
 * @var: an integer of 1, 2, 4 or 8 bytes; evaluated once
 * @val: what to add, evaluated once, before the window opens
 *
 * Atomic against other writers, if they use this or another of the atomic forms.
 * Fully ordered. Wraps around; the caller knows what that means for @var.
 *
 * Context: As rare_write().
 * Return: the old value.
 */
#define rare_fetch_add(var, val)					\
({									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_fetch(var, (__rare_typeof(var))(__rare_old + __rare_val)); \
})

/**
 * rare_fetch_or - set bits of a write-rare integer
 * @var: an integer of 1, 2, 4 or 8 bytes; evaluated once
 * @val: the bits to set, evaluated once, before the window opens
 *
 * As rare_fetch_add() otherwise.
 *
 * Context: As rare_write().
 * Return: the old value.
 */
#define rare_fetch_or(var, val)						\
({									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_fetch(var, (__rare_typeof(var))(__rare_old | __rare_val)); \
})

/**
 * rare_fetch_and - clear bits of a write-rare integer
 * @var: an integer of 1, 2, 4 or 8 bytes; evaluated once
 * @val: the bits to keep, evaluated once, before the window opens
 *
 * As rare_fetch_add() otherwise.
 *
 * Context: As rare_write().
 * Return: the old value.
 */
#define rare_fetch_and(var, val)					\
({									\
	__rare_typeof(var) __rare_val = (val);				\
									\
	__rare_fetch(var, (__rare_typeof(var))(__rare_old & __rare_val)); \
})

/*
 * BUG() unless @map is a bitmap, by itself no pointer to one, that has a bit @nr: with
 * interrupts off, or the variable @nr may be in memory, and another bit since.
 */
#define __rare_check_bit(nr, map)					\
do {									\
	static_assert(__same_type((map)[0], unsigned long) &&		\
		      !__same_type(map, &(map)[0]), "not a bitmap: " #map);	\
	if (!__builtin_constant_p(nr))					\
		OPTIMIZER_HIDE_VAR(nr);					\
	BUG_ON((nr) >= BITS_PER_BYTE * sizeof(map));			\
} while (0)

/*
 * Change bit @nr of @map by @fetch, rare_fetch_or() or its like, with @word, in which
 * __rare_nr is the bit, checked. True if it was set before.
 */
#define __rare_change_bit(nr, map, fetch, word)				\
({									\
	unsigned long __rare_nr = (nr), __rare_was, __rare_off;		\
									\
	if (RARE_WRITE_IS_ON)						\
		local_irq_save(__rare_off);				\
	__rare_check_bit(__rare_nr, map);				\
	__rare_was = fetch((map)[BIT_WORD(__rare_nr)], word) & BIT_MASK(__rare_nr); \
	if (RARE_WRITE_IS_ON)						\
		local_irq_restore(__rare_off);				\
	!!__rare_was;							\
})

/**
 * rare_set_bit - set a bit of a write-rare bitmap
 * @nr: the bit, evaluated once; BUG()s if @map does not have it
 * @map: an array of unsigned long, as of DECLARE_BITMAP(); evaluated once
 *
 * Atomic and fully ordered, as test_and_set_bit(). For bits of a single integer
 * there is rare_fetch_or().
 *
 * Context: As rare_write().
 * Return: true if it was set before.
 */
#define rare_set_bit(nr, map)						\
	__rare_change_bit(nr, map, rare_fetch_or, BIT_MASK(__rare_nr))

/**
 * rare_clear_bit - clear a bit of a write-rare bitmap
 * @nr: the bit, evaluated once; BUG()s if @map does not have it
 * @map: an array of unsigned long, as of DECLARE_BITMAP(); evaluated once
 *
 * Atomic and fully ordered, as test_and_clear_bit().
 *
 * Context: As rare_write().
 * Return: true if it was set before.
 */
#define rare_clear_bit(nr, map)						\
	__rare_change_bit(nr, map, rare_fetch_and, ~BIT_MASK(__rare_nr))

#endif /* _LINUX_RARE_WRITE_H */
