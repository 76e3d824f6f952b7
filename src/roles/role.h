#pragma once

#include <chrono>
#include <memory>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "roles/settings.h"

namespace matricula::rpc {
class Server;
}
namespace matricula::store {
class Store;
}
namespace matricula::domain {
class Domain;
}

namespace matricula::roles {

// What a role finds when it is made. Everything here outlives every role.
struct Surroundings {
  const Settings& settings;
  const base::Clock& clock;
  // The rules and the store underneath; nullptr in a process without portals.
  domain::Domain* domain = nullptr;
  // Where the portals register their services; it serves once all roles have been made. nullptr
  // in a process without portals.
  rpc::Server* portals = nullptr;
};

// A part that this process plays; its maker registers its services.
class Role {
 public:
  virtual ~Role() = default;
};

}  // namespace matricula::roles
