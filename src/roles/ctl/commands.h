#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "roles/ctl/session.h"

namespace matricula::ctl {

// What a command does once its arguments are there.
using Action = std::function<ExitCode(Session&)>;

// One command while it is being described: its arguments are declared as members of a struct of
// its own, which the action then reads.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  // An argument that must be given, by position.
  Command& Argument(std::string_view name, std::string_view help, std::string* value);
  // The flags of the command, beyond those that every command has.
  CLI::App& app() { return *app_; }

 private:
  CLI::App* app_;
};

// A word below another one, with its place in the help.
CLI::App* AddWord(CLI::App& parent, const std::string& name, const std::string& help);
// A word that has commands below it.
CLI::App& AddGroup(CLI::App& root, const std::string& name, const std::string& help);

// Describes the commands of one group, and remembers which one the user has chosen.
class CommandSet {
 public:
  explicit CommandSet(Action* chosen) : chosen_(chosen) {}

  // A command `name` below `parent`. `Arguments` is a struct that the action gets a reference to.
  //   set.Add<Chave>(group, "get", "mostra um aluno", &GetAluno, [](Command& command, Chave& c)
  //   {…})
  template <class Arguments, class Describe>
  void Add(CLI::App& parent, const std::string& name, const std::string& help,
           std::function<ExitCode(Session&, const Arguments&)> run, Describe describe) {
    CLI::App* const app = AddWord(parent, name, help);
    const auto arguments = std::make_shared<Arguments>();
    Command command(app);
    describe(command, *arguments);
    app->callback([chosen = chosen_, arguments, run = std::move(run)] {
      *chosen = [arguments, run](Session& session) { return run(session, *arguments); };
    });
  }

 private:
  Action* chosen_;
};

// One entry of `matriculad ctl --help`.
struct CommandGroup {
  void (*describe)(CLI::App& root, CommandSet& set);
};

// Everything that ctl can do, in the order in which the help shows it. A new group is a file
// <name>_commands.cc and a line in commands.cc.
std::span<const CommandGroup> CommandGroups();

// admin_commands.cc: aluno, professor, disciplina
void DescribeCadastros(CLI::App& root, CommandSet& set);
// portal_commands.cc: matricula, docente
void DescribeVinculos(CLI::App& root, CommandSet& set);
// report_commands.cc: relatorio
void DescribeRelatorios(CLI::App& root, CommandSet& set);
// import_commands.cc, export_commands.cc
void DescribeImport(CLI::App& root, CommandSet& set);
void DescribeExport(CLI::App& root, CommandSet& set);
// check_commands.cc
void DescribeCheck(CLI::App& root, CommandSet& set);
// store_commands.cc: member, status
void DescribeStore(CLI::App& root, CommandSet& set);
// backup_commands.cc: backup, restore
void DescribeBackup(CLI::App& root, CommandSet& set);

}  // namespace matricula::ctl
