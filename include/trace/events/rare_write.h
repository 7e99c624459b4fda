/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rare_write

#if !defined(_TRACE_RARE_WRITE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_RARE_WRITE_H

#include <linux/tracepoint.h>

/*
 * One event for each window that wrote something: who, where first, how many
 * bytes in all. Never the alias: its address is of use to an attacker only.
 */
TRACE_EVENT(rare_write,

	TP_PROTO(unsigned long caller, unsigned long dst, size_t len),

	TP_ARGS(caller, dst, len),

	TP_STRUCT__entry(
		__field(unsigned long,	caller)
		__field(unsigned long,	dst)
		__field(size_t,		len)
	),

	TP_fast_assign(
		__entry->caller = caller;
		__entry->dst = dst;
		__entry->len = len;
	),

	TP_printk("caller=%pS dst=%pS len=%zu",
		  (void *)__entry->caller, (void *)__entry->dst, __entry->len)
);

#endif /* _TRACE_RARE_WRITE_H */

#include <trace/define_trace.h>
