//! Resources of Lambda.

use super::{Draw, NAMES};
use model::lambda::about::RoleArn;
use model::lambda::function::{
    AwsApi, Code, CodeLocation, Environment, EphemeralStorage, Function, FunctionConfiguration, FunctionMemory,
    FunctionName, FunctionTimeout, Layers, Network,
};
use model::lambda::logging::{ApplicationLogLevel, LogFormat, LogGroupName, Logging, SystemLogLevel};
use model::lambda::policy::{
    Action, ArnPattern, EventSourceToken, FunctionPolicy, OrganizationId, Principal, Statement, StatementId,
};
use model::lambda::runtime::Runtime;
use model::lambda::url::{Cors, FunctionUrl, InvokeMode, UrlAuth, UrlId, UrlTimes};
use model::{AccountId, Secret, Timestamp};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

impl Draw {
    pub(super) fn code(&mut self, executable: bool) -> Code {
        let path = match self.chance(20) {
            true => PathBuf::from(OsStr::from_bytes(b"/srv/\xff\xfe/code")),
            false => PathBuf::from(self.pick(&["/srv/code", "rel/a \"b\"", ""])),
        };
        Code {
            location: match self.below(if executable { 4 } else { 3 }) {
                0 => CodeLocation::Folder(path),
                1 => CodeLocation::Zip(path),
                2 => CodeLocation::Package(self.package().digest),
                _ => CodeLocation::Executable(path),
            },
            revision: self.text().into(),
        }
    }

    pub(super) fn function(&mut self) -> Function {
        let variables: BTreeMap<_, _> = self
            .some(3, |draw| {
                (
                    draw.pick(&["A", "b_2", "STAGE"]).to_owned(),
                    draw.text().replace('\0', ""),
                )
            })
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
        let format = self.maybe(|draw| LogFormat::Json {
            application_level: draw.pick(&[ApplicationLogLevel::Trace, ApplicationLogLevel::Fatal]),
            system_level: draw.pick(&[SystemLogLevel::Debug, SystemLogLevel::Warn]),
        });
        let layers = self.some(2, |draw| draw.code(false));
        Function {
            arn: self.function_arn(),
            name: FunctionName::try_from(self.pick(&NAMES)).unwrap(),
            configuration: FunctionConfiguration {
                runtime: Runtime::try_from(self.pick(&["provided.al2023", "python3.12", "nodejs22.x"])).unwrap(),
                handler: self.text(),
                timeout: FunctionTimeout::try_from(self.seconds(1, 900)).unwrap(),
                memory: FunctionMemory::try_from(self.pick(&[128, 10_240])).unwrap(),
                environment: Environment::new(variables).unwrap(),
                concurrency: self.maybe(|draw| draw.number() as u32),
                provisioned: self.pick(&[0, 10]),
                ephemeral_storage: EphemeralStorage::try_from(self.pick(&[512, 10_240])).unwrap(),
                logging: Logging {
                    format: format.unwrap_or_default(),
                    group: self.maybe(|_| LogGroupName::try_from("/aws/x#1").unwrap()),
                },
                layers: Layers::try_from(layers).unwrap(),
                network: self.maybe(|draw| draw.pick(&[Network::None, Network::Host])),
                aws_api: match self.below(3) {
                    0 => AwsApi::OwnRole,
                    1 => AwsApi::None,
                    _ => AwsApi::Role(RoleArn::try_from("arn:aws:iam::000000000000:role/a").unwrap()),
                },
            },
            code: self.code(true),
            owner: self.owner(),
        }
    }

    pub(super) fn function_url(&mut self) -> FunctionUrl {
        let cors = self.maybe(|draw| Cors {
            allow_credentials: draw.chance(50),
            allow_headers: draw.some(2, |_| "x-a".to_owned()),
            allow_methods: draw.some(2, |_| "GET".to_owned()),
            allow_origins: draw.some(2, |_| "https://a.example".to_owned()),
            expose_headers: draw.some(2, |_| "*".to_owned()),
            max_age: draw.pick(&[0, 86_400]),
        });
        let function = self.function_arn();
        // No two functions have the same.
        let mut id = [self.below(2) as u8; 20];
        for (at, byte) in function.as_str().bytes().enumerate() {
            id[1 + at % 19] = id[1 + at % 19].wrapping_mul(31).wrapping_add(byte);
        }
        FunctionUrl {
            id: UrlId::new(id),
            function,
            auth: self.pick(&[UrlAuth::None, UrlAuth::AwsIam]),
            invoke_mode: self.pick(&[InvokeMode::Buffered, InvokeMode::ResponseStream]),
            cors,
            times: self.maybe(|draw| UrlTimes {
                created: Timestamp(draw.number()),
                modified: Timestamp(draw.number()),
            }),
            owner: self.owner(),
        }
    }

    pub(super) fn function_policy(&mut self) -> FunctionPolicy {
        let ids = ["lb", "B_2", "c-3"];
        let count = 1 + self.below(ids.len());
        let statement = |draw: &mut Self, id: &str| Statement {
            id: StatementId::try_from(id).unwrap(),
            principal: Principal::try_from(draw.pick(&[
                "elasticloadbalancing.amazonaws.com",
                "*",
                "111122223333",
                "arn:aws:iam::111122223333:role/a",
            ]))
            .unwrap(),
            action: Action::try_from(draw.pick(&["lambda:InvokeFunction", "lambda:*", "*"])).unwrap(),
            source_arn: draw.maybe(|_| ArnPattern::try_from("arn:aws:elasticloadbalancing:*:*:targetgroup/*").unwrap()),
            source_account: draw.maybe(|_| AccountId::try_from("000000000000").unwrap()),
            url_auth: draw.maybe(|draw| draw.pick(&[UrlAuth::None, UrlAuth::AwsIam])),
            by_url: draw.maybe(|draw| draw.chance(50)),
            event_source_token: draw.maybe(|_| EventSourceToken::try_from("amzn1.ask-skill_1").unwrap()),
            organization: draw.maybe(|_| OrganizationId::try_from("o-0123456789").unwrap()),
        };
        FunctionPolicy {
            function: self.function_arn(),
            revision: u128::from(self.number()) << 64 | u128::from(self.number()),
            statements: ids[..count].iter().map(|id| statement(self, id)).collect(),
        }
    }
}
