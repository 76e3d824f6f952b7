#!/usr/bin/env python3
"""Plants one mistake at a time in a small clean tree and sees that check_rules.py finds it."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_rules  # noqa: E402

CLEAN = {
    "src/main.cc": '#include "roles/admin/admin.h"\n#include "roles/settings.h"\n',
    "src/roles/settings.h": '#pragma once\n#include "common/base/status.h"\n',
    "src/roles/role_table.h": '#pragma once\n#include "roles/admin/admin.h"\n',
    "src/roles/role_table.cc": '#include "roles/portal/portal.h"\n#include "roles/role_table.h"\n',
    "src/roles/admin/admin.h": '#pragma once\n#include "roles/settings.h"\n'
                               '#include "common/sync/relay.h"\n#include "matricula.pb.h"\n',
    "src/roles/portal/portal.h": '#pragma once\n#include "common/store/store.h"\n'
                                 '#include "common/rpc/server.h"\n',
    "src/common/sync/relay.h": '#pragma once\n#include "common/mqtt/bus.h"\n'
                               '#include "common/domain/aluno.h"\n',
    "src/common/mqtt/bus.h": '#pragma once\n#include "common/base/status.h"\n',
    "src/common/mqtt/bus.cc": "#include <mosquitto.h>\n",
    "src/common/domain/aluno.h": '#pragma once\n#include "common/store/store.h"\n',
    "src/common/store/store.h": '#pragma once\n#include "etcd_rpc.pb.h"\n'
                                '#include "common/kv/kv.h"\n#include "common/rpc/server.h"\n',
    "src/common/rpc/server.h": "#pragma once\n#include <grpcpp/grpcpp.h>\n",
    "src/common/kv/kv.h": '#pragma once\n#include "common/replication/node.h"\n'
                          '#include "common/storage/engine.h"\n',
    "src/common/replication/node.h": '#pragma once\n#include "common/raft/raft.h"\n'
                                     '#include "common/rpc/server.h"\n#include <thread>\n',
    "src/common/storage/engine.h": "#pragma once\n#include <string>\n",
    "src/common/storage/rocks.cc": '#include "common/storage/engine.h"\n#include <rocksdb/db.h>\n',
    "src/common/raft/raft.h": '#pragma once\n#include "common/base/status.h"\n#include <deque>\n',
    "src/common/base/status.h": "#pragma once\n#include <string>\n",
    "src/common/base/log.h": "#pragma once\n#include <fmt/format.h>\n",
    "src/common/base/clock.cc": "auto now = std::chrono::steady_clock::now();\n",
    "test/a_test.cc": "// mkdtemp(\"/tmp/x" + "X" * 6 + "\")\n",
    "bench/a.cc": "// ObtemTodosAlunos\n",
    "config/debian-packages.txt": "# build\ncmake\ng++\n# run\netcd-server\n",
}


class Rules(unittest.TestCase):
    def problems(self, changes):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **changes}.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return check_rules.check(root)

    def caught(self, path, added, meaning):
        """Appends `added` to `path` and expects exactly one broken rule, at that file."""
        found = self.problems({path: CLEAN.get(path, "#pragma once\n") + added})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(path + ":"), found)
        self.assertIn(meaning, found[0])

    def test_the_clean_tree_is_clean(self):
        self.assertEqual(self.problems({}), [])

    def test_every_wrong_arrow(self):
        folders = sorted(check_rules.ARROWS)
        headers = {check_rules.folder_of(path[4:]): path[4:] for path in CLEAN
                   if path.startswith("src/common/") and path.endswith(".h")}
        for folder in folders:
            for target in set(folders) - check_rules.reach(folder):
                with self.subTest(folder=folder, target=target):
                    added = f'#include "{headers[target]}"\n'
                    found = self.problems({f"src/{folder}/planted.cc": added})
                    # One wrong arrow; where the core is the offender, its purity may suffer too.
                    arrows = [line for line in found if "must not include" in line]
                    self.assertEqual(len(arrows), 1, found)
                    self.assertTrue(arrows[0].startswith(f"src/{folder}/planted.cc:1:"), found)

    def test_the_reach_of_the_arrows(self):
        common = {f"common/{name}" for name in
                  "base raft storage rpc mqtt replication kv store domain sync".split()}
        self.assertEqual(check_rules.reach("common/sync"), common)
        self.assertEqual(check_rules.reach("common/domain"),
                         common - {"common/sync", "common/mqtt"})
        self.assertEqual(check_rules.reach("common/raft"), {"common/raft", "common/base"})
        self.assertEqual(check_rules.reach("common/mqtt"), {"common/mqtt", "common/base"})

    def test_a_wrong_arrow_in_angle_brackets(self):
        self.caught("src/common/storage/engine.h", "#include <common/kv/kv.h>\n",
                    "must not include")

    def test_common_must_not_include_a_role(self):
        self.caught("src/common/sync/relay.h", '#include "roles/settings.h"\n',
                    "must not include")

    def test_a_role_must_not_include_another(self):
        found = self.problems({"src/roles/admin/x.cc": '#include "roles/portal/portal.h"\n'})
        self.assertTrue(any("src/roles/admin/x.cc:1: roles/admin must not include" in line
                            for line in found), found)

    def test_a_role_must_not_reach_another_through_the_table(self):
        self.caught("src/roles/portal/x.cc", '#include "roles/role_table.h"\n',
                    "reaches another role: roles/admin/admin.h")

    def test_a_new_folder_needs_arrows(self):
        found = self.problems({"src/common/misc/x.cc": "int x;\n"})
        self.assertEqual(len(found), 1, found)
        self.assertIn("without arrows", found[0])

    def test_relative_and_missing_includes(self):
        self.caught("src/common/kv/kv.h", '#include "other.h"\n', "whole path")
        self.caught("src/common/kv/kv.h", '#include "common/kv/gone.h"\n', "no file under src/")

    def test_one_includer_each(self):
        self.caught("src/common/sync/relay.h", "#include <mosquitto.h>\n", "only common/mqtt")
        self.caught("src/common/kv/x.cc", "#include <rocksdb/db.h>\n", "only common/storage")

    def test_generated_headers_not_below(self):
        self.caught("src/common/base/log.h", '#include "command.pb.h"\n', "must not include")

    def test_the_core_is_pure(self):
        for what in ("absl/strings/str_cat.h", "grpcpp/grpcpp.h", "thread", "mutex", "chrono",
                     "fstream", "iostream", "random", "atomic", "future", "unistd.h",
                     "google/protobuf/message.h", "condition_variable", "filesystem", "ctime"):
            with self.subTest(what=what):
                self.caught("src/common/raft/raft.cc", f"#include <{what}>\n", "is pure")

    def test_the_core_is_pure_through_its_headers(self):
        self.caught("src/common/raft/raft.cc", '#include "common/base/log.h"\n',
                    "reaches <fmt/format.h>")

    def test_the_clock_has_one_reader(self):
        for line in ("auto t = std::chrono::system_clock::now();", "using Clock = steady_clock;\n"
                     "auto t = std::chrono::high_resolution_clock :: now ();", "x = time(nullptr);",
                     "x = std::time(0);", "time(&when);", "gettimeofday(&tv, nullptr);",
                     "clock_gettime(CLOCK_REALTIME, &ts);", "auto t = absl::Now();",
                     "gpr_now(GPR_CLOCK_REALTIME);"):
            with self.subTest(line=line):
                self.caught("src/common/kv/x.cc", line + "\n", "clock")

    def test_what_only_looks_like_the_clock(self):
        text = ("// std::chrono::steady_clock::now() is not for here\n"
                "/* time(nullptr)\n */ int x = uptime();\n"
                "auto s = \"time(0)\"; auto t = clock.MonotonicNs(); auto n = 1'000'000;\n"
                "auto m = time(3); std::chrono::steady_clock::time_point p;\n")
        self.assertEqual(self.problems({"src/common/kv/x.cc": text}), [])

    def test_no_coroutine_waits_inside_a_conditional_expression(self):
        for line in ("auto x = ready ? now : co_await Later();",
                     "auto x = ready\n    ? co_await Later()\n : now;",
                     "co_return (co_await Later(f(a, b))).ok() ? 1 : 2;",
                     "Call(first, ready ? Make(co_await Later(), 1) : Nothing{}, last);"):
            for path in ("src/common/kv/x.cc", "test/a_test.cc"):
                with self.subTest(line=line, path=path):
                    self.caught(path, line + "\n", "co_await inside ?:")

    def test_what_only_looks_like_such_a_conditional(self):
        text = ("// ready ? now : co_await Later()\n"
                "auto x = co_await Later(ready ? 1 : 2);\n"
                "auto y = co_await Later();  auto z = y.ok() ? *y : 0;\n"
                "while (more) { co_await Later(); } return a ? b : c;\n"
                "for (int i = a ? 1 : 2; i < 3; ++i) { co_await Later(); }\n"
                "Call(a ? b : c, co_await Later()); Log(\"?\"); co_await Later();\n")
        self.assertEqual(self.problems({"src/common/kv/x.cc": text}), [])

    def test_long_files(self):
        self.caught("src/common/kv/x.cc", "int x;\n" * 501, "lines")
        self.assertEqual(self.problems({"src/common/kv/x.cc": "int x;\n" * 500}), [])

    def test_headers_have_a_guard(self):
        found = self.problems({"src/common/kv/x.h": "int x;\n"})
        self.assertEqual(len(found), 1, found)

    def test_nothing_is_left_behind(self):
        for word in ("TO" "DO", "FIX" "ME", "X" "XX"):
            for path in ("src/main.cc", "test/a_test.cc", "bench/a.cc"):
                with self.subTest(word=word, path=path):
                    self.caught(path, f"// {word}: later\n", word)

    def test_packages_are_sorted_and_unique(self):
        path = "config/debian-packages.txt"
        self.caught(path, "bash\n", "not sorted")
        self.caught(path, "# more\ncmake\n", "twice")
        self.caught(path, "two words\n", "not a package name")


if __name__ == "__main__":
    unittest.main()
