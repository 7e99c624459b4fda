#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make series-check: the series is what it says.

It is applied with git am to the whole pristine tree, and the result is compared
with the tree that make kernel builds, file by file; the series uses no CONFIG_
symbol that no Kconfig file defines. Then every patch is built and booted, on
its own and on both architectures, with all of series.config that is there yet;
and with lint.config, which boots nowhere and has the rest of what the series touches,
the C files of that patch compile without a remark. It takes hours; what was done is
noted and not done again: it can be interrupted.
The architectures go on side by side: to link and to boot takes one CPU.

	make series-check [ARCH=...] [BUILDS=0]
"""
import concurrent.futures
import contextlib
import functools
import hashlib
import inspect
import os
import re
import shutil
import sys
import time

import build
import check_configs
import console
import series
import tree
import vm
from common import (ARCHES, LIVE, SRC, STOPPED, Step, captured, choose, die, logged, script,
                    write_whole)

# A git repository of the pristine tree. What is built has a tree of its own: nothing that is
# tried in another changes a date there.
LINUX = os.path.join(series.FOLDER, 'linux')
MADE = os.path.join(series.FOLDER, 'linux.origin')
BUILT = os.path.join(series.FOLDER, 'built')
CONFIG = 'series'
ALL = 'lint'
# It reads headers, which is most of the work here, much faster than clang, which compiles
# what all patches make in make check.
TOOLCHAIN = 'gcc'


def source(arch):
    """The tree to build in. Where it is to its objects is as the tree that make kernel builds
    is to its own, which is what ccache goes by."""
    return os.path.join(series.FOLDER, arch, os.path.basename(SRC))


def pristine():
    """Make the repository, from the same source as the other, once: it takes a minute."""
    with open(tree.ORIGIN) as file:
        origin = file.read()
    if os.path.isfile(MADE) and open(MADE).read() == origin and os.path.isdir(LINUX):
        return
    # A version comes behind it, or a size and a date.
    kind, path = re.match(r'(LINUX_SRC|LINUX_TAR)=(.*?) [\d. ]+$', origin).groups()
    for folder in (LINUX, *(source(arch) for arch in ARCHES)):
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(LINUX)
    with Step(f'making a git repository of {os.path.basename(path)}'):
        status, output = captured(
            # Whose files they are, git minds.
            ['rsync', '-a', '--no-owner', '--no-group', '--exclude=/.git', f'{path}/', f'{LINUX}/']
            if kind == 'LINUX_SRC' else
            ['tar', 'xf', path, '-C', LINUX, '--strip-components=1'])
        if status:
            die(f'{path} cannot be read: {output.splitlines()[-1:]}')
        series.git(LINUX, 'init', '--quiet', '--initial-branch=pristine')
        # It would pack in the background, for minutes, what is thrown away.
        series.git(LINUX, 'config', 'gc.auto', '0')
        series.commit(LINUX, f'Linux {tree.look(LINUX)[0]}')
    write_whole(MADE, origin)


def check_out(arch):
    """The tree to build in: 1.7 GB that whoever builds nothing does without."""
    if not os.path.isdir(source(arch)):
        # Forced: git may still know the one that was there and is gone.
        series.git(LINUX, 'worktree', 'add', '--quiet', '--force', '--detach', source(arch),
                   'pristine')


def applied(names):
    """Apply the series to the pristine tree; return the commits, one for each patch."""
    # What an interrupted run, or one whose patches did not apply, left.
    shutil.rmtree(os.path.join(LINUX, '.git', 'rebase-apply'), ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(LINUX, '.git', 'index.lock'))
    series.git(LINUX, 'reset', '--quiet', '--hard')
    series.git(LINUX, 'clean', '-fdxq')
    series.git(LINUX, 'checkout', '--quiet', '-B', 'series', 'pristine')
    series.git(LINUX, 'am', '--quiet', '--committer-date-is-author-date',
               *(os.path.join(series.OUT, name) for name in names))
    return series.git(LINUX, 'rev-list', '--reverse', 'pristine..series').split()


def compare():
    """The tree that the patches make is the one that is built, to the byte."""
    # Of no interest: what make lint and kunit.py leave in the tree.
    status, output = captured(['diff', '--recursive', '--brief', '--no-dereference',
                               '--exclude=.git', '--exclude=__pycache__', '--exclude=.kunit',
                               '--exclude=.checkpatch-camelcase.*', LINUX, SRC])
    if status:
        die(f'git am makes another tree: {" / ".join(output.splitlines()[:5])}')
    for path in sorted(tree.listed('overlay.list') | tree.listed('patched.list')):
        if len({os.access(os.path.join(folder, path), os.X_OK) for folder in (LINUX, SRC)}) != 1:
            die(f'git am makes {path} executable, or not, and make kernel has it the other way')


def symbols(last):
    """What the series uses, Kconfig knows: checkkconfigsymbols.py compares before and after.

    It resets what is checked out to the one and to the other. That is the branch series, which
    thereby is the pristine tree as well, so that what comes after has to be a commit.
    """
    status, output = captured([sys.executable, 'scripts/checkkconfigsymbols.py',
                               '--diff', f'pristine..{last}'], cwd=LINUX)
    if status or output.strip():
        die(f'checkkconfigsymbols.py says: {" / ".join(output.split()[:8]) or status}')


def text(arch, path):
    with open(os.path.join(source(arch), path)) as file:
        return file.read()


def selects(arch):
    """Does this tree have the feature for the architecture?"""
    return 'select HAVE_ARCH_RARE_WRITE' in text(
        arch, f'arch/{ARCHES[arch]["source"]}/Kconfig')


def may_lack(arch, want):
    """The symbols that this tree cannot have yet: not written, or without architecture."""
    kconfigs = ''.join(text(arch, path)
                       for path in ('mm/Kconfig', 'mm/Kconfig.debug', 'samples/Kconfig'))
    ours = {symbol for symbol, value in want.items() if '_RARE_' in symbol and value != 'n'}
    lacks = {symbol for symbol in ours
             if not re.search(rf'^config {symbol.removeprefix("CONFIG_")}$', kconfigs, re.M)}
    if not selects(arch):
        lacks |= ours & {'CONFIG_RARE_WRITE', 'CONFIG_RARE_WRITE_DEBUG', 'CONFIG_RARE_WRITE_AUDIT'}
    return lacks


def configure(arch, config, name):
    """Configure with all that is there yet; return the folder, and what make is to be told."""
    obj = os.path.join(series.FOLDER, arch, config)
    args = build.make_args(arch, TOOLCHAIN, obj, source(arch))
    want = build.wanted(build.fragments(arch, config))
    logged([*args, build.ask(want, obj), 'allnoconfig'], f'series-config-{arch}.log', 'configuring',
           env=build.environment())
    lacks, may = set(build.lacking(want, obj)), may_lack(arch, want)
    if lacks != may:
        die(f'{arch} {name}: the configuration lacks {" ".join(sorted(lacks)) or "nothing"}, '
            f'expected is: {" ".join(sorted(may)) or "nothing"}')
    return obj, args


def build_one(arch, name, _):
    """Build one kernel in the tree as it is now, and boot it."""
    obj, args = configure(arch, CONFIG, name)
    with Step(f'{arch} {name}', silent=True):
        logged([*args, ARCHES[arch]['target'], 'modules'], f'series-build-{arch}.log',
               f'{arch} {name}: the build', env=build.environment())
    # For init, and not from the other tree: these objects belong to this one.
    build.user_headers(arch, obj, source(arch))
    # From the patch with the tests on there is something to load.
    tests = (os.path.isfile(os.path.join(source(arch), 'mm/tests/rare_write_kunit.c')) and
             build.module(obj, 'rare_write_kunit'))
    run = vm.boot(arch, obj, f'series-{arch}',
                  ['cat /proc/version ', *(['insmod /lib/rare_write_kunit.ko '] if tests else []),
                   'restart '], {'/lib/rare_write_kunit.ko': tests} if tests else {},
                  append='kunit.filter_glob=rare_write')
    if STOPPED.is_set():
        sys.exit(1)
    problems = run.problems()
    if selects(arch) and 'rare_write: temporary alias protects' not in run.text:
        problems.append('it does not say that it protects')
    cases = console.results(run.text)
    problems += [f'{case}: {state}' for case, state in cases.items() if state != 'ok']
    if tests and not cases:
        problems.append('no test ran')
    if problems:
        die(f'{arch} {name} does not boot: {problems[0]} (console: {os.path.relpath(run.log)})')


def compile_one(arch, name, commit):
    """Compile the C files that the patch touches."""
    files = series.git(LINUX, 'diff-tree', '--no-commit-id', '--name-only', '-r', commit).split()
    if not (objects := {f'{path[:-2]}.o' for path in files if path.endswith('.c')}):
        return
    obj, args = configure(arch, ALL, name)
    with Step(f'{arch} {name}', silent=True):
        # It also writes down what the configuration has.
        logged([*args, 'prepare'], f'series-prepare-{arch}.log', 'make prepare',
               env=build.environment())
        wanted = check_configs.enabled(arch, obj, objects, source(arch))
        status, output = check_configs.compiled_anew(args, obj, wanted)
    if STOPPED.is_set():
        sys.exit(1)
    if (state := check_configs.judge(status, output, touched=files)) != 'ok':
        die(f'{arch} {name} does not compile with {ALL}.config: {state}')


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def content(commit):
    """Of a commit, what the build depends on: no message, and no documentation."""
    files = series.git(LINUX, 'ls-tree', '-r', commit).splitlines()
    return digest('\n'.join(line for line in files if not re.search(
        r'\t(Documentation/|MAINTAINERS$|scripts/coccinelle/)', line)))


def built():
    """What was built and booted before: lines with architecture, configuration and content()."""
    if not os.path.isfile(BUILT):
        return set()
    with open(BUILT) as file:
        return set(file.read().splitlines())


def build_each(arch, names, commits):
    """Build each patch for this architecture, unless the same was built before."""
    done = built()
    ways = [(way, digest(inspect.getsource(way) +
                         build.asked(build.wanted(build.fragments(arch, config)))))
            for way, config in ((build_one, CONFIG), (compile_one, ALL))]
    for name, commit in zip(names, commits):
        start = time.monotonic()
        todo = [(way, line) for way, config in ways
                if (line := f'{arch} {config} {content(commit)}') not in done]
        if todo:
            series.git(source(arch), 'checkout', '--quiet', '--force', '--detach', commit)
        for way, line in todo:
            way(arch, name, commit)
            with open(BUILT, 'a') as file:
                file.write(f'{line}\n')
            done.add(line)
        print(f'  {arch} {name}: boots, {time.monotonic() - start:.0f} s' if todo else
              f'  {arch} {name}: built before', flush=True)


def build_all(arches, names, commits):
    """Build each patch for these architectures; where one fails, the others go no further."""
    with concurrent.futures.ThreadPoolExecutor(len(arches)) as pool:
        try:
            for future in concurrent.futures.as_completed(
                    [pool.submit(build_each, arch, names, commits) for arch in arches]):
                future.result()
        except BaseException:
            STOPPED.set()
            for process in list(LIVE):
                process.terminate()
            raise


def main():
    arch = os.environ.get('ARCH')
    arches = [choose('ARCH', arch, ARCHES)] if arch else list(ARCHES)
    names = series.write()
    pristine()
    with Step('applying the series with git am'):
        commits = applied(names)
    if len(commits) != len(names):
        die(f'git am made {len(commits)} commits of {len(names)} patches')
    with Step('comparing the trees'):
        compare()
    print(f'{len(names)} patches apply with git am, and make the tree of make kernel')
    with Step('looking for undefined symbols'):
        symbols(commits[-1])
    if os.environ.get('BUILDS') == '0':
        return
    for arch in arches:
        check_out(arch)
    build_all(arches, names, commits)
    print(f'each of {len(names)} patches builds and boots: {" ".join(arches)}')


if __name__ == '__main__':
    script(main)
