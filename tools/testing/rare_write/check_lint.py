#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make lint: every file that the kernel build sees passes checkpatch --strict and
kernel-doc, so does every patch of the series, and all of check_static.py is clean.

A remark that stands has its reason in checkpatch.waivers: how many of which type
in which file, no more and no fewer. After a change that adds or removes some,

	tools/testing/rare_write/check_lint.py --refresh

corrects the numbers; new types get the reason "?", which is refused until
somebody writes a better one.
"""
import collections
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

import check_static
import series
import tree
from common import HERE, SRC, TOP, captured, die, script

WAIVERS = os.path.join(HERE, 'checkpatch.waivers')
HEAD = '''# SPDX-License-Identifier: GPL-2.0-only
# Remarks of checkpatch.pl --strict and other tools that stand, see check_lint.py.
#
# TYPE: reason
#	file, how many
'''


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
        output = captured(['scripts/kernel-doc', '-none', '-Wall', file], cwd=SRC, env=env)[1]
        found += [(line, 'KERNEL_DOC', text) for line, text in
                  re.findall(r':(\d+): (?:warning|error): (.*)', output)]
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
    allowed = collections.Counter(
        kind for member in [*topic.files, *topic.patches]
        for kind, _ in known[member])
    new = []
    for kind, text, file in found:
        if file and allowed[kind]:
            allowed[kind] -= 1
        else:
            new.append((kind, f'{file}: {text[:60]}'))
    return new


def files():
    """The files to look at, relative to the repository; the patches for all kernels among them."""
    ours = subprocess.check_output(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--',
         os.path.relpath(HERE, TOP)], cwd=TOP, text=True).split('\0')
    return ([path for path in tree.overlay_files() if not path.endswith('.svg')] +
            [path for path in ours if path.endswith(('.c', '.h'))] +
            sorted(glob.glob('patches/*/*.patch', root_dir=TOP)))


def everything():
    """{file: [(type, line)]}, two files at a time; patches of the series as series/TOPIC."""
    names = files()
    ours = tree.overlay_files()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        static = pool.submit(lambda: list(check_static.run(set(ours))))
        found = dict(zip(names, pool.map(
            lambda name: remarks(name, name.endswith('.patch')), names)))
        for path in check_static.text_files():
            found.setdefault(path, [])
        for path, new in zip(ours, pool.map(check_static.maintainer, ours)):
            found.setdefault(path, []).extend(new)
        with series.generated() as (out, topics, patches):
            paths = [os.path.join(out, name) for name in patches]
            for topic, new in zip(topics, pool.map(
                    lambda topic, path: series_remarks(topic, path, found), topics, paths)):
                found[f'series/{topic.name}'] = new
        for part in static.result():
            for path, new in part.items():
                found.setdefault(path, []).extend(new)
    return found


def waivers(text):
    """[[type, reason, {file: count}]] in the order of the list; wrong lines are an error."""
    groups = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        if found := re.fullmatch(r'([A-Z_]+): (.+)', line):
            groups.append([found[1], found[2], {}])
        elif (found := re.fullmatch(r'\t(\S+) (\d+)', line)) and groups:
            groups[-1][2][found[1]] = int(found[2])
        else:
            die(f'checkpatch.waivers:{number} is neither "TYPE: reason" nor a file and a number')
    return groups


def judge(found, groups):
    """Compare {file: [(type, line)]} with the waivers: {case: 'ok' or 'failed...'}."""
    cases = {}
    waived = {}
    for kind, reason, where in groups:
        for path, count in where.items():
            bad = ('has no reason' if reason == '?' else
                   'is waived twice' if (path, kind) in waived else
                   'is not looked at' if path not in found else None)
            if bad:
                cases[f'waiver.{path}.{kind}'] = f'failed: {bad}'
            waived[path, kind] = count
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
    counts = {}
    for path, lines in found.items():
        for kind, _ in lines:
            counts[path, kind] = counts.get((path, kind), 0) + 1
    for kind, _, where in groups:
        for path in list(where):
            where[path] = counts.pop((path, kind), 0)
            if not where[path]:
                del where[path]
    for (path, kind), count in counts.items():
        # One reason for all files, as a start.
        same = [where for k, _, where in groups if k == kind]
        if not same:
            groups.append([kind, '?', {}])
            same = [groups[-1][2]]
        same[0][path] = count
        print(f'new: {path}: {kind}: {count}')
        for k, line in found[path]:
            if k == kind:
                print(f'  {line}')
    with open(WAIVERS, 'w') as file:
        file.write(HEAD)
        for kind, reason, where in groups:
            if where:
                file.write(f'\n{kind}: {reason}\n')
                file.write(''.join(f'\t{path} {count}\n' for path, count in sorted(where.items())))


def run():
    """Return {file: 'ok' or 'failed...'}."""
    tree.prepare()
    return judge(everything(), read())


def main():
    if sys.argv[1:] == ['--refresh']:
        tree.prepare()
        return refresh()
    cases = run()
    bad = {case: state for case, state in cases.items() if state != 'ok'}
    for case, state in bad.items():
        print(f'not ok: {case}: {state}')
    print(f'{len(cases) - len(bad)} passed, {len(bad)} failed')
    return bool(bad)


if __name__ == '__main__':
    script(main)
