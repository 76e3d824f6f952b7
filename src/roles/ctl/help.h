#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace matricula::ctl {

// Help in Portuguese, with columns aligned for accented letters too (CLI11's own counts bytes).
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter();

  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* app) const override;
  std::string make_footer(const CLI::App* app) const override;
};

// The command that the arguments lead to, as far as they make sense: the root, a group, a command.
const CLI::App& DeepestParsed(const CLI::App& root);

// What is wrong with the arguments, in one Portuguese sentence.
std::string ExplainMisuse(const CLI::App& root, const CLI::ParseError& error);

// "matriculad ctl aluno create", and the same with its arguments:
// "matriculad ctl aluno create MATRÍCULA NOME [OPÇÕES]"
std::string PathOf(const CLI::App& app);
std::string UsageOf(const CLI::App& app);

}  // namespace matricula::ctl
