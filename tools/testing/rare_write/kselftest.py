#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make kselftest: the kernel's own selftests of what is converted, on two kernels.

One of them, hardened, has it write-rare, the other, exposed, in ordinary memory, and no other
difference. So each test has to end on both in the same way. Those which fail, or
cannot run, on both are on an exact list, with what they say.

Some of sysctl.sh runs a second time, on knobs that are converted, instead of those of the
module test_sysctl: it is told where to find them.
"""
import csv
import fnmatch
import functools
import os
import re
import shutil
from typing import NamedTuple

import bench_report
import build
import check
import console
import tree
import userland
import vm
from common import (ARCHES, BUILD, HERE, KERNEL, KERNELS, SRC, TOP, choose, die, logged,
                    object_folder, script, write_whole)

TABLE = os.path.join(TOP, 'Documentation/security/rare-write-kselftest.csv')
SELFTESTS = 'tools/testing/selftests'
PORT = '/dev/vport0p2'
# A nanosecond for each instruction: no test takes too long just because this machine is busy.
CLOCK = ('-icount', 'shift=0,sleep=off', '-seed', '1', '-rtc', 'base=2000-01-01,clock=vm')
# What the selftests use, and what they are built with. Without usr-is-merged apt would take
# usrmerge, and that wants all of perl.
DEBIAN = {
    'kselftest': ('base-passwd', 'bash', 'coreutils', 'debianutils', 'diffutils', 'findutils',
                  'grep', 'iproute2', 'kmod', 'libc-bin', 'libcap2-bin', 'mawk', 'mount',
                  'perl-base', 'procps', 'python3-minimal', 'sed', 'usr-is-merged', 'util-linux'),
    'sysroot': ('libc6-dev', 'libcap-dev', 'libgcc-12-dev', 'linux-libc-dev'),
}
MODULES = ('af_packet_diag', 'binfmt_misc', 'inet_diag', 'netlink_diag', 'tcp_diag', 'test_module',
           'test_sysctl', 'unix_diag')

# The programs of each folder; what else is built for them; and what is just copied.
PROGRAMS = {
    'exec': ('execveat', 'load_address.0x1000', 'load_address.0x200000',
             'load_address.static.0x1000', 'load_address.static.0x200000', 'non-regular',
             'null-argv', 'recursion-depth'),
    'lsm': ('lsm_get_self_attr_test', 'lsm_list_modules_test', 'lsm_set_self_attr_test'),
    'net': ('bind_wildcard', 'psock_fanout', 'psock_tpacket', 'reuseaddr_conflict',
            'reuseport_bpf', 'reuseport_dualstack', 'sk_bind_sendto_listen',
            'sk_connect_zero_addr', 'sk_so_peek_off', 'socket'),
    'net/af_unix': ('diag_uid', 'msg_oob', 'scm_pidfd'),
    'perf_events': ('mmap', 'watermark_signal'),
    'proc': ('proc-self-map-files-001', 'proc-self-map-files-002', 'read'),
    'ptrace': ('get_set_sud', 'get_syscall_info', 'peeksiginfo', 'vmaccess'),
}
EXTRA = {'exec': ('execveat.symlink', 'execveat.denatured', 'script', 'subdir')}
COPIES = {
    'exec': ('binfmt_script.py', 'Makefile'),
    'kmod': ('kmod.sh', 'config'),
    'sysctl': ('sysctl.sh', 'config'),
}
# What of them is converted.
REACHES = {
    'exec': 'binary formats, kernel.randomize_va_space',
    'lsm': 'the security modules',
    'net': 'families, protocols, kinds of sockets',
    'net/af_unix': 'sock_diag, families',
    'perf_events': 'kernel.perf_event_paranoid',
    'proc': 'all that /proc/sys has, vm.mmap_min_addr',
    'ptrace': 'kernel.yama.ptrace_scope',
}

# What fails, or says that it cannot run, on both kernels: (architecture and case, what it says).
ON_BOTH = (
    ('* sysctl.sh 0007: *', 'only possible if sysctl_test is built-in'),
    # It takes the mark of a module without signature for an address.
    ('* kmod.sh 0012: kmod_check_visibility', r"visible to unpriv: '\(E\)' vs '\(E\)'"),
    # Needs CONFIG_USER_NS.
    ('* diag_uid: diag_uid.uid_unshare.1', r'unshare\(variant->unshare\) \(-1\)'),
    # Needs CONFIG_SIGNALFD.
    ('* msg_oob: msg_oob.*', r'self->signal_fd \(-1\)'),
    # Needs a performance counter with a buffer of its own, which the emulated machine does not have.
    ('* mmap: perf_mmap.aux.*', 'No AUX event found'),
    # 64-bit Arm has no syscall user dispatch.
    ('arm64 get_set_sud: global.get_set_sud', r'ret \(-1\) == 0'),
    # It waits until its time is up.
    ('* vmaccess: global.attach', 'says nothing'),
)

# What is not even tried, and why.
LEFT_OUT = 'which these kernels leave out'
NOT_RUN = {
    'bpf': 'unpriv_bpf_disabled needs libbpf, and a kernel with BTF',
    'landlock': f'ptrace_test needs CONFIG_SECURITY_LANDLOCK, {LEFT_OUT}',
    'net: test_bpf.sh': f'needs CONFIG_TEST_BPF, {LEFT_OUT}: half a minute to compile',
    'coredump': 'Linux 6.12 has no selftest of it',
    'kexec': 'is about secure boot and IMA, which these machines do not have',
    'livepatch': 'needs CONFIG_LIVEPATCH',
    'net/af_unix: scm_rights, unix_connect': f'need CONFIG_NET_NS, {LEFT_OUT}',
    'perf_events: remove_on_exec, sigtrap_threads':
        'need counters that interrupt, and breakpoints, which not both emulated machines have',
    'uevent': f'needs CONFIG_NET_NS and CONFIG_USER_NS, {LEFT_OUT}',
}


class Test(NamedTuple):
    """One line of the list in the machine."""
    folder: str
    name: str
    command: str
    what: str
    seconds: int = 300


# sysctl.sh finds by its own names what is somewhere else, and a string may be longer.
KNOB = ('f=$(mktemp -d); k=/proc/sys/{knob}; ln -s $k $f/{target}; old=$(cat $k); '
        'sed s/MAXLEN=65/MAXLEN={length}/ sysctl.sh > $f/sysctl.sh; '
        'SYSCTL=$f bash $f/sysctl.sh -t {number}; s=$?; echo "$old" > $k; exit $s')
KNOBS = (
    *((f'kernel/{name}', 'int_0002', '0003', 65) for name in (
        'core_pipe_limit', 'core_uses_pid', 'io_uring_group', 'panic_on_oops',
        'perf_event_paranoid', 'randomize_va_space')),
    *((f'kernel/{name}', 'uint_0001', '0004', 65) for name in ('oops_limit', 'warn_limit')),
    ('kernel/core_pattern', 'string_0001', '0002', 128),
    *((f'kernel/{name}', 'string_0001', '0002', 256)
      for name in ('hotplug', 'modprobe', 'poweroff_cmd')),
)


def tests():
    """All of them, in the order in which they run."""
    sysctl = {f'{number:04}': '-t' for number in range(1, 12)}
    kmod = {f'{number:04}': '-t' for number in range(1, 14)}
    # Made to run often: 50 times and 150 times are hours for an emulator.
    sysctl['0006'] = kmod['0008'] = kmod['0009'] = '-c'
    for number, how in sysctl.items():
        yield Test('sysctl', f'sysctl.sh {number}',
                   f'./sysctl.sh {how} {number}{" 2" if how == "-c" else ""}',
                   'the handlers that the others call')
    for knob, target, number, length in KNOBS:
        yield Test('sysctl', f'sysctl.sh {number} {os.path.basename(knob)}',
                   KNOB.format(knob=knob, target=target, number=number, length=length),
                   f'{knob.replace("/", ".")}, its handler and table')
    # Any filesystem will do, and this one comes with a binary format.
    for number, how in kmod.items():
        yield Test('kmod', f'kmod.sh {number}', 'DEFAULT_KMOD_FS=binfmt_misc '
                   f'./kmod.sh {how} {number}{" 2" if how == "-c" else ""}',
                   'modprobe_path, helpers' if number < '0012' else 'kptr_restrict', 900)
    yield Test('exec', 'binfmt_script.py', './binfmt_script.py', REACHES['exec'])
    for folder, names in PROGRAMS.items():
        for name in names:
            yield Test(folder, name, f'./{name}', REACHES[folder])


def install(arch, obj):
    """Build the selftests; return the folder that has them."""
    top = os.path.join(BUILD, 'kselftest', arch)
    sysroot = userland.unpacked(arch, DEBIAN)['sysroot']
    include = build.user_headers(arch, obj)
    for folder, programs in PROGRAMS.items():
        out = os.path.join(top, folder)
        os.makedirs(out, exist_ok=True)
        logged(['make', '-s', '-C', os.path.join(SRC, SELFTESTS, folder), f'OUTPUT={out}',
                f'ARCH={arch}', 'LLVM=-19', f'KHDR_INCLUDES=-isystem {include}',
                f'USERCFLAGS=--sysroot={sysroot}',
                f'USERLDFLAGS=--sysroot={sysroot} -fuse-ld=lld',
                *(os.path.join(out, target) for target in (*programs, *EXTRA.get(folder, ())))],
               f'kselftest-{arch}-{folder.replace("/", "-")}.log', f'building {folder}',
               env=build.environment())
    for folder, names in COPIES.items():
        os.makedirs(os.path.join(top, folder), exist_ok=True)
        for name in names:
            path = os.path.join(top, folder, name)
            shutil.copy(os.path.join(SRC, SELFTESTS, folder, name), path)
            # execveat wants that of a Makefile to be refused.
            os.chmod(path, 0o755 if name.endswith(('.sh', '.py')) else 0o644)
    write_whole(os.path.join(top, 'list'), ''.join(
        f'{test.name}\t{test.folder}\t{test.seconds}\t{test.command}\n' for test in tests()))
    return top


def test_kmod(arch, obj):
    """The module of kmod.sh, on its own: its option would select XFS and btrfs, too."""
    folder = os.path.join(BUILD, 'kselftest', f'test_kmod-{os.path.basename(obj)}')
    os.makedirs(folder, exist_ok=True)
    shutil.copy2(os.path.join(SRC, 'lib/test_kmod.c'), folder)
    write_whole(os.path.join(folder, 'Kbuild'), 'obj-m := test_kmod.o\n')
    logged(build.make_args(arch, 'clang', obj) + [f'M={folder}', 'modules'],
           f'test_kmod-{os.path.basename(obj)}.log', 'building test_kmod',
           env=build.environment())
    return os.path.join(folder, 'test_kmod.ko')


def libraries(arch, obj):
    """A folder with the modules as modprobe wants them."""
    with open(os.path.join(obj, 'include/config/kernel.release')) as file:
        release = file.read().strip()
    top = os.path.join(BUILD, 'kselftest', f'modules-{os.path.basename(obj)}')
    shutil.rmtree(top, ignore_errors=True)
    folder = os.path.join(top, 'lib/modules', release)
    os.makedirs(folder)
    for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
        shutil.copy(os.path.join(obj, name), folder)
    for path in (test_kmod(arch, obj), *(build.module(obj, name) for name in MODULES)):
        shutil.copy(path, folder)
    logged(['/sbin/depmod', '-b', top, release], f'depmod-{os.path.basename(obj)}.log', 'depmod')
    return os.path.dirname(folder)


# A case of a test that says how each of them went.
TAP = re.compile(r'(not )?ok \d+ ?(?:- )?(.*?) *(?:# *(SKIP|XFAIL)\b[ :]*(.*))?$')
SHELL = re.compile(r'(.*\S) \.\.\. (OK|FAIL|SKIPPING)$')
KMOD = re.compile(r'(kmod_\w+): (OK|FAIL)\b')
STATES = {'OK': 'ok', 'FAIL': 'failed', 'SKIPPING': 'skipped'}


def case(line, after):
    """(name, state, note) if a line, with the one after it, tells of a case."""
    if found := TAP.match(line):
        state = 'failed' if found[1] else 'skipped' if found[3] else 'ok'
        return found[2] or found[4], state, found[4] if found[2] else ''
    if found := SHELL.match(line) or KMOD.match(line):
        return found[1], STATES[found[2]], after if found[2] == 'SKIPPING' else line
    return None


def outcome(name, status, lines):
    """What a test brought: {case: 'ok', 'failed: ...' or 'skipped: ...'}."""
    cases, said, ran, plan = {}, [], 0, None
    for line, after in zip(lines, [*lines[1:], '']):
        if found := re.fullmatch(r'1\.\.(\d+)( .*)?', line):
            plan = int(found[1])
        if not (told := case(line, after)):
            # Of the harness, what is just about the beginning and the end of a case says nothing.
            if not re.fullmatch(r'[#\s]*|# +(RUN|OK|FAIL) .*|# \S+: Test terminated .*', line):
                said.append(line.strip('#\t '))
            continue
        ran += 1
        what, state, note = told
        if state != 'ok':
            state += f': {note or (said or ["says nothing"])[-1]}'
        said = []
        # Those of a shell script may come again: once failed is failed.
        if cases.get(f'{name}: {what}', 'ok') == 'ok':
            cases[f'{name}: {what}'] = state
    last = (said or ['says nothing'])[-1]
    if status in (124, 137):
        cases[name] = 'failed: takes too long'
    elif status == 4 and not cases:
        cases[name] = f'skipped: {last}'
    elif status not in (0, 4) and not any(s.startswith('failed') for s in cases.values()):
        cases[name] = f'failed: {last}'
    elif plan not in (None, ran):
        cases[name] = f'failed: {plan} cases are planned, {ran} ran'
    elif not cases:
        cases[name] = 'ok'
    return cases


def read(text):
    """What came from the port: {case: state}."""
    cases, name, lines = {}, None, []
    for line in text.splitlines():
        if line.startswith(' '):
            lines.append(line[1:])
        elif line.startswith('begin '):
            name, lines = line[6:], []
        elif line.startswith('end ') and name:
            cases.update(outcome(name, int(line[4:]), lines))
            name = None
    if name or not text.endswith('\nfinished\n'):
        cases[name or 'the list'] = 'failed: did not end'
    return cases


def kernel_said(run):
    """Take out of the console what the tests provoked: {test: 'failed: splats'}."""
    cases, rest = {}, ''
    for number, part in enumerate(re.split(r'kselftest: (?=.*\n)', run.text)):
        name, _, text = part.partition('\n')
        bad = console.splats(text) if number and name else []
        if bad:
            cases[f'{name}: kernel'] = f'failed: {bad[0]}'
        else:
            rest += part
    run.text = rest
    return cases


def boot(arch, config, installed):
    """Run all of them on one kernel; return {case: state}."""
    obj = object_folder(arch, config)
    name = f'kselftest-{arch}-{config}'
    port = os.path.join(BUILD, 'results', f'{name}.port')
    os.makedirs(os.path.dirname(port), exist_ok=True)
    folders = {'': userland.unpacked(arch, DEBIAN)['kselftest'],
               'kselftests': installed, 'lib/modules': libraries(arch, obj)}
    root = [line for at, folder in folders.items() for line in userland.entries(folder, at)]
    run = vm.boot(arch, obj, name, [f'exec /bin/kselftest.sh {PORT}'],
                  {'/bin/kselftest.sh': os.path.join(HERE, 'kselftest.sh')}, root=root, mem='1G',
                  smp=2, timeout=14400,
                  extra=(*CLOCK, '-chardev', f'file,id=port,path={port}',
                         '-device', 'virtserialport,chardev=port,nr=2'))
    cases = kernel_said(run)
    problems = run.problems()
    cases['boot'] = f'failed: {"; ".join(problems[:5])}' if problems else 'ok'
    with open(port, errors='replace') as file:
        cases.update(read(file.read()))
    return cases


def compare(arch, exposed, hardened):
    """Judge what came of both: {case: 'ok', 'failed: ...' or 'skipped: ...'}."""
    cases, seen = {}, set()
    for name in dict.fromkeys([*exposed, *hardened]):
        old, new = (which.get(name, 'did not run') for which in (exposed, hardened))
        if old.split(':')[0] != new.split(':')[0]:
            cases[name] = f'failed: exposed: {old}; hardened: {new}'
        elif new == 'ok':
            cases[name] = 'ok'
        else:
            known = [entry for entry in ON_BOTH if fnmatch.fnmatchcase(f'{arch} {name}', entry[0])
                     and all(re.search(entry[1], state) for state in (old, new))]
            seen.update(known)
            both = new.replace('failed: ', 'fails on both: ').replace('skipped: ', '')
            cases[name] = (f'skipped: {both}' if known else
                           f'failed: not on the list: {both}')
    for entry in ON_BOTH:
        if entry not in seen and entry[0].split(' ')[0] in (arch, '*'):
            cases[f'listed: {entry[0]}'] = 'failed: it does not fail, or does not say this'
    return cases


def run(arch, rows):
    """Both kernels, and a row of the table for each test; return the cases."""
    installed = install(arch, object_folder(arch, 'hardened'))
    exposed, hardened = (boot(arch, config, installed) for config in ('exposed', 'hardened'))
    cases = compare(arch, exposed, hardened)
    for test in tests():
        mine = {name: state for name, state in cases.items()
                if name == test.name or name.startswith(f'{test.name}: ')}
        if not mine:
            cases[test.name] = mine[test.name] = 'failed: it did not run'
        rows.setdefault(test, {})[arch] = mine
    return {**cases, **{name: f'skipped: {why}' for name, why in NOT_RUN.items()}}


def cell(cases):
    """What became of a test, in a few words."""
    kinds = [state.split(':')[0] for state in cases.values()]
    kinds = ['fails on both' if state.startswith('skipped: fails on both') else kind
             for kind, state in zip(kinds, cases.values())]
    return ', '.join(f'{kinds.count(kind)} {kind}' for kind in dict.fromkeys(kinds))


def table(rows):
    """The lines of the CSV."""
    yield ['selftest', 'what it reaches', *(bench_report.NAMES[arch] for arch in ARCHES)]
    for test, cases in rows.items():
        yield [f'{test.folder}: {test.name}', test.what, *(cell(cases[arch]) for arch in ARCHES)]
    for name, why in NOT_RUN.items():
        yield [name, '', *(f'not run: {why}' for _ in ARCHES)]


def main():
    arch = os.environ.get('ARCH')
    arches = [choose('ARCH', arch, ARCHES)] if arch else list(ARCHES)
    if KERNEL != KERNELS[0]:
        die(f'make kselftest knows the selftests of {KERNELS[0]}, and which of these fail: '
            f'KERNEL={KERNELS[0]}')
    if os.environ.get('DOCS') and arch:
        die('DOCS=1 is for both architectures at once')
    tree.prepare()
    rows = {}
    results = check.perform([(f'kselftest-{arch}', tuple((arch, config, 'clang')
                                                         for config in ('hardened', 'exposed')),
                              functools.partial(run, arch, rows)) for arch in arches])
    for name, cases in results.items():
        for what, state in cases.items():
            if state.startswith('skipped'):
                print(f'{name}: {what}: {state[9:]}')
    failed = any(state.startswith('failed') for cases in results.values()
                 for state in cases.values())
    if os.environ.get('DOCS') and not failed:
        with open(TABLE, 'w', newline='') as file:
            csv.writer(file, lineterminator='\n').writerows(table(rows))
    check.conclude(results)


if __name__ == '__main__':
    script(main)
