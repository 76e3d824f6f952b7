#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "roles/settings.h"

namespace matricula::roles {

using Values = std::vector<std::string>;

// One setting: its name is the flag's (`--name`), the file's key (`name = …`) and, in capitals with
// underscores, the environment's (`MATRICULAD_NAME`).
struct Setting {
  std::string_view name;
  std::string_view value_name;
  std::string_view help;
  bool many = false;  // may be repeated or given as a comma-separated list
  std::function<base::Status(Settings&, const Values&)> assign;
  std::function<Values(const Settings&)> show;
};

// Of a switch; as a flag it may stand without a value, which means on.
inline constexpr std::string_view kOnOff = "on|off";

const std::vector<Setting>& SettingTable();

// Rules that concern more than one setting, said as one sentence.
base::Status CheckTogether(const Settings& settings);

}  // namespace matricula::roles
