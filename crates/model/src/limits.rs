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
/// Target group stickiness: 1 second to 7 days.
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
/// Log group names: 1 to 512 characters (Lambda 1.2).
pub const LOG_GROUP_NAME_CHARS: RangeInclusive<usize> = 1..=512;
/// A function's timeout in seconds (Lambda 1.3).
pub const FUNCTION_TIMEOUT_SECS: RangeInclusive<u32> = 1..=900;
/// A function's memory in MB (Lambda 1.3).
pub const FUNCTION_MEMORY_MB: RangeInclusive<u32> = 128..=10_240;
/// Bytes of a function's environment variables as compact JSON (Lambda 3.2).
pub const FUNCTION_ENVIRONMENT_BYTES_MAX: usize = 4096;
