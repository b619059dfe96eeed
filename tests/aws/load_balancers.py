"""Load balancers, listeners and what serves behind them, made and changed while the server runs."""

import concurrent.futures
import re
import threading

from aws import POLLS, Target, ask, client, equal, own_api, refused, run, until
from resources import (
    GROUPS,
    SUBNETS,
    VPC,
    elb,
    fixed,
    forward,
    listener,
    load_balancer,
    name,
    pairs,
    path_is,
    remove,
    rule,
    target_group,
)


# ALB-R-001, ALB-R-002, ALB-R-003, ALB-R-004
def test_arns_follow_each_other():
    balancer, group = load_balancer(), target_group()
    opened = listener(balancer, 9001)
    made = rule(opened, 1)
    prefix = "arn:aws:elasticloadbalancing:us-east-1:000000000000:"
    tail = re.fullmatch(f"{prefix}loadbalancer(/app/{balancer['LoadBalancerName']}/[0-9a-f]{{16}})", balancer["LoadBalancerArn"])
    assert tail, balancer
    of_listener = re.fullmatch(f"{prefix}listener({tail[1]}/[0-9a-f]{{16}})", opened["ListenerArn"])
    assert of_listener, opened
    for arn in [made["RuleArn"], default_rule(opened)["RuleArn"]]:
        assert re.fullmatch(f"{prefix}listener-rule{of_listener[1]}/[0-9a-f]{{16}}", arn), arn
    assert re.fullmatch(f"{prefix}targetgroup/{group['TargetGroupName']}/[0-9a-f]{{16}}", group["TargetGroupArn"]), group
    remove(balancer)


def default_rule(opened):
    rules = elb.describe_rules(ListenerArn=opened["ListenerArn"])["Rules"]
    return next(it for it in rules if it["IsDefault"])


# ALB-R-009: provisioning at first, then active
def test_a_new_load_balancer_gets_active():
    balancer = load_balancer(Scheme="internal", SecurityGroups=GROUPS, Tags=[{"Key": "stage", "Value": "dev"}])
    equal(balancer["State"]["Code"], "provisioning")
    named = balancer["LoadBalancerName"]
    elb.get_waiter("load_balancer_available").wait(Names=[named], WaiterConfig=POLLS)
    found = elb.describe_load_balancers(Names=[named])["LoadBalancers"][0]
    equal(found["State"]["Code"], "active")
    assert re.fullmatch(rf"internal-{named}-\d+\.us-east-1\.elb\.localhost", found["DNSName"]), found["DNSName"]
    equal((found["Scheme"], found["Type"], found["IpAddressType"], found["VpcId"]), ("internal", "application", "ipv4", VPC))
    equal([zone["SubnetId"] for zone in found["AvailabilityZones"]], SUBNETS[:2])
    equal(found["SecurityGroups"], GROUPS)
    equal(found["CanonicalHostedZoneId"], "Z35SXDOTRQ7X7K")
    assert found["CreatedTime"].tzinfo is not None
    elb.get_waiter("load_balancer_exists").wait(Names=[named], WaiterConfig=POLLS)
    remove(balancer)
    elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer["LoadBalancerArn"]], WaiterConfig=POLLS)


# ALB-R-006, ALB-R-007, ALB-R-008: names
def test_names_have_rules():
    for bad in ["internal-x", "a" * 33, "-a", "a-", "a_b"]:
        refused("ValidationError", elb.create_load_balancer, Name=bad, Subnets=SUBNETS)
    for bad in ["a" * 33, "-a", "a-", "a--b"]:
        refused("ValidationError", elb.create_target_group, Name=bad, Protocol="HTTP", Port=80, VpcId=VPC)
    remove(load_balancer(Name="a" * 32))
    target_group(Name="a" * 32)


# ALB-R-010: one subnet, or two of one zone
def test_subnets_lie_in_two_zones():
    create = elb.create_load_balancer
    refused("ValidationError", create, Name="one", Subnets=SUBNETS[:1])
    refused("ValidationError", create, Name="none")
    refused("InvalidConfigurationRequest", create, Name="twice", Subnets=[SUBNETS[0], SUBNETS[0]])
    # Nobody can know the subnets of the default VPC but from here.
    refused("SubnetNotFound", create, Name="other", Subnets=["subnet-0123abcd", SUBNETS[0]], contains=SUBNETS[1])
    refused("InvalidSecurityGroup", create, Name="other", Subnets=SUBNETS, SecurityGroups=["sg-0123abcd"])
    balancer = load_balancer(SubnetMappings=[{"SubnetId": it} for it in SUBNETS[1:]], Subnets=[])
    equal([zone["SubnetId"] for zone in balancer["AvailabilityZones"]], SUBNETS[1:])
    arn = balancer["LoadBalancerArn"]
    answer = elb.set_subnets(LoadBalancerArn=arn, Subnets=SUBNETS)
    equal([zone["SubnetId"] for zone in answer["AvailabilityZones"]], SUBNETS)
    refused("ValidationError", elb.set_subnets, LoadBalancerArn=arn, Subnets=SUBNETS[:1])
    equal(elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=GROUPS)["SecurityGroupIds"], GROUPS)
    equal(elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="ipv4")["IpAddressType"], "ipv4")
    refused("InvalidSubnet", elb.set_ip_address_type, LoadBalancerArn=arn, IpAddressType="dualstack")
    remove(balancer)


# ALB-R-011: the same again is the same one
def test_creating_again_is_no_error():
    arguments = {"Name": name("lb"), "Subnets": SUBNETS[:2], "Tags": [{"Key": "a", "Value": "b"}]}
    first = load_balancer(**arguments)
    again = load_balancer(**arguments)
    equal(again["LoadBalancerArn"], first["LoadBalancerArn"])
    for other in [{"Scheme": "internal"}, {"Subnets": SUBNETS}, {"Tags": [{"Key": "a", "Value": "c"}]}]:
        refused("DuplicateLoadBalancerName", elb.create_load_balancer, **{**arguments, **other})
    opened = listener(first, 9001)
    equal(listener(first, 9001)["ListenerArn"], opened["ListenerArn"])
    remove(first)
    groups = {"Name": name("tg"), "Protocol": "HTTP", "Port": 80, "VpcId": VPC, "TargetType": "ip"}
    group = target_group(**groups)
    equal(target_group(**groups)["TargetGroupArn"], group["TargetGroupArn"])
    refused("DuplicateTargetGroupName", elb.create_target_group, **{**groups, "Port": 81})


# ALB-R-012, ALB-R-013, ALB-R-014, ALB-R-015, ALB-R-016
def test_attributes_of_load_balancers():
    arn = load_balancer()["LoadBalancerArn"]
    fresh = pairs(elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
    equal(fresh["idle_timeout.timeout_seconds"], "60")
    equal(fresh["client_keep_alive.seconds"], "3600")
    equal(fresh["routing.http2.enabled"], "true")
    equal(fresh["routing.http.desync_mitigation_mode"], "defensive")
    equal(fresh["routing.http.xff_header_processing.mode"], "append")
    on = {key for key, value in fresh.items() if key.endswith(".enabled") and value == "true"}
    equal(on, {"routing.http2.enabled", "load_balancing.cross_zone.enabled"})

    def modify(*attributes):
        attributes = [{"Key": key, "Value": value} for key, value in attributes]
        return pairs(elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes))

    for bad in [
        ("idle_timeout.timeout_seconds", "0"),
        ("idle_timeout.timeout_seconds", "4001"),
        ("client_keep_alive.seconds", "59"),
        ("client_keep_alive.seconds", "604801"),
    ]:
        refused("ValidationError", lambda bad=bad: modify(bad))
    for good in ["1", "4000"]:
        equal(modify(("idle_timeout.timeout_seconds", good))["idle_timeout.timeout_seconds"], good)
    before = pairs(elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
    three = [("routing.http2.enabled", "false"), ("idle_timeout.timeout_seconds", "x"), ("client_keep_alive.seconds", "60")]
    refused("ValidationError", lambda: modify(*three))
    equal(pairs(elb.describe_load_balancer_attributes(LoadBalancerArn=arn)), before)
    refused("ValidationError", lambda: modify(*[(f"key.{number}", "") for number in range(21)]))
    refused("ValidationError", lambda: modify(("colour", "red")), contains="attribute key 'colour' is not recognized")
    for key in ["waf.fail_open.enabled", "zonal_shift.config.enabled"]:
        equal([modify((key, value))[key] for value in ["true", "false"]], ["true", "false"], key)
    # Everything that was read can be written back, as Terraform does.
    all_of_them = sorted(before.items())
    equal(modify(*all_of_them[:20])["idle_timeout.timeout_seconds"], "4000")
    equal(modify(*all_of_them[20:]), before)
    refused("LoadBalancerNotFound", elb.describe_load_balancer_attributes, LoadBalancerArn=arn[:-1] + ("1" if arn.endswith("0") else "0"))


# ALB-R-017, ALB-R-018, ALB-R-019
def test_deleting_load_balancers():
    balancer, group = load_balancer(), target_group()
    arn = balancer["LoadBalancerArn"]
    opened = listener(balancer, 9001, forward(group))
    equal(users(group), [arn])
    protect = lambda value: elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": "deletion_protection.enabled", "Value": value}]
    )
    protect("true")
    refused("OperationNotPermitted", elb.delete_load_balancer, LoadBalancerArn=arn, contains="deletion protection")
    protect("false")
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    gone = [opened["ListenerArn"]]
    refused("ListenerNotFound", elb.describe_listeners, ListenerArns=gone, contains="One or more listeners not found")
    refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[arn])
    equal(users(group), [])
    assert all(it["port"] != 9001 for it in own_api("status")["listeners"])


def users(group):
    found = elb.describe_target_groups(TargetGroupArns=[group["TargetGroupArn"]])["TargetGroups"]
    return found[0]["LoadBalancerArns"]


# ALB-A-031: the default action changes with its listener
def test_a_listener_serves_before_the_answer():
    balancer = load_balancer()
    opened = listener(balancer, 9001, fixed("one"))
    status, headers, body = ask(9001)
    equal((status, headers["Server"], body), (200, "awselb/2.0", "one"))
    arn = opened["ListenerArn"]
    equal(elb.modify_listener(ListenerArn=arn, DefaultActions=fixed("two", "404"))["Listeners"][0]["Port"], 9001)
    equal(ask(9001)[::2], (404, "two"))
    elb.modify_listener(ListenerArn=arn, Port=9002)
    equal(ask(9002)[::2], (404, "two"))
    assert all(it["port"] != 9001 for it in own_api("status")["listeners"])
    made = rule(opened, 10, path_is("/ten"), fixed("ten"))
    equal(ask(9002, "/ten")[2], "ten")
    elb.modify_rule(RuleArn=made["RuleArn"], Actions=fixed("more"))
    equal(ask(9002, "/ten")[2], "more")
    elb.delete_rule(RuleArn=made["RuleArn"])
    equal(ask(9002, "/ten")[2], "two")
    elb.delete_listener(ListenerArn=arn)
    refused("ListenerNotFound", elb.delete_listener, ListenerArn=arn)
    remove(balancer)


# ALB-R-031, ALB-P-009
def test_listeners_are_refused():
    balancer = load_balancer()
    arn = balancer["LoadBalancerArn"]
    listener(balancer, 9001)
    refused("DuplicateListener", listener, load_balancer=balancer, port=9001, actions=fixed("other"))
    refused("ValidationError", elb.describe_listeners)
    refused("ValidationError", elb.create_listener, LoadBalancerArn=arn, Port=9002, DefaultActions=fixed("x"))
    refused("ValidationError", elb.create_listener, LoadBalancerArn=arn, Protocol="HTTP", DefaultActions=fixed("x"))
    refused("ValidationError", listener, load_balancer=balancer, port=70000)
    refused("ValidationError", listener, load_balancer=balancer, port=9002, Protocol="TCP")
    refused("LoadBalancerNotFound", elb.describe_listeners, LoadBalancerArn=arn[:-4] + "0000")
    refused("ValidationError", elb.describe_listeners, LoadBalancerArn="nonsense")
    oidc = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
        "Issuer": "https://a", "AuthorizationEndpoint": "https://a", "TokenEndpoint": "https://a",
        "UserInfoEndpoint": "https://a", "ClientId": "a", "ClientSecret": "hidden"}}
    actions = [oidc, {**fixed("x")[0], "Order": 2}]
    error = refused("NotImplemented", listener, status=501, load_balancer=balancer, port=9002, actions=actions)
    assert "hidden" not in str(error), error
    # Another process has the port; nothing is left of the try.
    taken = Target("taken").port
    refused("InvalidConfigurationRequest", listener, load_balancer=balancer, port=taken, contains=str(taken))
    equal(len(elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]), 1)
    equal(ask(9001)[2], "default")
    remove(balancer)


# ALB-R-032, ALB-R-033, ALB-P-023, ALB-P-024, ALB-P-025
def test_https_listeners():
    owned = elb.describe_load_balancers(Names=["owned"])["LoadBalancers"][0]
    secure = elb.describe_listeners(LoadBalancerArn=owned["LoadBalancerArn"])["Listeners"]
    secure = next(it for it in secure if it["Protocol"] == "HTTPS")
    listed = elb.describe_listener_certificates(ListenerArn=secure["ListenerArn"])["Certificates"]
    one, two = [{"CertificateArn": it["CertificateArn"]} for it in listed]
    equal([it["IsDefault"] for it in listed], [True, False])
    balancer = load_balancer()
    refused("ValidationError", listener, load_balancer=balancer, port=9003, Protocol="HTTPS")
    refused("InvalidConfigurationRequest", listener, load_balancer=balancer, port=9003, Protocol="HTTPS", Certificates=[one, two])
    nobody = {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"}
    refused("CertificateNotFound", listener, load_balancer=balancer, port=9003, Protocol="HTTPS", Certificates=[nobody])
    refused("SSLPolicyNotFound", listener, load_balancer=balancer, port=9003, Protocol="HTTPS", Certificates=[one], SslPolicy="x")
    opened = listener(balancer, 9003, Protocol="HTTPS", Certificates=[one])
    equal(opened["SslPolicy"], "ELBSecurityPolicy-2016-08")
    equal(opened["Certificates"], [one])
    equal(opened["MutualAuthentication"], {"Mode": "off"})
    arn = opened["ListenerArn"]
    for _ in range(2):
        equal(elb.add_listener_certificates(ListenerArn=arn, Certificates=[two])["Certificates"], [{**two, "IsDefault": False}])
    pages = elb.get_paginator("describe_listener_certificates").paginate(ListenerArn=arn, PaginationConfig={"PageSize": 1})
    found = [it for page in pages for it in page["Certificates"]]
    equal(found, [{**one, "IsDefault": True}, {**two, "IsDefault": False}])
    refused("OperationNotPermitted", elb.remove_listener_certificates, ListenerArn=arn, Certificates=[one])
    elb.remove_listener_certificates(ListenerArn=arn, Certificates=[two])
    equal(len(elb.describe_listener_certificates(ListenerArn=arn)["Certificates"]), 1)
    header = "routing.http.request.x_amzn_tls_version.header_name"
    changed = elb.modify_listener_attributes(ListenerArn=arn, Attributes=[{"Key": header, "Value": "X-Tls"}])
    equal(pairs(changed)[header], "X-Tls")
    plain = elb.modify_listener(ListenerArn=arn, Protocol="HTTP")["Listeners"][0]
    assert "SslPolicy" not in plain and "Certificates" not in plain, plain
    equal(ask(9003)[2], "default")
    assert header not in pairs(elb.describe_listener_attributes(ListenerArn=arn))
    refused("InvalidConfigurationRequest", elb.modify_listener, ListenerArn=arn, Protocol="HTTPS")
    policy = "ELBSecurityPolicy-TLS13-1-3-2021-06"
    secure = elb.modify_listener(ListenerArn=arn, Protocol="HTTPS", Certificates=[two], SslPolicy=policy)["Listeners"][0]
    equal((secure["SslPolicy"], secure["Certificates"]), (policy, [two]))
    store = elb.describe_trust_stores(Names=["clients"])["TrustStores"][0]
    equal((store["Status"], store["NumberOfCaCertificates"]), ("ACTIVE", 1))
    verify = {"Mode": "verify", "TrustStoreArn": store["TrustStoreArn"], "AdvertiseTrustStoreCaNames": "on"}
    changed = elb.modify_listener(ListenerArn=arn, MutualAuthentication=verify)["Listeners"][0]["MutualAuthentication"]
    equal(changed, {**verify, "IgnoreClientCertificateExpiry": False, "TrustStoreAssociationStatus": "active"})
    users = elb.describe_trust_store_associations(TrustStoreArn=store["TrustStoreArn"])["TrustStoreAssociations"]
    equal(users, [{"ResourceArn": arn}])
    remove(balancer)


def test_load_balancers_share_a_port_by_their_names():
    one, two = load_balancer(), load_balancer()
    listener(one, 9004, fixed("one"))
    listener(two, 9004, fixed("two"))
    for balancer, expected in [(one, "one"), (two, "two")]:
        equal(ask(9004, headers={"Host": balancer["DNSName"]})[2], expected)
    remove(one)
    equal(ask(9004)[2], "two")
    remove(two)


# ALB-R-030
def test_a_target_group_belongs_to_one_load_balancer():
    one, two, group = load_balancer(), load_balancer(), target_group()
    listener(one, 9001, forward(group))
    refused("TargetGroupAssociationLimit", listener, load_balancer=two, port=9002, actions=forward(group))
    remove(one)
    listener(two, 9002, forward(group))
    remove(two)


def test_regions_are_apart():
    there = client(region="eu-west-2")
    here = load_balancer(Name="same-name")
    refused("LoadBalancerNotFound", there.describe_load_balancers, LoadBalancerArns=[here["LoadBalancerArn"]])
    refused("SubnetNotFound", there.create_load_balancer, Name="same-name", Subnets=SUBNETS)
    equal([it["LoadBalancerName"] for it in there.describe_load_balancers()["LoadBalancers"]], [])
    refused("ValidationError", there.delete_load_balancer, LoadBalancerArn=here["LoadBalancerArn"])
    group = target_group()
    told = str(refused("SubnetNotFound", there.create_load_balancer, Name="a", Subnets=SUBNETS))
    subnets = re.findall(r"(subnet-0[0-9a-f]{16}) \(", told)
    other = there.create_load_balancer(Name="other", Subnets=subnets)["LoadBalancers"][0]
    refused(
        "TargetGroupNotFound",
        there.create_listener,
        LoadBalancerArn=other["LoadBalancerArn"],
        Protocol="HTTP",
        Port=9008,
        DefaultActions=forward(group),
    )
    equal(other["CanonicalHostedZoneId"], "ZHURV8PSTC4K8")
    there.delete_load_balancer(LoadBalancerArn=other["LoadBalancerArn"])
    assert elb.describe_load_balancers(Names=["same-name"])["LoadBalancers"]
    remove(here)


def test_callers_at_once_do_not_undo_each_other():
    balancer = load_balancer()
    arn, opened = balancer["LoadBalancerArn"], listener(balancer, 9007)
    every = [
        ("idle_timeout.timeout_seconds", "61"),
        ("client_keep_alive.seconds", "62"),
        ("routing.http2.enabled", "false"),
        ("routing.http.preserve_host_header.enabled", "true"),
        ("routing.http.xff_client_port.enabled", "true"),
        ("routing.http.drop_invalid_header_fields.enabled", "true"),
    ]

    def modify(number):
        key, value = every[number]
        own = client()
        own.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}])
        for tag in range(5):
            own.add_tags(ResourceArns=[arn], Tags=[{"Key": f"{number}-{tag}", "Value": ""}])
        priority = number + 1
        made = own.create_rule(
            ListenerArn=opened["ListenerArn"], Priority=priority, Conditions=path_is(f"/{priority}"), Actions=fixed(f"{priority}")
        )
        # What was answered is served.
        equal(ask(9007, f"/{priority}")[2], f"{priority}")
        return made["Rules"][0]["RuleArn"]

    asking, statuses = threading.Event(), set()

    def traffic():
        while not asking.is_set():
            statuses.add(ask(9007)[::2])

    with concurrent.futures.ThreadPoolExecutor(len(every) + 1) as pool:
        served = pool.submit(traffic)
        try:
            made = list(pool.map(modify, range(len(every))))
        finally:
            asking.set()
        served.result()
    equal(len(set(made)), len(every))
    equal(statuses, {(200, "default")})
    found = pairs(elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
    equal([(key, found[key]) for key, _ in every], every)
    tags = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    equal(len(tags), 5 * len(every))
    equal(len(elb.describe_rules(ListenerArn=opened["ListenerArn"])["Rules"]), len(every) + 1)
    remove(balancer)


def test_what_the_manifest_owns_stays():
    owned = elb.describe_load_balancers(Names=["owned"])["LoadBalancers"][0]
    arn = owned["LoadBalancerArn"]
    opened = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"][0]
    group = elb.describe_target_groups(Names=["hello"])["TargetGroups"][0]
    for call, arguments in [
        (elb.delete_load_balancer, {"LoadBalancerArn": arn}),
        (elb.set_subnets, {"LoadBalancerArn": arn, "Subnets": SUBNETS}),
        (elb.delete_listener, {"ListenerArn": opened["ListenerArn"]}),
        (listener, {"load_balancer": owned, "port": 9001}),
        (rule, {"listener": opened, "priority": 7}),
        (elb.delete_target_group, {"TargetGroupArn": group["TargetGroupArn"]}),
        (elb.add_tags, {"ResourceArns": [arn], "Tags": [{"Key": "a", "Value": "b"}]}),
    ]:
        refused("OperationNotPermitted", call, contains="albacore.yaml", **arguments)
    equal(ask(8080)[2], "owned")


def test_a_rule_reaches_servers():
    balancer, one, two = load_balancer(), Target("one"), Target("two")
    group = target_group(HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)
    arn = group["TargetGroupArn"]
    opened = listener(balancer, 9005, forward(group))
    equal(ask(9005)[0], 503)
    elb.register_targets(TargetGroupArn=arn, Targets=[one.entry()])
    equal(ask(9005, "/a?b=c")[::2], (200, "one /a?b=c"))
    elb.get_waiter("target_in_service").wait(TargetGroupArn=arn, WaiterConfig=POLLS)
    elb.register_targets(TargetGroupArn=arn, Targets=[two.entry()])
    seen = lambda: {ask(9005)[2] for _ in range(10)} == {"one /", "two /"}
    until("both get requests", seen)
    elb.modify_target_group_attributes(
        TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "0"}]
    )
    elb.deregister_targets(TargetGroupArn=arn, Targets=[one.entry()])
    equal({ask(9005)[2] for _ in range(6)}, {"two /"})
    elb.get_waiter("target_deregistered").wait(TargetGroupArn=arn, Targets=[one.entry()], WaiterConfig=POLLS)
    weighted = target_group()
    elb.register_targets(TargetGroupArn=weighted["TargetGroupArn"], Targets=[one.entry()])
    tuples = [
        {"TargetGroupArn": arn, "Weight": 0},
        {"TargetGroupArn": weighted["TargetGroupArn"], "Weight": 5},
    ]
    sticky = {"Enabled": True, "DurationSeconds": 60}
    config = {"TargetGroups": tuples, "TargetGroupStickinessConfig": sticky}
    made = rule(opened, 5, path_is("/weighted"), [{"Type": "forward", "ForwardConfig": config}])
    equal(made["Actions"][0]["ForwardConfig"], config)
    assert "TargetGroupArn" not in made["Actions"][0], made
    status, headers, body = ask(9005, "/weighted")
    equal((status, body), (200, "one /weighted"))
    assert "AWSALBTG" in headers["Set-Cookie"], headers
    remove(balancer)


run(globals())
