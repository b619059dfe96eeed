"""What the tests of load balancing make. Every name is made once, so that tests do not meet."""

import itertools

from aws import client

elb = client()
ec2 = client("ec2")
numbers = itertools.count(1)


def name(kind="r"):
    return f"{kind}-{next(numbers)}"


def network():
    """The default VPC, its subnets and its security group."""
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = ec2.describe_subnets(Filters=of_vpc)["Subnets"]
    subnets.sort(key=lambda it: it["AvailabilityZone"])
    default = [*of_vpc, {"Name": "group-name", "Values": ["default"]}]
    groups = ec2.describe_security_groups(Filters=default)["SecurityGroups"]
    return vpc, [it["SubnetId"] for it in subnets], [it["GroupId"] for it in groups]


VPC, SUBNETS, GROUPS = network()


def load_balancer(**more):
    arguments = {"Name": name("lb"), "Subnets": SUBNETS[:2], **more}
    return elb.create_load_balancer(**arguments)["LoadBalancers"][0]


def target_group(**more):
    arguments = {"Name": name("tg"), "Protocol": "HTTP", "Port": 80, "VpcId": VPC, "TargetType": "ip", **more}
    return elb.create_target_group(**arguments)["TargetGroups"][0]


def fixed(body, status="200"):
    config = {"StatusCode": status, "ContentType": "text/plain", "MessageBody": body}
    return [{"Type": "fixed-response", "FixedResponseConfig": config}]


def forward(group):
    return [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]


def listener(load_balancer, port, actions=None, **more):
    arguments = {
        "LoadBalancerArn": load_balancer["LoadBalancerArn"],
        "Protocol": "HTTP",
        "Port": port,
        "DefaultActions": actions or fixed("default"),
        **more,
    }
    return elb.create_listener(**arguments)["Listeners"][0]


def path_is(*values):
    return [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}]


def rule(listener, priority, conditions=None, actions=None, **more):
    arguments = {
        "ListenerArn": listener["ListenerArn"],
        "Priority": priority,
        "Conditions": conditions or path_is(f"/{priority}"),
        "Actions": actions or fixed(f"rule {priority}"),
        **more,
    }
    return elb.create_rule(**arguments)["Rules"][0]


def remove(load_balancer):
    elb.delete_load_balancer(LoadBalancerArn=load_balancer["LoadBalancerArn"])


def pairs(answer):
    """Attributes as a dictionary."""
    return {pair["Key"]: pair["Value"] for pair in answer["Attributes"]}
