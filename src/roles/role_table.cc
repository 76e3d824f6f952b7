#include "roles/role_table.h"

#include "roles/admin/admin_service.h"
#include "roles/portal/portal_service.h"

namespace matricula::roles {
namespace {

template <class Service>
std::unique_ptr<Role> Make(const Surroundings& surroundings) {
  return std::make_unique<Service>(surroundings);
}

constexpr PortalRole kPortalRoles[] = {
    {"admin", &Make<AdminService>},
    {"portal", &Make<PortalService>},
};

}  // namespace

std::span<const PortalRole> PortalRoles() { return kPortalRoles; }

}  // namespace matricula::roles
