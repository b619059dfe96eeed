"""Two runs around a kill of the server: what the first was answered, the second finds and is served by."""

import os

from aws import ask, equal, run
from resources import SUBNETS, elb, fixed, listener, load_balancer, pairs, path_is, rule, target_group

TAGS = [{"Key": "stage", "Value": "dev"}]


def make():
    balancer = load_balancer(Name="durable", Subnets=SUBNETS, Tags=TAGS)
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"], Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "7"}]
    )
    opened = listener(balancer, 9001, fixed("default"))
    rule(opened, 5, path_is("/five"), [{**fixed("five")[0], "Order": 7}], Tags=TAGS)
    gone = rule(opened, 6, path_is("/six"), fixed("six"))
    elb.delete_rule(RuleArn=gone["RuleArn"])
    group = target_group(Name="durable")
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": "127.0.0.1", "Port": 9}])


def test_what_was_answered_is_there():
    if os.environ["RUN"] == "first":
        return make()
    balancer = elb.describe_load_balancers(Names=["durable"])["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    equal([zone["SubnetId"] for zone in balancer["AvailabilityZones"]], SUBNETS)
    attributes = pairs(elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
    equal(attributes["idle_timeout.timeout_seconds"], "7")
    opened = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"][0]
    rules = elb.describe_rules(ListenerArn=opened["ListenerArn"])["Rules"]
    equal([it["Priority"] for it in rules], ["5", "default"])
    equal([it["Actions"][0]["Order"] for it in rules], [7, 1])
    tagged = elb.describe_tags(ResourceArns=[arn, rules[0]["RuleArn"]])["TagDescriptions"]
    equal([it["Tags"] for it in tagged], [TAGS, TAGS])
    equal([ask(9001, path)[2] for path in ["/five", "/six"]], ["five", "default"])
    group = elb.describe_target_groups(Names=["durable"])["TargetGroups"][0]["TargetGroupArn"]
    health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    equal([it["Target"]["Port"] for it in health], [9])


run(globals())
