#pragma once

#include "roles/campus.h"
#include "roles/ops/sheet.h"

namespace matricula::roles {

// The campus bus: what is told and asked there, and how well the cache that lives by it does.
void CollectCampus(const CampusStats& stats, Sheet& sheet);

}  // namespace matricula::roles
