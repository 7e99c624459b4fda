// SPDX-License-Identifier: GPL-2.0-only
///
/// Find plain stores to write-rare data. Its type is const volatile, so the
/// compiler refuses them; what it does not refuse is a cast that drops const.
/// The store behind it would fault. Write with rare_write(), and read with
/// rare_ptr() what has to be passed on as a pointer.
///
// Confidence: Moderate. Sees objects in the file that defines them, and casts
//             of their address: not what happens to a pointer afterwards. An
//             entry of a sysctl has to be one: its handler checks where it leads.
// Options: --no-includes --include-headers

virtual org
virtual report

@initialize:python@
@@

import linecache
import re

def drops_const(t, p):
	line = linecache.getline(p.file, int(p.line))
	return "const" not in t.split() and not re.match(r"\s*\.data\s*=\s*\(void \*\)", line)

// The names are those that spatch has to know: it passes over a function that it cannot parse.
@rare@
attribute name __wr_rare, __wr_rare_type, __bpfcall, __counted_by, __counted_by_ptr, __free;
attribute name INDIRECT_CALLABLE_SCOPE;
iterator name scoped_class, scoped_cond_guard, scoped_guard, scoped_user_rw_access_size;
iterator name scoped_with_creds, scoped_with_init_fs, scoped_with_kernel_creds;
type T;
identifier x;
position q;
@@

(
  T x@q __wr_rare;
|
  T x@q __wr_rare = ...;
)

// The object, or what it consists of, three members or entries deep; an array also one more.
@part@
identifier rare.x;
identifier f, g, h;
expression i, j, k;
expression E;
@@

(
  x.f.g.h@E
|
  x.f.g[i]@E
|
  x.f[i].g@E
|
  x.f[i][j]@E
|
  x.f.g@E
|
  x.f[i]@E
|
  x.f@E
|
  x[i].f.g.h@E
|
  x[i].f.g[j]@E
|
  x[i].f[j].g@E
|
  x[i].f[j][k]@E
|
  x[i].f.g@E
|
  x[i].f[j]@E
|
  x[i].f@E
|
  x[i][j].f@E
|
  x[i][j]@E
|
  x[i]@E
|
  x@E
)

@store@
expression part.E, e;
identifier macro =~ "^(WRITE_ONCE|RCU_INIT_POINTER|rcu_assign_pointer|rcu_replace_pointer|smp_store_mb|get_user|swap)$";
assignment operator op;
position p != rare.q;
@@

(
  E@p op e
|
  E@p++
|
  ++E@p
|
  E@p--
|
  --E@p
|
  macro(E@p, ...)
|
  swap(e, E@p)
)

@cast@
expression part.E;
type T1;
position p;
@@

(
  (T1 *)&E@p
|
  (T1 *)E@p
)

@script:python depends on report@
x << rare.x;
p << store.p;
@@

coccilib.report.print_report(p[0], "WARNING: plain store to write-rare %s, use rare_write()" % x)

@script:python depends on report@
x << rare.x;
t << cast.T1;
p << cast.p;
@@

if drops_const(t, p[0]):
	coccilib.report.print_report(p[0], "WARNING: cast drops const of write-rare %s, use rare_write() or rare_ptr()" % x)

@script:python depends on org@
x << rare.x;
p << store.p;
@@

coccilib.org.print_todo(p[0], "plain store to write-rare %s" % x)

@script:python depends on org@
x << rare.x;
t << cast.T1;
p << cast.p;
@@

if drops_const(t, p[0]):
	coccilib.org.print_todo(p[0], "cast drops const of write-rare %s" % x)
