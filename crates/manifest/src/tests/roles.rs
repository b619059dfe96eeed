//! `functions.<name>.role` and `functions.<name>.aws_api`.

use super::*;
use model::lambda::about::RoleArn;
use model::lambda::function::AwsApi;

fn function(keys: &str) -> String {
    format!("functions:\n  f: {{ code: run{keys} }}\n")
}

fn loaded(keys: &str) -> AwsApi {
    let loaded = folder().load(&function(keys));
    let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let none = model::State::default();
    let state = crate::testing::apply(&none, &loaded.desired.batch(&none).commands);
    let function = state.functions().next().unwrap();
    function.configuration.aws_api.clone()
}

#[test]
fn everything_that_can_be_said() {
    let role = |arn: &str| AwsApi::Role(RoleArn::try_from(arn).unwrap());
    assert_eq!(loaded(""), AwsApi::OwnRole);
    assert_eq!(
        loaded(", role: orders"),
        role("arn:aws:iam::000000000000:role/orders"),
        "a role of the manifest's account"
    );
    let with_path = "arn:aws:iam::000000000000:role/service/Orders-1";
    assert_eq!(loaded(&format!(", role: '{with_path}'")), role(with_path));
    assert_eq!(loaded(", aws_api: none"), AwsApi::None);
}

#[test]
fn mistakes_of_roles() {
    let expected = "the name of a role, or its ARN such as `arn:aws:iam::000000000000:role/orders`";
    let cases = [
        (
            ", role: 'a b'",
            format!("2:25: found the text `a b`; expected {expected}"),
        ),
        (
            ", role: a/b",
            format!("2:25: found the text `a/b`; expected {expected}"),
        ),
        (", role: [a]", format!("2:25: found a list; expected {expected}")),
        (
            ", role: 'arn:aws:iam::000000000000:user/a'",
            "2:25: \"arn:aws:iam::000000000000:user/a\" is not the ARN of a role".into(),
        ),
        (
            ", role: 'arn:aws:iam::111122223333:role/a'",
            "2:25: found the text `arn:aws:iam::111122223333:role/a`; expected a role of this account, 000000000000: \
             nobody may pass roles of others"
                .into(),
        ),
        (
            ", aws_api: all",
            "2:28: found the text `all`; expected `none`; without the key, it reaches AWS's APIs as its role".into(),
        ),
        (
            ", role: a, aws_api: none",
            "2:19: `role` has no effect with `aws_api: none`: take one of them out".into(),
        ),
    ];
    for (keys, expected) in cases {
        let mistakes = folder().load(&function(keys)).unwrap_err();
        let shown: Vec<_> = mistakes.all.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 1, "{keys}: {shown:?}");
        assert!(shown[0].ends_with(&expected), "{keys}: {}\n{expected}", shown[0]);
    }
}
