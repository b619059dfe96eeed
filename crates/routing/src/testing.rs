//! A request head made of plain fields, and tables made of few words, for the tests of this crate.

use crate::action::{Action, Forward};
use crate::head::RequestHead;
use model::arn::TargetGroupArn;
use model::elb::action::{self as written, Actions, Answer, WeightedTargetGroup};
use model::ids::{AccountId, Region, ResourceId, Scope};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) struct Head {
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) source_ip: IpAddr,
}

impl Head {
    /// `GET`, with a target of path and query.
    pub(crate) fn get(host: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.into())),
            None => (target, None),
        };
        Self {
            method: b"GET".to_vec(),
            path: path.into(),
            query,
            host: Some(host.into()),
            headers: Vec::new(),
            source_ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        }
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn from(mut self, source_ip: &str) -> Self {
        self.source_ip = source_ip.parse().unwrap();
        self
    }
}

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        &self.method
    }

    fn path(&self) -> &[u8] {
        &self.path
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_deref()
    }

    fn host(&self) -> Option<&[u8]> {
        self.host.as_deref()
    }

    fn header_values<'a>(&'a self, lower_name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self
            .headers
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(lower_name));
        named.map(|(_, value)| &**value)
    }

    fn source_ip(&self) -> IpAddr {
        self.source_ip
    }
}

pub(crate) fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("000000000000").unwrap(),
    }
}

/// A forward action to groups 0, 1, ... with these weights.
pub(crate) fn forward(weights: &[u16]) -> Forward<usize> {
    let groups = weights.iter().zip(0..).map(|(&weight, id)| WeightedTargetGroup {
        target_group: TargetGroupArn::new(&scope(), "g", ResourceId(id)),
        weight,
    });
    let actions = Actions::from(Answer::Forward(written::Forward::new(groups.collect(), None).unwrap()));
    let mut next = 0..;
    match Action::compile(&actions, &mut |_: &TargetGroupArn| next.next().unwrap()) {
        Action::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}
