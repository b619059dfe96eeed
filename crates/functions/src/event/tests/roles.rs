//! Functions of the API: what comes of their events goes where their role may send it. Source: Lambda 5.9.

use super::*;
use model::Change;
use model::iam::document::Use;
use model::iam::name::Name;
use model::iam::{Change as IamChange, Document, Identity, Role};
use model::lambda::about::{About, Architecture, FunctionRecord, RoleArn, Status, Tracing};
use model::lambda::package::{Package, PackageDigest};
use model::lambda::resources::Change as LambdaChange;

impl World {
    fn change(&self, change: &Change) {
        let mut next = State::clone(&self.state.borrow());
        next.apply(change);
        self.state.send_replace(Arc::new(next));
    }

    /// Makes `f` a function of the API whose role may do this.
    fn runs_as_role(&self, action: &str, resource: &str) {
        let record = FunctionRecord {
            function: arn("f"),
            about: About {
                role: RoleArn::try_from("arn:aws:iam::111122223333:role/r").unwrap(),
                description: String::new(),
                package: Package {
                    digest: PackageDigest([1; 32]),
                    bytes: 1,
                },
                architecture: Architecture::X8664,
                has_environment: false,
                tracing: Tracing::PassThrough,
                layers: Vec::new(),
                vpc: None,
                last_modified: Timestamp(0),
                revision: 1,
            },
            status: Status::Active,
            version_last: 0,
            allows_recursion: false,
            updates_runtime_with_function: false,
        };
        self.change(&Change::Lambda(LambdaChange::PutRecord(Arc::new(record))));
        self.allow(action, resource);
    }

    fn allow(&self, action: &str, resource: &str) {
        let read = |statement: &str, use_| {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{statement}}}]}}"#);
            Document::read(&document, use_).unwrap()
        };
        let name = Name::new(&scope().account, "r");
        let mut identity = Identity::new(name, "/".into(), "AROA".into(), Timestamp(0));
        let own = read(
            &format!(r#""Action":"{action}","Resource":"{resource}""#),
            Use::Identity,
        );
        identity.inline.insert("own".into(), own);
        let role = Role {
            identity,
            description: None,
            max_session_secs: 3600,
            trust: read(
                r#""Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole""#,
                Use::Trust,
            ),
        };
        self.change(&Change::Iam(IamChange::PutRole(Arc::new(role))));
    }

    fn lost(&self) -> usize {
        self.counted("f", MetricEvent::DestinationDeliveryFailure)
    }
}

#[tokio::test]
async fn a_record_goes_to_a_function_that_the_role_may_invoke() {
    let world = World::new();
    world.runs_as_role("lambda:InvokeFunction", arn("yes").as_str());
    world.set(Some(0), None);
    world.events.serve();
    world.send("f", "{}").await;
    world.until("the record", |world| world.runs("yes").len() == 1).await;
    // The other one it may not.
    world.answer("f", failed());
    world.send("f", "{}").await;
    world.until("the loss", |world| world.lost() == 1).await;
    world.until_due(None).await;
    assert_eq!((world.runs("f").len(), world.runs("no").len()), (2, 0));
    assert_eq!(world.events.monitor().events(), 0);
    // As soon as it may.
    world.allow("lambda:InvokeFunction", arn("no").as_str());
    world.answer("f", failed());
    world.send("f", "{}").await;
    world.until("the record", |world| world.runs("no").len() == 1).await;
    assert_eq!(world.lost(), 1);
    world.events.end().await;
}

#[tokio::test]
async fn a_record_goes_into_a_bucket_that_the_role_may_write_to() {
    let world = World::new();
    world.runs_as_role("s3:GetObject", "*");
    let bucket = FailureDestination::try_from("arn:aws:s3:::dead").unwrap();
    world.set_failures(Some(0), None, bucket);
    world.events.serve();
    world.answer("f", failed());
    world.send("f", "{}").await;
    world.until("the loss", |world| world.lost() == 1).await;
    world.until_due(None).await;
    assert_eq!(world.buckets.lock().unwrap().tries, 0);
    world.allow("s3:PutObject", "arn:aws:s3:::dead/aws/lambda/async/f/*");
    world.answer("f", failed());
    world.send("f", "{}").await;
    world
        .until("the object", |world| world.buckets.lock().unwrap().objects.len() == 1)
        .await;
    assert_eq!(world.lost(), 1);
    world.events.end().await;
}
