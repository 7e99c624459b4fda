/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rare_write() window on arm64 against the TLB that the architecture allows.
 *
 * CPU 0 opens two windows, with or without a turn to another page, in a process
 * or in a kernel thread, and changes context between and after them. Meanwhile,
 * at any step: its hardware speculates, finishes a TLBI, or lets a write to a
 * system register take effect; an exception (SDEI, or a synchronous one) comes;
 * and CPU 1 attacks. One address matters, the alias, and the user has a page
 * of his own there. Everything that a step may do or not do is a free choice of
 * the model checker, so what holds here holds for any timing.
 *
 * The window is arch/arm64/include/asm/rare_write.h, one step per instruction
 * that touches the tables, the TLB or a register of the MMU. Each -D of the
 * mutants below takes one thing away or does it wrongly; ../model.py has the
 * list and says what must come of each.
 *
 * Sections of the Arm Architecture Reference Manual (DDI 0487) relied upon,
 * by title:
 *  [TTBR]  Translation table base address register: writes to TTBR0
 *          and TTBR1 take effect in program order, and one translation sees one
 *          point of that order; but not surely before a context synchronization
 *          event. cpu_do_switch_mm() relies on that, too.
 *  [SYSR]  Synchronization requirements for AArch64 System registers.
 *  [WALK]  Ordering of memory accesses from translation table walks: the walker
 *          is an observer of its own; a write to a table is surely observable
 *          after a DSB, and may be before.
 *  [TLBI]  Ordering and completion of TLB maintenance instructions: a TLBI can
 *          complete at any time, and surely at a DSB for loads and stores,
 *          for this CPU's later instructions after a context
 *          synchronization event as well.
 *  [nG]    Global and process-specific translation table entries: what is cached
 *          of other levels than the last belongs to an ASID, always.
 *  [BBM]   Using break-before-make when updating translation table entries.
 *  [CnP]   Common not private translations.
 */

/* What an address translates to, as a set: one bit per outcome. */
#define FAULT	1
#define P1	2	/* the two write-rare pages */
#define P2	4
#define U	8	/* the user's page at the same address */
#define Q	16	/* the page of the window that CPU 1 has open */

/* TTBR0: the user's table, the empty reserved_pg_dir, CPU 0's private table. */
#define USER	0
#define EMPTY	1
#define PRIV	2

/* ASIDs: 0 is nobody's, one of the user's, one for windows alone. */
#define NOBODY	0
#define PROC	1
#define OWN	2

/* Tables of the level below: an entry to one may be cached apart from its leaf. */
#define T_USER	1
#define T_PRIV	2

#ifdef OWN_ASID
#define WINDOW_ASID	OWN
#else
#define WINDOW_ASID	NOBODY
#endif
#ifdef TLBI_WRONG_ASID
#define TLBI_ASID	PROC
#else
#define TLBI_ASID	WINDOW_ASID
#endif
#ifdef CNP_SET
#define CNP(r)	((r) != EMPTY)
#else
#define CNP(r)	((r) == USER)	/* as in cpu_do_switch_mm() */
#endif

/* What must hold. -DONLY=name: look at just this one, to see a mutant break it. */
mtype = {
	WRITE_ARRIVES,		/* a write neither faults nor meets another page */
	P2_ONLY_THIS_CPU,
	P2_ONLY_THIS_PAGE,	/* no page but the one asked for */
	P3_PTE_CLEAR,
	P3_NO_TLB_ENTRY,	/* none for the alias, under any ASID */
	P3_NO_WALK_ENTRY,	/* no user's ASID leads to the private table */
	P3_CONTEXT_BACK,	/* TTBR0 and the ASID, and what they translate */
	P4_NO_USER_ACCESS,	/* an exception touches user memory only as itself */
	ONE_TRANSLATION		/* [BBM]: no global entry over one with an ASID */
};
#ifdef ONLY
#define MUST(promise, cond)	assert((cond) || promise != ONLY)
#else
#define MUST(promise, cond)	assert(cond)
#endif

/* -DWITNESS=n: that point n is reached, and checked, is what must be found. */
#ifndef WITNESS
#define WITNESS	0
#endif
#define REACHED(n)	assert(WITNESS != n)

/* CPU 0's registers as written; and the points that a walk may still observe. */
byte root = USER, asid = PROC;
#define POINT(r, a)	(1 << ((r) * 3 + (a)))
short points = POINT(USER, PROC);
#ifdef TTBR_UNORDERED	/* if cpu_do_switch_mm() were wrong */
byte roots = 1 << USER, asids = 1 << PROC;
#endif

/* The private table's PTE: its value, and those that the walker may observe. */
byte pte = FAULT, seen = FAULT;

byte tlb[3], global;	/* leaves, by ASID; global ones */
byte walk[3];		/* entries of the level above, by ASID */
byte shared[3];		/* leaves that CPUs with CnP set share */
byte ahead;		/* what accesses that run ahead have translated to */
bool tlbi;		/* issued, not known to be complete */
byte tlb1;		/* CPU 1's leaves from tables that all CPUs share */
bool begun[3];		/* a walk under this ASID has reached the private table */

bool open;		/* rare_write_active() */
byte may = 0;		/* the page that may be written right now */
byte s_root, s_asid;	/* saved by begin */
bool single;		/* begin has made the alias */

#ifdef ETS2	/* what leads to a fault was read after all earlier writes: [WALK] */
#define SEEN	((seen & (P1 | P2)) | pte)
#else
#define SEEN	seen
#endif

/* Scratch, zero between steps so that it does not multiply states. */
byte res, rt, as, tbl;
inline done() { res = 0; rt = 0; as = 0; tbl = 0 }

inline pick(set)	/* any one of the set */
{
	if
	:: (set) & FAULT -> res = FAULT
	:: (set) & P1 -> res = P1
	:: (set) & P2 -> res = P2
	:: (set) & U -> res = U
	:: (set) & Q -> res = Q
	fi
}

/* The registers that one translation uses: [TTBR]. */
#ifdef TTBR_UNORDERED
#define AT(r, a)	((roots & (1 << r)) && (asids & (1 << a)))
#else
#define AT(r, a)	(points & POINT(r, a))
#endif
inline pick_point()
{
	if
	:: AT(USER, NOBODY) -> rt = USER; as = NOBODY
	:: AT(USER, PROC) -> rt = USER; as = PROC
	:: AT(USER, OWN) -> rt = USER; as = OWN
	:: AT(EMPTY, NOBODY) -> rt = EMPTY; as = NOBODY
	:: AT(EMPTY, PROC) -> rt = EMPTY; as = PROC
	:: AT(EMPTY, OWN) -> rt = EMPTY; as = OWN
	:: AT(PRIV, NOBODY) -> rt = PRIV; as = NOBODY
	:: AT(PRIV, PROC) -> rt = PRIV; as = PROC
	:: AT(PRIV, OWN) -> rt = PRIV; as = OWN
	fi
}

/*
 * CPU 0 translates the alias address. A TLB may hold an entry or not, and use it
 * or not; it may hold two that differ, and then any is used. A walk may start at
 * the root or at what is cached of the level above. What it reads it may keep,
 * under the ASID that it started with: a walk that is slow to file its result
 * is no different from one that filed it at once, so a walk is one step.
 */
inline translate()
{
	pick_point();
	if
	:: (tlb[as] | global | CNP(rt) * shared[as]) ->
		pick(tlb[as] | global | CNP(rt) * shared[as])
	:: true ->
		if
		:: rt == USER -> tbl = T_USER
		:: rt == PRIV -> tbl = T_PRIV
		:: rt == EMPTY
		:: walk[as] & T_USER -> tbl = T_USER
		:: walk[as] & T_PRIV -> tbl = T_PRIV
		fi;
		walk[as] = walk[as] | tbl;	/* [nG] */
		if
		:: tbl == T_USER -> res = U
		:: tbl == T_PRIV -> begun[as] = true; pick(SEEN)	/* [WALK] */
		:: else -> res = FAULT
		fi;
		if
		:: res == FAULT		/* never cached */
#ifdef GLOBAL_PTE
		:: res != FAULT && tbl == T_PRIV -> global = global | res
		:: res != FAULT && tbl != T_PRIV -> tlb[as] = tlb[as] | res
#else
		:: res != FAULT -> tlb[as] = tlb[as] | res
#endif
		fi;
		if
		:: res != FAULT && CNP(rt) -> shared[as] = shared[as] | res
		:: else
		fi;
		MUST(ONE_TRANSLATION, !global || !(tlb[0] | tlb[1] | tlb[2]))
	fi
}

/* An access in program order: translated now, or earlier by running ahead. */
inline access()
{
	if
	:: ahead -> pick(ahead)
	:: true -> translate()
	fi
}

/* ISB, exception entry, exception return: [SYSR], and nothing stays ahead. */
inline sync()
{
	points = POINT(root, asid);
#ifdef TTBR_UNORDERED
	roots = 1 << root; asids = 1 << asid;
#endif
	ahead = 0
}

inline set_ttbr0(r)
{
	atomic {
		root = r;
		points = points | POINT(root, asid);
#ifdef TTBR_UNORDERED
		roots = roots | (1 << root)
#endif
	}
}

inline set_asid(a)	/* TTBR1, as TCR.A1 is set */
{
	atomic {
		asid = a;
		points = points | POINT(root, asid);
#ifdef TTBR_UNORDERED
		asids = asids | (1 << asid)
#endif
	}
}

inline set_pte(value) { atomic { pte = value; seen = seen | value } }

/* TLBI VAE1: leaves and what leads to them, of one ASID; and global leaves. */
inline invalidate()
{
#ifndef TLBI_WRONG_ADDRESS
	tlb[TLBI_ASID] = 0;
	walk[TLBI_ASID] = 0;
	shared[TLBI_ASID] = 0;
	global = 0;
#ifdef TLBI_BROADCAST
	tlb1 = 0;
#endif
#endif
	tlbi = false
}

inline isb() { atomic { sync() } }
inline dsb_nshst() { seen = pte }
inline dsb_nsh()
{
	atomic {
		seen = pte;
		if
		:: tlbi -> invalidate()		/* [TLBI] */
		:: else
		fi;
#ifdef ETS2	/* for data, no context synchronization needed: [TLBI] */
		ahead = ahead & ~(P1 | P2)
#endif
	}
}

/* cpu_do_switch_mm(): with an empty table while the ASID changes. */
inline switch_to(r, a)
{
	set_ttbr0(EMPTY);
	set_asid(a);
	set_ttbr0(r)
}

/*
 * The same while nothing ordered these writes, that is before the commit
 * "arm64/mm: remove now-superfluous ISBs from TTBR writes".
 */
inline switch_to_isb(r, a)
{
	set_ttbr0(EMPTY);
	isb();
	set_asid(a);
	isb();
	set_ttbr0(r)
}

inline map(page)
{
	atomic { set_pte(page); may = page }
}

/* In a window of several writes. */
inline map_inside(page)
{
	map(page);
#ifndef NO_DSB_MAP
	dsb_nshst();
#endif
#ifndef NO_ISB_MAP
	isb();
#endif
}

inline store(page)
{
	atomic {
		access();
		MUST(WRITE_ARRIVES, res == page);
		done()
	}
}

inline begin_window(page)
{
	atomic { s_root = root; s_asid = asid };
	if
	:: map(page);	/* a single write: one ISB serves both */
#ifndef NO_DSB_BEGIN
		dsb_nshst();
#endif
		single = true
	:: true
	fi;
#if defined(USER_ASID_KEPT)
	set_ttbr0(EMPTY); set_ttbr0(PRIV);
#elif defined(ISB_BETWEEN)
	switch_to_isb(PRIV, WINDOW_ASID);
#elif defined(BEGIN_ASID_FIRST)
	set_asid(WINDOW_ASID); set_ttbr0(PRIV);
#elif defined(BEGIN_TABLE_FIRST)
	set_ttbr0(PRIV); set_asid(WINDOW_ASID);
#else
	switch_to(PRIV, WINDOW_ASID);
#endif
#ifndef NO_ISB_BEGIN
	isb();
#endif
	if
	:: single -> single = false
	:: else -> map_inside(page)
	fi
}

inline turn(page)
{
#ifndef TURN_WITHOUT_TLBI
	set_pte(FAULT);
#ifndef NO_DSB_TURN_CLEAR
	dsb_nshst();
#endif
	tlbi = true;
#ifndef NO_DSB_TURN_TLBI
	dsb_nsh();
#endif
#endif
	map_inside(page)
}

inline back()
{
#if defined(ENTRY_TTBR_KEPT)
	skip
#elif defined(USER_ASID_KEPT)
	set_ttbr0(EMPTY); set_ttbr0(s_root)
#elif defined(ISB_BETWEEN)
	switch_to_isb(s_root, s_asid)
#elif defined(END_ASID_FIRST)
	set_asid(s_asid); set_ttbr0(s_root)
#elif defined(END_TABLE_FIRST)
	set_ttbr0(s_root); set_asid(s_asid)
#else
	switch_to(s_root, s_asid)
#endif
}

#if defined(TLBI_LAST)
/* Leave first, then flush: one DSB completes both the clearing and the TLBI. */
inline end_window()
{
	set_pte(FAULT);
	back();
#ifndef NO_ISB_BACK
	isb();
#endif
	tlbi = true;
	dsb_nsh();
#if defined(ISB_IF_NOBODY)
	if
	:: s_asid == WINDOW_ASID -> isb()
	:: else
	fi
#elif !defined(NO_ISB_END)
	isb()
#endif
}
#elif defined(EMPTY_BEFORE_TLBI)
/* An empty TTBR0 instead of the DSB that makes the clearing visible. */
inline end_window()
{
	set_pte(FAULT);
	set_ttbr0(EMPTY);
#ifndef NO_ISB_EMPTY
	isb();
#endif
	tlbi = true;
	dsb_nsh();
	back();
	isb()
}
#else
inline end_window()
{
#if defined(CLEAR_AFTER_TLBI)
	tlbi = true;
	dsb_nsh();
	set_pte(FAULT);
	dsb_nshst();
#else
#ifndef PTE_NOT_CLEARED
	set_pte(FAULT);
#endif
#ifndef NO_DSB_END_CLEAR
	dsb_nshst();
#endif
#ifndef NO_TLBI
	tlbi = true;
#endif
#if defined(DSB_ST_END_TLBI)
	dsb_nshst();
#elif !defined(NO_DSB_END_TLBI)
	dsb_nsh();
#endif
#endif
	back();
#ifndef NO_ISB_END
	isb();
#endif
}
#endif

/* What the CPU finds afterwards: an access that must be the context's own. */
inline check()
{
	atomic {
		MUST(P3_PTE_CLEAR, pte == FAULT);
		MUST(P3_NO_TLB_ENTRY, !((tlb[0] | tlb[1] | tlb[2] | global) & (P1 | P2)));
		MUST(P3_NO_WALK_ENTRY, !(walk[PROC] & T_PRIV));
		access();
		MUST(P3_NO_TLB_ENTRY, res != P1 && res != P2);
		MUST(P3_CONTEXT_BACK, res == (root == USER -> U : FAULT));
		done()
	}
}

#ifdef TTBR_UNORDERED
#define KERNEL_SWITCH(r, a)	switch_to_isb(r, a)
#else
#define KERNEL_SWITCH(r, a)	switch_to(r, a)
#endif
inline change_context()
{
	if
	:: root == USER -> KERNEL_SWITCH(EMPTY, NOBODY)
	:: else -> KERNEL_SWITCH(USER, PROC)
	fi;
	isb();
	check()
}

inline window()
{
	open = true;
	if
	:: walk[WINDOW_ASID] & T_PRIV -> REACHED(3)	/* left by the last one */
	:: else
	fi;
	if
	:: page = P1
	:: page = P2
	fi;
	begin_window(page);
#ifdef INTERRUPTS_ON
	if
	:: change_context()	/* preempted: another task runs first */
	:: true
	fi;
#endif
	if
	:: store(page); REACHED(1)
	:: true		/* what was to be written faulted: the oops goes on with the end */
	fi;
	if
	:: page = (P1 | P2) - page;
		turn(page);
		store(page);
		REACHED(2)
	:: true
	fi;
	end_window();
	atomic {
		MUST(P3_CONTEXT_BACK, root == s_root && asid == s_asid);
		s_root = 0; s_asid = 0; page = 0; may = 0;
		open = false
	};
	check()
}

/* Any number of windows, in any order with changes of context. */
active proctype cpu0()
{
	byte page;

end:	do
	:: window()
	:: change_context()
	od
}

/* What CPU 0's hardware may do unasked. */
active proctype hardware0()
{
end:	do
	:: atomic {
		translate();
		if
		:: open && res == may -> REACHED(4)
		:: else
		fi;
#ifdef ETS2
		if
		:: tbl != T_PRIV || res != FAULT -> ahead = ahead | res
		:: else
		fi;
#else
		ahead = ahead | res;
#endif
		done()
	}
	:: atomic { tlbi -> invalidate(); REACHED(5) }
#ifdef STRAGGLER
	/*
	 * Stricter than above: a walk that once reached the private table reads the
	 * PTE and files it at any time, whatever is loaded and invalidated meanwhile.
	 * The architecture lets a TLBI wait for such a walk if the PTE was cleared,
	 * and a DSB had made that visible, before it. It does not say so clearly of
	 * one whose PTE changes later: so see who needs that.
	 */
	:: atomic {
		if
		:: begun[0] -> as = 0
		:: begun[1] -> as = 1
		:: begun[2] -> as = 2
		:: !(begun[0] || begun[1] || begun[2]) -> as = 3
		fi;
		if
		:: as < 3 ->
			pick(seen);
			if
			:: res != FAULT -> tlb[as] = tlb[as] | res
			:: else
			fi
		:: else
		fi;
		done()
	}
#endif
	od
}

/*
 * An exception on CPU 0. Its entry and return synchronize. The handler may be
 * made to write to the alias address, and may access user memory if allowed.
 */
active proctype exception0()
{
end:	do
	:: atomic {
		sync();
		if
		:: true ->
			translate();
			if
			:: open && res == may -> REACHED(6)
			:: else
			fi;
			MUST(P2_ONLY_THIS_PAGE, !(res & (P1 | P2)) || res == may)
#ifndef UACCESS_UNCHECKED
		:: open -> REACHED(7)		/* nmi_uaccess_okay() says no */
		:: !open && root == USER ->
#else
		:: asid == PROC || open ->
#endif
			translate();
			MUST(P4_NO_USER_ACCESS, res == U);
			REACHED(8)
		fi;
		done();
		sync()
	}
	od
}

/* CPU 1: the attacker, in the same process or another; and windows of its own. */
active proctype cpu1()
{
end:	do
#ifdef ALIAS_IN_SHARED_TABLES
	/* A fixmap, say: CPU 1 may walk the same PTE, and keep what it finds. */
	:: atomic { pick(seen); if :: res != FAULT -> tlb1 = tlb1 | res :: else fi; done() }
#endif
#ifdef ATTACK_LATE
	:: atomic { !open ->
#else
	:: atomic {
#endif
		pick(FAULT | U | shared[PROC] | tlb1);
		if
		:: open && may -> REACHED(9)
		:: else
		fi;
		MUST(P2_ONLY_THIS_CPU, !(res & (P1 | P2)));
		done()
	}
	:: atomic {
#ifdef CNP_SET
		shared[WINDOW_ASID] = shared[WINDOW_ASID] | Q;
		pick(Q | shared[WINDOW_ASID]);
#elif defined(ONE_TABLE_FOR_ALL)
		pick(Q | (seen & (P1 | P2)));
#else
		pick(Q);
#endif
		if
		:: open && may -> REACHED(10)
		:: else
		fi;
		MUST(P2_ONLY_THIS_CPU, res == Q);
		done()
	}
	od
}
