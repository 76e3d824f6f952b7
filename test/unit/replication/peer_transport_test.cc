#include "common/replication/peer_transport.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "common/replication/peer_service.h"
#include "common/rpc/loop.h"

namespace matricula::replication {
namespace {

constexpr uint64_t kHere = 1;
constexpr uint64_t kThere = 2;

template <class Condition>
bool Soon(Condition condition) {
  for (int tries = 0; tries < 500 && !condition(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

peer::Hello HelloOf(uint64_t member) {
  peer::Hello hello;
  hello.set_version(kPeerVersion);
  hello.set_cluster_id(7);
  hello.set_member_id(member);
  hello.set_disk_id(member);
  return hello;
}

// A member that others reach over loopback.
class There {
 public:
  There(uint64_t member, std::shared_ptr<rpc::Loop> loop) : server_(OptionsWith(std::move(loop))) {
    PeerService::Options options;
    options.self = HelloOf(member);
    options.receive = [this](const raft::Message&) { ++received; };
    options.disk_of = [](uint64_t) { return uint64_t{0}; };
    options.is_member = [](uint64_t) { return true; };
    options.on_hello = [](const peer::Hello&) {};
    service_ = std::make_unique<PeerService>(server_, std::move(options));
    REQUIRE(server_.Start().ok());
  }
  ~There() { server_.Stop(0); }

  std::string address() const { return "127.0.0.1:" + std::to_string(server_.port()); }

  std::atomic<int> received{0};

 private:
  static rpc::ServerOptions OptionsWith(std::shared_ptr<rpc::Loop> loop) {
    rpc::ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.reflection = false;
    options.loop = std::move(loop);
    return options;
  }

  rpc::Server server_;
  std::unique_ptr<PeerService> service_;
};

// Moves only when told to, and is read by the transport's thread meanwhile.
class SharedClock final : public base::Clock {
 public:
  int64_t MonotonicNs() const override { return now_ns_; }
  int64_t WallMs() const override { return MonotonicMs(); }
  void AdvanceMs(int64_t ms) { now_ns_ += ms * 1'000'000; }

 private:
  std::atomic<int64_t> now_ns_{0};
};

// The transport of member 1, whose time is the test's.
struct Here {
  explicit Here(std::shared_ptr<rpc::Loop> loop) : transport(OptionsWith(std::move(loop))) {}

  // Whether a message gets there; what finds no connection is dropped.
  bool Reaches(There& there, uint64_t member = kThere) {
    const int before = there.received;
    return Soon([&] {
      Tell(member);
      return there.received > before;
    });
  }
  // Whether one does that is expected not to; what is on its way arrives first.
  bool StillReaches(There& there, uint64_t member = kThere) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const int before = there.received;
    for (int tries = 0; tries < 20 && there.received == before; ++tries) {
      Tell(member);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return there.received > before;
  }
  void Tell(uint64_t member) {
    clock.AdvanceMs(1);
    transport.Tick();
    raft::Message message;
    message.from = raft::NodeId(kHere);
    message.to = raft::NodeId(member);
    message.term = raft::Term(1);
    message.body = raft::Heartbeat{};
    transport.Send(std::move(message));
  }
  void Wait(int64_t ms) {
    clock.AdvanceMs(ms);
    transport.Tick();
  }

  PeerLinkOptions OptionsWith(std::shared_ptr<rpc::Loop> loop) {
    PeerLinkOptions options;
    options.self = HelloOf(kHere);
    options.clock = &clock;
    options.loop = std::move(loop);
    options.on_unreachable = [](raft::NodeId) {};
    options.on_gone = [this](raft::NodeId peer) {
      if (peer == raft::NodeId(kThere)) ++gone;
    };
    options.disk_of = [](uint64_t) { return uint64_t{0}; };
    return options;
  }

  std::atomic<int> gone{0};
  SharedClock clock;
  PeerTransport transport;
};

// Found by removing members under load: the others fell silent before the entry that says so had
// got to the one who was removed, and it went on as a candidate for ever.
TEST_CASE("peer transport: who is no member any more is spoken to for a while, then not") {
  const rpc::LoopThread loop;
  There there(kThere, loop.loop());
  Here here(loop.loop());
  here.transport.SetPeers({{kThere, there.address()}});
  REQUIRE(here.Reaches(there));
  here.transport.SetPeers({});
  CHECK(here.Reaches(there));
  here.Wait(PeerTransport::kFarewellMs / 2);
  here.transport.SetPeers({});  // said again, it does not begin anew
  CHECK(here.Reaches(there));
  here.Wait(PeerTransport::kFarewellMs / 2);
  CHECK_FALSE(here.StillReaches(there));
  here.transport.Stop();
}

TEST_CASE("peer transport: who is a member again in time is not left") {
  const rpc::LoopThread loop;
  There there(kThere, loop.loop());
  Here here(loop.loop());
  here.transport.SetPeers({{kThere, there.address()}});
  REQUIRE(here.Reaches(there));
  here.transport.SetPeers({});
  here.transport.SetPeers({{kThere, there.address()}});
  here.Wait(2 * PeerTransport::kFarewellMs);
  CHECK(here.Reaches(there));
  here.transport.Stop();
}

// A member that was rebuilt is another one at the old one's address.
TEST_CASE("peer transport: where somebody new is expected nobody waits for the old one") {
  const rpc::LoopThread loop;
  There there(kThere + 1, loop.loop());
  Here here(loop.loop());
  here.transport.SetPeers({{kThere, there.address()}});
  here.transport.SetPeers({{kThere + 1, there.address()}});
  CHECK(here.transport.SentBytes().count(kThere) == 0);
  CHECK(here.Reaches(there, kThere + 1));
  here.transport.Stop();
}

// One that was away while others came: it hears of them by their own word first.
TEST_CASE("peer transport: who has said where it is stays known until somebody knows better") {
  const rpc::LoopThread loop;
  There there(kThere, loop.loop());
  Here here(loop.loop());
  here.transport.Learn(kThere, there.address());
  here.transport.SetPeers({});
  here.Wait(2 * PeerTransport::kFarewellMs);
  CHECK(here.Reaches(there));
  here.transport.SetPeers({{kThere, there.address()}});
  here.transport.SetPeers({});
  here.Wait(PeerTransport::kFarewellMs);
  CHECK_FALSE(here.StillReaches(there));
  here.transport.Stop();
}

// A lost connection alone says nothing: the network may be to blame.
TEST_CASE("peer transport: who takes no connection is said to be gone") {
  const rpc::LoopThread loop;
  auto there = std::make_unique<There>(kThere, loop.loop());
  Here here(loop.loop());
  here.transport.SetPeers({{kThere, there->address()}});
  REQUIRE(here.Reaches(*there));
  CHECK(here.gone == 0);
  there.reset();
  CHECK(Soon([&] {
    here.Tell(kThere);
    return here.gone > 0;
  }));
  here.transport.Stop();
}

}  // namespace
}  // namespace matricula::replication
