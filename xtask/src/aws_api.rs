//! The page of AWS's operations: which are built, and what of them is not as on AWS.
//!
//! The dispatchers of `control` look calls up in tables, one operation a line; the page is made from those lines, so that it
//! says what a caller gets.

use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};

use crate::repository::Repository;

const PAGE: &str = "docs/aws-api.md";

/// A service, the table that its calls are looked up in, and how many operations AWS has.
const SERVICES: [(&str, &str, Option<usize>); 8] = [
    (
        "CloudWatch, version 2010-08-01",
        "crates/control/src/aws/cloudwatch/operations.rs",
        Some(50),
    ),
    (
        "EC2's network, version 2016-11-15",
        "crates/control/src/aws/ec2/operations.rs",
        None,
    ),
    (
        "Elastic Load Balancing, version 2015-12-01",
        "crates/control/src/aws/elbv2/operations.rs",
        Some(51),
    ),
    (
        "Identity and Access Management, version 2010-05-08",
        "crates/control/src/aws/iam/operations.rs",
        Some(176),
    ),
    (
        "Lambda, version 2015-03-31",
        "crates/control/src/aws/lambda/operations.rs",
        Some(91),
    ),
    (
        "Security Token Service, version 2011-06-15",
        "crates/control/src/aws/sts/operations.rs",
        Some(11),
    ),
    (
        "AWS Certificate Manager, version 2015-12-08",
        "crates/control/src/aws/acm/operations.rs",
        Some(39),
    ),
    (
        "Amazon CloudWatch Logs, version 2014-03-28",
        "crates/control/src/aws/logs/operations.rs",
        Some(118),
    ),
];

/// Says whether the page is what the tables say today.
pub(crate) fn findings(repository: &Repository) -> Vec<String> {
    match render(repository) {
        Ok(page) if repository.text(PAGE) == Some(&page) => Vec::new(),
        Ok(_) => vec![format!(
            "{PAGE}: not what the tables of operations say; run `cargo xtask aws-api` and commit the page"
        )],
        Err(error) => vec![format!("{error:#}")],
    }
}

/// Writes the page.
pub(crate) fn write(repository: &Repository) -> Result<()> {
    repository.write(PAGE, &render(repository)?)
}

/// One line of a table.
#[derive(Debug, PartialEq, Eq)]
struct Operation {
    name: String,
    is_built: bool,
    note: String,
}

fn render(repository: &Repository) -> Result<String> {
    let mut page = String::from(
        "# AWS's operations\n\n\
         What the endpoint (`--endpoint`, default `127.0.0.1:4566`) answers of AWS's APIs. This page is made by\n\
         `cargo xtask aws-api` from the tables that the endpoint itself looks calls up in; do not edit it.\n\n\
         Calls are signed (Signature Version 4). With `--access-key` and `--secret-key` the signature is verified; without\n\
         them any key will do, but there must be one, so that no web page can call. An operation or a parameter that is\n\
         not built is refused with the code `NotImplemented` and status 501, and named. What the manifest owns is changed\n\
         in the manifest: calls that would change it are refused with `OperationNotPermitted`.\n",
    );
    for (service, table, count) in SERVICES {
        let text = repository.text(table).with_context(|| format!("{table} is missing"))?;
        let operations = parse(text).with_context(|| table.to_owned())?;
        ensure!(
            count.is_none_or(|count| operations.len() == count),
            "{table} has {} operations",
            operations.len()
        );
        let built = operations.iter().filter(|it| it.is_built).count();
        let all = match count {
            Some(count) => format!("{built} of {count} operations are built."),
            None => "Operations that are not listed are not built.".to_owned(),
        };
        let _ = write!(
            page,
            "\n## {service}\n\n{all}\n\n| Operation | Built | Note |\n| --- | --- | --- |\n"
        );
        for Operation { name, is_built, note } in &operations {
            let built = if *is_built { "yes" } else { "no" };
            let _ = writeln!(page, "| `{name}` | {built} | {note} |");
        }
    }
    Ok(page)
}

/// The lines `kind("Name", …, note),` of a table. A note is a text, or a constant of the file.
fn parse(text: &str) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let (_, table) = text
        .split_once("OPERATIONS: &[Operation] = &[")
        .context("there is no table")?;
    let (table, _) = table.split_once("\n];").context("the table has no end")?;
    for line in table
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
    {
        let row = line.strip_suffix("),").and_then(|line| line.split_once("(\""));
        let Some((kind, rest)) = row else {
            bail!("a line of the table is not like `read(\"Name\", by, note),`: {line}");
        };
        let (name, rest) = rest.split_once("\",").context("a name has no end")?;
        let note = match rest.trim().strip_suffix('"') {
            Some(literal) => literal
                .rsplit_once('"')
                .context("a note has no beginning")?
                .1
                .to_owned(),
            None => constant(text, rest.rsplit(' ').next().unwrap_or_default())?,
        };
        operations.push(Operation {
            name: name.to_owned(),
            is_built: kind != "nobody",
            note,
        });
    }
    Ok(operations)
}

/// The text of `const NAME: &str = "…";`.
fn constant(text: &str, name: &str) -> Result<String> {
    let begin = format!("const {name}: &str = \"");
    let (_, rest) = text
        .split_once(&begin)
        .with_context(|| format!("there is no constant {name:?}"))?;
    let (value, _) = rest.split_once("\";").context("a constant has no end")?;
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_table_are_operations() {
        let text = "const S3: &str = \"no S3\";\n\npub(crate) const OPERATIONS: &[Operation] = &[\n    \
                    change(\"AddTags\", tags::add, \"\"),\n    // a word\n    nobody(\"CreateTrustStore\", S3),\n    \
                    read(\"DescribeTags\", tags::describe, \"all of them, in order\"),\n];\n";
        let row = |name: &str, is_built, note: &str| Operation {
            name: name.to_owned(),
            is_built,
            note: note.to_owned(),
        };
        assert_eq!(
            parse(text).expect("a table"),
            [
                row("AddTags", true, ""),
                row("CreateTrustStore", false, "no S3"),
                row("DescribeTags", true, "all of them, in order"),
            ]
        );
        assert!(parse(&text.replace("nobody(\"", "nobody(")).is_err());
        assert!(parse(&text.replace("const S3", "const S4")).is_err());
    }
}
