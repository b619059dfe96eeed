"""What Terraform's AWS provider asks about what `terraform.py` leaves out: servers as targets, a redirect to HTTPS, weighted forwards,
rules without a priority, an imported certificate, a published function with an alias and a permission of its own.
Source: clients.md 1."""

import json
import os
import subprocess
import tempfile

from aws import POLLS, Target, ask, client, equal, refused, run
from lambda_package import ARN, ROLE, package
from plans import PLANS, TAGS, change, one, plan, planned, tag_list, tag_map
from resources import GROUPS, SUBNETS, VPC, elb

lambda_, acm = client("lambda"), client("acm")


def tags_of(arn):
    return tag_map(one(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"])["Tags"])


def attributes_of(answer):
    return {it["Key"]: it["Value"] for it in answer["Attributes"]}


def attribute_list(attributes):
    return [{"Key": key, "Value": value} for key, value in attributes.items()]


# aws_acm_certificate of one's own PEM files

def pem():
    with tempfile.TemporaryDirectory() as folder:
        request = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=own.localhost"
        named = ["-addext", "subjectAltName=DNS:own.localhost"]
        subprocess.run(["openssl", *request.split(), *named], cwd=folder, check=True, capture_output=True)
        read = lambda name: open(os.path.join(folder, name), "rb").read()
        return {"Certificate": read("cert.pem"), "PrivateKey": read("key.pem")}


def imported():
    arn = acm.import_certificate(**pem(), Tags=tag_list())["CertificateArn"]

    def read():
        it = acm.describe_certificate(CertificateArn=arn)["Certificate"]
        names = ["DomainName", "SubjectAlternativeNames", "Type", "Status", "KeyAlgorithm", "RenewalEligibility", "NotBefore", "NotAfter",
                 "Serial", "Options"]
        return {name: it.get(name) for name in names} | {
            "domains": it.get("DomainValidationOptions"), "tags": tag_map(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]),
        }

    plan("imported", read, {
        "DomainName": "own.localhost", "SubjectAlternativeNames": ["own.localhost"], "Type": "IMPORTED", "Status": "ISSUED",
        "KeyAlgorithm": "RSA-2048", "RenewalEligibility": "INELIGIBLE", "tags": TAGS, "domains": None,
    })
    return arn


# aws_lb_target_group of addresses, and aws_lb_target_group_attachment

SERVERS = {
    "deregistration_delay.timeout_seconds": "300", "slow_start.duration_seconds": "0", "stickiness.enabled": "false",
    "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "86400",
    "load_balancing.algorithm.type": "round_robin", "load_balancing.algorithm.anomaly_mitigation": "off",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}


def target_group(name):
    refused("TargetGroupNotFound", elb.describe_target_groups, Names=[name])
    settings = {
        "TargetType": "ip", "Port": 8080, "Protocol": "HTTP", "ProtocolVersion": "HTTP1", "VpcId": VPC, "IpAddressType": "ipv4",
        "HealthCheckEnabled": True, "HealthCheckIntervalSeconds": 30, "HealthCheckPath": "/health", "HealthCheckPort": "traffic-port",
        "HealthCheckProtocol": "HTTP", "HealthCheckTimeoutSeconds": 5, "HealthyThresholdCount": 3, "UnhealthyThresholdCount": 3,
        "Matcher": {"HttpCode": "200"},
    }
    arn = one(elb.create_target_group(Name=name, Tags=tag_list(), **settings)["TargetGroups"])["TargetGroupArn"]
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attribute_list(SERVERS))

    def read():
        it = one(elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"])
        attributes = attributes_of(elb.describe_target_group_attributes(TargetGroupArn=arn))
        return {key: it.get(key) for key in settings} | {
            "attributes": {key: attributes.get(key) for key in SERVERS}, "tags": tags_of(arn), "balancers": it["LoadBalancerArns"],
        }

    plan(name, read, {**settings, "attributes": SERVERS, "tags": TAGS})
    return arn


def attachment(name, group, server):
    target = {"Id": "127.0.0.1", "Port": server.port}
    elb.register_targets(TargetGroupArn=group, Targets=[target])

    def read():
        it = one(elb.describe_target_health(TargetGroupArn=group, Targets=[target])["TargetHealthDescriptions"])
        return {"id": it["Target"]["Id"], "port": it["Target"]["Port"]}

    plan(f"{name} attachment", read, {"id": target["Id"], "port": target["Port"]})
    return target


# aws_lb, aws_lb_listener with a redirect, and with a weighted forward

def load_balancer():
    arn = one(elb.create_load_balancer(
        Name="more", Type="application", Scheme="internal", SecurityGroups=GROUPS, Tags=tag_list(),
        SubnetMappings=[{"SubnetId": id} for id in SUBNETS[:2]],
    )["LoadBalancers"])["LoadBalancerArn"]
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn], WaiterConfig=POLLS)
    switches = {"waf.fail_open.enabled": "true", "zonal_shift.config.enabled": "true", "client_keep_alive.seconds": "60"}
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attribute_list(switches))

    def read():
        it = one(elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"])
        attributes = attributes_of(elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
        return {
            "scheme": it["Scheme"], "groups": it["SecurityGroups"], "subnets": sorted(zone["SubnetId"] for zone in it["AvailabilityZones"]),
            "attributes": {key: attributes[key] for key in switches}, "tags": tags_of(arn),
        }

    plan("load balancer", read, {
        "scheme": "internal", "groups": GROUPS, "subnets": sorted(SUBNETS[:2]), "attributes": switches, "tags": TAGS,
    })
    return arn


def listener(name, balancer, **settings):
    arn = one(elb.create_listener(LoadBalancerArn=balancer, Tags=tag_list(), **settings)["Listeners"])["ListenerArn"]

    def read():
        it = one(elb.describe_listeners(ListenerArns=[arn])["Listeners"])
        attributes = attributes_of(elb.describe_listener_attributes(ListenerArn=arn))
        return {key: it.get(key) for key in settings} | {"attributes": attributes, "tags": tags_of(arn)}

    plan(name, read, {**settings, "tags": TAGS})
    return arn


def redirect(balancer):
    config = {
        "Protocol": "HTTPS", "Port": "9005", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}", "StatusCode": "HTTP_301",
    }
    actions = [{"Type": "redirect", "Order": 1, "RedirectConfig": config}]
    return listener("redirect", balancer, Protocol="HTTP", Port=9004, DefaultActions=actions)


def weighted(balancer, groups, certificate):
    tuples = [{"TargetGroupArn": group, "Weight": weight} for group, weight in zip(groups, [100, 0])]
    # Written without `enabled`: it is off, and keeps its duration.
    config = {"TargetGroups": tuples, "TargetGroupStickinessConfig": {"Enabled": False, "DurationSeconds": 600}}
    return listener(
        "weighted", balancer, Protocol="HTTPS", Port=9005, SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        Certificates=[{"CertificateArn": certificate}], DefaultActions=[{"Type": "forward", "Order": 1, "ForwardConfig": config}],
    )


# aws_lb_listener_rule, whose priority the provider chooses

def typed(condition):
    """The provider reads the typed form, which is what it writes."""
    return {key: value for key, value in condition.items() if key != "Values"}


def rule(name, listener, conditions, actions, transforms=()):
    create = lambda priority: elb.create_rule(
        ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=actions, Transforms=list(transforms), Tags=tag_list()
    )
    taken = [int(it["Priority"]) for it in elb.describe_rules(ListenerArn=listener)["Rules"] if it["Priority"] != "default"]
    if taken:
        # Somebody else may have been quicker.
        refused("PriorityInUse", create, priority=max(taken))
    made = one(create(max(taken, default=0) + 1)["Rules"])
    arn = made["RuleArn"]

    def read():
        it = one(elb.describe_rules(RuleArns=[arn])["Rules"])
        return {"priority": it["Priority"], "conditions": [typed(at) for at in it["Conditions"]], "actions": it["Actions"],
                "transforms": it["Transforms"], "tags": tags_of(arn)}

    plan(name, read, {
        "priority": str(max(taken, default=0) + 1), "conditions": conditions, "actions": actions, "transforms": list(transforms),
        "tags": TAGS,
    })
    return arn


def rules(listener, group):
    conditions = [
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "stage", "Value": "dev*"}, {"Value": "beta"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}},
    ]
    answer = {"ContentType": "text/plain", "MessageBody": "found", "StatusCode": "200"}
    fixed = rule("fixed", listener, conditions, [{"Type": "fixed-response", "Order": 1, "FixedResponseConfig": answer}])
    by_regex = [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/api/v[0-9]+/"]}}]
    tuples = {"TargetGroups": [{"TargetGroupArn": group, "Weight": 1}], "TargetGroupStickinessConfig": {"Enabled": False}}
    forward = [{"Type": "forward", "Order": 1, "TargetGroupArn": group, "ForwardConfig": tuples}]
    rewrite = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/api/v[0-9]+/(.*)$", "Replace": "/$1"}]}}
    return fixed, rule("rewritten", listener, by_regex, forward, [rewrite])


# aws_lambda_function with `publish`, aws_lambda_alias, aws_lambda_permission with a qualifier

def function():
    created = lambda_.create_function(
        FunctionName="more", Role=ROLE, Runtime="provided.al2023", Handler="bootstrap", Code={"ZipFile": package("one")}, Publish=True,
        Environment={"Variables": {"STAGE": "dev"}}, Tags=TAGS,
    )
    equal(created["Version"], "1")
    lambda_.get_waiter("function_active_v2").wait(FunctionName="more", WaiterConfig=POLLS)

    def read():
        it = lambda_.get_function(FunctionName="more")
        pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName="more", PaginationConfig={"PageSize": 1})
        last = [version for page in pages for version in page["Versions"]][-1]
        lambda_.get_function_code_signing_config(FunctionName="more")
        return {
            "version": last["Version"], "arn": last["FunctionArn"], "code": last["CodeSha256"], "tags": it["Tags"],
            "environment": it["Configuration"].get("Environment"), "own": it["Configuration"]["Version"],
        }

    plan("function", read, {
        "version": "1", "arn": f"{ARN}more:1", "code": created["CodeSha256"], "tags": TAGS, "own": "$LATEST",
        "environment": {"Variables": {"STAGE": "dev"}},
    })


def alias():
    lambda_.create_alias(FunctionName="more", Name="live", FunctionVersion="1", Description="what is live")

    def read():
        it = lambda_.get_alias(FunctionName="more", Name="live")
        return {key: it.get(key) for key in ["AliasArn", "FunctionVersion", "Description", "RoutingConfig"]}

    plan("alias", read, {
        "AliasArn": f"{ARN}more:live", "FunctionVersion": "1", "Description": "what is live", "RoutingConfig": None,
    })


def permission():
    account = "000000000000"
    lambda_.add_permission(
        FunctionName="more", Qualifier="live", StatementId="alb", Action="lambda:InvokeFunction",
        Principal="elasticloadbalancing.amazonaws.com", SourceAccount=account,
    )

    def read():
        statements = json.loads(lambda_.get_policy(FunctionName="more", Qualifier="live")["Policy"])["Statement"]
        return one([it for it in statements if it["Sid"] == "alb"])

    plan("permission", read, {
        "Principal": {"Service": "elasticloadbalancing.amazonaws.com"}, "Resource": f"{ARN}more:live", "Effect": "Allow",
        "Action": "lambda:InvokeFunction", "Condition": {"StringEquals": {"AWS:SourceAccount": account}},
    })


# changes

def updated(made):
    acm.import_certificate(CertificateArn=made["certificate"], **pem())
    elb.modify_target_group(
        TargetGroupArn=made["one"], HealthCheckEnabled=True, HealthCheckPath="/", HealthCheckIntervalSeconds=10,
        HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2, UnhealthyThresholdCount=2, HealthCheckPort="traffic-port",
        HealthCheckProtocol="HTTP", Matcher={"HttpCode": "200-399"},
    )
    slow = {"slow_start.duration_seconds": "30", "deregistration_delay.timeout_seconds": "0"}
    elb.modify_target_group_attributes(TargetGroupArn=made["one"], Attributes=attribute_list(slow))
    change("one", HealthCheckPath="/", HealthCheckIntervalSeconds=10, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
           UnhealthyThresholdCount=2, Matcher={"HttpCode": "200-399"}, attributes={**SERVERS, **slow})
    elb.add_tags(ResourceArns=[made["one"]], Tags=[{"Key": "stage", "Value": "prod"}])
    change("one", tags={"Name": "shop", "stage": "prod"})
    # From the long form to the short one.
    tuples = {"TargetGroups": [{"TargetGroupArn": made["one"], "Weight": 1}], "TargetGroupStickinessConfig": {"Enabled": False}}
    short = {"Type": "forward", "Order": 1, "TargetGroupArn": made["one"]}
    elb.modify_listener(ListenerArn=made["weighted"], DefaultActions=[short], Port=9005, Protocol="HTTPS",
                        SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06", Certificates=[{"CertificateArn": made["certificate"]}])
    change("weighted", DefaultActions=[{**short, "ForwardConfig": tuples}])
    elb.set_rule_priorities(RulePriorities=[{"RuleArn": made["fixed"], "Priority": 100}])
    change("fixed", priority="100")
    elb.modify_rule(RuleArn=made["rewritten"], ResetTransforms=True)
    change("rewritten", transforms=[])
    code = lambda_.update_function_code(FunctionName="more", ZipFile=package("two"))
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="more", WaiterConfig=POLLS)
    # The variables are taken out of the configuration: none are there, as if none had ever been.
    lambda_.update_function_configuration(FunctionName="more", Environment={"Variables": {}})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="more", WaiterConfig=POLLS)
    equal(lambda_.publish_version(FunctionName="more")["Version"], "2")
    change("function", version="2", arn=f"{ARN}more:2", code=code["CodeSha256"], environment=None)
    routing = {"AdditionalVersionWeights": {"2": 0.25}}
    lambda_.update_alias(FunctionName="more", Name="live", FunctionVersion="1", Description="two", RoutingConfig=routing)
    change("alias", Description="two", RoutingConfig=routing)


def destroyed(made):
    for name in ["fixed", "rewritten"]:
        elb.delete_rule(RuleArn=made[name])
        refused("RuleNotFound", elb.describe_rules, RuleArns=[made[name]])
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=made["certificate"])
    for name in ["redirect", "weighted"]:
        elb.delete_listener(ListenerArn=made[name])
        refused("ListenerNotFound", elb.describe_listeners, ListenerArns=[made[name]])
    for name in ["one", "two"]:
        elb.deregister_targets(TargetGroupArn=made[name], Targets=[made[f"{name} target"]])
        gone = elb.describe_target_health(TargetGroupArn=made[name], Targets=[made[f"{name} target"]])["TargetHealthDescriptions"]
        assert one(gone)["TargetHealth"]["State"] in ["draining", "unused"], gone
        elb.delete_target_group(TargetGroupArn=made[name])
        refused("TargetGroupNotFound", elb.describe_target_groups, TargetGroupArns=[made[name]])
    elb.delete_load_balancer(LoadBalancerArn=made["balancer"])
    acm.delete_certificate(CertificateArn=made["certificate"])
    lambda_.remove_permission(FunctionName="more", Qualifier="live", StatementId="alb")
    refused("ResourceNotFoundException", lambda_.get_policy, status=404, FunctionName="more", Qualifier="live")
    lambda_.delete_alias(FunctionName="more", Name="live")
    refused("ResourceNotFoundException", lambda_.get_alias, status=404, FunctionName="more", Name="live")
    lambda_.delete_function(FunctionName="more")
    refused("ResourceNotFoundException", lambda_.get_function, status=404, FunctionName="more")


def test_applied_planned_changed_and_destroyed():
    made, servers = {}, {name: Target(name) for name in ["one", "two"]}
    made["certificate"], made["balancer"] = imported(), load_balancer()
    for name, server in servers.items():
        made[name] = target_group(name)
        made[f"{name} target"] = attachment(name, made[name], server)
    made["redirect"] = redirect(made["balancer"])
    made["weighted"] = weighted(made["balancer"], [made["one"], made["two"]], made["certificate"])
    made["fixed"], made["rewritten"] = rules(made["redirect"], made["one"])
    function()
    alias()
    permission()
    planned()
    serves("one /orders")
    updated(made)
    planned()
    serves("one /api/v1/orders")
    destroyed(made)


def serves(rewritten):
    status, headers, _ = ask(9004, "/page?a=b", headers={"Host": "own.localhost"})
    equal((status, headers["Location"]), (301, "https://own.localhost:9005/page?a=b"))
    equal(ask(9004, "/?stage=development&x=beta")[2], "found")
    equal(ask(9004, "/api/v1/orders")[2], rewritten)


run(globals())
