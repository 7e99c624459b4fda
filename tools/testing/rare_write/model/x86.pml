/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rare_write() window on x86-64 against the TLB that the architecture
 * allows: entries with PCIDs, paging-structure caches, speculative walks.
 *
 * CPU 0 opens any number of windows, with or without a turn to another page,
 * and switches between two address spaces with a PCID each. Meanwhile, at any
 * step: its hardware speculates, an NMI comes, and CPU 1 attacks; outside of
 * windows, when interrupts are on, a kernel page is mapped anew and flushed as
 * flush_tlb_kernel_range() does with PTI. Two addresses matter: the alias, and
 * that kernel page; and a third, where the second address space may be that of EFI
 * runtime services, with firmware where all other tables have nothing, below an
 * upper entry that they all have. Everything that a step may do or not do is a
 * free choice of the model checker, so what holds here holds for any timing.
 *
 * The window is arch/x86/include/asm/rare_write_alias.h, one step per instruction
 * that touches the tables, the TLB or CR3. The default is the current PCID with
 * the no-flush bit; -DPRIVATE_PCID is a PCID of the window's own. Each of the
 * other -D takes one thing away or does it wrongly; ../model.py has the list and
 * says what must come of each.
 *
 * Sections of the Intel SDM, volume 3A, relied upon, by title:
 *  [PCID]  Process-Context Identifiers (PCIDs): what is cached belongs to the
 *          PCID that was current, and is used only when that is current again.
 *  [TLB]   Details of TLB Use: prefetches and speculation may fill it at any time.
 *  [PSC]   Caches for Paging Structures; Using the Paging-Structure Caches to
 *          Translate Linear Addresses: the same for entries of upper levels, and
 *          a walk may start from them instead of CR3.
 *  [INV]   Operations that Invalidate TLBs and Paging-Structure Caches: INVLPG
 *          drops the page's entries of the current PCID, global ones, and the
 *          current PCID's paging-structure caches (-DTCE: of these only what leads
 *          to the page, as AMD's translation cache extension does); MOV to CR3 drops
 *          what is not global of the new PCID, unless bit 63 is set.
 *          (Recommended Invalidation advises to flush when one PCID goes to other
 *          tables. The window does not: all that may be cached of the two, save
 *          the alias, is the same. That this suffices is what is shown here.)
 *  [OPT]   Optional Invalidation: nothing is cached of an entry that is not
 *          present; these instructions are serializing; only the walk for an
 *          instruction fetch may miss an earlier write of this CPU.
 *  [DELAY] Delayed Invalidation: until then old or new may be used; and an upper
 *          entry may be cached even if all below it is not present.
 */

/* What the alias translates to, as a set: one bit per outcome. */
#define FAULT	1
#define P1	2	/* the two write-rare pages */
#define P2	4
#define U	8	/* a user's page; only if the alias is a user address */
#define Q	16	/* the page of the window that CPU 1 has open */

/* What the kernel page maps to: before and after the kernel maps it anew. */
#define K1	1
#define K2	2

/* CR3: the tables of two address spaces, CPU 0's private ones; PCIDs alike. */
#define A	0
#define B	1
#define PRIV	2

#ifdef PRIVATE_PCID
#define WINDOW_PCID	PRIV
#else
#define WINDOW_PCID	pcid
#endif
#ifdef NO_PCID	/* one PCID for all, and MOV to CR3 always flushes */
#define FLUSH_ON_ENTRY
#define FLUSH_ON_EXIT
#define OTHER_PCID	pcid
#else
#define OTHER_PCID	(1 - pcid)
#endif
#ifdef FLUSH_ON_ENTRY
#define ENTRY_FLUSHES	true
#else
#define ENTRY_FLUSHES	false
#endif
#ifdef FLUSH_ON_EXIT
#define EXIT_FLUSHES	true
#else
#define EXIT_FLUSHES	false
#endif
#ifdef WRONG_PCID_BACK
#define BACK_PCID	(1 - s_pcid)
#else
#define BACK_PCID	s_pcid
#endif
#ifdef EFI_NOT_FLUSHED
#define EFI_FLUSHES	false
#else
#define EFI_FLUSHES	(efi && s_root == B)
#endif

/* What must hold. -DONLY=name: look at just this one, to see a mutant break it. */
mtype = {
	WRITE_ARRIVES,		/* a write neither faults nor meets another page */
	P2_ONLY_THIS_CPU,
	P2_ONLY_THIS_PAGE,	/* no page but the one asked for */
	P3_PTE_CLEAR,
	P3_NO_TLB_ENTRY,	/* none for the alias, with any PCID or global */
	P3_CONTEXT_BACK,	/* CR3 and PCID, and what they translate */
	P4_NO_USER_ACCESS,	/* an NMI touches user memory only as itself */
	KERNEL_CURRENT,		/* no stale translation of a kernel page */
	FIRMWARE_THERE		/* EFI runtime services find theirs */
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

byte root = A, pcid = A;

/* The alias PTE: its value, and those that a walk may still read: [DELAY]. */
byte pte = FAULT, seen = FAULT;

byte tlb[3], global;	/* leaves of the alias, by PCID; global ones */
bool psc[3];		/* upper entries that lead to the alias PTE, by PCID */
byte kernel = K1;	/* the kernel page's entry, in tables that all share */
byte ktlb[3];		/* leaves of the kernel page: with PTI it is not global */
bool efi;		/* B is the address space of EFI runtime services */
bool others[3];		/* the upper entry to the firmware, as not in B, by PCID */
byte tlb1;		/* CPU 1's leaves of the alias, from tables that all share */

bool open;		/* rare_write_active() */
byte may = 0;		/* the page that may be written right now */
byte s_root, s_pcid;	/* saved by begin */

/* Scratch, zero between steps so that it does not multiply states. */
byte res;
bool leads;
inline done() { res = 0; leads = false }

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

#ifdef ALIAS_IN_USER_HALF
#define ELSEWHERE	U	/* the user has a page at that address */
#else
#define ELSEWHERE	FAULT	/* the slot is empty in all other tables */
#endif

/*
 * CPU 0 translates the alias, reading one of the given values if it gets to the
 * PTE. A cached entry may be there or not, and be used or not. What is read may
 * be kept: a walk that is slow to file its result is no different from one that
 * filed it at once, so a walk is one step.
 */
inline translate(readable)
{
	if
	:: (tlb[pcid] | global) -> pick(tlb[pcid] | global)
	:: true ->
		if
		:: root == PRIV -> psc[pcid] = true; leads = true	/* [PSC] */
#ifdef ALIAS_IN_SHARED_TABLES
		:: root != PRIV -> psc[pcid] = true; leads = true
#else
		:: root != PRIV -> leads = false
#endif
		:: psc[pcid] -> leads = true
		fi;
		if
		:: leads -> pick(readable)
		:: else -> res = ELSEWHERE
		fi;
		if
		:: res == FAULT		/* never cached */
#ifdef GLOBAL_PTE
		:: res != FAULT && leads -> global = global | res
		:: res != FAULT && !leads -> tlb[pcid] = tlb[pcid] | res
#else
		:: res != FAULT -> tlb[pcid] = tlb[pcid] | res
#endif
		fi
	fi
}

/* CPU 0 reads the kernel page; all tables agree on it. */
inline use_kernel()
{
	if
	:: ktlb[pcid] & K1 -> res = K1
	:: ktlb[pcid] & K2 -> res = K2
	:: true -> ktlb[pcid] = ktlb[pcid] | kernel; res = kernel
	fi
}

inline set_pte(value) { atomic { pte = value; seen = seen | value } }

inline invlpg()		/* serializing: the PTE is written before anything goes */
{
	atomic {
		seen = pte;
#ifndef INVLPG_WRONG_ADDRESS
		tlb[pcid] = 0;
		global = 0;
#endif
		psc[pcid] = false;
#ifndef TCE
		others[pcid] = false
#endif
	}
}

inline mov_cr3(r, p, flushes)
{
	atomic {
		seen = pte;
		root = r;
		pcid = p;
		if
		:: flushes ->
			tlb[pcid] = 0; psc[pcid] = false; ktlb[pcid] = 0; others[pcid] = false
		:: else
		fi
	}
}

inline map(page)
{
	atomic { set_pte(page); may = page }
}

inline store(page)
{
	atomic {
		use_kernel();		/* the window's own code and data */
		MUST(KERNEL_CURRENT, res == kernel);
		translate(pte);		/* [OPT] */
		MUST(WRITE_ARRIVES, res == page);
		done()
	}
}

inline begin_window(page)
{
	atomic { s_root = root; s_pcid = pcid };
	if	/* a single write makes the alias before, several make it after */
	:: map(page); mov_cr3(PRIV, WINDOW_PCID, ENTRY_FLUSHES)
	:: mov_cr3(PRIV, WINDOW_PCID, ENTRY_FLUSHES); map(page)
	fi
}

inline turn(page)
{
#ifndef TURN_WITHOUT_INVLPG
	set_pte(FAULT);
	invlpg();
#endif
	map(page)
}

inline end_window()
{
#if defined(CLEAR_AFTER_INVLPG)
	invlpg();
	set_pte(FAULT);
#elif defined(INVLPG_AFTER_CR3)
	set_pte(FAULT);
#else
#ifndef PTE_NOT_CLEARED
	set_pte(FAULT);
#endif
#ifndef NO_INVLPG
	invlpg();
#endif
#endif
#if defined(ENTRY_CR3_KEPT)
	skip;
#else
	mov_cr3(s_root, BACK_PCID, EXIT_FLUSHES || EFI_FLUSHES);
#endif
#ifdef INVLPG_AFTER_CR3
	invlpg();
#endif
}

/* What the CPU finds afterwards: an access that must be the context's own. */
inline check()
{
	atomic {
		MUST(P3_PTE_CLEAR, pte == FAULT);
		MUST(P3_NO_TLB_ENTRY, !((tlb[A] | tlb[B] | tlb[PRIV] | global) & (P1 | P2)));
		translate(pte);
		MUST(P3_CONTEXT_BACK, res == ELSEWHERE);
		use_kernel();
		MUST(KERNEL_CURRENT, res == kernel);
		MUST(FIRMWARE_THERE, !(efi && root == B && others[pcid]));
		done()
	}
}

/* switch_mm_irqs_off(): with the no-flush bit if that PCID is up to date. */
inline switch_mm(from)
{
	if
	:: mov_cr3(1 - from, OTHER_PCID, true)
#ifndef NO_PCID
	:: mov_cr3(1 - from, OTHER_PCID, false)
#endif
	fi;
	check()
}

inline window()
{
	open = true;
	if
	:: psc[pcid] -> REACHED(3)	/* left by the last window */
	:: else
	fi;
	if
	:: page = P1
	:: page = P2
	fi;
	begin_window(page);
#ifdef INTERRUPTS_ON
	if
	:: switch_mm(s_root)	/* preempted: another task runs first */
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
		MUST(P3_CONTEXT_BACK, root == s_root && pcid == s_pcid);
#ifdef NOTHING_LEFT
		/* More than was promised: not even a way to the PTE that is clear. */
		assert(!psc[A] && !psc[B] && !psc[PRIV]);
#endif
		s_root = 0; s_pcid = 0; page = 0; may = 0;
		open = false
	};
	check()
}

active proctype cpu0()
{
	byte page;

	if
	:: efi = true
	:: true
	fi;
end:	do
	:: window()
	:: switch_mm(root)
	od
}

/* What CPU 0's hardware may do unasked. */
active proctype hardware0()
{
end:	do
	:: atomic {
		translate(seen);
		if
		:: open && res == may -> REACHED(4)
		:: else
		fi;
		done()
	}
	:: atomic { use_kernel(); done() }
	:: atomic { efi && root != B -> others[pcid] = true }	/* [PSC] */
	od
}

/*
 * Another CPU maps the kernel page anew. Its IPI must wait for the end of a
 * window here; then it drops the page from the current PCID, and from the others
 * that the kernel knows before those are used again: flush_tlb_one_kernel().
 */
active proctype kernel_flush()
{
end:	do
	:: atomic {
		!open ->
		kernel = (K1 | K2) - kernel;
		ktlb[A] = 0;
		ktlb[B] = 0;
		REACHED(5)
	}
	od
}

/*
 * An NMI on CPU 0. It uses kernel memory, may be made to write to the alias
 * address, and may access user memory if nmi_uaccess_okay() says so.
 */
active proctype nmi0()
{
end:	do
	:: atomic {
		use_kernel();
		MUST(KERNEL_CURRENT, res == kernel);
		if
		:: true ->
			translate(pte);
			if
			:: open && res == may -> REACHED(6)
			:: else
			fi;
			MUST(P2_ONLY_THIS_PAGE, !(res & (P1 | P2)) || res == may)
#ifndef UACCESS_UNCHECKED
		:: open -> REACHED(7)
		:: !open ->
#else
		:: true ->
#endif
			/* The private tables have no user half. */
			MUST(P4_NO_USER_ACCESS, root != PRIV);
			REACHED(8)
		fi;
		done()
	}
	od
}

/* CPU 1: the attacker, in any address space; and windows of its own. */
active proctype cpu1()
{
end:	do
#ifdef ALIAS_IN_SHARED_TABLES
	/* CPU 1 may walk the same PTE, and keep what it finds. */
	:: atomic { pick(seen); if :: res != FAULT -> tlb1 = tlb1 | res :: else fi; done() }
#endif
#ifdef ATTACK_LATE
	:: atomic { !open ->
#else
	:: atomic {
#endif
		pick(ELSEWHERE | tlb1);
		if
		:: open && may -> REACHED(9)
		:: else
		fi;
		MUST(P2_ONLY_THIS_CPU, !(res & (P1 | P2)));
		done()
	}
	:: atomic {
#ifdef ONE_TABLE_FOR_ALL
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
