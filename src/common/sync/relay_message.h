#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/mqtt/client.h"

// What a listener reads of the relay's messages.
namespace matricula::sync {

// Where in the stream of changes a message stands (relay_keys.h).
struct Place {
  int64_t rev = 0;
  int64_t prev = 0;
  int part = 0;
  int parts = 0;
};

// Nothing if it is no message of this cluster's relay (`cluster`: its id in hexadecimal).
std::optional<Place> PlaceOf(const mqtt::Message& message, std::string_view cluster);

// The key of the record that a message is about; nothing if it is about an enrollment or a teacher.
std::optional<std::string> RecordKeyOf(const mqtt::Message& message);

}  // namespace matricula::sync
