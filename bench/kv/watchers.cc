// matricula_watchers: many watches of one prefix, some on streams that stop reading, while it is
// written to. Every watch must hear of every put once and in order; says as JSON how that went.
// Works against our replica and a stock etcd, whose store nobody else may write to meanwhile.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "etcd_rpc.grpc.pb.h"

namespace matricula {
namespace {

using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;

constexpr char kPrefix[] = "w/";
constexpr char kPrefixEnd[] = "w0";
constexpr int kExitLost = 1;

struct Flags {
  std::string target;
  int connections = 8;
  int streams = 10;
  int watches = 100;  // on each stream
  int slow_streams = 0;
  int puts = 100;
  int value_bytes = 100;
  int writers = 8;  // puts under way
  int keys = 50;
  bool compact = false;
  bool pause = false;
  int64_t timeout_s = 120;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(kExitLost);
}

// What a completion queue hands back: who goes on, and how.
using Tag = std::function<void(bool ok)>;

// Revisions, first and last, of what the watches must hear of.
struct Span {
  int64_t first = 0;
  int64_t last = 0;
};

// One stream with its watches, all of the same prefix. Reads until they are created, and then only
// once it is told to.
class Stream {
 public:
  Stream(etcdserverpb::Watch::Stub& stub, grpc::CompletionQueue* queue, int watches, Span span)
      : watches_(watches), span_(span), next_(watches, span.first) {
    stream_ = stub.PrepareAsyncWatch(&context_, queue);
    stream_->StartCall(&on_started_);
  }

  bool created() const { return created_ == watches_; }
  // Every watch has heard of everything, or that it cannot.
  bool over() const { return complete_ + cancelled_ == watches_; }
  int64_t events() const { return events_; }
  int cancelled() const { return cancelled_; }

  void ReadOn() {
    reading_on_ = true;
    stream_->Read(&response_, &on_read_);
  }
  void HangUp() { context_.TryCancel(); }

 private:
  void Started(bool ok) {
    if (!ok) Fail("a stream was not opened");
    AskNext(true);
    stream_->Read(&response_, &on_read_);
  }

  void AskNext(bool ok) {
    if (!ok) Fail("a stream was closed");
    if (asked_ == watches_) return;
    WatchRequest request;
    auto& create = *request.mutable_create_request();
    create.set_key(kPrefix);
    create.set_range_end(kPrefixEnd);
    create.set_start_revision(span_.first);
    create.set_watch_id(++asked_);
    stream_->Write(request, &on_written_);
  }

  void Take(bool ok) {
    if (!ok) return;  // hung up
    if (response_.created()) {
      ++created_;
    } else if (response_.canceled()) {
      if (response_.compact_revision() == 0) Fail("cancelled: " + response_.cancel_reason());
      ++cancelled_;
    } else {
      Judge();
    }
    if (reading_on_ || !created()) stream_->Read(&response_, &on_read_);
  }

  void Judge() {
    int64_t& next = next_.at(response_.watch_id() - 1);
    for (const auto& event : response_.events()) {
      if (event.kv().mod_revision() != next) {
        Fail(fmt::format("watch {}: revision {} instead of {}", response_.watch_id(),
                         event.kv().mod_revision(), next));
      }
      ++events_;
      if (next++ == span_.last) ++complete_;
    }
  }

  const int watches_;
  const Span span_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<WatchRequest, WatchResponse>> stream_;
  WatchResponse response_;
  Tag on_started_ = [this](bool ok) { Started(ok); };
  Tag on_written_ = [this](bool ok) { AskNext(ok); };
  Tag on_read_ = [this](bool ok) { Take(ok); };
  std::vector<int64_t> next_;  // of each watch: the revision that it must hear of next
  int asked_ = 0;
  int created_ = 0;
  int complete_ = 0;
  int cancelled_ = 0;
  int64_t events_ = 0;
  bool reading_on_ = false;
};

class Watchers {
 public:
  explicit Watchers(Flags flags) : flags_(std::move(flags)), clock_(base::SystemClock()) {
    for (int number = 0; number < flags_.connections; ++number) {
      grpc::ChannelArguments arguments;
      arguments.SetInt("matricula.channel", number);  // equal ones would share a connection
      arguments.SetMaxReceiveMessageSize(-1);
      channels_.push_back(
          grpc::CreateCustomChannel(flags_.target, grpc::InsecureChannelCredentials(), arguments));
      stubs_.push_back(etcdserverpb::Watch::NewStub(channels_.back()));
    }
    kv_ = etcdserverpb::KV::NewStub(channels_.front());
  }

  void Run() {
    const int64_t now = Revision();
    const Span span{now + 1, now + flags_.puts};
    Open(flags_.streams, span, quick_);
    Open(flags_.slow_streams, span, slow_);
    for (auto& stream : quick_) stream->ReadOn();
    const int64_t start_ns = clock_.MonotonicNs();
    for (int writer = 0; writer < flags_.writers; ++writer) Put();
    Until([this] { return answered_ == flags_.puts; }, "puts");
    const double put_s = Seconds(start_ns);
    Until([this] { return AllOver(quick_); }, "events");
    Print(quick_, {{"phase", "quick"}, {"put_s", put_s}, {"seconds", Seconds(start_ns)}});
    if (flags_.pause) std::getchar();
    if (flags_.slow_streams > 0) ReadLate(span);
    for (auto& stream : quick_) stream->HangUp();
    for (auto& stream : slow_) stream->HangUp();
  }

 private:
  using Streams = std::vector<std::unique_ptr<Stream>>;

  // Those who have not read so far do so now; what they miss may be gone by then.
  void ReadLate(Span span) {
    if (flags_.compact) Compact(span.last);
    const int64_t start_ns = clock_.MonotonicNs();
    for (auto& stream : slow_) stream->ReadOn();
    Until([this] { return AllOver(slow_); }, "events for the slow ones");
    Print(slow_, {{"phase", "slow"}, {"seconds", Seconds(start_ns)}});
  }

  void Open(int count, Span span, Streams& streams) {
    for (int i = 0; i < count; ++i) {
      auto& stub = *stubs_[static_cast<size_t>(i) % stubs_.size()];
      streams.push_back(std::make_unique<Stream>(stub, &queue_, flags_.watches, span));
    }
    const auto created = [](const auto& stream) { return stream->created(); };
    Until([&] { return std::all_of(streams.begin(), streams.end(), created); }, "watches");
  }

  static bool AllOver(const Streams& streams) {
    return std::all_of(streams.begin(), streams.end(),
                       [](const auto& stream) { return stream->over(); });
  }

  int64_t Revision() {
    etcdserverpb::RangeRequest request;
    request.set_key(kPrefix);
    etcdserverpb::RangeResponse response;
    grpc::ClientContext context;
    const auto status = kv_->Range(&context, request, &response);
    if (!status.ok()) Fail(status.error_message());
    return response.header().revision();
  }

  void Compact(int64_t revision) {
    etcdserverpb::CompactionRequest request;
    request.set_revision(revision);
    etcdserverpb::CompactionResponse response;
    grpc::ClientContext context;
    const auto status = kv_->Compact(&context, request, &response);
    if (!status.ok()) Fail(status.error_message());
  }

  // One after the other on each of the writers' places.
  struct PutCall {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::PutResponse>> reader;
    etcdserverpb::PutResponse response;
    grpc::Status status;
    Tag on_answered;
  };

  void Put() {
    if (begun_ == flags_.puts) return;
    etcdserverpb::PutRequest request;
    request.set_key(fmt::format("{}{:06}", kPrefix, begun_ % flags_.keys));
    request.set_value(std::string(flags_.value_bytes, static_cast<char>('a' + begun_ % 26)));
    ++begun_;
    auto* call = new PutCall;
    call->on_answered = [this, call](bool) {
      if (!call->status.ok()) Fail("put: " + call->status.error_message());
      delete call;
      ++answered_;
      Put();
    };
    call->reader = kv_->AsyncPut(&call->context, request, &queue_);
    call->reader->Finish(&call->response, &call->status, &call->on_answered);
  }

  template <class Condition>
  void Until(Condition reached, const char* what) {
    const int64_t start_ns = clock_.MonotonicNs();
    while (!reached()) {
      if (Seconds(start_ns) > static_cast<double>(flags_.timeout_s)) {
        Fail(fmt::format("waited in vain for {}", what));
      }
      void* tag = nullptr;
      bool ok = false;
      const auto soon = gpr_time_from_millis(100, GPR_TIMESPAN);
      if (queue_.AsyncNext(&tag, &ok, soon) != grpc::CompletionQueue::GOT_EVENT) continue;
      // A copy, because a put's tag goes away with its call.
      const Tag go_on = *static_cast<Tag*>(tag);
      go_on(ok);
    }
  }

  double Seconds(int64_t since_ns) const {
    return static_cast<double>(clock_.MonotonicNs() - since_ns) / 1e9;
  }

  void Print(const Streams& streams, nlohmann::json figures) const {
    int64_t events = 0;
    int64_t cancelled = 0;
    for (const auto& stream : streams) {
      events += stream->events();
      cancelled += stream->cancelled();
    }
    figures["watches"] = streams.size() * static_cast<size_t>(flags_.watches);
    figures["events"] = events;
    figures["cancelled"] = cancelled;
    std::puts(figures.dump().c_str());
    std::fflush(stdout);
  }

  const Flags flags_;
  const base::Clock& clock_;
  grpc::CompletionQueue queue_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<etcdserverpb::Watch::Stub>> stubs_;
  std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  Streams quick_;
  Streams slow_;
  int begun_ = 0;
  int answered_ = 0;
};

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app{"Many watches of what is written; exit code 0 if each heard all of it, in order."};
  app.add_option("--target", flags.target, "HOST:PORT")->required();
  app.add_option("--connections", flags.connections)->capture_default_str();
  app.add_option("--streams", flags.streams, "that read at once")->capture_default_str();
  app.add_option("--watches", flags.watches, "on each stream")->capture_default_str();
  app.add_option("--slow-streams", flags.slow_streams,
                 "that read nothing before all others are through")
      ->capture_default_str();
  app.add_option("--puts", flags.puts)->capture_default_str();
  app.add_option("--value-bytes", flags.value_bytes)->capture_default_str();
  app.add_option("--writers", flags.writers, "puts under way")->capture_default_str();
  app.add_option("--keys", flags.keys, "that are written to in turn")->capture_default_str();
  app.add_flag("--compact", flags.compact, "all of it, before the slow ones read");
  app.add_flag("--pause", flags.pause, "before the slow ones read: until a line of input");
  app.add_option("--timeout-s", flags.timeout_s, "of each phase")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  Watchers(std::move(flags)).Run();
  // Streams are under way yet; the end of the process is theirs, too.
  std::_Exit(0);
}

}  // namespace
}  // namespace matricula

int main(int argc, char** argv) { return matricula::Main(argc, argv); }
