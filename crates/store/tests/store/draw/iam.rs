//! Users, groups, roles and policies.

use super::{Draw, NAMES};
use model::iam::document::Use;
use model::iam::name::{Name, unique_id};
use model::iam::policy::PolicyVersion;
use model::iam::{AccessKey, Change, Document, Group, Identity, InstanceProfile, Key, Policy, Role, User};
use model::{Secret, Timestamp};
use std::sync::Arc;

const IDENTITY: [&str; 2] = [
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    r#"{"Statement":[{"Sid":"A","Effect":"Deny","NotAction":["iam:Get*"],"Resource":"arn:aws:s3:::ü/${aws:username}",
        "Condition":{"StringNotEqualsIfExists":{"aws:PrincipalTag/team":["a","b"]}}}]}"#,
];
const TRUST: [&str; 2] = [
    r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}}"#,
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],
        "Principal":{"Service":"lambda.amazonaws.com","AWS":"111122223333"}}]}"#,
];
const PATHS: [&str; 2] = ["/", "/service-role/a/"];

impl Draw {
    pub(super) fn iam(&mut self) -> Change {
        match self.below(10) {
            0 => Change::DeleteUser(self.iam_key()),
            1 => Change::DeleteGroup(self.iam_key()),
            2 => Change::DeleteRole(self.iam_key()),
            3 => Change::DeletePolicy(self.iam_key()),
            4 => Change::PutUser(Arc::new(self.user())),
            5 => Change::PutGroup(Arc::new(self.group())),
            6 => Change::PutRole(Arc::new(self.role())),
            7 => Change::PutPolicy(Arc::new(self.policy())),
            8 => Change::DeleteInstanceProfile(self.iam_key()),
            _ => Change::PutInstanceProfile(Arc::new(self.instance_profile())),
        }
    }

    fn iam_name(&mut self) -> Name {
        let (scope, name) = (self.scope(), self.pick(&NAMES));
        Name::new(&scope.account, name)
    }

    fn iam_key(&mut self) -> Key {
        self.iam_name().key().clone()
    }

    fn iam_moment(&mut self) -> Timestamp {
        Timestamp(self.number() >> 8)
    }

    fn document(&mut self, texts: &[&str], of: Use) -> Document {
        Document::read(self.pick(texts), of).unwrap()
    }

    fn identity(&mut self) -> Identity {
        let name = self.iam_name();
        let (path, id) = (self.pick(&PATHS), unique_id("AIDA", 17, u128::from(self.number())));
        let created = self.iam_moment();
        let mut identity = Identity::new(name, path.into(), id.into(), created);
        identity.tags = self.tags();
        for name in NAMES.into_iter().take(self.below(3)) {
            let document = self.document(&IDENTITY, Use::Identity);
            identity.inline.insert(name.into(), document);
        }
        for name in ["ReadOnlyAccess", "service-role/AWSLambdaRole"]
            .into_iter()
            .take(self.below(3))
        {
            identity.attached.push(format!("arn:aws:iam::aws:policy/{name}").into());
        }
        identity.boundary = self.maybe(|draw| draw.pick(&["arn:aws:iam::aws:policy/ReadOnlyAccess", ""]).into());
        identity
    }

    fn instance_profile(&mut self) -> InstanceProfile {
        InstanceProfile {
            name: self.iam_name(),
            path: self.pick(&PATHS).into(),
            id: unique_id("AIPA", 17, u128::from(self.number())).into(),
            created: self.iam_moment(),
            tags: self.tags(),
            role: self.maybe(Self::iam_key),
        }
    }

    fn user(&mut self) -> User {
        let identity = self.identity();
        // The same user's keys are the same user's: ids do not wander.
        let id = |number| format!("AKIA{number}{}", identity.key()).into();
        let keys = (0..self.below(3)).map(|number| AccessKey {
            id: id(number),
            secret: Secret::new(format!("{:040}", self.number()).into()),
            active: self.chance(50),
            created: self.iam_moment(),
        });
        let keys = keys.collect();
        User { identity, keys }
    }

    fn group(&mut self) -> Group {
        let identity = self.identity();
        let members = (0..self.below(3)).map(|_| self.iam_key()).collect();
        Group { identity, members }
    }

    fn role(&mut self) -> Role {
        Role {
            identity: self.identity(),
            description: self.maybe(|draw| draw.pick(&["", "for \"people\""]).into()),
            max_session_secs: 3600 * (1 + u32::try_from(self.below(12)).unwrap()),
            trust: self.document(&TRUST, Use::Trust),
        }
    }

    fn policy(&mut self) -> Policy {
        let count = 1 + u32::try_from(self.below(3)).unwrap();
        let versions = (1..=count).map(|number| PolicyVersion {
            number,
            document: self.document(&IDENTITY, Use::Identity),
            created: self.iam_moment(),
        });
        let versions = versions.collect();
        Policy {
            name: self.iam_name(),
            path: self.pick(&PATHS).into(),
            id: unique_id("ANPA", 17, u128::from(self.number())).into(),
            description: self.maybe(|draw| draw.pick(&["", "a"]).into()),
            created: self.iam_moment(),
            updated: self.iam_moment(),
            tags: self.tags(),
            versions,
            default_version: count,
            last_version: count + u32::try_from(self.below(2)).unwrap(),
        }
    }
}
