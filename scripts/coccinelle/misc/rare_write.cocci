// SPDX-License-Identifier: GPL-2.0-only
///
/// Find plain stores to write-rare data. Its type is const volatile, so the
/// compiler refuses them; what it does not refuse is a cast that drops const.
/// The store behind it would fault. Write with rare_write(), and read with
/// rare_ptr() what has to be passed on as a pointer.
///
// Confidence: Moderate. Sees objects in the file that defines them, and casts
//             of their address: not what happens to a pointer afterwards.
// Options: --no-includes --include-headers

virtual org
virtual report

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

@store@
identifier rare.x;
identifier f;
expression e;
position p != rare.q;
@@

(
  x@p = e
|
  x@p.f = e
|
  x@p[...] = e
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

if "const" not in t.split():
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

if "const" not in t.split():
	coccilib.org.print_todo(p[0], "cast drops const of write-rare %s" % x)
