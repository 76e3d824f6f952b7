#include "common/store/etcd_scout.h"

#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "test/etcd_support/stock_etcd.h"
#include "test/unit/etcd_store/waiting.h"

namespace matricula::store {
namespace {

constexpr auto kBetweenReads = std::chrono::milliseconds(5);
// A new leader is known, and asked, by then, on a machine that has much else to do.
constexpr int64_t kSoonMs = 5'000;

int64_t NowMs() { return base::SystemClock().MonotonicMs(); }

// Who answers a read; 0 if nobody did.
uint64_t Answerer(Store& store) {
  const auto read = Get(store, "a");
  return read.ok() ? read->header().member_id() : 0;
}

// Reads until that member has answered ten in a row. False if it has not after kSoonMs, or if a
// read fails that must not.
bool TurnsTo(Store& store, uint64_t member, bool may_fail = false) {
  const int64_t end_ms = NowMs() + kSoonMs;
  for (int in_a_row = 0; in_a_row < 10 && NowMs() < end_ms;) {
    const uint64_t answerer = Answerer(store);
    if (answerer == 0 && !may_fail) return false;
    in_a_row = answerer == member ? in_a_row + 1 : 0;
    if (in_a_row == 10) return true;
    std::this_thread::sleep_for(kBetweenReads);
  }
  return false;
}

// ---- a real cluster ----

uint64_t MemberId(test::EtcdMember& member) {
  const auto store = OpenStore({member.address()});
  return Answerer(*store);
}

bool MoveLeader(test::EtcdMember& leader, uint64_t target) {
  const auto stub = etcdserverpb::Maintenance::NewStub(
      grpc::CreateChannel(leader.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(gpr_time_from_millis(5'000, GPR_TIMESPAN));
  etcdserverpb::MoveLeaderRequest request;
  request.set_targetid(target);
  etcdserverpb::MoveLeaderResponse response;
  return stub->MoveLeader(&context, request, &response).ok();
}

TEST_CASE("the leader is asked, wherever the lead goes") {
  test::EtcdCluster etcd(3, kFastElections);
  size_t leader = etcd.Leader();
  REQUIRE(leader < etcd.size());
  // It is the last one that the store would come to by itself.
  std::vector<std::string> endpoints;
  for (size_t i = 1; i <= etcd.size(); ++i) {
    endpoints.push_back(etcd[(leader + i) % etcd.size()].address());
  }
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < etcd.size(); ++i) ids.push_back(MemberId(etcd[i]));
  const auto store = OpenStore(endpoints);
  REQUIRE(TurnsTo(*store, ids[leader]));

  size_t next = (leader + 1) % etcd.size();
  REQUIRE(MoveLeader(etcd[leader], ids[next]));
  REQUIRE(TurnsTo(*store, ids[next]));

  etcd[next].Kill();
  REQUIRE(Get(*store, "a").ok());
  leader = etcd.Leader();
  REQUIRE(leader < etcd.size());
  CHECK(TurnsTo(*store, ids[leader], /*may_fail=*/true));
  // Who comes back follows: nothing changes.
  etcd[next].Launch();
  REQUIRE(etcd[next].WaitUntilServing());
  if (etcd.Leader() == leader) CHECK(TurnsTo(*store, ids[leader]));
}

TEST_CASE("a leader that falls silent is left, and its successor is asked") {
  test::EtcdCluster etcd(3, kFastElections);
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < etcd.size(); ++i) ids.push_back(MemberId(etcd[i]));
  const auto store = OpenStore(etcd.addresses());
  const size_t leader = etcd.Leader();
  REQUIRE(leader < etcd.size());
  REQUIRE(TurnsTo(*store, ids[leader]));
  etcd[leader].Pause();
  const int64_t start_ms = NowMs();
  REQUIRE(Get(*store, "a").ok());
  CHECK(NowMs() - start_ms < 6'000);
  const size_t successor = etcd.Leader();
  REQUIRE(successor < etcd.size());
  CHECK(TurnsTo(*store, ids[successor], /*may_fail=*/true));
  etcd[leader].Continue();
}

// ---- servers that say what a test wants ----

// Answers every read with an empty header of its own, and Status as told.
class FakeServer final : public etcdserverpb::KV::Service,
                         public etcdserverpb::Maintenance::Service {
 public:
  FakeServer(uint64_t member, uint64_t term) : member_(member), term_(term) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(static_cast<etcdserverpb::KV::Service*>(this));
    builder.RegisterService(static_cast<etcdserverpb::Maintenance::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  // Who leads, as it says.
  void Claim(uint64_t leader) { leader_ = leader; }
  void SetTerm(uint64_t term) { term_ = term; }
  void SetMember(uint64_t member) { member_ = member; }
  // It answers no reads.
  void Refuse(bool refuse) { refuse_ = refuse; }
  // It takes that long to tell its status.
  void DelayStatus(int64_t ms) { delay_ms_ = ms; }
  int asked() const { return asked_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void Fill(etcdserverpb::ResponseHeader* header) const {
    header->set_member_id(member_);
    header->set_raft_term(term_);
    header->set_revision(1);
  }
  grpc::Status Range(grpc::ServerContext*, const etcdserverpb::RangeRequest*,
                     etcdserverpb::RangeResponse* response) override {
    Fill(response->mutable_header());
    return refuse_ ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now") : grpc::Status::OK;
  }
  grpc::Status Status(grpc::ServerContext* context, const etcdserverpb::StatusRequest*,
                      etcdserverpb::StatusResponse* response) override {
    ++asked_;
    const int64_t end_ms = NowMs() + delay_ms_;
    while (NowMs() < end_ms && !context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    Fill(response->mutable_header());
    response->set_leader(leader_);
    return grpc::Status::OK;
  }

  std::atomic<uint64_t> member_, term_;
  std::atomic<uint64_t> leader_{0};
  std::atomic<int64_t> delay_ms_{0};
  std::atomic<int> asked_{0};
  std::atomic<bool> refuse_{false};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Reads for that long, all of which must be answered, and soon.
void ReadFor(Store& store, int64_t ms) {
  const int64_t end_ms = NowMs() + ms;
  int64_t slowest_ms = 0;
  while (NowMs() < end_ms) {
    const int64_t start_ms = NowMs();
    REQUIRE(Get(store, "a").ok());
    slowest_ms = std::max(slowest_ms, NowMs() - start_ms);
    std::this_thread::sleep_for(kBetweenReads);
  }
  CHECK(slowest_ms < 400);
}

constexpr int64_t kForEverMs = 60'000;

TEST_CASE("servers that do not tell their status do no harm") {
  FakeServer first(1, 5), second(2, 5);
  first.DelayStatus(kForEverMs);
  auto store = OpenStore({first.address(), second.address()});
  SECTION("one of two: the other one is believed at once") {
    second.Claim(2);
    const int64_t start_ms = NowMs();
    REQUIRE(TurnsTo(*store, 2));
    CHECK(NowMs() - start_ms < EtcdScout::kStatusMs);
    ReadFor(*store, 1'000);
    CHECK(first.asked() == 1);  // it is known enough
  }
  SECTION("neither: reads go where they went, and the store closes at once") {
    second.DelayStatus(kForEverMs);
    const uint64_t answerer = Answerer(*store);
    ReadFor(*store, 1'500);
    CHECK(Answerer(*store) == answerer);
    CHECK(first.asked() >= 2);
    CHECK(first.asked() <= 3);
    // In the middle of a round.
    const int64_t asked = first.asked();
    const int64_t end_ms = NowMs() + kSoonMs;
    while (first.asked() == asked && NowMs() < end_ms) REQUIRE(Get(*store, "a").ok());
    const int64_t start_ms = NowMs();
    store.reset();
    CHECK(NowMs() - start_ms < EtcdScout::kStatusMs / 2);
  }
}

TEST_CASE("a leader that is none of the servers is asked for, ever more rarely") {
  FakeServer first(1, 5), second(2, 5);
  first.Claim(9);
  second.Claim(9);
  const auto store = OpenStore({first.address(), second.address()});
  ReadFor(*store, 2'000);
  CHECK(first.asked() >= 3);
  CHECK(first.asked() <= 4);  // after 0, 200, 600 and 1,400 ms
  CHECK(second.asked() == first.asked());
  // Its successor is one of them: the new term says that it is time to ask.
  second.Claim(2);
  first.SetTerm(6);
  second.SetTerm(6);
  const int64_t start_ms = NowMs();
  REQUIRE(TurnsTo(*store, 2));
  CHECK(NowMs() - start_ms < 1'000);
}

TEST_CASE("of two that say that they lead, the one of the newer term does") {
  FakeServer old_one(1, 5), new_one(2, 6);
  old_one.Claim(1);
  new_one.Claim(2);
  SECTION("heard first") { old_one.DelayStatus(100); }
  SECTION("heard last") { new_one.DelayStatus(100); }
  const auto store = OpenStore({old_one.address(), new_one.address()});
  REQUIRE(TurnsTo(*store, 2));
  ReadFor(*store, 500);
  CHECK(Answerer(*store) == 2);
}

TEST_CASE("during an election requests go on, and the winner is asked") {
  FakeServer first(1, 5), second(2, 5);
  first.Claim(1);
  const auto store = OpenStore({second.address(), first.address()});
  REQUIRE(TurnsTo(*store, 1));
  first.Claim(0);
  first.SetTerm(6);
  second.SetTerm(6);
  ReadFor(*store, 300);
  second.Claim(2);
  CHECK(TurnsTo(*store, 2));
}

TEST_CASE("a server that led is nothing special once nobody here leads") {
  FakeServer first(1, 5), second(2, 5);
  first.Claim(1);
  const auto store = OpenStore({second.address(), first.address()});
  REQUIRE(TurnsTo(*store, 1));
  const int asked = first.asked();
  for (FakeServer* server : {&first, &second}) {
    server->Claim(9);
    server->SetTerm(6);
  }
  ReadFor(*store, 400);
  REQUIRE(first.asked() > asked);
  first.Refuse(true);
  REQUIRE(Answerer(*store) == 2);
  first.Refuse(false);
  ReadFor(*store, kSuspectMs + 300);
  CHECK(Answerer(*store) == 2);  // it works, so it is stayed with
}

TEST_CASE("another server behind the leader's address is not taken for the leader") {
  FakeServer first(1, 5), second(2, 5);
  first.Claim(1);
  const auto store = OpenStore({second.address(), first.address()});
  REQUIRE(TurnsTo(*store, 1));
  SECTION("of the same cluster") { second.SetTerm(5); }
  SECTION("of one made anew, whose terms begin again") {
    first.SetTerm(2);
    second.SetTerm(2);
  }
  first.SetMember(3);
  first.Claim(2);
  second.Claim(2);
  CHECK(TurnsTo(*store, 2));
}

TEST_CASE("a single server is not asked who leads") {
  FakeServer only(1, 5);
  only.Claim(1);
  const auto store = OpenStore({only.address()});
  ReadFor(*store, 300);
  CHECK(only.asked() == 0);
}

}  // namespace
}  // namespace matricula::store
