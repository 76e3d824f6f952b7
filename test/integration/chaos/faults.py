"""The faults. Each is a function of the cluster (and of its chance) that does something bad for a
while, mends it, and may check what the members must have done about it. All members that belong to
the cluster are well before, and must be well soon after."""

import errno
import subprocess
import time

from cluster import MEND_TIMEOUT_S, Wrong

EXIT_IO_ERROR = 74
S = 1_000_000_000


def _while(cluster, least_s, most_s):
    time.sleep(cluster.chance.uniform(least_s, most_s))


def _modes(cluster):
    return cluster.chance.choice(["hold", "drop"])


def _restart(cluster, members):
    for member in members:
        member.end()
    _while(cluster, 0, 2.5)
    for member in members:
        member.launch()


# ---- processes ----

def kill_leader(cluster):
    _restart(cluster, [cluster.leader()])


def kill_follower(cluster):
    _restart(cluster, [cluster.follower()])


def kill_all(cluster):
    _restart(cluster, cluster.present)


def kill_leader_repeatedly(cluster):
    for _ in range(3):
        _restart(cluster, [cluster.leader()])


def _power_failure(cluster, members):
    for member in members:
        member.end()
    for member in members:
        member.lose_unsynced(cluster.chance)
    _while(cluster, 0, 1)
    for member in members:
        member.launch()


def power_failure_of_one(cluster):
    _power_failure(cluster, [cluster.anybody()])


def power_failure_of_all(cluster):
    _power_failure(cluster, cluster.present)


def _pause(cluster, member):
    # Beyond the lease, while others take over; beyond the impatient clients' patience, too.
    member.pause()
    _while(cluster, 2, 6)
    member.resume()


def pause_leader(cluster):
    _pause(cluster, cluster.leader())


def pause_follower(cluster):
    _pause(cluster, cluster.follower())


def rolling_restart(cluster):
    for member in cluster.present:
        member.down = True
        code = member.stop(timeout_s=60)
        if code != 0:
            raise Wrong("%s was asked to stop, exit code %d\n%s" %
                        (member.name, code, member.log_tail()))
        member.launch()
        cluster.await_mended()


# ---- network ----

def _cut(cluster, groups):
    """Nobody of one group hears anybody of another one."""
    mode = _modes(cluster)
    for group in groups:
        for other in groups:
            if group is not other:
                for a in group:
                    for b in other:
                        cluster.network.do("link", a.number, b.number, mode)
    _while(cluster, 1.5, 6)
    cluster.network.do("heal")


def isolate_leader(cluster):
    leader = cluster.leader()
    _cut(cluster, [[leader], [m for m in cluster.members if m is not leader]])


def isolate_follower(cluster):
    follower = cluster.follower()
    _cut(cluster, [[follower], [m for m in cluster.members if m is not follower]])


def split(cluster):
    """A majority and a minority, whoever leads."""
    members = list(cluster.present)
    cluster.chance.shuffle(members)
    fewer = (len(members) - 1) // 2
    _cut(cluster, [members[:fewer], members[fewer:]])


def everybody_alone(cluster):
    _cut(cluster, [[member] for member in cluster.present])


def deaf_leader(cluster):
    """It speaks, and hears nobody."""
    cluster.network.do("link", "*", cluster.leader().number, _modes(cluster))
    _while(cluster, 1.5, 6)
    cluster.network.do("heal")


def mute_leader(cluster):
    """It hears, and is not heard."""
    cluster.network.do("link", cluster.leader().number, "*", _modes(cluster))
    _while(cluster, 1.5, 6)
    cluster.network.do("heal")


def one_way(cluster):
    """Of two, one does not hear the other."""
    one, other = cluster.chance.sample(cluster.present, 2)
    cluster.network.do("link", one.number, other.number, _modes(cluster))
    _while(cluster, 1.5, 6)
    cluster.network.do("heal")


def bridge(cluster):
    """Two halves that see each other only through one member."""
    members = list(cluster.present)
    cluster.chance.shuffle(members)
    half = (len(members) - 1) // 2
    mode = _modes(cluster)
    for a in members[1:1 + half]:
        for b in members[1 + half:]:
            cluster.network.do("link", a.number, b.number, mode)
            cluster.network.do("link", b.number, a.number, mode)
    _while(cluster, 1.5, 6)
    cluster.network.do("heal")


def slow_network(cluster):
    delay_ms = cluster.chance.choice([5, 20, 60, 150])
    cluster.network.do("link", "*", "*", "open", delay_ms, cluster.chance.randint(0, 2 * delay_ms))
    _while(cluster, 2, 5)
    cluster.network.do("heal")


def slow_leader_link(cluster):
    leader = cluster.leader().number
    cluster.network.do("link", leader, "*", "open", cluster.chance.randint(50, 600), 300)
    _while(cluster, 2, 5)
    cluster.network.do("heal")


def resets(cluster):
    for _ in range(cluster.chance.randint(3, 15)):
        cluster.network.do("reset", cluster.chance.choice(["*", cluster.anybody().number]), "*")
        _while(cluster, 0.02, 0.4)


def flapping(cluster):
    """A link that comes and goes, faster than anybody gives up."""
    for _ in range(cluster.chance.randint(4, 10)):
        one, other = cluster.chance.sample(cluster.present, 2)
        cluster.network.do("link", one.number, other.number, _modes(cluster))
        _while(cluster, 0.05, 0.9)
        cluster.network.do("heal")
        _while(cluster, 0, 0.3)


# ---- disk ----

def _slow_disk(cluster, members):
    for member in members:
        member.controls.set(sync_delay_us=cluster.chance.choice([20, 100, 400, 900]) * 1000)
    _while(cluster, 2, 5)
    for member in members:
        member.controls.disk_well()


def slow_disk_of_leader(cluster):
    _slow_disk(cluster, [cluster.leader()])


def slow_disk_of_follower(cluster):
    _slow_disk(cluster, [cluster.follower()])


def slow_disks(cluster):
    _slow_disk(cluster, cluster.present)


def _stops_with_io_error(cluster, **trouble):
    """After a disk error a member acknowledges nothing more: it ends, and says why in a line."""
    member = cluster.anybody()
    before = len(member.log())
    member.down = True
    member.controls.set(**trouble)
    try:
        code = member.wait(MEND_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Wrong("%s goes on with a broken disk\n%s" % (member.name, member.log_tail()))
    if code != EXIT_IO_ERROR:
        raise Wrong("%s: a disk error ended it with exit code %d\n%s" %
                    (member.name, code, member.log_tail()))
    if not member.log()[before:].strip():
        raise Wrong("%s does not say why it ended" % member.name)
    if cluster.chance.random() < 0.5:
        member.lose_unsynced(cluster.chance)
    _while(cluster, 0, 1.5)
    member.controls.disk_well()
    member.launch()


def full_disk(cluster):
    _stops_with_io_error(cluster, bytes_left=cluster.chance.randint(0, 100_000), limited=1)


def failing_sync(cluster):
    _stops_with_io_error(cluster, sync_errno=errno.EIO)


def failing_write(cluster):
    _stops_with_io_error(cluster, write_errno=errno.EIO)


# ---- clocks ----

def _jump(cluster, members):
    for member in members:
        sign = cluster.chance.choice([-1, 1])
        jump_s = cluster.chance.choice([0.3, 2, 30, 3600, 86400 * 400])
        member.controls.set(clock_offset_ns=int(sign * jump_s * S))
    _while(cluster, 1, 4)
    if cluster.chance.random() < 0.7:  # otherwise it stays wrong
        for member in members:
            member.controls.set(clock_offset_ns=0)


def clock_jump(cluster):
    _jump(cluster, [cluster.anybody()])


def clock_jump_of_leader(cluster):
    _jump(cluster, [cluster.leader()])


def clock_jumps(cluster):
    _jump(cluster, cluster.present)


# ---- membership ----

def learner_comes_and_goes(cluster):
    """One more member: added as a learner, promoted, and removed again, under load."""
    spare = cluster.spare
    cluster.add(spare, learner=cluster.chance.random() < 0.5)
    cluster.promote(spare)
    cluster.await_mended()
    _while(cluster, 0.5, 2)
    cluster.remove(spare)


def leader_is_removed(cluster):
    """The leader itself is replaced by a new member in a slot of its own."""
    cluster.add(cluster.spare, learner=False)
    cluster.promote(cluster.spare)
    cluster.await_mended()
    leader = cluster.leader()
    cluster.remove(leader)
    cluster.spare = leader
    leader.wipe()


def wiped_member(cluster):
    """A disk is lost: the member is removed, and comes as a new one."""
    member = cluster.anybody()
    member.end()
    member.wipe()
    _while(cluster, 0, 1)
    cluster.remove(member)
    cluster.add(member, learner=False)
    cluster.promote(member)


def move_leader(cluster):
    for _ in range(3):
        leader = cluster.leader()
        target = cluster.chance.choice([m for m in cluster.present if m is not leader])
        status = target.status()
        if status is not None:
            cluster.move_leader(leader, status.header.member_id)
        _while(cluster, 0.1, 0.8)


# ---- state ----

def altered_row(cluster):
    """On one member's disk a row becomes another one. The members must find out as soon as the row
    matters, by its digest; that one must stop serving, and one command must bring it back."""
    member = cluster.anybody()
    others = [m for m in cluster.present if m is not member]
    key = "altered-%d" % cluster.chance.randrange(1 << 30)
    cluster.put(member, key, "as it was")
    cluster.await_that(lambda: member.status() is not None, "it has a status")
    member_id = member.status().header.member_id
    member.end()
    member.alter(key, "another one")
    member.launch()
    cluster.await_mended()
    cluster.put(cluster.chance.choice(others), key, "as it is now")
    cluster.await_that(lambda: cluster.corrupt_members(others[0]) == {member_id},
                       "the alarm CORRUPT names %s alone" % member.name)
    cluster.await_that(lambda: not member.is_serving() and not member.leads(),
                       "%s stops serving" % member.name)
    _while(cluster, 0, 3)
    member.end()
    member.set_peers(cluster.present, "--rebuild")
    member.launch()
    cluster.promote(member)
    cluster.await_that(lambda: cluster.corrupt_members(others[0]) == set(), "no alarm any more")
    member.set_peers(cluster.present, "--join")


# Name → (the fault, how often compared with others).
ALL = {
    "kill -9 of the leader": (kill_leader, 6),
    "kill -9 of a follower": (kill_follower, 4),
    "kill -9 of all": (kill_all, 4),
    "kill -9 of three leaders in turn": (kill_leader_repeatedly, 2),
    "power failure of one": (power_failure_of_one, 4),
    "power failure of all": (power_failure_of_all, 4),
    "SIGSTOP of the leader": (pause_leader, 6),
    "SIGSTOP of a follower": (pause_follower, 2),
    "rolling restart": (rolling_restart, 2),
    "leader cut off": (isolate_leader, 5),
    "follower cut off": (isolate_follower, 3),
    "majority and minority": (split, 3),
    "everybody alone": (everybody_alone, 2),
    "deaf leader": (deaf_leader, 3),
    "mute leader": (mute_leader, 3),
    "one deaf to another": (one_way, 3),
    "bridge": (bridge, 4),
    "slow network": (slow_network, 3),
    "slow leader's link": (slow_leader_link, 2),
    "connections reset": (resets, 3),
    "flapping links": (flapping, 3),
    "slow disk of the leader": (slow_disk_of_leader, 2),
    "slow disk of a follower": (slow_disk_of_follower, 2),
    "slow disks": (slow_disks, 2),
    "full disk": (full_disk, 3),
    "failing sync": (failing_sync, 3),
    "failing write": (failing_write, 2),
    "clock jump": (clock_jump, 3),
    "clock jump of the leader": (clock_jump_of_leader, 2),
    "clock jumps everywhere": (clock_jumps, 2),
    "learner comes and goes": (learner_comes_and_goes, 4),
    "leader replaced": (leader_is_removed, 3),
    "wiped member": (wiped_member, 3),
    "leader moved": (move_leader, 3),
    "altered row": (altered_row, 3),
}
