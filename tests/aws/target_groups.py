"""Target groups, their attributes, targets and health, and what is the same for everybody."""

from aws import POLLS, Target, equal, refused, run
from resources import VPC, elb, forward, listener, load_balancer, name, pairs, remove, target_group


def found(group):
    return elb.describe_target_groups(TargetGroupArns=[group["TargetGroupArn"]])["TargetGroups"][0]


# ALB-R-020, ALB-R-021, ALB-R-026
def test_groups_with_a_function():
    for bad in [{"Protocol": "HTTP"}, {"Port": 80}, {"VpcId": VPC}, {"ProtocolVersion": "HTTP1"}]:
        refused("ValidationError", elb.create_target_group, Name="x", TargetType="lambda", **bad)
    group = elb.create_target_group(Name=name("tg"), TargetType="lambda")["TargetGroups"][0]
    expected = {
        "HealthCheckEnabled": False,
        "HealthCheckIntervalSeconds": 35,
        "HealthCheckTimeoutSeconds": 30,
        "HealthyThresholdCount": 5,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/",
        "Matcher": {"HttpCode": "200"},
        "LoadBalancerArns": [],
        "TargetType": "lambda",
        "IpAddressType": "ipv4",
    }
    equal({key: group[key] for key in group if key not in ["TargetGroupArn", "TargetGroupName"]}, expected)
    arn = group["TargetGroupArn"]
    key = "lambda.multi_value_headers.enabled"
    equal(pairs(elb.describe_target_group_attributes(TargetGroupArn=arn))[key], "false")
    set_to = lambda key, value: elb.modify_target_group_attributes(
        TargetGroupArn=arn, Attributes=[{"Key": key, "Value": value}]
    )
    equal(pairs(set_to(key, "true"))[key], "true")
    refused("InvalidConfigurationRequest", lambda: set_to("deregistration_delay.timeout_seconds", "5"))
    refused("ValidationError", lambda: set_to("colour", "red"), contains="Target group attribute key 'colour' is not recognized")
    changed = elb.modify_target_group(TargetGroupArn=arn, HealthCheckEnabled=True, HealthCheckPath="/health")
    equal(changed["TargetGroups"][0], {**group, "HealthCheckEnabled": True, "HealthCheckPath": "/health"})


# ALB-R-022, ALB-R-023, ALB-R-024, ALB-P-026
def test_groups_of_servers():
    group = target_group(TargetType="instance", Port=8080)
    expected = {
        "Protocol": "HTTP",
        "Port": 8080,
        "VpcId": VPC,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": True,
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 5,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/",
        "Matcher": {"HttpCode": "200"},
        "TargetType": "instance",
        "ProtocolVersion": "HTTP1",
        "IpAddressType": "ipv4",
        "LoadBalancerArns": [],
    }
    equal({key: group[key] for key in group if key not in ["TargetGroupArn", "TargetGroupName"]}, expected)
    # So says Terraform's provider when its user says nothing.
    equal(target_group(ProtocolVersion="")["ProtocolVersion"], "HTTP1")
    grpc = target_group(ProtocolVersion="GRPC")
    equal((grpc["HealthCheckPath"], grpc["Matcher"]), ("/AWS.ALB/healthcheck", {"GrpcCode": "12"}))
    arn = group["TargetGroupArn"]
    for target_type in ["instance", "ip"]:
        refused("ValidationError", target_group, TargetType=target_type, HealthCheckEnabled=False)
    refused("ValidationError", elb.modify_target_group, TargetGroupArn=arn, HealthCheckEnabled=False)
    message = "Health check timeout '5' must be smaller than the interval '5'"
    refused("ValidationError", elb.modify_target_group, TargetGroupArn=arn, HealthCheckIntervalSeconds=5, contains=message)
    changed = elb.modify_target_group(TargetGroupArn=arn, Matcher={"HttpCode": "200-299"}, HealthCheckPort="81")
    equal(changed["TargetGroups"][0], {**group, "Matcher": {"HttpCode": "200-299"}, "HealthCheckPort": "81"})
    refused("ValidationError", elb.modify_target_group, TargetGroupArn=arn, Matcher={"HttpCode": "600"})
    create = {"Name": "x", "Protocol": "HTTP", "Port": 80, "VpcId": VPC}
    for missing, message in [
        ("Protocol", "A protocol must be specified"),
        ("Port", "A port must be specified"),
        ("VpcId", "A VPC ID must be specified"),
    ]:
        rest = {key: value for key, value in create.items() if key != missing}
        refused("ValidationError", elb.create_target_group, contains=message, **rest)
    refused("ValidationError", elb.create_target_group, **{**create, "VpcId": "vpc-0123abcd"}, contains="is not found")
    refused("NotImplemented", elb.create_target_group, status=501, **{**create, "Protocol": "TCP"})
    refused("NotImplemented", elb.create_target_group, status=501, TargetControlPort=3000, contains="TargetControlPort", **create)


# ALB-R-025, ALB-R-027, ALB-R-028, ALB-R-029
def test_attributes():
    arn = target_group(TargetType="instance")["TargetGroupArn"]
    fresh = pairs(elb.describe_target_group_attributes(TargetGroupArn=arn))
    for key, value in {
        "load_balancing.algorithm.type": "round_robin",
        "slow_start.duration_seconds": "0",
        "stickiness.enabled": "false",
        "deregistration_delay.timeout_seconds": "300",
        "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    }.items():
        equal(fresh[key], value, key)

    def modify(**attributes):
        attributes = [{"Key": key.replace("__", "."), "Value": value} for key, value in attributes.items()]
        return pairs(elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes))

    for bad in ["29", "901"]:
        refused("ValidationError", lambda bad=bad: modify(slow_start__duration_seconds=bad))
    for good in ["30", "900", "0"]:
        equal(modify(slow_start__duration_seconds=good)["slow_start.duration_seconds"], good)
    app_cookie = {"stickiness__enabled": "true", "stickiness__type": "app_cookie"}
    message = "You must set an application cookie name to enable stickiness of type 'app_cookie'"
    refused("InvalidConfigurationRequest", lambda: modify(**app_cookie), contains=message)
    refused("ValidationError", lambda: modify(stickiness__app_cookie__cookie_name="AWSALBX"))
    weighted = {"load_balancing__algorithm__type": "weighted_random"}
    refused("InvalidConfigurationRequest", lambda: modify(stickiness__enabled="true", **weighted))
    refused("InvalidConfigurationRequest", lambda: modify(slow_start__duration_seconds="30", **weighted))
    equal(pairs(elb.describe_target_group_attributes(TargetGroupArn=arn)), fresh)
    key = "waf.http2.traffic_inspection_behavior"
    equal(modify(waf__http2__traffic_inspection_behavior="inspect_after_sufficient_data"), {**fresh, key: "inspect_after_sufficient_data"})
    refused("TargetGroupNotFound", elb.describe_target_group_attributes, TargetGroupArn=arn[:-4] + "0000")


# ALB-P-018, ALB-P-019, ALB-B-027: a target that was never registered
def test_targets_are_registered_once():
    target, group = Target("target"), target_group(Port=81)
    arn = group["TargetGroupArn"]
    health = lambda **more: elb.describe_target_health(TargetGroupArn=arn, **more)["TargetHealthDescriptions"]
    equal(health(), [])
    for _ in range(2):
        elb.register_targets(TargetGroupArn=arn, Targets=[target.entry()])
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.0.0.7", "AvailabilityZone": "all"}])
    ids = sorted((it["Target"]["Id"], it["Target"]["Port"], it["Target"]["AvailabilityZone"]) for it in health())
    equal(ids, [("10.0.0.7", 81, "all"), ("127.0.0.1", target.port, "us-east-1a")])
    unused = health(Targets=[target.entry()])
    equal(len(unused), 1)
    equal((unused[0]["TargetHealth"]["State"], unused[0]["TargetHealth"]["Reason"]), ("unused", "Target.NotInUse"))
    equal(unused[0]["HealthCheckPort"], str(target.port))
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": "10.9.9.9"}])
    nobody = health(Targets=[{"Id": "10.9.9.9"}])
    equal(len(nobody), 1)
    equal(nobody[0]["Target"], {"Id": "10.9.9.9", "Port": 81})
    equal((nobody[0]["TargetHealth"]["State"], nobody[0]["TargetHealth"]["Reason"]), ("unused", "Target.NotRegistered"))
    for bad in ["8.8.8.8", "nonsense", "i-0123abcd", "::1"]:
        try:
            elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": bad}])
        except elb.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ["ValidationError", "InvalidTarget"], error
        else:
            raise AssertionError(f"{bad} was taken")
    many = [{"Id": f"10.1.{number // 250}.{number % 250}"} for number in range(1001)]
    refused("TooManyTargets", elb.register_targets, TargetGroupArn=arn, Targets=many)


# ALB-P-020, ALB-P-021
def test_instances():
    arn = target_group(TargetType="instance")["TargetGroupArn"]
    message = "The following targets are not in a running state and cannot be registered: 'i-0123456789abcdef0'"
    refused("InvalidTarget", elb.register_targets, TargetGroupArn=arn, Targets=[{"Id": "i-0123456789abcdef0"}], contains=message)
    # The manifest says where this one is.
    both = [{"Id": "i-0aaaaaaaaaaaaaaaa", "Port": 81}, {"Id": "i-0aaaaaaaaaaaaaaaa", "Port": 82}]
    elb.register_targets(TargetGroupArn=arn, Targets=both)
    described = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    equal(sorted(it["Target"]["Port"] for it in described), [81, 82])
    assert all("AvailabilityZone" not in it["Target"] for it in described), described


# ALB-B-030: and not to those who ask for health alone
def test_health_is_told():
    target, group, balancer = Target("target"), target_group(), load_balancer()
    arn = group["TargetGroupArn"]
    listener(balancer, 9006, forward(group))
    elb.register_targets(TargetGroupArn=arn, Targets=[target.entry()])
    elb.get_waiter("target_in_service").wait(TargetGroupArn=arn, WaiterConfig=POLLS)
    told = elb.describe_target_health(TargetGroupArn=arn, Include=["AnomalyDetection"])["TargetHealthDescriptions"]
    equal(told[0]["TargetHealth"], {"State": "healthy"})
    equal(told[0]["AnomalyDetection"], {"Result": "normal", "MitigationInEffect": "no"})
    equal(told[0]["AdministrativeOverride"]["State"], "no_override")
    plain = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    assert "AnomalyDetection" not in plain[0], plain
    everything = elb.describe_target_health(TargetGroupArn=arn, Include=["All"])["TargetHealthDescriptions"]
    equal(everything[0]["AnomalyDetection"], told[0]["AnomalyDetection"])
    remove(balancer)


# ALB-L-003: a function by its ARN, never by its name
def test_functions_need_a_policy():
    arn = elb.create_target_group(Name=name("tg"), TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    function = "arn:aws:lambda:us-east-1:000000000000:function:hello"
    message = f"elasticloadbalancing principal does not have permission to invoke {function} from target group {arn}"
    register = lambda *ids: elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": it} for it in ids])
    refused("AccessDenied", lambda: register(function), status=403, contains=message)
    refused("InvalidTarget", lambda: register(function + "x"))
    refused("ValidationError", lambda: register("hello"))
    refused("TooManyTargets", lambda: register(function, function + "x"))
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": function}])
    owned = elb.describe_target_groups(Names=["hello"])["TargetGroups"][0]["TargetGroupArn"]
    told = elb.describe_target_health(TargetGroupArn=owned, Targets=[{"Id": function}])["TargetHealthDescriptions"]
    equal((told[0]["Target"], len(told)), ({"Id": function, "AvailabilityZone": "all"}, 1))
    equal(told[0]["TargetHealth"]["Reason"], "Target.HealthCheckDisabled")


# ALB-P-007, ALB-P-008
def test_groups_are_described():
    names = {target_group()["TargetGroupName"] for _ in range(5)}
    pages = list(elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2}))
    assert len(pages) > 2 and all(len(page["TargetGroups"]) <= 2 for page in pages)
    seen = [it["TargetGroupName"] for page in pages for it in page["TargetGroups"]]
    equal(len(seen), len(set(seen)))
    assert names <= set(seen), seen
    refused("TargetGroupNotFound", elb.describe_target_groups, Names=["nobody"])
    refused("LoadBalancerNotFound", elb.describe_load_balancers, Names=["nobody"])
    refused("ValidationError", elb.describe_target_groups, Names=["a"], TargetGroupArns=["b"])
    owned = elb.describe_load_balancers(Names=["owned"])["LoadBalancers"][0]["LoadBalancerArn"]
    of = elb.describe_target_groups(LoadBalancerArn=owned)["TargetGroups"]
    equal(sorted(it["TargetGroupName"] for it in of), ["hello", "machines"])


# ALB-X-005: of every policy
def test_what_is_the_same_for_everybody():
    policies = [it for page in elb.get_paginator("describe_ssl_policies").paginate() for it in page["SslPolicies"]]
    assert len(policies) > 40
    for policy in policies:
        equal([it["Priority"] for it in policy["Ciphers"]], list(range(1, len(policy["Ciphers"]) + 1)), policy["Name"])
    one = elb.describe_ssl_policies(Names=["ELBSecurityPolicy-TLS13-1-3-2021-06"])["SslPolicies"][0]
    equal(one["SslProtocols"], ["TLSv1.3"])
    equal(one["Ciphers"][0], {"Name": "TLS_AES_128_GCM_SHA256", "Priority": 1})
    refused("SSLPolicyNotFound", elb.describe_ssl_policies, Names=["nobody"])
    limits = {it["Name"]: it["Max"] for it in elb.describe_account_limits()["Limits"]}
    equal((limits["application-load-balancers"], limits["rules-per-application-load-balancer"]), ("50", "100"))


def test_what_the_manifest_owns_is_told_and_left_alone():
    owned = elb.describe_load_balancers(Names=["owned"])["LoadBalancers"][0]["LoadBalancerArn"]
    store = elb.describe_trust_stores()["TrustStores"][0]["TrustStoreArn"]
    equal(elb.describe_capacity_reservation(LoadBalancerArn=owned)["CapacityReservationState"], [])
    bundle = {"CaCertificatesBundleS3Bucket": "b", "CaCertificatesBundleS3Key": "k"}
    refused("CaCertificatesBundleNotFound", elb.create_trust_store, Name="more", contains="bucket does not exist", **bundle)
    refused("ResourceNotFound", elb.get_resource_policy, ResourceArn=store)
    equal(elb.describe_trust_store_revocations(TrustStoreArn=store)["TrustStoreRevocations"], [])
    refused("OperationNotPermitted", elb.delete_trust_store, TrustStoreArn=store, contains="albacore.yaml")


run(globals())
