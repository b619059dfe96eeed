#!/usr/bin/env bash
# AWS's own tutorial, "use a Lambda function as a target", by the AWS CLI from nothing to nothing: role, function, permission,
# target group, load balancer, listener, rule; requests; new code; an alias that shifts; and all of it deleted.
#
# It is told in parts, each in a run of its own ($RUN), because each of its many programs takes a while to start.
set -euo pipefail

api=http://$ENDPOINT
aws() { "$AWS" --endpoint-url "$api" --output text "$@"; }
# What a field of the answer says.
ask() { aws "${@:2}" --query "$1"; }
fail() { echo "story: $*" >&2; exit 1; }
equal() { [ "$1" = "$2" ] || fail "$3: '$1' instead of '$2'"; }
refused() {
    local code=$1 said
    shift
    if said=$(aws "$@" 2>&1); then fail "not refused: $*"; fi
    case $said in *"($code)"*) ;; *) fail "$*: $said instead of $code" ;; esac
}

cd "$FOLDER"
# What the parts before have made.
touch known
. ./known
known() { declare -p "$@" >> known; }

code() {
    printf 'def handler(event, context):\n    return {"statusCode": 200, "statusDescription": "200 OK", "headers": {"Content-Type": "text/plain"}, "body": "%s from " + context.function_version}\n' "$1" > app.py
    "$PYTHON" -m zipfile -c function.zip app.py
}
page() {
    local socket
    socket=$(curl -sS "$api/_albacore/status" | "$PYTHON" -c '
import json, sys
print(*(it["socket"] for it in json.load(sys.stdin)["listeners"] if it["port"] == 9001))')
    curl -sS "http://$socket/orders/7"
}
may_be_invoked() {
    aws lambda add-permission "$@" --statement-id balancer --action lambda:InvokeFunction \
        --principal elasticloadbalancing.amazonaws.com --source-arn "$group" > statement
}

basic=arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole

function_is_made() {
    equal "$(ask Account sts get-caller-identity)" 000000000000 account
    trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    role=$(ask Role.Arn iam create-role --role-name orders --assume-role-policy-document "$trust")
    aws iam attach-role-policy --role-name orders --policy-arn $basic
    equal "$(ask 'AttachedPolicies[].PolicyName' iam list-attached-role-policies --role-name orders)" \
        AWSLambdaBasicExecutionRole "attached policies"
    code first
    refused InvalidParameterValueException lambda create-function --function-name orders --runtime python3.12 \
        --handler app.handler --role arn:aws:iam::000000000000:role/nobody --zip-file fileb://function.zip
    function=$(ask FunctionArn lambda create-function --function-name orders --runtime python3.12 --handler app.handler \
        --role "$role" --zip-file fileb://function.zip)
    aws lambda wait function-active-v2 --function-name orders
    equal "$(ask Configuration.State lambda get-function --function-name orders)" Active state
    group=$(ask 'TargetGroups[0].TargetGroupArn' elbv2 create-target-group --name orders --target-type lambda)
    refused AccessDenied elbv2 register-targets --target-group-arn "$group" --targets "Id=$function"
    may_be_invoked --function-name orders
    aws elbv2 register-targets --target-group-arn "$group" --targets "Id=$function"
    known function group
}

function_is_served() {
    read -r first second <<< "$(ask 'Subnets[0:2].SubnetId' ec2 describe-subnets)"
    balancer=$(ask 'LoadBalancers[0].LoadBalancerArn' elbv2 create-load-balancer --name orders --subnets "$first" "$second")
    aws elbv2 wait load-balancer-available --load-balancer-arns "$balancer"
    listener=$(ask 'Listeners[0].ListenerArn' elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 9001 \
        --default-actions 'Type=fixed-response,FixedResponseConfig={StatusCode=404,ContentType=text/plain,MessageBody=nothing}')
    equal "$(page)" nothing "without a rule"
    rule=$(ask 'Rules[0].RuleArn' elbv2 create-rule --listener-arn "$listener" --priority 10 \
        --conditions 'Field=path-pattern,Values=/orders/*' --actions "Type=forward,TargetGroupArn=$group")
    equal "$(page)" 'first from $LATEST' "with a rule"
    equal "$(ask 'TargetHealthDescriptions[].Target.Id' elbv2 describe-target-health --target-group-arn "$group")" "$function" targets
    known balancer listener rule
}

code_is_changed() {
    one=$(ask Version lambda publish-version --function-name orders)
    equal "$one" 1 "the first version"
    code second
    aws lambda update-function-code --function-name orders --zip-file fileb://function.zip > updated
    aws lambda wait function-updated-v2 --function-name orders
    equal "$(page)" 'second from $LATEST' "new code"
    two=$(ask Version lambda publish-version --function-name orders)
    known one two
}

alias_shifts() {
    live=$(ask AliasArn lambda create-alias --function-name orders --name live --function-version "$one")
    refused AccessDenied elbv2 register-targets --target-group-arn "$group" --targets "Id=$live"
    may_be_invoked --function-name orders --qualifier live
    aws elbv2 deregister-targets --target-group-arn "$group" --targets "Id=$function"
    aws elbv2 register-targets --target-group-arn "$group" --targets "Id=$live"
    equal "$(page)" 'first from 1' "by the alias"
    aws lambda update-alias --function-name orders --name live --routing-config "AdditionalVersionWeights={$two=1.0}" > alias
    equal "$(page)" 'second from 2' "shifted"
    aws lambda update-alias --function-name orders --name live --function-version "$two" --routing-config '{}' > alias
    equal "$(page)" 'second from 2' "moved"
}

all_is_deleted() {
    refused ResourceInUse elbv2 delete-target-group --target-group-arn "$group"
    refused DeleteConflict iam delete-role --role-name orders
    aws elbv2 delete-rule --rule-arn "$rule"
    aws elbv2 delete-listener --listener-arn "$listener"
    aws elbv2 delete-load-balancer --load-balancer-arn "$balancer"
    aws elbv2 wait load-balancers-deleted --load-balancer-arns "$balancer"
    aws elbv2 delete-target-group --target-group-arn "$group"
    aws lambda delete-function --function-name orders
    refused ResourceNotFoundException lambda get-function --function-name orders
    aws iam detach-role-policy --role-name orders --policy-arn $basic
    aws iam delete-role --role-name orders
    refused NoSuchEntity iam get-role --role-name orders
}

case $RUN in
    function_is_made | function_is_served | code_is_changed | alias_shifts | all_is_deleted) "$RUN" ;;
    *) fail "there is no part '$RUN'" ;;
esac
