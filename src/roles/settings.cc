#include "roles/settings.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "roles/setting_table.h"

namespace matricula::roles {
namespace {

using base::Code;
using base::Status;

constexpr char kVersion[] = "matriculad " MATRICULA_VERSION;
constexpr char kFooter[] =
    "Every setting can also stand in the environment (MATRICULAD_KV_LISTEN) or in the --config\n"
    "file (kv-listen = 127.0.0.1:2379). The command-line client is `matriculad ctl --help`.";

std::string EnvironmentName(std::string_view name) {
  std::string result = "MATRICULAD_";
  for (const char c : name) {
    result += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return result;
}

// "a,b" and repeated values both make a list; blanks around items do not count.
Values SplitLists(const Values& values) {
  Values items;
  for (const std::string& value : values) {
    for (std::string item : CLI::detail::split(value, ',')) {
      items.push_back(CLI::detail::trim(item));
    }
  }
  return items;
}

Status Assign(const Setting& setting, const Values& values, const std::string& origin,
              const std::string& spelled, Invocation& invocation) {
  const Values items = setting.many ? SplitLists(values) : values;
  if (items.size() != 1 && !setting.many) {
    return {Code::kInvalidArgument, fmt::format("{}: given more than once", spelled)};
  }
  const Status status = setting.assign(invocation.settings, items);
  if (!status.ok()) {
    return {status.code(), fmt::format("{}: {}", spelled, status.message())};
  }
  invocation.origins[std::string(setting.name)] = origin;
  return base::OkStatus();
}

const Setting* Find(std::string_view name) {
  const auto& table = SettingTable();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Setting& setting) { return setting.name == name; });
  return found == table.end() ? nullptr : &*found;
}

// Where a key stands, as "FILE:LINE".
std::string PlaceOf(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string text = CLI::detail::trim_copy(line);
    if (text.compare(0, key.size(), key) != 0) continue;
    const size_t after = text.find_first_not_of(" \t", key.size());
    if (after == std::string::npos || text[after] == '=') {
      return fmt::format("{}:{}", path, number);
    }
  }
  return path;
}

Status ReadFile(const std::string& path, Invocation& invocation) {
  std::ifstream file(path);
  if (!file) {
    return {Code::kInvalidArgument, fmt::format("--config: cannot read {}", path)};
  }
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigBase().from_config(file);
  } catch (const CLI::Error& error) {
    return {Code::kInvalidArgument, fmt::format("{}: {}", path, error.what())};
  }
  for (const CLI::ConfigItem& item : items) {
    const Setting* setting = Find(item.fullname());
    if (setting == nullptr) {
      return {Code::kInvalidArgument,
              fmt::format("{}: unknown key {}", PlaceOf(path, item.name), item.fullname())};
    }
    const std::string spelled = fmt::format("{}: {}", PlaceOf(path, item.name), item.name);
    RETURN_IF_ERROR(Assign(*setting, item.inputs, "file", spelled, invocation));
  }
  return base::OkStatus();
}

Status ReadEnvironment(const std::map<std::string, std::string>& environment,
                       Invocation& invocation) {
  for (const Setting& setting : SettingTable()) {
    const std::string name = EnvironmentName(setting.name);
    const auto found = environment.find(name);
    if (found == environment.end()) continue;
    RETURN_IF_ERROR(Assign(setting, {found->second}, "environment", name, invocation));
  }
  return base::OkStatus();
}

}  // namespace

bool Settings::HasRole(const std::string& wanted) const {
  return std::find(role.begin(), role.end(), wanted) != role.end();
}

base::Result<Invocation> ParseInvocation(int argc, const char* const* argv,
                                         const std::map<std::string, std::string>& environment) {
  Invocation invocation;
  CLI::App app("A university enrollment system on a replicated key-value store.", "matriculad");
  app.footer(kFooter);
  std::map<std::string_view, Values> flags;
  for (const Setting& setting : SettingTable()) {
    Values& values = flags[setting.name];
    auto* option =
        app.add_option("--" + std::string(setting.name), values, std::string(setting.help))
            ->type_name(std::string(setting.value_name))
            ->allow_extra_args(false)
            ->default_str(fmt::format("{}", fmt::join(setting.show(invocation.settings), ",")));
    if (setting.value_name == kOnOff) option->default_str("")->expected(0, 1);
    invocation.origins[std::string(setting.name)] = "default";
  }
  std::string config;
  app.add_option("--config", config, "read settings from this file")->type_name("FILE");
  app.add_flag("--check-config", invocation.check_config, "check all settings, say ok, and exit");
  app.add_flag("--print-config", invocation.print_config,
               "print all settings with where each comes from, and exit");
  app.set_version_flag("--version", kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    invocation.message = app.help();
    return invocation;
  } catch (const CLI::CallForVersion&) {
    invocation.message = std::string(kVersion) + "\n";
    return invocation;
  } catch (const CLI::ParseError& error) {
    return Status(Code::kInvalidArgument, error.what());
  }
  if (config.empty() && environment.contains("MATRICULAD_CONFIG")) {
    config = environment.at("MATRICULAD_CONFIG");
  }
  if (!config.empty()) RETURN_IF_ERROR(ReadFile(config, invocation));
  RETURN_IF_ERROR(ReadEnvironment(environment, invocation));
  for (const auto& [name, values] : flags) {
    const std::string flag = "--" + std::string(name);
    // A switch without a value is switched on.
    const bool bare = values.empty() || values.front().empty() || values.front() == "{}";
    if (bare && Find(name)->value_name == kOnOff &&
        std::find(argv, argv + argc, flag) != argv + argc) {
      flags[name] = {"on"};
    }
    if (values.empty()) continue;
    RETURN_IF_ERROR(Assign(*Find(name), values, "flag", flag, invocation));
  }
  if (invocation.settings.rebuild && invocation.origins["rebuild"] != "flag") {
    return Status(Code::kInvalidArgument,
                  "rebuild: as a flag only, for one start; each start would discard the data");
  }
  RETURN_IF_ERROR(CheckTogether(invocation.settings));
  return invocation;
}

std::string RenderSettings(const Invocation& invocation) {
  std::string text;
  for (const Setting& setting : SettingTable()) {
    const Values values = setting.show(invocation.settings);
    const std::string line = fmt::format("{} = \"{}\"", setting.name, fmt::join(values, ","));
    text += fmt::format("{:<48} # {}\n", line, invocation.origins.at(std::string(setting.name)));
  }
  return text;
}

}  // namespace matricula::roles
