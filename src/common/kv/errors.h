#pragma once

#include "common/base/status.h"

// Every error of the etcd v3 API that a store or its services answer with: etcd's own code and
// text, by which its clients know them.
namespace matricula::kv::errors {

// requests that can never succeed
base::Status EmptyKey();
base::Status KeyNotFound();
base::Status ValueProvided();
base::Status LeaseProvided();
base::Status TooManyOperations();
base::Status DuplicateKey();
base::Status RequestTooLarge();
base::Status InvalidSortOption();
base::Status BadMemberUrls();

// revisions
base::Status Compacted();
base::Status FutureRevision();

// limits
base::Status NoSpace();
base::Status TooManyRequests();
base::Status LeaseTtlTooLarge();

// leases
base::Status LeaseNotFound();
base::Status LeaseExists();

// members
base::Status MemberNotFound();
base::Status MemberIdExists();
base::Status PeerUrlExists();
base::Status NotEnoughStartedMembers();
base::Status MemberNotLearner();
base::Status LearnerNotReady();
base::Status TooManyLearners();
base::Status LearnerUnsupported();

// the cluster's state
base::Status NoLeader();
base::Status NotLeader();
base::Status LeaderChanged();
base::Status BadLeaderTransferee();
base::Status Stopped();
base::Status TimedOut();
base::Status TimedOutLeaderFailure();
base::Status TimedOutConnectionLost();
base::Status TimedOutWaitingForApply();
base::Status TimedOutLeaderTransfer();
base::Status Unhealthy();
base::Status Corrupt();
base::Status NotCapable();

// users, of which there are none
base::Status AuthNotEnabled();
base::Status RootUserNotFound();
base::Status UserNotFound();
base::Status RoleNotFound();

// watches
base::Status WatchCanceled();

// Texts of WatchResponse.cancel_reason.
inline constexpr char kEmptyWatchRange[] = "mvcc: watcher range is empty";
inline constexpr char kDuplicateWatchId[] = "mvcc: duplicate watch ID provided on the WatchStream";

}  // namespace matricula::kv::errors
