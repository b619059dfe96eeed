//! Parameters as values, with EC2's words for what does not fit.

use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan, fresh_id};
use crate::aws::query::input::shown;
use model::ec2::Command as Ec2Command;
use model::ec2::command::Verb;
use model::ec2::net::Net;
use model::{Command, Context, Tags};
use wire::query::Fields;
use wire::xml::Xml;

/// A parameter that must be there.
pub(super) fn required<'a>(fields: &Fields<'a>, name: &str) -> Result<&'a str, AwsError> {
    let text = fields.text(name).filter(|text| !text.is_empty());
    text.ok_or_else(|| missing(&fields.path(name)))
}

pub(super) fn missing(path: &str) -> AwsError {
    let mut letters = path.chars();
    let first = letters.next().map(|it| it.to_ascii_lowercase());
    let path: String = first.into_iter().chain(letters).collect();
    AwsError::new(
        "MissingParameter",
        format!("The request must contain the parameter {path}"),
    )
}

/// A value that a parameter does not take.
pub(super) fn invalid(path: &str, text: &str, why: &str) -> AwsError {
    let text = shown(text);
    AwsError::new(
        "InvalidParameterValue",
        format!("Value ({text}) for parameter {path} is invalid. {why}"),
    )
}

/// An id of one kind, named by its prefix.
pub(super) fn id<T: for<'t> TryFrom<&'t str>>(text: &str, code: &'static str, prefix: &str) -> Result<T, AwsError> {
    T::try_from(text).map_err(|_| {
        let text = shown(text);
        AwsError::new(code, format!("Invalid id: \"{text}\" (expecting \"{prefix}...\")"))
    })
}

/// A required id.
pub(super) fn required_id<T: for<'t> TryFrom<&'t str>>(
    fields: &Fields<'_>,
    name: &str,
    code: &'static str,
    prefix: &str,
) -> Result<T, AwsError> {
    id(required(fields, name)?, code, prefix)
}

/// A fresh id of any kind.
pub(super) fn fresh<T>(make: impl FnOnce(model::ResourceId) -> T) -> Result<T, AwsError> {
    Ok(make(fresh_id()?))
}

/// `true` or `false`.
pub(super) fn boolean(fields: &Fields<'_>, name: &str) -> Result<Option<bool>, AwsError> {
    match fields.text(name) {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(other) => Err(invalid(&fields.path(name), other, "It must be true or false.")),
    }
}

/// `Name.Value=true`, as attributes are written.
pub(super) fn attribute(fields: &Fields<'_>, name: &str) -> Result<Option<bool>, AwsError> {
    match fields.structure(name) {
        Some(value) => boolean(&value, "Value"),
        None => Ok(None),
    }
}

/// A CIDR block.
pub(super) fn net(path: &str, text: &str) -> Result<Net, AwsError> {
    Net::try_from(text).map_err(|_| invalid(path, text, "This is not a valid CIDR block."))
}

/// A parameter that may say what is so anyway, and nothing else.
pub(super) fn only(fields: &Fields<'_>, name: &str, value: &str) -> Result<(), AwsError> {
    match fields.text(name) {
        Some(text) if text != value => {
            let (path, text) = (fields.path(name), shown(text));
            Err(AwsError::not_built(format!(
                "The value {text} of the parameter {path} is not built"
            )))
        }
        _ => Ok(()),
    }
}

/// `TagSpecification`: the tags of what is created.
pub(super) fn creation_tags(call: &Call<'_>, kind: &str) -> Result<Tags, AwsError> {
    let mut pairs = Vec::new();
    for specification in call.fields.flat_list("TagSpecification")? {
        let named = required(&specification, "ResourceType")?;
        if named != kind {
            let named = shown(named);
            let message = format!("'{named}' is not a valid taggable resource type for this operation.");
            return Err(AwsError::new("InvalidParameterValue", message));
        }
        pairs.extend(tag_pairs(&specification)?);
    }
    let pairs = pairs.iter().map(|(key, value)| (*key, value.unwrap_or_default()));
    Tags::new(pairs).map_err(|refusal| super::errors::tag(&refusal))
}

/// `Tag.N`: keys, with values where there are any.
pub(super) fn tag_pairs<'a>(fields: &Fields<'a>) -> Result<Vec<(&'a str, Option<&'a str>)>, AwsError> {
    let mut pairs = Vec::new();
    for tag in fields.flat_list("Tag")? {
        let key = tag.text("Key").ok_or_else(|| missing("TagKey"))?;
        pairs.push((key, tag.text("Value")));
    }
    Ok(pairs)
}

/// A change of the network.
pub(super) fn plan(
    call: &Call<'_>,
    verbs: Vec<Verb>,
    answer: impl FnOnce(&Call<'_>) -> Result<Xml, AwsError> + Send + 'static,
) -> Result<Plan, AwsError> {
    let command = |verb: Verb| {
        let scope = call.scope.clone();
        Command::Ec2(Ec2Command { scope, verb })
    };
    let commands: Vec<Command> = verbs.into_iter().map(command).collect();
    dry_run(call, &commands)?;
    Ok(Plan::new(commands, answer))
}

/// A change that answers that it was made.
pub(super) fn silent(call: &Call<'_>, verbs: Vec<Verb>) -> Result<Plan, AwsError> {
    plan(call, verbs, |_| {
        let mut xml = Xml::new();
        xml.text("return", "true");
        Ok(xml)
    })
}

/// `DryRun` of a call that reads.
pub(super) fn dry_read(call: &Call<'_>) -> Result<(), AwsError> {
    dry_run(call, &[])
}

/// With `DryRun` nothing is done: the answer says what would come of it.
fn dry_run(call: &Call<'_>, commands: &[Command]) -> Result<(), AwsError> {
    if boolean(&call.fields, "DryRun")? != Some(true) {
        return Ok(());
    }
    let mut scratch = call.state.clone();
    for command in commands {
        let decided = model::decide(&scratch, command, &Context::default());
        let commit = decided.map_err(|refusal| super::errors::of(refusal, &call.api.manifest))?;
        commit.changes.iter().for_each(|change| scratch.apply(change));
    }
    let message = "Request would have succeeded, but DryRun flag is set.";
    Err(AwsError::with_status(412, "DryRunOperation", message))
}
