#include "common/replication/peer_codec.h"

#include <type_traits>
#include <utility>

#include "common/replication/coding.h"

namespace matricula::replication {
namespace {

// Smallest entry: index, term, type, length.
constexpr size_t kMinEntryBytes = 25;

class Writer {
 public:
  void operator()(uint64_t value) { AppendLittleEndian(out_, value); }
  void operator()(bool value) { AppendLittleEndian(out_, static_cast<uint8_t>(value)); }
  template <class Tag>
  void operator()(raft::Tagged<Tag> value) {
    (*this)(value.value());
  }
  void operator()(const raft::Payload& payload) {
    (*this)(uint64_t{payload.size()});
    out_ += payload.view();
  }
  void operator()(const std::vector<raft::NodeId>& nodes) {
    (*this)(uint64_t{nodes.size()});
    for (const raft::NodeId node : nodes) (*this)(node);
  }
  void operator()(const std::vector<raft::Payload>& payloads) {
    (*this)(uint64_t{payloads.size()});
    for (const raft::Payload& payload : payloads) (*this)(payload);
  }
  void operator()(const std::vector<raft::Entry>& entries) {
    (*this)(uint64_t{entries.size()});
    for (const raft::Entry& entry : entries) {
      (*this)(entry.index);
      (*this)(entry.term);
      AppendLittleEndian(out_, static_cast<uint8_t>(entry.type));
      (*this)(entry.payload);
    }
  }
  void Byte(uint8_t value) { AppendLittleEndian(out_, value); }
  void Reserve(size_t bytes) { out_.reserve(bytes); }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  void operator()(uint64_t& value) { good_ = good_ && TakeLittleEndian(bytes_, value); }
  void operator()(bool& value) {
    const uint8_t byte = Byte();
    good_ = good_ && byte <= 1;  // one message, one spelling
    value = byte == 1;
  }
  template <class Tag>
  void operator()(raft::Tagged<Tag>& value) {
    uint64_t number = 0;
    (*this)(number);
    value = raft::Tagged<Tag>(number);
  }
  void operator()(raft::Payload& payload) {
    uint64_t size = 0;
    (*this)(size);
    good_ = good_ && size <= bytes_.size();
    if (!good_) return;
    payload = raft::Payload(std::string(bytes_.substr(0, size)));
    bytes_.remove_prefix(size);
  }
  void operator()(std::vector<raft::NodeId>& nodes) {
    for (uint64_t left = Count(sizeof(uint64_t)); left > 0 && good_; --left) {
      (*this)(nodes.emplace_back());
    }
  }
  void operator()(std::vector<raft::Payload>& payloads) {
    for (uint64_t left = Count(sizeof(uint64_t)); left > 0 && good_; --left) {
      (*this)(payloads.emplace_back());
    }
  }
  void operator()(std::vector<raft::Entry>& entries) {
    uint64_t left = Count(kMinEntryBytes);
    entries.reserve(left);
    for (; left > 0 && good_; --left) {
      raft::Entry& entry = entries.emplace_back();
      (*this)(entry.index);
      (*this)(entry.term);
      const uint8_t type = Byte();
      good_ = good_ && type <= static_cast<uint8_t>(raft::EntryType::kConf);
      entry.type = static_cast<raft::EntryType>(type);
      (*this)(entry.payload);
    }
  }
  uint8_t Byte() {
    uint8_t value = 0;
    good_ = good_ && TakeLittleEndian(bytes_, value);
    return value;
  }
  bool complete() const { return good_ && bytes_.empty(); }

 private:
  // Never more than the bytes that are left can hold.
  uint64_t Count(size_t min_bytes) {
    uint64_t count = 0;
    (*this)(count);
    good_ = good_ && count <= bytes_.size() / min_bytes;
    return good_ ? count : 0;
  }

  std::string_view bytes_;
  bool good_ = true;
};

// One list of fields for both directions; `m` is const when writing.
template <class F, class M>
void Fields(F& f, M& m) {
  using T = std::remove_const_t<M>;
  if constexpr (std::is_same_v<T, raft::Ticket>) {
    f(m.node), f(m.incarnation), f(m.number);
  } else if constexpr (std::is_same_v<T, raft::SnapshotMeta>) {
    f(m.index), f(m.term), f(m.conf.voters), f(m.conf.outgoing), f(m.conf.learners),
        f(m.conf.learners_next), f(m.conf.auto_leave);
  } else if constexpr (std::is_same_v<T, raft::PreVoteRequest>) {
    f(m.last_index), f(m.last_term);
  } else if constexpr (std::is_same_v<T, raft::PreVoteReply>) {
    f(m.asked), f(m.granted);
  } else if constexpr (std::is_same_v<T, raft::VoteRequest>) {
    f(m.last_index), f(m.last_term), f(m.transfer);
  } else if constexpr (std::is_same_v<T, raft::VoteReply>) {
    f(m.granted);
  } else if constexpr (std::is_same_v<T, raft::AppendRequest>) {
    f(m.prev_index), f(m.prev_term), f(m.commit), f(m.entries);
  } else if constexpr (std::is_same_v<T, raft::AppendReply>) {
    f(m.taken), f(m.match), f(m.rejected), f(m.hint_index), f(m.hint_term);
  } else if constexpr (std::is_same_v<T, raft::Heartbeat>) {
    f(m.commit), f(m.round);
  } else if constexpr (std::is_same_v<T, raft::HeartbeatReply>) {
    f(m.round);
  } else if constexpr (std::is_same_v<T, raft::SnapshotChunk>) {
    Fields(f, m.transfer), Fields(f, m.meta), f(m.offset), f(m.total_bytes), f(m.bytes);
  } else if constexpr (std::is_same_v<T, raft::SnapshotChunkReply>) {
    Fields(f, m.transfer), f(m.next_offset), f(m.restart), f(m.failed);
  } else if constexpr (std::is_same_v<T, raft::ProposeRequest>) {
    Fields(f, m.ticket), f(m.payloads);
  } else if constexpr (std::is_same_v<T, raft::ProposeReply>) {
    Fields(f, m.ticket), f(m.appended), f(m.first_index);
  } else if constexpr (std::is_same_v<T, raft::ReadRequest>) {
    Fields(f, m.ticket);
  } else if constexpr (std::is_same_v<T, raft::ReadReply>) {
    Fields(f, m.ticket), f(m.confirmed), f(m.index);
  } else {
    static_assert(std::is_empty_v<T>, "a body without a list of its fields");
  }
}

size_t SizeHint(const raft::Message& message) {
  constexpr size_t kMostBytes = 256;
  size_t bytes = kMostBytes;
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    for (const raft::Entry& entry : append->entries) bytes += entry.Cost();
  } else if (const auto* chunk = std::get_if<raft::SnapshotChunk>(&message.body)) {
    bytes += chunk->bytes.size();
  }
  return bytes;
}

template <size_t I = 0>
bool MakeBody(size_t place, raft::Body& body) {
  if constexpr (I < std::variant_size_v<raft::Body>) {
    if (place != I) return MakeBody<I + 1>(place, body);
    body.emplace<I>();
    return true;
  }
  return false;
}

}  // namespace

std::string EncodeMessage(const raft::Message& message) {
  Writer writer;
  writer.Reserve(SizeHint(message));
  writer.Byte(static_cast<uint8_t>(message.body.index()));
  writer(message.from);
  writer(message.to);
  writer(message.term);
  std::visit([&](const auto& body) { Fields(writer, body); }, message.body);
  return writer.Take();
}

base::Result<raft::Message> DecodeMessage(std::string_view bytes) {
  Reader reader(bytes);
  raft::Message message;
  if (!MakeBody(reader.Byte(), message.body)) {
    return base::Status(base::Code::kInvalidArgument, "a message of an unknown kind");
  }
  reader(message.from);
  reader(message.to);
  reader(message.term);
  std::visit([&](auto& body) { Fields(reader, body); }, message.body);
  if (reader.complete()) return message;
  return base::Status(base::Code::kInvalidArgument, "a message that is not whole");
}

}  // namespace matricula::replication
