#include "common/kv/errors.h"

namespace matricula::kv::errors {

using base::Code;
using base::Status;

// One line per error: the name, and what goes over the wire.
#define ETCD_ERROR(name, code, text) \
  Status name() { return {Code::code, "etcdserver: " text}; }

ETCD_ERROR(EmptyKey, kInvalidArgument, "key is not provided")
ETCD_ERROR(KeyNotFound, kInvalidArgument, "key not found")
ETCD_ERROR(ValueProvided, kInvalidArgument, "value is provided")
ETCD_ERROR(LeaseProvided, kInvalidArgument, "lease is provided")
ETCD_ERROR(TooManyOperations, kInvalidArgument, "too many operations in txn request")
ETCD_ERROR(DuplicateKey, kInvalidArgument, "duplicate key given in txn request")
ETCD_ERROR(RequestTooLarge, kInvalidArgument, "request is too large")
ETCD_ERROR(InvalidSortOption, kInvalidArgument, "invalid sort option")
ETCD_ERROR(BadMemberUrls, kInvalidArgument, "given member URLs are invalid")

ETCD_ERROR(Compacted, kOutOfRange, "mvcc: required revision has been compacted")
ETCD_ERROR(FutureRevision, kOutOfRange, "mvcc: required revision is a future revision")

ETCD_ERROR(NoSpace, kResourceExhausted, "mvcc: database space exceeded")
ETCD_ERROR(TooManyRequests, kResourceExhausted, "too many requests")
ETCD_ERROR(LeaseTtlTooLarge, kOutOfRange, "too large lease TTL")

ETCD_ERROR(LeaseNotFound, kNotFound, "requested lease not found")
ETCD_ERROR(LeaseExists, kFailedPrecondition, "lease already exists")

ETCD_ERROR(MemberNotFound, kNotFound, "member not found")
ETCD_ERROR(MemberIdExists, kFailedPrecondition, "member ID already exist")
ETCD_ERROR(PeerUrlExists, kFailedPrecondition, "Peer URLs already exists")
// FailedPrecondition is meant, but etcd 3.4 says Unknown; its clients go by the text.
ETCD_ERROR(NotEnoughStartedMembers, kUnknown,
           "re-configuration failed due to not enough started members")
ETCD_ERROR(MemberNotLearner, kFailedPrecondition, "can only promote a learner member")
ETCD_ERROR(LearnerNotReady, kFailedPrecondition,
           "can only promote a learner member which is in sync with leader")
ETCD_ERROR(TooManyLearners, kFailedPrecondition, "too many learner members in cluster")
ETCD_ERROR(LearnerUnsupported, kUnavailable, "rpc not supported for learner")

ETCD_ERROR(NoLeader, kUnavailable, "no leader")
ETCD_ERROR(NotLeader, kFailedPrecondition, "not leader")
ETCD_ERROR(LeaderChanged, kUnavailable, "leader changed")
ETCD_ERROR(BadLeaderTransferee, kFailedPrecondition, "bad leader transferee")
ETCD_ERROR(Stopped, kUnavailable, "server stopped")
ETCD_ERROR(TimedOut, kUnavailable, "request timed out")
ETCD_ERROR(TimedOutLeaderFailure, kUnavailable,
           "request timed out, possibly due to previous leader failure")
ETCD_ERROR(TimedOutConnectionLost, kUnavailable,
           "request timed out, possibly due to connection lost")
ETCD_ERROR(TimedOutWaitingForApply, kUnavailable,
           "request timed out, waiting for the applied index took too long")
ETCD_ERROR(TimedOutLeaderTransfer, kUnknown, "request timed out, leader transfer took too long")
ETCD_ERROR(Unhealthy, kUnavailable, "unhealthy cluster")
ETCD_ERROR(Corrupt, kDataLoss, "corrupt cluster")
ETCD_ERROR(NotCapable, kUnavailable, "not capable")

ETCD_ERROR(AuthNotEnabled, kFailedPrecondition, "authentication is not enabled")
ETCD_ERROR(RootUserNotFound, kFailedPrecondition, "root user does not exist")
ETCD_ERROR(UserNotFound, kFailedPrecondition, "user name not found")
ETCD_ERROR(RoleNotFound, kFailedPrecondition, "role name not found")

ETCD_ERROR(WatchCanceled, kCancelled, "watch canceled")

#undef ETCD_ERROR

}  // namespace matricula::kv::errors
