"""What the manifest owns: every family of changes is refused with a sentence that names the file, or, in the run `unlocked`,
does what it says or is refused with a sentence that says why it cannot."""

import io
import os
import zipfile

from aws import ask, botocore, client, equal, run

UNLOCKED = os.environ["RUN"] == "unlocked"
functions, elb, acm = client("lambda"), client("elbv2"), client("acm")
# The code of such a function lies where the manifest says: there is no package that a version could keep.
NO_PACKAGE = "and its code is no package: change it there"


def package():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    return made.getvalue()


def owned(call, cannot=None, **arguments):
    """The answer, in the run `unlocked`, unless it `cannot` be: then that is said."""
    name = call.__name__
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        message = error.response["Error"]["Message"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert 400 <= status < 500, f"{name}: {error}"
        if UNLOCKED:
            assert cannot and cannot in message, f"{name}: {message}"
        else:
            assert "belongs to the manifest" in message and "albacore.yaml" in message, f"{name}: {message}"
            assert "--manifest-unlocked" in message, f"{name}: {message}"
        return None
    assert UNLOCKED, f"{name} changed what the manifest owns: {answer}"
    assert cannot is None, f"{name} was to say: {cannot}"
    return answer


def balancer():
    return elb.describe_load_balancers(Names=["owned"])["LoadBalancers"][0]


def listener(port):
    listeners = elb.describe_listeners(LoadBalancerArn=balancer()["LoadBalancerArn"])["Listeners"]
    return next(it for it in listeners if it["Port"] == port)


def group(name):
    return elb.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"]


def fixed(body):
    response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": body}
    return [{"Type": "fixed-response", "FixedResponseConfig": response}]


def test_functions():
    name = {"FunctionName": "hello"}
    owned(functions.update_function_code, NO_PACKAGE, ZipFile=package(), **name)
    owned(functions.update_function_configuration, NO_PACKAGE, Timeout=7, **name)
    owned(functions.publish_version, NO_PACKAGE, **name)
    owned(functions.put_function_recursion_config, NO_PACKAGE, RecursiveLoop="Allow", **name)
    owned(functions.put_runtime_management_config, NO_PACKAGE, UpdateRuntimeOn="FunctionUpdate", **name)
    equal(functions.get_function_configuration(**name)["Timeout"], 30)
    equal(functions.list_versions_by_function(**name)["Versions"][0]["Version"], "$LATEST")


def test_aliases_and_concurrency_of_functions():
    name = {"FunctionName": "hello"}
    if owned(functions.create_alias, Name="live", FunctionVersion="$LATEST", **name):
        equal(functions.get_alias(Name="live", **name)["FunctionVersion"], "$LATEST")
        equal(functions.invoke(FunctionName="hello:live")["StatusCode"], 200)
        owned(functions.update_alias, Name="live", Description="x", **name)
        owned(functions.delete_alias, Name="live", **name)
    if owned(functions.put_function_concurrency, ReservedConcurrentExecutions=3, **name):
        equal(functions.get_function_concurrency(**name)["ReservedConcurrentExecutions"], 3)
    owned(functions.delete_function_concurrency, **name)
    assert "ReservedConcurrentExecutions" not in functions.get_function_concurrency(**name)


def test_urls_tags_and_events_of_functions():
    arn = functions.get_function_configuration(FunctionName="hello")["FunctionArn"]
    if owned(functions.create_function_url_config, FunctionName="hello", AuthType="NONE"):
        equal(functions.get_function_url_config(FunctionName="hello")["AuthType"], "NONE")
    owned(functions.update_function_url_config, FunctionName="at_url", AuthType="NONE")
    owned(functions.delete_function_url_config, FunctionName="at_url")
    owned(functions.tag_resource, Resource=arn, Tags={"a": "b"})
    equal(functions.list_tags(Resource=arn)["Tags"], {"a": "b"} if UNLOCKED else {})
    owned(functions.untag_resource, Resource=arn, TagKeys=["a"])
    owned(functions.put_function_event_invoke_config, FunctionName="hello", MaximumRetryAttempts=1)
    # A policy says what others may, and the manifest writes none: it is everybody's.
    functions.add_permission(FunctionName="hello", StatementId="s", Action="lambda:InvokeFunction", Principal="*")
    functions.remove_permission(FunctionName="hello", StatementId="s")


def test_load_balancers():
    arn, subnets = balancer()["LoadBalancerArn"], [it["SubnetId"] for it in balancer()["AvailabilityZones"]]
    seconds = [{"Key": "idle_timeout.timeout_seconds", "Value": "77"}]
    owned(elb.modify_load_balancer_attributes, LoadBalancerArn=arn, Attributes=seconds)
    shown = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    equal(seconds[0] in shown, UNLOCKED)
    owned(elb.set_subnets, LoadBalancerArn=arn, Subnets=subnets[:2])
    security_groups = client("ec2").describe_security_groups()["SecurityGroups"]
    owned(elb.set_security_groups, LoadBalancerArn=arn, SecurityGroups=[security_groups[0]["GroupId"]])
    owned(elb.add_tags, ResourceArns=[arn], Tags=[{"Key": "a", "Value": "b"}])
    owned(elb.remove_tags, ResourceArns=[arn], TagKeys=["a"])
    made = owned(elb.create_listener, LoadBalancerArn=arn, Protocol="HTTP", Port=9001, DefaultActions=fixed("new"))
    if made:
        equal(ask(9001)[2], "new")
        owned(elb.delete_listener, ListenerArn=made["Listeners"][0]["ListenerArn"])


def test_listeners_and_rules():
    plain, secure = listener(8080)["ListenerArn"], listener(8443)["ListenerArn"]
    path = [{"Field": "path-pattern", "Values": ["/new"]}]
    made = owned(elb.create_rule, ListenerArn=plain, Priority=50, Conditions=path, Actions=fixed("rule"))
    if made:
        equal(ask(8080, "/new")[2], "rule")
    rules = elb.describe_rules(ListenerArn=plain)["Rules"]
    first = next(it for it in rules if it["Priority"] == "1")["RuleArn"]
    owned(elb.modify_rule, RuleArn=first, Actions=fixed("modified"))
    equal(ask(8080, "/hello")[2], "modified" if UNLOCKED else "hello")
    owned(elb.set_rule_priorities, RulePriorities=[{"RuleArn": first, "Priority": 77}])
    owned(elb.delete_rule, RuleArn=first)
    equal(ask(8080, "/hello")[2], "owned" if UNLOCKED else "hello")
    owned(elb.modify_listener_attributes, ListenerArn=plain,
          Attributes=[{"Key": "routing.http.response.server.enabled", "Value": "false"}])
    owned(elb.modify_listener, ListenerArn=plain, DefaultActions=fixed("other"))
    equal(ask(8080)[2], "other" if UNLOCKED else "owned")
    certificates = elb.describe_listener_certificates(ListenerArn=secure)["Certificates"]
    more = [{"CertificateArn": next(it["CertificateArn"] for it in certificates if not it["IsDefault"])}]
    owned(elb.remove_listener_certificates, ListenerArn=secure, Certificates=more)
    if UNLOCKED:
        elb.add_listener_certificates(ListenerArn=secure, Certificates=more)
    equal(len(elb.describe_listener_certificates(ListenerArn=secure)["Certificates"]), 2)


def test_target_groups():
    hello, machines = group("hello"), group("machines")
    owned(elb.modify_target_group, TargetGroupArn=machines, HealthCheckIntervalSeconds=44)
    owned(elb.modify_target_group_attributes, TargetGroupArn=machines,
          Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}])
    target = [{"Id": "i-0aaaaaaaaaaaaaaaa", "Port": 10}]
    owned(elb.register_targets, TargetGroupArn=machines, Targets=target)
    owned(elb.deregister_targets, TargetGroupArn=machines, Targets=target)
    function = elb.describe_target_health(TargetGroupArn=hello)["TargetHealthDescriptions"][0]["Target"]["Id"]
    owned(elb.deregister_targets, TargetGroupArn=hello, Targets=[{"Id": function}])
    # The manifest's own registration needs no policy; that of the API does.
    owned(elb.register_targets, "does not have permission to invoke", TargetGroupArn=hello, Targets=[{"Id": function}])


def test_trust_stores_and_certificates():
    store = elb.describe_trust_stores(Names=["clients"])["TrustStores"][0]["TrustStoreArn"]
    owned(elb.add_tags, ResourceArns=[store], Tags=[{"Key": "a", "Value": "b"}])
    owned(elb.delete_trust_store, TrustStoreArn=store)
    equal(len(elb.describe_trust_stores()["TrustStores"]), 0 if UNLOCKED else 1)
    listed = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    one = next(it["CertificateArn"] for it in listed if it["DomainName"] == "one.localhost")
    owned(acm.add_tags_to_certificate, CertificateArn=one, Tags=[{"Key": "a", "Value": "b"}])
    owned(acm.delete_certificate, "in use", CertificateArn=one)


def test_what_is_there_goes():
    """The last, since nothing is left then but what the manifest's next change brings back."""
    owned(elb.delete_listener, ListenerArn=listener(8443)["ListenerArn"])
    owned(elb.delete_load_balancer, LoadBalancerArn=balancer()["LoadBalancerArn"])
    equal(len(elb.describe_load_balancers()["LoadBalancers"]), 0 if UNLOCKED else 1)
    owned(elb.delete_target_group, TargetGroupArn=group("machines"))
    owned(elb.delete_target_group, TargetGroupArn=group("hello"))
    owned(functions.delete_function, FunctionName="streams")
    names = [it["FunctionName"] for it in functions.list_functions()["Functions"]]
    equal("streams" in names, not UNLOCKED)


run(dict(globals()))
