# SPDX-License-Identifier: GPL-2.0-only
"""The harness on bad input and when it is interrupted, with a toy instead of a kernel.

A copy of the harness gets a source tree of two files and a make that only
pretends, so that each case takes less than a second. What is refused must be
refused with one clear line, an exit status, and no traceback.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from unittest import mock

import bench_system
import build
import check_configs
import check_cost
import check_full
import check_lint
import check_readers
import check_static
import conditions
import coverage
import deb
import exploit
import gdbstub
import htmldocs
import kselftest
import mutant
import mutants
import sysctl
import vm
from common import ARCHES, HERE, KERNEL, KERNELS, MAIN, SRC, TOP, child
from scenarios import DIES

MAKEFILE = '# SPDX\nVERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = 7\n'
PATCH = '''--- a/mm/old.c
+++ b/mm/old.c
@@ -1,2 +1,3 @@
 one
+one and a half
 two
'''
# What Debian's source has, and no other.
YAMA = 'pr_info("Yama: disabled by default; enable with sysctl kernel.yama.*\\n");\n'
# Configures and "builds"; what TOY_MAKE says it does worse.
MAKE = r'''#!/bin/sh
for a; do case $a in O=*) o=${a#O=};; KCONFIG_ALLCONFIG=*) all=${a#*=};; esac; done
case "$*" in
*allnoconfig)
	if [ "$TOY_MAKE" = drop ]; then grep -v CONFIG_SMP=; else cat; fi < "$all" > "$o/.config" ;;
*olddefconfig) ;;
*)
	mkdir -p "$o/include/generated"
	echo '#define UTS_RELEASE "6.12.7"' > "$o/include/generated/utsrelease.h"
	case $TOY_MAKE in
	fail)	seq 50; echo 'mm/old.c:2: error: no such thing'; exit 2 ;;
	slow)	echo $$ > "$o/pid"; exec sleep 60 ;;
	esac
	touch "$o/image" ;;
esac
'''
# Resets what is checked out to the one and to the other, as the kernel's does, and finds
# something if these differ.
SYMBOLS = r'''import os, subprocess, sys
seen = set()
for commit in sys.argv[2].split('..'):
    subprocess.check_call(['git', 'reset', '--quiet', '--hard', commit])
    seen.add(subprocess.check_output(['git', 'rev-parse', 'HEAD']))
print(os.environ.get('TOY_SYMBOL', '') if len(seen) > 1 else '')
'''
# Unpacks half, then waits or takes the harness down with it.
TAR = r'''#!/bin/sh
while [ "$1" != -C ]; do shift; done
echo half > "$2/half"
if [ "$TOY_TAR" = die ]; then kill -9 $PPID; exit 1; fi
echo $$ > "$TOY_PID"
exec sleep 60
'''


class Toy:
    """A copy of the harness in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.repo = os.path.join(folder, 'repo')
        self.tree = os.path.join(self.repo, 'build/linux-6.12')
        self.bin = os.path.join(folder, 'bin')
        shutil.copytree(HERE, os.path.join(self.repo, 'tools/testing/rare_write'),
                        ignore=shutil.ignore_patterns('__pycache__'))
        shutil.copy(os.path.join(TOP, 'Makefile'), self.repo)
        self.write('repo/include/linux/new.h', 'new\n')
        self.write('repo/.gitignore', '/build/\n')
        self.write('repo/patches/6.12/series', '0001-toy.patch\n')
        self.write('repo/patches/6.12/0001-toy.patch', PATCH)
        self.git('init', '-q')
        self.source('linux')
        self.tar = os.path.join(folder, 'linux.tar')
        self.pack('linux', self.tar)

    def write(self, path, text, mode=0o644):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def read(self, path):
        with open(os.path.join(self.folder, path)) as file:
            return file.read()

    def git(self, *args):
        subprocess.check_call(['git', *args], cwd=self.repo)

    def source(self, name, version='6.12'):
        """A kernel tree; return its path."""
        self.write(f'{name}/Makefile', MAKEFILE.format(*version.split('.')))
        self.write(f'{name}/mm/old.c', 'one\ntwo\n')
        self.write(f'{name}/scripts/checkkconfigsymbols.py', SYMBOLS)
        return os.path.join(self.folder, name)

    def pack(self, name, tar):
        with tarfile.open(tar, 'w') as out:
            out.add(os.path.join(self.folder, name), 'linux-source')
        return tar

    def tool(self, name, text):
        """Put a program before those of the machine."""
        self.write(f'bin/{name}', text, 0o755)

    def start(self, script, *args, **env):
        env = {'PATH': f'{self.bin}:{os.environ["PATH"]}', 'HOME': self.folder,
               'LC_ALL': 'C.UTF-8', **env}
        return subprocess.Popen(
            [sys.executable, f'tools/testing/rare_write/{script}', *args], cwd=self.repo, env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def script(self, name, text):
        """A program of a few lines that has the harness's modules."""
        self.write(f'{name}.py', f'import sys\nsys.path.insert(0, "tools/testing/rare_write")\n{text}')

    def said(self, name, **env):
        """What such a program prints."""
        return self.start(f'../../../../{name}.py', **env).communicate(timeout=60)[0]

    def run(self, script, *args, **env):
        """Return (exit status, stderr)."""
        process = self.start(script, *args, **env)
        said = process.communicate(timeout=60)[1]
        return process.returncode, said

    def prepared(self, **env):
        """Make the tree; is it all there?"""
        status, said = self.run('tree.py', **env)
        return (status == 0 and 'Traceback' not in said and
                self.read(f'{self.tree}/mm/old.c') == 'one\none and a half\ntwo\n' and
                self.read(f'{self.tree}/include/linux/new.h') == 'new\n' and
                not os.path.exists(f'{self.tree}/half'))

    def built(self, **env):
        return self.run('build.py', 'x86_64', 'test', 'clang', LINUX_TAR=self.tar, **env)

    def module(self, name, triple, release):
        """An object that claims to be a module."""
        path = os.path.join(self.folder, name)
        subprocess.run(['clang-19', f'--target={triple}', '-xc', '-c', '-', '-o', path], check=True,
                       input='__attribute__((section(".modinfo"), used)) static const char m[] ='
                             f' "vermagic={release} SMP ";', text=True)
        return path


def refused(result, why):
    """One clear line and nothing else that looks like a failure."""
    status, said = result
    errors = [line for line in said.splitlines() if line.startswith('error: ')]
    return (status == 1 and len(errors) == 1 and re.search(why, errors[0]) is not None and
            'Traceback' not in said)


def wait_for(path, seconds=20):
    """Something that was started wrote its process number; return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):
            with open(path) as file:
                return int(file.read())
        time.sleep(0.05)
    return None


def gone(pid):
    """Has a process ended, at the latest in a moment?"""
    for _ in range(40):
        if not os.path.exists(f'/proc/{pid}'):
            return True
        time.sleep(0.05)
    return False


def interrupted(process, pid, number):
    """Send a signal: the harness ends at once, says so, and leaves nothing behind."""
    if not pid:
        process.kill()
        return False
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    return (process.returncode == 128 + number and said.splitlines()[-1] == 'interrupted' and
            'Traceback' not in said and gone(pid))


def trees(toy):
    """LINUX_SRC and LINUX_TAR: (name, did it go as it should)."""
    yield 'no-tar', refused(toy.run('tree.py', LINUX_TAR='/nowhere.tar'), 'nowhere.tar is no file')
    yield 'no-source', refused(toy.run('tree.py', LINUX_SRC='/nowhere'), 'nowhere is no folder')
    yield 'both', refused(toy.run('tree.py', LINUX_SRC=toy.source('linux'), LINUX_TAR=toy.tar), 'both')
    old = toy.source('old', '6.11')
    yield 'source-6.11', refused(toy.run('tree.py', LINUX_SRC=old), 'is Linux 6.11.7, a 6.12.y')
    yield 'tar-6.11', refused(toy.run('tree.py', LINUX_TAR=toy.pack('old', f'{toy.folder}/old.tar')),
                              'is Linux 6.11.7, a 6.12.y')
    yield 'no-kernel', refused(toy.run('tree.py', LINUX_SRC=toy.bin.replace('bin', 'repo/include')),
                               'is no Linux source tree')
    made = toy.source('made')
    toy.write('made/.config', '')
    yield 'built-in-place', refused(toy.run('tree.py', LINUX_SRC=made), 'mrproper')
    bare = toy.source('bare')
    os.remove(f'{bare}/mm/old.c')
    yield 'missing-file', refused(toy.run('tree.py', LINUX_SRC=bare), 'mm/old.c, which this kernel')
    shutil.rmtree(toy.tree)

    size = os.path.getsize(toy.tar)
    cut = f'{toy.folder}/cut.tar'
    with open(toy.tar, 'rb') as whole, open(cut, 'wb') as part:
        part.write(whole.read(size // 3))
    yield 'truncated-tar', refused(toy.run('tree.py', LINUX_TAR=cut), 'cut.tar cannot be read: .')
    toy.write('text.tar', 'no tar at all\n')
    yield 'no-tar-at-all', refused(toy.run('tree.py', LINUX_TAR=f'{toy.folder}/text.tar'),
                                   'cannot be read: .')

    toy.tool('tar', TAR)
    pid = f'{toy.folder}/pid'
    process = toy.start('tree.py', LINUX_TAR=toy.tar, TOY_PID=pid)
    yield 'ctrl-c-in-unpacking', interrupted(process, wait_for(pid), signal.SIGINT)
    status, _ = toy.run('tree.py', LINUX_TAR=toy.tar, TOY_TAR='die')
    yield 'killed-in-unpacking', status == -9 and not os.path.exists(toy.tree)
    os.remove(f'{toy.bin}/tar')
    yield 'unpacks-after-that', toy.prepared(LINUX_TAR=toy.tar)

    toy.tool('git', f'#!/bin/sh\nif [ "$1" = apply ]; then kill -9 $PPID; exit 1; fi\nexec {shutil.which("git")} "$@"\n')
    toy.write('repo/include/linux/more.h', 'more\n')
    status, _ = toy.run('tree.py', LINUX_TAR=toy.tar)
    os.remove(f'{toy.bin}/git')
    yield 'killed-in-patching', status == -9 and toy.prepared(LINUX_TAR=toy.tar)
    for path in ('mm/old.c', 'include/linux/new.h'):
        toy.write(f'{toy.tree}/{path}', 'o')
    yield 'half-written-files', toy.prepared(LINUX_TAR=toy.tar)
    os.remove(f'{toy.repo}/include/linux/more.h')
    yield 'removed-file', (toy.prepared(LINUX_TAR=toy.tar) and
                           not os.path.exists(f'{toy.tree}/include/linux/more.h'))
    date = os.stat(f'{toy.tree}/mm/old.c').st_mtime_ns
    yield 'nothing-changed', (toy.prepared(LINUX_TAR=toy.tar) and
                              os.stat(f'{toy.tree}/mm/old.c').st_mtime_ns == date)

    toy.write('repo/mm/old.c', 'mine\n')
    yield 'overlay-hides-kernel-file', refused(toy.run('tree.py', LINUX_TAR=toy.tar), 'with a patch')
    os.remove(f'{toy.repo}/mm/old.c')
    toy.write('repo/patches/6.12/0001-toy.patch', PATCH.replace(' two', ' three'))
    yield 'patch-rejected', refused(toy.run('tree.py', LINUX_TAR=toy.tar), '0001-toy.patch does not')
    toy.write('repo/patches/6.12/0001-toy.patch', PATCH)
    toy.write('repo/patches/6.12/0002-lost.patch', PATCH)
    yield 'patch-not-in-series', refused(toy.run('tree.py', LINUX_TAR=toy.tar), '0002-lost.patch')
    os.remove(f'{toy.repo}/patches/6.12/0002-lost.patch')

    linux = os.path.join(toy.folder, 'linux')
    yield 'other-source', refused(toy.run('tree.py', LINUX_SRC=linux), 'make distclean first')
    status, said = toy.run('tree.py')
    yield 'source-not-named-again', status == 0 and f'is from LINUX_TAR={toy.tar}' in said
    os.utime(toy.tar, (1, 1))
    yield 'tar-replaced', refused(toy.run('tree.py', LINUX_TAR=toy.tar), 'make distclean first')
    shutil.rmtree(f'{toy.repo}/build')

    # A source that is not Debian's, and has its own patch.
    folder = f'{toy.repo}/patches/6.12/kernel.org'
    toy.write(f'{folder}/0001-toy.patch', PATCH.replace(' two', ' three'))
    other = toy.source('upstream')
    toy.write('upstream/mm/old.c', 'one\nthree\n')
    toy.script('twice', 'import tree\nprint(tree.series())\ntree.prepare()\nprint(tree.series())\n')
    said = toy.said('twice', LINUX_SRC=other)
    yield 'variant', (said == "['patches/6.12/kernel.org/0001-toy.patch']\n" * 2 and
                      toy.read(f'{toy.tree}/mm/old.c') == 'one\none and a half\nthree\n')
    yield 'variant-of-patched-tree', toy.said('twice', LINUX_SRC=other) == said
    shutil.rmtree(f'{toy.repo}/build')
    toy.write('linux/security/yama/yama_lsm.c', YAMA)
    said = toy.said('twice', LINUX_SRC=linux)
    yield 'no-variant-for-debian', (said == "['patches/6.12/0001-toy.patch']\n" * 2 and
                                    toy.prepared(LINUX_SRC=linux))
    toy.write(f'{folder}/0002-lost.patch', PATCH)
    yield 'variant-of-no-patch', refused(toy.run('tree.py', LINUX_SRC=linux),
                                         'kernel.org/0002-lost.patch')
    for path in (folder, f'{linux}/security', f'{toy.repo}/build'):
        shutil.rmtree(path)

    yield 'source', toy.prepared(LINUX_SRC=linux)
    shutil.rmtree(toy.tree)
    yield 'tree-removed-by-hand', toy.prepared(LINUX_TAR=toy.tar)


def builds(toy):
    """Configuring and building: (name, did it go as it should)."""
    stamp = f'{toy.repo}/build/x86_64-test-clang/.built'
    toy.tool('make', MAKE)
    for args, why in ((('sparc',), 'ARCH=sparc is unknown, choose one of: x86_64 arm64'),
                      (('',), 'ARCH= is unknown'),
                      (('arm64', 'all'), 'CONFIG=all is unknown'),
                      (('arm64', 'test', 'tcc'), 'TOOLCHAIN=tcc is unknown')):
        yield f'build.{why.split(" ")[0]}', refused(toy.run('build.py', *args), why)
    yield 'little-disk', refused(toy.run('../../../../disk.py'), '2 GiB of disk are free, .* needs 8')
    yield 'dropped-symbol', refused(toy.built(TOY_MAKE='drop'), 'CONFIG_SMP=y was asked for')
    status, said = toy.built(TOY_MAKE='fail')
    yield 'build-fails', (refused((status, said), 'the build failed, see build/logs/build-.*: '
                                  'mm/old.c:2: error: no such thing') and
                          said.splitlines()[-3] == '50' and
                          not os.path.exists(stamp))
    pid = f'{toy.repo}/build/x86_64-test-clang/pid'
    for name, number in (('ctrl-c', signal.SIGINT), ('terminated', signal.SIGTERM)):
        process = toy.start('build.py', 'x86_64', LINUX_TAR=toy.tar, TOY_MAKE='slow')
        yield f'{name}-in-build', (interrupted(process, wait_for(pid), number) and
                                   not os.path.exists(stamp))
        os.remove(pid)
    yield 'builds-after-that', toy.built()[0] == 0 and os.path.exists(stamp)
    yield 'nothing-to-build', toy.built(TOY_MAKE='fail')[0] == 0


def starts(toy):
    """An interrupt that comes while a program is started, and nobody knows of it yet."""
    pid = os.path.join(toy.folder, 'started')
    toy.script('starts', 'import os, signal, subprocess\nimport common\n'
               'start = subprocess.Popen\n'
               'def interrupted(argv):\n'
               '\tprocess = start(argv)\n'
               f'\tcommon.write_whole({pid!r}, str(process.pid))\n'
               '\tos.kill(os.getpid(), signal.SIGTERM)\n'
               '\treturn process\n'
               'subprocess.Popen = interrupted\n'
               'def main():\n'
               '\twith common.child(["sleep", "60"]):\n'
               '\t\tprint("it goes on")\n'
               'common.script(main)\n')
    process = toy.start('../../../../starts.py')
    said = process.communicate(timeout=30)
    yield 'interrupted', ((process.returncode, *said) == (128 + signal.SIGTERM, '', 'interrupted\n')
                          and gone(wait_for(pid)))


def runs(toy):
    """make run and the other doors: (name, did it go as it should)."""
    fits = toy.module('fits.ko', 'x86_64-linux-gnu', '6.12.7')
    for name, env, why in (
            ('no-module', {}, 'say which'),
            ('module-missing', {'MODULE': '/nowhere.ko'}, '/nowhere.ko is not there'),
            ('module-empty', {'MODULE': f'{fits},'}, 'empty name is not there'),
            ('module-is-text', {'MODULE': f'{toy.repo}/Makefile'}, 'is no kernel module'),
            ('module-other-arch', {'MODULE': fits, 'ARCH': 'arm64'}, 'is no module for arm64'),
            ('module-other-kernel', {'MODULE': toy.module('other.ko', 'x86_64-linux-gnu', '6.1.9')},
             'was built for 6.1.9, this kernel is 6.12.7'),
            ('arch', {'MODULE': fits, 'ARCH': 'mips'}, 'ARCH=mips is unknown'),
            ('config', {'MODULE': fits, 'CONFIG': 'big'}, 'CONFIG=big is unknown'),
            ('accel', {'MODULE': fits, 'ACCEL': 'hvf'}, 'ACCEL=hvf is unknown'),
            ('smp', {'MODULE': fits, 'SMP': 'abc'}, 'SMP=abc is not a number from 1 to 8'),
            ('smp-0', {'MODULE': fits, 'SMP': '0'}, 'SMP=0 is not'),
            ('kvm-other-machine', {'MODULE': fits, 'ACCEL': 'kvm', 'ARCH':
             'arm64' if os.uname().machine == 'x86_64' else 'x86_64'}, 'ACCEL=kvm cannot run')):
        yield f'run.{name}', refused(toy.run('vm.py', LINUX_TAR=toy.tar, **env), why)
    yield 'shell.smp', refused(toy.run('shell.py', SMP='9'), 'SMP=9 is not')
    yield 'check.only', refused(toy.run('check.py', ONLY='nothing-*'), 'ONLY=nothing-. fits no test')
    yield 'mutants.only', refused(toy.run('mutants.py', ONLY='no-such'),
                                  'ONLY=no-such fits no mutant')
    yield 'mutants.only-other-arch', refused(
        toy.run('mutants.py', ONLY='user-string-in-window', ARCH='x86_64'), 'fits no mutant')
    for minutes in ('0', '-1', 'x'):
        yield f'soak.minutes-{minutes}', refused(toy.run('soak.py', MINUTES=minutes),
                                                 f'MINUTES={minutes} is not a number from 1 to')
    yield 'soak.arch', refused(toy.run('soak.py', ARCH='ppc'), 'ARCH=ppc is unknown')
    yield 'demo.arch', refused(toy.run('demo.py', ARCH='ppc'), 'ARCH=ppc is unknown')


def lint(_):
    """What check_lint.py makes of remarks and waivers: (name, did it go as it should)."""
    found = {'a.c': [('VOLATILE', 'line 1'), ('VOLATILE', 'line 2')], 'b.c': []}

    def bad(waivers):
        cases = check_lint.judge(found, check_lint.waivers(waivers))
        return [name for name, state in cases.items() if state != 'ok']

    yield 'waived', bad('VOLATILE: so\n\ta.c 2\n') == []
    yield 'not-waived', bad('') == ['a.c']
    yield 'one-too-many', bad('VOLATILE: so\n\ta.c 1\n') == ['a.c']
    yield 'unused', bad('VOLATILE: so\n\ta.c 2\n\tb.c 1\n') == ['b.c']
    yield 'file-is-gone', bad('VOLATILE: so\n\ta.c 2\n\tc.c 1\n') == ['waiver.c.c.VOLATILE']
    yield 'no-reason', bad('VOLATILE: ?\n\ta.c 2\n') == ['waiver.a.c.VOLATILE']
    own = f'VOLATILE: so\n\ta.c 1\nVOLATILE@{KERNEL}: so\n\ta.c 2\n'
    yield 'this-kernel', bad(own) == []
    yield 'other-kernel', bad(own.replace(KERNEL, '0.1')) == ['a.c']
    yield 'twice', bad('VOLATILE: so\n\ta.c 2\nVOLATILE: no\n\ta.c 2\n') == ['waiver.a.c.VOLATILE']


def variants(toy):
    """What check_lint.py says about a mutant: (name, is that right)."""
    folder = 'repo/tools/testing/rare_write/mutants'
    shutil.rmtree(os.path.join(toy.folder, folder))
    toy.write(f'{folder}/a.patch',
              f'This.\n\nArch: x86_64\nBuild: kernel\nKilled-by: console\n---\n{PATCH}')
    toy.script('remarks', 'import check_lint\nimport mutant\n'
               'for one in mutant.every():\n\tprint(check_lint.mutant_remarks(one))\n')

    def said(content):
        toy.write(f'{toy.tree}/mm/old.c', content)
        return toy.said('remarks')

    yield 'applies', said('one\ntwo\n') == '[]\n'
    yield 'changed', said('one\nthree\n').startswith(
        "[('NO_MUTANT', 'mutants/a.patch does not apply: error: patch failed: mm/old.c:1")
    toy.write(f'{folder}/a.patch', toy.read(f'{folder}/a.patch').replace('old.c', 'gone.c'))
    yield 'gone', said('one\ntwo\n') == (
        "[('NO_MUTANT', 'mutants/a.patch changes mm/gone.c, which is not there')]\n")


def kills(_):
    """What mutants.py makes of a boot: (name, is that right)."""
    ktap = 'KTAP version 1\n# Subtest: hunt\n1..1\n{} 1 hijack\n'
    for name, state, text, how in (
            ('kills', 'killed', ktap.format('not ok'), {'timed_out': True}),
            ('survives', 'SURVIVES', ktap.format('ok'), {}),
            ('dies', 'killed, by console', '# Subtest: hunt\nKernel panic - not syncing: it\n', {}),
            ('warns', 'killed, by console', ktap.format('ok') + 'WARNING: it\n', {}),
            ('warned', 'SURVIVES', 'WARNING: it\n' + ktap.format('ok'), {}),
            ('hangs', 'timed out', '# Subtest: hunt\n', {'timed_out': True}),
            ('stalls', 'the machine failed',
             ktap.format('ok') + 'rcu: INFO: rcu_preempt self-detected stall on CPU\n', {}),
            ('fails-of-it', 'the machine failed',
             '# Subtest: hunt\n# hijack: try timed out\n' + ktap.format('not ok'), {}),
            ('fails-before', 'killed', ktap.format('not ok') + 'soft lockup\n', {}),
            ('qemu', 'the machine failed', ktap.format('ok'), {'status': -9}),
            ('skips', 'skipped: no prey', ktap.format('ok').rstrip() + ' # SKIP no prey\n', {}),
            ('says-nothing', 'no such test', '# Subtest: hunt\n', {}),
            ('comes-not', 'did not come to the test', 'nothing\n', {})):
        boot = vm.Run('', text, ['done 0'], **how)
        yield name, mutants.judge('hunt.hijack', boot) == state
    for name, state, text, timed_out in (
            ('hangs-as-it-must', 'killed', '# Subtest: hunt\n', True),
            ('hangs-before', 'did not come to the test', 'nothing\n', True),
            ('hangs-after', 'timed out', ktap.format('ok'), True),
            ('hangs-not', 'SURVIVES', ktap.format('ok'), False)):
        boot = vm.Run('', text, ['done 0'], timed_out=timed_out)
        yield name, mutants.judge('hunt.hijack', boot, hangs=True) == state
    both = 'TAP version 13\n1..2\n{}ok 1 it hunts\n{}ok 2 it rests, too\n'
    for name, state, text in (
            ('of-the-case', 'killed', both.format('', 'not ')),
            ('of-another', 'SURVIVES', both.format('not ', '')),
            ('of-none', 'no such test', both.format('', '').replace('rests', 'sleeps'))):
        yield name, mutants.judge('core', vm.Run('', text, ['done 0']), 'it rests, too') == state
    begun = '[    2.492323] TAP version 13\n[    2.492324] 1..1\n'
    for name, state, text in (
            ('soak-not-begun', 'did not come to the test', 'Kernel panic - not syncing: timer\n'),
            ('soak-dies', 'killed', begun + 'BUG: unable to handle page fault\n'),
            ('soak-fails', 'killed', begun + '[    3.1] not ok 1 nothing is torn\n'),
            ('soak-slow', 'timed out', begun + 'watchdog: BUG: soft lockup - CPU#1 stuck\n'),
            ('soak-silent', 'timed out', begun)):
        yield name, mutants.judge_soak(vm.Run('', text, [], True)) == state


def cached(toy):
    """What is included as it is, is what is there now, and the rest is compiled once."""
    folder = os.path.join(toy.folder, 'cached')
    env = {**build.environment(), 'CCACHE_DIR': os.path.join(folder, 'cache')}

    def compiled(source):
        subprocess.check_call([os.path.join(HERE, 'ccache.sh'), 'clang-19', '-MMD', '-MF', 'it.d',
                               '-c', '-o', 'it.o', source], cwd=folder, env=env)
        with open(os.path.join(folder, 'it.o'), 'rb') as file:
            return file.read()

    toy.write('cached/it.c', 'int it;\n')
    for name, text in (('it.S', '.incbin "data"\n'),
                       *((f'kernel/{name}.c', r'asm(".incbin \"data\"");' '\n')
                         for name in ('configs', 'kheaders'))):
        toy.write(f'cached/{name}', text)
        toy.write('cached/data', 'the kernel of before')
        compiled(f'./{name}')
        toy.write('cached/data', 'the kernel of now...')
        yield f'included-{name}', b'the kernel of now...' in compiled(f'./{name}')
    compiled('it.c')
    compiled('it.c')
    stats = subprocess.check_output(['ccache', '--print-stats'], env=env, text=True)
    yield 'compiled-once', bool(re.search(r'^(direct_cache_hit|preprocessed_cache_hit)\t1$', stats,
                                          re.M))


def unbroken(_):
    """What mutant.py finds of cases that no mutant has fail: (name, is that right)."""
    class One:
        killers = ['hunt.hijack', 'console']

    known = next(iter(mutant.UNBROKEN))

    def remarks(*cases):
        with mock.patch.object(mutant, 'UNBROKEN', {known: 'rests'}):
            return list(mutant.unbroken({'hunt.c': cases}, [One]))

    yield 'named', remarks('hunt.hijack', known) == []
    yield 'not-named', remarks('hunt.other', known) == [
        ('hunt.c', 'hunt.other: no mutant shows that it can fail')]
    yield 'unknown', remarks('hunt.hijack') == [
        ('tools/testing/rare_write/mutant.py', f'{known} is in UNBROKEN, and in no suite')]
    One.killers.append(known)
    yield 'both', remarks(known) == [
        ('hunt.c', f'{known}: a mutant has it fail, and it is in UNBROKEN')]
    found = mutant.suites()
    yield 'suites', len(found) > 3 and all(
        len(cases) == len(re.findall(r'^\tKUNIT_CASE', pathlib.Path(TOP, path).read_text(), re.M))
        for path, cases in found.items())


def killings(toy):
    """The table of mutants: (name, did it go as it should)."""
    class One:
        name, what, killers, arches = 'no-lock', 'There is no lock.', ['hunt.a', 'hunt.b'], ['arm64']
        case = ''

    def line(*table, linux='Linux 6.12.7'):
        with mock.patch.object(mutants, 'TABLE', os.path.join(toy.folder, 'mutants.csv')), \
                mock.patch.object(mutants, 'every', lambda: [One]), \
                mock.patch.object(conditions, 'linux', lambda: linux), \
                mock.patch.object(conditions, 'tools', lambda: ('tool',)):
            mutants.write_table(table)
            with open(mutants.TABLE) as file:
                return file.read().splitlines()[1].removeprefix(
                    'no-lock,There is no lock.,hunt.a hunt.b,not for it,')

    ran = [('arm64', '-', 'hunt.a', 'passes'), ('arm64', 'no-lock', 'hunt.a', 'killed'),
           ('arm64', 'no-lock', 'hunt.b', 'killed')]
    yield 'not-yet', line() == 'not run yet'
    yield 'killed', line(*ran) == 'killed'
    yield 'stays', line() == 'killed'
    yield 'other-kernel', line(linux='Linux 6.12.8') == 'not run yet'
    yield 'one-survives', line(*ran[:2], (*ran[2][:3], 'SURVIVES')) == 'SURVIVES'
    yield 'one-by-console', line(*ran[:2], (*ran[2][:3], 'killed, by console')) == (
        '"killed, by console"')
    yield 'fails-anyway', line(('arm64', '-', 'hunt.a', 'FAILS: killed'), *ran[1:]) == (
        'the test fails without it')
    line(*ran)
    One.what = 'There is no lock, nor key.'
    yield 'other-mutant', line().endswith(',not run yet')


def configs(_):
    """What check_configs.py makes of what make said: (name, did it go as it should)."""
    def judged(output, status=0):
        return check_configs.judge(status, output, {'mm/rare_write.c'}, {'mm/mmap.c'})

    def found(output, status=0):
        return judged(output, status) == f'failed: {output.splitlines()[0]}'

    text = 'mm/{}.c:7:1: {}: unused variable \'x\' [-Wunused-variable]\n    7 | int x{};\n'
    yield 'quiet', judged('') == 'ok'
    yield 'warning', found(text.format('rare_write', 'warning', ''))
    where = f'/rare_write/build/{os.path.basename(SRC)}/'
    yield 'path', judged(where + text.format('memory', 'warning', '')) == 'ok'
    yield 'path-of-ours', judged(where + text.format('rare_write', 'warning', '')) != 'ok'
    yield 'elsewhere', judged(text.format('memory', 'warning', '')) == 'ok'
    yield 'touched', found(text.format('mmap', 'warning', ''))
    doc = "mm/{}.c:7: warning: Function parameter 'x' not described in 'f'\n"
    yield 'doc', found(doc.format('rare_write')) and judged(doc.format('mmap')) == 'ok'
    yield 'our-name', found(text.format('memory', 'warning', ' __wr_rare_type'))
    yield 'included', judged(text.format('memory', 'warning', '') +
                             'In file included from mm/rare_write.h:1:\n') == 'ok'
    yield 'error', found(text.format('memory', 'error', ''), 2)
    yield 'error-first', judged(text.format('rare_write', 'warning', '') +
                                text.format('memory', 'fatal error', ''), 2).startswith(
                                    'failed: mm/memory.c')
    yield 'objtool', found('mm/rare_write.o: warning: objtool: f+0x1: unreachable instruction')
    yield 'no-reason', found('make: *** No rule to make target', 2)
    yield 'status', judged('', 2) == 'failed: status 2'


def memory(toy):
    """What make check-full does not do again: (name, did it go as it should)."""
    runs, what = [], {'outcome': 'ok', 'booted': 'this'}

    def scenario():
        runs.append(0)
        return {'case': what['outcome']}

    def done():
        """How often it was booted, asked for once more."""
        runs.clear()
        check_full.remembered('x86_64-off', (), scenario)
        return len(runs)

    with mock.patch.object(check_full, 'FOLDER', toy.folder), \
            mock.patch.object(check_full, 'identity', lambda *_: what['booted']):
        yield 'first', done() == 1
        yield 'same', done() == 0
        what['booted'] = 'another'
        yield 'another', done() == 1 and done() == 0
        what.update(booted='broken', outcome='failed: badly')
        yield 'failed', done() == 1 and done() == 1
    yield 'no-scenario', (check_full.remembered('lint', None, scenario) and
                          check_full.remembered('lint', None, scenario) and len(runs) == 3)


def soaks(toy):
    """make soak asks for what check.perform() takes: (name, is it so)."""
    # With other functions in other modules, which here would be those of other tables, too.
    toy.script('soaking', 'import soak\n'
               'soak.tree.prepare = lambda: None\n'
               'soak.check.conclude = lambda results: None\n'
               'soak.check.perform = lambda todo: print([needs for _, needs, _ in todo]) or {}\n'
               'soak.main()\n')
    asked = toy.said('soaking', MINUTES='1').splitlines()[:1]
    yield 'kernels', asked == [str([((arch, MAIN, 'clang'),) for arch in ARCHES])]


def table(toy):
    """The table of conditions: (name, did it go as it should)."""
    path = os.path.join(toy.folder, 'conditions.csv')

    def cells(results, version='6.12.7', deputies=2, misuses=0, ours='1'):
        """The line of one scenario, after one more run; there are so many cases."""
        with mock.patch.object(conditions, 'TABLE', path), \
                mock.patch.object(conditions, 'KERNEL', KERNELS[0]), \
                mock.patch.object(conditions, 'tools', lambda: ('tool',)), \
                mock.patch.object(conditions, 'ours', lambda: ours), \
                mock.patch.object(conditions, 'expected',
                                  lambda *_: {'rare_write': 2, 'deputy': deputies,
                                              'misuse_is_fatal': misuses}), \
                mock.patch.object(conditions.tree, 'look', lambda _: (version, None)):
            conditions.write_table(results)
        with open(path) as file:
            return next(line for line in file if line.startswith('x86_64-max-5level,'))

    yield 'nothing-yet', cells({}).count('not run yet') == 9
    base = {'rare_write.a': 'ok', 'rare_write.b': 'skipped: so', 'kselftest.a': 'failed: bad'}
    line = cells({'x86_64-max-5level': base})
    yield 'counted', '"1 passed, 1 skipped: so"' in line and ',1 FAILED,' in line
    yield 'attacks-not-yet', line.count('not run yet') == 1 and 'not part of it' in line
    yield 'stays', cells({'x86_64-off': {}}) == line
    yield 'attacks', ',2 passed,' in cells({'x86_64-max-5level-attack': {'deputy.a': 'ok',
                                                                         'deputy.b': 'ok'}})
    line = cells({}, deputies=3)
    yield 'more-cases', line.count('not run yet') == 1 and '1 skipped: so' in line
    line = cells({}, deputies=3, misuses=1)
    yield 'part-by-now', line.count('not run yet') == 2 and '1 skipped: so' in line
    yield 'no-suites', all(conditions.kept('not part of it', name, pattern) == 'not part of it'
                           for name in DIES for _, pattern in conditions.COLUMNS)
    yield 'same-kernel', cells({}).count('not run yet') < 9
    yield 'other-files', cells({}, ours='2').count('not run yet') == 9
    cells({'x86_64-max-5level': base}, ours='2')
    yield 'other-kernel', cells({}, '6.12.8', ours='2').count('not run yet') == 9

    def state(path, text):
        """That of the toy, with something written to one of its files."""
        toy.write(f'repo/{path}', text)
        return toy.said('state')

    toy.script('state', 'import conditions\nprint(conditions.ours())\n')
    first = state('mm/tests/new.c', 'test\n')
    yield 'test-changed', first == state('mm/tests/new.c', 'other\n') != ''
    yield 'file-changed', first != state('mm/new.c', 'new\n')
    first = state('mm/new.c', 'new\n')
    yield 'patch-changed', first != state('patches/6.12/0001-toy.patch', PATCH + '\n')
    state('patches/6.12/0001-toy.patch', PATCH)
    for path in ('mm/tests', 'mm/new.c'):
        subprocess.check_call(['rm', '-r', os.path.join(toy.repo, path)])


def system(toy):
    """What bench_system.py makes of figures: (name, did it go as it should)."""
    def verdict(old, new):
        return bench_system.judge(old, new)['same']

    yield 'equal', verdict([100, 100], [100, 100])
    yield 'within', verdict([100, 101, 104], [104, 105, 108])
    yield 'slower', not verdict([100, 101, 104], [108, 108, 108])
    yield 'faster', not verdict([108, 108, 108], [100, 101, 104])
    yield 'barely-slower', not verdict([1000, 1000, 1000], [1006, 1006, 1006])
    yield 'exact', verdict([1000, 1000, 1000], [1004, 1004, 1004])
    counts = {'alias': {'write_8': 39}, 'text_poke_copy': {'write_8': 751}, 'cr0': {'write_8': 26}}
    text = ('It takes 39 instructions on x86-64 and 43 on arm64, 19 and\n7 times fewer than others. '
            'Clearing CR0.WP takes 26.')
    yield 'said', check_cost.said(text, 'x86_64', counts) == 'ok'
    for name, old in (('window', '39'), ('ratio', '19'), ('cr0', '26')):
        yield f'said-wrong-{name}', check_cost.said(text.replace(old, '40'), 'x86_64',
                                                    counts).startswith('failed')
    yield 'said-nowhere', check_cost.said('', 'x86_64', counts).startswith('failed')
    figures = bench_system.parse('format 1\ncase open 10 200 100 900\nabsent inet\nend\n')
    yield 'parsed', figures == {'open': 20, 'inet': None}
    cut = 'import bench_system\nbench_system.parse("format 1\\ncase open 10 200\\n")\n'
    toy.write('repo/tools/testing/rare_write/cut.py', cut)
    yield 'cut', refused(toy.run('cut.py'), 'not the complete results')
    for name, env, why in (('kernel', {'A': 'big'}, 'A=big is unknown'),
                           ('accel', {'ACCEL': 'hvf'}, 'ACCEL=hvf is unknown'),
                           ('docs', {'A': 'off', 'B': 'prod', 'ARCH': 'arm64', 'DOCS': '1'},
                            'both architectures')):
        yield name, refused(toy.run('bench_system.py', **env), why)


def series(toy):
    """make series and series-check: (name, did it go as it should)."""
    topic = 'repo/patches/topics/01-toy'
    message = 'toy: do it\n\nIt was not done.\n---\n'
    toy.write(topic, message + '0001-toy.patch\ninclude/linux/\n')
    toy.write('repo/patches/topics/00-cover', 'A toy\n\nTo play with.\n')
    toy.git('add', '-A')
    toy.git('-c', 'user.name=Toy', '-c', 'user.email=toy@localhost', 'commit', '-qm', 'toy')

    def made(**env):
        return toy.run('series.py', LINUX_TAR=toy.tar, **env)

    def content():
        return {path.name: path.read_bytes()
                for path in pathlib.Path(toy.repo, 'build/series/6.12').iterdir()}

    shutil.rmtree(f'{toy.repo}/build', ignore_errors=True)
    yield 'made', made()[0] == 0
    first = content()
    # Neither the day nor the user's settings matter.
    toy.write('.gitconfig', '[user]\nname = Me\n[format]\nsignature = x\n[core]\nabbrev = 5\n')
    toy.write('.config/git/attributes', '*.c -diff\n')
    shutil.rmtree(f'{toy.repo}/build')
    yield 'same-bytes', made()[0] == 0 and content() == first and len(first) == 2
    toy.write(f'{toy.tree}/security/yama/yama_lsm.c', YAMA)
    yield 'cover-debian', made()[0] == 0 and (b'\nThe base is Linux 6.12.7, as Debian has it.\n' in
                                              content()['0000-cover-letter.patch'])
    shutil.rmtree(f'{toy.tree}/security')
    patch = first['0001-toy-do-it.patch'].decode()
    yield 'patch', ('\nFrom: Toy <toy@localhost>\n' in patch and '+one and a half\n' in patch and
                    '+new\n' in patch and patch.startswith('From ' + 40 * '0') and
                    not patch.endswith(subprocess.check_output(['git', 'version'], text=True)[12:]))
    yield 'cover', (b'A toy\n\nTo play with.\n\nThe base is Linux 6.12.7.\n' in
                    first['0000-cover-letter.patch'])
    yield 'kernel', refused(made(KERNEL='7.2'), 'KERNEL=7.2 is unknown')
    for name, text, why in (
            ('file-in-no-topic', message + '0001-toy.patch\n', 'in none .*: include/linux/new.h'),
            ('patch-in-no-topic', message + 'include/linux/\n', 'in none .*: patches/6.12/0001-toy.patch'),
            ('file-twice', message + '0001-toy.patch\ninclude/linux/\ninclude/linux/new.h\n',
             'new.h is twice'),
            ('no-such-file', message + '0001-toy.patch\ninclude/linux/\nmm/no.c\n', 'no mm/no.c'),
            ('no-message', 'toy: do it\n---\n0001-toy.patch\ninclude/linux/\n', 'is no subject')):
        toy.write(topic, text)
        yield name, refused(made(), why)
    toy.write(topic, message + 'include/linux/new.h\n0001-toy.patch\n')

    def checked(**env):
        return toy.run('series_check.py', LINUX_TAR=toy.tar, BUILDS='0', **env)

    yield 'check', checked()[0] == 0
    yield 'check-symbols', refused(checked(TOY_SYMBOL='NOT_THERE'), 'symbols.py says: NOT_THERE')
    os.mkdir(f'{toy.repo}/build/series/linux/.git/rebase-apply')
    yield 'check-interrupted', checked()[0] == 0
    toy.write(f'{toy.tree}/mm/stray.c', 'stray\n')
    yield 'check-other-tree', refused(checked(), 'git am makes another tree: .*stray.c')
    os.remove(f'{toy.tree}/mm/stray.c')

    def tried(text):
        """Try it on a tree with another mm/old.c: (exit status, report)."""
        source = toy.source('other', '6.13')
        if text is None:
            os.remove(f'{source}/mm/old.c')
            toy.write('other/mm/sub/old.c', '')
        else:
            toy.write('other/mm/old.c', text)
        process = toy.start('series_try.py', LINUX_SRC=source)
        return process.communicate(timeout=60)[0], process.returncode

    lines = [f'line {number}\n' for number in range(12)]
    patch = ('--- a/mm/old.c\n+++ b/mm/old.c\n@@ -4,6 +4,7 @@\n' +
             ''.join(' ' + line for line in lines[3:6]) + '+new\n' +
             ''.join(' ' + line for line in lines[6:9]))
    toy.write('repo/patches/6.12/0001-toy.patch', patch)
    for name, text, status, said in (
            ('applies', ''.join(lines), 0, r'^applies: 01-toy: toy: do it\n    applies: mm/old.c$'),
            ('offset', 'more\n' + ''.join(lines), 0, 'applies with an offset of 1: mm/old.c'),
            ('conflict', ''.join(lines[:5] + lines[6:]), 1,
             r'CONFLICT: mm/old.c, 1 hunks\n {6}@@ -4,6 \+4,7 @@\n(.*\n)+'
             r' {6}look at: line 5: line 4\n(.*\n)+ {6}look at: gone: line 5\n'),
            ('gone', None, 1, r'there is no mm/old.c\n +look at: mm/sub/old.c')):
        report, ended = tried(text)
        yield f'try-{name}', ended == status and re.search(said, report, re.M) is not None
    # The tree that is tried decides, whatever the one that is built.
    folder = 'repo/patches/6.12/kernel.org'
    toy.write(f'{folder}/0001-toy.patch',
              patch.replace(' line 5\n', '').replace('-4,6 +4,7', '-4,5 +4,6'))
    for name, yama, status in (('variant', '', 0), ('debian', YAMA, 1)):
        toy.write('other/security/yama/yama_lsm.c', yama)
        yield f'try-{name}', tried(''.join(lines[:5] + lines[6:]))[1] == status
    shutil.rmtree(os.path.join(toy.folder, folder))
    yield 'try-nothing', refused(toy.run('series_try.py'), 'say which tree')
    toy.write('repo/include/linux/new.h', '#include <linux/gone.h>\n')
    report, ended = tried(''.join(lines))
    yield 'try-header', ended == 1 and 'new.h includes <linux/gone.h>, which is not' in report


def kernels(toy):
    """The patches for another kernel, and its source: (name, did it go as it should)."""
    source = toy.source('next', '7.3')
    toy.write('next/mm/old.c', 'zero\none\ntwo\n')
    built = f'{toy.repo}/build/7.3/linux-7.3'
    own = '--- a/include/linux/new.h\n+++ b/include/linux/new.h\n@@ -1 +1 @@\n-new\n+newer\n'
    topic = 'repo/patches/topics/01-toy'
    message = 'toy: do it\n\nIt was not done.\n---\ninclude/linux/\n'
    # Not in its place in either.
    toy.write('repo/patches/6.12/0001-toy.patch', PATCH.replace('-1,2 +1,3', '-3,2 +3,3'))
    toy.write('repo/include/linux/new.h', 'new\n')
    toy.write('repo/patches/7.3/series', '../6.12/0001-toy.patch\n0002-own.patch\n')
    toy.write('repo/patches/7.3/0002-own.patch', own)
    toy.write(topic, message + '0001-toy.patch\n0002-own.patch\n')
    shutil.rmtree(f'{toy.repo}/build', ignore_errors=True)

    def tree(**env):
        process = toy.start('tree.py', LINUX_SRC=source, KERNEL='7.3', **env)
        said = process.communicate(timeout=60)
        return said[0] if not process.returncode else None

    yield 'shared-patch', (tree() == '' and
                           toy.read(f'{built}/mm/old.c') == 'zero\none\none and a half\ntwo\n')
    yield 'our-file-patched', toy.read(f'{built}/include/linux/new.h') == 'newer\n'
    yield 'not-for-the-other', toy.prepared(LINUX_TAR=toy.tar)
    status, _ = toy.run('series.py', LINUX_SRC=source, KERNEL='7.3')
    patch = toy.read('repo/build/7.3/series/7.3/0001-toy-do-it.patch') if status == 0 else ''
    yield 'series', '+newer\n' in patch and '+one and a half\n' in patch
    toy.write('repo/patches/7.3/cover', 'New in 7.3\n')
    status, _ = toy.run('series.py', LINUX_SRC=source, KERNEL='7.3')
    yield 'series-cover', '\nTo play with.\n\nNew in 7.3\n\nThe base is Linux 7.3' in toy.read(
        'repo/build/7.3/series/7.3/0000-cover-letter.patch')
    yield 'series-of-the-other', toy.run('series.py', LINUX_TAR=toy.tar)[0] == 0
    toy.write('repo/patches/6.12/series', '0001-toy.patch\n0003-more.patch\n')
    toy.write('repo/patches/6.12/0003-more.patch', PATCH.replace('and a half', 'and a third'))
    toy.write(topic, message + '0001-toy.patch\n0002-own.patch\n0003-more.patch\n')
    process = toy.start('series.py', LINUX_SRC=source, KERNEL='7.3')
    yield 'series-lacks-patch', ('not in the series for 7.3: 0003-more.patch\n' in
                                 process.communicate(timeout=60)[0] and not process.returncode)
    folder = 'repo/patches/6.12/kernel.org'
    toy.write(f'{folder}/0001-toy.patch',
              toy.read('repo/patches/6.12/0001-toy.patch').replace('half', 'third'))
    status, _ = toy.run('series.py', LINUX_SRC=source, KERNEL='7.3')
    yield 'series-variant', status == 0 and '+one and a third\n' in toy.read(
        'repo/build/7.3/series/7.3/0001-toy-do-it.patch')
    shutil.rmtree(os.path.join(toy.folder, folder))
    os.remove(f'{toy.repo}/patches/7.3/0002-own.patch')
    toy.write('repo/patches/7.3/series', '../6.12/0001-toy.patch\n')
    yield 'our-file-as-it-was', (tree() == '' and
                                 toy.read(f'{built}/include/linux/new.h') == 'new\n')
    yield 'wrong-source', refused(toy.run('tree.py', LINUX_SRC=toy.source('linux'), KERNEL='7.3'),
                                  'is Linux 6.12.7, a 7.3.y is needed')

    # What the machine's own sources say is trusted, fetch.py must not.
    shutil.rmtree(built)
    toy.write('debian/dists/trixie-backports/Release', 'Codename: trixie-backports\n')
    toy.write('debian/dists/sid/Release', 'Codename: sid\n')
    conf = toy.write('apt.conf', f'Dir::Etc::SourceList "{toy.folder}/sources.list";\n'
                     'Dir::Etc::SourceParts "/dev/null";\n')
    toy.write('sources.list', '')
    yield 'no-mirror', refused(toy.run('tree.py', KERNEL='7.3', APT_CONFIG=conf), 'no mirror')
    toy.write('sources.list', f'deb [trusted=yes] file:{toy.folder}/debian sid main\n')
    status, said = toy.run('tree.py', KERNEL='7.3', APT_CONFIG=conf)
    yield 'unsigned', (status == 1 and 'apt-get update failed' in said and
                       'is not signed' in said and not os.path.exists(built))


def static(toy):
    """What check_static.py finds where there is something: (name, did it find it)."""
    def finds(function, good, bad, path='a.c', line=1):
        """It says something about this line of the bad file, and nothing about the good one."""
        top = os.path.join(toy.folder, 'static')
        toy.write(f'static/{path}', good)
        quiet = not function([path], top)
        toy.write(f'static/{path}', bad)
        found = function([path], top).get(path, [])
        return quiet and any(text.startswith(f'line {line}: ') for _, text in found)

    yield 'spelling', finds(check_static.spelling, '/* the */\n', '/* te' 'h */\n')
    yield 'spelling-added', finds(check_static.spelling_of_patches, ' te' 'h\n-te' 'h\n+the\n',
                                  ' the\n+te' 'h\n', 'patches/a.patch', 2)
    yield 'shell', finds(check_static.shell, '#!/bin/sh\necho "$1"\n', '#!/bin/sh\necho $1\n',
                         'a.sh', 2)
    tag = '// SPDX-License-Identifier: GPL-2.0-only\n'
    yield 'spdx', finds(check_static.spdx, tag, '// GPL\n')
    for name, second in (('sorted', '<linux/init.h>'), ('asm-last', '<asm/io.h>')):
        lines = ['#include <linux/mm.h>\n', f'#include {second}\n']
        good = lines if name == 'asm-last' else lines[::-1]
        yield f'includes-{name}', finds(check_static.includes, ''.join(good),
                                        ''.join(good[::-1]), line=2)
    yield 'options', finds(check_static.options, '/* CONFIG_<option> */\n', '/* CONFIG_MINE */\n',
                           check_static.LIGHT)
    use = 'static __wr_rare_type struct s x[2] __wr_rare;\nvoid f(void)\n{\n\t%s;\n}\n'
    good = ('rare_write(x[0].a, 1); WRITE_ONCE(y, x[0].a); y += x[1].b.c; y[x[0].b.c.d] = 1; '
            '*x[0].p = 1; q = (const char *)&x[1].b.c; q = (unsigned long)x[1].p; '
            'scoped_guard(rare_write) { __rare_write(x[1].b.c.d, x[0].a); }')
    for name, store in (('store', 'x[0] = y'), ('member', 'x[i].a = 1'), ('inner', 'x[i].b.c = 1'),
                        ('or', 'x[0].a |= 1'), ('increment', '++x[1].a'),
                        ('macro', 'WRITE_ONCE(x[0].a, 1)'), ('swap', 'swap(y, x[0].a)'),
                        ('deep', 'x[i].b.c.d = 1'), ('entry', 'x[i].b[1].c = 1'),
                        ('deep-increment', 'x[i].b.c.d++'),
                        ('deep-macro', 'WRITE_ONCE(x[i].b[1].c, 1)'),
                        ('scoped', 'scoped_guard(rare_write) { x[0].a = 1; }'),
                        ('scoped-lock', 'scoped_guard(mutex, &lock) x[0].a = 1'),
                        ('guard', 'guard(mutex)(&lock); x[0].a = 1'),
                        ('free', 'char *s __free(kfree) = NULL; x[0].a = 1'),
                        ('cast', '*(unsigned long *)&x[0] = 1'),
                        ('cast-member', '*(unsigned long *)&x[1].a = 1'),
                        ('cast-deep', '*(unsigned long *)&x[1].b.c = 1'),
                        ('call', 'memcpy((void *)&x, p, 8)'),
                        ('call-member', 'memcpy((void *)x[1].b.c, p, 8)')):
        yield f'coccinelle-{name}', finds(check_static.coccinelle, use % good, use % store, line=4)
    # What spatch cannot parse it would not look at.
    for name, text, bad in (('parsed', use, 'no_iterator(y) { y = 1; }'),
                            ('parsed-without', use.replace('__wr_rare;', ';'), 'if (y) { y = )'),
                            ('parsed-macro', use, '\n#if 0\n}\n#endif\n#if 1\n{\n#endif')):
        yield f'coccinelle-{name}', finds(check_static.coccinelle, text % good, text % bad, line=0)
    yield 'coccinelle-not-a-function', check_static.unparsed(
        'HANDLING: a.c\nbadcount: 2\nbad: #define A(x) \\\nBAD:!!!!! {\n') == []
    yield 'coccinelle-skips-file', check_static.skipped('Skipping: a.c\n') != []
    yield 'coccinelle-elsewhere', finds(
        lambda files, top: check_static.coccinelle(files, top, {'x'}),
        'void f(void)\n{\n\ty = x;\n}\n', 'void f(void)\n{\n\tx = y;\n}\n', line=3)

    page = toy.write('static/page', '.. csv-table::\n   :header: object, what\n\n'
                     '   ``a`` and ``heads``, "x, ``no``"\n\nElse, ``else``\n')
    both = 'static __wr_rare_type int a[N] __wr_rare;\nRARE_LIST_HEAD(heads);\n'
    for name, text in (('more', both + 'int b __wr_rare;\n'), ('less', 'int a __wr_rare;\n')):
        for path in ('mm/a.c', 'mm/b.c'):
            toy.write(f'static/{path}', both if path == 'mm/a.c' else text)
        yield f'listed-{name}', (
            not check_static.listed(['mm/a.c'], f'{toy.folder}/static', page) and
            len(check_static.listed(['mm/b.c'], f'{toy.folder}/static', page)) == 1)

    store = 'void f(void)\n{\n\ttarget = 1;%s\n}\n'
    for name, text in (('unmarked', store % ''),
                       ('missed', 'int g;\n\nint h;\t/* found: written */\n' +
                        store % '\t/* found: written */')):
        yield f'writers-{name}', finds(lambda files, top: check_static.writers(files[0], top),
                                       store % '\t/* found: written */', text, line=3)

    toy.write(f'static/patches/{KERNEL}/series', '../6.12/a.patch\n')
    toy.write('static/patches/6.12/a.patch', '@@ -1,2 +1,2 @@\n-one\n+\ttwo\n three\n')
    shown = 'See:\n\n.. code-block:: diff\n\n    -one\n    +%s\n'
    yield 'quotes', finds(lambda files, top: check_static.quotes(files, top, top),
                          shown % '\ttwo', shown % '\tthree', 'a.rst', 5)
    toy.write('static/mm/bug.c', 'a();\nBUG_ON(b ||\n       c);\nx();\n')
    for name, bad in (('line', 'mm/bug.c:4'), ('file', 'mm/gone.c:3')):
        yield f'quotes-bug-{name}', finds(lambda files, top: check_static.quotes(files, top, top),
                                          'kernel BUG at mm/bug.c:3!\n', f'kernel BUG at {bad}!\n',
                                          'a.rst')
    toy.write('static/Kconfig', 'config MINE\n\tbool\n')
    yield 'symbols', finds(lambda files, top: check_static.symbols(['Kconfig', *files], (), top),
                           'CONFIG_MINE\n', 'CONFIG_THEIRS\n', 'a.rst', 0)
    change = '--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-one\n+%s\n'
    toy.write(f'static/patches/{KERNELS[0]}/two.patch', change % 'two')
    yield 'differs', finds(check_static.differs, change.replace('@@ -1', ' one\n@@ -2') % 'two',
                           change % 'three', 'patches/0.1/two.patch', 0)
    for name, bad in (('change', change % 'three'), ('context', change % 'two' + ' three\n')):
        yield f'differs-variant-{name}', finds(
            check_static.differs, change.replace('@@ -1', '@@ -7') % 'two', bad,
            f'patches/{KERNELS[0]}/kernel.org/two.patch', 0)

    documented = toy.write('static/doc.c', """/**
 * f - do
 * @a: in bytes
 *
 * Return: 0.
 */
int f(int a)
{
	return 0;
}
""")
    yield 'kernel-doc-good', check_lint.kernel_doc(documented) == []
    toy.write('static/doc.c', toy.read('static/doc.c').replace('f(int a)', 'f(int a, int b)'))
    yield 'kernel-doc-bad', [text for _, text in check_lint.kernel_doc(documented)
                             if "'b' not described" in text] != []
    yield 'kernel-doc-no-file', [line for line, _ in check_lint.kernel_doc('no/such.c')] == ['0']
    for name, status, said in (('dies', 2, 'syntax error'),
                               ('dies-late', 1, 'a.c:3: warning: x\n')):
        with mock.patch('check_lint.captured', lambda *_, now=(status, said), **__: now), \
                mock.patch('tree.original', lambda path: path):
            lines = [line for line, _ in check_lint.kernel_doc('a.c')]
            yield f'kernel-doc-{name}', '0' in lines and len(check_lint.patched_doc('a.c')) == 1

    source = os.path.basename(SRC)
    where, b = f'../{source}/mm/a.c:3:4:', f'../{source}/mm/b.c'
    for name, result, said in (
            ('warning', (0, f'{where} warning: unused [-Wunused]\n'), {'mm/a.c'}),
            ('error', (2, f'{where} error: no\n'), {'mm/a.c'}),
            ('others', (0, f'../{source}/mm/c.c:3:4: warning: unused\n'), set()),
            ('our-line', (0, f'{b}:7:4: warning: context\n'), {'mm/b.c'}),
            ('their-line', (0, f'{b}:8:4: warning: context\n'), set()),
            ('of-the-compiler', (0, f'{b}:8:4: warning: no [-Wunused]\n'), {'mm/b.c'}),
            ('broken', (2, 'make: no rule\n'), {'make'}),
            ('broken-too', (2, f'{where} warning: unused\nmake: no rule\n'), {'mm/a.c', 'make'})):
        found = check_static.judge_output([result], {'mm/a.c'}, {'mm/b.c'}, lambda path: {7})
        yield f'compiler-{name}', set(found) == said
    for name, status, what in (('COMPILER', 0, 'warning: unused [-Wunused]'),
                               ('COMPILER', 2, 'error: no'), ('SPARSE', 0, 'error: too long'),
                               ('SPARSE', 0, 'warning: should it be static?')):
        found = check_static.judge_output([(status, f'{where} {what}\n')], {'mm/a.c'})
        yield f'compiler-or-sparse-{what}', [kind for kind, _ in found['mm/a.c']] == [name]

    saw = 'planted.c:4:17: warning: dereference of noderef expression\n'
    left_out = 'Makefile:1: C=2 specified, but sparse is not available\n'
    for name, output, good in (('sees', saw, True), ('left-out', left_out, False),
                               ('blind', '', False)):
        with mock.patch('check_configs.compiled_anew', lambda *_, said=output: (0, said)):
            yield f'sparse-{name}', good == (not check_static.blind([], f'{toy.folder}/planted'))

    objects, one = ('a', 'b'), [['mov', '%rdi,0x0(%rip)', 'a']]
    yield 'alike', check_readers.alike(one, [['mov', '%rdi,0x0(%rip)', 'b'], ['ret', '', None],
                                             ['nop', '', None]], objects)
    yield 'not-alike', not any(check_readers.alike(one, other, objects) for other in (
        one * 2, [['mov', '%rdi,0x0(%rip)', 'c']], [['lock', '', 'a']]))
    yield 'alike-empty', not check_readers.alike([], [], objects)

    loads = [['movq', '0x10(%rsp), %r12', None], ['cmpq', '$0x0, %r12', '__start_rodata']]
    yield 'asked-last', check_readers.asked_last([['cli', '', None], *loads])
    yield 'asked-early', not check_readers.asked_last([*loads, ['cli', '', None]])
    again = ['movq', '0x10(%rsp), %rax', None]
    for name, between, good in (('twice', [], False), ('in-loop', [['movq', '(%rsp), %rbx', None]], True),
                                ('unmasked', [['sti', '', None]], True)):
        yield f'asked-{name}', good == check_readers.asked_last(
            [['cli', '', None], *loads, *between, again])

    mask, look, window = ['cli', '', None], ['cmpl', '$0x9, %ebx', None], ['movq', '%rax, %cr3', None]
    for name, body, times in (('masked', [mask, look, mask, window], 1),
                              ('masked-twice', [mask, look, mask, window] * 2, 2),
                              ('early', [look, mask, window, mask, window], 0),
                              ('nowhere', [mask, mask, window], 0),
                              ('of-the-window', [mask, look, window, mask, window], 0)):
        yield f'compared-{name}', check_readers.compared_masked(body) == times

    entry, clear, after = (['movq', '%r14, (%rcx)', None], ['movq', '$0x0, (%rcx)', None],
                           ['movb', '%al, (%rdx)', None])
    for name, stores, good in (('once', ['movl'], True), ('not', [], False),
                               ('twice', ['movw', 'movw'], False), ('more', ['movq'], False)):
        body = [entry, *([store, '%ebx, (%rdx)', None] for store in stores), clear, after]
        yield f'whole-{name}', check_readers.whole('x86_64', body, 'writes', 'u32') == good

    pages = ['Documentation/security/rare-write.rst', 'include/linux/rare_write.h']
    for name, line, ours in (
            ('page', '/x/Documentation/security/rare-write.rst:7: WARNING: undefined label', True),
            ('comment', "/x/include/linux/rare_write.h:98: warning: 'ptr' not described", True),
            ('other-page', '/x/Documentation/security/ipe.rst:8: WARNING: unknown document', False),
            ('no-warning', '  PARSE   include/linux/rare_write.h', False)):
        yield f'htmldocs-{name}', bool(htmldocs.problems(line, pages)) == ours


EXPLOIT = {
    'exposed': """[    1.0] exploit: uid=1000 capabilities=0000000000000000
[    1.1] exploit: --- {0} ---
[    1.2] exploit: this fails before the write
[    1.3] exploit: writing 8 bytes to {0}+0x0 at ffffffff82a0b0c0
[    1.4] exploit: written
[    1.5] exploit: attack WORKED
""",
    'hardened': """[    1.0] exploit: uid=1000 capabilities=0000000000000000
[    1.1][  T44] exploit: --- {0} ---
[    1.2] exploit: this fails before the write
[    1.3] exploit: writing 8 bytes to {0}+0x0 at ffffffff82a0b0c0
[    1.4] rare_write: refused write to {0}+0x0/0x100 by exploit[70] at exploit_write+0x8/0x40
[    1.4] BUG: unable to handle page fault for address: ffffffff82a0b0c0
[    1.5] Oops: Oops: 0003 [#1] SMP
[    1.6] exploit: the kernel killed the writer
[    1.7] exploit: attack FAILED
"""}


def exploits(_):
    """What exploit.py makes of what it sees: (name, is that right)."""
    def cases(config, attack='modprobe_path', text='', instead=''):
        said = EXPLOIT[config].format(attack).replace(text, instead)
        run = vm.Run('log', said, ['done 0'])
        return exploit.judge(config, run)[0]

    for config, bad in (('exposed', ('attack WORKED', 'attack FAILED')),
                        ('hardened', ('attack FAILED', 'attack WORKED'))):
        good = cases(config)
        yield f'{config}-good', all(good[f'{config}.{case}'] == 'ok'
                                    for case in ('runs', 'user', 'modprobe_path'))
        yield f'{config}-lacks', good[f'{config}.core_pattern'] != 'ok'
        for name, text, instead in (
                ('outcome', *bad), ('before', 'this fails before', 'this works WITHOUT'),
                ('other', 'write to modprobe_path', 'write to core_pattern'),
                ('unnamed', 'refused', 'saw')):
            if config == 'hardened' or name in ('outcome', 'before'):
                case = cases(config, text=text, instead=instead)[f'{config}.modprobe_path']
                yield f'{config}-{name}', case != 'ok'
        rights = cases(config, text='=0000000000000000', instead='=000001ffffffffff')
        yield f'{config}-rights', rights[f'{config}.user'] != 'ok'
    table = 'coredump_sysctls'
    yield 'read-only', cases('hardened', table)[f'hardened.{table}'] == 'ok'
    both = vm.Run('log', EXPLOIT['hardened'].format(table), ['done 0'])
    yield 'read-only-in-both', exploit.judge('exposed', both)[0][f'exposed.{table}'] == 'ok'
    elsewhere = cases('hardened', table, 'address: ffffffff82a0b0c0', 'address: 10')
    yield 'read-only-elsewhere', elsewhere[f'hardened.{table}'] != 'ok'
    other = cases('hardened', text='[    1.7]', instead='[    1.7] Oops: another\n[    1.7]')
    yield 'another-oops', other['hardened.runs'] != 'ok'
    beside = cases('hardened', text='[    1.5]', instead='[    1.5] suspicious RCU usage\n[    1.5]')
    yield 'beside-the-oops', beside['hardened.runs'] != 'ok'


def knobs(_):
    """What sysctl.py makes of what two kernels say: (name, is that right)."""
    every = sysctl.BOOTS[''][1]
    names = [*every]
    said = ''.join(f'[    1.0] sysctl: --- {knob} ---\n[    1.0][   T9] sysctl: root reads: "0"\n'
                   f'[    1.0] Unsafe core_pattern\n[    1.0] sysctl: --- end of {knob} ---\n'
                   for knob in every)

    def bad(text):
        cases = sysctl.compare(sysctl.sections(said), sysctl.sections(text), every)
        return [case for case, state in cases.items() if state != 'ok']

    yield 'same', bad(said) == []
    for name, text, instead in (('value', '"0"', '"1"'), ('no-end', 'end of', 'and of'),
                                ('more', '"0"\n', '"0"\n[    1.1] sysctl: root open: -13\n')):
        yield name, bad(said.replace(text, instead, 1)) == [names[0]]
    yield 'fewer', bad(said[:said.index(names[-1])]) == [names[-1]]
    missing = sysctl.sections(said.replace('reads: "0"', 'open to read: -2'))
    yield 'not-there', all(state != 'ok' for state in sysctl.compare(missing, missing, every).values())
    first = {**every, names[0]: '1'}
    same = sysctl.sections(said)
    yield 'not-set', sysctl.compare(same, same, first)[names[0]] != 'ok'
    other = sysctl.sections(said.replace('"0"', '"1"', 1))
    yield 'set', sysctl.compare(other, other, first)[names[0]] == 'ok'


# What kselftest.sh writes: TAP, a shell script, one that cannot run, and one that says nothing.
SELFTESTS = '''begin diag
 TAP version 13
 1..3
 ok 1 diag.uid
 #  RUN           diag.other ...
 # diag.c:52:other:Expected 1 == 0
 # diag.other: Test terminated by assertion
 #          FAIL  diag.other
 not ok 2 diag.other
 ok 3 # SKIP no uid
end 1
begin sysctl.sh 0001
 Thu Jan  1 00:00:00 UTC 1970
 Writing test file ... OK
 Resetting ... OK
 Writing test file ... FAIL
 Testing boot ... SKIPPING
 is not built in
end 1
begin kmod.sh 0001
 kmod_test_0001_driver: OK! - loading kmod test
end 0
begin needs
 You need it
end 4
begin quiet
end 0
finished
'''
OUTCOMES = {
    'diag: diag.uid': 'ok', 'diag: diag.other': 'failed: diag.c:52:other:Expected 1 == 0',
    'diag: no uid': 'skipped: says nothing',
    'sysctl.sh 0001: Writing test file': 'failed: Writing test file ... FAIL',
    'sysctl.sh 0001: Resetting': 'ok',
    'sysctl.sh 0001: Testing boot': 'skipped: is not built in',
    'kmod.sh 0001: kmod_test_0001_driver': 'ok', 'needs': 'skipped: You need it', 'quiet': 'ok',
}


def selftests(toy):
    """What kselftest.py makes of what two kernels say: (name, is that right)."""
    listed = (('* diag: diag.other', 'Expected 1 == 0'), ('* diag: no uid', 'nothing'),
              ('* sysctl.sh 0001: Writing*', 'FAIL'), ('* sysctl.sh 0001: Testing boot', 'built in'),
              ('x86_64 needs', 'You need'))

    def judged(old=SELFTESTS, new=SELFTESTS, on_both=listed):
        with mock.patch('kselftest.ON_BOTH', on_both):
            return kselftest.compare('x86_64', kselftest.read(old), kselftest.read(new))

    def bad(*args, **kwargs):
        return [case for case, state in judged(*args, **kwargs).items()
                if state.startswith('failed')]

    yield 'read', kselftest.read(SELFTESTS) == OUTCOMES
    yield 'other-kernel', refused(toy.run('kselftest.py', KERNEL='7.3'), 'the selftests of 6.12')
    yield 'same', bad() == [] and judged()['diag: diag.other'].startswith('skipped: fails on both')
    for name, text, instead, case in (
            ('worse', 'ok 1 diag.uid', 'not ok 1 diag.uid', 'diag: diag.uid'),
            ('better', 'not ok 2', 'ok 2', 'diag: diag.other'),
            ('says-else', '1 == 0', '2 == 0', 'diag: diag.other'),
            ('status', 'begin quiet\nend 0', 'begin quiet\nend 1', 'quiet'),
            ('time', 'begin quiet\nend 0', 'begin quiet\nend 124', 'quiet'),
            ('gone', 'begin quiet\nend 0\n', '', 'quiet'),
            ('plan', '1..3', '1..4', 'diag'),
            ('cut', 'finished\n', '', 'the list')):
        yield name, case in bad(new=SELFTESTS.replace(text, instead))
        yield f'{name}-exposed', case in bad(old=SELFTESTS.replace(text, instead))
    yield 'not-listed', bad(on_both=listed[1:]) == ['diag: diag.other']
    yield 'listed-and-good', len(bad(on_both=(*listed, ('* quiet', '')))) == 1
    yield 'other-architecture', bad(on_both=(*listed, ('arm64 quiet', ''))) == []
    run = vm.Run('log', 'kselftest: one\nWARNING: x\nkselftest: two\nfine\nkselftest: \nBUG: y\n',
                 ['done 0'])
    yield 'kernel', (list(kselftest.kernel_said(run)) == ['one: kernel'] and
                     run.problems() == ['splat: BUG: y'])


GUEST = r'''
printf 'rare-write login: '; read who; printf '# '
poweroff() { echo 'reboot: Power down'; exit; }
while read -r line; do eval "$line"; printf '# '; done
'''


def installed(toy):
    """What deb.py makes of what a machine answers: (name, is that right)."""
    yield 'arch', refused(toy.run('deb.py', ARCH='ppc'), 'ARCH=ppc is unknown')
    yield 'base', refused(toy.run('deb.py', ARCH='arm64', BASE='/nowhere'), '/nowhere: No such file')
    log = toy.write('console', '')
    with mock.patch('deb.COMMANDS', {
            'right': ('echo fine', 'f.ne'), 'status': ('echo fine; false', 'f.ne'),
            'else': ('echo well', 'f.ne'), 'not-ok': ('echo fine; echo not ok 1 test', 'f.ne'),
            'log': ('echo fine; echo "[    1.000000] BUG: x"', 'f.ne')}), open(log, 'wb') as out, \
            child(['sh', '-c', GUEST], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                  stderr=subprocess.DEVNULL) as guest:
        cases = deb.talk(deb.Terminal(guest, out))
    yield 'cases', [case for case, state in cases.items() if state == 'ok'] == [
        'login', 'right', 'poweroff'] and len(cases) == 7
    yield 'console', 'reboot: Power down' in toy.read('console')


def emulators(toy):
    """What newer_qemu.py takes: (name, is it right)."""
    def taken(version, **env):
        toy.tool('qemu-system-aarch64', f'#!/bin/sh\necho QEMU emulator version {version}\n')
        return toy.start('../../../../newer.py', **env).communicate(timeout=60)

    yield 'installed', taken('10.0.2')[0] == 'qemu-system-aarch64\n'
    # Without a list of packages there is nothing to get one from.
    conf = toy.write('apt.conf', 'Dir::Etc::SourceList "/dev/null";\n'
                     'Dir::Etc::SourceParts "/dev/null";\n')
    yield 'old', 'install QEMU 10 or later' in taken('7.2.22', APT_CONFIG=conf)[1]
    program = 'repo/build/qemu/usr/bin/qemu-system-aarch64'
    toy.write(program, '#!/bin/sh\necho QEMU emulator version 10.0.2\n', 0o755)
    yield 'unpacked', taken('7.2.22')[0] == os.path.join(toy.folder, program) + '\n'
    toy.write(program, '#!/bin/sh\necho QEMU emulator version 9.2.0\n', 0o755)
    yield 'unpacked-old', 'is QEMU 9, 10 or later is needed' in taken('7.2.22')[1]


def checkers(toy):
    """What newer_sparse.py takes: (name, is it right)."""
    def taken(installed, unpacked='', **env):
        return toy.start('../../../../sparse.py', TOY_OLD=installed, TOY_NEW=unpacked,
                         **env).communicate(timeout=60)

    asks, start = (f'repo/build/{name}' for name in ('linux-6.12/scripts/checker-valid.sh',
                                                     'sparse/start'))
    yield 'not-asked', taken('0')[0] == 'sparse\n'
    toy.write(asks, '#!/bin/sh\ncase $1 in */start) echo $TOY_NEW;; *) echo $TOY_OLD;; esac\n',
              0o755)
    yield 'installed', taken('1')[0] == 'sparse\n'
    # Without a list of packages there is nothing to get one from.
    conf = toy.write('apt.conf', 'Dir::Etc::SourceList "/dev/null";\n'
                     'Dir::Etc::SourceParts "/dev/null";\n')
    yield 'old', 'install a later sparse' in taken('0', APT_CONFIG=conf)[1]
    toy.write(start, '#!/bin/sh\n', 0o755)
    yield 'unpacked', taken('0', '1')[0] == os.path.join(toy.folder, start) + '\n'
    yield 'unpacked-old', 'is no sparse that this kernel takes' in taken('0', '0')[1]
    os.remove(os.path.join(toy.folder, asks))


def traces(_):
    """What coverage.py makes of a trace: (name, is that right)."""
    event = ' init-1 [002] ..1.. 0.1: rare_write: caller=f+0x8/0x10{} dst=config+0x8/0x28{} len=8\n'
    mark = ' init-1 [002] ..1.. 0.2: tracing_mark_write: the boot is over\n'
    boot, later, who = coverage.writes(event.format('', '') * 2 + mark +
                                       event.format(' [m]', ' [m]'))
    yield 'boot', boot == {'config': 2}
    yield 'later', later == {'config': 1}
    yield 'who', who == {'config': {'f': 3}}


class Guest(gdbstub.Stub):
    """The debugger's port of a guest that executes this path, and does not make every step."""

    def __init__(self, path):
        # The other end is of no use: what would talk to it is here.
        self.registers, self.path, self.stops, self.steps = {'args': (0, 1, 2)}, path, set(), 0

    def go(self, how):
        self.steps += how == 's'
        if how == 's' and self.steps % 2:
            return
        self.path = self.path[1:]
        while how == 'c' and self.path and self.path[0] not in self.stops:
            self.path = self.path[1:]
        if not self.path:
            raise gdbstub.Gone

    def pc(self):
        return self.path[0]

    def stop_at(self, address, on):
        (self.stops.add if on else self.stops.remove)(address)

    def register(self, number):
        return 100 + number

    def memory(self, address, length):
        return b'way'.ljust(length, b'\0')

    def return_address(self):
        return 20


def follows(toy):
    """What gdbstub.py follows: (name, is that right)."""
    toy.write('System.map', '000000000000000a T rare_write_bench_mark\n')

    def followed(*path):
        tracer = gdbstub.Tracer('x86_64', toy.folder, lambda way, work: True)
        with contextlib.suppress(gdbstub.Gone):
            tracer.follow(Guest([0, *path]))
        return tracer.paths

    yield 'steps', followed(10, 14, 102, 103, 107, 20, 24) == {('way', 'way'): [102, 103, 107]}
    yield 'loops', followed(10, 14, 102, 103, 102, 103, 20)['way', 'way'] == [102, 103] * 2
    try:
        # What was announced is not called, but the next thing announced.
        followed(10, 14, 10, 14, 20)
        yield 'elsewhere', False
    except ValueError as error:
        yield 'elsewhere', str(error) == 'way/way is at 66, not at a'


def run():
    """Return {name: 'ok' or 'failed...'}."""
    cases = {}
    with tempfile.TemporaryDirectory() as folder:
        toy = Toy(folder)
        toy.script('disk', 'import tree\ntree.enough_disk(2 << 30)\n')
        toy.script('newer', 'import newer_qemu\nprint(newer_qemu.aarch64())\n')
        toy.script('sparse', 'import newer_sparse\nprint(newer_sparse.program())\n')
        for part in (trees, builds, starts, runs, lint, variants, kills, killings, unbroken, configs,
                     cached, memory, soaks, table, system, series, kernels, static, exploits, knobs, selftests,
                     installed, emulators, checkers, traces, follows):
            for name, good in part(toy):
                cases[f'{part.__name__}.{name}'] = 'ok' if good else 'failed'
    return cases
