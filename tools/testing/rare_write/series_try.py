#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make series-try LINUX_SRC=folder: what of the series fits another kernel.

Says for each patch: applies, applies with an offset, or conflicts, with each hunk
that found no place, where its context is now, and which headers that our files
include are not there. The tree is only read. A part that conflicts is left out, and
the next is tried on the rest. Ends with status 1 if there was a conflict.

That a patch applies does not mean that it is right: what to look at then is what
changed in the same functions.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

import series
import tree
from common import BUILD, KERNEL, TOP, die, script


class Part:
    """What one kernel patch changes in one file, tried."""

    def __init__(self, patch, path, stage):
        self.path, self.hunks = path, []
        rejected = os.path.join(stage, path + '.rej')
        run = subprocess.run(
            ['git', 'apply', '--verbose', '--reject', f'--include={path}',
             os.path.join(TOP, patch)], cwd=stage, capture_output=True, text=True,
            env={**os.environ, 'LC_ALL': 'C', 'GIT_CEILING_DIRECTORIES': BUILD})
        self.offsets = [int(n) for n in re.findall(r'offset (-?\d+) line', run.stderr)]
        self.fits = run.returncode == 0
        if os.path.isfile(rejected):
            with open(rejected) as file:
                self.hunks = re.split(r'^(?=@@ )', file.read(), flags=re.M)[1:]
            os.remove(rejected)
        if not self.fits and not self.hunks and os.path.isfile(os.path.join(stage, path)):
            # A conflict that is shown as nothing would be taken for none.
            die(f'{patch}: git apply says: {run.stderr.strip()[-200:]}')

    def tell(self, stage):
        """Lines for the report."""
        if self.fits:
            far = f' with an offset of {", ".join(map(str, self.offsets))}' if self.offsets else ''
            return [f'    applies{far}: {self.path}']
        target = os.path.join(stage, self.path)
        if not os.path.isfile(target):
            return [f'    CONFLICT: there is no {self.path}']
        with open(target, errors='replace') as file:
            lines = file.read().splitlines()
        told = [f'    CONFLICT: {self.path}, {len(self.hunks)} hunks']
        for hunk in self.hunks:
            told += [f'      {line}' for line in hunk.rstrip().splitlines()]
            told += [f'      look at: {line}' for line in whereabouts(hunk, lines)]
        return told


def whereabouts(hunk, lines):
    """Where in a file the context of a hunk is, and what of it is gone."""
    gone, found = [], []
    for line in hunk.splitlines()[1:]:
        text = line[1:]
        # Short lines are everywhere.
        if line[:1] not in ' -' or len(text.strip()) < 5:
            continue
        at = [str(number) for number, have in enumerate(lines, 1) if have == text]
        if not at:
            gone.append(f'gone: {text.strip()}')
        elif len(at) <= 3:
            found.append(f'line {" or ".join(at)}: {text.strip()}')
    return found + gone or ['the function that the hunk names: none of its context is here']


def moved(source, path):
    """Files of the same name elsewhere under the same top-level folder."""
    top = path.split('/')[0]
    return [os.path.relpath(found, source) for found in
            glob.glob(f'{source}/{top}/**/{os.path.basename(path)}', recursive=True)]


def missing_headers(source, path, stage):
    """The kernel headers that one of our files includes and this tree does not have."""
    # A patch for this kernel may change which.
    patched = os.path.join(stage, path)
    with open(patched if os.path.isfile(patched) else os.path.join(TOP, path),
              errors='replace') as file:
        names = re.findall(r'^#\s*include <((?:linux|asm|kunit|trace)/\S+\.h)>', file.read(), re.M)
    ours = tree.overlay_files()
    arch = re.match(r'arch/\w+', path)
    archs = [arch[0]] if arch else ['arch/x86', 'arch/arm64']
    for name in names:
        places = [f'include/{name}', f'include/uapi/{name}']
        if name.startswith('asm/'):
            places = [f'{a}/include/{kind}{name}' for a in archs for kind in ('', 'uapi/')]
            places.append(f'include/asm-generic/{name[4:]}')
        if not any(place in ours or os.path.isfile(os.path.join(source, place))
                   for place in places):
            yield name


def attempt(topic, source, stage):
    """Try one patch of the series: ('applies', 'applies with offset' or 'CONFLICT', lines)."""
    parts = [Part(patch, path, stage)
             for patch in topic.patches for path in tree.touched(patch)]
    told = []
    for part in parts:
        told += part.tell(stage)
        if not part.fits and not os.path.isfile(os.path.join(source, part.path)):
            told += [f'      look at: {path}' for path in moved(source, part.path)]
    bad = not all(part.fits for part in parts)
    for path in topic.files:
        if os.path.exists(os.path.join(source, path)):
            told.append(f'    CONFLICT: {path} is there already')
            bad = True
        told += [f'    CONFLICT: {path} includes <{name}>, which is not there'
                 for name in missing_headers(source, path, stage)]
    bad = bad or any('CONFLICT' in line for line in told)
    state = ('CONFLICT' if bad else
             'applies with offset' if any(part.offsets for part in parts) else 'applies')
    return state, told


def main():
    source = os.environ.get('LINUX_SRC')
    if not source:
        die('say which tree: LINUX_SRC=folder')
    version, _ = tree.look(source)
    if not version:
        die(f'LINUX_SRC={source} is no Linux source tree')
    count = {'applies': 0, 'applies with offset': 0, 'CONFLICT': 0}
    os.makedirs(series.FOLDER, exist_ok=True)
    print(f'the series for {KERNEL} on Linux {version}')
    with tempfile.TemporaryDirectory(dir=series.FOLDER) as stage:
        ours = tree.overlay_files()
        for patch in tree.series(source):
            for path in tree.touched(patch):
                there = os.path.join(TOP if path in ours else source, path)
                if os.path.isfile(there):
                    series.copy(there, os.path.join(stage, path))
        for topic in series.complete(source):
            state, told = attempt(topic, source, stage)
            count[state] += 1
            print(f'{state}: {topic.name}: {topic.message.splitlines()[0]}')
            print(''.join(f'{line}\n' for line in told), end='')
    print(', '.join(f'{number} {state}' for state, number in count.items()))
    return 1 if count['CONFLICT'] else 0


if __name__ == '__main__':
    script(main)
