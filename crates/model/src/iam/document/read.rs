//! Reading policies.

use super::condition::{Condition, Operator};
use super::json::Json;
use super::pattern::Pattern;
use super::{Effect, Malformed, Matching, Principal, Statement, Use};
use crate::ids::AccountId;

/// Statements of one policy. Its size bounds them too; this bounds what one request costs.
const STATEMENTS_MAX: usize = 1000;

pub(super) fn statements(text: &str, of: Use) -> Result<Vec<Statement>, Malformed> {
    let json = Json::read(text).ok_or_else(|| malformed("This policy contains invalid Json"))?;
    let mut members = Members::of(json)?;
    let version = members.take("Version").map(text_of).transpose()?;
    let has_variables = match version.as_deref() {
        Some("2012-10-17") => true,
        None | Some("2008-10-17") => false,
        Some(_) => return Err(syntax()),
    };
    members.take("Id").map(text_of).transpose()?;
    let statements = members.take("Statement").ok_or_else(syntax)?;
    members.end()?;
    let list = match statements {
        Json::List(list) => list,
        one => vec![one],
    };
    if list.is_empty() {
        return Err(malformed("Missing required field Statement"));
    }
    if list.len() > STATEMENTS_MAX {
        return Err(syntax());
    }
    let mut ids = Vec::new();
    let mut statements = Vec::with_capacity(list.len());
    for json in list {
        let mut members = Members::of(json)?;
        if let Some(id) = members.take("Sid").map(text_of).transpose()? {
            let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if of == Use::Identity && !is_id {
                let message = format!(
                    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*: {}",
                    shown(&id)
                );
                return Err(Malformed(message));
            }
            if !id.is_empty() && ids.contains(&id) {
                return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
            }
            ids.push(id);
        }
        statements.push(statement(members, of, has_variables)?);
    }
    Ok(statements)
}

fn statement(mut members: Members, of: Use, has_variables: bool) -> Result<Statement, Malformed> {
    let effect = match members.take("Effect").map(text_of).transpose()?.as_deref() {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        Some(_) => return Err(syntax()),
        None => return Err(malformed("Missing required field Effect")),
    };
    let actions = either(&mut members, "Action", "NotAction", false)?;
    let actions = actions.ok_or_else(|| malformed("Policy statement must contain actions."))?;
    for pattern in &actions.patterns {
        check_action(pattern.as_str(), of)?;
    }
    let resources = either(&mut members, "Resource", "NotResource", has_variables)?;
    let principals = members.take("Principal");
    let has_not_principal = members.take("NotPrincipal").is_some();
    let (principals, resources) = match of {
        Use::Identity if principals.is_some() || has_not_principal => {
            return Err(malformed("Policy document should not specify a principal."));
        }
        Use::Identity => {
            let resources = resources.ok_or_else(|| malformed("Policy statement must contain resources."))?;
            for pattern in &resources.patterns {
                check_resource(pattern.as_str())?;
            }
            (Vec::new(), Some(resources))
        }
        Use::Trust if resources.is_some() => return Err(malformed("Has prohibited field Resource")),
        Use::Trust if has_not_principal => return Err(malformed("Has prohibited field NotPrincipal")),
        Use::Trust => {
            let json = principals.ok_or_else(|| malformed("Missing required field Principal"))?;
            (principals_of(json)?, None)
        }
    };
    let conditions = match members.take("Condition") {
        Some(json) => conditions(json, has_variables)?,
        None => Vec::new(),
    };
    members.end()?;
    Ok(Statement {
        effect,
        principals,
        actions,
        resources,
        conditions,
    })
}

/// A member, or its negation; not both.
fn either(members: &mut Members, name: &str, not: &str, has_variables: bool) -> Result<Option<Matching>, Malformed> {
    let (json, negative) = match (members.take(name), members.take(not)) {
        (None, None) => return Ok(None),
        (Some(json), None) => (json, false),
        (None, Some(json)) => (json, true),
        (Some(_), Some(_)) => return Err(syntax()),
    };
    let texts = texts_of(json)?;
    if texts.is_empty() {
        return Err(syntax());
    }
    let pattern = |text| Pattern::new(text, has_variables);
    let patterns = texts.into_iter().map(pattern).collect();
    Ok(Some(Matching { negative, patterns }))
}

fn check_action(text: &str, of: Use) -> Result<(), Malformed> {
    if text == "*" && of == Use::Identity {
        return Ok(());
    }
    let Some((vendor, name)) = text.split_once(':') else {
        return Err(malformed(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ));
    };
    let is_vendor = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if vendor.is_empty() || !vendor.bytes().all(is_vendor) {
        return Err(Malformed(format!("Vendor {} is not valid", shown(vendor))));
    }
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'?' | b'-' | b'_');
    if name.is_empty() || !name.bytes().all(is_word) {
        return Err(malformed("Syntax errors in policy."));
    }
    if of == Use::Trust && !vendor.eq_ignore_ascii_case("sts") {
        return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
    }
    Ok(())
}

fn check_resource(text: &str) -> Result<(), Malformed> {
    match text == "*" || text.starts_with("arn:") || text.starts_with("${") {
        true => Ok(()),
        false => Err(Malformed(format!(
            "Resource {} must be in ARN format or \"*\".",
            shown(text)
        ))),
    }
}

fn principals_of(json: Json) -> Result<Vec<Principal>, Malformed> {
    let members = match json {
        Json::Text(text) if text == "*" => return Ok(vec![Principal::Everyone]),
        Json::Object(members) if !members.is_empty() => members,
        _ => return Err(malformed("Invalid principal in policy.")),
    };
    let mut principals = Vec::new();
    for (kind, json) in members {
        for text in texts_of(json)? {
            principals.push(principal(&kind, &text)?);
        }
    }
    match principals.is_empty() {
        true => Err(malformed("Invalid principal in policy.")),
        false => Ok(principals),
    }
}

fn principal(kind: &str, text: &str) -> Result<Principal, Malformed> {
    let invalid = || {
        let kind = kind.chars().take(20).collect::<String>().to_uppercase();
        Malformed(format!("Invalid principal in policy: \"{kind}\":\"{}\"", shown(text)))
    };
    let plain = text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
    match kind {
        "AWS" if text == "*" => Ok(Principal::Everyone),
        "AWS" if AccountId::try_from(text).is_ok() => Ok(Principal::Account(text.into())),
        "AWS" => {
            let parts: Vec<_> = text.splitn(6, ':').collect();
            let ["arn", _, "iam" | "sts", "", account, rest] = parts[..] else {
                return Err(invalid());
            };
            // Only `*` alone is a wildcard here.
            if !plain || AccountId::try_from(account).is_err() || text.contains(['*', '?']) {
                return Err(invalid());
            }
            let is_named = ["user/", "role/", "assumed-role/", "federated-user/"];
            match rest {
                "root" => Ok(Principal::Account(account.into())),
                rest if is_named.iter().any(|prefix| rest.starts_with(prefix)) => Ok(Principal::Arn(text.into())),
                _ => Err(invalid()),
            }
        }
        "Service" => {
            let label = |it: &str| {
                let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                !it.is_empty() && it.bytes().all(allowed)
            };
            let name = text.strip_suffix(".amazonaws.com").unwrap_or_default();
            let name = name.strip_suffix(".cn").unwrap_or(name);
            match plain && name.split('.').all(label) {
                true => Ok(Principal::Service(text.into())),
                false => Err(invalid()),
            }
        }
        "Federated" if plain && !text.is_empty() => Ok(Principal::Federated(text.into())),
        _ => Err(invalid()),
    }
}

fn conditions(json: Json, has_variables: bool) -> Result<Vec<Condition>, Malformed> {
    let Json::Object(operators) = json else {
        return Err(syntax());
    };
    let mut conditions = Vec::new();
    for (operator, json) in operators {
        let Json::Object(keys) = json else {
            return Err(syntax());
        };
        let read = Operator::read(&operator)
            .ok_or_else(|| Malformed(format!("Invalid Condition type : {}.", shown(&operator))))?;
        for (key, json) in keys {
            let has_vendor = key
                .split_once(':')
                .is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty());
            if !has_vendor || key.len() > 512 {
                return Err(malformed(
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                ));
            }
            let texts = texts_of(json)?;
            if texts.is_empty() || !texts.iter().all(|text| read.takes(text)) {
                return Err(syntax());
            }
            conditions.push(Condition {
                operator: read,
                key,
                values: texts
                    .into_iter()
                    .map(|text| Pattern::new(text, has_variables))
                    .collect(),
            });
        }
    }
    Ok(conditions)
}

/// The members of an object, which are taken one by one; what is left in the end nobody understands.
struct Members(Vec<(String, Json)>);

impl Members {
    fn of(json: Json) -> Result<Self, Malformed> {
        match json {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(syntax()),
        }
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(its, _)| its == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn end(self) -> Result<(), Malformed> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(syntax()),
        }
    }
}

fn text_of(json: Json) -> Result<String, Malformed> {
    match json {
        Json::Text(text) => Ok(text),
        _ => Err(syntax()),
    }
}

/// One text or several; numbers and booleans are texts, too.
fn texts_of(json: Json) -> Result<Vec<String>, Malformed> {
    let one = |json| match json {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        Json::List(_) | Json::Object(_) | Json::Null => Err(syntax()),
    };
    match json {
        Json::List(list) => list.into_iter().map(one).collect(),
        json => Ok(vec![one(json)?]),
    }
}

fn syntax() -> Malformed {
    malformed("Syntax errors in policy.")
}

fn malformed(message: &str) -> Malformed {
    Malformed(message.to_owned())
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, of: Use, expected: Result<usize, &str>) {
        let read = statements(text, of).map(|it| it.len()).map_err(|it| it.0);
        assert_eq!(read, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn policies_of_identities() {
        for good in [
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
            r#"{"Id":"x","Statement":[{"Sid":"A1","Effect":"Deny","NotAction":["iam:Get*","s3:*"],"NotResource":["arn:aws:s3:::x"],
               "Condition":{"Bool":{"aws:SecureTransport":false},"NumericLessThan":{"a:b":[1,"2"]}}}]}"#,
        ] {
            check(good, Use::Identity, Ok(1));
        }
        let syntax = "Syntax errors in policy.";
        for (bad, why) in [
            ("", "This policy contains invalid Json"),
            ("[]", syntax),
            ("{}", syntax),
            (r#"{"Version":"2013-10-17","Statement":[]}"#, syntax),
            (r#"{"Statement":[]}"#, "Missing required field Statement"),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"},"Other":1}"#,
                syntax,
            ),
            (
                r#"{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}"#,
                syntax,
            ),
            (
                r#"{"Statement":{"Action":"*","Resource":"*"}}"#,
                "Missing required field Effect",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Resource":"*"}}"#,
                "Policy statement must contain actions.",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#,
                "Policy statement must contain resources.",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}"#,
                syntax,
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","resource":"*"}}"#,
                syntax,
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"x","Resource":"*"}}"#,
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"s3:x","Resource":"box"}}"#,
                "Resource box must be in ARN format or \"*\".",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}}"#,
                "Policy document should not specify a principal.",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqual":{"a:b":"c"}}}}"#,
                "Invalid Condition type : StringEqual.",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":"c"}}}}"#,
                syntax,
            ),
            (
                r#"{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},
                   {"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}"#,
                "Statement IDs (SID) in a single policy must be unique.",
            ),
        ] {
            check(bad, Use::Identity, Err(why));
        }
    }

    #[test]
    fn policies_of_trust() {
        let with = |principal: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal}}}]}}"#
            )
        };
        for good in [
            r#""*""#,
            r#"{"Service":"lambda.amazonaws.com"}"#,
            r#"{"AWS":["111122223333","arn:aws:iam::111122223333:root","*","arn:aws:iam::111122223333:user/a/b"]}"#,
            r#"{"Federated":"accounts.google.com"}"#,
        ] {
            check(&with(good), Use::Trust, Ok(1));
        }
        for (bad, why) in [
            (r#"{}"#, "Invalid principal in policy."),
            (r#"{"AWS":"me"}"#, "Invalid principal in policy: \"AWS\":\"me\""),
            (
                r#"{"Service":"lambda"}"#,
                "Invalid principal in policy: \"SERVICE\":\"lambda\"",
            ),
            (
                r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#,
                "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:user/*\"",
            ),
        ] {
            check(&with(bad), Use::Trust, Err(why));
        }
        let resource = r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Resource":"*"}}"#;
        check(resource, Use::Trust, Err("Has prohibited field Resource"));
        let other = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Principal":"*"}}"#;
        check(
            other,
            Use::Trust,
            Err("AssumeRole policy may only specify STS AssumeRole actions."),
        );
    }
}
