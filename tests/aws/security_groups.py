"""Security groups are enforced: who may connect to a listener, by real sockets from several addresses of this machine."""

import http.client
import os
import urllib.request

from aws import BOUND, equal, own_api, run, socket_of
from resources import VPC, ec2, elb, fixed, listener, load_balancer, name, remove

HERE, THERE = "127.0.0.1", "127.0.0.2"


def group():
    return ec2.create_security_group(GroupName=name("group"), Description="x", VpcId=VPC)["GroupId"]


def rules(port, source, protocol="tcp"):
    peer = {"UserIdGroupPairs": [{"GroupId": source}]} if source.startswith("sg-") else {"IpRanges": [{"CidrIp": source}]}
    return [{"IpProtocol": protocol, "FromPort": port, "ToPort": port, **peer}]


def allow(group, *rule):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules(*rule))


def forbid(group, *rule):
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules(*rule))


def connection(port, source=HERE):
    host, number = socket_of(port)
    return http.client.HTTPConnection(host, number, timeout=BOUND, source_address=(source, 0))


def asked(line, headers=None):
    """The body of an answer; nothing when the connection is refused without one."""
    try:
        line.request("GET", "/", headers=headers or {})
        return line.getresponse().read().decode()
    except (ConnectionError, http.client.RemoteDisconnected):
        return None


def ask(port, source=HERE, headers=None):
    line = connection(port, source)
    try:
        return asked(line, headers)
    finally:
        line.close()


def serving(port, body, *groups):
    balancer = load_balancer(SecurityGroups=list(groups))
    listener(balancer, port, fixed(body))
    return balancer


# EDG-132: who matches no rule is refused before any HTTP byte, and the access log says nothing
# EDG-134: the address of the peer counts, not X-Forwarded-For
def test_only_whom_a_rule_admits_gets_in():
    own = group()
    balancer = serving(9001, "in", own)
    equal(ask(9001), None, "a group without rules lets nobody in")
    allow(own, 9001, "127.0.0.1/32")
    equal(ask(9001), "in")
    equal(ask(9001, THERE), None)
    equal(ask(9001, THERE, {"X-Forwarded-For": HERE}), None)
    requests = str(own_api("requests"))
    assert f"{HERE}:" in requests and f"{THERE}:" not in requests, requests
    allow(own, 9001, "127.0.0.2/32", "udp")
    allow(own, 9002, "127.0.0.2/32")
    equal(ask(9001, THERE), None, "another protocol, another port")
    remove(balancer)


# EDG-133: the rules of several groups are a union
def test_groups_are_a_union():
    one, other = group(), group()
    allow(one, 9001, "127.0.0.1/32")
    allow(other, 9001, "127.0.0.2/31")
    balancer = serving(9001, "in", one)
    equal((ask(9001), ask(9001, THERE)), ("in", None))
    elb.set_security_groups(LoadBalancerArn=balancer["LoadBalancerArn"], SecurityGroups=[one, other])
    equal((ask(9001), ask(9001, THERE), ask(9001, "127.0.0.3"), ask(9001, "127.0.0.4")), ("in", "in", "in", None))
    elb.set_security_groups(LoadBalancerArn=balancer["LoadBalancerArn"], SecurityGroups=[other])
    equal((ask(9001), ask(9001, THERE)), (None, "in"))
    remove(balancer)


# EDG-135: removing a rule leaves established connections open
def test_established_connections_stay():
    own = group()
    allow(own, 9001, "127.0.0.0/8")
    balancer = serving(9001, "in", own)
    line = connection(9001)
    equal(asked(line), "in")
    forbid(own, 9001, "127.0.0.0/8")
    equal(ask(9001), None)
    equal(asked(line), "in")
    line.close()
    remove(balancer)


def test_a_group_as_the_source_is_whoever_carries_it():
    own, front = group(), group()
    allow(own, 9001, front)
    balancer = serving(9001, "in", own)
    equal(ask(9001), None, "nobody carries the group")
    other = load_balancer(SecurityGroups=[front])
    equal(ask(9001), "in", "the other load balancer stands on this machine")
    remove(other)
    equal(ask(9001), None)
    remove(balancer)


def test_without_groups_the_default_group_admits_this_machine():
    balancer = load_balancer()
    listener(balancer, 9001, fixed("in"))
    equal((ask(9001), ask(9001, THERE)), ("in", "in"))
    remove(balancer)


def test_on_a_shared_port_each_load_balancer_has_its_own_groups():
    one, other = group(), group()
    allow(one, 9001, "127.0.0.1/32")
    allow(other, 9001, "127.0.0.2/32")
    first, second = serving(9001, "first", one), serving(9001, "second", other)
    hosts = [{"Host": it["DNSName"]} for it in (first, second)]
    found = [[ask(9001, source, host) for host in hosts] for source in (HERE, THERE, "127.0.0.3")]
    equal(found, [["first", None], [None, "second"], [None, None]])
    line = connection(9001)
    equal([asked(line, hosts[0]), asked(line, hosts[1])], ["first", None])
    line.close()
    remove(first)
    remove(second)


def test_refusals_are_counted():
    host, number = socket_of(8080)
    equal((host, ask(8080)), (HERE, "owned"), "load balancers of the manifest have no groups")
    own = group()
    balancer = serving(9001, "in", own)
    before = refusals()
    equal(ask(9001), None)
    equal(refusals(), before + 1)
    remove(balancer)


def refusals():
    with urllib.request.urlopen(f"http://{os.environ['ENDPOINT']}/_albacore/metrics", timeout=BOUND) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(it.split()[-1]) for it in lines if it.startswith("albacore_proxy_security_group_refusals"))


run(globals())
