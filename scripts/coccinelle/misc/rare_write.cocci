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

@rare@
attribute name __wr_rare, __wr_rare_type;
type T;
identifier x;
position q;
@@

(
  T x@q __wr_rare;
|
  T x@q __wr_rare = ...;
)

// The object, or what it consists of.
@store@
identifier rare.x;
identifier f, g;
identifier macro =~ "^(WRITE_ONCE|RCU_INIT_POINTER|rcu_assign_pointer|rcu_replace_pointer|smp_store_mb|get_user|swap)$";
expression i, j, e;
assignment operator op;
position p != rare.q;
@@

(
  \(x@p\|x@p.f\|x@p[i]\|x@p.f.g\|x@p.f[i]\|x@p[i].f\|x@p[i].f.g\|x@p[i].f[j]\) op e
|
  \(x@p\|x@p.f\|x@p[i]\|x@p.f.g\|x@p.f[i]\|x@p[i].f\|x@p[i].f.g\|x@p[i].f[j]\)++
|
  ++\(x@p\|x@p.f\|x@p[i]\|x@p.f.g\|x@p.f[i]\|x@p[i].f\|x@p[i].f.g\|x@p[i].f[j]\)
|
  \(x@p\|x@p.f\|x@p[i]\|x@p.f.g\|x@p.f[i]\|x@p[i].f\|x@p[i].f.g\|x@p[i].f[j]\)--
|
  --\(x@p\|x@p.f\|x@p[i]\|x@p.f.g\|x@p.f[i]\|x@p[i].f\|x@p[i].f.g\|x@p[i].f[j]\)
|
  macro(\(x@p\|x@p.f\|x@p[i]\|x@p.f.g\|x@p.f[i]\|x@p[i].f\|x@p[i].f.g\|x@p[i].f[j]\), ...)
|
  swap(e, \(x@p\|x@p.f\|x@p[i]\|x@p.f.g\|x@p.f[i]\|x@p[i].f\|x@p[i].f.g\|x@p[i].f[j]\))
)

@cast@
identifier rare.x;
identifier f;
type T1;
expression i;
position p;
@@

(
  (T1 *)&x@p
|
  (T1 *)&x@p.f
|
  (T1 *)&x@p[i]
|
  (T1 *)x@p
|
  (T1 *)x@p.f
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
