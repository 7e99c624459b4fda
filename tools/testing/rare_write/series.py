#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make series: what this repository adds to a kernel, as patches to send.

patches/topics has one file for each patch of the series: its message, a line
"---", and what belongs to it, kernel patches by their name and files of ours (or
whole folders, with a slash at the end). 00-cover is the cover letter, and ends with
patches/KERNEL/cover where that is. The topics are the same for each kernel, and a patch
has one name in all of them.

The same content gives the same bytes: dates are fixed, the author is that of
the last commit here, and nothing of the user's git settings is used. Nobody's
Signed-off-by is made up: whoever sends the series signs it, git am --signoff.
"""
import contextlib
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tree
from common import BUILD, KERNEL, KERNELS, SRC, TOP, die, script

TOPICS = os.path.join(TOP, 'patches', 'topics')
FOLDER = os.path.join(BUILD, 'series')
OUT = os.path.join(FOLDER, KERNEL)
# The day of Linux 6.12. Any other would do.
DATE = '2024-11-17T12:00:00+0000'


class Topic:
    """One patch of the series."""

    def __init__(self, name):
        with open(os.path.join(TOPICS, name)) as file:
            self.message, found, members = file.read().partition('\n---\n')
        self.name = name
        self.members = members.split()
        if not found or not self.members or not re.match(r'\S.*\n\n\S', self.message):
            die(f'patches/topics/{name} is no subject, message, "---" and list of files')
        self.patches, self.files = [], []


def elsewhere(member):
    """Does this patch belong to another kernel? If to the first it is missing in this one."""
    found = [kernel for kernel in KERNELS
             if os.path.isfile(os.path.join(TOP, 'patches', kernel, member))]
    if KERNELS[0] in found:
        print(f'not in the series for {KERNEL}: {member}')
    return bool(found)


def topics(files, patches):
    """The topics in order. Each file and each patch belongs to exactly one of them."""
    found = [Topic(name) for name in sorted(os.listdir(TOPICS)) if name != '00-cover']
    owner = {}
    for topic in found:
        for member in topic.members:
            mine = [path for path in patches if os.path.basename(path) == member]
            mine += [path for path in files
                     if path == member or member.endswith('/') and path.startswith(member)]
            if not mine and not elsewhere(member):
                die(f'patches/topics/{topic.name}: there is no {member}')
            for path in mine:
                if path in owner:
                    die(f'{path} is twice in patches/topics: in {owner[path]} and in {topic.name}')
                owner[path] = topic.name
                (topic.patches if path in patches else topic.files).append(path)
    if lost := [path for path in [*patches, *files] if path not in owner]:
        die(f'in none of patches/topics: {" ".join(lost)}')
    order = [patch for topic in found for patch in topic.patches]
    if order != patches:
        die(f'{tree.PATCHES}/series and patches/topics differ in the order of their patches: '
            f'{next(p for p, q in zip(order, patches) if p != q)}')
    return [topic for topic in found if topic.patches or topic.files]


def complete(source=SRC):
    """The topics of this repository, with the patches for this source."""
    return topics(tree.overlay_files(), tree.series(source))


def author():
    """(name, address) of the last commit here: whoever changed it answers for it."""
    run = subprocess.run(['git', 'log', '-1', '--format=%an%n%ae'], cwd=TOP, text=True,
                         capture_output=True)
    if run.returncode:
        die('this is no git repository with a commit: the series needs an author')
    return run.stdout.splitlines()


def git(folder, *args, **kwargs):
    """Run git, with nothing of the user's settings; return its output."""
    name, address = author()
    env = {key: value for key, value in os.environ.items() if not key.startswith('GIT_')}
    env.update(LC_ALL='C', GIT_CONFIG_NOSYSTEM='1', GIT_CONFIG_GLOBAL=os.devnull,
               GIT_ATTR_NOSYSTEM='1', GIT_CEILING_DIRECTORIES=FOLDER, GIT_AUTHOR_DATE=DATE,
               GIT_COMMITTER_DATE=DATE)
    for who in ('AUTHOR', 'COMMITTER'):
        env[f'GIT_{who}_NAME'], env[f'GIT_{who}_EMAIL'] = name, address
    # Attributes say what is text, and what follows @@.
    run = subprocess.run(['git', '-c', f'core.attributesFile={os.devnull}', *args], cwd=folder,
                         env=env, text=True, capture_output=True, **kwargs)
    if run.returncode:
        die(f'git {args[0]} failed: {" / ".join((run.stderr + run.stdout).splitlines()[-3:])}')
    return run.stdout


def copy(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)


def commit(repo, message):
    git(repo, 'add', '--all', '--force')
    git(repo, 'commit', '--quiet', '--file=-', '--cleanup=verbatim', input=message.strip() + '\n')


def cover_letter():
    """What is said of the series, then of this kernel, and to which source it was applied."""
    parts = [os.path.join(TOPICS, '00-cover'), os.path.join(TOP, tree.PATCHES, 'cover')]
    said = [open(path).read().strip() for path in parts if os.path.isfile(path)]
    base = f'The base is Linux {tree.look(SRC)[0]}{", as Debian has it" if tree.debian() else ""}.'
    return '\n\n'.join([*said, base])


def generate(out):
    """Write the series to a folder; return the topics with the names of their files.

    A repository of the files that are touched is enough: what a patch says of them
    depends on nothing else, given whole hashes.
    """
    found = complete()
    cover = cover_letter()
    os.makedirs(FOLDER, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as repo:
        git(repo, 'init', '--quiet', '--initial-branch=series')
        ours = tree.overlay_files()
        patched = sorted({path for patch in tree.series()
                          for path in tree.touched(patch)} - set(ours))
        for path in patched:
            copy(tree.original(path), os.path.join(repo, path))
        commit(repo, 'Linux')
        for topic in found:
            for path in topic.files:
                copy(os.path.join(TOP, path), os.path.join(repo, path))
            # A patch may be for one of these.
            git(repo, 'add', '--all', '--force')
            for patch in topic.patches:
                git(repo, 'apply', '--index', os.path.join(TOP, patch))
            commit(repo, topic.message)
        for path in [*patched, *ours]:
            if not filecmp.cmp(os.path.join(repo, path), os.path.join(SRC, path), shallow=False):
                die(f'{path} of the series is not that of {os.path.relpath(SRC, TOP)}')
        git(repo, 'config', 'branch.series.description', cover)
        made = git(repo, 'format-patch', '--output-directory', out, '--numbered', '--zero-commit',
                   '--no-signature', '--full-index', '--cover-letter',
                   '--cover-from-description=subject', f'--subject-prefix=PATCH {KERNEL}',
                   f'-{len(found)}').split()
    return found, [os.path.basename(name) for name in made]


@contextlib.contextmanager
def generated():
    """The series in a folder of its own, for a while."""
    os.makedirs(FOLDER, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as out:
        found, names = generate(out)
        yield out, found, names[1:]


def write():
    """Write the series, the old one replaced; return the names of its patches."""
    tree.prepare()
    with generated() as (out, _, names):
        shutil.rmtree(OUT, ignore_errors=True)
        shutil.copytree(out, OUT)
    return names


def main():
    names = write()
    for name in names:
        print(f'  {name}')
    print(f'{len(names)} patches and a cover letter: {os.path.relpath(OUT)}')


if __name__ == '__main__':
    script(main)
