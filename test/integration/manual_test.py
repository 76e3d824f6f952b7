"""The manual pages and the completion know every flag and every command that --help knows."""

import os
import re
import subprocess
import sys
import unittest

import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "docs", "man"))
import pages  # pylint: disable=wrong-import-position

COMPLETION = os.path.join(harness.SOURCE, "config", "completion", "matriculad")


def flags_of(*words):
    """The long flags that a help names, read without the help of pages.py."""
    return set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", pages.output(harness.BINARY, *words, "--help"),
                          re.MULTILINE))


def commands_below(*words):
    said = pages.output(harness.BINARY, *words, "--help")
    if "\nComandos:\n" not in said:
        return []
    return re.findall(r"^  ([a-z]+)", said.split("\nComandos:\n")[1].split("\n\n")[0], re.MULTILINE)


def all_commands(*words):
    """Every path of words that is a command, such as ("ctl", "aluno", "get")."""
    below = commands_below(*words)
    return [path for name in below for path in all_commands(*words, name)] if below else [words]


def spoken(page):
    """A page's text without its marks."""
    return re.sub(r"\\f[IRB]|\\&", "", page).replace("\\-", "-").replace("\\e", "\\")


class Manual(unittest.TestCase):
    def test_every_flag_stands_in_matriculad_8(self):
        page = spoken(pages.page(harness.BINARY, "matriculad.8"))
        self.assertGreater(len(flags_of()), 20)
        for flag in flags_of():
            self.assertRegex(page, r"(?m)^\.B (-\w,)?%s\b" % flag)
        self.assertNotRegex(page, "@[A-Z]+@")

    def test_every_command_stands_in_matriculad_ctl_1(self):
        page = spoken(pages.page(harness.BINARY, "matriculad-ctl.1"))
        commands = all_commands("ctl")
        self.assertGreaterEqual(len(commands), 30)
        parts = dict(re.findall(r"(?ms)^\.SS matriculad ((?:[a-z]+ ?)+)(.*?)(?=^\.S[SH] )", page))
        parts = {tuple(words.split()): text for words, text in parts.items()}
        for path in commands:
            self.assertIn(path, parts)
            for flag in flags_of(*path) - {"--help"}:
                self.assertRegex(parts[path], r"(?m)^\.B %s\b" % flag)
        for flag in flags_of("ctl"):
            self.assertRegex(page, r"(?m)^\.B (-\w,)?%s\b" % flag)
        self.assertNotRegex(page, "@[A-Z]+@")

    def test_what_follows_a_help_is_not_lost(self):
        page = spoken(pages.page(harness.BINARY, "matriculad-ctl.1"))
        for path in all_commands("ctl") + [("ctl",)]:
            shown = pages.output(harness.BINARY, *path, "--help").splitlines()
            for line in shown:
                if len(line) > 70 and not line.startswith("  "):
                    self.assertIn(line, page)


class Completion(unittest.TestCase):
    def complete(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _matriculad; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        run = subprocess.run(["bash", "-c", script, "bash", COMPLETION, harness.BINARY, *words],
                             capture_output=True, encoding="utf-8", timeout=60, check=True,
                             env=harness.clean_environment(), cwd=harness.SOURCE)
        self.assertEqual(run.stderr, "")
        return run.stdout.split()

    def test_flags(self):
        self.assertEqual(set(self.complete("")) - {"-h", "ctl"}, flags_of())
        self.assertEqual(set(self.complete("--mqtt-i")), {"--mqtt-ingest"})
        self.assertEqual(self.complete("--join", ""), ["on", "off"])
        self.assertEqual(self.complete("--config", "config/matr"), ["config/matriculad.conf"])
        self.assertEqual(set(self.complete("ctl", "import", "--")),
                         flags_of("ctl", "import") | flags_of("ctl"))

    def test_commands(self):
        self.assertEqual(self.complete("ctl", ""), commands_below("ctl"))
        for group in ("aluno", "relatorio"):
            self.assertEqual(self.complete("ctl", group, ""), commands_below("ctl", group))
        self.assertEqual(self.complete("ctl", "--kv", "aluno", "rel"), ["relatorio"])
        self.assertEqual(self.complete("ctl", "--kv", ""), [])
        self.assertIn("config/sample", self.complete("ctl", "import", "config/sam"))


if __name__ == "__main__":
    unittest.main()
