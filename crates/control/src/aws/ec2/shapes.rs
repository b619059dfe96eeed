//! What resources have in common as XML.

use crate::aws::query::call::Call;
use model::Tags;
use wire::xml::Xml;

/// `tagSet`, where there are tags.
pub(super) fn tags(xml: &mut Xml, tags: &Tags) {
    if !tags.is_empty() {
        xml.items("tagSet", tags.iter(), |xml, (key, value)| {
            xml.text("key", key);
            xml.text("value", value);
        });
    }
}

/// The ARN of something of EC2.
pub(super) fn arn(call: &Call<'_>, kind: &str, id: &str) -> String {
    let (partition, region, account) = (call.scope.partition(), &call.scope.region, &call.scope.account);
    format!("arn:{partition}:ec2:{region}:{account}:{kind}/{id}")
}
