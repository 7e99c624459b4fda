# SPDX-License-Identifier: GPL-2.0-only
"""Get packages that this release of Debian does not have: linux-source-7.3 and later, a newer QEMU.

apt does it, with state, cache, sources and preferences in a folder of its own: those
of the machine stay as they are, and nothing is installed. The mirror is the one that the
machine has Debian from. Nothing is trusted but what Debian's archive keys signed,
whatever the sources of the machine say.
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys

from common import BUILD, KERNEL, LOGS, Step, child, die, locked, logged

PACKAGE = f'linux-source-{KERNEL}'
FOLDER = os.path.join(BUILD, 'apt')
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
# Where a package of a later release may be: the best version of all of these is taken.
SUITES = ('trixie-backports', 'sid')
# Names for a release in a list of sources, besides its own.
DEBIAN = {'oldstable', 'stable', 'testing', 'unstable', 'sid'}
CONF = '''Dir::State "{folder}/state";
Dir::Cache "{folder}/cache";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
APT::Get::AllowUnauthenticated "false";
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
'''


def tar():
    """Where the source is: installed, or got before."""
    name = f'{PACKAGE}.tar.xz'
    installed = os.path.join('/usr/src', name)
    return installed if os.path.isfile(installed) else os.path.join(BUILD, name)


def mirror(package, otherwise):
    """The address of Debian, as this machine's apt knows it."""
    try:
        with open('/etc/os-release') as file:
            known = DEBIAN | set(re.findall(r'^VERSION_CODENAME=(\w+)', file.read(), re.M))
        out = subprocess.check_output(
            ['apt-get', 'indextargets', '--no-release-info', '--format', '$(REPO_URI) $(RELEASE)',
             'Created-By: Packages'], text=True)
    except (OSError, subprocess.CalledProcessError):
        out = ''
    for line in out.splitlines():
        address, _, suite = line.partition(' ')
        if suite in known:
            return address
    die(f'apt knows no mirror of Debian to get {package} from: {otherwise}')


@contextlib.contextmanager
def packages(names, suites, otherwise):
    """The files of these packages, as long as they are needed; otherwise: what else one can do."""
    # What is got for two tests at once has one folder.
    with locked('apt'):
        address = mirror(names[0], otherwise)
        shutil.rmtree(FOLDER, ignore_errors=True)
        for name in ('state/lists/partial', 'cache/archives/partial', 'package'):
            os.makedirs(os.path.join(FOLDER, name))
        conf = os.path.join(FOLDER, 'apt.conf')
        with open(conf, 'w') as file:
            file.write(CONF.format(folder=FOLDER))
        with open(os.path.join(FOLDER, 'sources.list'), 'w') as file:
            file.write(''.join(f'deb [signed-by={KEYRING} target=Packages] {address} {suite} main\n'
                               for suite in suites))
        with Step(f'getting {names[0]}'):
            # A suite that is not there is an error, not just a warning.
            logged(['apt-get', '-c', conf, '-o', 'APT::Update::Error-Mode=any', 'update'],
                   'apt-update.log', 'apt-get update')
            folder = os.path.join(FOLDER, 'package')
            logged(['apt-get', '-c', conf, 'download', *names], 'apt-download.log',
                   f'getting {names[0]} (or {otherwise})', cwd=folder)
            found = sorted(os.listdir(folder))
            if len(found) != len(names):
                die(f'apt-get download left {len(found)} files, see {os.path.relpath(LOGS)}')
            yield [os.path.join(folder, name) for name in found]
        print(f'  {" ".join(found)}', file=sys.stderr)
        shutil.rmtree(FOLDER)


def extract(packages, folder):
    """Unpack packages into a folder, whole or not at all."""
    tmp = f'{folder}.tmp'
    for old in (tmp, folder):
        shutil.rmtree(old, ignore_errors=True)
    for package in packages:
        logged(['dpkg-deb', '-x', package, tmp], f'unpack-{os.path.basename(folder)}.log',
               f'unpacking {os.path.basename(package)}')
    os.rename(tmp, folder)


def fetch():
    """Put the source where tar() says."""
    with packages([PACKAGE], SUITES, 'get it yourself, and say LINUX_TAR=file') as (package,):
        unpack(package)


def unpack(package):
    """Take the source out of a package."""
    target = os.path.join(BUILD, f'{PACKAGE}.tar.xz')
    with open(f'{target}.tmp', 'wb') as out, \
            child(['dpkg-deb', '--fsys-tarfile', package], stdout=subprocess.PIPE) as whole, \
            child(['tar', 'x', '--to-stdout', f'./usr/src/{PACKAGE}.tar.xz'], stdin=whole.stdout,
                  stdout=out) as one:
        whole.stdout.close()
        if one.wait() or whole.wait():
            die(f'{package} has no {PACKAGE}.tar.xz')
    os.rename(f'{target}.tmp', target)
