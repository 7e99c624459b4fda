// SPDX-License-Identifier: GPL-2.0-only
///
/// List what may write a variable or gets its address: all that has to be looked at
/// before it can be made write-rare. Plain readers are not listed. Give its name,
/// and say if it is an array, whose address is the name:
///
///	make coccicheck COCCI=... M=kernel SPFLAGS="-D var=kptr_restrict"
///	make coccicheck COCCI=... M=kernel SPFLAGS="-D var=modprobe_path -D array"
///
// Confidence: Moderate. Goes by the name: also finds others that have it, and misses
//             what is done by way of a pointer, in assembly, or by a macro.
// Options: --no-includes --include-headers --use-coccigrep
// Comments: git grep, which spatch uses otherwise, misses files that git does not know.

virtual array
virtual context
virtual report

@initialize:python@
@@

import linecache

def say(p, what):
	line = " ".join(linecache.getline(p[0].file, int(p[0].line)).split())
	coccilib.report.print_report(p[0], "%s: %s" % (what, line))

// The variable, and what it consists of. The names are those that spatch has to know: it passes
// over a function that it cannot parse.
@part@
attribute name __wr_rare, __wr_rare_type, __bpfcall, __counted_by, __counted_by_ptr, __free;
attribute name INDIRECT_CALLABLE_SCOPE;
iterator name scoped_class, scoped_cond_guard, scoped_guard, scoped_user_rw_access_size;
iterator name scoped_with_creds, scoped_with_init_fs, scoped_with_kernel_creds;
identifier virtual.var;
identifier f, g;
expression i, j;
expression E;
@@

(
  var.f.g@E
|
  var.f[i]@E
|
  var.f@E
|
  var[i].f.g@E
|
  var[i].f[j]@E
|
  var[i].f@E
|
  var[i]@E
|
  var@E
)

@declared@
identifier virtual.var;
type T;
position p;
@@

(
* T var@p;
|
* T var@p = ...;
)

@store@
expression part.E, e;
assignment operator op;
identifier macro =~ "^(WRITE_ONCE|RCU_INIT_POINTER|rcu_assign_pointer|rcu_replace_pointer|smp_store_mb|swap|get_user)$";
position p != declared.p;
@@

(
* E@p op e
|
* E@p++
|
* ++E@p
|
* E@p--
|
* --E@p
|
* macro(..., E@p, ...)
)

@call@
expression part.E;
identifier fn;
type T;
position p;
@@

* fn(..., \(&E@p \| (T)&E@p\), ...)

@address@
expression part.E;
position p != call.p;
@@

* &E@p

// module_param(), EXPORT_SYMBOL() and the like.
@argument@
expression part.E;
declarer fn;
position p;
@@

(
* fn(E@p, ...);
|
* fn(..., E@p, ...);
)

// Where the name of an array is not its address, or seen already.
@other@
identifier virtual.var;
identifier fn =~ "^ARRAY_SIZE$";
expression i;
position p;
@@

(
  var@p[i]
|
  &var@p
|
  sizeof(var@p)
|
  fn(var@p)
)

@whole depends on array@
identifier virtual.var;
position p != {argument.p, other.p};
@@

* var@p

@script:python depends on report@
p << store.p;
@@

say(p, "written")

@script:python depends on report@
fn << call.fn;
p << call.p;
@@

say(p, "address passed to %s()" % fn)

@script:python depends on report@
p << address.p;
@@

say(p, "address taken")

@script:python depends on report@
fn << argument.fn;
p << argument.p;
@@

say(p, "argument of %s()" % fn)

@script:python depends on report@
T << declared.T;
p << declared.p;
@@

say(p, "declared" + (", an array" if "[" in T else ""))

@script:python depends on report@
p << whole.p;
@@

say(p, "address taken")

// Without a name nothing else is left, which spatch takes for an error.
@script:python depends on report || context@
@@

pass
