# SPDX-License-Identifier: GPL-2.0-only
"""Golden cases for console.py: a checker that cannot fail is no checker."""
import console

EXPECT = '[1.0] x: rare_write-expect-begin: nested /kernel BUG at/\n{}[1.1] x: rare_write-expect-end: nested\n'
KTAP = '''[ 1.0]     KTAP version 1
[ 1.0]     # Subtest: suite
[ 1.0]     1..3
[ 1.0]     ok 1 one
[ 1.0]     not ok 2 two
[ 1.0]     ok 3 three # SKIP no such machine
[ 1.0] not ok 1 suite
'''
AGAIN = '[1.0] one\n[1.1] two{}** replaying previous printk message **\n[1.1] two lines\n[1.2] end\n'
INT3 = '''[4.1] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
[4.1] CPU: 2 UID: 0 PID: 0 Comm: swapper/2 Not tainted 6.12.117 #1
[4.1] RIP: 0010:sched_clock_cpu+0xb/0x1b0
[4.1] Code: 2c f2 ff c3 53 {} <90> e8 ef da f4 ff
'''

SHORT = '''[1.0] init: step exec /bin/rare_write_starve /lib/x.ko
[1.0] starve: vmalloc error: size 1, vm_struct allocation failed
[1.0] Call Trace:
[1.0]  warn_alloc
[1.0] Mem-Info:
{}[1.0] ------------[ cut here ]------------
[1.0] WARNING: CPU: 0 PID: 1 at kernel/jump_label.c:794 jump_label_del_module
[1.0] Call Trace:
[1.0] ---[ end trace 0000000000000000 ]---
[1.0] init: ok exec /bin/rare_write_starve /lib/x.ko
'''
VACATED = '''[1.0] ------------[ cut here ]------------
[1.0] Dying CPU not properly vacated!
[1.0] WARNING: CPU: 2 PID: 29 at kernel/sched/core.c:8365 sched_cpu_dying+0x146/0x220
[1.0] Call Trace:
{}[1.0] ---[ end trace 0000000000000000 ]---
[1.0] CPU2 enqueued tasks (2 total):
[1.0] \tpid: 29, name: migration/2
{}[1.0] # minutes 24
'''


def vacated(text):
    return len(console.splats(console.without_fair_server(text)))


CASES = (
    ('clean', lambda: console.splats('[1.0] hello\n') == []),
    ('warning', lambda: len(console.splats('WARNING: CPU: 0 PID: 1 at mm/x.c:1\n')) == 1),
    ('oops', lambda: len(console.splats('[1.0] Oops: 0002 [#1]\n')) == 1),
    ('wx', lambda: len(console.splats('x86/mm: Checked W+X mappings: FAILED, 1\n')) == 1),
    ('expected', lambda: console.splats(EXPECT.format('[1.0] kernel BUG at x.c:1\n')) == []),
    ('expected-missing', lambda: len(console.splats(EXPECT.format(''))) == 1),
    ('expected-other', lambda: len(console.splats(EXPECT.format('Oops: 0002\n'))) == 1),
    ('expected-open', lambda: len(console.splats(EXPECT.format('').split('\n')[0] + '\n')) == 1),
    ('never-expected', lambda: len(console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nrcu: INFO: rcu_preempt self-detected stall on CPU\n'))) == 1),
    ('expected-and-warning', lambda: len(console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nOops: 0000 [#1]\nWARNING: CPU: 0 PID: 1 at mm/x.c:1\n'))) == 1),
    ('expected-warning', lambda: console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nWARNING: CPU: 0 PID: 1 at mm/x.c:1\n')) == []),
    ('expected-and-idle', lambda: console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nInternal error: Oops - BUG: 00000000f2000800 [#1]  SMP\n'
        'WARNING: CPU: 0 PID: 0 at kernel/context_tracking.c:128 ct_kernel_exit+0x1/0x2\n'
        'WARNING: arch/arm64/kernel/process.c:740 at __switch_to+0x1/0x2, CPU#0: it\n')) == []),
    ('expected-and-idle-of-gcc', lambda: console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nInternal error: Oops - BUG: 00000000f2000800 [#1]  SMP\n'
        'WARNING: CPU: 0 PID: 0 at kernel/context_tracking.c:128 '
        'ct_kernel_exit.constprop.0+0x1/0x2\n')) == []),
    ('expected-and-tracking', lambda: len(console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nInternal error: Oops - BUG: 00000000f2000800 [#1]  SMP\n'
        'WARNING: CPU: 0 PID: 0 at kernel/context_tracking.c:1 ct_kernel_enter+0x1/0x2\n'))) == 1),
    ('expected-and-reader', lambda: console.splats(EXPECT.format(
        'kernel BUG at x.c:1\n'
        'BUG: sleeping function called from invalid context at include/linux/cgroup-defs.h:8\n'
        )) == []),
    ('expected-and-bug', lambda: len(console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nBUG: scheduling while atomic: it\n'))) == 1),
    ('expected-one', lambda: console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nInternal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT\n')) == []),
    ('expected-two', lambda: len(console.splats(EXPECT.format(
        'kernel BUG at x.c:1\nOops: 0000 [#1]\nOops: 0002 [#2]\n'))) == 1),
    ('never-but-that', lambda: console.splats(
        EXPECT.replace('kernel BUG at', 'UBSAN: ').format('UBSAN: it\n')) == []),
    ('empty-denylist', lambda: len(console.splats('[1.0] hello\n', deny=())) == 1),
    ('ktap', lambda: console.results(KTAP) == {
        'suite.one': 'ok', 'suite.two': 'failed', 'suite.three': 'no such machine'}),
    ('ktap-cut-off', lambda: console.results(KTAP.replace('1..3', '1..4'))['suite.plan'] == 'failed'),
    ('said-again', lambda: console.once(AGAIN.format(' lines\n')) ==
     '[1.0] one\n[1.1] two lines\n[1.2] end\n'),
    ('said-again-later', lambda: console.once(AGAIN.format(' lines\n\n')) ==
     '[1.0] one\n[1.1] two lines\n[1.2] end\n'),
    ('half-said', lambda: console.once(AGAIN.format('')) == '[1.0] one\n[1.1] two lines\n[1.2] end\n'),
    ('said-else', lambda: '[1.1] two three\n' in console.once(AGAIN.format(' three\n'))),
    ('int3-is-gone', lambda: console.stale_code(INT3.format('66'))),
    ('int3-is-there', lambda: not console.stale_code(INT3.format('cc'))),
    ('int3-is-not-all', lambda: not console.stale_code(
        '[1.0] WARNING: CPU: 0 PID: 1 at mm/x.c:1\n' + INT3.format('66'))),
    ('int3-after-failure', lambda: not console.stale_code(KTAP + INT3.format('66'))),
    ('short-of-memory', lambda: console.splats(console.short_of_memory(SHORT.format(''))) == []),
    ('short-and-more', lambda: len(console.splats(console.short_of_memory(
        SHORT.format('[1.0] WARNING: CPU: 0 PID: 1 at mm/x.c:1\n')))) == 1),
    ('short-elsewhere', lambda: len(console.splats(console.short_of_memory(
        SHORT.format('').replace('/lib/x.ko', '2')))) > 1),
    ('fair-server', lambda: vacated(VACATED.format('', '') * 2) == 0),
    ('fair-server-and-task', lambda: vacated(
        VACATED.format('', '[1.0] \tpid: 30, name: kworker/2:1\n')) == 2),
    ('fair-server-and-two', lambda: vacated(
        VACATED.format('', '').replace('2 total', '3 total')) == 2),
    ('fair-server-of-another', lambda: vacated(
        VACATED.format('', '').replace('CPU2 enq', 'CPU3 enq')) == 2),
    ('fair-server-and-more', lambda: vacated(
        VACATED.format('[1.0] WARNING: CPU: 0 PID: 1 at mm/x.c:1\n', '')) == 3),
    ('fair-server-is-task', lambda: vacated(
        VACATED.format('', '').replace('migration/2', 'kworker/2:1')) == 2),
    ('fair-server-later', lambda: vacated(VACATED.format('', '').replace('8365 ', '8909 at ')
                                          .replace('CPU: 2 PID: 29 at ', '')) == 2),
    ('no-int3', lambda: not console.stale_code(INT3.format('66').replace('int3', 'invalid opcode'))),
)


def run():
    """Return {name: 'ok' or 'failed'}."""
    return {f'console.{name}': 'ok' if case() else 'failed' for name, case in CASES}
