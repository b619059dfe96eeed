//! Certificates that were made through ACM, and log groups.

use crate::support::*;
use model::acm::{Origin, Record, Requested, Validation};
use model::command::acm::Command as AcmCommand;
use model::command::logs::Command as LogsCommand;
use model::elb::certificate::{Certificate, CertificateKey};
use model::lambda::logging::LogGroupName;
use model::logs::{LogGroup, LogStream, LogStreamId, Retention};
use model::refusal::{CertificateRefusal, LogsRefusal};
use model::{CertificateArn, Command, Context, Owner, Secret, State, TaggedArn, Tags, Timestamp, decide};
use std::sync::Arc;

fn arn(number: u128) -> CertificateArn {
    CertificateArn::new(&scope(), number)
}

fn issued(number: u128, not_after: u64) -> Certificate {
    Certificate {
        arn: arn(number),
        names: vec!["shop.localhost".to_owned()],
        key: CertificateKey::Rsa(2048),
        not_before: Timestamp(0),
        not_after: Timestamp(not_after),
        chain_pem: format!("chain {not_after}").into(),
        private_key_pem: Secret::new("key".into()),
        owner: Owner::Api,
    }
}

fn requested() -> Origin {
    Origin::Requested(Requested {
        domain_name: "shop.localhost".to_owned(),
        names: vec!["shop.localhost".to_owned()],
        validation: Validation::Dns,
        validation_domains: vec![],
        token: None,
        renewed_at: None,
    })
}

fn put(certificate: Certificate, origin: Origin) -> Command {
    let record = Record {
        arn: certificate.arn.clone(),
        created_at: Timestamp(1),
        origin,
        transparency_logging: true,
    };
    Command::Acm(AcmCommand::Put {
        certificate: Box::new(certificate),
        record: Box::new(record),
    })
}

#[test]
fn a_renewal_keeps_the_arn_and_is_done_once() {
    let mut state = State::default();
    apply(&mut state, &put(issued(1, 10), requested())).unwrap();
    let renew = Command::Acm(AcmCommand::Renew(Box::new(issued(1, 20))));
    apply(&mut state, &renew).unwrap();
    assert_eq!(state.certificate(&arn(1)).unwrap().not_after, Timestamp(20));
    let renewed = state.acm().record(&arn(1)).unwrap().requested().unwrap().renewed_at;
    assert!(renewed.is_some());
    for again in [renew, Command::Acm(AcmCommand::Renew(Box::new(issued(2, 20))))] {
        let commit = decide(&state, &again, &Context::default()).unwrap();
        assert!(commit.changes.is_empty(), "{again:?}");
    }
}

#[test]
fn what_was_issued_is_not_replaced_by_an_import() {
    let mut state = State::default();
    let imported = || Origin::Imported { at: Timestamp(5) };
    apply(&mut state, &put(issued(1, 10), requested())).unwrap();
    refused(
        &state,
        &put(issued(1, 10), imported()),
        CertificateRefusal::NotImported(arn(1)),
    );
    apply(&mut state, &put(issued(2, 10), imported())).unwrap();
    apply(&mut state, &put(issued(2, 30), imported())).unwrap();
    assert_eq!(state.certificate(&arn(2)).unwrap().not_after, Timestamp(30));
}

// EDG-126: a certificate that a listener uses stays; when it goes, everything about it does
#[test]
fn a_certificate_goes_with_all_that_is_known_of_it() {
    let mut state = shop();
    let in_use = Command::DeleteCertificate(certificate());
    assert!(decide(&state, &in_use, &Context::default()).is_err());
    apply(&mut state, &put(issued(9, 10), requested())).unwrap();
    let resource = TaggedArn::Certificate(arn(9));
    let tags = Tags::new([("a", "b")]).unwrap();
    let tag = Command::AddTags {
        resources: vec![resource.clone()],
        tags,
    };
    apply(&mut state, &tag).unwrap();
    assert!(!state.tags(&resource).is_empty());
    apply(&mut state, &Command::DeleteCertificate(arn(9))).unwrap();
    assert!(state.acm().record(&arn(9)).is_none() && state.tags(&resource).is_empty());
}

#[test]
fn certificates_of_the_manifest_are_its_own() {
    let state = shop();
    let context = Context {
        protects: Some(Owner::Manifest),
        ..Context::default()
    };
    let delete = Command::DeleteCertificate(certificate());
    let refusal = decide(&state, &delete, &context).unwrap_err();
    assert!(matches!(refusal, model::Refusal::Owned { .. }), "{refusal}");
}

fn group(name: &str) -> LogGroup {
    LogGroup {
        name: LogGroupName::try_from(name).unwrap(),
        created_at: Timestamp(1),
        retention: None,
        is_deletion_protected: false,
        tags: Arc::default(),
    }
}

#[test]
fn log_groups_are_made_once_and_go_with_their_streams() {
    let mut state = State::default();
    let create = Command::Logs(LogsCommand::CreateGroup(group("/a")));
    apply(&mut state, &create).unwrap();
    let name = group("/a").name;
    refused(&state, &create, LogsRefusal::GroupTaken(name.clone()));
    let id = LogStreamId::new(&name, "s").unwrap();
    let stream = Command::Logs(LogsCommand::CreateStream(LogStream {
        id: id.clone(),
        created_at: Timestamp(2),
    }));
    apply(&mut state, &stream).unwrap();
    refused(&state, &stream, LogsRefusal::StreamTaken(id.clone()));
    let protected = LogGroup {
        is_deletion_protected: true,
        retention: Some(Retention::try_from(7).unwrap()),
        ..group("/a")
    };
    apply(&mut state, &Command::Logs(LogsCommand::PutGroup(protected))).unwrap();
    let delete = Command::Logs(LogsCommand::DeleteGroup(name.clone()));
    refused(&state, &delete, LogsRefusal::Protected(name));
    apply(&mut state, &Command::Logs(LogsCommand::PutGroup(group("/a")))).unwrap();
    apply(&mut state, &delete).unwrap();
    assert!(state.logs().group("/a").is_none() && state.logs().stream(&id).is_none());
    // One that was only written to is known to the files alone.
    apply(&mut state, &delete).unwrap();
}
