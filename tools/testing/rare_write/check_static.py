# SPDX-License-Identifier: GPL-2.0-only
"""What other tools than checkpatch say about our files: remarks for check_lint.py.

Each function returns {file: [(type, line)]}, the file relative to the repository.
Files are looked at where they are, or where a test put them: in the folder top.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile

import build
from common import ARCHES, BUILD, SRC, TOOLCHAINS, TOP, captured, die

COCCI = 'scripts/coccinelle/misc/rare_write.cocci'
LIGHT = 'include/linux/rare_write_types.h'
SELFTESTS = 'tools/testing/selftests/rare_write'
WRITERS = 'scripts/coccinelle/misc/rare_write_writers.cocci'
REMARK = re.compile(r'^(\S+?):(\d+):(?:\d+:)? (?:warning|error): (.*)', re.M)


def collect(found):
    """[(file, type, line number, text)] as {file: [(type, line)]}."""
    remarks = {}
    for path, kind, line, text in found:
        remarks.setdefault(path, []).append((kind, f'line {line}: {text[:60]}'))
    return remarks


def text_files(top=TOP):
    """All that somebody wrote: no pictures, and no patches, which quote others."""
    out = subprocess.check_output(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=top, text=True)
    return sorted(p for p in out.split('\0') if p and os.path.isfile(os.path.join(top, p)) and
                  not p.endswith(('.svg', '.patch')))


def tool(argv, pattern, kind, top, good=(0,)):
    """Run a tool that says file:line: text. To have failed without a remark is one, too."""
    if not shutil.which(argv[0]):
        die(f'{argv[0]} is not there: run make lint as root, it installs what is missing')
    status, output = captured(argv, cwd=top)
    found = [(path, kind, line, text) for path, line, text in re.findall(pattern, output, re.M)]
    if status not in good and not found:
        found.append((argv[0], kind, 0, output.strip()[-60:] or f'status {status}'))
    return collect(found)


def spelling(files, top=TOP):
    return tool(['codespell', *files], r'^(?:\./)?(\S+?):(\d+): (.*)', 'SPELLING', top)


def shell(files, top=TOP):
    scripts = [path for path in files if open(os.path.join(top, path)).readline().startswith(
        ('#!/bin/sh', '#!/bin/bash'))]
    return tool(['shellcheck', '--format=gcc', *scripts], r'^(\S+?):(\d+):\d+: (.*)', 'SHELLCHECK',
                top)


def spdx(files, top=TOP):
    """A licence tag in the first two lines of all that has comments."""
    found = []
    for path in files:
        with open(os.path.join(top, path)) as file:
            head = file.readline() + file.readline()
        if (re.search(r'\.(c|h|py|sh|rst|cocci|pml|waivers)$|Makefile$|^\.ci/', path) and
                'SPDX-License-Identifier: GPL-2.0-only' not in head):
            found.append((path, 'SPDX', 1, 'no GPL-2.0-only tag in the first two lines'))
    return collect(found)


def includes(files, top=TOP):
    """In a block of #includes those of one folder are sorted, and <asm/> is last."""
    found = []
    for path in files:
        if not path.endswith('.c') or path.startswith('tools/'):
            continue
        with open(os.path.join(top, path)) as file:
            lines = file.read().splitlines()
        before = None
        for number, line in enumerate(lines, 1):
            this = re.match(r'#include <(\w+)/(\S+)>', line)
            if before and this and (before[2] > this[2] if before[1] == this[1] else
                                    before[1] == 'asm'):
                found.append((path, 'INCLUDE_ORDER', number, line))
            before = this
    return collect(found)


def options(files, top=TOP):
    """No option has a name in the header for all headers: kbuild would make everything anew."""
    found = []
    for path in set(files) & {LIGHT}:
        with open(os.path.join(top, path)) as file:
            for number, line in enumerate(file, 1):
                if re.search(r'CONFIG_[A-Z0-9]', line):
                    found.append((path, 'OPTION', number, line.strip()))
    return collect(found)


def coccinelle(files, top=TOP):
    """Plain stores to write-rare data."""
    sources = [path for path in files if path.endswith(('.c', '.h'))]
    rule = os.path.join(TOP, COCCI)
    return tool(['spatch', '--very-quiet', '--no-includes', '-D', 'report', '--sp-file', rule,
                 *sources], r'^(\S+?):(\d+):[-\d]+: WARNING: (.*)', 'COCCINELLE', top)


def writers(path, top=TOP):
    """Does the list of writers have those that a file marks as found, and no others?"""
    with open(os.path.join(top, path)) as file:
        marks = [re.search(r'/\* found: (.*) \*/', line) for line in file]
    wanted = {(str(number), mark[1]) for number, mark in enumerate(marks, 1) if mark}
    found = set()
    for options in (('-D', 'var=target'), ('-D', 'var=target_array', '-D', 'array')):
        output = captured(['spatch', '--very-quiet', '--no-includes', '-D', 'report', *options,
                           '--no-show-diff', '--sp-file', os.path.join(TOP, WRITERS), path],
                          cwd=top)[1]
        found |= set(re.findall(rf'^{re.escape(path)}:(\d+):[-\d]+: (.*?): ', output, re.M))
    return collect([(path, 'COCCINELLE', line, f'{"not " * ((line, what) in wanted)}found: {what}')
                    for line, what in sorted(wanted ^ found)])


def quotes(files, top=TOP):
    """What a page shows as a diff must be lines of one of the patches, as they follow there."""
    def read(path):
        with open(os.path.join(top, path)) as file:
            return re.sub(r' +$', '', file.read(), flags=re.M)

    patches = [read(path) for path in glob.glob('patches/6.12/*.patch', root_dir=top)]
    found = []
    for path in files:
        text = read(path) if path.endswith('.rst') else ''
        for block in re.finditer(r'^\.\. code-block:: diff\n\n((?: {4}.*\n|\n(?= {4}))+)', text,
                                 re.M):
            shown = '\n' + re.sub(r'^ {4}', '', block[1], flags=re.M)
            if not any(shown in patch for patch in patches):
                found.append((path, 'QUOTE', text.count('\n', 0, block.start(1)) + 1,
                              'in none of the patches'))
    return collect(found)


def maintainer(path):
    """Does get_maintainer.pl know the list for one of our files? [(type, line)]."""
    output = captured(['scripts/get_maintainer.pl', '--no-git', '--no-git-fallback', '--sections',
                       '-f', path], cwd=SRC)[1]
    return [] if re.search(r'^RARE_WRITE \(', output, re.M) else [
        ('NO_MAINTAINER', 'line 0: get_maintainer.pl finds no entry of ours')]


def objects(arch):
    """The objects to compile: all that is made of a C file of ours for this architecture."""
    folder = {'x86_64': 'x86'}.get(arch, arch)
    sources = [path[:-2] + '.o' for pattern in (
        'kernel/rare_sysctl.c', 'mm/rare_write*.c', 'mm/tests/rare_*.c',
        'mm/tests/rare_write_bench/*.c', 'samples/rare_write/*.c', f'arch/{folder}/mm/rare_write.c')
        for path in sorted(glob.glob(pattern, root_dir=TOP))]
    # Made for x86-64 only, see the Makefile there.
    return [path for path in sources if arch == 'x86_64' or not path.endswith('/cr0.o')]


def compiled(arch, toolchain):
    """W=1 and sparse for our files, as kbuild does it: (status, output)."""
    obj = build.headers(arch, 'lint', toolchain)
    wanted = objects(arch)
    for path in wanted:
        # What is up to date is not compiled, and nothing is said about it.
        if os.path.isfile(os.path.join(obj, path)):
            os.remove(os.path.join(obj, path))
    # One run of sparse for each architecture is enough.
    sparse = ['C=2', 'CHECK=sparse'] if toolchain == 'clang' else []
    return captured([*build.make_args(arch, toolchain, obj), 'W=1', '-k', *sparse, *wanted],
                    env=build.environment())


def with_libc():
    """The selftests as their own Makefile builds them: (status, output). Ours use nolibc."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        status, output = captured(['make', '-s', '-C', os.path.join(SRC, SELFTESTS), 'CC=gcc',
                                   f'OUTPUT={folder}', 'USERCFLAGS=-Wall'],
                                  env=build.environment())
    return status, re.sub(r'^(?=\w+\.c:)', f'{SELFTESTS}/', output, flags=re.M)


def judge_output(runs, ours):
    """The remarks about our files in what several runs of make said, each once.

    One that failed without any is a remark itself.
    """
    found = set()
    for status, output in runs:
        here = set()
        for path, line, text in REMARK.findall(output):
            path = path.rpartition(f'{os.path.basename(SRC)}/')[2]
            if path in ours:
                here.add((path, 'COMPILER', int(line), text))
        if status and not here:
            first = re.search(r'.*\berror\b.*', output)
            here.add(('make', 'COMPILER', 0, first[0].strip() if first else f'status {status}'))
        found |= here
    return collect(sorted(found))


def run(ours):
    """Everything: a list of {file: [(type, line)]}. Ours are the overlay's files."""
    files = text_files()
    # misuse.c has plain stores on purpose: that they are found shows that the rule works.
    yield from (spelling(files), shell(files), spdx(files), includes(files), options(files),
               coccinelle(files), quotes(files), writers('tools/testing/rare_write/writers.c'))
    yield judge_output([with_libc(), *(compiled(arch, toolchain) for arch in ARCHES
                                       for toolchain in TOOLCHAINS)], ours)
