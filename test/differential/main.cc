// differential [--operations N] [--seed N] [--left HOST:PORT] [--right HOST:PORT] [--stock-twice]
//
// Plays random histories on two servers of the etcd API and compares everything they say. Left is a
// stock etcd, right a replica of ours, both started here, unless an address says otherwise (of a
// server that nobody has written to). Exit code 1: a difference, with the seed that finds it again.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "common/base/log.h"
#include "test/differential/history.h"
#include "test/etcd_support/our_replica.h"
#include "test/etcd_support/stock_etcd.h"

namespace matricula::differential {
namespace {

constexpr size_t kLastWordsBytes = 6'000;

struct Flags {
  int operations = 10'000;
  uint64_t seed = 0;
  std::string left;
  std::string right;
  bool stock_twice = false;
};

bool Parse(int argc, char** argv, Flags& flags) {
  flags.seed = std::random_device()();
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--stock-twice") {
      flags.stock_twice = true;
      continue;
    }
    if (i + 1 == argc) {
      return false;
    }
    const std::string value = argv[++i];
    if (name == "--operations") {
      flags.operations = std::atoi(value.c_str());
    } else if (name == "--seed") {
      flags.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--left") {
      flags.left = value;
    } else if (name == "--right") {
      flags.right = value;
    } else {
      return false;
    }
  }
  return true;
}

int Run(const Flags& flags) {
  std::unique_ptr<test::EtcdCluster> stock, second_stock;
  std::unique_ptr<test::OurReplica> ours;
  std::string left = flags.left;
  std::string right = flags.right;
  if (left.empty()) {
    stock = std::make_unique<test::EtcdCluster>(1);
    left = stock->addresses().front();
  }
  if (right.empty() && flags.stock_twice) {
    second_stock = std::make_unique<test::EtcdCluster>(1);
    right = second_stock->addresses().front();
  } else if (right.empty()) {
    ours = std::make_unique<test::OurReplica>();
    right = ours->address();
  }
  std::printf("seed %llu, %d operations\n", static_cast<unsigned long long>(flags.seed),
              flags.operations);
  std::fflush(stdout);
  Side left_side(flags.left.empty() ? "stock" : flags.left, left);
  Side right_side(ours ? "ours " : second_stock ? "stock" : flags.right, right);
  const auto start = std::chrono::steady_clock::now();
  History history(left_side, right_side, flags.seed);
  const bool same = history.Run(flags.operations);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%s\n%.1f s\n", history.Summary().c_str(), seconds);
  if (!same) {
    std::printf("DIFFERENCE (seed %llu): %s\n", static_cast<unsigned long long>(flags.seed),
                history.difference().c_str());
  }
  if (stock && !(*stock)[0].Running()) {
    std::printf("the stock etcd has ended by itself; its last words:\n%s\n",
                (*stock)[0].LogTail(kLastWordsBytes).c_str());
  }
  return same ? 0 : 1;
}

}  // namespace
}  // namespace matricula::differential

int main(int argc, char** argv) {
  matricula::differential::Flags flags;
  if (!matricula::differential::Parse(argc, argv, flags)) {
    std::fprintf(stderr,
                 "usage: differential [--operations N] [--seed N] [--left HOST:PORT] "
                 "[--right HOST:PORT] [--stock-twice]\n");
    return 2;
  }
  return matricula::differential::Run(flags);
}
