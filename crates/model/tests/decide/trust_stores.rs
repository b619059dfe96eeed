//! Trust stores, and the listeners that verify clients with them.

use crate::support::*;
use model::command::listener::ModifyListener;
use model::elb::listener::{ListenerProtocol, MutualAuthentication};
use model::elb::load_balancer::LoadBalancerAttributes;
use model::elb::name::TargetGroupName;
use model::elb::trust_store::{Revocation, TrustStore};
use model::refusal::{ListenerRefusal, TrustStoreRefusal};
use model::{Command, Owner, ResourceId, State, TrustStoreArn};

fn arn(name: &str) -> TrustStoreArn {
    TrustStoreArn::new(&scope(), name, ResourceId(3))
}

fn store(name: &str) -> TrustStore {
    TrustStore {
        arn: arn(name),
        name: TargetGroupName::try_from(name).unwrap(),
        bundle_pem: "".into(),
        certificates: 1,
        revocations: vec![],
        owner: Owner::Manifest,
    }
}

fn put(name: &str) -> Command {
    Command::PutTrustStore(store(name))
}

fn verify(name: &str) -> ListenerProtocol {
    https_with(MutualAuthentication::Verify {
        trust_store: arn(name),
        ignore_client_certificate_expiry: false,
        advertise_trust_store_ca_names: false,
    })
}

fn modify(port: u16, protocol: ListenerProtocol) -> Command {
    Command::ModifyListener(ModifyListener {
        arn: listener("shop", port),
        port: None,
        protocol: Some(protocol),
        default_actions: None,
        attributes: None,
    })
}

// ALB-X-013: a trust store in use stays
#[test]
fn a_trust_store_in_use_is_not_deleted() {
    let mut state = shop();
    let listen = create_listener("shop", 444, verify("partners"), fixed());
    refused(&state, &listen, TrustStoreRefusal::NoSuchTrustStore(arn("partners")));
    apply(&mut state, &put("partners")).unwrap();
    apply(&mut state, &listen).unwrap();
    let delete = Command::DeleteTrustStore(arn("partners"));
    let refusal = TrustStoreRefusal::InUse {
        trust_store: arn("partners"),
        listener: listener("shop", 444),
    };
    refused(&state, &delete, refusal);
    apply(&mut state, &modify(444, https_with(MutualAuthentication::Passthrough))).unwrap();
    apply(&mut state, &delete).unwrap();
    refused(&state, &delete, TrustStoreRefusal::NoSuchTrustStore(arn("partners")));
}

#[test]
fn two_listeners_of_a_load_balancer_verify() {
    let mut state = shop();
    apply(&mut state, &put("partners")).unwrap();
    for port in [444, 445] {
        apply(&mut state, &create_listener("shop", port, verify("partners"), fixed())).unwrap();
    }
    refused(&state, &modify(443, verify("partners")), ListenerRefusal::TooManyVerify);
    apply(&mut state, &modify(444, https())).unwrap();
    apply(&mut state, &modify(443, verify("partners"))).unwrap();
    // One that verifies already may go on changing.
    apply(&mut state, &modify(443, verify("partners"))).unwrap();
    apply(
        &mut state,
        &create_load_balancer("other", LoadBalancerAttributes::default()),
    )
    .unwrap();
    apply(&mut state, &create_listener("other", 443, verify("partners"), fixed())).unwrap();
}

#[test]
fn trust_stores_are_bounded() {
    let mut state = State::default();
    for number in 0..20 {
        apply(&mut state, &put(&format!("store{number}"))).unwrap();
    }
    refused(&state, &put("more"), TrustStoreRefusal::TooMany);
    apply(&mut state, &put("store7")).unwrap();
    let same_name = TrustStore {
        arn: TrustStoreArn::new(&scope(), "store7", ResourceId(4)),
        ..store("store7")
    };
    refused(
        &state,
        &Command::PutTrustStore(same_name),
        TrustStoreRefusal::NameTaken("store7".to_owned()),
    );
    let with = |certificates, lists: usize, entries| {
        let revocation = |id| Revocation {
            id,
            crl: [].into(),
            entries,
        };
        Command::PutTrustStore(TrustStore {
            certificates,
            revocations: (1..).take(lists).map(revocation).collect(),
            ..store("store0")
        })
    };
    let name = || "store0".to_owned();
    apply(&mut state, &with(25, 30, 16_666)).unwrap();
    for certificates in [0, 26] {
        let refusal = TrustStoreRefusal::Certificates {
            name: name(),
            certificates,
        };
        refused(&state, &with(certificates, 0, 0), refusal);
    }
    let refusal = TrustStoreRefusal::RevocationLists {
        name: name(),
        lists: 31,
    };
    refused(&state, &with(1, 31, 0), refusal);
    let refusal = TrustStoreRefusal::RevocationEntries {
        name: name(),
        entries: 500_001,
    };
    refused(&state, &with(1, 3, 166_667), refusal);
}
