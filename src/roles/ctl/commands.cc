#include "roles/ctl/commands.h"

#include <array>

namespace matricula::ctl {

Command& Command::Argument(std::string_view name, std::string_view help, std::string* value) {
  app_->add_option(std::string(name), *value, std::string(help))->required();
  return *this;
}

CLI::App* AddWord(CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App* const word = parent.add_subcommand(name, help)->group("Comandos");
  word->get_help_ptr()->group("Opções");
  return word;
}

CLI::App& AddGroup(CLI::App& root, const std::string& name, const std::string& help) {
  return *AddWord(root, name, help)->require_subcommand(1);
}

std::span<const CommandGroup> CommandGroups() {
  static constexpr std::array kGroups = {
      CommandGroup{&DescribeCadastros},  CommandGroup{&DescribeVinculos},
      CommandGroup{&DescribeRelatorios}, CommandGroup{&DescribeImport},
      CommandGroup{&DescribeExport},     CommandGroup{&DescribeCheck},
      CommandGroup{&DescribeStore},      CommandGroup{&DescribeBackup},
  };
  return kGroups;
}

}  // namespace matricula::ctl
