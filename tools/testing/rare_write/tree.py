#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make the patched kernel tree: a pristine kernel, our files, our patches.

The patches for a kernel are those that patches/KERNEL/series names: its own, and with
../6.12/ those that fit as they are. They are for Debian's source; where that of kernel.org needs
another, it has the same name and is in the folder kernel.org beside them. Our files are for
6.12; what another kernel needs to be different in them is a patch, too.

Only files whose content differs from what is wanted are written, so that an
edit rebuilds what depends on it and nothing else.
"""
import filecmp
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import fetch
from common import BUILD, KERNEL, SRC, TOP, Step, child, die, script, write_whole

PRISTINE = os.path.join(BUILD, 'pristine')	# originals of the files we patch
ORIGIN = f'{SRC}.origin'
PATCHES = os.path.join('patches', KERNEL)
UPSTREAM = 'kernel.org'	# the folder of patches for a source that is not Debian's
OVERLAY = ('include', 'mm', 'arch', 'samples', 'kernel', 'drivers', 'lib', 'Documentation',
           'scripts', 'tools/testing/selftests')
NEED_GIB = 8


def enough_disk(free):
    """The first build is large: better to know before it than after half of it."""
    if free >> 30 < NEED_GIB:
        die(f'{free >> 30} GiB of disk are free, a first build needs {NEED_GIB}')


def look(folder):
    """(version of a kernel tree, why it is not fit or None)."""
    try:
        with open(os.path.join(folder, 'Makefile')) as makefile:
            head = makefile.read(400)
    except OSError:
        head = ''
    found = re.search(r'^VERSION = (\d+)\nPATCHLEVEL = (\d+)\nSUBLEVEL = (\d*)$', head, re.M)
    if not found:
        return '', 'is no Linux source tree'
    version = '.'.join(found.groups())
    if not version.startswith(f'{KERNEL}.'):
        return version, f'is Linux {version}, a {KERNEL}.y is needed'
    for made in ('.config', 'include/config'):
        if os.path.exists(os.path.join(folder, made)):
            return version, f'was built in, {made} is there: run make mrproper in it'
    if os.path.exists(os.path.join(folder, 'include/linux/rare_write.h')):
        return version, 'has rare_write already, a pristine tree is needed'
    return version, None


def origin():
    """(what the user asks for or None, what is there to unpack or None).

    Told by name, size and date: 150 MB are not read at every start.
    """
    source, tar = os.environ.get('LINUX_SRC'), os.environ.get('LINUX_TAR')
    if source and tar:
        die('LINUX_SRC and LINUX_TAR are both set: one is enough')
    if source:
        version, problem = look(source)
        if problem or not os.path.isdir(source):
            die(f'LINUX_SRC={source} {problem if os.path.isdir(source) else "is no folder"}')
        source = os.path.realpath(source)
        if os.path.commonpath([source, BUILD]) == source:
            die(f'LINUX_SRC={source} has this repository in it')
        return (f'LINUX_SRC={source} {version}',) * 2
    path = os.path.realpath(tar or fetch.tar())
    text = None
    if os.path.isfile(path):
        what = os.stat(path)
        text = f'LINUX_TAR={path} {what.st_size} {int(what.st_mtime)}'
    elif tar:
        die(f'LINUX_TAR={tar} is no file')
    return text if tar else None, text


def keep(asked, there):
    """Is the tree that was unpacked the one that is wanted?"""
    try:
        with open(ORIGIN) as file:
            was = file.read().strip()
    except FileNotFoundError:
        # Unpacked before this was noted.
        was = '' if asked else there
    if asked and asked != was:
        die(f'{os.path.relpath(SRC, TOP)} is from {was or "elsewhere"}, not from {asked}: '
            'make distclean first')
    if there != was:
        print(f'note: {os.path.relpath(SRC, TOP)} is from {was}', file=sys.stderr)


def unpack():
    """Unpack next to the final place and rename, so that a half tree is never used."""
    asked, there = origin()
    if os.path.isdir(SRC):
        return keep(asked, there)
    os.makedirs(BUILD, exist_ok=True)
    enough_disk(shutil.disk_usage(BUILD).free)
    if not there:
        fetch.fetch()
        there = origin()[1]
    tmp = os.path.join(BUILD, 'unpack')
    # What was noted about a tree that is gone is not true of the next.
    for old in (tmp, PRISTINE):
        shutil.rmtree(old, ignore_errors=True)
    for name in ('overlay.list', 'patched.list'):
        record(name, ())
    os.makedirs(tmp)
    source = os.environ.get('LINUX_SRC')
    what = source or os.environ.get('LINUX_TAR') or fetch.tar()
    argv = (['rsync', '-a', '--exclude=/.git', f'{source}/', f'{tmp}/'] if source else
            ['tar', 'xf', what, '-C', tmp, '--strip-components=1'])
    with Step(f'{"copying" if source else "unpacking"} {os.path.basename(what.rstrip("/"))}'):
        with child(argv, stderr=subprocess.PIPE, text=True) as process:
            said = process.communicate()[1].strip().splitlines() or ['no reason given']
    problem = f'cannot be read: {said[0]}' if process.returncode else look(tmp)[1]
    if problem:
        shutil.rmtree(tmp)
        die(f'{what} {problem}')
    write_whole(ORIGIN, there + '\n')
    os.rename(tmp, SRC)


def overlay_files():
    """Our files, by their path in the kernel."""
    out = subprocess.check_output(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', *OVERLAY],
        cwd=TOP, text=True)
    return sorted({p for p in out.split('\0') if p and os.path.isfile(os.path.join(TOP, p))})


@functools.cache
def debian(source=SRC):
    """Is this Debian's source? It has other defaults than that of kernel.org.

    Asked is a line that no patch changes: a tree that is patched gives the same answer.
    """
    if source == SRC and not os.path.isdir(SRC):
        prepare()
    try:
        with open(os.path.join(source, 'security/yama/yama_lsm.c')) as file:
            return 'Yama: disabled by default' in file.read()
    except FileNotFoundError:
        return False


def variants():
    """The patches that stand for another where the source is not Debian's, of all kernels."""
    return sorted(glob.glob(f'patches/*/{UPSTREAM}/*', root_dir=TOP))


def standard():
    """The patches for Debian's source in order, from the top of the repository; and a check that
    none is forgotten."""
    folder = os.path.join(TOP, PATCHES)
    with open(os.path.join(folder, 'series')) as file:
        names = file.read().split()
    own = {name for name in names if '/' not in name}
    lost = set(os.listdir(folder)) - {'cover', UPSTREAM} ^ own ^ {'series'}
    lost.update(f'{UPSTREAM}/{os.path.basename(path)}' for path in variants()
                if path.startswith(PATCHES + os.sep) and os.path.basename(path) not in own)
    if lost:
        die(f'{PATCHES}/series and the folder disagree about: {" ".join(sorted(lost))}')
    return [os.path.normpath(os.path.join(PATCHES, name)) for name in names]


def series(source=SRC):
    """The patches for this source in order."""
    other = {} if debian(source) else {path.replace(f'/{UPSTREAM}/', '/'): path
                                       for path in variants()}
    return [other.get(patch, patch) for patch in standard()]


def touched(patch):
    """The files that a patch changes."""
    with open(os.path.join(TOP, patch)) as file:
        return re.findall(r'^\+\+\+ b/(\S+)', file.read(), re.M)


def put(source, path):
    """Copy source to a path in the tree if it differs."""
    target = os.path.join(SRC, path)
    if os.path.isfile(target) and filecmp.cmp(source, target, shallow=False):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)


def listed(name):
    try:
        with open(os.path.join(BUILD, name)) as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()


def record(name, paths):
    write_whole(os.path.join(BUILD, name), ''.join(p + '\n' for p in sorted(paths)))


def original(path):
    """The pristine content of a kernel file, kept the first time it is patched."""
    kept = os.path.join(PRISTINE, path)
    if not os.path.isfile(kept):
        source = os.path.join(SRC, path)
        if not os.path.isfile(source):
            die(f'a patch changes {path}, which this kernel does not have')
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        shutil.copy2(source, kept + '.tmp')
        os.rename(kept + '.tmp', kept)
    return kept


def apply():
    ours = overlay_files()
    known = listed('overlay.list')
    for path in ours:
        if path not in known and os.path.exists(os.path.join(SRC, path)):
            die(f'{path} is a file of the kernel: change it with a patch')
    # Before the first write: what was begun must be recognised when resumed.
    record('overlay.list', known | set(ours))

    patches = series()
    touch = {path for patch in patches for path in touched(patch)}
    patched = touch - set(ours)
    with tempfile.TemporaryDirectory(dir=BUILD) as stage:
        for path in touch:
            os.makedirs(os.path.dirname(os.path.join(stage, path)), exist_ok=True)
            shutil.copy2(original(path) if path in patched else os.path.join(TOP, path),
                         os.path.join(stage, path))
        for patch in patches:
            # git apply knows no fuzz; an offset means another kernel, and is named.
            # In a patch for more than one of them, or for one of our files, it means nothing.
            run = subprocess.run(
                ['git', 'apply', '--verbose', os.path.join(TOP, patch)], cwd=stage,
                env={**os.environ, 'GIT_CEILING_DIRECTORIES': BUILD},
                capture_output=True, text=True)
            if run.returncode:
                where = re.findall(r'^error: (?:patch failed: )?(.*)', run.stderr, re.M)
                die(f'{patch} does not apply: {" / ".join(where[-2:])}')
            own = patch.startswith(PATCHES + os.sep) and patched.intersection(touched(patch))
            for line in run.stderr.splitlines():
                if own and 'offset' in line:
                    print(f'{patch}: {line}')
        before = listed('patched.list')
        record('patched.list', before | patched)
        for path in touch:
            put(os.path.join(stage, path), path)

    for path in before - patched:
        put(original(path), path)
    record('patched.list', patched)
    for path in known - set(ours):
        if os.path.exists(os.path.join(SRC, path)):
            os.remove(os.path.join(SRC, path))
    for path in set(ours) - touch:
        put(os.path.join(TOP, path), path)
    record('overlay.list', ours)


LOCK = threading.Lock()


def prepare():
    """Once is enough: nobody edits between two steps of one command."""
    with LOCK:
        if not prepare.done:
            unpack()
            apply()
            prepare.done = True


prepare.done = False


if __name__ == '__main__':
    script(prepare)
