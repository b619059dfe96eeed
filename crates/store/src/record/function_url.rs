//! URLs of functions.

use super::value::{Text, Word};
use super::{Invalid, Shape};
use model::lambda::url::{Cors, FunctionUrl, InvokeMode, UrlAuth, UrlId, UrlTimes};
use model::{FunctionArn, Owner, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionUrlV1 {
    id: Text<UrlId>,
    function: Text<FunctionArn>,
    auth: Word<UrlAuth>,
    invoke_mode: Word<InvokeMode>,
    cors: Option<CorsV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<TimesV1>,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimesV1 {
    created_ms: u64,
    modified_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CorsV1 {
    allow_credentials: bool,
    allow_headers: Vec<String>,
    allow_methods: Vec<String>,
    allow_origins: Vec<String>,
    expose_headers: Vec<String>,
    max_age_secs: u32,
}

impl Shape for FunctionUrlV1 {
    type Resource = FunctionUrl;

    fn of(resource: &FunctionUrl) -> Self {
        let FunctionUrl {
            id,
            function,
            auth,
            invoke_mode,
            cors,
            times,
            owner,
        } = resource.clone();
        let cors_v1 = |it| {
            let Cors {
                allow_credentials,
                allow_headers,
                allow_methods,
                allow_origins,
                expose_headers,
                max_age,
            } = it;
            CorsV1 {
                allow_credentials,
                allow_headers,
                allow_methods,
                allow_origins,
                expose_headers,
                max_age_secs: max_age,
            }
        };
        Self {
            id: Text(id),
            function: Text(function),
            auth: Word(auth),
            invoke_mode: Word(invoke_mode),
            cors: cors.map(cors_v1),
            times: times.map(|it| TimesV1 {
                created_ms: it.created.0,
                modified_ms: it.modified.0,
            }),
            owner: Word(owner),
        }
    }

    fn into_resource(self) -> Result<FunctionUrl, Invalid> {
        let cors = self.cors.map(|it| Cors {
            allow_credentials: it.allow_credentials,
            allow_headers: it.allow_headers,
            allow_methods: it.allow_methods,
            allow_origins: it.allow_origins,
            expose_headers: it.expose_headers,
            max_age: it.max_age_secs,
        });
        if let Some(cors) = &cors {
            cors.check().map_err(Invalid::because)?;
        }
        Ok(FunctionUrl {
            id: self.id.0,
            function: self.function.0,
            auth: self.auth.0,
            invoke_mode: self.invoke_mode.0,
            cors,
            times: self.times.map(|it| UrlTimes {
                created: Timestamp(it.created_ms),
                modified: Timestamp(it.modified_ms),
            }),
            owner: self.owner.0,
        })
    }
}
