#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make coverage: what is write-rare, who writes it how often, and what is not protected.

The objects come from the symbols of the hardened kernel and of the modules that are
loaded, the writes from the trace event rare_write:rare_write during a boot and a stress
run. A window counts once, for the object that it writes first.
"""
import collections
import os
import re
import subprocess
import sys
import textwrap

import build
import sysctl
import vm
from common import ARCHES, Step, choose, script

LIMIT = 64 << 10
WIDTH = 100

MODULES = ('rare_write_howto', 'rare_write_demo', 'binfmt_misc', 'inet_diag', 'tcp_diag',
           'udp_diag', 'unix_diag', 'netlink_diag', 'af_packet_diag')
MARK = 'the boot is over'

# What exploits write as well, and why it is not write-rare.
NOT_PROTECTED = (
    ('struct cred, and the pointers to it in struct task_struct',
     'allocated for each task, and the region has static objects only'),
    ('struct task_struct: thread flags, seccomp, the address limit of old',
     'allocated for each task, and changed all the time'),
    ('page tables', 'written all the time, and not by the kernel alone: the CPU sets bits in them'),
    ('pipe_buffer.ops and .flags, file.f_op and .f_mode, sk_buff, msg_msg, timers, RCU callbacks',
     'allocated from the heap and short-lived; where they hold functions, CFI limits which'),
    ('the page cache, such as that of a program that root runs', 'contents of files'),
    ('return addresses and registers on kernel stacks',
     'written by each call; shadow call stacks and pointer authentication are for them'),
    ('ctl_table arrays that are allocated: of network namespaces, of user namespaces',
     'copied for each namespace: no static object'),
    ('struct user_namespace, nsproxy, mounts, superblocks', 'allocated at run time'),
    ('blobs of LSMs, and the policy of SELinux', 'allocated at run time'),
    ('tables of functions that do not change, system call tables, hooks of LSMs',
     'read-only already'),
    ('struct module and its list', 'with the module, and written when another one is loaded'),
    ('programs and maps of BPF', 'programs are read-only already; maps are for writing'),
    ('the state of the random number generator', 'written all the time'),
)


def image(obj):
    """([(address, size, name)], start, end) of the kernel's own region."""
    text = subprocess.check_output(['llvm-nm-19', '-n', '-S', os.path.join(obj, 'vmlinux')],
                                   text=True)
    symbols = [(int(address, 16), int(size, 16), name) for address, size, name in
               re.findall(r'^([0-9a-f]+) ([0-9a-f]+) [bBdDrR] (\S+)$', text, re.M)]
    edges = [address for address, _, name in symbols
             if name in ('__start_rare_write', '__end_rare_write', '__end_rare_write_core')]
    found = [what for what in symbols if min(edges) <= what[0] < max(edges) and what[1]]
    return found, min(edges), max(edges)


def of_module(path):
    """[(size, name)] of the write-rare objects of a module."""
    text = subprocess.check_output(['llvm-objdump-19', '-t', path], text=True)
    return [(int(size, 16), name) for size, name in
            re.findall(r' O \.data\.\.rare_write\s+([0-9a-f]+) (?:\.hidden )?(\S+)$', text, re.M)]


def writes(text):
    """({object: number} at boot, {object: number} later, {object: {function: number}})."""
    boot, later = collections.Counter(), collections.Counter()
    who = collections.defaultdict(collections.Counter)
    counts = boot
    for line in text.splitlines():
        if MARK in line and 'tracing_mark_write' in line:
            counts = later
        elif found := re.search(r' rare_write: caller=(\S+?)\+\S+(?: \[\w+\])? dst=(\S+?)\+', line):
            counts[found[2]] += 1
            who[found[2]][found[1]] += 1
    return boot, later, who


def loaded(obj):
    """The modules of the stress run that this kernel has."""
    return [name for name in MODULES if build.module(obj, name)]


def plan(arch, obj):
    """The steps of the stress run, and the files that it needs."""
    state = '/sys/module/rare_write_howto/parameters/state'
    steps = ['write /sys/kernel/tracing/trace_marker ' + MARK]
    for _ in range(3):
        steps += [f'insmod /lib/{name}.ko ' for name in loaded(obj)]
        steps += [f'write {state} 3 /sbin/other']
        steps += [f'rmmod {name} ' for name in reversed(loaded(obj))]
    steps += ['exec /bin/sysctl ', 'write /sys/kernel/tracing/tracing_on 0',
              'cat /sys/kernel/tracing/trace ']
    return steps, {**{f'/lib/{name}.ko': build.module(obj, name) for name in loaded(obj)},
                   **sysctl.files(arch, obj)}


def row(name, size, boot, later, who):
    """One object, in a line or more."""
    head = f'{name:<34} {size:>6} {boot:>7} {later:>7}  '
    by = ', '.join(function for function, _ in who.most_common()) or '-'
    return textwrap.wrap(head + by, WIDTH, subsequent_indent=' ' * len(head),
                         drop_whitespace=False, break_long_words=False)


def report(arch, obj, run):
    """(lines, problems)"""
    found, start, end = image(obj)
    boot, later, who = writes(run.text)
    lines = [f'{"object":<34} {"bytes":>6} {"at boot":>7} {"stress":>7}  written by']
    known = set()
    for _, size, name in sorted(found, key=lambda what: what[2]):
        known.add(name)
        lines += row(name, size, boot[name], later[name], who[name])
    for module in loaded(obj):
        for size, name in of_module(build.module(obj, module)):
            known.add(name)
            lines += row(f'{name} [{module}]', size, boot[name], later[name], who[name])
    used = sum(size for _, size, _ in found)
    room = end - start
    lines.append(f'the kernel: {len(found)} objects, {used} bytes in {room >> 10} KiB, '
                 f'{room - used} of padding; {sum(boot.values())} writes at boot, '
                 f'{sum(later.values())} in the stress run')
    problems = run.problems()
    if room > LIMIT:
        problems.append(f'the region has {room >> 10} KiB, more than {LIMIT >> 10}')
    if lost := sorted((set(boot) | set(later)) - known):
        problems.append(f'written, but no object of the region: {" ".join(lost)}')
    if not boot or not later:
        problems.append('the trace is empty')
    return lines, problems


def boot(arch, obj):
    steps, files = plan(arch, obj)
    return vm.boot(arch, obj, f'{arch}-coverage', steps, files, timeout=600,
                   append='trace_event=rare_write:rare_write trace_buf_size=4M')


def main():
    arch = os.environ.get('ARCH')
    bad = []
    for arch in [choose('ARCH', arch, ARCHES)] if arch else ARCHES:
        obj = build.kernel(arch, 'hardened')
        with Step(f'tracing the writes of a boot and a stress run on {arch}'):
            run = boot(arch, obj)
        lines, problems = report(arch, obj, run)
        print('\n'.join([f'\n=== {arch} ===', *lines]))
        bad += [f'{arch}: {problem}' for problem in problems]
    print('\n=== not protected ===')
    for what, why in NOT_PROTECTED:
        print(textwrap.fill(f'{what}: {why}', WIDTH, subsequent_indent='    '))
    for problem in bad:
        print(f'error: {problem}', file=sys.stderr)
    print(f'coverage finished: {"FAILED" if bad else "ok"}')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    script(main)
