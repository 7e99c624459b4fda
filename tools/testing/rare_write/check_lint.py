#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make lint: every file that the kernel build sees passes checkpatch --strict and
kernel-doc, so does every patch of the series, all of check_static.py is clean, also in
the files that we patch, every mutant still applies to what it breaks, and every case of
the suites has one.

A remark that stands has its reason in checkpatch.waivers: how many of which type
in which file, no more and no fewer. After a change that adds or removes some,

	tools/testing/rare_write/check_lint.py --refresh

corrects the numbers; what is new gets the reason "?", which is refused until
somebody writes a better one, or moves it to where one is. What the tools of another kernel say else, KERNEL=7.3,
is in groups for that kernel alone, TYPE@7.3.
"""
import collections
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

import check_static
import mutant
import series
import tree
from common import HERE, KERNEL, KERNELS, SRC, TOP, captured, die, script

WAIVERS = os.path.join(HERE, 'checkpatch.waivers')
HEAD = '''# SPDX-License-Identifier: GPL-2.0-only
# Remarks of checkpatch.pl --strict and other tools that stand, see check_lint.py.
#
# TYPE: reason
#	file, how many
#
# TYPE@KERNEL: how many it is with that one instead
'''


def kernel_doc(file):
    """What kernel-doc says about a file: [(line, text)]. The kernels put it differently.

    If that is no result, it is of line 0: with -none it ends with 0 whatever it finds, also if
    it finds no file.
    """
    status, output = captured(['scripts/kernel-doc', '-none', '-Wall', file], cwd=SRC,
                              env=dict(os.environ, LC_ALL='C'))
    found = re.findall(r'^(?:.*:(\d+): (?:warning|error): |(?:Warning|Error): .*?:(\d+) )(.*)',
                       output, re.M)
    if status or re.search('^Error: Cannot ', output, re.M):
        found.append(('0', '', f'kernel-doc ends with {status}: {output.strip()[-200:]}'))
    return sorted({(old or new, text) for old, new, text in found})


def patched_doc(path):
    """What kernel-doc says about a file of the kernel since we patch it: [(type, line)]."""
    before = {text for _, text in kernel_doc(tree.original(path))}
    return [('KERNEL_DOC', f'line {line}: {text[:60]}') for line, text in kernel_doc(path)
            if line == '0' or text not in before]


def remarks(path, patch=False):
    """What the tools say about one file: [(type, line)]."""
    file = os.path.relpath(os.path.join(TOP, path), SRC)
    if os.path.isfile(os.path.join(SRC, path)):
        file = path
    env = dict(os.environ, LC_ALL='C')
    status, output = captured(
        ['scripts/checkpatch.pl', '--strict', '--terse', '--show-types', '--no-summary',
         '--color=never', *([] if patch else ['-f']), file], cwd=SRC, env=env)
    found = re.findall(r':(\d+): (?:ERROR|WARNING|CHECK):(\w+): (.*)', output)
    if bool(status) != bool(found):
        found.append(('0', 'NO_RESULT', output.strip()[:200] or f'status {status}'))
    if path.endswith(('.c', '.h')):
        found += [(line, 'KERNEL_DOC', text) for line, text in kernel_doc(file)]
    return [(kind, f'line {line}: {text[:60]}') for line, kind, text in found]


def series_remarks(topic, path, known):
    """What checkpatch says about a patch of the series: [(type, line)].

    What it says about a file is judged with that file, where it is known: only what
    is more than that is new, and what it says about the message.
    """
    env = dict(os.environ, LC_ALL='C')
    status, output = captured(
        ['scripts/checkpatch.pl', '--strict', '--show-types', '--no-summary', '--color=never',
         path], cwd=SRC, env=env)
    found = re.findall(r'^(?:ERROR|WARNING|CHECK):(\w+): (.*)\n(?:#\d+: FILE: (\S+):\d+:)?',
                       output, re.M)
    if bool(status) != bool(found):
        return [('NO_RESULT', output.strip()[:200] or f'status {status}')]
    # What it said about a patch for the kernel does not tell about which file.
    allowed = collections.Counter(
        (member if member in topic.files else None, kind)
        for member in [*topic.files, *topic.patches] for kind, _ in known[member])
    new = []
    for kind, text, file in found:
        for known_as in ((file, kind), (None, kind)):
            if file and allowed[known_as]:
                allowed[known_as] -= 1
                break
        else:
            new.append((kind, f'{file}: {text[:60]}'))
    return new


def files():
    """The files to look at, relative to the repository; the patches for all kernels and sources
    among them."""
    ours = subprocess.check_output(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--',
         os.path.relpath(HERE, TOP)], cwd=TOP, text=True).split('\0')
    return ([path for path in tree.overlay_files() if not path.endswith('.svg')] +
            [path for path in ours if path.endswith(('.c', '.h'))] +
            sorted([*glob.glob('patches/*/*.patch', root_dir=TOP), *tree.variants()]))


def mutant_remarks(one):
    """What keeps a mutant from being made: [(type, line)]."""
    try:
        with one.staged():
            return []
    except SystemExit as end:
        return [('NO_MUTANT', end.why)]


def everything():
    """{file: [(type, line)]}, two files at a time; patches of the series as series/TOPIC."""
    names = files()
    ours, patched = tree.overlay_files(), sorted(tree.listed('patched.list'))
    sources = [path for path in patched if path.endswith(('.c', '.h'))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        static = pool.submit(lambda: list(check_static.run(ours, patched)))
        found = dict(zip(names, pool.map(
            lambda name: remarks(name, name.endswith('.patch')), names)))
        for path in check_static.text_files():
            found.setdefault(path, [])
        found.update(zip(sources, pool.map(patched_doc, sources)))
        for path, new in zip(ours, pool.map(check_static.maintainer, ours)):
            found.setdefault(path, []).extend(new)
        with series.generated() as (out, topics, patches):
            paths = [os.path.join(out, name) for name in patches]
            for topic, new in zip(topics, pool.map(
                    lambda topic, path: series_remarks(topic, path, found), topics, paths)):
                found[f'series/{topic.name}'] = new
        mutants = mutant.every()
        for one, new in zip(mutants, pool.map(mutant_remarks, mutants)):
            found[os.path.relpath(one.path, TOP)] = new
        for path, text in mutant.unbroken(mutant.suites(), mutants):
            found[path].append(('NO_MUTANT', text))
        for part in static.result():
            for path, new in part.items():
                found.setdefault(path, []).extend(new)
    return found


def waivers(text):
    """[[type, reason, {file: count}, kernel or None]] in order; wrong lines are an error."""
    groups = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        if found := re.fullmatch(r'([A-Z_]+)(?:@(\S+))?: (.+)', line):
            groups.append([found[1], found[3], {}, found[2]])
        elif (found := re.fullmatch(r'\t(\S+) (\d+)', line)) and groups:
            groups[-1][2][found[1]] = int(found[2])
        else:
            die(f'checkpatch.waivers:{number} is neither "TYPE: reason" nor a file and a number')
    return groups


def judge(found, groups):
    """Compare {file: [(type, line)]} with the waivers: {case: 'ok' or 'failed...'}."""
    cases = {}
    waived, general = {}, {}
    for kind, reason, where, kernel in groups:
        if kernel not in (None, KERNEL):
            continue
        mine = waived if kernel else general
        for path, count in where.items():
            bad = ('has no reason' if reason == '?' else
                   'is waived twice' if (path, kind) in mine else
                   'is not looked at' if path not in found else None)
            if bad:
                cases[f'waiver.{path}.{kind}'] = f'failed: {bad}'
            mine[path, kind] = count
    waived = {**general, **waived}
    for path, lines in found.items():
        wrong = []
        for kind in sorted({k for k, _ in lines} | {k for p, k in waived if p == path}):
            here = [line for k, line in lines if k == kind]
            if len(here) != waived.get((path, kind), 0):
                wrong.append(f'{kind}: {len(here)}, {waived.get((path, kind), 0)} are waived '
                             f'({"; ".join(here)})')
        cases[path] = f'failed: {" / ".join(wrong)}' if wrong else 'ok'
    return cases


def read():
    with open(WAIVERS) as file:
        return waivers(file.read())


def refresh():
    """Correct the numbers of the list, in place."""
    groups, found = read(), everything()
    counts = collections.Counter((path, kind) for path, lines in found.items() for kind, _ in lines)
    mine = None if KERNEL == KERNELS[0] else KERNEL
    # What another kernel does not say differently is waived for all.
    same = {} if not mine else {(path, kind): count for kind, _, where, kernel in groups
                                if not kernel for path, count in where.items()}
    counts = {key: counts[key] for key in sorted({*counts, *same})
              if counts[key] != same.get(key, 0)}
    for kind, _, where, kernel in groups:
        if kernel == mine:
            where.update((path, counts.pop((path, kind), None)) for path in list(where))
    for (path, kind), count in counts.items():
        places = [where for k, reason, where, kernel in groups
                  if (k, reason, kernel) == (kind, '?', mine)]
        if not places:
            groups.append([kind, '?', {}, mine])
            places = [groups[-1][2]]
        places[0][path] = count
        print(f'new: {path}: {kind}: {count}')
        for k, line in found[path]:
            if k == kind:
                print(f'  {line}')
    with open(WAIVERS, 'w') as file:
        file.write(HEAD)
        for kind, reason, where, kernel in groups:
            lines = [f'\t{path} {count}\n' for path, count in sorted(where.items())
                     if count is not None]
            if lines:
                file.write(f'\n{kind}{f"@{kernel}" if kernel else ""}: {reason}\n')
                file.writelines(lines)


def run():
    """Return {file: 'ok' or 'failed...'}."""
    tree.prepare()
    return judge(everything(), read())


def main():
    if sys.argv[1:] != ['--refresh']:
        die('make lint tells what is wrong; this, with --refresh, writes the numbers that are')
    tree.prepare()
    refresh()


if __name__ == '__main__':
    script(main)
