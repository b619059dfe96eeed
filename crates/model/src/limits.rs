//! Numbers that bound resources. Source: ALB 2.2, 9.7 and the tables that each constant names.

use std::ops::RangeInclusive;

/// Load balancer and target group names: 1 to 32 characters (ALB 1.2).
pub const NAME_CHARS: RangeInclusive<usize> = 1..=32;
/// Function names: 1 to 64 characters (Lambda 1.2).
pub const FUNCTION_NAME_CHARS: RangeInclusive<usize> = 1..=64;
/// Listeners of one load balancer.
pub const LISTENERS_PER_LOAD_BALANCER: usize = 50;
/// Rules of one load balancer, default rules not counted.
pub const RULES_PER_LOAD_BALANCER: usize = 100;
/// Condition values of one rule, all conditions together.
pub const CONDITION_VALUES_PER_RULE: usize = 5;
/// Wildcards of one rule. The quota page says 6, the condition page 5: up to 6 are accepted.
pub const WILDCARDS_PER_RULE: usize = 6;
/// Characters of a condition value, and of a regular expression in one.
pub const CONDITION_VALUE_CHARS_MAX: usize = 128;
/// Characters of a header name in a condition, and of a request method.
pub const CONDITION_NAME_CHARS_MAX: usize = 40;
/// Target groups of one forward action.
pub const TARGET_GROUPS_PER_ACTION: usize = 5;
/// Unique target groups of one load balancer.
pub const TARGET_GROUPS_PER_LOAD_BALANCER: usize = 100;
/// Weight of a target group in a forward action.
pub const WEIGHT_MAX: u16 = 999;
/// Stickiness to a target group or a target: 1 second to 7 days.
pub const STICKINESS_SECS: RangeInclusive<u32> = 1..=604_800;
/// Characters of a redirect's host, path and query.
pub const REDIRECT_COMPONENT_CHARS_MAX: usize = 128;
/// Characters of a fixed response's body.
pub const FIXED_RESPONSE_BODY_CHARS_MAX: usize = 1024;
/// Characters of a transform's regular expression and of its replacement.
pub const TRANSFORM_CHARS_MAX: usize = 1024;
/// Bytes that a regular expression may need when it is compiled, and that one thread may spend on its search tables:
/// `(a{999}){999}` is short as it is written. Ours; AWS names none.
pub const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;
/// Certificates of one load balancer, default certificates not counted.
pub const CERTIFICATES_PER_LOAD_BALANCER: usize = 25;
/// Characters of a listener attribute's value.
pub const LISTENER_ATTRIBUTE_VALUE_CHARS_MAX: usize = 1024;
/// Seconds from one health check of a target to the next (ALB 9.3).
pub const HEALTH_CHECK_INTERVAL_SECS: RangeInclusive<u32> = 5..=300;
/// Seconds that a health check may take (ALB 9.3).
pub const HEALTH_CHECK_TIMEOUT_SECS: RangeInclusive<u32> = 2..=120;
/// Health checks in a row that change a target's health (ALB 9.3).
pub const HEALTH_CHECK_THRESHOLD: RangeInclusive<u8> = 2..=10;
/// Characters of a health check's path (ALB 1.2).
pub const HEALTH_CHECK_PATH_CHARS: RangeInclusive<usize> = 1..=1024;
/// Statuses in a matcher (ALB 1.5).
pub const MATCHER_CODES: RangeInclusive<u16> = 200..=499;
/// Statuses in a matcher for gRPC (ALB 1.5).
pub const GRPC_MATCHER_CODES: RangeInclusive<u16> = 0..=99;
/// Targets of one target group of servers.
pub const TARGETS_PER_TARGET_GROUP: u16 = 1000;
/// Targets in all target groups of servers of one load balancer (ALB 9.7). It holds for what the API makes: whoever writes a
/// manifest can ask nobody for more.
pub const TARGETS_PER_LOAD_BALANCER: usize = 1000;
/// Seconds of slow start, where it is on (ALB 1.6).
pub const SLOW_START_SECS: RangeInclusive<u32> = 30..=900;
/// Certificates of one region. Source: ACM's quotas.
pub const CERTIFICATES_PER_REGION: usize = 2500;
/// Log groups that somebody asked for. Source: CloudWatch Logs' quotas, 1,000,000; ours is what a file reads quickly.
pub const LOG_GROUPS_MAX: usize = 10_000;
/// Streams of one log group that somebody created. Ours; AWS names none.
pub const LOG_STREAMS_PER_GROUP: usize = 10_000;
/// Trust stores of one account.
pub const TRUST_STORES_PER_ACCOUNT: usize = 20;
/// Listeners of one load balancer that verify client certificates.
pub const VERIFYING_LISTENERS_PER_LOAD_BALANCER: usize = 2;
/// Certificates of one trust store (ALB 6.5).
pub const CERTIFICATES_PER_TRUST_STORE: u16 = 25;
/// Revocation lists of one trust store (ALB 6.5).
pub const REVOCATION_LISTS_PER_TRUST_STORE: usize = 30;
/// Revoked certificates in all revocation lists of one trust store (ALB 6.5).
pub const REVOCATIONS_PER_TRUST_STORE: u64 = 500_000;
/// Characters of an S3 bucket's name.
pub const BUCKET_NAME_CHARS: RangeInclusive<usize> = 3..=63;
/// Characters of a load balancer attribute's value (ALB 1.2).
pub const LOAD_BALANCER_ATTRIBUTE_VALUE_CHARS_MAX: usize = 1024;
/// Characters of a tag's key (ALB 1.2).
pub const TAG_KEY_CHARS: RangeInclusive<usize> = 1..=128;
/// Characters of a tag's value (ALB 1.2).
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Tags of one resource (ALB 1.2).
pub const TAGS_PER_RESOURCE: usize = 50;
/// Load balancers of one account and region (ALB 9.7).
pub const LOAD_BALANCERS_PER_REGION: usize = 50;
/// Target groups of one account and region (ALB 9.7).
pub const TARGET_GROUPS_PER_REGION: usize = 3000;
/// Log group names: 1 to 512 characters (Lambda 1.2).
pub const LOG_GROUP_NAME_CHARS: RangeInclusive<usize> = 1..=512;
/// A function's timeout in seconds (Lambda 1.3).
pub const FUNCTION_TIMEOUT_SECS: RangeInclusive<u32> = 1..=900;
/// A function's memory in MB (Lambda 1.3).
pub const FUNCTION_MEMORY_MB: RangeInclusive<u32> = 128..=10_240;
/// What a function's `/tmp` holds, in MB (Lambda 1.3).
pub const EPHEMERAL_STORAGE_MB: RangeInclusive<u32> = 512..=10_240;
/// Bytes of a function's environment variables as compact JSON (Lambda 3.2).
pub const FUNCTION_ENVIRONMENT_BYTES_MAX: usize = 4096;
/// Layers of a function (Lambda 1.7).
pub const FUNCTION_LAYERS_MAX: usize = 5;
/// VPCs of one region, the default one among them. Source: AWS's quotas, as the seven that follow.
pub const VPCS_PER_REGION: usize = 5;
/// Subnets of one VPC.
pub const SUBNETS_PER_VPC: usize = 200;
/// Security groups of one region.
pub const SECURITY_GROUPS_PER_REGION: usize = 2500;
/// Rules of one security group in one direction; those of IPv4 and of IPv6 are counted apart (EDG part 4).
pub const RULES_PER_SECURITY_GROUP: usize = 60;
/// Security groups of one load balancer (EDG part 4).
pub const SECURITY_GROUPS_PER_LOAD_BALANCER: usize = 5;
/// Internet gateways of one region.
pub const INTERNET_GATEWAYS_PER_REGION: usize = 5;
/// Route tables of one VPC.
pub const ROUTE_TABLES_PER_VPC: usize = 200;
/// Routes of one table.
pub const ROUTES_PER_TABLE: usize = 50;
/// Invocations of one account and region at once (Lambda 4.7).
pub const ACCOUNT_CONCURRENCY: u32 = 1000;
/// What has to be left of them for functions without reserved concurrency (Lambda 4.7).
pub const UNRESERVED_CONCURRENCY_MIN: u32 = 100;
/// Bytes of all packages of functions, versions and layers together (Lambda 1.7).
pub const CODE_BYTES_MAX: u64 = 80_530_636_800;
