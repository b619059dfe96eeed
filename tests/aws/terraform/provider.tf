# What a user of albacore writes: the provider of AWS, pointed at the endpoint.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }

# The second apply changes what can be changed in place.
variable "changed" { type = bool }

provider "aws" {
  region                  = "us-east-1"
  access_key              = "any"
  secret_key              = "any"
  skip_metadata_api_check = true
  skip_region_validation  = true

  endpoints {
    acm        = var.endpoint
    cloudwatch = var.endpoint
    ec2        = var.endpoint
    elbv2      = var.endpoint
    iam        = var.endpoint
    lambda     = var.endpoint
    logs       = var.endpoint
    sts        = var.endpoint
  }

  default_tags {
    tags = { Team = var.changed ? "checkout" : "shop" }
  }
}

data "aws_caller_identity" "caller" {}
data "aws_partition" "partition" {}
data "aws_region" "region" {}

output "account" { value = data.aws_caller_identity.caller.account_id }
output "dns_name" { value = aws_lb.shop.dns_name }
output "function_url" { value = aws_lambda_function_url.live.function_url }
output "weighted" { value = data.aws_lb_listener_rule.weighted.arn }
