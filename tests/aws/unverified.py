"""A server without a key: every key is taken, and its region counts."""

from aws import client, equal, refused, run


def test_any_key_will_do():
    for access_key, secret_key in [("a", "b"), ("AKIDOTHER", "something else")]:
        elb = client(access_key=access_key, secret_key=secret_key)
        equal(len(elb.describe_load_balancers()["LoadBalancers"]), 1)


def test_the_region_is_the_signature_s():
    there = client(region="eu-central-1")
    equal(there.describe_load_balancers()["LoadBalancers"], [])
    vpc = refused("SubnetNotFound", there.create_load_balancer, Name="a", Subnets=["subnet-0123abcd"])
    subnets = [word for word in str(vpc).split() if word.startswith("subnet-0") and len(word) == 24]
    made = there.create_load_balancer(Name="owned", Subnets=subnets)["LoadBalancers"][0]
    assert made["LoadBalancerArn"].startswith("arn:aws:elasticloadbalancing:eu-central-1:000000000000:"), made
    assert made["DNSName"].endswith(".eu-central-1.elb.localhost"), made
    equal({zone["ZoneName"] for zone in made["AvailabilityZones"]}, {f"eu-central-1{letter}" for letter in "abc"})
    there.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])
    equal(len(client().describe_load_balancers()["LoadBalancers"]), 1)


def test_services_that_are_not_built():
    refused("NotImplemented", client("sns").list_topics, status=501, contains="(sns, operation ListTopics)")
    refused("NotImplementedException", client("dynamodb").list_tables, status=501, contains="(dynamodb")


run(globals())
