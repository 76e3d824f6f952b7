#!/usr/bin/env python3
"""Checks the rules of the house by reading the files: who may include whom, who may read the
clock, where a coroutine may not wait, how long a file may be, what may not be left behind.

usage: check_rules.py [ROOT]      prints one line per broken rule; exit code 1 if there is any
"""
import pathlib
import re
import sys

# The arrows, each folder with what it points to; what these point to in turn is reached too.
ARROWS = {
    "common/base": [],
    "common/raft": ["common/base"],
    "common/storage": ["common/base"],
    "common/rpc": ["common/base"],
    "common/mqtt": ["common/base"],
    "common/replication": ["common/raft", "common/storage", "common/rpc"],
    "common/kv": ["common/replication", "common/storage"],
    "common/store": ["common/kv", "common/rpc"],
    "common/domain": ["common/store"],
    "common/sync": ["common/domain", "common/mqtt"],
}
ROLES_REACH = "common/sync"

# A header that exactly one folder may see.
ONE_INCLUDER = {
    "mosquitto": (re.compile(r"^mosquitto(pp)?\.h$"), "common/mqtt"),
    "RocksDB": (re.compile(r"^rocksdb/"), "common/storage"),
}

# The consensus core is a pure function: of the standard library, whatever neither runs in
# parallel, nor tells the time, nor does input or output, nor brings chance.
PURE_STANDARD = set("""
    algorithm any array bit bitset cassert cctype cerrno cinttypes climits cmath compare concepts
    cstddef cstdint cstdio cstdlib cstring deque exception forward_list functional
    initializer_list iterator limits list map memory memory_resource new numeric optional ostream
    queue ratio set span sstream stack stdexcept string string_view tuple type_traits typeindex
    typeinfo unordered_map unordered_set utility valarray variant vector version iosfwd
    """.split())
PURE_FOLDER = "common/raft"

# Generated from the wire formats; for everyone but these.
GENERATED = re.compile(r"\.pb\.h$")
NO_GENERATED = {"common/base", "common/raft"}

CLOCK_FILE = "src/common/base/clock.cc"
CLOCK_READS = re.compile(
    r"""\b\w*_clock\s*::\s*now\b|\bgettimeofday\b|\bclock_gettime\b|\btimespec_get\b
      |\bgpr_now\b|\babsl\s*::\s*(?:Now|GetCurrentTimeNanos)\b
      |\btime\s*\(\s*(?:nullptr|NULL|0|&\s*\w+)?\s*\)""",
    re.VERBOSE)

AWAIT = re.compile(r"\bco_await\b")

MAX_LINES = 500
MARKERS = re.compile(r"\b(?:%s)\b" % "|".join(["TO" "DO", "FIX" "ME", "X" "XX"]))
MARKER_FOLDERS = ["src", "test", "bench"]
PACKAGES = "config/debian-packages.txt"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def reach(folder):
    """The folder and everything that its arrows lead to."""
    seen = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += ARROWS[here]
    return seen


def folder_of(path):
    """`common/kv` for common/kv/x.h, `roles/admin` for roles/admin/x.h, `roles` and `` above."""
    parts = path.split("/")[:-1]
    return "/".join(parts[:2])


def without_comments_and_strings(text):
    """The code alone, with its line breaks, so that line numbers stay right."""
    pattern = re.compile(
        r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""", re.DOTALL)
    return pattern.sub(lambda match: "\n" * match.group().count("\n"), text)


def conditional_around(code, question):
    """The conditional expression whose `?` stands at `question`, as (begin, end)."""
    begin, depth = question, 0
    while begin > 0:
        char = code[begin - 1]
        if char in ")]" or (char == "}" and depth > 0):
            depth += 1
        elif char in "([{" and depth > 0:
            depth -= 1
        elif depth == 0 and char in "([{};,":
            break
        begin -= 1
    end, depth = question, 0
    while end < len(code):
        char = code[end]
        if char in "([{":
            depth += 1
        elif char in ")]}" and depth > 0:
            depth -= 1
        elif depth == 0 and char in ")]};,":
            break
        end += 1
    return begin, end


class Tree:
    """The sources under ROOT/src with their includes."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.problems = []
        self.sources = {}   # path below src/ → text
        self.includes = {}  # path below src/ → [(line, quoted or not, what)]
        for file in sorted((self.root / "src").rglob("*")):
            if file.suffix in (".h", ".cc"):
                path = file.relative_to(self.root / "src").as_posix()
                self.sources[path] = file.read_text(encoding="utf-8")
                self.includes[path] = list(self._includes(self.sources[path]))

    @staticmethod
    def _includes(text):
        for number, line in enumerate(text.split("\n"), 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == '"', match.group(2)

    def report(self, path, line, message):
        self.problems.append(f"{path}:{line}: {message}")

    def closure(self, path):
        """All includes of `path`, its own and those of the headers of ours that it includes."""
        seen = set()
        waiting = [path]
        while waiting:
            here = waiting.pop()
            for _, _, what in self.includes[here]:
                if what not in seen:
                    seen.add(what)
                    if what in self.sources:
                        waiting.append(what)
        return seen

    def allowed_folders(self, folder):
        """What a file of `folder` may include, or None for everything."""
        if folder in ("", "roles"):
            return None
        if folder.startswith("roles/"):
            return reach(ROLES_REACH) | {folder, "roles"}
        return reach(folder) if folder in ARROWS else set()

    def check_arrows(self):
        for path, includes in self.includes.items():
            folder = folder_of(path)
            allowed = self.allowed_folders(folder)
            if allowed == set():
                self.report("src/" + path, 1, f"{folder} is a folder without arrows")
            for line, quoted, what in includes:
                ours = what in self.sources or what.startswith(("common/", "roles/"))
                if GENERATED.search(what):
                    if folder in NO_GENERATED:
                        self.report("src/" + path, line, f"{folder} must not include {what}")
                elif ours and allowed is not None and folder_of(what) not in allowed:
                    self.report("src/" + path, line, f"{folder} must not include {what}")
                elif quoted and what not in self.sources:
                    self.report("src/" + path, line,
                                f'"{what}" is no file under src/: write the whole path from there')

    def check_roles_apart(self):
        """A role must not reach another one through a header in roles/ either."""
        for path in self.sources:
            folder = folder_of(path)
            if not folder.startswith("roles/"):
                continue
            for what in sorted(self.closure(path)):
                other = folder_of(what)
                if other.startswith("roles/") and other != folder and what in self.sources:
                    self.report("src/" + path, 1, f"{folder} reaches another role: {what}")

    def check_one_includer(self):
        for path, includes in self.includes.items():
            for line, _, what in includes:
                for name, (pattern, home) in ONE_INCLUDER.items():
                    if pattern.search(what) and folder_of(path) != home:
                        self.report("src/" + path, line, f"only {home} may see {name}: <{what}>")

    def check_purity(self):
        for path in self.sources:
            if folder_of(path) != PURE_FOLDER:
                continue
            for what in sorted(self.closure(path)):
                if what not in self.sources and what not in PURE_STANDARD:
                    self.report("src/" + path, 1,
                                f"{PURE_FOLDER} is pure, but includes or reaches <{what}>")

    def check_clock(self):
        for path, text in self.sources.items():
            if "src/" + path == CLOCK_FILE:
                continue
            for number, line in enumerate(without_comments_and_strings(text).split("\n"), 1):
                if CLOCK_READS.search(line):
                    self.report("src/" + path, number, "only clock.cc reads the system's clock")

    def check_conditionals(self):
        """g++ 12 destroys the temporaries of a conditional expression twice if it is suspended in
        the middle: await first, choose afterwards."""
        for folder in MARKER_FOLDERS:
            for file in sorted((self.root / folder).rglob("*")):
                if file.suffix not in (".h", ".cc"):
                    continue
                code = without_comments_and_strings(file.read_text(encoding="utf-8"))
                found = set()
                for match in re.finditer(r"\?", code):
                    begin, end = conditional_around(code, match.start())
                    await_ = AWAIT.search(code, begin, end)
                    if await_:
                        found.add(await_.start())
                for place in sorted(found):
                    self.report(file.relative_to(self.root).as_posix(),
                                code.count("\n", 0, place) + 1, "co_await inside ?:")

    def check_shape(self):
        for path, text in self.sources.items():
            lines = text.count("\n")
            if lines > MAX_LINES:
                self.report("src/" + path, lines, f"{lines} lines; {MAX_LINES} are allowed")
            if path.endswith(".h") and "#pragma once" not in text:
                self.report("src/" + path, 1, "a header without #pragma once")

    def check_markers(self):
        for folder in MARKER_FOLDERS:
            for file in sorted((self.root / folder).rglob("*")):
                if not file.is_file() or "corpus" in file.parts or "__pycache__" in file.parts:
                    continue
                for number, line in enumerate(file.read_text(errors="replace").split("\n"), 1):
                    match = MARKERS.search(line)
                    if match:
                        path = file.relative_to(self.root).as_posix()
                        self.report(path, number, f"left behind: {match.group()}")

    def check_packages(self):
        """Blocks begin with a `#` line; inside one, names are sorted, and none comes twice."""
        file = self.root / PACKAGES
        if not file.exists():
            return
        seen = set()
        before = ""
        for number, line in enumerate(file.read_text().split("\n"), 1):
            if line.startswith("#") or not line:
                before = ""
                continue
            if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]*", line):
                self.report(PACKAGES, number, f"not a package name: {line}")
            if line in seen:
                self.report(PACKAGES, number, f"listed twice: {line}")
            elif line < before:
                self.report(PACKAGES, number, f"not sorted: {line} after {before}")
            seen.add(line)
            before = line


def check(root):
    """All broken rules under `root`, as lines of text."""
    tree = Tree(root)
    tree.check_arrows()
    tree.check_roles_apart()
    tree.check_one_includer()
    tree.check_purity()
    tree.check_clock()
    tree.check_conditionals()
    tree.check_shape()
    tree.check_markers()
    tree.check_packages()
    return tree.problems


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]
    problems = check(root)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} broken rules" if problems else "all rules kept")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
