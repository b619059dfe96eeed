//! Layers: what reading them asks for, however they are named, and that attaching one reads it.

use super::*;
use model::Change;
use model::lambda::layer::{LayerStatement, LayerVersion, LayerVersionArn};
use model::lambda::package::{Package, PackageDigest};
use model::lambda::policy::StatementId;
use model::lambda::resources::Change as LambdaChange;

const LAYER: &str = "arn:aws:lambda:eu-west-1:111122223333:layer:libs:1";

fn deny(action: &str, resource: &str) -> String {
    lambda(action, resource).replace("Allow", "Deny")
}

#[test]
fn whoever_attaches_a_layer_may_read_it() {
    let functions = [
        lambda("lambda:CreateFunction", "*"),
        lambda("lambda:UpdateFunctionConfiguration", "*"),
    ]
    .join(",");
    let reads = lambda(
        "lambda:GetLayerVersion",
        "arn:aws:lambda:eu-west-1:111122223333:layer:libs:*",
    );
    let of = |layers: &str| format!(r#"{{"FunctionName":"f","Layers":[{layers}]}}"#);
    let libs = of(&format!("{LAYER:?}"));
    let both = of(&format!("{LAYER:?},{:?}", LAYER.replace("libs", "more")));
    // The last one counts, here as where it is read; and letters may be written in other ways.
    let hidden = format!(r#"{{"FunctionName":"f","Layers":[],"\u004cayers":[{LAYER:?}]}}"#);
    for target in [
        "POST /2015-03-31/functions",
        "POST /2015-03-31/functions/",
        "PUT /2015-03-31/functions/f/configuration",
    ] {
        let may = |statements: &str, body: &str| may_call("lambda", statements, target, &[], body);
        assert!(
            may(&functions, &of("")) && may(&functions, r#"{"FunctionName":"f"}"#),
            "{target}"
        );
        for body in [&libs, &hidden] {
            assert!(!may(&functions, body), "{target} {body}");
            assert!(may(&format!("{functions},{reads}"), body), "{target} {body}");
        }
        assert!(!may(&format!("{functions},{reads}"), &both), "{target}");
        let denied = format!("{},{}", lambda("lambda:*", "*"), deny("lambda:GetLayerVersion", LAYER));
        assert!(!may(&denied, &libs), "{target}");
    }
}

#[test]
fn a_layer_is_what_its_policy_allows_everybody() {
    let arn = LayerVersionArn::try_from(LAYER).unwrap();
    let statement = |account: Option<&str>, organization: Option<&str>| LayerStatement {
        id: StatementId::try_from("s").unwrap(),
        account: account.map(|it| AccountId::try_from(it).unwrap()),
        organization: organization.map(str::to_owned),
    };
    for (statement, expected) in [
        (statement(None, None), true),
        // The account hands it on, and nobody is in an organization.
        (statement(Some(ACCOUNT), None), false),
        (statement(None, Some("o-0123456789")), false),
    ] {
        let version = LayerVersion {
            arn: arn.clone(),
            package: Package {
                digest: PackageDigest([1; 32]),
                bytes: 1,
            },
            description: String::new(),
            runtimes: Vec::new(),
            architectures: Vec::new(),
            license: None,
            created: Timestamp(0),
            statements: vec![statement],
            policy_revision: 1,
        };
        let mut state = State::default();
        state.apply(&Change::Lambda(LambdaChange::PutLayerVersion(Arc::new(version))));
        let body = format!(r#"{{"Layers":[{LAYER:?}]}}"#);
        let target = "PUT /2015-03-31/functions/f/configuration";
        let may = |statements: &str| may_call_as(&state, &caller("lambda", statements), target, &[], &body);
        let update = lambda("lambda:UpdateFunctionConfiguration", "*");
        assert_eq!(may(&update), expected);
        assert!(!may(&format!("{update},{}", deny("lambda:GetLayerVersion", "*"))));
    }
}

#[test]
fn a_denied_layer_is_denied_however_it_is_named() {
    let layer = LAYER.trim_end_matches(":1");
    for (denied, target) in [
        (
            "lambda:GetLayerVersion",
            "GET /2018-10-31/layers/libs/versions/1".to_owned(),
        ),
        (
            "lambda:GetLayerVersion",
            "GET /2018-10-31/layers/libs/versions/01".to_owned(),
        ),
        (
            "lambda:GetLayerVersion",
            "GET /2018-10-31/layers/libs/versions/%2B1".to_owned(),
        ),
        (
            "lambda:GetLayerVersion",
            format!("GET /2018-10-31/layers/{layer}/versions/1"),
        ),
        (
            "lambda:GetLayerVersion",
            format!("GET /2018-10-31/layers?find=LayerVersion&Arn={LAYER}"),
        ),
        (
            "lambda:DeleteLayerVersion",
            "DELETE /2018-10-31/layers/libs/versions/1".to_owned(),
        ),
        (
            "lambda:RemoveLayerVersionPermission",
            "DELETE /2018-10-31/layers/libs/versions/1/policy/all".to_owned(),
        ),
    ] {
        let some = |resource: &str| format!("{},{}", lambda("lambda:*", "*"), deny(denied, resource));
        assert!(!may_call("lambda", &some(LAYER), &target, &[], ""), "{target}");
        let other = some(&LAYER.replace("libs", "more"));
        assert!(may_call("lambda", &other, &target, &[], ""), "{target}");
        // And it is enough to be allowed that very one.
        assert!(may_call("lambda", &lambda(denied, LAYER), &target, &[], ""), "{target}");
    }
    // It looks like a list.
    let lists = lambda("lambda:ListLayers", "*");
    assert!(may_call("lambda", &lists, "GET /2018-10-31/layers", &[], ""));
    let found = format!("GET /2018-10-31/layers?find=LayerVersion&Arn={LAYER}");
    assert!(!may_call("lambda", &lists, &found, &[], ""));
    // Nobody knows which one.
    let any = lambda("lambda:GetLayerVersion", "*");
    for target in [
        "GET /2018-10-31/layers?find=LayerVersion",
        "GET /2018-10-31/layers/a%20b/versions/1",
    ] {
        assert!(!may_call("lambda", &lists, target, &[], ""), "{target}");
        assert!(may_call("lambda", &any, target, &[], ""), "{target}");
    }
    let publish = "POST /2018-10-31/layers/libs/versions";
    let denied = format!(
        "{},{}",
        lambda("lambda:*", "*"),
        deny("lambda:PublishLayerVersion", layer)
    );
    assert!(!may_call("lambda", &denied, publish, &[], "{}"));
    assert!(may_call(
        "lambda",
        &lambda("lambda:PublishLayerVersion", layer),
        publish,
        &[],
        "{}"
    ));
}
