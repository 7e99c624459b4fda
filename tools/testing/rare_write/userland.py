# SPDX-License-Identifier: GPL-2.0-only
"""Debian for a virtual machine: packages, unpacked, and what an initramfs has of them.

apt chooses and checks them, with a state of its own: the machine's list of architectures
and packages is not touched. No script of a package runs, so the architecture may be another
one, and nobody has to be root. What such a script would have made and somebody
needs is in LINKS.
"""
import glob
import os
import shutil
import stat
import sys

from common import ARCHES, BUILD, LOGS, Step, captured, die, logged, write_whole

# Made by scripts of packages, for those that are there: {link: what it points to}.
LINKS = {
    'bin/sh': 'bash',
    'usr/bin/awk': 'mawk',
    'usr/bin/which': 'which.debianutils',
}
# Copied, for the same reason.
COPIES = {
    'etc/passwd': 'usr/share/base-passwd/passwd.master',
    'etc/group': 'usr/share/base-passwd/group.master',
}
# No program of a virtual machine looks there.
UNUSED = ('usr/share/doc', 'usr/share/info', 'usr/share/locale', 'usr/share/man',
          'usr/share/i18n', 'usr/share/bash-completion', 'usr/share/zoneinfo')


def apt(arch, state):
    """The apt-get that knows this architecture alone, and nothing installed."""
    debian = ARCHES[arch]['debian']
    shutil.rmtree(state, ignore_errors=True)
    for name in ('state/lists/partial', 'cache/archives/partial'):
        os.makedirs(os.path.join(state, name))
    open(os.path.join(state, 'status'), 'w').close()
    # It knows nothing of what is installed: it must never install.
    return ['apt-get', '-q', '-o', 'APT::Get::Download-Only=true',
            '-o', f'APT::Architecture={debian}',
            '-o', f'APT::Architectures={debian}',
            '-o', f'Dir::State={state}/state', '-o', f'Dir::State::status={state}/status',
            '-o', f'Dir::Cache={state}/cache', '-o', 'Acquire::Languages=none',
            '-o', 'APT::Sandbox::User=root']


def complete(folder):
    """Do what nobody else does after unpacking."""
    for name, target in LINKS.items():
        path = os.path.join(folder, name)
        if os.path.exists(os.path.join(os.path.dirname(path), target)):
            if os.path.lexists(path):
                os.remove(path)
            os.symlink(target, path)
    for name, source in COPIES.items():
        if os.path.exists(os.path.join(folder, source)):
            shutil.copy(os.path.join(folder, source), os.path.join(folder, name))
    for name in UNUSED:
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def unpack(folder, packages, get):
    """Make a folder of these packages and what they depend on; get is apt's command line."""
    name = os.path.basename(folder)
    archives = f'{folder}.archives'
    for path in (folder, f'{folder}.tmp', archives):
        shutil.rmtree(path, ignore_errors=True)
    os.makedirs(os.path.join(archives, 'partial'))
    os.makedirs(f'{folder}.tmp')
    logged([*get, '-o', f'Dir::Cache::archives={archives}', 'install', '--yes',
            '--no-install-recommends', *packages], f'userland-{name}.log', f'fetching {name}')
    found = sorted(glob.glob(f'{archives}/*.deb'))
    if not found:
        die(f'no packages were fetched, see {os.path.relpath(LOGS)}/userland-{name}.log')
    logged(['sh', '-ec', 'for package; do dpkg-deb -x "$package" "$0"; done', f'{folder}.tmp',
            *found], f'unpack-{name}.log', f'unpacking {name}')
    complete(f'{folder}.tmp')
    os.rename(f'{folder}.tmp', folder)
    shutil.rmtree(archives)


def unpacked(arch, sets):
    """Folders with these sets of packages, {name: packages}, for an architecture."""
    top = os.path.join(BUILD, 'userland')
    folders = {name: os.path.join(top, f'{name}-{arch}') for name in sets}

    def stamp(name):
        """Where it is noted what a folder has, and what that has to be."""
        return f'{folders[name]}.packages', ' '.join(sorted(sets[name])) + '\n'

    def is_there(path, text):
        return os.path.isfile(path) and open(path).read() == text

    missing = [name for name in sets if not is_there(*stamp(name))]
    if missing:
        state = os.path.join(top, f'apt-{arch}')
        get = apt(arch, state)
        with Step(f'getting Debian for {arch}'):
            # A source that has nothing for this architecture is no reason to stop.
            status, output = captured([*get, 'update'])
            if status:
                print(f'note: apt-get update says: {output.splitlines()[-1:]}', file=sys.stderr)
            for name in missing:
                unpack(folders[name], sets[name], get)
                write_whole(*stamp(name))
        shutil.rmtree(state)
    return folders


def entries(folder, at=''):
    """What gen_init_cpio has to be told of a folder that is to be at this place; all is root's."""
    for path, folders, files in os.walk(folder):
        inside = os.path.relpath(path, folder)
        here = os.path.normpath(f'/{at}/{inside}').replace('//', '/')
        if here != '/':
            yield f'dir {here} {stat.S_IMODE(os.stat(path).st_mode):04o} 0 0'
        for name in sorted(folders + files):
            source, target = os.path.join(path, name), os.path.join(here, name)
            if len(f'{source} {target}'.split()) != 2:
                die(f'gen_init_cpio takes no blanks: {source}')
            mode = os.lstat(source).st_mode
            if stat.S_ISLNK(mode):
                yield f'slink {target} {os.readlink(source)} 0777 0 0'
            elif stat.S_ISREG(mode):
                yield f'file {target} {source} {stat.S_IMODE(mode):04o} 0 0'
