//! Policies that AWS manages: those that people give to functions, and the plain ones for people.
//!
//! Their documents are AWS's, but for `ReadOnlyAccess`, which AWS lets read a few hundred services and here reads those
//! that exist here.

use super::document::{Document, Use};
use std::sync::LazyLock;

/// A policy of AWS.
#[derive(Clone, Debug)]
pub struct Managed {
    /// `AdministratorAccess`.
    pub name: &'static str,
    /// `/`, `/service-role/` or another one.
    pub path: &'static str,
    /// `ANPA…`.
    pub id: &'static str,
    /// What it says.
    pub document: Document,
}

impl Managed {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }
}

/// All there are, by name.
pub fn all() -> &'static [Managed] {
    &ALL
}

/// The one with this ARN.
pub fn with_arn(arn: &str) -> Option<&'static Managed> {
    let of_aws = arn.strip_prefix("arn:aws:iam::aws:policy/")?;
    let name = of_aws.rsplit('/').next()?;
    all().iter().find(|policy| policy.name == name && policy.arn() == arn)
}

static ALL: LazyLock<Vec<Managed>> = LazyLock::new(|| {
    let read = |(name, path, id, statements): &(&'static str, &'static str, &'static str, &str)| {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.trim());
        let document = Document::read(&text, Use::Identity).ok()?;
        Some(Managed {
            name,
            path,
            id,
            document,
        })
    };
    TABLE.iter().filter_map(read).collect()
});

/// Name, path, id and statements, by name.
const TABLE: [(&str, &str, &str, &str); 25] = [
    (
        "AWSLambdaBasicExecutionRole",
        "/service-role/",
        "ANPAJNCQGXC42545SKXIK",
        r#"{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#,
    ),
    (
        "AWSLambdaDynamoDBExecutionRole",
        "/service-role/",
        "ANPAIP7WNAGMIPYNW4WQG",
        r#"{"Effect":"Allow","Action":["dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#,
    ),
    (
        "AWSLambdaExecute",
        "/",
        "ANPAJE5FX7FQZSU5XAKGO",
        r#"{"Effect":"Allow","Action":["logs:*"],"Resource":"arn:aws:logs:*:*:*"},{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::*"}"#,
    ),
    (
        "AWSLambdaInvocation-DynamoDB",
        "/",
        "ANPAJTHQ3EKCQALQDYG5G",
        r#"{"Effect":"Allow","Action":["lambda:InvokeFunction"],"Resource":"*"},{"Effect":"Allow","Action":["dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams"],"Resource":"*"}"#,
    ),
    (
        "AWSLambdaKinesisExecutionRole",
        "/service-role/",
        "ANPAJHOLKJPXV4GBRMJUQ",
        r#"{"Effect":"Allow","Action":["kinesis:DescribeStream","kinesis:DescribeStreamSummary","kinesis:GetRecords","kinesis:GetShardIterator","kinesis:ListShards","kinesis:ListStreams","kinesis:SubscribeToShard","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#,
    ),
    (
        "AWSLambdaRole",
        "/service-role/",
        "ANPAJX4DPCRGTC4NFDUXI",
        r#"{"Effect":"Allow","Action":["lambda:InvokeFunction"],"Resource":["*"]}"#,
    ),
    (
        "AWSLambdaSQSQueueExecutionRole",
        "/service-role/",
        "ANPAJFWJZI6JNND4TSELK",
        r#"{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#,
    ),
    (
        "AWSLambdaVPCAccessExecutionRole",
        "/service-role/",
        "ANPAJVTME3YLVNL72YR2K",
        r#"{"Sid":"AWSLambdaVPCAccessExecutionPermissions","Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents","ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DescribeSubnets","ec2:DeleteNetworkInterface","ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses"],"Resource":"*"}"#,
    ),
    (
        "AWSLambda_FullAccess",
        "/",
        "ANPAZKAPJZG4ONQEZXQ5W",
        r#"{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","cloudwatch:ListMetrics","cloudwatch:GetMetricData","ec2:DescribeSecurityGroups","ec2:DescribeSubnets","ec2:DescribeVpcs","kms:ListAliases","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","lambda:*","logs:DescribeLogGroups","states:DescribeStateMachine","states:ListStateMachines","tag:GetResources","xray:GetTraceSummaries","xray:BatchGetTraces"],"Resource":"*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}},{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}"#,
    ),
    (
        "AWSLambda_ReadOnlyAccess",
        "/",
        "ANPAZKAPJZG4JTCF6PSSM",
        r#"{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","cloudwatch:GetMetricData","cloudwatch:ListMetrics","ec2:DescribeSecurityGroups","ec2:DescribeSubnets","ec2:DescribeVpcs","kms:ListAliases","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","logs:DescribeLogGroups","lambda:Get*","lambda:List*","states:DescribeStateMachine","states:ListStateMachines","tag:GetResources","xray:GetTraceSummaries","xray:BatchGetTraces"],"Resource":"*"},{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}"#,
    ),
    (
        "AWSXRayDaemonWriteAccess",
        "/",
        "ANPAIOE47HSUE5AVBNEDM",
        r#"{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":["*"]}"#,
    ),
    (
        "AWSXrayWriteOnlyAccess",
        "/",
        "ANPAIAACM4LMYSRGBCTM6",
        r#"{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":["*"]}"#,
    ),
    (
        "AdministratorAccess",
        "/",
        "ANPAIWMBCKSKIEE64ZLYK",
        r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
    ),
    (
        "AmazonEC2ReadOnlyAccess",
        "/",
        "ANPAIGDT4SV4GSETWTBZK",
        r#"{"Effect":"Allow","Action":["ec2:Describe*","ec2:GetSecurityGroupsForVpc"],"Resource":"*"},{"Effect":"Allow","Action":"elasticloadbalancing:Describe*","Resource":"*"},{"Effect":"Allow","Action":["cloudwatch:ListMetrics","cloudwatch:GetMetricStatistics","cloudwatch:Describe*"],"Resource":"*"},{"Effect":"Allow","Action":"autoscaling:Describe*","Resource":"*"}"#,
    ),
    (
        "AmazonS3FullAccess",
        "/",
        "ANPAIFIR6V6BVTRAHWINE",
        r#"{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}"#,
    ),
    (
        "AmazonS3ReadOnlyAccess",
        "/",
        "ANPAIZTJ4DXE7G6AGAE6M",
        r#"{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}"#,
    ),
    (
        "AmazonSNSFullAccess",
        "/",
        "ANPAJWEKLCXXUNT2SOLSG",
        r#"{"Action":["sns:*"],"Effect":"Allow","Resource":"*"}"#,
    ),
    (
        "AmazonSQSFullAccess",
        "/",
        "ANPAI65L554VRJ33ECQS6",
        r#"{"Action":["sqs:*"],"Effect":"Allow","Resource":"*"}"#,
    ),
    (
        "AmazonSSMReadOnlyAccess",
        "/",
        "ANPAJODSKQGGJTHRYZ5FC",
        r#"{"Effect":"Allow","Action":["ssm:Describe*","ssm:Get*","ssm:List*"],"Resource":"*"}"#,
    ),
    (
        "CloudWatchLogsFullAccess",
        "/",
        "ANPAJ3ZGNWK2R5HW5BQFO",
        r#"{"Effect":"Allow","Action":["logs:*","cloudwatch:GenerateQuery"],"Resource":"*"}"#,
    ),
    (
        "CloudWatchLogsReadOnlyAccess",
        "/",
        "ANPAJ2YIYDYSNNEHK3VKW",
        r#"{"Effect":"Allow","Action":["logs:Describe*","logs:Get*","logs:List*","logs:StartQuery","logs:StopQuery","logs:TestMetricFilter","logs:FilterLogEvents","logs:StartLiveTail","logs:StopLiveTail","cloudwatch:GenerateQuery"],"Resource":"*"}"#,
    ),
    (
        "ElasticLoadBalancingFullAccess",
        "/",
        "ANPAIDPMLA3IUIOQCISJ4",
        r#"{"Effect":"Allow","Action":"elasticloadbalancing:*","Resource":"*"},{"Effect":"Allow","Action":["ec2:DescribeAccountAttributes","ec2:DescribeAddresses","ec2:DescribeInternetGateways","ec2:DescribeSecurityGroups","ec2:DescribeSubnets","ec2:DescribeVpcs","ec2:DescribeVpcClassicLink","ec2:DescribeInstances","ec2:DescribeNetworkInterfaces","ec2:DescribeClassicLinkInstances","ec2:DescribeRouteTables","ec2:DescribeCoipPools","ec2:GetCoipPoolUsage","ec2:DescribeVpcPeeringConnections","cognito-idp:DescribeUserPoolClient"],"Resource":"*"},{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"*","Condition":{"StringEquals":{"iam:AWSServiceName":"elasticloadbalancing.amazonaws.com"}}}"#,
    ),
    (
        "ElasticLoadBalancingReadOnly",
        "/",
        "ANPAJMO7B7SNFLQ6HH736",
        r#"{"Effect":"Allow","Action":["elasticloadbalancing:Describe*","elasticloadbalancing:Get*"],"Resource":"*"},{"Effect":"Allow","Action":["ec2:DescribeInstances","ec2:DescribeClassicLinkInstances","ec2:DescribeSecurityGroups"],"Resource":"*"},{"Effect":"Allow","Action":"arc-zonal-shift:GetManagedResource","Resource":"arn:aws:elasticloadbalancing:*:*:loadbalancer/*"},{"Effect":"Allow","Action":["arc-zonal-shift:ListManagedResources","arc-zonal-shift:ListZonalShifts"],"Resource":"*"}"#,
    ),
    (
        "PowerUserAccess",
        "/",
        "ANPAJYRXTHIB4FOVS3ZXS",
        r#"{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}"#,
    ),
    (
        "ReadOnlyAccess",
        "/",
        "ANPAILL3HVNFSB6DCOWYQ",
        r#"{"Effect":"Allow","Action":["acm:Describe*","acm:Get*","acm:List*","apigateway:GET","cloudwatch:Describe*","cloudwatch:Get*","cloudwatch:List*","ec2:Describe*","ec2:Get*","elasticloadbalancing:Describe*","iam:Generate*","iam:Get*","iam:List*","iam:Simulate*","lambda:Get*","lambda:List*","logs:Describe*","logs:FilterLogEvents","logs:Get*","logs:ListTagsForResource","logs:StartQuery","logs:StopQuery","logs:TestMetricFilter","s3:Get*","s3:List*","sts:GetAccessKeyInfo","sts:GetCallerIdentity","sts:GetSessionToken"],"Resource":"*"}"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_can_be_read() {
        assert_eq!(all().len(), TABLE.len());
        assert!(all().is_sorted_by(|one, other| one.name < other.name));
        let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        assert_eq!(with_arn(arn).map(Managed::arn).as_deref(), Some(arn));
        for none in [
            "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole",
            "arn:aws:iam::aws:policy/",
            "",
        ] {
            assert!(with_arn(none).is_none(), "{none}");
        }
    }
}
