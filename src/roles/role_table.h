#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "roles/role.h"

namespace matricula::roles {

// A role that serves people over the portals' server. The role kv-replica is no portal: it is the
// store that the portals stand on, and the house opens it first.
struct PortalRole {
  std::string_view name;  // as in --role
  std::unique_ptr<Role> (*make)(const Surroundings& surroundings);
};

std::span<const PortalRole> PortalRoles();

}  // namespace matricula::roles
