#include "roles/ctl/help.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "roles/ctl/utf8.h"

namespace matricula::ctl {
namespace {

constexpr int kColumn = 26;  // where the explanations begin

std::string Line(const std::string& left, const std::string& right) {
  const std::string start = "  " + left;
  const int width = DisplayWidth(start);
  if (width >= kColumn) return start + "\n" + std::string(kColumn, ' ') + right + "\n";
  return start + std::string(kColumn - width, ' ') + right + "\n";
}

// Those without a group are not shown.
std::vector<const CLI::Option*> Positionals(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) {
    return option->get_positional() && !option->get_group().empty();
  });
}

bool IsGroup(const CLI::App& app) {
  return !app.get_subcommands([](const CLI::App*) { return true; }).empty();
}

}  // namespace

HelpFormatter::HelpFormatter() {
  label("Positionals", "Argumentos");
  label("Usage", "Uso");
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string) const {
  return "\n" + get_label("Usage") + ": " + UsageOf(*app) + "\n";
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string left = is_positional ? option->get_name(true) : option->get_name(false, true);
  if (!is_positional && !option->get_option_text().empty()) left += " " + option->get_option_text();
  std::string right = option->get_description();
  if (!option->get_default_str().empty()) {
    right += fmt::format(" (padrão: {})", option->get_default_str());
  }
  if (!option->get_envname().empty()) right += fmt::format(" [{}]", option->get_envname());
  return Line(left, right);
}

std::string HelpFormatter::make_subcommand(const CLI::App* app) const {
  return Line(app->get_name(), app->get_description());
}

std::string HelpFormatter::make_footer(const CLI::App* app) const {
  if (app->get_parent() == nullptr) return app->get_footer();
  const std::string footer = app->get_footer();
  return footer + (footer.empty() ? "" : "\n") +
         "Opções de todos os comandos: matriculad ctl --help\n";
}

const CLI::App& DeepestParsed(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().back();
  return *app;
}

std::string ExplainMisuse(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App& app = DeepestParsed(root);
  const std::vector<std::string> rest = root.remaining(/*recurse=*/true);
  const bool is_group = IsGroup(app);
  if (is_group && !rest.empty()) {
    return fmt::format("comando desconhecido: {}", Printable(rest.front()));
  }
  if (is_group && error.get_name() == "RequiredError") return "falta dizer o comando";
  for (const CLI::Option* option : Positionals(app)) {
    if (option->get_required() && option->count() == 0) {
      return fmt::format("falta o argumento {}", option->get_name(true));
    }
  }
  if (!rest.empty()) return fmt::format("argumento inesperado: {}", Printable(rest.front()));
  return fmt::format("argumentos inválidos: {}", Printable(error.what()));
}

std::string PathOf(const CLI::App& app) {
  const std::string& name = app.get_name();
  return app.get_parent() == nullptr ? name : PathOf(*app.get_parent()) + " " + name;
}

std::string UsageOf(const CLI::App& app) {
  std::string path = PathOf(app);
  if (IsGroup(app)) path += " COMANDO";
  for (const CLI::Option* option : Positionals(app)) {
    const bool many = option->get_expected_max() > 1;
    const std::string name = option->get_name(true) + (many ? "…" : "");
    path += option->get_required() ? " " + name : " [" + name + "]";
  }
  return path + " [OPÇÕES]";
}

}  // namespace matricula::ctl
