//! `role` and `aws_api`: as whom a function calls AWS's APIs.

use crate::mistake::Spot;
use crate::reader::{Fields, accepted, text, wrong};
use crate::schema::Walk;
use crate::yaml::Node;
use model::lambda::about::RoleArn;
use model::lambda::function::AwsApi;

const ROLE: &str = "the name of a role, or its ARN such as `arn:aws:iam::000000000000:role/orders`";
const CLOSED: &str = "`none`; without the key, it reaches AWS's APIs as its role";
/// Characters of a role's name.
const NAME_MAX: usize = 64;

impl Walk<'_> {
    pub(super) fn aws_api(&mut self, fields: &Fields<'_>) -> Option<AwsApi> {
        let role = match fields.entry("role") {
            Some((key, node)) => Some((key.spot, self.role(node)?)),
            None => None,
        };
        let is_closed = match fields.get("aws_api") {
            Some(node) => match text(&mut self.report, node, CLOSED)? {
                "none" => true,
                _ => return wrong(&mut self.report, node, CLOSED),
            },
            None => false,
        };
        match role {
            Some((spot, _)) if is_closed => self.nobody_uses(spot),
            Some((_, role)) => Some(AwsApi::Role(role)),
            None if is_closed => Some(AwsApi::None),
            None => Some(AwsApi::OwnRole),
        }
    }

    fn nobody_uses(&mut self, spot: Spot) -> Option<AwsApi> {
        let message = "`role` has no effect with `aws_api: none`: take one of them out";
        self.report.mistake(spot, message);
        None
    }

    fn role(&mut self, node: &Node) -> Option<RoleArn> {
        let role = text(&mut self.report, node, ROLE)?;
        let account = self.settings.scope.account.to_string();
        if !role.starts_with("arn:") {
            let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
            if role.is_empty() || role.len() > NAME_MAX || !role.bytes().all(is_name_byte) {
                return wrong(&mut self.report, node, ROLE);
            }
            let arn = format!("arn:aws:iam::{account}:role/{role}");
            return accepted(&mut self.report, node.spot, RoleArn::try_from(arn.as_str()));
        }
        let arn = accepted(&mut self.report, node.spot, RoleArn::try_from(role))?;
        if arn.as_str().split(':').nth(4) != Some(&account) {
            let expected = format!("a role of this account, {account}: nobody may pass roles of others");
            return wrong(&mut self.report, node, &expected);
        }
        Some(arn)
    }
}
