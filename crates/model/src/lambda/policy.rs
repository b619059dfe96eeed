//! Policies of functions: who may do what with them. Source: Lambda 6.

use crate::arn::{FunctionArn, TargetGroupArn};
use crate::ids::AccountId;
use crate::lambda::url::UrlAuth;
use std::fmt;
use std::sync::Arc;

/// What calls a function for a load balancer. Source: ALB 3.1.
const LOAD_BALANCING: &str = "elasticloadbalancing.amazonaws.com";

/// The policy of one function: statements that allow, in the order they were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionPolicy {
    /// Whose it is. It goes when the function goes.
    pub function: FunctionArn,
    /// Another one after every change. `RevisionId`.
    pub revision: u128,
    /// At least one, each with its own id.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `Sid`, unique in the policy.
    pub id: StatementId,
    /// Who may.
    pub principal: Principal,
    /// What they may.
    pub action: Action,
    /// `AWS:SourceArn`: on behalf of which resource; with wildcards.
    pub source_arn: Option<ArnPattern>,
    /// `AWS:SourceAccount`: on behalf of a resource of which account.
    pub source_account: Option<AccountId>,
    /// `lambda:FunctionUrlAuthType`: by a URL that asks for this.
    pub url_auth: Option<UrlAuth>,
    /// `lambda:InvokedViaFunctionUrl`: by a URL, or not.
    pub by_url: Option<bool>,
    /// `lambda:EventSourceToken`: with this token.
    pub event_source_token: Option<EventSourceToken>,
    /// `aws:PrincipalOrgID`: by somebody in this organization.
    pub organization: Option<OrganizationId>,
}

/// A text in a policy that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}")]
pub struct InvalidPolicyText {
    /// What it should be.
    pub kind: &'static str,
    /// As given, its beginning.
    pub text: String,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $is:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// As written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidPolicyText;

            fn try_from(text: &str) -> Result<Self, InvalidPolicyText> {
                let is: fn(&str) -> bool = $is;
                match is(text) {
                    true => Ok(Self(text.into())),
                    false => Err(InvalidPolicyText {
                        kind: $kind,
                        text: text.chars().take(100).collect(),
                    }),
                }
            }
        }
    };
}

text!(
    /// `StatementId`: 1 to 100 letters, digits, hyphens and underscores.
    StatementId, "statement id", |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=100).contains(&text.len()) && text.bytes().all(allowed)
    }
);
text!(
    /// `lambda:InvokeFunction`, another action of Lambda, or all of them with `*`.
    Action, "action of Lambda", |text| {
        let name = text.strip_prefix("lambda:").unwrap_or_default();
        text == "*" || name == "*" || (!name.is_empty() && name.len() <= 100 && name.bytes().all(|it| it.is_ascii_alphabetic()))
    }
);
text!(
    /// `EventSourceToken`: 1 to 256 letters, digits, dots, hyphens and underscores.
    EventSourceToken, "event source token", |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=256).contains(&text.len()) && text.bytes().all(allowed)
    }
);
text!(
    /// `PrincipalOrgID`: `o-` and 10 to 32 small letters and digits.
    OrganizationId, "organization id", |text| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let id = text.strip_prefix("o-").unwrap_or_default();
        (10..=32).contains(&id.len()) && id.bytes().all(allowed)
    }
);
text!(
    /// An ARN in which `*` and `?` stand for other characters of one of its six parts.
    ArnPattern, "ARN", |text| {
        text.len() <= 1024
            && text.starts_with("arn:")
            && text.split(':').count() >= 6
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
);

/// Who may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A service of AWS, such as `elasticloadbalancing.amazonaws.com`.
    Service(Arc<str>),
    /// Everybody in an account.
    Account(AccountId),
    /// A user or a role, by its ARN.
    Arn(Arc<str>),
    /// `*`.
    Everyone,
}

impl TryFrom<&str> for Principal {
    type Error = InvalidPolicyText;

    /// As `AddPermission` takes it. Source: Lambda 6.2.
    fn try_from(text: &str) -> Result<Self, InvalidPolicyText> {
        let is_label = |label: &str| {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty() && label.bytes().all(allowed)
        };
        let short = text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let service = text.strip_suffix(".amazonaws.com");
        if text == "*" {
            Ok(Self::Everyone)
        } else if let Ok(account) = AccountId::try_from(text) {
            Ok(Self::Account(account))
        } else if service.is_some_and(|name| short && name.split('.').all(is_label)) {
            Ok(Self::Service(text.into()))
        } else if short && text.starts_with("arn:") && text.contains(":iam::") {
            Ok(Self::Arn(text.into()))
        } else {
            Err(InvalidPolicyText {
                kind: "principal",
                text: text.chars().take(100).collect(),
            })
        }
    }
}

impl fmt::Display for Principal {
    /// As `AddPermission` takes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(text) | Self::Arn(text) => formatter.write_str(text),
            Self::Account(account) => account.fmt(formatter),
            Self::Everyone => formatter.write_str("*"),
        }
    }
}

impl FunctionPolicy {
    /// Whether a load balancer may invoke the function for this target group. Source: ALB 3.1, Lambda 6.5.
    pub fn allows_load_balancer(&self, group: &TargetGroupArn) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.allows_load_balancer(group))
    }

    /// Whether everybody may call the function by a URL that asks for no signature: for the URL and for the invocation
    /// behind it. Source: Lambda 6.6.
    pub fn allows_everybody_by_url(&self) -> bool {
        let may = |wanted| {
            let is_everybody = |it: &&Statement| it.principal == Principal::Everyone;
            self.statements.iter().filter(is_everybody).any(|it| it.allows(wanted))
        };
        may(FunctionUse::of_url(UrlAuth::None)) && may(FunctionUse::BY_URL)
    }
}

/// What somebody does who has a function run, and what conditions may ask about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionUse {
    /// What is done.
    pub action: &'static str,
    /// `lambda:FunctionUrlAuthType`: what the URL asks for.
    pub url_auth: Option<UrlAuth>,
    /// `lambda:InvokedViaFunctionUrl`: whether a URL is behind it.
    pub by_url: Option<bool>,
}

impl FunctionUse {
    /// An operation of the API.
    pub const API: Self = Self {
        action: "lambda:InvokeFunction",
        url_auth: None,
        by_url: None,
    };
    /// The invocation behind a request to a URL.
    pub const BY_URL: Self = Self {
        by_url: Some(true),
        ..Self::API
    };

    /// A request to a URL that asks for this.
    pub const fn of_url(auth: UrlAuth) -> Self {
        Self {
            action: "lambda:InvokeFunctionUrl",
            url_auth: Some(auth),
            by_url: None,
        }
    }
}

impl Statement {
    fn allows_load_balancer(&self, group: &TargetGroupArn) -> bool {
        let is_principal = match &self.principal {
            Principal::Service(name) => **name == *LOAD_BALANCING,
            Principal::Everyone => true,
            Principal::Account(_) | Principal::Arn(_) => false,
        };
        let is_action = matches!(self.action.as_str(), "lambda:InvokeFunction" | "lambda:*" | "*");
        let is_source = self.source_arn.as_ref().is_none_or(|it| it.matches(group.as_str()));
        let account = group.as_str().split(':').nth(4).unwrap_or_default();
        let is_account = self.source_account.as_ref().is_none_or(|it| it.to_string() == account);
        // A load balancer has neither a URL, nor a token, nor an organization: such conditions are false.
        let is_of_a_service = self.url_auth.is_none() && self.by_url.is_none() && self.is_of_everybody();
        is_principal && is_action && is_source && is_account && is_of_a_service
    }

    /// Whether it allows this, to whom it names, who comes on behalf of no resource.
    pub fn allows(&self, wanted: FunctionUse) -> bool {
        let allowed = self.action.as_str();
        let is_action = allowed == wanted.action || matches!(allowed, "lambda:*" | "*");
        let is_auth = self.url_auth.is_none() || self.url_auth == wanted.url_auth;
        let is_by_url = self.by_url.is_none() || self.by_url == wanted.by_url;
        let is_of_a_service = self.source_arn.is_some() || self.source_account.is_some();
        is_action && is_auth && is_by_url && !is_of_a_service && self.is_of_everybody()
    }

    /// Nobody here sends tokens, and nobody is in an organization: a condition on either is false.
    fn is_of_everybody(&self) -> bool {
        self.event_source_token.is_none() && self.organization.is_none()
    }
}

impl ArnPattern {
    /// Whether each of the six parts matches. Source: Lambda 6 "ArnLike".
    fn matches(&self, arn: &str) -> bool {
        let mut parts = self.0.splitn(6, ':').zip(arn.splitn(6, ':'));
        parts.all(|(pattern, text)| is_like(pattern.as_bytes(), text.as_bytes()))
    }
}

/// `*` for any run, `?` for one character. Goes back to the last star only, so that the time is bounded by the product of the
/// lengths.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((star_at, star_seen)) => {
                    star = Some((star_at, star_seen + 1));
                    at = star_at + 1;
                    seen = star_seen + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Region, ResourceId, Scope};

    fn group() -> TargetGroupArn {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        TargetGroupArn::new(&scope, "orders", ResourceId(7))
    }

    fn statement(principal: &str, action: &str, source_arn: Option<&str>, account: Option<&str>) -> Statement {
        Statement {
            id: StatementId::try_from("lb").unwrap(),
            principal: Principal::try_from(principal).unwrap(),
            action: Action::try_from(action).unwrap(),
            source_arn: source_arn.map(|it| ArnPattern::try_from(it).unwrap()),
            source_account: account.map(|it| AccountId::try_from(it).unwrap()),
            url_auth: None,
            by_url: None,
            event_source_token: None,
            organization: None,
        }
    }

    fn everybody(action: &str) -> Statement {
        statement("*", action, None, None)
    }

    fn policy(statements: &[Statement]) -> FunctionPolicy {
        FunctionPolicy {
            function: FunctionArn::try_from("arn:aws:lambda:us-east-1:111122223333:function:a").unwrap(),
            revision: 1,
            statements: statements.to_vec(),
        }
    }

    #[test]
    fn urls_are_open_to_everybody_by_two_statements() {
        let (url, invoke) = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction");
        let of_urls = Statement {
            url_auth: Some(UrlAuth::None),
            ..everybody(url)
        };
        let by_urls = Statement {
            by_url: Some(true),
            ..everybody(invoke)
        };
        for good in [
            [of_urls.clone(), by_urls.clone()],
            [everybody(url), everybody(invoke)],
            [everybody("lambda:*"), everybody("lambda:GetFunction")],
        ] {
            assert!(policy(&good).allows_everybody_by_url(), "{good:?}");
        }
        let account = AccountId::try_from("111122223333").unwrap();
        for bad in [
            [of_urls.clone(), of_urls.clone()],
            [by_urls.clone(), by_urls.clone()],
            [
                Statement {
                    url_auth: Some(UrlAuth::AwsIam),
                    ..of_urls.clone()
                },
                by_urls.clone(),
            ],
            [
                of_urls.clone(),
                Statement {
                    by_url: Some(false),
                    ..by_urls.clone()
                },
            ],
            [statement("111122223333", url, None, None), by_urls.clone()],
            [
                Statement {
                    source_account: Some(account),
                    ..of_urls.clone()
                },
                by_urls.clone(),
            ],
            [
                Statement {
                    organization: Some(OrganizationId::try_from("o-0123456789").unwrap()),
                    ..of_urls.clone()
                },
                by_urls.clone(),
            ],
            [
                of_urls,
                Statement {
                    event_source_token: Some(EventSourceToken::try_from("t").unwrap()),
                    ..by_urls
                },
            ],
        ] {
            assert!(!policy(&bad).allows_everybody_by_url(), "{bad:?}");
        }
    }

    #[test]
    fn a_load_balancer_is_not_what_conditions_about_others_mean() {
        let plain = everybody("*");
        assert!(plain.allows_load_balancer(&group()));
        for bad in [
            Statement {
                url_auth: Some(UrlAuth::None),
                ..plain.clone()
            },
            Statement {
                by_url: Some(true),
                ..plain.clone()
            },
            Statement {
                by_url: Some(false),
                ..plain.clone()
            },
            Statement {
                event_source_token: Some(EventSourceToken::try_from("t.-_9").unwrap()),
                ..plain.clone()
            },
            Statement {
                organization: Some(OrganizationId::try_from("o-abcdefghij").unwrap()),
                ..plain
            },
        ] {
            assert!(!bad.allows_load_balancer(&group()), "{bad:?}");
        }
    }

    // LAM-P-014: a wildcard matches inside of a part; another account is denied
    #[test]
    fn load_balancers_are_allowed_by_statements_that_mean_them() {
        let (lb, invoke, group) = (LOAD_BALANCING, "lambda:InvokeFunction", group());
        let of_groups = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/*";
        for good in [
            statement(lb, invoke, None, None),
            statement(lb, "lambda:*", Some(group.as_str()), None),
            statement("*", "*", None, None),
            statement(lb, invoke, Some(of_groups), Some("111122223333")),
            statement(
                lb,
                invoke,
                Some("arn:*:*:*:*:targetgroup/orders/???????????????7"),
                None,
            ),
        ] {
            assert!(good.allows_load_balancer(&group), "{good:?}");
        }
        for bad in [
            statement("s3.amazonaws.com", invoke, None, None),
            statement("111122223333", invoke, None, None),
            statement(lb, "lambda:GetFunction", None, None),
            statement(lb, invoke, None, Some("999922223333")),
            statement(lb, invoke, Some("arn:*:targetgroup/orders/*:a:b:c:d"), None),
            statement(lb, invoke, Some(&format!("{group}x")), None),
            statement(
                lb,
                invoke,
                Some("arn:aws:elasticloadbalancing:*:targetgroup/*:x:y"),
                None,
            ),
        ] {
            assert!(!bad.allows_load_balancer(&group), "{bad:?}");
        }
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("a*c", "abbc"),
            ("*a*a", "aba"),
            ("?b*", "ab"),
            ("a**", "a"),
        ] {
            assert!(is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("?", ""), ("a*c", "abcd"), ("a?", "a"), ("*b", "abc")] {
            assert!(!is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn principals_are_read() {
        for good in [LOAD_BALANCING, "*", "111122223333", "arn:aws:iam::111122223333:role/a"] {
            assert_eq!(Principal::try_from(good).map(|it| it.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "me",
            "a b.amazonaws.com",
            ".amazonaws.com",
            "arn:aws:s3:::x",
            "1111",
        ] {
            assert!(Principal::try_from(bad).is_err(), "{bad}");
        }
    }
}
