#!/usr/bin/env python3
"""The Debian package in a clean Debian 12: installed, upgraded, removed and purged; the data stays.

usage: package.py [--base FOLDER] PACKAGE.deb

Needs root and the network. FOLDER is a Debian 12 that the test copies; without it, one is made by
debootstrap. The services' command lines are taken from the units that the package brings, and run
as the units' user; systemd itself does not run in the chroot.
"""

import argparse
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SUITE = "bookworm"
CONFFILES = ["matriculad.conf", "admin.conf", "portal.conf", "kv-replica.conf", "backup.env"]
UNITS = "usr/lib/systemd/system"
LATER_VERSION = "99.0"
START_TIMEOUT_S = 60


def say(text):
    print("package: " + text, flush=True)


def ensure(condition, meaning):
    if not condition:
        raise AssertionError(meaning)


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    ensure(done.returncode == 0, "%s: exit code %d\n%s" % (shlex.join(command), done.returncode,
                                                          done.stdout))
    return done.stdout


class Machine:
    """A folder with a Debian in it."""

    def __init__(self, base):
        self.root = tempfile.mkdtemp(prefix="matricula-package.", dir="/var/tmp")
        if base:
            run("cp", "-a", "--reflink=auto", base + "/.", self.root)
        else:
            run("debootstrap", "--variant=minbase", SUITE, self.root)
        os.chmod(self.root, 0o755)  # mkdtemp's is for root alone, but services have users
        shutil.copy("/etc/resolv.conf", self.path("etc/resolv.conf"))
        # Whoever asks for a service to be started here is told no.
        with open(self.path("usr/sbin/policy-rc.d"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(self.path("usr/sbin/policy-rc.d"), 0o755)

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def exists(self, name):
        return os.path.lexists(self.path(name))

    def command(self, arguments, user=None, folder="/"):
        """In the chroot, with a /proc that is gone with the process."""
        become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        # The shells are replaced by the command itself, so that signals reach it.
        inner = "cd %s && exec %s" % (shlex.quote(folder), shlex.join([*become, *arguments]))
        outer = "mount -t proc proc %s && exec chroot %s sh -c %s" % (
            shlex.quote(self.path("proc")), shlex.quote(self.root), shlex.quote(inner))
        return ["unshare", "--mount", "sh", "-c", outer]

    def run(self, *arguments, **options):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                       "DEBIAN_FRONTEND": "noninteractive", **options.pop("environment", {})}
        return run(*self.command(arguments, **options), env=environment)

    def take(self, package):
        """Copies a file into the machine; its name there."""
        name = "/var/cache/" + os.path.basename(package)
        shutil.copy(package, self.path(name))
        return name

    def owner(self, name):
        return self.run("stat", "-c", "%U:%G %a", name).strip()

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


class Unit:
    """A unit file: what a service manager would run, and as whom."""

    def __init__(self, machine, name):
        with open(machine.path(os.path.join(UNITS, name)), encoding="utf-8") as file:
            self.settings = dict(re.findall(r"^(\w+)=(.*)$", file.read(), re.MULTILINE))
        self.name = name
        self.command = shlex.split(self.settings["ExecStart"])
        self.user = self.settings["User"]
        self.folder = self.settings.get("WorkingDirectory", "/").replace("%S", "/var/lib")


class Service:
    """The unit of all roles, on ports of its own."""

    def __init__(self, machine):
        self.machine = machine
        self.listen, self.kv_listen = free_address(), free_address()
        self.environment = {"MATRICULAD_LISTEN": self.listen, "MATRICULAD_KV_LISTEN": self.kv_listen,
                            "MATRICULAD_MQTT": "off"}
        self.process = None

    def start(self):
        unit = Unit(self.machine, "matriculad.service")
        self.process = subprocess.Popen(
            self.machine.command(unit.command, user=unit.user, folder=unit.folder),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.environment}, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            ensure(self.process.poll() is None, "the service ended: " +
                   (self.process.stderr.read() if self.process.poll() is not None else ""))
            ensure(time.monotonic() < deadline, "the service does not answer")
            time.sleep(0.3)

    def answers(self):
        try:
            self.ctl("status")
            return True
        except AssertionError:
            return False

    def ctl(self, *arguments):
        return self.machine.run("matriculad", "ctl", "--server", self.listen, "--kv",
                                self.kv_listen, *arguments)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        ensure(code == 0, "the service's exit code is %d\n%s" % (code, self.process.stderr.read()))

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()


def later(package, folder):
    """The same package under a higher version."""
    tree = os.path.join(folder, "tree")
    run("dpkg-deb", "--raw-extract", package, tree)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control, encoding="utf-8") as file:
        text = file.read()
    with open(control, "w", encoding="utf-8") as file:
        file.write(re.sub(r"^Version: .*$", "Version: " + LATER_VERSION, text, flags=re.MULTILINE))
    target = os.path.join(folder, "matriculad_later.deb")
    run("dpkg-deb", "--root-owner-group", "--build", tree, target)
    shutil.rmtree(tree)
    return target


def install(machine, package):
    machine.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "-o",
                "Dpkg::Options::=--force-confold", machine.take(package))


def check_installed(machine):
    say("what is installed")
    ensure(machine.run("getent", "passwd", "matriculad").split(":")[5] == "/var/lib/matriculad",
           "the user's home")
    for name, expected in (("/var/lib/matriculad", "matriculad:matriculad 700"),
                           ("/var/backups/matriculad", "matriculad:matriculad 700"),
                           ("/etc/matriculad", "root:matriculad 750"),
                           ("/usr/bin/matriculad", "root:root 755")):
        ensure(machine.owner(name) == expected, "%s: %s" % (name, machine.owner(name)))
    listed = machine.run("dpkg-query", "-W", "-f", "${Conffiles}", "matriculad")
    for name in CONFFILES:
        ensure("/etc/matriculad/" + name in listed, name + " is no conffile")
    for name in ("share/man/man8/matriculad.8.gz", "share/man/man1/matriculad-ctl.1.gz",
                 "share/bash-completion/completions/matriculad", "lib/matriculad/nightly-backup",
                 "lib/sysusers.d/matriculad.conf", "lib/tmpfiles.d/matriculad.conf"):
        ensure(machine.exists("/usr/" + name), name + " is missing")
    enabled = [name for _, _, files in os.walk(machine.path("etc/systemd")) for name in files
               if "matriculad" in name]
    ensure(not enabled, "enabled without being asked: %s" % enabled)


def check_units(machine):
    units = sorted(name for name in os.listdir(machine.path(UNITS)) if "matriculad" in name)
    say("units: " + " ".join(units))
    ensure("matriculad.service" in units and "matriculad-backup.timer" in units, "units are missing")
    if shutil.which("systemd-analyze"):
        # That a minimal system lacks systemd's own targets says nothing of our units.
        said = subprocess.run(["systemd-analyze", "verify", "--man=no", "--root=" + machine.root,
                               *("/" + UNITS + "/" + name for name in units)],
                              capture_output=True, text=True, check=False)
        ours = [line for line in said.stderr.splitlines() if "matriculad" in line and
                not re.search(r"Unit \S+\.target not found", line)]
        ensure(not ours, "systemd-analyze verify:\n" + "\n".join(ours))
    for name in units:
        if not name.endswith(".service"):
            continue
        unit = Unit(machine, name)
        ensure(machine.exists(unit.command[0]), "%s: %s" % (name, unit.command[0]))
        if "--config" in unit.command:
            machine.run(*unit.command, "--check-config", user=unit.user, folder=unit.folder)


def check_it_serves(machine, service):
    say("the service, and a backup")
    service.start()
    service.ctl("import", "/usr/share/doc/matriculad/examples/sample")
    service.ctl("check")
    unit = Unit(machine, "matriculad-backup.service")
    machine.run(*unit.command, user=unit.user, environment={"MATRICULAD_KV": service.kv_listen})
    copies = os.listdir(machine.path("var/backups/matriculad"))
    ensure(len(copies) == 1, "copies: %s" % copies)
    machine.run("matriculad", "ctl", "verify", "/var/backups/matriculad/" + copies[0])
    return service.ctl("relatorio", "disciplina", "GSI010")


def check_upgrade(machine, service, package, report):
    say("upgrade while it runs")
    with open(machine.path("etc/matriculad/matriculad.conf"), "a", encoding="utf-8") as file:
        file.write('log-level = "warning"\n')
    install(machine, package)
    ensure(machine.run("dpkg-query", "-W", "-f", "${Version}", "matriculad") == LATER_VERSION,
           "the version")
    ensure(service.running() and service.ctl("relatorio", "disciplina", "GSI010") == report,
           "the running service was disturbed")
    service.stop()
    settings = machine.run("matriculad", "--config", "/etc/matriculad/matriculad.conf",
                           "--print-config")
    ensure(re.search(r'^log-level = "warning" +# file$', settings, re.MULTILINE),
           "what the operator changed is gone")
    service.start()
    ensure(service.ctl("relatorio", "disciplina", "GSI010") == report, "data is missing")
    service.ctl("check")
    service.stop()


def check_removal(machine, service, package, report):
    say("remove, install again, purge")
    machine.run("apt-get", "remove", "-y", "-q", "matriculad")
    ensure(not machine.exists("/usr/bin/matriculad"), "the program stays")
    ensure(machine.exists("/etc/matriculad/matriculad.conf"), "the configuration is gone")
    install(machine, package)
    service.start()
    ensure(service.ctl("relatorio", "disciplina", "GSI010") == report, "data is missing")
    service.stop()
    said = machine.run("apt-get", "purge", "-y", "-q", "matriculad")
    ensure("/var/lib/matriculad is not empty and stays" in said, "purge says nothing of the data")
    ensure(not machine.exists("/etc/matriculad/matriculad.conf"), "the configuration stays")
    left = [name for name in os.listdir(machine.path(UNITS)) if "matriculad" in name]
    ensure(not left, "units stay: %s" % left)
    ensure(os.listdir(machine.path("var/lib/matriculad")), "the data is gone")
    ensure(os.listdir(machine.path("var/backups/matriculad")), "the copies are gone")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", help="a clean Debian 12, copied (default: made by debootstrap)")
    parser.add_argument("package")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("package: a chroot needs root")
    say("making a clean Debian")
    machine = Machine(arguments.base)
    service = Service(machine)
    try:
        package = os.path.abspath(arguments.package)
        say("installing %s" % os.path.basename(package))
        install(machine, package)
        check_installed(machine)
        check_units(machine)
        report = check_it_serves(machine, service)
        newer = later(package, machine.path("tmp"))
        check_upgrade(machine, service, newer, report)
        check_removal(machine, service, newer, report)
    finally:
        service.kill()
        machine.remove()
    say("ok")


if __name__ == "__main__":
    main()
