#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make the patched kernel tree: a pristine 6.12.y, our files, our patches.

Only files whose content differs from what is wanted are written, so that an
edit rebuilds what depends on it and nothing else.
"""
import filecmp
import os
import re
import shutil
import subprocess
import tempfile

from common import BUILD, SRC, TOP, Step, die

PRISTINE = os.path.join(BUILD, 'pristine')	# originals of the files we patch
TAR = '/usr/src/linux-source-6.12.tar.xz'
PATCHES = os.path.join(TOP, 'patches', '6.12')
OVERLAY = ('include', 'mm', 'arch', 'samples', 'kernel', 'drivers', 'lib', 'Documentation',
           'scripts', 'tools/testing/selftests')
NEED_GIB = 8


def unpack():
    """Unpack next to the final place and rename, so that a half tree is never used."""
    if os.path.isdir(SRC):
        return
    os.makedirs(BUILD, exist_ok=True)
    free = shutil.disk_usage(BUILD).free >> 30
    if free < NEED_GIB:
        die(f'{free} GiB of disk are free, a first build needs {NEED_GIB}')
    source = os.environ.get('LINUX_SRC')
    tar = os.environ.get('LINUX_TAR') or TAR
    tmp = os.path.join(BUILD, 'unpack')
    shutil.rmtree(tmp, ignore_errors=True)
    if source:
        if not os.path.isdir(source):
            die(f'LINUX_SRC={source} is no folder')
        with Step(f'copying {source}'):
            shutil.copytree(source, tmp, symlinks=True, ignore=shutil.ignore_patterns('.git'))
    else:
        if not os.path.isfile(tar):
            die(f'{tar} is not there')
        os.makedirs(tmp)
        with Step(f'unpacking {os.path.basename(tar)}'):
            if subprocess.call(['tar', 'xf', tar, '-C', tmp, '--strip-components=1']):
                die(f'{tar} cannot be unpacked')
    try:
        with open(os.path.join(tmp, 'Makefile')) as makefile:
            head = makefile.read(400)
    except OSError:
        head = ''
    found = re.search(r'^VERSION = (\d+)\nPATCHLEVEL = (\d+)\n', head, re.M)
    if not found or found.groups() != ('6', '12'):
        shutil.rmtree(tmp)
        die('this is no Linux 6.12.y source tree')
    os.rename(tmp, SRC)


def overlay_files():
    """Our files, by their path in the kernel."""
    out = subprocess.check_output(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', *OVERLAY],
        cwd=TOP, text=True)
    return sorted({p for p in out.split('\0') if p and os.path.isfile(os.path.join(TOP, p))})


def series():
    """The patches in order, and a check that none is forgotten."""
    with open(os.path.join(PATCHES, 'series')) as file:
        names = file.read().split()
    lost = set(os.listdir(PATCHES)) ^ set(names) ^ {'series'}
    if lost:
        die(f'patches/6.12/series and the folder disagree about: {" ".join(sorted(lost))}')
    return names


def touched(patch):
    """The files that a patch changes."""
    with open(os.path.join(PATCHES, patch)) as file:
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
    with open(os.path.join(BUILD, name), 'w') as file:
        file.write(''.join(p + '\n' for p in sorted(paths)))


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
    patched = {path for patch in patches for path in touched(patch)}
    with tempfile.TemporaryDirectory(dir=BUILD) as stage:
        for path in patched:
            os.makedirs(os.path.dirname(os.path.join(stage, path)), exist_ok=True)
            shutil.copy2(original(path), os.path.join(stage, path))
        for patch in patches:
            # git apply knows no fuzz; an offset means another kernel, and is named.
            run = subprocess.run(
                ['git', 'apply', '--verbose', os.path.join(PATCHES, patch)], cwd=stage,
                env={**os.environ, 'GIT_CEILING_DIRECTORIES': BUILD},
                capture_output=True, text=True)
            if run.returncode:
                die(f'patches/6.12/{patch} does not apply:\n{run.stderr.strip()}')
            for line in run.stderr.splitlines():
                if 'offset' in line:
                    print(f'{patch}: {line}')
        for path in patched:
            put(os.path.join(stage, path), path)

    for path in listed('patched.list') - patched:
        put(original(path), path)
    record('patched.list', patched)
    for path in known - set(ours):
        if os.path.exists(os.path.join(SRC, path)):
            os.remove(os.path.join(SRC, path))
    for path in ours:
        put(os.path.join(TOP, path), path)
    record('overlay.list', ours)


def prepare():
    unpack()
    apply()


if __name__ == '__main__':
    prepare()
