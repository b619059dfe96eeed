"""Rules: conditions, actions, transforms, priorities."""

from aws import Target, ask, equal, refused, run
from resources import elb, fixed, forward, listener, load_balancer, path_is, pairs, remove, rule, target_group

balancer = load_balancer()
opened = listener(balancer, 9001)
ARN = opened["ListenerArn"]


def rules():
    return elb.describe_rules(ListenerArn=ARN)["Rules"]


def clear():
    for it in rules():
        if not it["IsDefault"]:
            elb.delete_rule(RuleArn=it["RuleArn"])


# ALB-P-010, ALB-P-014, ALB-P-015, ALB-P-016
def test_the_default_rule():
    rule(opened, 7)
    rule(opened, 3)
    equal([it["Priority"] for it in rules()], ["3", "7", "default"])
    default = rules()[-1]
    equal((default["IsDefault"], default["Conditions"], default["Transforms"]), (True, [], []))
    equal([it["IsDefault"] for it in rules()], [False, False, True])
    arn = default["RuleArn"]
    equal(elb.describe_rules(RuleArns=[arn])["Rules"], [default])
    refused("OperationNotPermitted", elb.delete_rule, RuleArn=arn)
    refused("OperationNotPermitted", elb.modify_rule, RuleArn=arn, Actions=fixed("x"))
    refused("OperationNotPermitted", elb.set_rule_priorities, RulePriorities=[{"RuleArn": arn, "Priority": 9}])
    refused("ValidationError", elb.describe_rules)
    refused("ValidationError", elb.describe_rules, ListenerArn=ARN, RuleArns=[arn])
    refused("RuleNotFound", elb.describe_rules, RuleArns=[arn[:-4] + "0000"], contains="One or more rules not found")
    clear()


# ALB-P-011, ALB-P-012, ALB-P-013
def test_priorities():
    one, two = rule(opened, 1, path_is("/a"), fixed("one")), rule(opened, 2, path_is("/*"), fixed("two"))
    refused("PriorityInUse", rule, listener=opened, priority=2, conditions=path_is("/b"))
    for bad in [0, 50001]:
        refused("ValidationError", rule, listener=opened, priority=bad)
    equal(ask(9001, "/a")[2], "one")
    swap = [{"RuleArn": one["RuleArn"], "Priority": 2}, {"RuleArn": two["RuleArn"], "Priority": 1}]
    changed = elb.set_rule_priorities(RulePriorities=swap)["Rules"]
    equal([(it["RuleArn"], it["Priority"]) for it in changed], [(one["RuleArn"], "2"), (two["RuleArn"], "1")])
    equal(ask(9001, "/a")[2], "two")
    twice = [{"RuleArn": one["RuleArn"], "Priority": 5}, {"RuleArn": two["RuleArn"], "Priority": 5}]
    refused("ValidationError", elb.set_rule_priorities, RulePriorities=twice)
    third = rule(opened, 3)
    taken = [{"RuleArn": third["RuleArn"], "Priority": 1}]
    refused("PriorityInUse", elb.set_rule_priorities, RulePriorities=taken)
    clear()


# ALB-C-030: legacy values are echoed in both places
def test_conditions_come_back():
    typed = [
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["a*", "b"]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a", "Value": "b"}]}},
    ]
    made = rule(opened, 1, typed)
    equal(made["Conditions"], [{**typed[0], "Values": ["*.example.com"]}, *typed[1:]])
    equal(rules()[0], made)
    asked = {"Host": "a.example.com", "X-A": "about"}
    equal(ask(9001, "/?a=b", headers=asked)[2], "rule 1")
    equal(ask(9001, "/?a=c", headers=asked)[2], "default")
    legacy = rule(opened, 2, [{"Field": "path-pattern", "Values": ["/legacy"]}])
    equal(legacy["Conditions"], [{"Field": "path-pattern", "Values": ["/legacy"], "PathPatternConfig": {"Values": ["/legacy"]}}])
    regex = [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/r[0-9]+$"]}}]
    equal(rule(opened, 3, regex)["Conditions"], regex)
    equal(ask(9001, "/r77")[2], "rule 3")
    source = [{"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8", "::1/128"]}}]
    equal(rule(opened, 4, source)["Conditions"], source)
    clear()


# ALB-C-005, ALB-C-006, ALB-C-009, ALB-C-017, ALB-C-018, ALB-C-020, ALB-C-023, ALB-C-025, ALB-C-026, ALB-C-027
# ALB-C-028, ALB-C-029
def test_conditions_are_refused():
    def field(name, config, **values):
        return {"Field": name, config: values}

    header = lambda name, *values: field("http-header", "HttpHeaderConfig", HttpHeaderName=name, Values=list(values))
    method = lambda *values: field("http-request-method", "HttpRequestMethodConfig", Values=list(values))
    source = lambda *values: field("source-ip", "SourceIpConfig", Values=list(values))
    host = lambda *values: field("host-header", "HostHeaderConfig", Values=list(values))
    query = lambda *values: field("query-string", "QueryStringConfig", Values=list(values))
    for bad in [
        path_is("/a") + path_is("/b"),
        path_is("/1", "/2", "/3", "/4", "/5", "/6"),
        [host("localhost")],
        [host("example.c0m")],
        [header("Host", "a")],
        [header("a" * 41, "b")],
        [method("get")],
        [query({"Key": "a"})],
        [source("255.255.255.255/32")],
        [{"Field": "path-pattern", "Values": ["/a", "/b"]}],
        [{"Field": "http-header", "Values": ["a"]}],
        [{**method("GET"), "RegexValues": ["a"]}],
        [{**source("10.0.0.0/8"), "RegexValues": ["a"]}],
        [{**query({"Value": "a"}), "RegexValues": ["a"]}],
        [field("path-pattern", "PathPatternConfig", Values=["/" + "a" * 128])],
        [{"Field": "colour", "Values": ["red"]}],
        [{**path_is("/a")[0], "Values": ["/a"]}],
        [{"Field": "path-pattern", "HostHeaderConfig": {"Values": ["a.b"]}}],
        [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["(?=a)"]}}],
        [{"Field": "path-pattern"}],
        [{"Field": "source-ip"}],
    ]:
        refused("ValidationError", rule, listener=opened, priority=9, conditions=bad)
    rule(opened, 9, path_is("/1", "/2", "/3", "/4", "/5"))
    rule(opened, 10, [method("CUSTOM-METHOD")])
    rule(opened, 11, [source("2001:db8::/32")])
    regex = {"RegexValues": ["^a"]}
    rule(opened, 12, [{"Field": "host-header", "HostHeaderConfig": regex}])
    rule(opened, 13, [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-B", **regex}}])
    rule(opened, 14, [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/re"]}}])
    equal(ask(9001, headers={"X-B": "about"})[2], "rule 13")
    equal(ask(9001, "/regex")[2], "rule 14")
    clear()


# ALB-A-001, ALB-A-006, ALB-A-007, ALB-A-010, ALB-A-016, ALB-A-018, ALB-A-019, ALB-A-020
def test_actions_are_refused():
    groups = [target_group()["TargetGroupArn"] for _ in range(6)]
    tuples = lambda count: [{"TargetGroupArn": arn, "Weight": 1} for arn in groups[:count]]
    several = lambda count, **more: [{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples(count), **more}}]
    redirect = lambda **config: [{"Type": "redirect", "RedirectConfig": config}]
    response = lambda **config: [{"Type": "fixed-response", "FixedResponseConfig": config}]
    for code, bad in [
        ("InvalidLoadBalancerAction", fixed("a") + fixed("b")),
        ("TooManyTargetGroups", several(6)),
        ("ValidationError", several(2, TargetGroupStickinessConfig={"Enabled": True})),
        ("InvalidLoadBalancerAction", redirect(StatusCode="HTTP_301")),
        ("ValidationError", redirect(StatusCode="HTTP_307", Port="81")),
        ("ValidationError", response(StatusCode="300")),
        ("ValidationError", response(StatusCode="200", MessageBody="a" * 1025)),
        ("InvalidLoadBalancerAction", response(StatusCode="200", ContentType="image/png")),
        ("InvalidLoadBalancerAction", [{"Type": "forward"}]),
        ("TargetGroupNotFound", [{"Type": "forward", "TargetGroupArn": groups[0][:-4] + "0000"}]),
        ("ValidationError", [{"Type": "dance"}]),
    ]:
        refused(code, rule, listener=opened, priority=9, actions=bad)
    refused("ValidationError", elb.create_rule, ListenerArn=ARN, Priority=9, Conditions=path_is("/9"), Actions=[])
    for good in [several(5), *[response(StatusCode=status) for status in ["200", "404", "503"]]]:
        elb.delete_rule(RuleArn=rule(opened, 9, actions=good)["RuleArn"])


# ALB-R-034: a group in use stays. ALB-A-009: a target group in both places. ALB-A-011: members that are left out are identity keywords
def test_actions_come_back():
    group = target_group()
    arn = group["TargetGroupArn"]
    tuples = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": 1}], "TargetGroupStickinessConfig": {"Enabled": False}}
    expected = {"Type": "forward", "Order": 1, "TargetGroupArn": arn, "ForwardConfig": tuples}
    equal(rule(opened, 1, actions=forward(group))["Actions"], [expected])
    config = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": 1}]}
    both = {"Type": "forward", "TargetGroupArn": arn, "ForwardConfig": config}
    equal(rule(opened, 2, actions=[both])["Actions"], [expected])
    # What is written while it is off is there when it is read: nobody who compares both finds a difference.
    off = {**tuples, "TargetGroupStickinessConfig": {"Enabled": False, "DurationSeconds": 3600}}
    forward_off = [{"Type": "forward", "Order": 1, "ForwardConfig": off}]
    equal(rule(opened, 4, actions=forward_off)["Actions"], [{**expected, "ForwardConfig": off}])
    never = {**tuples, "TargetGroupStickinessConfig": {"Enabled": False, "DurationSeconds": 0}}
    message = "Target group stickiness duration must be between 1 and 604800 seconds"
    refused("ValidationError", rule, contains=message, listener=opened, priority=5, actions=[{"Type": "forward", "ForwardConfig": never}])
    redirect = rule(opened, 3, actions=[{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", "Port": "81"}}])
    identity = {"Protocol": "#{protocol}", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}"}
    equal(redirect["Actions"][0]["RedirectConfig"], {**identity, "StatusCode": "HTTP_302", "Port": "81"})
    status, headers, _ = ask(9001, "/3?a=b", headers={"Host": "shop.example"})
    equal((status, headers["Location"]), (302, "http://shop.example:81/3?a=b"))
    refused("ResourceInUse", elb.delete_target_group, TargetGroupArn=arn)
    clear()
    elb.delete_target_group(TargetGroupArn=arn)
    elb.delete_target_group(TargetGroupArn=arn)


# ALB-A-025, ALB-A-030
def test_transforms():
    target, group = Target("target"), target_group()
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[target.entry()])
    url = lambda regex, replace: {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": regex, "Replace": replace}]}}
    host = {"Type": "host-header-rewrite", "HostHeaderRewriteConfig": {"Rewrites": [{"Regex": "^a", "Replace": "b"}]}}
    rewrite = url("^/old/(.*)$", "/new/$1")
    made = rule(opened, 1, path_is("/old/*"), forward(group), Transforms=[host, rewrite])
    equal(made["Transforms"], [host, rewrite])
    equal(ask(9001, "/old/page?a")[2], "target /new/page?a")
    arn = made["RuleArn"]
    refused("ValidationError", rule, listener=opened, priority=2, Transforms=[rewrite, rewrite])
    refused("ValidationError", elb.modify_rule, RuleArn=arn, Transforms=[rewrite], ResetTransforms=True)
    refused("ValidationError", elb.modify_rule, RuleArn=arn)
    changed = elb.modify_rule(RuleArn=arn, Transforms=[url("old", "x")])["Rules"][0]
    equal((len(changed["Transforms"]), ask(9001, "/old/")[2]), (1, "target /x/"))
    equal(elb.modify_rule(RuleArn=arn, ResetTransforms=True)["Rules"][0]["Transforms"], [])
    equal(ask(9001, "/old/")[2], "target /old/")
    clear()


# ALB-P-006, ALB-P-007
def test_pages():
    for priority in range(1, 8):
        rule(opened, priority)
    pages = elb.get_paginator("describe_rules").paginate(ListenerArn=ARN, PaginationConfig={"PageSize": 3})
    pages = [[it["Priority"] for it in page["Rules"]] for page in pages]
    equal(pages, [["1", "2", "3"], ["4", "5", "6"], ["7", "default"]])
    for bad in [0, 401]:
        refused("ValidationError", elb.describe_rules, ListenerArn=ARN, PageSize=bad)
    for good in [1, 400]:
        elb.describe_rules(ListenerArn=ARN, PageSize=good)
    refused("ValidationError", elb.describe_rules, ListenerArn=ARN, Marker="nonsense")
    # What is deleted between two pages hides nothing.
    first = elb.describe_rules(ListenerArn=ARN, PageSize=3)
    elb.delete_rule(RuleArn=first["Rules"][2]["RuleArn"])
    second = elb.describe_rules(ListenerArn=ARN, PageSize=3, Marker=first["NextMarker"])
    equal([it["Priority"] for it in second["Rules"]], ["4", "5", "6"])
    clear()


# ALB-P-022
def test_tags():
    arn = rule(opened, 1, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])["RuleArn"]
    found = lambda *arns: [
        (it["ResourceArn"], {tag["Key"]: tag["Value"] for tag in it["Tags"]})
        for it in elb.describe_tags(ResourceArns=list(arns))["TagDescriptions"]
    ]
    equal(found(arn, ARN), [(arn, {"a": "1", "b": ""}), (ARN, {})])
    elb.add_tags(ResourceArns=[arn, ARN], Tags=[{"Key": "a", "Value": "2"}])
    equal(found(arn, ARN), [(arn, {"a": "2", "b": ""}), (ARN, {"a": "2"})])
    twice = [{"Key": "a", "Value": "2"}, {"Key": "a", "Value": "3"}]
    refused("DuplicateTagKeys", elb.add_tags, ResourceArns=[arn], Tags=twice)
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    refused("TooManyTags", elb.add_tags, ResourceArns=[arn], Tags=many)
    hostile = [{"Key": "a", "Value": "x\r\nSet-Cookie: y"}]
    refused("ValidationError", elb.add_tags, ResourceArns=[arn], Tags=hostile)
    elb.remove_tags(ResourceArns=[arn], TagKeys=["a", "nobody"])
    equal(found(arn), [(arn, {"b": ""})])
    refused("RuleNotFound", elb.describe_tags, ResourceArns=[arn[:-4] + "0000"])
    refused("ValidationError", elb.describe_tags, ResourceArns=["nonsense"])
    clear()


def test_attributes_of_listeners():
    key = "routing.http.response.x_frame_options.header_value"
    set_to = lambda value: elb.modify_listener_attributes(ListenerArn=ARN, Attributes=[{"Key": key, "Value": value}])
    equal(pairs(set_to("DENY"))[key], "DENY")
    equal(ask(9001)[1]["X-Frame-Options"], "DENY")
    refused("ValidationError", lambda: set_to("DENY\r\nX: y"))
    equal(pairs(set_to(""))[key], "")
    assert "X-Frame-Options" not in ask(9001)[1]
    equal(pairs(elb.describe_listener_attributes(ListenerArn=ARN))["routing.http.response.server.enabled"], "true")


run(globals())
