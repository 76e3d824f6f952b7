#pragma once

#include <string>

#include "bench/day/campus.h"
#include "bench/day/plan.h"
#include "common/base/status.h"

namespace matricula::day {

// Writes into the directory (made if missing) alunos.csv, professores.csv, disciplinas.csv and
// docentes.csv in the form that `matriculad ctl import` reads, and wishes.csv for the curious.
// Fails with Unavailable when a file cannot be written.
base::Status WriteCsv(const Campus& campus, const Plan& plan, const std::string& directory);

}  // namespace matricula::day
