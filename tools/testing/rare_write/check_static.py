# SPDX-License-Identifier: GPL-2.0-only
"""What other tools than checkpatch say about our files: remarks for check_lint.py.

Each function returns {file: [(type, line)]}, the file relative to the repository, or a
file of the kernel that we patch. Files are looked at where they are, or where a test put
them: in the folder top.
"""
import collections
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import build
import check_configs
import newer_sparse
import tree
from common import ARCHES, BUILD, HERE, KERNEL, KERNELS, SRC, TOOLCHAINS, TOP, captured, die

ADMIN = 'Documentation/security/rare-write-admin.rst'
COCCI = 'scripts/coccinelle/misc/rare_write.cocci'
LIGHT = 'include/linux/rare_write_types.h'
MACROS = os.path.join(HERE, 'spatch.macros')
# What sparse must see, or it did not look.
PLANTED = '''int planted(int __user *p);
int planted(int __user *p)
{
	return *p;
}
'''
SELFTESTS = 'tools/testing/selftests/rare_write'
WRITERS = 'scripts/coccinelle/misc/rare_write_writers.cocci'
REMARK = re.compile(r'^(\S+?):(\d+):(?:\d+:)? (?:fatal )?(warning|error): (.*)', re.M)


def read(path):
    with open(path) as file:
        return file.read()


def stage(folder, path, text):
    """A file of that name in another folder, for a tool that is to see this instead."""
    target = os.path.join(folder, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, 'w') as file:
        file.write(text)


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


def tool(argv, pattern, kind, top, good=(0,), also=lambda output: ()):
    """Run a tool that says file:line: text. To have failed without a remark is one, too."""
    if not shutil.which(argv[0]):
        die(f'{argv[0]} is not there: run make lint as root, it installs what is missing')
    status, output = captured(argv, cwd=top)
    found = [(path, kind, line, text) for path, line, text in re.findall(pattern, output, re.M)]
    found += also(output)
    if status not in good and not found:
        found.append((argv[0], kind, 0, output.strip()[-60:] or f'status {status}'))
    return collect(found)


def spelling(files, top=TOP):
    return tool(['codespell', *files], r'^(?:\./)?(\S+?):(\d+): (.*)', 'SPELLING', top)


def spelling_of_patches(patches, top=TOP):
    """What these add to files of the kernel, line by line where it is in the patch."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        for path in patches:
            stage(folder, path, re.sub(r'^(?!\+(?!\+\+ )).*', '', read(os.path.join(top, path)),
                                       flags=re.M))
        return spelling(patches, folder)


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
        if (re.search(r'\.(c|h|py|sh|rst|cocci|macros|pml|waivers)$|Makefile$|^\.ci/', path) and
                'SPDX-License-Identifier: GPL-2.0-only' not in head):
            found.append((path, 'SPDX', 1, 'no GPL-2.0-only tag in the first two lines'))
    return collect(found)


def includes(files, top=TOP):
    """In a block of #includes those of one folder are sorted, and <asm/> is last."""
    found = []
    for path in files:
        if not path.endswith(('.c', '.h')) or path.startswith('tools/'):
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


def unparsed(output, kind='UNPARSED'):
    """The functions that spatch passed over, as --parse-error-msg has it say:
    [(file, type, line, text)].

    It shows what it could not parse, which is more than one of them, or none. The bodies of
    macros are no functions.
    """
    found = []
    for part in re.split(r'^HANDLING: ', output, flags=re.M)[1:]:
        path = part.partition('\n')[0].strip()
        for shown in re.findall(r'^badcount: \d+\n((?:bad:.*\n|BAD:!!!!!.*\n)+)', part, re.M):
            code = re.sub(r'^(?:bad:|BAD:!!!!!) ?', '', shown, flags=re.M)
            code = re.sub(r'^[ \t]*#(?:.*\\\n)*.*', '', code, flags=re.M)
            found += [(path, kind, 0, f'passed over: {head}') for head in re.findall(
                r'(?:^(\w.*)\n(?:[ \t].*\n)*)?^\{', code, re.M)]
    return found


def skipped(output):
    """The files that it did not even open: the rule names something that is not in there."""
    return [(path, 'UNPARSED', 0, 'passed over')
            for path in re.findall(r'^Skipping: ?(\S+)', output, re.M)]


def coccinelle(files, top=TOP, names=()):
    """Plain stores to write-rare data: a file's own, and what has one of these names.

    The rule wants to see a definition. Where the file has none it gets one, at its end. What
    spatch cannot parse it passes over, so that is a remark in all files.
    """
    remarks, rule = {}, os.path.join(TOP, COCCI)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        # One at a time: of several together it knows the objects of one in the others.
        for path in files:
            text = read(os.path.join(top, path)) if path.endswith(('.c', '.h')) else ''
            more = [f'int {name} __wr_rare;\n' for name in sorted(names)
                    if re.search(rf'\b{name}\b', text)] or ['int __nothing __wr_rare;\n']
            if text:
                stage(folder, path, text + ''.join(more))
                remarks.update(tool(['spatch', '--parse-error-msg', '--macro-file', MACROS,
                                     '--no-includes', '-D', 'report', '--sp-file', rule, path],
                                    r'^(\S+?):(\d+):[-\d]+: WARNING: (.*)', 'COCCINELLE', folder,
                                    also=lambda output: unparsed(output) + skipped(output)))
    return remarks


def coccicheck(files):
    """What the kernel's own rules find in our files, each with the options that it asks for.

    Those in OCaml would need its compiler, and some do not report, but only patch. What they
    cannot parse is a remark once, not for each of them.
    """
    found, passed, rules = [], set(), []
    for rule in glob.glob('scripts/coccinelle/**/*.cocci', root_dir=SRC, recursive=True):
        text = read(os.path.join(SRC, rule))
        if (rule not in (COCCI, WRITERS) and 'ocaml' not in text and
                re.search(r'^virtual\b.*\breport\b', text, re.M)):
            rules.append(rule)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        for path in files:
            if path.endswith(('.c', '.h')):
                stage(folder, path, read(os.path.join(TOP, path)))
        # Of our annotations these know nothing.
        stage(folder, 'macros', f'{read(MACROS)}#define __wr_rare\n#define __wr_rare_type\n')
        for rule in rules:
            status, output = captured(
                ['make', '-s', '-C', SRC, 'coccicheck', 'MODE=report',
                 f'COCCI={os.path.join(SRC, rule)}', f'M={folder}',
                 f'SPFLAGS=--macro-file {folder}/macros --quiet --parse-error-msg'],
                env=build.environment())
            # Later kernels go into the folder.
            found += re.findall(rf'^(?:{re.escape(folder)}|\.)/(\S+?):(\d+):[-\d]+: (.*)', output,
                                re.M)
            if status:
                found.append((rule, 0, f'coccicheck ends with {status}: {output.strip()[-60:]}'))
            # Of the headers that a rule has it include it says so, too: these are not ours.
            for path, *rest, text in unparsed(output, 'COCCICHECK_UNPARSED'):
                path = re.sub(rf'^(?:{re.escape(folder)}|\.)/', '', path)
                head = text.partition(': ')[2]
                if head and head in read(os.path.join(TOP, path)):
                    passed.add((path, *rest, text))
    return collect([*((path, 'COCCINELLE', line, text) for path, line, text in found),
                    *sorted(passed)])


def writers(path, top=TOP):
    """Does the list of writers have those that a file marks as found, and no others?"""
    with open(os.path.join(top, path)) as file:
        marks = [re.search(r'/\* found: (.*) \*/', line) for line in file]
    wanted = {(str(number), mark[1]) for number, mark in enumerate(marks, 1) if mark}
    found, passed = set(), set()
    for options in (('-D', 'var=target'), ('-D', 'var=target_array', '-D', 'array')):
        output = captured(['spatch', '--parse-error-msg', '--no-includes', '-D', 'report',
                           *options, '--no-show-diff', '--sp-file', os.path.join(TOP, WRITERS),
                           path], cwd=top)[1]
        passed.update(unparsed(output))
        found |= set(re.findall(rf'^{re.escape(path)}:(\d+):[-\d]+: (.*?): ', output, re.M))
    return collect([(path, 'COCCINELLE', line, f'{"not " * ((line, what) in wanted)}found: {what}')
                    for line, what in sorted(wanted ^ found)] + sorted(passed))


def quotes(files, top=SRC, here=TOP):
    """What a page shows as a diff must be lines of one of the patches, as they follow there; the
    line of a BUG() is where one ends.

    The pages are those of this kernel, as they are in its tree.
    """
    def lines(folder, path):
        return re.sub(r' +$', '', read(os.path.join(folder, path)), flags=re.M)

    folder = f'patches/{KERNEL}'
    patches = [lines(here, f'{folder}/{name}') for name in lines(here, f'{folder}/series').split()]
    found = []
    for path in files:
        text = lines(top, path) if path.endswith('.rst') else ''
        for block in re.finditer(r'^\.\. code-block:: diff\n\n((?: {4}.*\n|\n(?= {4}))+)', text,
                                 re.M):
            shown = '\n' + re.sub(r'^ {4}', '', block[1], flags=re.M)
            if not any(shown in patch for patch in patches):
                found.append((path, 'QUOTE', text.count('\n', 0, block.start(1)) + 1,
                              'in none of the patches'))
        for bug in re.finditer(r'kernel BUG at (\S+):(\d+)!', text):
            source = lines(top, bug[1]) if os.path.exists(os.path.join(top, bug[1])) else ''
            if not re.search(r'\bBUG(_ON)?\(.*(\n.*)?\);$', '\n'.join(
                    source.splitlines()[int(bug[2]) - 2:int(bug[2])])):
                found.append((path, 'QUOTE', text.count('\n', 0, bug.start()) + 1,
                              f'no BUG() ends at {bug[1]}:{bug[2]}'))
    return collect(found)


def listed(patched, top=SRC, page=os.path.join(SRC, ADMIN)):
    """The administrators' page lists what the kernel makes write-rare, and nothing else.

    What is an entry of a list there goes with its list, and LKDTM has a target of its own.
    """
    made = set()
    for path in patched:
        if path.endswith('.c') and not path.startswith('drivers/misc/lkdtm/'):
            found = re.findall(r'\b(\w+)(?:\[\w*\])*\s+__wr_rare\b|\bRARE_LIST_HEAD\((\w+)\)',
                               read(os.path.join(top, path)))
            made.update(name for pair in found for name in pair
                        if name and not re.search(r'_protosw$|_format$|^inetsw6?_array$', name))
    text = read(page)
    rows = text.partition('.. csv-table::')[2].partition('\n\n   ')[2].partition('\n\n')[0]
    said = {name for row in rows.splitlines() for name in re.findall(r'``(\w+)``',
                                                                    row.split(',')[0])}
    return collect([(ADMIN, 'LISTED', 0, f'{name}: {"not " * (name in made)}in the table')
                    for name in sorted(made ^ said)])


def symbols(ours, patched, top=SRC):
    """CONFIG_ symbols of ours that no Kconfig file defines.

    checkkconfigsymbols.py asks git which files to read: these, and all Kconfig files.
    """
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        env = {**os.environ, 'GIT_DIR': folder, 'GIT_WORK_TREE': top}
        for argv in (['git', 'init', '--quiet'],
                     ['git', 'add', '--force', '--', '*Kconfig*', *ours, *patched],
                     [sys.executable, os.path.join(SRC, 'scripts/checkkconfigsymbols.py')]):
            status, output = captured(argv, cwd=top, env=env)
            if status:
                return collect([(argv[0], 'SYMBOL', 0, output.strip()[-60:])])
    found = []
    for symbol, paths in re.findall(r'^(\w+)\nReferencing files: (.*)', output, re.M):
        for path in paths.split(', '):
            if path in ours or path in patched and symbol not in read(tree.original(path)):
                found.append((path, 'SYMBOL', 0, f'{symbol} is not defined'))
    return collect(found)


def quoted(text):
    """How often a patch has each line of a file, also one that it leaves."""
    return collections.Counter(re.findall(r'^[-+ ].*', text, re.M))


def hunks(text):
    """What a patch removes and adds: {file: lines}."""
    return {part.split('\n', 1)[0]: re.findall(r'^[-+](?!\+\+ b/).*', part, re.M)
            for part in re.split(r'^--- .*\n\+\+\+ b/', text, flags=re.M)[1:]}


def differs(patches, top=TOP):
    """Where the patch of that name for the first kernel does something else: a change of one that
    is forgotten in the other shows here, and what two kernels need to be different is named.

    A patch for a source that is not Debian's is compared with that for Debian's, line by line.
    """
    found = []
    for path in patches:
        first = path.replace(f'/{tree.UPSTREAM}/', '/')
        variant = path != first
        if not variant:
            first = os.path.join('patches', KERNELS[0], os.path.basename(path))
        if path == first or not os.path.isfile(os.path.join(top, first)):
            continue
        here, there = (read(os.path.join(top, name)) for name in (path, first))
        if variant:
            here, there = quoted(here), quoted(there)
            found += [(path, 'DIFFERS', 0, line)
                      for line in [*(here - there).elements(), *(there - here).elements()]]
        else:
            here, there = hunks(here), hunks(there)
            found += [(path, 'DIFFERS', 0, name) for name in sorted({*here, *there})
                      if here.get(name) != there.get(name)]
    return collect(found)


def maintainer(path):
    """Does get_maintainer.pl know the list for one of our files? [(type, line)]."""
    output = captured(['scripts/get_maintainer.pl', '--no-git', '--no-git-fallback', '--sections',
                       '-f', path], cwd=SRC)[1]
    return [] if re.search(r'^RARE_WRITE \(', output, re.M) else [
        ('NO_MAINTAINER', 'line 0: get_maintainer.pl finds no entry of ours')]


def blind(args, folder):
    """Does sparse, as this command line has kbuild run it, not see what is planted? A remark then.

    A sparse that it cannot use kbuild leaves out, with a warning, and goes on.
    """
    stage(folder, 'planted.c', PLANTED)
    stage(folder, 'Kbuild', 'obj-y := planted.o\n')
    _, output = check_configs.compiled_anew([*args, f'M={folder}'], folder, ['planted.o'])
    if re.search(r'\bplanted\.c:4:\d+: warning: dereference of noderef', output):
        return {}
    why = re.search(r'.*C=2 specified, but.*', output)
    return collect([('sparse', 'SPARSE', 0, why[0] if why else 'does not see what is planted')])


def compiled(arch, toolchain):
    """W=1 and sparse for all that the series adds or touches, as kbuild does it.

    Returns (objects, (status, output), remarks about sparse itself).
    """
    obj = build.headers(arch, 'lint', toolchain)
    wanted = check_configs.enabled(arch, obj, check_configs.objects())
    args, remarks = build.make_args(arch, toolchain, obj), {}
    # One run of sparse for each architecture is enough.
    if toolchain == 'clang':
        args += ['C=2', f'CHECK={newer_sparse.program()}']
        remarks = blind(args, os.path.join(obj, 'planted'))
    return wanted, check_configs.compiled_anew(args, obj, wanted), remarks


def not_compiled(made):
    """Of all that the series adds or touches, what none of the runs has made."""
    left = check_configs.objects().difference(*made)
    return collect([(f'{path[:-2]}.c', 'NOT_COMPILED', 0, 'the lint configurations have it not')
                    for path in sorted(left) if not path.startswith(SELFTESTS)])


def with_libc():
    """The selftests as their own Makefile builds them: (status, output). Ours use nolibc."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        status, output = captured(['make', '-s', '-C', os.path.join(SRC, SELFTESTS), 'CC=gcc',
                                   f'OUTPUT={folder}', 'USERCFLAGS=-Wall'],
                                  env=build.environment())
    return status, re.sub(r'^(?=\w+\.c:)', f'{SELFTESTS}/', output, flags=re.M)


@functools.cache
def changed(path):
    """The numbers of those lines of a file of the kernel that are ours."""
    return set(map(int, captured(
        ['diff', '--unchanged-line-format=', '--old-line-format=', '--new-line-format=%dn\n',
         tree.original(path), os.path.join(SRC, path)])[1].split()))


def judge_output(runs, ours, patched=(), lines=changed):
    """The remarks about our files in what several runs of make said, each once.

    In a file of the kernel that we patch it is what is about our lines, or said by the compiler
    of whatever line. A run that failed without an error among these is a remark itself.
    """
    found = set()
    for status, output in runs:
        here, why = set(), None
        for path, line, kind, text in REMARK.findall(output):
            path = path.rpartition(f'{os.path.basename(SRC)}/')[2]
            if path in ours or path in patched and (
                    check_configs.COMPILER.search(text) or int(line) in lines(path)):
                # Sparse does not name an option that asks for it, and its errors end nothing.
                compiler = '[-W' in text or status and kind == 'error'
                here.add((path, 'COMPILER' if compiler else 'SPARSE', int(line), text))
                why = why or kind == 'error'
        if status and not why:
            first = re.search(r'.*\berror\b.*', output)
            here.add(('make', 'COMPILER', 0, first[0].strip() if first else f'status {status}'))
        found |= here
    return collect(sorted(found))


def run(ours, patched):
    """Everything: a list of {file: [(type, line)]}, about our files and those that we patch."""
    files = text_files()
    patches = [*tree.standard(), *tree.variants()]
    # misuse.c has plain stores on purpose: that they are found shows that the rule works.
    yield from (spelling(files), spelling_of_patches(patches), shell(files), spdx(files),
                includes(files), options(files), coccinelle(files),
                coccinelle(sorted({*patched, *check_configs.users()}), SRC,
                           check_configs.declared()),
                coccicheck(ours), quotes(ours), writers('tools/testing/rare_write/writers.c'),
                listed(patched), symbols(ours, patched), differs(patches))
    runs = [compiled(arch, toolchain) for arch in ARCHES for toolchain in TOOLCHAINS]
    yield not_compiled([objects for objects, *_ in runs])
    yield from (remarks for *_, remarks in runs)
    yield judge_output([with_libc(), *(said for _, said, _ in runs)], set(ours), set(patched))
