#!/usr/bin/env python3
"""Makes the manual pages: the text that stands beside this script, and what --help says.

usage: pages.py PROGRAM FOLDER     writes FOLDER/matriculad.8 and FOLDER/matriculad-ctl.1

Flags and commands come from the program itself, so that no page can lack one. In a text, @OPTIONS@,
@COMMANDS@ and @FOOTER@ stand for them.
"""

import functools
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# An entry of a help: two blanks, what is to be typed, and, two blanks later or on the next line,
# what it does. "..." says of all the program's options alike that they may be repeated, and is left
# out: no reader needs it.
ENTRY = re.compile(r"^  (\S.*?)(?: \.\.\.(?: +(\S.*))?|  +(\S.*))?$")
SECTION = re.compile(r"^(Options|Opções|Argumentos|Comandos):$")


@functools.lru_cache(maxsize=None)
def output(program, *arguments):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MATRICULAD_")}
    return subprocess.run([program, *arguments], check=True, capture_output=True, encoding="utf-8",
                          env=kept, timeout=60).stdout


class Help:
    """One --help, taken apart: `about`, `usage`, `sections` {title: [(typed, meaning)]}, `footer`."""

    def __init__(self, text):
        self.about, self.usage, self.sections, self.footer = "", "", {}, []
        entries = None
        for line in text.splitlines():
            usage = re.match(r"^(?:Usage|Uso): (.*)$", line)
            if usage:
                self.usage = usage.group(1)
            elif SECTION.match(line) and not self.footer:
                entries = self.sections.setdefault(SECTION.match(line).group(1), [])
            elif entries is None:
                self.about += line.strip()
            elif not self._entry(entries, line):
                self.footer.append(line)
        while self.footer and not self.footer[-1].strip():
            self.footer.pop()

    def _entry(self, entries, line):
        if self.footer:
            return False
        found = ENTRY.match(line)
        if not line.strip():
            return True
        if line.startswith("   ") and entries and not entries[-1][1]:
            entries[-1] = (entries[-1][0], line.strip())
        elif found and not line.startswith("   "):
            entries.append((found.group(1), found.group(2) or found.group(3) or ""))
        else:
            return False
        return True

    def entries(self, *titles):
        return [entry for title in titles for entry in self.sections.get(title, [])]


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def item(typed, meaning):
    flag, _, rest = typed.partition(" ")
    name, default = rest, ""
    if not rest.startswith("["):  # as in [NAME=]HOST:PORT
        name, _, default = rest.partition("=")
    lines = [".TP", ".B " + escape(flag) + (" \\fI%s\\fR" % escape(name) if name else "")]
    lines.append(escape(meaning) if meaning else "\\&")
    if default:
        lines.append("(default: %s)" % escape(default))
    return "\n".join(lines)


def options(page_help):
    return "\n".join(item(*entry) for entry in page_help.entries("Options", "Opções"))


def commands(program, path):
    """[(words, Help)] of all commands below `path`, in the order of the help."""
    found = []
    own = Help(output(program, *path, "--help"))
    below = own.entries("Comandos")
    if not below:
        return [(path, own)]
    for name, _ in below:
        found += commands(program, path + [name])
    return found


def verbatim(lines):
    return "\n".join([".PP", ".nf"] + [escape(line) for line in lines] + [".fi"])


def command_part(command_help):
    arguments = [entry for entry in command_help.entries("Argumentos", "Opções")
                 if not entry[0].startswith("-h,")]
    usage = command_help.usage.replace(" [OPÇÕES]", "")
    parts = [".SS " + escape(usage), escape(command_help.about)]
    parts += [item(*entry) for entry in arguments]
    footer = [line for line in command_help.footer
              if not line.startswith("Opções de todos os comandos")]
    while footer and not footer[-1].strip():
        footer.pop()
    if footer:
        parts.append(verbatim(footer))
    return "\n".join(parts)


def page(program, name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        text = file.read()
    path = ["ctl"] if name.startswith("matriculad-ctl") else []
    own = Help(output(program, *path, "--help"))
    text = text.replace("@VERSION@", output(program, "--version").split()[-1])
    text = text.replace("@OPTIONS@", options(own))
    if "@COMMANDS@" in text:
        text = text.replace("@COMMANDS@", "\n".join(
            command_part(part) for _, part in commands(program, path)))
        text = text.replace("@FOOTER@", verbatim(own.footer))
    return text


def main():
    program, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for name in ("matriculad.8", "matriculad-ctl.1"):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(page(program, name))


if __name__ == "__main__":
    main()
