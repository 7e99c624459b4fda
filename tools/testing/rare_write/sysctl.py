# SPDX-License-Identifier: GPL-2.0-only
"""The knobs of write-rare variables behave as they did: see sysctl.c.

The same program runs on two kernels: in one of them the variables are ordinary
data. What it says must be the same, line by line.
"""
import os
import re

import build
import console
import vm
from common import BUILD, HERE, write_whole

KERNELS = ('exposed', 'hardened')
# All of them, except for the one-way ones: what these refuse is refused for good.
KNOBS = (
    '/proc/sys/dev/tty/ldisc_autoload',
    '/proc/sys/dev/tty/legacy_tiocsti',
    '/proc/sys/fs/protected_fifos',
    '/proc/sys/fs/protected_hardlinks',
    '/proc/sys/fs/protected_regular',
    '/proc/sys/fs/protected_symlinks',
    '/proc/sys/fs/suid_dumpable',
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/kernel/core_pipe_limit',
    '/proc/sys/kernel/core_uses_pid',
    '/proc/sys/kernel/dmesg_restrict',
    '/proc/sys/kernel/ftrace_enabled',
    '/proc/sys/kernel/hotplug',
    '/proc/sys/kernel/io_uring_disabled',
    '/proc/sys/kernel/io_uring_group',
    '/proc/sys/kernel/kptr_restrict',
    '/proc/sys/kernel/loadpin/enforce',
    '/proc/sys/kernel/modprobe',
    '/proc/sys/kernel/oops_limit',
    '/proc/sys/kernel/panic_on_oops',
    '/proc/sys/kernel/panic_on_warn',
    '/proc/sys/kernel/perf_event_paranoid',
    '/proc/sys/kernel/poweroff_cmd',
    '/proc/sys/kernel/randomize_va_space',
    '/proc/sys/kernel/sysrq',
    '/proc/sys/kernel/warn_limit',
    '/proc/sys/net/core/bpf_jit_enable',
    '/proc/sys/net/core/bpf_jit_harden',
    '/proc/sys/net/core/bpf_jit_kallsyms',
    '/proc/sys/vm/mmap_min_addr',
    '/proc/sys/vm/unprivileged_userfaultfd',
    '/sys/fs/selinux/enforce',
    '/sys/kernel/uevent_helper',
)
ONE_WAY = (
    '/proc/sys/kernel/yama/ptrace_scope',
    '/proc/sys/kernel/unprivileged_bpf_disabled',
    '/proc/sys/kernel/usermodehelper/bset',
    '/proc/sys/kernel/usermodehelper/inheritable',
    '/proc/sys/kernel/kexec_load_limit_panic',
    '/proc/sys/kernel/kexec_load_limit_reboot',
    '/proc/sys/kernel/kexec_load_disabled',
    '/proc/sys/kernel/modules_disabled',
    '/sys/kernel/security/lockdown',
)
# There is one such module of security at a time, and SELinux comes first.
APPARMOR = (
    '/proc/sys/kernel/apparmor_display_secid_mode',
    '/proc/sys/kernel/apparmor_restrict_unprivileged_unconfined',
    '/sys/module/apparmor/parameters/mode',
    '/sys/module/apparmor/parameters/lock_policy',
)
# What the boot line can set, and what is then read first.
SET_AT_BOOT = {
    '/proc/sys/kernel/loadpin/enforce': ('loadpin.enforce=1', r'1\n'),
    '/proc/sys/kernel/modules_disabled': ('nomodule', r'1\n'),
    '/proc/sys/kernel/panic_on_oops': ('oops=panic', r'1\n'),
    '/proc/sys/kernel/panic_on_warn': ('panic_on_warn=1', r'1\n'),
    '/proc/sys/kernel/randomize_va_space': ('norandmaps', r'0\n'),
    '/sys/fs/selinux/enforce': ('enforcing=1', '1'),
    '/sys/kernel/security/lockdown': ('lockdown=integrity', r'none [integrity] confidentiality\n'),
}
# What the kernel is booted with, by what these boots are called, for which knobs, and what is
# read of them first, if that is said.
BOOTS = {'': ('', dict.fromkeys(KNOBS + ONE_WAY)),
         'apparmor': ('security=apparmor', dict.fromkeys(APPARMOR)),
         'set-at-boot': (' '.join(word for word, _ in SET_AT_BOOT.values()),
                         {knob: first for knob, (_, first) in SET_AT_BOOT.items()})}


def sections(text):
    """What was said of each knob, to its end: {knob: lines}."""
    said = re.findall(console.STAMP + r'sysctl: (.*)', text, re.M)
    found, knob = {}, None
    for line in said:
        if title := re.fullmatch(r'--- (end of )?(\S+) ---', line):
            if title[1]:
                found[title[2]] = lines
            knob, lines = title[2], []
        elif knob:
            lines.append(line)
    return found


def compare(plain, rare, knobs):
    """{case: 'ok' or 'failed...'} of what was said of these knobs on the two kernels."""
    cases = {}
    for knob, first in knobs.items():
        a, b = plain.get(knob), rare.get(knob)
        if not a or not b:
            cases[knob] = 'failed: not complete'
        elif a[0].startswith('root open to read: '):
            cases[knob] = 'failed: it is not there'
        elif first and a[0] != (want := f'root reads: "{first}"'):
            cases[knob] = f'failed: {a[0]!r}, must be {want!r}'
        else:
            differ = [f'{x!r}, was {y!r}' for x, y in zip(b, a) if x != y]
            if len(a) != len(b):
                differ.append(f'{len(b)} lines, were {len(a)}')
            cases[knob] = f'failed: {differ[0]}' if differ else 'ok'
    return cases


def files(arch, obj, knobs):
    """The program and what it reads, as files of the guest."""
    path = os.path.join(BUILD, f'{arch}-programs', 'knobs')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_whole(path, ''.join(f'{knob}\n' for knob in knobs))
    return {'/knobs': path,
            '/bin/sysctl': build.program(arch, obj, os.path.join(HERE, 'sysctl.c'))}


def run(arch):
    """Both kernels, for make check."""
    cases, kernels = {}, {config: build.kernel(arch, config) for config in KERNELS}
    for boot, (append, knobs) in BOOTS.items():
        said = []
        for config, obj in kernels.items():
            name = '-'.join(filter(None, (config, boot)))
            got = vm.boot(arch, obj, f'{arch}-sysctl-{name}', ['exec /bin/sysctl '],
                          files(arch, obj, knobs), timeout=600, append=append)
            problems = got.problems()
            cases[f'{name}.runs'] = f'failed: {"; ".join(problems[:5])}' if problems else 'ok'
            said.append(sections(got.text))
        cases.update({f'{boot}{knob}': state
                      for knob, state in compare(*said, knobs).items()})
    return cases
